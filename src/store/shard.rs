//! A shard: the entries of one part of the keyspace, behind one lock.
//!
//! A short string lives in a slab record (`store::record`, `store::slab`); everything else is an
//! [`Object`] in a dense array. The table (`store::table`) leads from hashes to both, and the expiry
//! index orders the deadlines of all entries that have one.
//!
//! Every change goes through a handful of mutators here. Each first calls [`Shard::before_change`], the
//! one place where a snapshot in progress gets to see what it must keep (see `store::cut`).
//!
//! Entries past their deadline are found like others, and the view hides them; only storing refuses to
//! replace one silently.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::access::Access;
use super::big::{Census, Size};
use super::cut::{Cut, Emit};
#[cfg(test)]
use super::entry::ValueRef;
use super::entry::{Deadline, EntryRef, OwnedValue, Stored as StoredRef, StringRef};
use super::hash::{KeyHash, KeyHasher};
use super::keyspace::CutState;
use super::label::Label;
use super::record::{Form, Parts, Record};
use super::slab::{Cell, OBJECTS_MAX, Slabs};
use super::table::{Position, Table};
use super::watchers::Watchers;
use crate::base::allocator::allocation_size;
use crate::value::Value;

/// When the list of objects shrinks, room for one in so many is kept.
const OBJECTS_STEP: usize = 8;

/// An entry that is no slab record.
#[derive(Clone, Debug)]
pub(super) struct Object {
    label: Label,
    pub value: Value,
}

const _: () = assert!(size_of::<Object>() == 48);

impl Object {
    fn new(key: &[u8], value: Value, deadline: Option<i64>) -> Object {
        Object { label: Label::new(key, deadline), value }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.label.key()
    }

    /// Unix milliseconds.
    #[inline]
    pub(super) fn deadline(&self) -> Option<i64> {
        self.label.deadline()
    }

    fn set_deadline(&mut self, deadline: Option<i64>) {
        self.label = Label::new(self.key(), deadline);
    }

    /// What its key and its value take besides itself. O(1).
    pub(super) fn payload_bytes(&self) -> usize {
        self.label.heap_bytes() + self.value.heap_bytes()
    }

    /// Tells how many bytes were moved.
    fn relocate(&mut self) -> usize {
        self.label = self.label.clone();
        self.label.heap_bytes() + self.value.relocate()
    }
}

/// How much of a shard has been moved (see `store::relocate`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Relocated {
    class: usize,
    /// In this class.
    chunk: usize,
    loose: usize,
    objects: usize,
}

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
pub(super) struct Stored {
    pub is_new: bool,
    /// The value that must be freed, if it was an object.
    pub replaced: Option<Value>,
}

/// There is an entry whose deadline has passed, or the deadlines of all its fields. It must be removed, for others to hear of it, before
/// anything is stored in its place.
#[derive(Debug)]
pub(super) struct Due;

/// How far emitting has come.
pub(super) enum Emitted {
    Some,
    /// There is nothing more in the shard; what the cut keeps itself is still to be emitted.
    All(Option<Box<Cut>>),
}

/// What a shard holds, apart from its relation to snapshots.
#[derive(Default)]
pub struct Contents {
    table: Table,
    slabs: Slabs,
    objects: Vec<Object>,
    census: Census,
    /// `(deadline, hash)` of every entry that has a deadline. Invariant: exactly those.
    deadlines: BTreeSet<(i64, u64)>,
    /// `(earliest deadline of a field, hash)` of every entry with fields that have one.
    field_deadlines: BTreeSet<(i64, u64)>,
    /// The first of `deadlines`, and of both, for everybody who asks before or after a change.
    next_key_deadline: Option<i64>,
    next_deadline: Option<i64>,
}

/// See the module's description.
pub struct Shard {
    hasher: KeyHasher,
    contents: Contents,
    /// The number of the last cut that this shard knows of.
    cut_seen: u64,
    /// What the snapshot in progress still needs from this shard.
    cut: Option<Box<Cut>>,
    pub(super) watchers: Watchers,
    /// A panic happened while this shard was being changed. It is never read or written again.
    poisoned: bool,
}

