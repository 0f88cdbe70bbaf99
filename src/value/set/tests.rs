//! Sets against `BTreeSet`, their forms against the rules, and chance against chi-square.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::random::Random;

const LIMITS: SetLimits =
    SetLimits { intset_entries: 512, listpack_entries: 128, listpack_value: 64 };
const SMALL: SetLimits = SetLimits { intset_entries: 6, listpack_entries: 4, listpack_value: 3 };

fn set_of(members: &[&str], limits: &SetLimits) -> Set {
    let mut set = Set::default();
    for member in members {
        set.insert(member.as_bytes(), limits);
    }
    set
}

fn words(set: &Set) -> Vec<String> {
    set.iter().map(|member| String::from_utf8(member.to_vec()).unwrap()).collect()
}

fn numbers(range: std::ops::Range<usize>, limits: &SetLimits) -> Set {
    let mut set = Set::default();
    for n in range {
        assert!(set.insert(n.to_string().as_bytes(), limits));
    }
    set
}

#[test]
fn a_set_changes_its_form_when_a_limit_is_passed() {
    let encoding = |members: &[&str]| set_of(members, &SMALL).encoding();
    assert_eq!(encoding(&[]), "intset");
    assert_eq!(encoding(&["1", "2", "3", "4", "5", "6"]), "intset");
    assert_eq!(encoding(&["1", "2", "3", "4", "5", "6", "7"]), "hashtable");
    assert_eq!(encoding(&["1", "2", "3", "a"]), "listpack");
    assert_eq!(encoding(&["1", "2", "3", "4", "a"]), "hashtable");
    assert_eq!(encoding(&["1", "abcd"]), "hashtable");
    // An integer with more characters than a listpack's member may have.
    assert_eq!(encoding(&["1000", "a"]), "hashtable");
    assert_eq!(encoding(&["-100", "a"]), "hashtable");
    assert_eq!(encoding(&["a", "b", "c", "d"]), "listpack");
    assert_eq!(encoding(&["a", "b", "c", "d", "a"]), "listpack");
    assert_eq!(encoding(&["a", "b", "c", "d", "e"]), "hashtable");
}

#[test]
fn a_set_that_expects_many_members_begins_with_a_form_for_them() {
    let expecting = |first: &str, count| {
        let mut set = Set::default();
        set.make_room(first.as_bytes(), count, &SMALL);
        set.encoding()
    };
    assert_eq!(expecting("1", 6), "intset");
    assert_eq!(expecting("1", 7), "hashtable");
    assert_eq!(expecting("a", 4), "listpack");
    assert_eq!(expecting("a", 5), "hashtable");
    let mut set = set_of(&["a"], &SMALL);
    set.make_room(b"a", 4, &SMALL);
    assert_eq!(set.encoding(), "listpack");
    set.make_room(b"a", 5, &SMALL);
    assert_eq!((set.encoding(), set.len()), ("hashtable", 1));
}

#[test]
fn results_are_put_together_in_the_form_that_redis_gives_them() {
    let (integers, mixed) = (numbers(0..6, &SMALL), set_of(&["1", "2", "a"], &SMALL));
    assert_eq!(words(&union([&integers, &mixed], &LIMITS)), ["0", "1", "2", "3", "4", "5", "a"]);
    let both = intersection(&[&mixed, &integers], &SMALL);
    assert_eq!((both.encoding(), words(&both)), ("intset", vec!["1".into(), "2".into()]));
    let same = intersection(&[&mixed, &mixed], &SMALL);
    assert_eq!((same.encoding(), same.len()), ("listpack", 3));
    assert_eq!(intersection_count(&[&mixed, &mixed], 2), 2);
    let rest = difference(&[Some(&mixed), None, Some(&integers)], &SMALL);
    assert_eq!((rest.encoding(), words(&rest)), ("listpack", vec!["a".into()]));
    assert!(difference(&[Some(&mixed), Some(&mixed)], &SMALL).is_empty());
    assert!(difference(&[None, Some(&mixed)], &SMALL).is_empty());
}

