//! The deadlines of a shard's entries, in order, so that what is due is found without a look at anything else.

use std::collections::BTreeSet;

use super::hash::KeyHash;

/// What an element of an index takes: a B-tree of 16-byte elements is about two thirds full.
const ELEMENT_BYTES: usize = 24;

/// Deadlines in Unix milliseconds with the hashes of the keys that they are of.
#[derive(Debug, Default, PartialEq)]
struct Index(BTreeSet<(i64, u64)>);

impl Index {
    fn first(&self) -> Option<i64> {
        self.0.first().map(|(deadline, _)| *deadline)
    }

    fn replace(&mut self, hash: KeyHash, old: Option<i64>, new: Option<i64>) {
        if let Some(old) = old {
            let was_there = self.0.remove(&(old, hash.number()));
            debug_assert!(was_there, "every deadline is in the index");
        }
        if let Some(new) = new {
            let is_new = self.0.insert((new, hash.number()));
            debug_assert!(is_new, "no entry is in the index twice");
        }
    }

    /// Those at or before `now_ms`, earliest first.
    fn due(&self, now_ms: i64) -> impl Iterator<Item = (i64, u64)> {
        self.0.range(..=(now_ms, u64::MAX)).copied()
    }
}

/// See the module's description. Invariant: these are the deadlines of exactly those entries that have one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Deadlines {
    /// Of entries as a whole.
    keys: Index,
    /// The earliest one of each entry's fields.
    fields: Index,
    /// The first of `keys`, and of both, for everybody who asks before or after a change.
    next_of_keys: Option<i64>,
    next: Option<i64>,
}

impl Deadlines {
    /// How many entries have a deadline as a whole.
    pub(super) fn key_count(&self) -> usize {
        self.keys.0.len()
    }

    /// The earliest of these deadlines.
    pub(super) fn next_of_keys(&self) -> Option<i64> {
        self.next_of_keys
    }

    /// The earliest of all, those of fields included.
    #[inline]
    pub(super) fn next(&self) -> Option<i64> {
        self.next
    }

    /// Bytes taken from the allocator, about.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.keys.0.len() + self.fields.0.len()) * ELEMENT_BYTES
    }

    /// An entry's deadline is another one now.
    pub(super) fn replace_key(&mut self, hash: KeyHash, old: Option<i64>, new: Option<i64>) {
        if old != new {
            self.keys.replace(hash, old, new);
            self.note_next();
        }
    }

    /// The same for the earliest deadline of its fields.
    pub(super) fn replace_fields(&mut self, hash: KeyHash, old: Option<i64>, new: Option<i64>) {
        if old != new {
            self.fields.replace(hash, old, new);
            self.note_next();
        }
    }

    fn note_next(&mut self) {
        self.next_of_keys = self.keys.first();
        self.next = self.next_of_keys.into_iter().chain(self.fields.first()).min();
    }

    /// Deadlines of entries that have passed, with the hashes of their keys, earliest first.
    pub(super) fn due_keys(&self, now_ms: i64) -> impl Iterator<Item = (i64, u64)> {
        self.keys.due(now_ms)
    }

    /// The same of entries with a field whose deadline has passed.
    pub(super) fn due_fields(&self, now_ms: i64) -> impl Iterator<Item = (i64, u64)> {
        self.fields.due(now_ms)
    }

    /// The deadlines of entries in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = (i64, u64)> {
        self.keys.0.iter().copied()
    }

    /// The same from a random time on and around.
    pub(super) fn keys_from(&self, random: u64) -> impl Iterator<Item = (i64, u64)> {
        let from = match (self.keys.0.first(), self.keys.0.last()) {
            (Some((first, _)), Some((last, _))) => {
                let span = last.abs_diff(*first);
                first.saturating_add_unsigned(random % span.saturating_add(1))
            }
            _ => 0,
        };
        let index = &self.keys.0;
        index.range((from, 0)..).chain(index.range(..(from, 0))).copied()
    }
}