impl Contents {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries have a deadline.
    pub fn volatile_len(&self) -> usize {
        self.deadlines.len()
    }

    /// The earliest deadline of an entry, in Unix milliseconds.
    pub(super) fn next_key_deadline(&self) -> Option<i64> {
        self.next_key_deadline
    }

    /// Bytes taken from the allocator, as far as the parts know. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.table_bytes()
            + self.slabs.heap_bytes()
            + allocation_size(self.objects.capacity() * size_of::<Object>())
            + self.census.payload_bytes()
            + self.deadline_bytes()
    }

    pub(super) fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The objects by size.
    pub(super) fn census(&self) -> &Census {
        &self.census
    }

    /// The part of them that leads to entries.
    pub fn table_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// The part that orders deadlines.
    pub fn deadline_bytes(&self) -> usize {
        // A B-tree of 16-byte elements is about two thirds full.
        (self.deadlines.len() + self.field_deadlines.len()) * 24
    }

    #[inline]
    fn key_at(&self, place: u32) -> &[u8] {
        if place < OBJECTS_MAX {
            self.objects[place as usize].key()
        } else {
            Record::new(self.slabs.get(Cell::from_place(place))).key()
        }
    }

    #[inline]
    fn stored_at(&self, place: u32) -> StoredRef<'_> {
        if place < OBJECTS_MAX {
            StoredRef::Object(&self.objects[place as usize])
        } else {
            StoredRef::Record(Record::new(self.slabs.get(Cell::from_place(place))))
        }
    }

    #[inline]
    fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Position> {
        self.table.find(hash.0, |place| self.key_at(place) == key)
    }

    #[inline]
    fn get(&self, hash: KeyHash, key: &[u8]) -> Option<EntryRef<'_>> {
        let at = self.find(hash, key)?;
        Some(EntryRef::new(self.stored_at(self.table.place(at)), self.table.access(at)))
    }

    /// Visits entries in hash order from `from` on until `budget` were visited; see [`Table::walk`].
    pub(super) fn walk(
        &self,
        from: u64,
        budget: usize,
        hasher: KeyHasher,
        mut visit: impl FnMut(KeyHash, EntryRef<'_>),
    ) -> Option<u64> {
        let hash_of = |place| hasher.hash(self.key_at(place)).0;
        self.table.walk(from, budget, hash_of, |hash, place, access| {
            visit(KeyHash(hash), EntryRef::new(self.stored_at(place), access));
        })
    }

    /// Stores parts in a new place: a slab cell if they fit and there is room for them, else an object.
    fn store(&mut self, parts: Parts<'_>) -> u32 {
        match parts.size().and_then(|size| self.slabs.allocate(size)) {
            Some(cell) => {
                parts.write(self.slabs.get_mut(cell));
                cell.to_place()
            }
            None => self.store_object(object_from(parts)),
        }
    }

    fn store_object(&mut self, object: Object) -> u32 {
        assert!(self.objects.len() < OBJECTS_MAX as usize, "a shard holds too many objects");
        self.census.add(Size::of(&object));
        // Grows to the next size that the allocator has: most shards of a server have few objects, and a doubled list
        // is mostly empty.
        let len = self.objects.len();
        if len == self.objects.capacity() {
            let wanted = allocation_size((len + 1) * size_of::<Object>()) / size_of::<Object>();
            self.objects.reserve_exact(wanted - len);
        }
        self.objects.push(object);
        (self.objects.len() - 1) as u32
    }

    fn remove_object(&mut self, place: u32) -> Object {
        let object = self.objects.swap_remove(place as usize);
        self.census.remove(Size::of(&object));
        // Many may have been removed. Half of the room is kept for as long as that.
        if self.objects.capacity() > OBJECTS_STEP
            && self.objects.len() < self.objects.capacity() / 2
        {
            self.objects.shrink_to(self.objects.len() + self.objects.len() / OBJECTS_STEP + 1);
        }
        object
    }

    /// Frees a place that the table no longer points to; mends the slot of the entry that moved there.
    fn release(&mut self, place: u32, hasher: &KeyHasher) -> Option<Value> {
        let (moved_from, value) = if place < OBJECTS_MAX {
            let object = self.remove_object(place);
            let last = self.objects.len() as u32;
            ((last != place).then_some(last), Some(object.value))
        } else {
            (self.slabs.remove(Cell::from_place(place)).map(Cell::to_place), None)
        };
        if let Some(from) = moved_from {
            let hash = hasher.hash(self.key_at(place));
            let at = self.table.find(hash.0, |candidate| candidate == from);
            self.table.set_place(at.expect("an entry that moved is in the table"), place);
        }
        value
    }

    fn index_deadline(&mut self, hash: KeyHash, old: Option<i64>, new: Option<i64>) {
        if old != new {
            move_in_index(&mut self.deadlines, hash, old, new);
            self.note_next_deadline();
        }
    }

    /// The same for the earliest deadline of an entry's fields.
    fn index_fields(&mut self, hash: KeyHash, old: Option<i64>, new: Option<i64>) {
        if old != new {
            move_in_index(&mut self.field_deadlines, hash, old, new);
            self.note_next_deadline();
        }
    }

    fn note_next_deadline(&mut self) {
        let first = |index: &BTreeSet<(i64, u64)>| index.first().map(|(deadline, _)| *deadline);
        self.next_key_deadline = first(&self.deadlines);
        self.next_deadline =
            self.next_key_deadline.into_iter().chain(first(&self.field_deadlines)).min();
    }

    /// The earliest deadline of the fields of the entry at a place.
    fn field_deadline_at(&self, place: u32) -> Option<i64> {
        if place >= OBJECTS_MAX {
            return None;
        }
        self.objects[place as usize].value.next_field_deadline()
    }
}

