//! Lists against vectors, in both forms; the counts of the directory against what is there.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn words(list: &List) -> Vec<Vec<u8>> {
    list.iter().map(|element| element.to_vec()).collect()
}

fn numbers(count: usize, limits: &ListLimits) -> List {
    List::from_values((0..count).map(|number| format!("element-{number}")), limits)
}

impl List {
    fn check(&self) {
        if let Large(blocks) = &self.0 {
            blocks.check();
        }
    }

    fn block_count(&self) -> usize {
        self.packs().count()
    }
}

#[test]
fn a_list_changes_form_when_it_is_full_and_back_when_it_is_half_empty() {
    let limits = ListLimits::new(8);
    let mut list = numbers(8, &limits);
    assert_eq!(list.encoding(), "listpack");
    list.make_room(1, 1, &limits);
    list.push(End::Right, b"x", &limits);
    assert_eq!((list.encoding(), list.block_count()), ("quicklist", 2));
    list.remove(0..5);
    list.shrink(&limits);
    assert_eq!(list.encoding(), "quicklist", "there are still two blocks");
    list.remove(0..3);
    list.shrink(&limits);
    assert_eq!((list.encoding(), words(&list)), ("listpack", vec![b"x".to_vec()]));
}

#[test]
fn an_emptied_list_is_small() {
    let limits = ListLimits::new(1);
    let mut list = numbers(5, &limits);
    list.remove(0..5);
    list.shrink(&limits);
    assert!(list.is_empty());
    assert_eq!(list.encoding(), "listpack");
}

#[test]
fn what_is_added_counts_before_it_is_there() {
    let limits = ListLimits::new(-1);
    let mut list = List::default();
    let long = [b'x'; 2000];
    list.push_all(End::Right, [&long[..], &long].into_iter(), &limits);
    assert_eq!(list.encoding(), "listpack");
    let mut list = List::default();
    list.push_all(End::Right, [&long[..], &long, &long].into_iter(), &limits);
    assert_eq!((list.encoding(), list.block_count()), ("quicklist", 2));
}

/// Redis does not count what an element takes beside its bytes, and would keep a million empty values in
/// one piece of memory.
#[test]
fn a_flood_of_empty_values_is_cut_into_blocks_all_the_same() {
    let limits = ListLimits::default();
    let mut list = List::default();
    list.push_all(End::Left, std::iter::repeat_n(&b""[..], 1_000_000), &limits);
    assert_eq!(list.len(), 1_000_000);
    assert!(list.block_count() > 200, "{} blocks", list.block_count());
    list.check();
}

#[test]
fn a_value_that_is_longer_than_a_block_has_one_of_its_own_until_it_goes() {
    let limits = ListLimits::default();
    let mut list = numbers(3, &limits);
    let long = vec![b'x'; 20_000];
    list.make_room(long.len(), 1, &limits);
    list.replace(1, &long, &limits);
    assert_eq!((list.encoding(), list.block_count()), ("quicklist", 3));
    list.check();
    list.replace(1, b"y", &limits);
    list.shrink(&limits);
    assert_eq!(list.encoding(), "listpack");
    let expected: Vec<Vec<u8>> = vec![b"element-0".into(), b"y".into(), b"element-2".into()];
    assert_eq!(words(&list), expected);
}

#[test]
fn pushing_leaves_full_blocks_behind_at_both_ends() {
    let limits = ListLimits::new(10);
    for end in [End::Left, End::Right] {
        let mut list = numbers(11, &limits);
        for number in 0..1000 {
            list.push(end, format!("{number}").as_bytes(), &limits);
        }
        assert!(list.block_count() <= 103, "{end:?}: {} blocks", list.block_count());
        list.check();
    }
}

#[test]
fn removing_every_other_element_leaves_no_crowd_of_thin_blocks() {
    let limits = ListLimits::new(20);
    let values = (0..2000).map(|number| if number % 20 == 7 { "kept" } else { "gone" });
    for from in [End::Left, End::Right] {
        let mut list = List::from_values(values.clone(), &limits);
        assert_eq!(list.block_count(), 100);
        assert_eq!(list.remove_equal(b"gone", usize::MAX, from, &limits), 1900);
        assert!(list.block_count() < 40, "{from:?}: {} blocks", list.block_count());
        list.check();
    }
}

#[test]
fn a_clone_keeps_what_it_had_and_shares_what_is_not_changed() {
    let limits = ListLimits::default();
    let mut list = numbers(100_000, &limits);
    let kept = list.clone();
    list.replace(50_000, b"changed", &limits);
    list.push(End::Left, b"new", &limits);
    assert_eq!(kept.get(50_000).unwrap().to_vec(), b"element-50000");
    assert_eq!(kept.get(0).unwrap().to_vec(), b"element-0");
    assert_eq!(list.get(50_001).unwrap().to_vec(), b"changed");
    let (mine, theirs) = (list.packs().map(Listpack::encoded), kept.packs());
    let mine: std::collections::HashSet<_> = mine.map(<[u8]>::as_ptr).collect();
    let copied = theirs.filter(|pack| !mine.contains(&pack.encoded().as_ptr())).count();
    assert!(copied <= 2, "{copied} of {} blocks were copied", kept.block_count());
}

