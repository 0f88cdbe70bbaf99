//! The deadlines of a hash's fields: by field, and in the order of time.
//!
//! Two trees. One leads from a field to its deadline; the keys of the other are deadline and field, so that
//! the earliest and the latest are its ends and those that have passed are counted by one search. Deadlines
//! are Unix milliseconds in eight bytes, big endian, which orders them because none is negative.

use crate::value::tree::{Key, Tree};

/// Bytes of a deadline.
const TIME: usize = 8;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    by_field: Tree,
    /// Invariant: exactly the fields of `by_field`, with the same deadlines.
    by_time: Tree,
}

fn time(unix_ms: i64) -> [u8; TIME] {
    debug_assert!(unix_ms >= 0, "deadlines are not negative");
    unix_ms.to_be_bytes()
}

/// Deadline and field of a key of `by_time`.
fn split(key: &[u8]) -> (i64, &[u8]) {
    let (time, field) = key.split_first_chunk().expect("a deadline is in front");
    (i64::from_be_bytes(*time), field)
}

impl Deadlines {
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub(super) fn is_same(&self, other: &Deadlines) -> bool {
        self.by_field.is_same(&other.by_field) && self.by_time.is_same(&other.by_time)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.by_field.heap_bytes() + self.by_time.heap_bytes()
    }

    pub(super) fn get(&self, field: &[u8]) -> Option<i64> {
        let time = self.by_field.get(field)?;
        Some(i64::from_be_bytes(time.try_into().expect("a deadline has eight bytes")))
    }

    pub(super) fn is_due(&self, field: &[u8], now_ms: i64) -> bool {
        self.get(field).is_some_and(|deadline| deadline <= now_ms)
    }

    pub(super) fn set(&mut self, field: &[u8], unix_ms: i64) {
        if let Some(old) = self.get(field) {
            self.by_time.remove(Key::new(&time(old), field));
        }
        self.by_field.insert(field, &time(unix_ms));
        self.by_time.insert(Key::new(&time(unix_ms), field), &[]);
    }

    /// True if the field had a deadline.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(deadline) = self.get(field) else { return false };
        self.by_field.remove(field);
        self.by_time.remove(Key::new(&time(deadline), field));
        true
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<i64> {
        self.by_time.at(0).map(|(key, _)| split(key).0)
    }

    /// The latest.
    pub(super) fn last(&self) -> Option<i64> {
        self.by_time.at(self.len().checked_sub(1)?).map(|(key, _)| split(key).0)
    }

    /// How many have passed.
    pub(super) fn due(&self, now_ms: i64) -> usize {
        match now_ms.checked_add(1) {
            Some(next) if next > 0 => self.by_time.rank(&time(next)),
            Some(_) => 0,
            None => self.len(),
        }
    }

    /// In the order of time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.by_time.iter().map(|(key, _)| split(key))
    }

    /// Forgets the earliest deadlines that have passed, at most `limit`; returns the fields that had them.
    pub(super) fn take_due(&mut self, now_ms: i64, limit: usize) -> Vec<Vec<u8>> {
        let ranks = 0..self.due(now_ms).min(limit);
        let due = self.by_time.range(ranks.clone());
        let fields: Vec<Vec<u8>> = due.map(|(key, _)| split(key).1.to_vec()).collect();
        self.by_time.remove_range(ranks);
        for field in &fields {
            self.by_field.remove(field);
        }
        fields
    }
}