fn move_in_index(
    index: &mut BTreeSet<(i64, u64)>,
    hash: KeyHash,
    old: Option<i64>,
    new: Option<i64>,
) {
    if let Some(old) = old {
        let was_there = index.remove(&(old, hash.0));
        debug_assert!(was_there, "every deadline is in the index");
    }
    if let Some(new) = new {
        let is_new = index.insert((new, hash.0));
        debug_assert!(is_new, "no entry is in the index twice");
    }
}

fn object_from(parts: Parts<'_>) -> Object {
    let bytes = match parts.form {
        Form::Integer => {
            let number =
                i64::from_le_bytes(parts.value.try_into().expect("an integer is eight bytes"));
            number.to_string().into_bytes()
        }
        Form::Plain | Form::Edited => parts.value.to_vec(),
        Form::Absent => unreachable!("what is absent is not stored"),
    };
    let edited = parts.form == Form::Edited;
    let value = Value::String { bytes: triomphe::Arc::new(bytes), edited };
    Object::new(parts.key, value, parts.deadline)
}

impl Shard {
    pub(super) fn new(hasher: KeyHasher) -> Shard {
        Shard {
            hasher,
            contents: Contents::default(),
            cut_seen: 0,
            cut: None,
            watchers: Watchers::default(),
            poisoned: false,
        }
    }

    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    pub(super) fn poison(&mut self) {
        self.poisoned = true;
    }

    /// The earliest deadline of all entries and their fields, in Unix milliseconds.
    pub fn next_deadline(&self) -> Option<i64> {
        self.contents.next_deadline
    }

    /// Whether anything in it has expired.
    #[inline]
    pub fn has_due(&self, now_ms: i64) -> bool {
        self.contents.next_deadline.is_some_and(|deadline| deadline <= now_ms)
    }

