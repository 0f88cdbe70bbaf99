//! What a shard holds: entries, the table that leads to them, and the order of their deadlines.
//!
//! The table (`store::table`) leads from hashes to places (`store::storage`), and `store::deadlines` has the deadlines of
//! all entries that have one. Whatever changes an entry here keeps the three consistent; tests hold them
//! against each other.
//!
//! Entries past their deadline are found like others, and the view hides them; only storing refuses to
//! replace one silently.

use std::sync::atomic::Ordering;

use super::access::Access;
use super::big::Census;
use super::deadlines::Deadlines;
#[cfg(test)]
use super::entry::ValueRef;
use super::entry::{Deadline, EntryRef, OwnedValue, Stored, StringRef};
use super::hash::{KeyHash, KeyHasher};
use super::record::{Form, Parts, Record};
use super::storage::{Freed, Object, Relocated, Storage};
use super::table::{Position, Table};
use crate::value::Value;

/// How an entry is written.
#[derive(Clone, Copy)]
pub(super) struct Write {
    /// Unix milliseconds.
    pub now_ms: i64,
    pub deadline: Deadline,
    pub access: Access,
}

/// What storing an entry did.
#[derive(Debug)]
pub(super) struct Put {
    pub is_new: bool,
    /// The value that must be freed, if it was an object.
    pub replaced: Option<Value>,
}

/// There is an entry whose deadline has passed, or the deadlines of all its fields. It must be removed, for others to hear of it, before
/// anything is stored in its place.
#[derive(Debug)]
pub(super) struct Due;

/// See the module's description.
pub struct Contents {
    hasher: KeyHasher,
    table: Table,
    storage: Storage,
    deadlines: Deadlines,
}

/// What it is about.
impl Contents {
    pub(super) fn new(hasher: KeyHasher) -> Contents {
        Contents {
            hasher,
            table: Table::default(),
            storage: Storage::default(),
            deadlines: Deadlines::default(),
        }
    }

    pub(super) fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries have a deadline.
    pub fn volatile_len(&self) -> usize {
        self.deadlines.key_count()
    }

    /// The earliest deadline of an entry, in Unix milliseconds.
    pub(super) fn next_key_deadline(&self) -> Option<i64> {
        self.deadlines.next_of_keys()
    }

    /// The earliest deadline of all entries and their fields, in Unix milliseconds.
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadlines.next()
    }

    /// Whether anything in it has expired.
    #[inline]
    pub fn has_due(&self, now_ms: i64) -> bool {
        self.deadlines.next().is_some_and(|deadline| deadline <= now_ms)
    }

    /// Bytes taken from the allocator, as far as the parts know. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.table_bytes() + self.storage.heap_bytes() + self.deadline_bytes()
    }

    /// The part of them that leads to entries.
    pub fn table_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// The part that orders deadlines.
    pub fn deadline_bytes(&self) -> usize {
        self.deadlines.heap_bytes()
    }

    pub(super) fn objects(&self) -> &[Object] {
        self.storage.objects()
    }

    /// The objects by size.
    pub(super) fn census(&self) -> &Census {
        self.storage.census()
    }
}

/// Looking at entries.
impl Contents {
    #[inline]
    fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Position> {
        self.table.find(hash.number(), |place| self.storage.key(place) == key)
    }

