//! Both forms against a simple model, and what they promise to Redis.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::number::parse_f64;

const SMALL: SortedSetLimits = SortedSetLimits { entries: 128, value: 64 };
const LARGE: SortedSetLimits = SortedSetLimits { entries: 0, value: 0 };

fn set(members: &[(&str, f64)], limits: &SortedSetLimits) -> SortedSet {
    let mut set = SortedSet::new();
    for (member, score) in members {
        set.insert(member.as_bytes(), *score, limits);
    }
    set
}

fn pairs<'a>(iter: impl Iterator<Item = (Element<'a>, f64)>) -> Vec<(Vec<u8>, f64)> {
    iter.map(|(member, score)| (member.to_vec(), score)).collect()
}

fn names<'a>(iter: impl Iterator<Item = (Element<'a>, f64)>) -> String {
    let names: Vec<_> = iter.map(|(m, _)| String::from_utf8(m.to_vec()).unwrap()).collect();
    names.join(" ")
}

/// Members with scores, in order: what every form must be equal to.
#[derive(Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn sorted(&self) -> Vec<(Vec<u8>, f64)> {
        let mut sorted: Vec<_> = self.0.clone().into_iter().collect();
        sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        sorted
    }
}

#[test]
fn a_set_that_outgrows_a_threshold_changes_its_form_and_keeps_it() {
    let few = SortedSetLimits { entries: 3, value: 5 };
    let mut grown = set(&[("a", 1.0), ("b", 2.0), ("c", 3.0)], &few);
    assert_eq!(grown.encoding(), "listpack");
    grown.insert(b"a", 9.0, &few);
    assert_eq!(grown.encoding(), "listpack");
    grown.insert(b"d", 0.5, &few);
    assert_eq!(grown.encoding(), "skiplist");
    grown.remove(b"d");
    grown.remove(b"a");
    assert_eq!((grown.encoding(), grown.len()), ("skiplist", 2));
    let mut long = set(&[("12345", 1.0)], &few);
    assert_eq!(long.encoding(), "listpack");
    long.insert(b"123456", 1.0, &few);
    assert_eq!(long.encoding(), "skiplist");
    assert_eq!(names(long.iter()), "12345 123456");
}

#[test]
fn results_are_built_in_the_form_that_fits_them() {
    let few = SortedSetLimits { entries: 2, value: 5 };
    let members = |count: usize, len: usize| -> Vec<(Vec<u8>, f64)> {
        (0..count).map(|n| (vec![b'a' + n as u8; len], -(n as f64))).collect()
    };
    for (count, len, encoding) in
        [(0, 1, "listpack"), (2, 5, "listpack"), (3, 1, "skiplist"), (1, 6, "skiplist")]
    {
        let built = SortedSet::from_members(&members(count, len), &few);
        assert_eq!(built.encoding(), encoding);
        let mut expected = members(count, len);
        expected.reverse();
        assert_eq!(pairs(built.iter()), expected);
    }
    assert_eq!(SortedSet::for_members(2, 5, &few).encoding(), "listpack");
    assert_eq!(SortedSet::for_members(3, 5, &few).encoding(), "skiplist");
}

#[test]
fn a_negative_zero_equals_zero_and_only_a_large_set_keeps_its_sign() {
    for (limits, sign) in [(SMALL, 1.0), (LARGE, -1.0)] {
        let mut set = set(&[("b", 0.0), ("a", -0.0)], &limits);
        assert_eq!(names(set.iter()), "a b");
        assert_eq!(set.score(b"a").unwrap().signum(), sign);
        assert_eq!(set.at(0).unwrap().1.signum(), sign);
        assert_eq!(set.insert(b"a", 0.0, &limits).unwrap().signum(), sign);
        assert_eq!(set.rank(b"b"), Some((1, 0.0)));
        let zeros =
            ScoreRange { min: ScoreBound::Inclusive(0.0), max: ScoreBound::Inclusive(-0.0) };
        assert_eq!(set.score_ranks(&zeros), 0..2);
        assert_eq!(set.remove(b"a").unwrap().signum(), sign);
        assert_eq!(set.len(), 1);
    }
}

#[test]
fn scores_of_every_size_read_back_from_both_forms() {
    let scores = [
        f64::NEG_INFINITY,
        f64::MIN,
        -1e17,
        -4503599627370496.0,
        -1.5,
        -f64::MIN_POSITIVE,
        0.0,
        5e-324,
        0.1,
        1.0,
        9007199254740993.0,
        4611686018427387904.0,
        1e19,
        1e300,
        f64::MAX,
        f64::INFINITY,
    ];
    for limits in [SMALL, LARGE] {
        let mut set = SortedSet::new();
        for (number, score) in scores.iter().enumerate().rev() {
            set.insert(number.to_string().as_bytes(), *score, &limits);
        }
        let read: Vec<f64> = set.iter().map(|(_, score)| score).collect();
        assert_eq!(read, scores);
    }
}