    #[inline]
    pub fn get(&self, hash: KeyHash, key: &[u8]) -> Option<EntryRef<'_>> {
        self.contents.get(hash, key)
    }

    /// Visits entries in hash order from `from` on until `budget` were visited; see [`Table::walk`].
    pub fn walk(
        &self,
        from: u64,
        budget: usize,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> Option<u64> {
        self.contents.walk(from, budget, self.hasher, |_, entry| visit(entry))
    }

    /// Some entry, chosen by `random`: uniform over buckets, not exactly over keys.
    pub fn sample(&self, random: u64) -> Option<EntryRef<'_>> {
        if self.contents.is_empty() {
            return None;
        }
        let key = self.contents.key_at(self.contents.table.sample(random)?);
        self.get(self.hasher.hash(key), key)
    }

    /// Visits the places and access words of the entries in `buckets` neighbouring buckets of the table.
    pub(super) fn neighbours(&self, random: u64, buckets: usize, visit: impl FnMut(u32, u32)) {
        self.contents.table.neighbours(random, buckets, visit);
    }

    /// Visits the same of up to `count` entries that have a deadline, from a random time on.
    pub(super) fn volatile_neighbours(
        &self,
        random: u64,
        count: usize,
        mut visit: impl FnMut(u32, u32),
    ) {
        let deadlines = &self.contents.deadlines;
        let (Some((first, _)), Some((last, _))) = (deadlines.first(), deadlines.last()) else {
            return;
        };
        let span = last.abs_diff(*first);
        let from = first.saturating_add_unsigned(random % span.saturating_add(1));
        let behind = deadlines.range((from, 0)..).chain(deadlines.range(..(from, 0)));
        for &(deadline, hash) in behind.take(count) {
            if let Some(at) = self.volatile_at(deadline, hash) {
                let word = self.contents.table.access(at).load(Ordering::Relaxed);
                visit(self.contents.table.place(at), word);
            }
        }
    }

    /// The place of the entry that as a whole expires first.
    pub(super) fn first_volatile(&self) -> Option<u32> {
        let &(deadline, hash) = self.contents.deadlines.first()?;
        Some(self.contents.table.place(self.volatile_at(deadline, hash)?))
    }

    /// When the next one does.
    pub(super) fn second_deadline(&self) -> Option<i64> {
        self.contents.deadlines.iter().nth(1).map(|(deadline, _)| *deadline)
    }

    /// The slot of an entry that is in the index of deadlines.
    fn volatile_at(&self, deadline: i64, hash: u64) -> Option<Position> {
        let contents = &self.contents;
        contents.table.find(hash, |place| {
            contents.stored_at(place).deadline() == Some(deadline)
                && self.hasher.hash(contents.key_at(place)).0 == hash
        })
    }

    /// Whether the entry at a place has a deadline.
    pub(super) fn is_volatile(&self, place: u32) -> bool {
        self.contents.stored_at(place).deadline().is_some()
    }

    pub(super) fn key_at(&self, place: u32) -> &[u8] {
        self.contents.key_at(place)
    }

    /// The hash of the key at a place.
    pub(super) fn hash_at(&self, place: u32) -> u64 {
        self.hasher.hash(self.contents.key_at(place)).0
    }

    /// The place of the entry with this hash whose access word is this one.
    pub(super) fn find_unused(&self, hash: u64, word: u32) -> Option<u32> {
        let table = &self.contents.table;
        let at = table.find(hash, |place| self.hash_at(place) == hash)?;
        let is_unused = table.access(at).load(Ordering::Relaxed) == word;
        is_unused.then(|| table.place(at))
    }

    /// Keys whose deadline is at or before `now_ms`, at most `limit`, earliest first.
    pub fn due_keys(&self, now_ms: i64, limit: usize) -> Vec<Box<[u8]>> {
        let due = self.contents.deadlines.range(..=(now_ms, u64::MAX)).take(limit);
        due.filter_map(|&(deadline, hash)| {
            let at = self.volatile_at(deadline, hash)?;
            Some(self.contents.key_at(self.contents.table.place(at)).into())
        })
        .collect()
    }

    /// Keys that have a field whose deadline is at or before `now_ms`, at most `limit`, earliest first.
    pub fn keys_with_due_fields(&self, now_ms: i64, limit: usize) -> Vec<Box<[u8]>> {
        let contents = &self.contents;
        let due = contents.field_deadlines.range(..=(now_ms, u64::MAX)).take(limit);
        due.filter_map(|&(deadline, hash)| {
            let at = contents.table.find(hash, |place| {
                contents.field_deadline_at(place) == Some(deadline)
                    && self.hasher.hash(contents.key_at(place)).0 == hash
            })?;
            Some(contents.key_at(contents.table.place(at)).into())
        })
        .collect()
    }

    /// Stores a string under the key, replacing whatever was there.
    pub(super) fn put_string(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: StringRef<'_>,
        write: &Write,
    ) -> Result<Stored, Due> {
        let integer;
        let (form, bytes) = match value {
            StringRef::Integer(number) => {
                integer = number.to_le_bytes();
                (Form::Integer, &integer[..])
            }
            StringRef::Bytes { bytes, edited: false } => (Form::Plain, bytes),
            StringRef::Bytes { bytes, edited: true } => (Form::Edited, bytes),
        };
        self.before_change(hash, key);
        let Some(at) = self.contents.find(hash, key) else {
            let deadline = write.deadline.after(None);
            let place = self.contents.store(Parts { key, form, value: bytes, deadline });
            return Ok(self.index_new(hash, place, deadline, write));
        };
        let deadline = write.deadline.after(self.prepare_to_replace(at, write)?);
        let replaced = self.replace_at(hash, at, Parts { key, form, value: bytes, deadline });
        Ok(Stored { is_new: false, replaced })
    }

    /// The old deadline of an entry that is to be replaced, which counts as an access to it.
    fn prepare_to_replace(&self, at: Position, write: &Write) -> Result<Option<i64>, Due> {
        let stored = self.contents.stored_at(self.contents.table.place(at));
        if stored.is_due(write.now_ms) {
            return Err(Due);
        }
        let old = stored.deadline();
        write.access.touch(self.contents.table.access(at));
        Ok(old)
    }

    /// Overwrites in place where the record fits, else moves the entry to a new place.
    fn replace_at(&mut self, hash: KeyHash, at: Position, parts: Parts<'_>) -> Option<Value> {
        let contents = &mut self.contents;
        let place = contents.table.place(at);
        let old_deadline = contents.stored_at(place).deadline();
        contents.index_deadline(hash, old_deadline, parts.deadline);
        contents.index_fields(hash, contents.field_deadline_at(place), None);
        match parts.size() {
            Some(size)
                if place >= OBJECTS_MAX && contents.slabs.fits(Cell::from_place(place), size) =>
            {
                parts.write(contents.slabs.get_mut(Cell::from_place(place)));
                None
            }
            _ => {
                let fresh = contents.store(parts);
                contents.table.set_place(at, fresh);
                contents.release(place, &self.hasher)
            }
        }
    }

    /// Stores an owned value under the key; see [`Shard::put_string`].
    pub(super) fn put_entry(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: OwnedValue,
        write: &Write,
    ) -> Result<Stored, Due> {
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
        self.before_change(hash, key);
        let Some(at) = self.contents.find(hash, key) else {
            let deadline = write.deadline.after(None);
            self.contents.index_fields(hash, None, value.next_field_deadline());
            let place = self.contents.store_object(Object::new(key, value, deadline));
            return Ok(self.index_new(hash, place, deadline, write));
        };
        let old_deadline = self.prepare_to_replace(at, write)?;
        let deadline = write.deadline.after(old_deadline);
        let contents = &mut self.contents;
        contents.index_deadline(hash, old_deadline, deadline);
        let place = contents.table.place(at);
        let field_deadline = contents.field_deadline_at(place);
        contents.index_fields(hash, field_deadline, value.next_field_deadline());
        let fresh = contents.store_object(Object::new(key, value, deadline));
        contents.table.set_place(at, fresh);
        Ok(Stored { is_new: false, replaced: contents.release(place, &self.hasher) })
    }

    fn index_new(
        &mut self,
        hash: KeyHash,
        place: u32,
        deadline: Option<i64>,
        write: &Write,
    ) -> Stored {
        let Contents { table, slabs, objects, .. } = &mut self.contents;
        let hasher = &self.hasher;
        table.insert(hash.0, place, write.access.initial(), |place| {
            hash_at(slabs, objects, hasher, place)
        });
        self.contents.index_deadline(hash, None, deadline);
        Stored { is_new: true, replaced: None }
    }

    /// Lets `edit` change an object's value. `None` if there is no such key or it holds a short string.
    pub(super) fn edit_value<R>(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        edit: impl FnOnce(&mut Value) -> R,
    ) -> Option<R> {
        self.before_change(hash, key);
        let at = self.contents.find(hash, key)?;
        let place = self.contents.table.place(at);
        if place >= OBJECTS_MAX {
            return None;
        }
        let object = &mut self.contents.objects[place as usize];
        let (old, old_size) = (object.value.next_field_deadline(), Size::of(object));
        let result = edit(&mut object.value);
        let (new, new_size) = (object.value.next_field_deadline(), Size::of(object));
        self.contents.census.replace(old_size, new_size);
        self.contents.index_fields(hash, old, new);
        Some(result)
    }

    /// Sets or removes an entry's deadline; false if there is no such key.
    pub(super) fn set_deadline(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        deadline: Option<i64>,
    ) -> bool {
        self.before_change(hash, key);
        let Some(at) = self.contents.find(hash, key) else { return false };
        let place = self.contents.table.place(at);
        if place < OBJECTS_MAX {
            let object = &mut self.contents.objects[place as usize];
            let old_size = Size::of(object);
            let old = object.deadline();
            object.set_deadline(deadline);
            self.contents.census.replace(old_size, Size::of(object));
            self.contents.index_deadline(hash, old, deadline);
            return true;
        }
        let copy = self.contents.slabs.get(Cell::from_place(place)).to_vec();
        let record = Record::new(&copy);
        let parts = Parts { key, form: record.form(), value: record.value(), deadline };
        self.replace_at(hash, at, parts);
        true
    }

    /// Removes an entry. `None` if there is none; else the value that must be freed, if it was an object.
    pub(super) fn remove(&mut self, hash: KeyHash, key: &[u8]) -> Option<Option<Value>> {
        self.before_change(hash, key);
        let at = self.contents.find(hash, key)?;
        let place = self.contents.table.place(at);
        let deadline = self.contents.stored_at(place).deadline();
        let Contents { table, slabs, objects, .. } = &mut self.contents;
        let hasher = &self.hasher;
        table.remove(hash.0, at, |place| hash_at(slabs, objects, hasher, place));
        self.contents.index_deadline(hash, deadline, None);
        self.contents.index_fields(hash, self.contents.field_deadline_at(place), None);
        Some(self.contents.release(place, &self.hasher))
    }

    /// Moves entries to fresh memory, from where `at` says, until about so many bytes were moved. Tells how many,
    /// and whether all have been.
    pub(super) fn relocate(&mut self, at: &mut Relocated, budget: usize) -> (usize, bool) {
        let Contents { slabs, objects, census, .. } = &mut self.contents;
        // To look at what is not moved is work, too.
        let (mut moved, mut looked_at) = (0, 0);
        while moved + looked_at * size_of::<Object>() < budget {
            looked_at += 1;
            if at.class < slabs.classes() {
                match slabs.relocate_chunk(at.class, at.chunk) {
                    Some(bytes) => {
                        at.chunk += 1;
                        moved += bytes;
                    }
                    None => (at.class, at.chunk) = (at.class + 1, 0),
                }
            } else if let Some(bytes) = slabs.relocate_loose(at.loose) {
                at.loose += 1;
                moved += bytes;
            } else if let Some(object) = objects.get_mut(at.objects) {
                at.objects += 1;
                let before = Size::of(object);
                moved += object.relocate();
                census.replace(before, Size::of(object));
            } else {
                return (moved, true);
            }
        }
        (moved, false)
    }

    /// Takes everything out at once, damage included; the caller frees it outside of the lock.
    pub(super) fn take_all(&mut self) -> Contents {
        let contents = std::mem::take(&mut self.contents);
        let was_poisoned = std::mem::take(&mut self.poisoned);
        match &mut self.cut {
            Some(cut) if was_poisoned => {
                cut.give_up();
                contents
            }
            Some(cut) => cut.freeze(contents).unwrap_or_default(),
            None => contents,
        }
    }
}

