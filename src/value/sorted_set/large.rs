//! The large form: members with their scores in the order of hashes, and members in the order of scores.
//!
//! ```text
//! members:  member -> score, 8 bytes little endian
//! order:    score as 8 bytes that sort like it, then the member -> nothing, or `-` for a negative zero
//! ```
//!
//! Both hold every member, so that a score is found in one search and a rank in two. Redis has the same
//! pair (a hash table and a skiplist), and shares the member between them by a pointer; here it is stored
//! twice, which takes less as long as members are shorter than the pointers of a skiplist's node.

use std::ops::Range;

use smallvec::SmallVec;

use super::bounds::{LexRange, ScoreBound, ScoreRange};
use super::iter::Iter;
use super::order::{SCORE, score_key, score_of_key};
use crate::value::hashed::{Hashed, HashedMember};
use crate::value::listpack::Element;
use crate::value::tree::{Key, Tree};

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub(super) struct Large {
    members: Hashed,
    order: Tree,
}

const NEGATIVE_ZERO: &[u8] = b"-";

/// The score of a member as the first tree holds it.
pub(super) fn read_score(value: &[u8]) -> f64 {
    f64::from_le_bytes(value.try_into().expect("a score has eight bytes"))
}

/// Member and score of an entry of the second tree.
pub(super) fn read_order_entry<'a>((key, value): (&'a [u8], &'a [u8])) -> (Element<'a>, f64) {
    let (score, member) = key.split_first_chunk::<SCORE>().expect("a key begins with a score");
    let score = if value == NEGATIVE_ZERO { -0.0 } else { score_of_key(*score) };
    (Element::Bytes(member), score)
}

impl Large {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_same(&self, other: &Large) -> bool {
        self.members.is_same(&other.members) && self.order.is_same(&other.order)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.members.heap_bytes() + self.order.heap_bytes()
    }

    pub(super) fn members(&self) -> &Hashed {
        &self.members
    }

    pub(super) fn score<'m>(&self, member: impl Into<HashedMember<'m>>) -> Option<f64> {
        self.members.get(member).map(read_score)
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.order.rank(Key::new(&score_key(score), member)), score))
    }

    pub(super) fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        Iter::large(self.order.range(ranks))
    }

    /// Adds a member that is not there yet.
    pub(super) fn add<'m>(&mut self, member: impl Into<HashedMember<'m>>, score: f64) {
        let member = member.into();
        let is_negative_zero = score == 0.0 && score.is_sign_negative();
        let value = if is_negative_zero { NEGATIVE_ZERO } else { b"" };
        self.members.insert(member, &score.to_le_bytes());
        self.order.insert(Key::new(&score_key(score), member.member()), value);
    }

    /// Changes the score of a member that is there, if it differs.
    pub(super) fn change<'m>(&mut self, member: impl Into<HashedMember<'m>>, old: f64, score: f64) {
        if old != score {
            let member = member.into();
            self.order.remove(Key::new(&score_key(old), member.member()));
            self.add(member, score);
        }
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let member = HashedMember::from(member);
        let score = self.score(member)?;
        self.members.remove(member);
        self.order.remove(Key::new(&score_key(score), member.member()));
        Some(score)
    }

    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        for (key, _) in self.order.range(ranks.clone()) {
            self.members.remove(&key[SCORE..]);
        }
        self.order.remove_range(ranks);
    }

    pub(super) fn score_ranks(&self, range: &ScoreRange) -> Range<usize> {
        let below = |score: f64| self.order.rank(&score_key(score));
        // The next greater score begins where all members of this one have ended.
        let up_to = |score: f64| match next_key(score_key(score)) {
            Some(key) => self.order.rank(&key),
            None => self.len(),
        };
        let start = match range.min {
            ScoreBound::Inclusive(score) => below(score),
            ScoreBound::Exclusive(score) => up_to(score),
        };
        let end = match range.max {
            ScoreBound::Inclusive(score) => up_to(score),
            ScoreBound::Exclusive(score) => below(score),
        };
        start..end
    }

    /// Both ends are binary searches. Where all members have the same score this is the position of a key.
    pub(super) fn lex_ranks(&self, range: &LexRange<'_>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        let scores = |rank: usize| self.order.at(rank).map(|(key, _)| &key[..SCORE]);
        let Some(score) = scores(0) else { return 0..0 };
        let is_uniform = scores(self.len() - 1) == Some(score);
        let first_beyond = |member: Option<(&[u8], bool)>, otherwise: usize| match member {
            None => otherwise,
            Some((member, is_passed)) if is_uniform => {
                let mut key: SmallVec<[u8; 64]> = SmallVec::from_slice(score);
                key.extend_from_slice(member);
                if is_passed {
                    // No byte string lies between this and the same with a zero byte behind it.
                    key.push(0);
                }
                self.order.rank(&key[..])
            }
            Some((member, is_passed)) => self.partition(|other| match is_passed {
                true => other <= member,
                false => other < member,
            }),
        };
        let start = first_beyond(range.start(), 0);
        start..first_beyond(range.end(), self.len()).max(start)
    }

    /// The rank of the first member for which `is_before` does not hold, as if members were in order.
    fn partition(&self, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let (key, _) = self.order.at(middle).expect("the rank is inside");
            if is_before(&key[SCORE..]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The smallest eight bytes above these.
fn next_key(key: [u8; SCORE]) -> Option<[u8; SCORE]> {
    u64::from_be_bytes(key).checked_add(1).map(u64::to_be_bytes)
}