#[test]
fn members_of_different_scores_are_found_by_name_as_far_as_they_are_in_order() {
    let range = LexRange { min: LexBound::Inclusive(b"c"), max: LexBound::Inclusive(b"d") };
    let mixed = set(&[("a", 1.0), ("d", 2.0), ("b", 3.0), ("c", 4.0), ("e", 5.0)], &SMALL);
    assert_eq!(mixed.lex_ranks(&range, false), 1..4);
    assert_eq!(mixed.lex_ranks(&range, true), 3..4);
    let large = set(&[("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0), ("e", 5.0)], &LARGE);
    assert_eq!(large.lex_ranks(&range, false), 2..4);
}

#[test]
fn whole_scores_of_a_small_set_take_two_bytes() {
    let members = (0..10).map(|n| (format!("member:{n}"), f64::from(n))).collect::<Vec<_>>();
    // Eight bytes each, with a length before and behind; a head of eight.
    assert_eq!(SortedSet::from_members(&members, &SMALL).heap_bytes(), 128);
}

#[test]
fn a_clone_does_not_see_later_changes() {
    for limits in [SMALL, LARGE] {
        let mut set = set(&[("a", 1.0), ("b", 2.0), ("c", 3.0)], &limits);
        let copy = set.clone();
        set.insert(b"a", 10.0, &limits);
        set.remove(b"b");
        assert_eq!(names(copy.iter()), "a b c");
        assert_eq!(names(set.iter()), "c a");
        assert_eq!(copy.rank(b"a"), Some((0, 1.0)));
    }
}

#[test]
fn a_scan_visits_everybody_once() {
    let mut set = SortedSet::new();
    for number in 0..1000 {
        set.insert(format!("member:{number}").as_bytes(), f64::from(number), &SMALL);
    }
    let (mut cursor, mut seen) = (0, BTreeMap::new());
    loop {
        cursor = set.scan(cursor, 10, |member, score| {
            assert_eq!(seen.insert(member.to_vec(), score), None);
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
    assert_eq!(seen[&b"member:42"[..]], 42.0);
}

#[test]
fn combining_sums_up_from_the_smallest_source_and_no_result_is_nan() {
    let a = set(&[("x", f64::INFINITY), ("y", 1.0), ("z", 0.0)], &SMALL);
    let b = set(&[("x", f64::NEG_INFINITY), ("y", 2.0)], &SMALL);
    let sources = [(Source::SortedSet(&a), 1.0), (Source::SortedSet(&b), 3.0)];
    let mut sum = union(&sources, Aggregate::Sum);
    sum.sort_by(|a, b| a.0.cmp(&b.0));
    let of = |name: &str, score: f64| (name.as_bytes().to_vec(), score);
    assert_eq!(sum, [of("x", 0.0), of("y", 7.0), of("z", 0.0)]);
    assert_eq!(intersection(&sources, Aggregate::Min), [of("x", f64::NEG_INFINITY), of("y", 1.0)]);
    assert_eq!(intersection(&sources, Aggregate::Max), [of("x", f64::INFINITY), of("y", 6.0)]);
    let by_zero = [(Source::SortedSet(&a), 0.0)];
    assert!(union(&by_zero, Aggregate::Sum).iter().all(|(_, score)| *score == 0.0));
    let plain = sources.map(|(source, _)| source);
    assert_eq!(difference(&plain), [of("z", 0.0)]);
    assert_eq!(difference(&[plain[1], plain[0]]), []);
    assert_eq!(difference(&[plain[0], Source::Missing]).len(), 3);
    assert_eq!(intersection_count(&plain, usize::MAX), 2);
    assert_eq!(intersection_count(&plain, 1), 1);
    assert_eq!(intersection_count(&[plain[0], Source::Missing], usize::MAX), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String, f64),
    Remove(String),
    RemoveRanks(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let member = "[a-e]{0,2}|[0-9]{1,2}";
    let score = prop_oneof![
        (-5i32..5).prop_map(f64::from),
        prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.1), Just(-1e300)],
    ];
    prop_oneof![
        8 => (member, score).prop_map(|(member, score)| Step::Insert(member, score)),
        2 => member.prop_map(Step::Remove),
        1 => (0usize..20, 0usize..5).prop_map(|(start, len)| Step::RemoveRanks(start, len)),
    ]
}

fn apply(set: &mut SortedSet, model: &mut Model, step: &Step, limits: &SortedSetLimits) {
    match step {
        Step::Insert(member, score) => {
            let old = set.insert(member.as_bytes(), *score, limits);
            assert_eq!(old, model.0.insert(member.clone().into_bytes(), *score));
        }
        Step::Remove(member) => {
            assert_eq!(set.remove(member.as_bytes()), model.0.remove(member.as_bytes()));
        }
        Step::RemoveRanks(start, len) => {
            let sorted = model.sorted();
            let gone = sorted.iter().skip(*start).take(*len);
            let count = gone.clone().count();
            gone.for_each(|(member, _)| assert!(model.0.remove(member).is_some()));
            assert_eq!(set.remove_ranks(*start..start + len), count);
        }
    }
}

/// Whether it is what the functions of the small form expect.
fn is_sound(pack: &Listpack) -> bool {
    if !pack.len().is_multiple_of(2) {
        return false;
    }
    let mut elements = pack.iter();
    let mut before: Option<(Vec<u8>, f64)> = None;
    let mut members = std::collections::HashSet::new();
    while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
        let score = match score {
            Element::Integer(number) => Some(number as f64),
            Element::Bytes(text) => parse_f64(text),
        };
        let Some(score) = score else { return false };
        let member = member.to_vec();
        let is_in_order = before.as_ref().is_none_or(|(other, other_score)| {
            order::compare((other, *other_score), (&member, score)) == std::cmp::Ordering::Less
        });
        if !is_in_order || !members.insert(member.clone()) {
            return false;
        }
        before = Some((member, score));
    }
    true
}

fn check(set: &SortedSet, model: &Model) {
    let sorted = model.sorted();
    assert_eq!(set.len(), sorted.len());
    assert_eq!(pairs(set.iter()), sorted);
    let backwards: Vec<_> = sorted.iter().rev().cloned().collect();
    assert_eq!(pairs(set.iter().rev()), backwards);
    for (rank, (member, score)) in sorted.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.at(rank).map(|(m, s)| (m.to_vec(), s)), Some((member.clone(), *score)));
    }
    if let Some(pack) = set.listpack() {
        assert!(is_sound(pack));
    }
}

fn score_bound() -> impl Strategy<Value = ScoreBound> {
    let score = prop_oneof![
        (-6i32..6).prop_map(f64::from),
        prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY)]
    ];
    (score, any::<bool>()).prop_map(|(score, is_inclusive)| match is_inclusive {
        true => ScoreBound::Inclusive(score),
        false => ScoreBound::Exclusive(score),
    })
}