fn hash_at(slabs: &Slabs, objects: &[Object], hasher: &KeyHasher, place: u32) -> u64 {
    let key = if place < OBJECTS_MAX {
        objects[place as usize].key()
    } else {
        Record::new(slabs.get(Cell::from_place(place))).key()
    };
    hasher.hash(key).0
}

#[cfg(test)]
impl Shard {
    /// Has room for so few chunks of records of a size from now on. It must be empty.
    pub(super) fn limit_chunks(&mut self, chunks_max: usize) {
        assert!(self.contents.is_empty());
        self.contents.slabs = Slabs::with_chunks_max(chunks_max);
    }

    /// Holds what is kept beside the entries against the entries.
    pub(super) fn check(&self) {
        let (mut deadlines, mut field_deadlines, mut len) = (BTreeSet::new(), BTreeSet::new(), 0);
        let contents = &self.contents;
        contents.walk(0, usize::MAX, self.hasher, |hash, entry| {
            len += 1;
            assert_eq!(hash, self.hasher.hash(entry.key()));
            deadlines.extend(entry.deadline().map(|deadline| (deadline, hash.0)));
            if let ValueRef::Object(value) = entry.value() {
                field_deadlines.extend(value.next_field_deadline().map(|at| (at, hash.0)));
            }
        });
        assert_eq!(contents.len(), len);
        assert_eq!(contents.deadlines, deadlines);
        assert_eq!(contents.field_deadlines, field_deadlines);
        let first = |index: &BTreeSet<(i64, u64)>| index.first().map(|(deadline, _)| *deadline);
        let firsts = [first(&deadlines), first(&field_deadlines)];
        assert_eq!(contents.next_key_deadline, firsts[0]);
        assert_eq!(contents.next_deadline, firsts.into_iter().flatten().min());
        assert_eq!(contents.census, Census::of(&contents.objects));
    }
}