#[test]
fn what_remains_when_nearly_all_is_taken_is_put_together_anew() {
    let mut random = Random::seeded(1);
    let mut set = numbers(0..30, &SMALL);
    assert_eq!(set.encoding(), "hashtable");
    assert_eq!(set.take(10, &SMALL, &mut random).len(), 10);
    assert_eq!((set.encoding(), set.len()), ("hashtable", 20));
    assert_eq!(set.take(17, &SMALL, &mut random).len(), 17);
    assert_eq!((set.encoding(), set.len()), ("listpack", 3));
    assert_eq!(set.take(99, &SMALL, &mut random).len(), 3);
    assert!(set.is_empty());
}

#[test]
fn large_sets_take_a_fraction_of_what_redis_needs() {
    let mut set = Set::default();
    for n in 0..100_000 {
        set.insert(format!("member:{n}").as_bytes(), &LIMITS);
    }
    let per_member = set.heap_bytes() as f64 / set.len() as f64;
    assert!(per_member < 25.0, "{per_member} bytes for members of 8 to 12");
}

#[test]
fn a_scan_visits_each_member_once() {
    let set = numbers(0..3_000, &LIMITS);
    let (mut seen, mut cursor, mut calls) = (Vec::new(), 0, 0);
    loop {
        cursor = set.scan(cursor, 100, |member| seen.push(member.to_vec()));
        calls += 1;
        if cursor == 0 {
            break;
        }
    }
    assert!(calls >= 28 && seen.len() == 3_000);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 3_000);
    let small = numbers(0..50, &LIMITS);
    let mut count = 0;
    assert_eq!(small.scan(7, 10, |_| count += 1), 0);
    assert_eq!(count, 50);
}

/// Whether counts of equally likely things look as they should: the statistic stays below the quantile of
/// 99.9 % (Wilson and Hilferty's approximation).
fn assert_uniform(counts: &[usize]) {
    let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    let chi: f64 = counts.iter().map(|count| (*count as f64 - mean).powi(2) / mean).sum();
    let degrees = (counts.len() - 1) as f64;
    let spread = 2.0 / (9.0 * degrees);
    let bound = degrees * (1.0 - spread + 3.09 * spread.sqrt()).powi(3);
    assert!(chi < bound, "chi-square is {chi}, above {bound}: {counts:?}");
}

/// Sets of each form with these many members, `0` and so on.
fn each_form(len: usize) -> [Set; 3] {
    let all = |entries| SetLimits { intset_entries: 0, listpack_entries: entries, ..LIMITS };
    let mut pack = set_of(&["x"], &all(len + 1));
    for n in 0..len {
        pack.insert(n.to_string().as_bytes(), &all(len + 1));
    }
    pack.remove(b"x");
    [numbers(0..len, &LIMITS), pack, numbers(0..len, &all(0))]
}

fn number_of(member: &[u8]) -> usize {
    std::str::from_utf8(member).unwrap().parse().unwrap()
}

#[test]
fn every_member_is_equally_likely_to_be_chosen_or_taken() {
    const LEN: usize = 12;
    let mut random = Random::seeded(5);
    for (set, name) in each_form(LEN).iter().zip(["intset", "listpack", "hashtable"]) {
        assert_eq!(set.encoding(), name);
        for count in [1, 2, 5, 7, 11] {
            let mut chosen = [0; LEN];
            let mut taken = [0; LEN];
            let mut popped = [0; LEN];
            for _ in 0..2_000 {
                for member in set.draw().several(count, &mut random) {
                    chosen[number_of(&member.to_vec())] += 1;
                }
                let mut copy = set.clone();
                let members = copy.take(count, &LIMITS, &mut random);
                assert_eq!((members.len(), copy.len()), (count, LEN - count));
                members.iter().for_each(|member| taken[number_of(member)] += 1);
                popped[number_of(&set.clone().pop(&mut random).unwrap())] += 1;
            }
            [chosen, taken, popped].iter().for_each(|counts| assert_uniform(counts));
        }
    }
}

