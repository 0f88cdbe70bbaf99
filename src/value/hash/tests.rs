//! Hashes against a map of fields to values and deadlines.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Hash, HashLimits};
use crate::base::random::Random;
use crate::value::Draw;

const LIMITS: HashLimits = HashLimits { entries: 8, value: 16 };
const FOREVER: HashLimits = HashLimits { entries: usize::MAX, value: usize::MAX };

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn all(hash: &Hash, now_ms: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let pairs: Vec<_> = hash.iter(now_ms).map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
    let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "each field comes once");
    map
}

fn live(model: &Model, now_ms: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let live = model.iter().filter(|(_, (_, deadline))| deadline.is_none_or(|at| at > now_ms));
    live.map(|(field, (value, _))| (field.clone(), value.clone())).collect()
}

fn scanned(hash: &Hash, count: usize, now_ms: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (mut found, mut cursor) = (BTreeMap::new(), 0);
    loop {
        cursor = hash.scan(cursor, count, now_ms, |field, value| {
            let before = found.insert(field.to_vec(), value.to_vec());
            assert_eq!(before, None, "each field is visited once");
        });
        if cursor == 0 {
            return found;
        }
    }
}

fn check(hash: &Hash, model: &Model, now_ms: i64) {
    let expected = live(model, now_ms);
    assert_eq!(hash.len(now_ms), expected.len());
    assert_eq!(all(hash, now_ms), expected);
    assert_eq!(scanned(hash, 3, now_ms), expected);
    assert_eq!(hash.iter_stored().count(), model.len());
    assert_eq!(hash.is_empty(), model.is_empty());
    assert_eq!(hash.is_expired(now_ms), !model.is_empty() && expected.is_empty());
    let next = model.values().filter_map(|(_, deadline)| *deadline).min();
    assert_eq!(hash.next_deadline(), next);
    for (field, (_, deadline)) in model {
        assert_eq!(hash.deadline(field), *deadline);
        let value = hash.get(field, now_ms).map(|value| value.to_vec());
        assert_eq!(value.as_ref(), expected.get(field));
    }
    let by_time: Vec<_> = hash.deadlines().map(|(at, field)| (at, field.to_vec())).collect();
    assert!(by_time.is_sorted());
    assert_eq!(by_time.len(), model.values().filter(|(_, deadline)| deadline.is_some()).count());
    let mut random = Random::seeded(now_ms as u64);
    let drawn = hash.random(now_ms, &mut random).map(|(f, v)| (f.to_vec(), v.to_vec()));
    assert_eq!(drawn.is_some(), !expected.is_empty());
    assert!(drawn.is_none_or(|(field, value)| expected.get(&field) == Some(&value)));
    let draw = hash.draw(now_ms);
    let several = draw.several(3, &mut random).map(|(field, _)| field.to_vec());
    let several: BTreeMap<_, _> = several.map(|field| (field, ())).collect();
    assert_eq!(several.len(), expected.len().min(3), "different fields");
    assert!(several.keys().all(|field| expected.contains_key(field)));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    Deadline(Vec<u8>, i64),
    Persist(Vec<u8>),
    /// Time passes, and at most so many of the fields that have expired are removed.
    Pass(i64, usize),
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[a-e]", "[0-9]{1,2}", "[a-e]{17}"].prop_map(String::into_bytes)
}

fn step() -> impl Strategy<Value = Step> {
    let value = "[0-9]{0,3}|[a-z]{0,20}".prop_map(String::into_bytes);
    prop_oneof![
        4 => (field(), value).prop_map(|(field, value)| Step::Insert(field, value)),
        2 => field().prop_map(Step::Remove),
        4 => (field(), 0i64..60).prop_map(|(field, after)| Step::Deadline(field, after)),
        1 => field().prop_map(Step::Persist),
        2 => (0i64..30, 0usize..4).prop_map(|(time, limit)| Step::Pass(time, limit)),
    ]
}