/// A snapshot's access to the shard (see `store::cut`).
impl Shard {
    /// Joins the cut if it is new to the shard. Must be called before any change.
    #[inline]
    pub(super) fn join_cut(&mut self, cut: CutState) {
        if self.cut_seen != cut.number() {
            self.cut_seen = cut.number();
            self.cut = cut.is_open().then(|| Box::new(Cut::new(self.hasher)));
        }
    }

    /// Keeps what the snapshot in progress needs of the entry that is about to change.
    #[inline]
    fn before_change(&mut self, hash: KeyHash, key: &[u8]) {
        if let Some(cut) = &mut self.cut {
            cut.keep(hash, key, || self.contents.get(hash, key));
        }
    }

    /// Emits up to `budget` entries of the cut that are still in the shard. When there are no more the shard owes the
    /// snapshot nothing, and the cut comes out, with what it has kept.
    pub(super) fn emit_cut(&mut self, budget: usize, emit: &mut Emit<'_>) -> Emitted {
        let Some(cut) = &mut self.cut else { return Emitted::All(None) };
        if cut.emit_live(&self.contents, budget, emit) {
            Emitted::All(self.cut.take())
        } else {
            Emitted::Some
        }
    }

    /// Whether the state at the cut is lost, because the shard was poisoned and then emptied.
    pub(super) fn is_cut_lost(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.is_lost())
    }

    /// Gives out what was kept for a snapshot that was given up, to be freed without a lock.
    pub(super) fn leave_cut(&mut self) -> Option<Box<Cut>> {
        self.cut.take()
    }
}
