//! Streams against what Redis does in single cases, and against simple models under random steps: a map in
//! the order of IDs for the entries, another one for what is pending in a group.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use proptest::prelude::*;

const LIMITS: NodeLimits = NodeLimits { bytes: 4096, entries: 100 };
const SMALL: NodeLimits = NodeLimits { bytes: 4096, entries: 4 };

fn id(ms: u64) -> StreamId {
    StreamId::new(ms, 0)
}

fn add(stream: &mut Stream, id: StreamId, words: &[&str], limits: NodeLimits) -> StreamId {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let pairs = (0..words.len() / 2).map(|n| (words[2 * n], words[2 * n + 1]));
    stream.add(NewId::Exactly(id), pairs, limits).unwrap()
}

fn filled(count: u64, limits: NodeLimits) -> Stream {
    let mut stream = Stream::default();
    for n in 1..=count {
        add(&mut stream, id(n), &["field", "value"], limits);
    }
    stream
}

fn ids(entries: Entries<'_>) -> Vec<u64> {
    entries.map(|entry| entry.id.ms).collect()
}

fn words(entry: &Entry<'_>) -> Vec<String> {
    let text =
        |element: crate::value::listpack::Element<'_>| String::from_utf8(element.to_vec()).unwrap();
    entry.fields().flat_map(|(field, value)| [text(field), text(value)]).collect()
}

#[test]
fn entries_with_other_fields_than_the_first_keep_their_own() {
    let mut stream = Stream::default();
    let entries: [&[&str]; 5] = [
        &["a", "1", "b", "2"],
        &["a", "", "b", "x"],
        &["b", "1", "a", "2"],
        &["a", "1"],
        &["a", "1", "b", "2", "c", "3"],
    ];
    for (n, entry) in entries.iter().enumerate() {
        add(&mut stream, id(n as u64 + 1), entry, LIMITS);
    }
    for (entry, expected) in stream.iter().zip(entries) {
        assert_eq!(words(&entry), expected);
        assert_eq!(entry.len(), expected.len() / 2);
    }
    assert_eq!(stream.node_count(), 1);
}

#[test]
fn a_new_id_is_greater_than_the_last_one_or_refused() {
    let mut stream = Stream::default();
    add(&mut stream, StreamId::new(5, 3), &["a", "b"], LIMITS);
    let resolve = |stream: &Stream, wanted| stream.resolve(wanted);
    assert_eq!(resolve(&stream, NewId::At { now_ms: 9 }), Ok(id(9)));
    assert_eq!(resolve(&stream, NewId::At { now_ms: 4 }), Ok(StreamId::new(5, 4)));
    assert_eq!(resolve(&stream, NewId::In { ms: 5 }), Ok(StreamId::new(5, 4)));
    assert_eq!(resolve(&stream, NewId::In { ms: 6 }), Ok(id(6)));
    assert_eq!(resolve(&stream, NewId::In { ms: 4 }), Err(AddError::TooSmall));
    assert_eq!(resolve(&stream, NewId::Exactly(StreamId::new(5, 3))), Err(AddError::TooSmall));
    assert_eq!(resolve(&Stream::default(), NewId::In { ms: 0 }), Ok(StreamId::new(0, 1)));
    stream.set_id(StreamId::new(7, u64::MAX), None, None);
    assert_eq!(resolve(&stream, NewId::At { now_ms: 1 }), Ok(id(8)));
    assert_eq!(resolve(&stream, NewId::In { ms: 7 }), Err(AddError::MillisecondFull));
    stream.set_id(StreamId::MAX, None, None);
    assert_eq!(resolve(&stream, NewId::At { now_ms: 1 }), Err(AddError::Exhausted));
}

#[test]
fn nodes_are_full_where_those_of_redis_are() {
    assert_eq!(filled(100, LIMITS).node_count(), 1);
    assert_eq!(filled(101, LIMITS).node_count(), 2);
    let bytes = NodeLimits { bytes: 64, entries: 0 };
    assert!(filled(100, bytes).node_count() > 10);
    assert_eq!(filled(1000, NodeLimits { bytes: 1 << 30, entries: 0 }).node_count(), 1);
}

#[test]
fn approximate_trimming_drops_whole_nodes_only() {
    let trim = |count, to, limit| {
        let mut stream = filled(count, LIMITS);
        stream.trim(Trim { to, is_approximate: true, limit })
    };
    assert_eq!(trim(1000, TrimTo::Len(550), 0), 400);
    assert_eq!(trim(1000, TrimTo::Len(500), 0), 500);
    assert_eq!(trim(1000, TrimTo::Len(0), 300), 300);
    assert_eq!(trim(1000, TrimTo::Len(0), 299), 200);
    assert_eq!(trim(1000, TrimTo::Id(id(351)), 0), 300);
    assert_eq!(trim(1000, TrimTo::Id(id(401)), 0), 400);
    assert_eq!(trim(50, TrimTo::Len(10), 0), 0);
}

