//! Sorted sets: members in the order of their scores, those of equal score in the order of their bytes.
//!
//! A small set is one [`Listpack`] of members, each followed by its score, in order; everything on it is a
//! walk over at most a few kilobytes. A large one is two trees (`large`): one that leads from members to
//! scores, and one in the order of scores that can be counted off. So every range (by rank, by score, by
//! member) is first turned into a range of ranks, in O(log n), and then counted, read or removed.
//!
//! A set changes over to the large form when an insertion would exceed its [`SortedSetLimits`], and does not
//! change back. Scores are never NaN. A negative zero equals zero, and small sets keep it as zero, as
//! Redis does; large ones keep its sign.

mod add;
mod bounds;
mod combine;
mod draw;
mod iter;
mod large;
mod order;
mod small;

use std::ops::Range;

pub use add::{AddRule, Added, NotANumber};
pub use bounds::{LexBound, LexRange, ScoreBound, ScoreRange};
pub use combine::{
    Aggregate, Scored, Source, difference, intersection, intersection_count, sort, union,
};
pub use iter::Iter;

use super::listpack::{COLLECTION_BYTES_MAX, Element, Listpack};
use crate::base::allocator::allocation_size;
use large::Large;

/// Up to where a set stays in its small form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortedSetLimits {
    /// So many members.
    pub entries: usize,
    /// Of so many bytes each.
    pub value: usize,
}

impl SortedSetLimits {
    fn admit(&self, entries: usize, longest: usize) -> bool {
        entries <= self.entries && longest <= self.value
    }
}

/// One end of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Lowest,
    Highest,
}

/// See the module's description. Cloning copies a small set and shares a large one.
#[derive(Clone, Debug)]
pub struct SortedSet(Form);

#[derive(Clone, Debug)]
enum Form {
    Small(Listpack),
    Large(Box<Large>),
}

impl Default for SortedSet {
    fn default() -> SortedSet {
        SortedSet(Form::Small(Listpack::new()))
    }
}

/// Looking.
impl SortedSet {
    pub fn new() -> SortedSet {
        SortedSet::default()
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.len() / 2,
            Form::Large(large) => large.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing has happened to one of two clones.
    pub fn is_same(&self, other: &SortedSet) -> bool {
        match (&self.0, &other.0) {
            (Form::Small(pack), Form::Small(other)) => pack == other,
            (Form::Large(large), Form::Large(other)) => large.is_same(other),
            _ => false,
        }
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(pack) => pack.heap_bytes(),
            Form::Large(large) => allocation_size(size_of::<Large>()) + large.heap_bytes(),
        }
    }

    /// The name that `OBJECT ENCODING` prints.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Small(_) => "listpack",
            Form::Large(_) => "skiplist",
        }
    }

    /// The small form as it is kept: member, score, member, score; `None` of a large set.
    pub fn listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Form::Small(pack) => Some(pack),
            Form::Large(_) => None,
        }
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Small(pack) => small::score(pack, member),
            Form::Large(large) => large.score(member),
        }
    }

    /// How many members come before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Small(pack) => small::rank(pack, member),
            Form::Large(large) => large.rank(member),
        }
    }

    /// Member and score by rank.
    pub fn at(&self, rank: usize) -> Option<(Element<'_>, f64)> {
        self.range(rank..rank.saturating_add(1)).next()
    }

    /// Members and scores in order, from either end.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// Members and scores with these ranks, from either end. Ranks outside are cut off.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match &self.0 {
            Form::Small(pack) => Iter::small(pack, ranks),
            Form::Large(large) => large.range(ranks),
        }
    }

    /// The ranks of the members whose scores are in the range.
    pub fn score_ranks(&self, range: &ScoreRange) -> Range<usize> {
        let ranks = match &self.0 {
            Form::Small(pack) => small::score_ranks(pack, range),
            Form::Large(large) => large.score_ranks(range),
        };
        ranks.start..ranks.end.max(ranks.start)
    }

    /// The ranks of the members that are in the range. All members should have the same score; if they
    /// do not, members are looked for from the front (or the back) as if they were in order, and which
    /// ones are found is open.
    pub fn lex_ranks(&self, range: &LexRange<'_>, backwards: bool) -> Range<usize> {
        match &self.0 {
            Form::Small(pack) => small::lex_ranks(pack, range, backwards),
            Form::Large(large) => large.lex_ranks(range),
        }
    }

    /// Visits members from `cursor` on until about `count` were visited; returns the cursor to go on with,
    /// 0 at the end. A small set is visited at once. Who is there during the whole scan is visited.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match &self.0 {
            Form::Small(_) => {
                self.iter().for_each(|(member, score)| member.with_bytes(|m| visit(m, score)));
                0
            }
            Form::Large(large) => large.members().scan(cursor, count, |member, score| {
                visit(member, large::read_score(score));
            }),
        }
    }
}