/// Does it to both. Before a change, what has expired is removed, as whoever changes a hash has to.
fn apply(step: &Step, hash: &mut Hash, model: &mut Model, now_ms: &mut i64, limits: &HashLimits) {
    if let Step::Pass(time, limit) = step {
        *now_ms += time;
        let due = model.values().filter(|(_, at)| at.is_some_and(|at| at <= *now_ms)).count();
        let removed = hash.remove_expired(*now_ms, *limit);
        assert_eq!(removed.len(), due.min(*limit));
        removed.iter().for_each(|field| {
            assert!(model.remove(field).unwrap().1.unwrap() <= *now_ms);
        });
        return;
    }
    hash.remove_expired(*now_ms, usize::MAX);
    model.retain(|_, (_, deadline)| deadline.is_none_or(|at| at > *now_ms));
    match step {
        Step::Insert(field, value) => {
            let is_new = !model.contains_key(field);
            assert_eq!(hash.insert(field, value, limits), is_new);
            model.entry(field.clone()).or_default().0.clone_from(value);
        }
        Step::Remove(field) => {
            assert_eq!(hash.remove(field), model.remove(field).is_some());
        }
        Step::Deadline(field, after) => {
            if let Some((_, deadline)) = model.get_mut(field) {
                hash.set_deadline(field, *now_ms + after);
                *deadline = Some(*now_ms + after);
            }
        }
        Step::Persist(field) => {
            let had = model.get_mut(field).and_then(|(_, deadline)| deadline.take());
            assert_eq!(hash.persist(field), had.is_some());
        }
        Step::Pass(..) => unreachable!("it was dealt with"),
    }
}

proptest! {
    #[test]
    fn a_hash_is_a_map_whose_fields_expire(
        steps in prop::collection::vec(step(), 1..120),
        always_small in any::<bool>(),
    ) {
        let limits = if always_small { FOREVER } else { LIMITS };
        let (mut hash, mut model, mut now_ms) = (Hash::new(), Model::new(), 0);
        let mut kept: Option<(Hash, Model, i64)> = None;
        for (number, step) in steps.iter().enumerate() {
            apply(step, &mut hash, &mut model, &mut now_ms, &limits);
            check(&hash, &model, now_ms);
            if number % 20 == 7 {
                kept = Some((hash.clone(), model.clone(), now_ms));
            }
        }
        // A clone does not notice what happens to the original.
        if let Some((hash, model, now_ms)) = kept {
            check(&hash, &model, now_ms);
        }
    }
}

fn filled(fields: usize, limits: &HashLimits) -> Hash {
    let mut hash = Hash::new();
    for n in 0..fields {
        hash.insert(format!("f{n}").as_bytes(), b"v", limits);
    }
    hash
}