    #[inline]
    pub fn get(&self, hash: KeyHash, key: &[u8]) -> Option<EntryRef<'_>> {
        let at = self.find(hash, key)?;
        Some(EntryRef::new(self.storage.stored(self.table.place(at)), self.table.access(at)))
    }

    /// Visits entries in hash order from `from` on until `budget` were visited; see [`Table::walk`].
    pub fn walk(
        &self,
        from: u64,
        budget: usize,
        mut visit: impl FnMut(KeyHash, EntryRef<'_>),
    ) -> Option<u64> {
        let hash_of = |place| self.hash_at(place).number();
        self.table.walk(from, budget, hash_of, |hash, place, access| {
            visit(KeyHash(hash), EntryRef::new(self.storage.stored(place), access));
        })
    }

    /// Some entry, chosen by `random`: uniform over buckets, not exactly over keys.
    pub fn sample(&self, random: u64) -> Option<EntryRef<'_>> {
        if self.is_empty() {
            return None;
        }
        let key = self.storage.key(self.table.sample(random)?);
        self.get(self.hasher.hash(key), key)
    }

    pub(super) fn key_at(&self, place: u32) -> &[u8] {
        self.storage.key(place)
    }

    /// The hash of the key at a place.
    pub(super) fn hash_at(&self, place: u32) -> KeyHash {
        self.hasher.hash(self.storage.key(place))
    }

    /// Whether the entry at a place has a deadline.
    pub(super) fn is_volatile(&self, place: u32) -> bool {
        self.storage.stored(place).deadline().is_some()
    }

    /// Visits the places and access words of the entries in `buckets` neighbouring buckets of the table.
    pub(super) fn neighbours(&self, random: u64, buckets: usize, visit: impl FnMut(u32, u32)) {
        self.table.neighbours(random, buckets, visit);
    }

    /// Visits the same of up to `count` entries that have a deadline, from a random time on.
    pub(super) fn volatile_neighbours(
        &self,
        random: u64,
        count: usize,
        mut visit: impl FnMut(u32, u32),
    ) {
        for (deadline, hash) in self.deadlines.keys_from(random).take(count) {
            if let Some(at) = self.volatile_at(deadline, hash) {
                let word = self.table.access(at).load(Ordering::Relaxed);
                visit(self.table.place(at), word);
            }
        }
    }

    /// The place of the entry that as a whole expires first.
    pub(super) fn first_volatile(&self) -> Option<u32> {
        let (deadline, hash) = self.deadlines.keys().next()?;
        Some(self.table.place(self.volatile_at(deadline, hash)?))
    }

    /// When the next one does.
    pub(super) fn second_deadline(&self) -> Option<i64> {
        self.deadlines.keys().nth(1).map(|(deadline, _)| deadline)
    }

    /// The slot of an entry that is in the order of deadlines.
    fn volatile_at(&self, deadline: i64, hash: u64) -> Option<Position> {
        self.table.find(hash, |place| {
            self.storage.stored(place).deadline() == Some(deadline)
                && self.hash_at(place).number() == hash
        })
    }

    /// The place of the entry with this hash whose access word is this one.
    pub(super) fn find_unused(&self, hash: KeyHash, word: u32) -> Option<u32> {
        let at = self.table.find(hash.number(), |place| self.hash_at(place) == hash)?;
        let is_unused = self.table.access(at).load(Ordering::Relaxed) == word;
        is_unused.then(|| self.table.place(at))
    }

    /// Keys whose deadline is at or before `now_ms`, at most `limit`, earliest first.
    pub fn due_keys(&self, now_ms: i64, limit: usize) -> Vec<Box<[u8]>> {
        let due = self.deadlines.due_keys(now_ms).take(limit);
        due.filter_map(|(deadline, hash)| {
            let at = self.volatile_at(deadline, hash)?;
            Some(self.storage.key(self.table.place(at)).into())
        })
        .collect()
    }

    /// Keys that have a field whose deadline is at or before `now_ms`, at most `limit`, earliest first.
    pub fn keys_with_due_fields(&self, now_ms: i64, limit: usize) -> Vec<Box<[u8]>> {
        let due = self.deadlines.due_fields(now_ms).take(limit);
        due.filter_map(|(deadline, hash)| {
            let at = self.table.find(hash, |place| {
                self.storage.field_deadline(place) == Some(deadline)
                    && self.hash_at(place).number() == hash
            })?;
            Some(self.storage.key(self.table.place(at)).into())
        })
        .collect()
    }
}

/// Changing entries.
impl Contents {
    /// Stores a string under the key, replacing whatever was there.
    pub(super) fn put_string(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: StringRef<'_>,
        write: &Write,
    ) -> Result<Put, Due> {
        let integer;
        let (form, bytes) = match value {
            StringRef::Integer(number) => {
                integer = number.to_le_bytes();
                (Form::Integer, &integer[..])
            }
            StringRef::Bytes { bytes, edited: false } => (Form::Plain, bytes),
            StringRef::Bytes { bytes, edited: true } => (Form::Edited, bytes),
        };
        let Some(at) = self.find(hash, key) else {
            let deadline = write.deadline.after(None);
            let place = self.storage.store(Parts { key, form, value: bytes, deadline });
            return Ok(self.index_new(hash, place, deadline, write));
        };
        let deadline = write.deadline.after(self.prepare_to_replace(at, write)?);
        let replaced = self.replace_at(hash, at, Parts { key, form, value: bytes, deadline });
        Ok(Put { is_new: false, replaced })
    }

    /// Stores an owned value under the key; see [`Contents::put_string`].
    pub(super) fn put_entry(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: OwnedValue,
        write: &Write,
    ) -> Result<Put, Due> {
        let value = match value {
            OwnedValue::Short { bytes, edited } => {
                let string = StringRef::Bytes { bytes: &bytes, edited };
                return self.put_string(hash, key, string, write);
            }
            OwnedValue::Integer(number) => {
                return self.put_string(hash, key, StringRef::Integer(number), write);
            }
            OwnedValue::Object(value) => value,
        };
        let Some(at) = self.find(hash, key) else {
            let deadline = write.deadline.after(None);
            self.deadlines.replace_fields(hash, None, value.next_field_deadline());
            let place = self.storage.store_object(key, value, deadline);
            return Ok(self.index_new(hash, place, deadline, write));
        };
        let old_deadline = self.prepare_to_replace(at, write)?;
        let deadline = write.deadline.after(old_deadline);
        self.deadlines.replace_key(hash, old_deadline, deadline);
        let place = self.table.place(at);
        let old_fields = self.storage.field_deadline(place);
        self.deadlines.replace_fields(hash, old_fields, value.next_field_deadline());
        let fresh = self.storage.store_object(key, value, deadline);
        self.table.set_place(at, fresh);
        Ok(Put { is_new: false, replaced: self.release(place) })
    }