/// Changing.
impl SortedSet {
    /// An empty set that is going to have so many members of up to so many bytes.
    pub fn for_members(count: usize, longest: usize, limits: &SortedSetLimits) -> SortedSet {
        let form = match limits.admit(count, longest) {
            true => Form::Small(Listpack::new()),
            false => Form::Large(Box::default()),
        };
        SortedSet(form)
    }

    /// A set of members that are all different, in any order.
    pub fn from_members<M: AsRef<[u8]>>(
        members: &[(M, f64)],
        limits: &SortedSetLimits,
    ) -> SortedSet {
        let mut sorted: Vec<(&[u8], f64)> =
            members.iter().map(|(member, score)| (member.as_ref(), *score)).collect();
        sorted.sort_unstable_by(|a, b| order::compare(*a, *b));
        let longest = sorted.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
        let mut set = SortedSet::for_members(sorted.len(), longest, limits);
        match &mut set.0 {
            Form::Small(pack) => sorted.iter().for_each(|(m, score)| small::push(pack, m, *score)),
            Form::Large(large) => sorted.iter().for_each(|(m, score)| large.add(*m, *score)),
        }
        set
    }

    /// Sets the score of a member, which is not NaN; returns the one it had.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &SortedSetLimits) -> Option<f64> {
        let old = self.score(member);
        self.put(member, old, score, limits);
        old
    }

    /// The same for a member whose score is known.
    fn put(&mut self, member: &[u8], old: Option<f64>, score: f64, limits: &SortedSetLimits) {
        debug_assert!(!score.is_nan(), "scores are ordered");
        if let Form::Small(pack) = &mut self.0 {
            if old.is_some() {
                return small::change(pack, member, score);
            }
            let bytes = pack.byte_len() + member.len();
            if limits.admit(pack.len() / 2 + 1, member.len()) && bytes <= COLLECTION_BYTES_MAX {
                return small::add(pack, member, score);
            }
        }
        let large = self.make_large();
        match old {
            Some(old) => large.change(member, old, score),
            None => large.add(member, score),
        }
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Small(pack) => small::remove(pack, member),
            Form::Large(large) => large.remove(member),
        }
    }

    /// Removes the members with these ranks; tells how many.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let end = ranks.end.min(self.len());
        let ranks = ranks.start.min(end)..end;
        match &mut self.0 {
            Form::Small(pack) => small::remove_ranks(pack, ranks.clone()),
            Form::Large(large) => large.remove_ranks(ranks.clone()),
        }
        ranks.len()
    }

    /// Takes out the members with the lowest or highest scores, up to `count` of them, the outermost first.
    pub fn pop(&mut self, end: End, count: usize) -> Scored {
        let count = count.min(self.len());
        let owned = |(member, score): (Element<'_>, f64)| (member.to_vec(), score);
        let (popped, ranks) = match end {
            End::Lowest => (self.iter().take(count).map(owned).collect(), 0..count),
            End::Highest => {
                let first = self.len() - count;
                (self.iter().rev().take(count).map(owned).collect(), first..self.len())
            }
        };
        self.remove_ranks(ranks);
        popped
    }

    /// Changes over to the large form if so many members of up to so many bytes are too much for the
    /// small one.
    pub fn make_room(&mut self, count: usize, longest: usize, limits: &SortedSetLimits) {
        if !limits.admit(count, longest) {
            self.make_large();
        }
    }

    fn make_large(&mut self) -> &mut Large {
        if let Form::Small(_) = &self.0 {
            let mut large = Large::default();
            for (member, score) in self.iter() {
                member.with_bytes(|member| large.add(member, score));
            }
            self.0 = Form::Large(Box::new(large));
        }
        match &mut self.0 {
            Form::Large(large) => large,
            Form::Small(_) => unreachable!("it has just been made large"),
        }
    }
}

#[cfg(test)]
mod tests;