#[test]
fn a_hash_becomes_large_with_many_fields_or_a_long_one_and_stays_large() {
    let mut hash = filled(8, &LIMITS);
    assert_eq!(hash.encoding(), "listpack");
    hash.insert(b"f0", b"an update", &LIMITS);
    assert_eq!(hash.encoding(), "listpack");
    hash.insert(b"f8", b"v", &LIMITS);
    assert_eq!(hash.encoding(), "hashtable");
    (1..9).for_each(|n| assert!(hash.remove(format!("f{n}").as_bytes())));
    assert_eq!((hash.encoding(), hash.len(0)), ("hashtable", 1));
    for (field, value) in [(&[b'x'; 17][..], &b"v"[..]), (b"f", &[b'x'; 17])] {
        let mut hash = filled(1, &LIMITS);
        hash.insert(&[b'x'; 16], &[b'y'; 16], &LIMITS);
        assert_eq!(hash.encoding(), "listpack");
        hash.insert(field, value, &LIMITS);
        assert_eq!(hash.encoding(), "hashtable");
    }
    let mut hash = filled(1, &LIMITS);
    hash.make_room(8, &LIMITS);
    assert_eq!(hash.encoding(), "listpack");
    hash.make_room(9, &LIMITS);
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn a_small_hash_with_a_deadline_has_a_name_of_its_own_and_keeps_the_order_of_insertion() {
    let mut hash = filled(3, &LIMITS);
    hash.set_deadline(b"f1", 10);
    assert_eq!(hash.encoding(), "listpackex");
    assert!(hash.persist(b"f1"));
    assert_eq!(hash.encoding(), "listpackex");
    let fields: Vec<_> = hash.iter(0).map(|(field, _)| field.to_vec()).collect();
    assert_eq!(fields, [b"f0", b"f1", b"f2"]);
}

/// How often each of the fields is drawn, in thousands of draws.
fn frequencies(hash: &Hash, now_ms: i64, several: bool) -> BTreeMap<Vec<u8>, usize> {
    const ROUNDS: usize = 10_000;
    let mut random = Random::seeded(4);
    let mut seen = BTreeMap::<Vec<u8>, usize>::new();
    let fields = hash.draw(now_ms);
    for _ in 0..ROUNDS {
        if several {
            let drawn = fields.several(3, &mut random);
            drawn.for_each(|(field, _)| *seen.entry(field.to_vec()).or_default() += 1);
        } else {
            let (field, _) = hash.random(now_ms, &mut random).unwrap();
            *seen.entry(field.to_vec()).or_default() += 1;
        }
    }
    seen
}

#[test]
fn every_field_is_drawn_equally_often_and_no_expired_one() {
    for limits in [LIMITS, FOREVER] {
        for (expired, several) in
            [(0, false), (4, false), (20, false), (0, true), (4, true), (12, true), (16, true)]
        {
            let mut hash = filled(24, &limits);
            (0..expired).for_each(|n| hash.set_deadline(format!("f{n}").as_bytes(), 5));
            let seen = frequencies(&hash, 5, several);
            let fields = 24 - expired;
            assert_eq!(seen.len(), fields);
            let expected = 10_000.0 * if several { 3.0 } else { 1.0 } / fields as f64;
            // Chi-square, far beyond what 24 fields reach by chance once in ten thousand times.
            let sum: f64 = seen.values().map(|n| (*n as f64 - expected).powi(2) / expected).sum();
            assert!(sum < 60.0, "{sum} with {expired} expired: {seen:?}");
        }
    }
}

#[test]
fn a_few_expired_fields_are_no_reason_to_list_all_others() {
    let mut random = Random::seeded(4);
    for (expired, is_listed) in [(0, false), (1, false), (50, false), (51, true), (99, true)] {
        let mut hash = filled(100, &LIMITS);
        (0..expired).for_each(|n| hash.set_deadline(format!("f{n}").as_bytes(), 5));
        let draw = hash.draw(5);
        assert_eq!(matches!(draw, Draw::Listed(_)), is_listed, "{expired}");
        assert_eq!((draw.len(), hash.is_drawn_from_list(5)), (100 - expired, is_listed));
        for count in [1, 2, 24, 26, 49, 50, 99, 100, 200] {
            let drawn = draw.several(count, &mut random).map(|(field, _)| field.to_vec());
            let drawn: std::collections::BTreeSet<_> = drawn.collect();
            assert_eq!(drawn.len(), count.min(100 - expired), "{count} of those but {expired}");
            assert!(drawn.iter().all(|field| hash.contains(field, 5)));
        }
    }
}

#[test]
fn times_at_the_ends_of_their_range_are_compared_rightly() {
    let mut hash = filled(2, &LIMITS);
    hash.set_deadline(b"f0", 0);
    hash.set_deadline(b"f1", i64::MAX);
    assert_eq!([i64::MIN, -1, 0, i64::MAX - 1, i64::MAX].map(|now| hash.len(now)), [2, 2, 1, 1, 0]);
    assert_eq!(hash.remove_expired(-1, 9), Vec::<Vec<u8>>::new());
    assert_eq!(hash.remove_expired(i64::MAX, 1), [b"f0"]);
    assert!(hash.is_expired(i64::MAX) && !hash.is_expired(i64::MAX - 1));
}

#[test]
fn a_small_hash_without_deadlines_takes_one_piece_of_memory_in_a_size_of_the_allocator() {
    let mut hash = Hash::new();
    assert_eq!(hash.heap_bytes(), 0);
    for n in 0..10 {
        hash.insert(format!("field:{n}").as_bytes(), format!("value:{n}").as_bytes(), &FOREVER);
    }
    // Ten times twice seven bytes, with a length before and behind; a head of eight.
    assert_eq!(hash.heap_bytes(), 192);
    (0..9).for_each(|n| assert!(hash.remove(format!("field:{n}").as_bytes())));
    assert!(hash.heap_bytes() <= 64);
}

#[test]
fn memory_counts_deadlines() {
    let mut hash = filled(100, &LIMITS);
    let before = hash.heap_bytes();
    assert!(before > 300);
    hash.set_deadline(b"f7", 10);
    assert!(hash.heap_bytes() > before);
}