#[test]
fn when_the_last_node_goes_the_one_before_is_filled_up() {
    let mut stream = filled(9, SMALL);
    assert_eq!(stream.node_count(), 3);
    assert_eq!(stream.delete(&[id(9)]), 1);
    assert_eq!(stream.node_count(), 2);
    stream.delete(&[id(8)]);
    add(&mut stream, id(10), &["field", "value"], NodeLimits { bytes: 4096, entries: 5 });
    assert_eq!(stream.node_count(), 2);
    assert_eq!(ids(stream.iter()), [1, 2, 3, 4, 5, 6, 7, 10]);
}

#[test]
fn a_clone_does_not_see_later_changes() {
    let mut stream = filled(10, SMALL);
    stream.create_group(b"g", StreamId::MIN, Some(0));
    let clone = stream.clone();
    stream.delete(&[id(1), id(10)]);
    stream.trim(Trim::exactly(TrimTo::Len(3)));
    stream.group_mut(b"g").unwrap().create_consumer(b"c", 1);
    assert_eq!(ids(clone.iter()), (1..=10).collect::<Vec<_>>());
    assert_eq!(clone.group(b"g").unwrap().consumer_count(), 0);
    assert_eq!(ids(stream.iter()), [7, 8, 9]);
}

#[test]
fn lag_is_known_until_a_deletion_ahead() {
    let mut stream = filled(5, LIMITS);
    let lag = |stream: &Stream, last, read| {
        let mut stream = stream.clone();
        stream.create_group(b"g", id(last), read);
        stream.lag(stream.group(b"g").unwrap())
    };
    assert_eq!(lag(&stream, 2, Some(2)), Some(3));
    assert_eq!(lag(&stream, 0, None), Some(5));
    assert_eq!(lag(&stream, 1, None), Some(4));
    assert_eq!(lag(&stream, 2, None), None);
    assert_eq!(lag(&stream, 5, None), Some(0));
    stream.delete(&[id(3)]);
    assert_eq!(lag(&stream, 2, Some(2)), None);
    assert_eq!(lag(&stream, 4, Some(4)), Some(1));
    stream.delete(&[id(1), id(2), id(4), id(5)]);
    assert_eq!(lag(&stream, 2, Some(2)), Some(3));
}

#[test]
fn numbers_of_consumers_that_went_are_given_out_again() {
    let mut stream = filled(9, LIMITS);
    stream.create_group(b"g", StreamId::MIN, None);
    let mut group = stream.group_mut(b"g").unwrap();
    for name in [b"a", b"b", b"c"] {
        let consumer = group.create_consumer(name, 1);
        group.deliver(id(u64::from(name[0])), Delivery::new(consumer, 5, 1));
    }
    assert_eq!(group.delete_consumer(b"b"), Some(1));
    assert_eq!(group.delete_consumer(b"b"), None);
    let new = group.create_consumer(b"new", 1);
    assert_eq!(group.pending_count_with(new), 0);
    group.deliver(id(97), Delivery::new(new, 6, 2));
    let owners: Vec<_> =
        group.pending(StreamId::MIN).map(|(id, it)| (id.ms, group.name_of(&it))).collect();
    assert_eq!(owners, [(97, &b"new"[..]), (99, b"c")]);
    assert_eq!(
        group.consumers().map(|(name, _)| name).collect::<Vec<_>>(),
        [&b"a"[..], b"c", b"new"]
    );
}

