//! Unions, intersections and differences of sets and sorted sets.
//!
//! Scores are combined source by source, the smaller source first, as Redis does it: with floating point
//! the order decides about the last digit of a sum. A sum or product that is not a number counts as 0.
//!
//! Costs: a union is one pass over all members with a hash table of the result, an intersection one pass
//! over the smallest source with a search in the others, a difference the same over the first.

use std::collections::HashMap;

use super::{SortedSet, order};
use crate::value::Set;
use crate::value::listpack::Element;

const SET_SCORE: f64 = 1.0;

/// One of the sets that are combined.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A key that does not exist.
    Missing,
    SortedSet(&'a SortedSet),
    /// Every member's score is 1.
    Set(&'a Set),
}

/// How the scores of a member in several sources become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn apply(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(score + other),
            // Written out: `f64::min` treats zeros of different sign and NaN in its own way.
            Aggregate::Min if other < score => other,
            Aggregate::Max if other > score => other,
            Aggregate::Min | Aggregate::Max => score,
        }
    }
}

/// Infinities of different sign, or infinity times zero, make no number.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Members of a result with their scores, each once, in no particular order.
pub type Scored = Vec<(Vec<u8>, f64)>;

impl<'a> Source<'a> {
    pub fn len(&self) -> usize {
        match self {
            Source::Missing => 0,
            Source::SortedSet(set) => set.len(),
            Source::Set(set) => set.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::SortedSet(set) => set.score(member),
            Source::Set(set) => set.contains(member).then_some(SET_SCORE),
        }
    }

    /// Members and scores until `visit` says that it is enough.
    fn visit(&self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        let mut visit = |member: Element<'_>, score| member.with_bytes(|m| visit(m, score));
        let _all_visited = match self {
            Source::Missing => true,
            Source::SortedSet(set) => set.iter().all(|(member, score)| visit(member, score)),
            Source::Set(set) => set.iter().all(|member| visit(member, SET_SCORE)),
        };
    }
}

/// The sources in the order in which scores are combined.
fn smallest_first<'a>(sources: &[(Source<'a>, f64)]) -> Vec<(Source<'a>, f64)> {
    let mut sorted = sources.to_vec();
    sorted.sort_by_key(|(source, _)| source.len());
    sorted
}

/// Members of any of the sources, each of which comes with a weight that its scores are multiplied by.
pub fn union(sources: &[(Source<'_>, f64)], aggregate: Aggregate) -> Scored {
    let mut result: HashMap<Vec<u8>, f64> = HashMap::new();
    for (source, weight) in smallest_first(sources) {
        source.visit(|member, score| {
            let score = number_or_zero(score * weight);
            match result.get_mut(member) {
                Some(sum) => *sum = aggregate.apply(*sum, score),
                None => {
                    result.insert(member.to_vec(), score);
                }
            }
            true
        });
    }
    result.into_iter().collect()
}

/// Members of all sources.
pub fn intersection(sources: &[(Source<'_>, f64)], aggregate: Aggregate) -> Scored {
    let sources = smallest_first(sources);
    let Some(((smallest, weight), others)) = sources.split_first() else { return Vec::new() };
    let mut result = Vec::new();
    smallest.visit(|member, score| {
        let first = number_or_zero(score * weight);
        let sum = others.iter().try_fold(first, |sum, (other, weight)| {
            other.score(member).map(|score| aggregate.apply(sum, score * weight))
        });
        result.extend(sum.map(|sum| (member.to_vec(), sum)));
        true
    });
    result
}

/// How many members all sources have; counts no further than `limit`.
pub fn intersection_count(sources: &[Source<'_>], limit: usize) -> usize {
    let mut sources = sources.to_vec();
    sources.sort_by_key(Source::len);
    let Some((smallest, others)) = sources.split_first() else { return 0 };
    let mut count = 0;
    smallest.visit(|member, _| {
        count += usize::from(others.iter().all(|other| other.score(member).is_some()));
        count < limit
    });
    count
}

/// Members of the first source that are in no other, with their scores.
pub fn difference(sources: &[Source<'_>]) -> Scored {
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut result = Vec::new();
    first.visit(|member, score| {
        if others.iter().all(|other| other.score(member).is_none()) {
            result.push((member.to_vec(), score));
        }
        true
    });
    result
}

/// Brings members into the order of a sorted set.
pub fn sort(members: &mut Scored) {
    members.sort_unstable_by(|a, b| order::compare((&a.0, a.1), (&b.0, b.1)));
}