    /// Lets `edit` change an object's value. `None` if there is no such key or it holds a short string.
    pub(super) fn edit_value<R>(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        edit: impl FnOnce(&mut Value) -> R,
    ) -> Option<R> {
        let place = self.table.place(self.find(hash, key)?);
        let (old, new, result) = self.storage.edit(place, |object| {
            let old = object.value.next_field_deadline();
            let result = edit(&mut object.value);
            (old, object.value.next_field_deadline(), result)
        })?;
        self.deadlines.replace_fields(hash, old, new);
        Some(result)
    }

    /// Sets or removes an entry's deadline; false if there is no such key.
    pub(super) fn set_deadline(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        deadline: Option<i64>,
    ) -> bool {
        let Some(at) = self.find(hash, key) else { return false };
        let place = self.table.place(at);
        match self.storage.stored(place) {
            Stored::Object(object) => {
                let old = object.deadline();
                self.storage.edit(place, |object| object.set_deadline(deadline));
                self.deadlines.replace_key(hash, old, deadline);
            }
            Stored::Record(record) => {
                let copy = record.bytes().to_vec();
                let record = Record::new(&copy);
                let parts = Parts { key, form: record.form(), value: record.value(), deadline };
                self.replace_at(hash, at, parts);
            }
        }
        true
    }

    /// Removes an entry. `None` if there is none; else the value that must be freed, if it was an object.
    pub(super) fn remove(&mut self, hash: KeyHash, key: &[u8]) -> Option<Option<Value>> {
        let at = self.find(hash, key)?;
        let place = self.table.place(at);
        let deadline = self.storage.stored(place).deadline();
        let Contents { hasher, table, storage, deadlines } = self;
        table.remove(hash.number(), at, |place| hasher.hash(storage.key(place)).number());
        deadlines.replace_key(hash, deadline, None);
        deadlines.replace_fields(hash, storage.field_deadline(place), None);
        Some(self.release(place))
    }

    /// See [`Storage::relocate`].
    pub(super) fn relocate(&mut self, at: &mut Relocated, budget: usize) -> (usize, bool) {
        self.storage.relocate(at, budget)
    }

    /// The old deadline of an entry that is to be replaced, which counts as an access to it.
    fn prepare_to_replace(&self, at: Position, write: &Write) -> Result<Option<i64>, Due> {
        let stored = self.storage.stored(self.table.place(at));
        if stored.is_due(write.now_ms) {
            return Err(Due);
        }
        write.access.touch(self.table.access(at));
        Ok(stored.deadline())
    }

    /// Overwrites in place where the record fits, else moves the entry to a new place.
    fn replace_at(&mut self, hash: KeyHash, at: Position, parts: Parts<'_>) -> Option<Value> {
        let place = self.table.place(at);
        let old_deadline = self.storage.stored(place).deadline();
        self.deadlines.replace_key(hash, old_deadline, parts.deadline);
        self.deadlines.replace_fields(hash, self.storage.field_deadline(place), None);
        if self.storage.overwrite(place, &parts) {
            return None;
        }
        let fresh = self.storage.store(parts);
        self.table.set_place(at, fresh);
        self.release(place)
    }

    fn index_new(
        &mut self,
        hash: KeyHash,
        place: u32,
        deadline: Option<i64>,
        write: &Write,
    ) -> Put {
        let Contents { hasher, table, storage, deadlines } = self;
        table.insert(hash.number(), place, write.access.initial(), |place| {
            hasher.hash(storage.key(place)).number()
        });
        deadlines.replace_key(hash, None, deadline);
        Put { is_new: true, replaced: None }
    }

    /// Frees a place that the table no longer points to; mends the slot of the entry that moved there.
    fn release(&mut self, place: u32) -> Option<Value> {
        let Freed { moved_from, value } = self.storage.free(place);
        if let Some(from) = moved_from {
            let at = self.table.find(self.hash_at(place).number(), |candidate| candidate == from);
            self.table.set_place(at.expect("an entry that moved is in the table"), place);
        }
        value
    }
}

#[cfg(test)]
impl Contents {
    /// Has room for so few chunks of records of a size from now on. It must be empty.
    pub(super) fn limit_chunks(&mut self, chunks_max: usize) {
        assert!(self.is_empty());
        self.storage = Storage::with_chunks_max(chunks_max);
    }

    /// Holds what is kept beside the entries against the entries.
    pub(super) fn check(&self) {
        let (mut deadlines, mut len) = (Deadlines::default(), 0);
        self.walk(0, usize::MAX, |hash, entry| {
            len += 1;
            assert_eq!(hash, self.hasher.hash(entry.key()));
            deadlines.replace_key(hash, None, entry.deadline());
            if let ValueRef::Object(value) = entry.value() {
                deadlines.replace_fields(hash, None, value.next_field_deadline());
            }
        });
        assert_eq!(self.len(), len);
        assert_eq!(self.deadlines, deadlines);
        self.storage.check();
    }
}