#[test]
fn every_choice_of_two_is_equally_likely() {
    const LEN: usize = 6;
    let mut random = Random::seeded(6);
    for set in each_form(LEN) {
        let mut counts = vec![0; LEN * LEN];
        for _ in 0..6_000 {
            let pair: Vec<usize> =
                set.draw().several(2, &mut random).map(|it| number_of(&it.to_vec())).collect();
            counts[pair[0].min(pair[1]) * LEN + pair[0].max(pair[1])] += 1;
        }
        counts.retain(|count| *count > 0);
        assert_eq!(counts.len(), LEN * (LEN - 1) / 2);
        assert_uniform(&counts);
    }
}

fn members() -> impl Strategy<Value = String> {
    prop_oneof![3 => "-?[0-9]{1,2}", 1 => "[a-c]{0,4}", 1 => "[0-9]{8,20}"]
}

proptest! {
    #[test]
    fn changes_are_those_of_a_set(
        steps in prop::collection::vec((0u8..6, members()), 1..80),
        seed in any::<u64>(),
        is_small in any::<bool>(),
    ) {
        let limits = if is_small { SMALL } else { LIMITS };
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        let mut random = Random::seeded(seed);
        for (step, member) in steps {
            let bytes = member.into_bytes();
            match step {
                0..3 => prop_assert_eq!(set.insert(&bytes, &limits), model.insert(bytes.clone())),
                3 => prop_assert_eq!(set.remove(&bytes), model.remove(&bytes)),
                4 => prop_assert!(set.pop(&mut random).is_none_or(|member| model.remove(&member))),
                _ => for member in set.take(bytes.len(), &limits, &mut random) {
                    prop_assert!(model.remove(&member));
                },
            }
            prop_assert_eq!(set.contains(&bytes), model.contains(&bytes));
            prop_assert_eq!(set.len(), model.len());
        }
        let found: BTreeSet<Vec<u8>> = set.iter().map(|member| member.to_vec()).collect();
        prop_assert_eq!(found, model);
    }

    #[test]
    fn algebra_is_that_of_sets(sets in prop::collection::vec(prop::collection::vec(members(), 0..12), 1..5)) {
        let models: Vec<BTreeSet<Vec<u8>>> =
            sets.iter().map(|set| set.iter().map(|it| it.clone().into_bytes()).collect()).collect();
        let build = |model: &BTreeSet<Vec<u8>>| {
            let mut set = Set::default();
            model.iter().for_each(|member| assert!(set.insert(member, &SMALL)));
            set
        };
        let built: Vec<Set> = models.iter().map(build).collect();
        let all: Vec<&Set> = built.iter().collect();
        let some: Vec<Option<&Set>> = built.iter().map(Some).collect();
        let content = |set: &Set| set.iter().map(|it| it.to_vec()).collect::<BTreeSet<_>>();
        type Model = BTreeSet<Vec<u8>>;
        let fold = |with: fn(&Model, &Model) -> Model| {
            models[1..].iter().fold(models[0].clone(), |result, next| with(&result, next))
        };
        prop_assert_eq!(content(&union(all.iter().copied(), &SMALL)), fold(|a, b| a | b));
        prop_assert_eq!(content(&intersection(&all, &SMALL)), fold(|a, b| a & b));
        prop_assert_eq!(intersection_count(&all, usize::MAX), fold(|a, b| a & b).len());
        prop_assert_eq!(common_members(&all).len(), fold(|a, b| a & b).len());
        prop_assert_eq!(content(&difference(&some, &SMALL)), fold(|a, b| a - b));
    }
}