#[derive(Clone, Debug)]
enum Step {
    Push(End, String),
    PushMany(End, usize),
    Insert(usize, bool, String),
    Replace(usize, String),
    Remove(usize, usize),
    RemoveEqual(String, usize, End),
    Range(usize, usize),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Left), Just(End::Right)]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab]", 4 => "-?[0-9]{1,3}", 2 => "[a-z]{0,60}", 1 => "x{150,300}"]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (end(), value()).prop_map(|(end, value)| Step::Push(end, value)),
        1 => (end(), 1usize..60).prop_map(|(end, count)| Step::PushMany(end, count)),
        4 => (any::<usize>(), any::<bool>(), value()).prop_map(|(i, b, v)| Step::Insert(i, b, v)),
        2 => (any::<usize>(), value()).prop_map(|(index, value)| Step::Replace(index, value)),
        2 => (any::<usize>(), 0usize..40).prop_map(|(start, len)| Step::Remove(start, len)),
        1 => ("[ab]", prop_oneof![1usize..4, Just(usize::MAX)], end())
            .prop_map(|(value, limit, end)| Step::RemoveEqual(value, limit, end)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(start, len)| Step::Range(start, len)),
    ]
}

fn push(model: &mut VecDeque<Vec<u8>>, end: End, value: &str) {
    match end {
        End::Left => model.push_front(value.into()),
        End::Right => model.push_back(value.into()),
    }
}

fn remove_equal(model: &mut VecDeque<Vec<u8>>, value: &str, limit: usize, from: End) -> usize {
    let mut removed = 0;
    while removed < limit {
        let found = match from {
            End::Left => model.iter().position(|it| it == value.as_bytes()),
            End::Right => model.iter().rposition(|it| it == value.as_bytes()),
        };
        let Some(index) = found else { break };
        model.remove(index);
        removed += 1;
    }
    removed
}

fn apply(list: &mut List, model: &mut VecDeque<Vec<u8>>, step: Step, limits: &ListLimits) {
    let len = model.len();
    match step {
        Step::Push(end, value) => {
            list.make_room(value.len(), 1, limits);
            list.push(end, value.as_bytes(), limits);
            push(model, end, &value);
        }
        Step::PushMany(end, count) => {
            let values: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            list.push_all(end, values.iter().map(String::as_bytes), limits);
            values.iter().for_each(|value| push(model, end, value));
        }
        Step::Insert(index, is_behind, value) if len > 0 => {
            list.make_room(value.len(), 1, limits);
            list.insert(index % len, is_behind, value.as_bytes(), limits);
            model.insert(index % len + usize::from(is_behind), value.into());
        }
        Step::Replace(index, value) if len > 0 => {
            list.make_room(value.len(), 1, limits);
            list.replace(index % len, value.as_bytes(), limits);
            list.shrink(limits);
            model[index % len] = value.into();
        }
        Step::Remove(start, count) => {
            let start = start % (len + 1);
            let range = start..(start + count).min(len);
            list.remove(range.clone());
            list.shrink(limits);
            model.drain(range);
        }
        Step::RemoveEqual(value, limit, from) => {
            let removed = list.remove_equal(value.as_bytes(), limit, from, limits);
            list.shrink(limits);
            assert_eq!(removed, remove_equal(model, &value, limit, from));
        }
        Step::Range(start, count) => {
            let start = start % (len + 1);
            let range = start..start + count % (len - start + 1);
            let expected: Vec<_> = model.range(range.clone()).cloned().collect();
            let found: Vec<_> = list.range(range.clone()).map(|it| it.to_vec()).collect();
            assert_eq!(found, expected);
            let mut found: Vec<_> = list.range(range).rev().map(|it| it.to_vec()).collect();
            found.reverse();
            assert_eq!(found, expected);
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn changes_are_those_of_a_deque(
        steps in prop::collection::vec(step(), 1..150),
        parameter in prop_oneof![Just(-1), Just(1), Just(3), Just(16)],
    ) {
        let limits = ListLimits::new(parameter);
        let (mut list, mut model) = (List::default(), VecDeque::new());
        let mut kept = None;
        for (number, step) in steps.into_iter().enumerate() {
            if number % 20 == 10 {
                kept = Some((list.clone(), model.clone()));
            }
            apply(&mut list, &mut model, step, &limits);
            list.check();
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(words(&list), model.iter().cloned().collect::<Vec<_>>());
            for index in [0, model.len() / 2, model.len().wrapping_sub(1), model.len()] {
                let found = list.get(index).map(|element| element.to_vec());
                prop_assert_eq!(found.as_ref(), model.get(index));
            }
        }
        if let Some((list, model)) = kept {
            list.check();
            prop_assert_eq!(words(&list), model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_two_ends_of_an_iterator_meet(turns in prop::collection::vec(any::<bool>(), 0..60)) {
        let limits = ListLimits::new(7);
        let list = numbers(50, &limits);
        let mut model: VecDeque<Vec<u8>> = words(&list).into();
        let mut iter = list.iter();
        for from_front in turns {
            let (found, expected) = match from_front {
                true => (iter.next(), model.pop_front()),
                false => (iter.next_back(), model.pop_back()),
            };
            prop_assert_eq!(found.map(|element| element.to_vec()), expected);
            prop_assert_eq!(iter.len(), model.len());
        }
    }
}