#[derive(Clone, Debug)]
enum Step {
    Add { gap: u64, fields: Vec<(String, String)> },
    Delete(Vec<u64>),
    TrimLen(u64),
    TrimId(u64),
    TrimNodes(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fields = prop::collection::vec(("[ab]", "[0-9]{0,4}|[a-z]{0,40}"), 1..4);
    let step = prop_oneof![
        6 => (1..4u64, fields).prop_map(|(gap, fields)| Step::Add { gap, fields }),
        3 => prop::collection::vec(0..200u64, 1..5).prop_map(Step::Delete),
        1 => (0..60u64).prop_map(Step::TrimLen),
        1 => (0..200u64).prop_map(Step::TrimId),
        1 => (0..60u64).prop_map(Step::TrimNodes),
    ];
    prop::collection::vec(step, 1..150)
}

type Model = BTreeMap<u64, Vec<String>>;

fn apply(step: Step, stream: &mut Stream, model: &mut Model) {
    match step {
        Step::Add { gap, fields } => {
            let new = StreamId::new(stream.last_id().ms + gap, 0);
            let words: Vec<String> = fields.into_iter().flat_map(|(a, b)| [a, b]).collect();
            let texts: Vec<&str> = words.iter().map(String::as_str).collect();
            add(stream, new, &texts, SMALL);
            model.insert(new.ms, words);
        }
        Step::Delete(gone) => {
            let gone: BTreeSet<u64> = gone.into_iter().collect();
            let wanted: Vec<_> = gone.iter().map(|ms| id(*ms)).collect();
            let count = gone.iter().filter(|ms| model.remove(ms).is_some()).count();
            assert_eq!(stream.delete(&wanted), count);
        }
        Step::TrimLen(len) => {
            let before = model.len();
            while model.len() as u64 > len {
                model.pop_first();
            }
            let removed = stream.trim(Trim::exactly(TrimTo::Len(len)));
            assert_eq!(removed, (before - model.len()) as u64);
        }
        Step::TrimId(first) => {
            let kept = model.split_off(&first);
            let removed = stream.trim(Trim::exactly(TrimTo::Id(id(first))));
            assert_eq!(removed, model.len() as u64);
            *model = kept;
        }
        Step::TrimNodes(len) => {
            let trim = Trim { to: TrimTo::Len(len), is_approximate: true, limit: 0 };
            for _ in 0..stream.trim(trim) {
                model.pop_first();
            }
            let excess = stream.len().saturating_sub(len as usize);
            assert!(excess < SMALL.entries as usize, "{excess} more than {len}");
        }
    }
}

proptest! {
    #[test]
    fn a_stream_is_a_map_in_the_order_of_ids(steps in steps(), from in 0..200u64, to in 0..200u64) {
        let (mut stream, mut model) = (Stream::default(), Model::new());
        for step in steps {
            apply(step, &mut stream, &mut model);
            prop_assert_eq!(stream.len(), model.len());
            let first = model.keys().next().copied().unwrap_or_default();
            prop_assert_eq!(stream.first_id(), id(first));
        }
        let entries: Vec<_> = stream.iter().map(|entry| (entry.id.ms, words(&entry))).collect();
        prop_assert_eq!(entries, model.clone().into_iter().collect::<Vec<_>>());
        let mut expected: Vec<u64> =
            model.keys().copied().filter(|ms| (from..=to).contains(ms)).collect();
        prop_assert_eq!(ids(stream.range(id(from), id(to))), expected.clone());
        expected.reverse();
        prop_assert_eq!(ids(stream.range_backwards(id(from), id(to))), expected);
        for ms in 0..200 {
            prop_assert_eq!(stream.contains(id(ms)), model.contains_key(&ms));
        }
    }

    #[test]
    fn pending_entries_are_in_both_lists_or_in_none(
        steps in prop::collection::vec((0..4u8, 0..30u64, 0..4usize), 1..200)
    ) {
        const NAMES: [&[u8]; 4] = [b"", b"a", b"ab", b"b"];
        let mut group = Group::new(StreamId::MIN, None);
        let mut model: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
        for (step, ms, name) in steps {
            match step {
                0 | 1 => {
                    let consumer = group.consumer(NAMES[name]);
                    let consumer =
                        consumer.unwrap_or_else(|| group.create_consumer(NAMES[name], 0));
                    group.deliver(id(ms), Delivery::new(consumer, 0, ms));
                    model.insert(ms, (name, ms));
                }
                2 => prop_assert_eq!(group.acknowledge(id(ms)), model.remove(&ms).is_some()),
                _ => {
                    let before = model.len();
                    let is_there = group.delete_consumer(NAMES[name]);
                    model.retain(|_, (owner, _)| *owner != name);
                    prop_assert_eq!(is_there.unwrap_or(0), before - model.len());
                }
            }
            prop_assert_eq!(group.pending_count(), model.len());
        }
        let all: Vec<_> =
            group.pending(StreamId::MIN).map(|(id, it)| (id.ms, group.name_of(&it))).collect();
        let expected: Vec<_> =
            model.iter().map(|(ms, (name, _))| (*ms, NAMES[*name])).collect();
        prop_assert_eq!(all, expected);
        for (name, consumer) in group.consumers() {
            let own: Vec<_> =
                group.pending_with(consumer, id(5)).map(|(id, it)| (id.ms, it.count)).collect();
            let is_own = |owner: usize| NAMES[owner] == name;
            let expected: Vec<_> = model
                .range(5..)
                .filter(|(_, (owner, _))| is_own(*owner))
                .map(|(ms, (_, count))| (*ms, *count))
                .collect();
            prop_assert_eq!(own, expected);
        }
    }
}