fn lex_bound() -> impl Strategy<Value = (u8, String)> {
    (0u8..6, "[a-d]{0,2}")
}

fn as_bound((kind, text): &(u8, String)) -> LexBound<'_> {
    match kind {
        0 => LexBound::Lowest,
        1 => LexBound::Highest,
        2 | 3 => LexBound::Inclusive(text.as_bytes()),
        _ => LexBound::Exclusive(text.as_bytes()),
    }
}

proptest! {
    #[test]
    fn changes_are_those_of_a_map_and_a_sort(
        steps in prop::collection::vec(step(), 1..120),
        entries in 0usize..40,
    ) {
        let limits = SortedSetLimits { entries, value: 64 };
        let (mut set, mut model) = (SortedSet::new(), Model::default());
        for step in &steps {
            apply(&mut set, &mut model, step, &limits);
        }
        check(&set, &model);
    }

    #[test]
    fn ranges_of_scores_hold_exactly_the_scores_between_their_ends(
        steps in prop::collection::vec(step(), 0..60),
        min in score_bound(),
        max in score_bound(),
    ) {
        let range = ScoreRange { min, max };
        for limits in [SMALL, LARGE] {
            let (mut set, mut model) = (SortedSet::new(), Model::default());
            steps.iter().for_each(|step| apply(&mut set, &mut model, step, &limits));
            let mut expected = model.sorted();
            expected.retain(|(_, s)| min.is_met_from_above(*s) && max.is_met_from_below(*s));
            prop_assert_eq!(pairs(set.range(set.score_ranks(&range))), expected);
        }
    }

    #[test]
    fn ranges_of_members_hold_exactly_the_members_between_their_ends(
        members in prop::collection::btree_set("[a-d]{0,3}", 0..30),
        min in lex_bound(),
        max in lex_bound(),
        score in prop_oneof![Just(0.0), Just(-2.5)],
    ) {
        let range = LexRange { min: as_bound(&min), max: as_bound(&max) };
        let expected: Vec<&str> = members
            .iter()
            .map(String::as_str)
            .filter(|m| range.reaches_min(m.as_bytes()) && range.reaches_max(m.as_bytes()))
            .collect();
        for limits in [SMALL, LARGE] {
            let all: Vec<(&str, f64)> = members.iter().map(|m| (m.as_str(), score)).collect();
            let set = set(&all, &limits);
            for backwards in [false, true] {
                let found = set.range(set.lex_ranks(&range, backwards));
                let found: Vec<_> =
                    found.map(|(m, _)| String::from_utf8(m.to_vec()).unwrap()).collect();
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}
