//! What a command may see and change: the shards of its declared keys, locked.
//!
//! `exec` computes the keys that the command's row declares, and [`View::lock`] takes the locks of all
//! their shards in ascending order before the handler runs. The handler reads and changes entries
//! through [`Key`]s, which only a locked view hands out; a key that was not declared cannot be reached.
//! Commands on the whole database lock no key and walk shard by shard instead (`store::walk`).
//!
//! An entry past its deadline is never seen: reads skip it, writes remove it first and record that.
//! Everything the view does is recorded in [`Effects`]; nothing is sent anywhere from here.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::access::Access;
use super::copies::Stride;
use super::effects::{Effects, EventKind, LogCommand, Wants, event};
use super::entry::{Deadline, Entry, EntryRef, OwnedValue, StringRef, Text, ValueRef};
use super::hash::KeyHash;
use super::keyspace::{DataBytes, Keyspace, ShardCell};
use super::shard::{Shard, Stored, Write};
use crate::base::bytes::Bytes;
use crate::base::limits::LOGGED_ELEMENTS_MAX;
use crate::base::sync::{ReadGuard, WriteGuard};
use crate::value::{Collection, Value};

/// Whether a command may change what it locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Read,
    Write,
}

/// A key that a command declared.
#[derive(Clone, Copy, Debug)]
pub struct DeclaredKey<'a> {
    pub bytes: &'a [u8],
    /// Logical number of the database that it is in.
    pub db: usize,
    /// Number of the argument that it is.
    pub arg: usize,
}

/// A key whose shard is locked in this view.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub bytes: &'a [u8],
    pub db: usize,
    pub(super) hash: KeyHash,
    /// Which of the view's locks is that of its shard.
    pub(super) held: usize,
}

/// What a value held instead of a string. The client hears `WRONGTYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

pub(super) enum Held<'a> {
    Read(ReadGuard<'a, Shard>),
    Write {
        guard: WriteGuard<'a, Shard>,
        cell: &'a ShardCell,
        sum: &'a DataBytes,
    },
    /// Nobody else has it (see `store::copies`).
    Private(Box<Shard>),
}

impl Held<'_> {
    #[inline]
    pub(super) fn shard(&self) -> &Shard {
        match self {
            Held::Read(guard) => guard,
            Held::Write { guard, .. } => guard,
            Held::Private(shard) => shard,
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Held::Write { guard, cell, sum } = self {
            cell.publish(guard, sum);
            if std::thread::panicking() {
                guard.poison();
            }
        }
    }
}

/// See the module's description.
pub struct View<'a> {
    pub(super) keyspace: &'a Keyspace,
    pub(super) now_ms: i64,
    pub(super) access: Access,
    /// The session's selected database.
    pub db: usize,
    pub(super) held: SmallVec<[(u32, Held<'a>); 1]>,
    /// Argument numbers and keys; the numbers rise.
    pub(super) keys: SmallVec<[(usize, Key<'a>); 2]>,
    /// There for who works on copies or walks without standing behind a gate all the time.
    pub(super) stride: Option<Stride<'a>>,
    pub effects: Effects,
}

/// A shard that the command needs was damaged by a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poisoned;

impl<'a> View<'a> {
    /// A view that holds no locks yet.
    pub fn new(
        keyspace: &'a Keyspace,
        db: usize,
        now_ms: i64,
        access: Access,
        wants: Wants,
    ) -> View<'a> {
        View {
            keyspace,
            now_ms,
            access,
            db,
            held: SmallVec::new(),
            keys: SmallVec::new(),
            stride: None,
            effects: Effects::new(wants),
        }
    }

    /// Locks the shards of all declared keys, in order.
    pub fn lock(&mut self, declared: &[DeclaredKey<'a>], mode: Mode) -> Result<(), Poisoned> {
        debug_assert!(self.held.is_empty(), "a view locks once");
        self.note_keys(declared);
        match &self.keys[..] {
            [] => Ok(()),
            [(_, only)] => {
                let ordinal = only.held as u32;
                self.keys[0].1.held = 0;
                self.hold(ordinal, mode)
            }
            _ => self.lock_many(mode),
        }
    }

    fn lock_many(&mut self, mode: Mode) -> Result<(), Poisoned> {
        let mut ordinals: SmallVec<[u32; 16]> =
            self.keys.iter().map(|(_, key)| key.held as u32).collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        for (_, key) in &mut self.keys {
            let held = ordinals.binary_search(&(key.held as u32));
            key.held = held.expect("every key's shard is among the ordinals");
        }
        ordinals.into_iter().try_for_each(|ordinal| self.hold(ordinal, mode))
    }

    /// Notes declared keys, each with the ordinal of its shard instead of its place among the held ones.
    pub(super) fn note_keys(&mut self, declared: &[DeclaredKey<'a>]) {
        for key in declared {
            let held = self.ordinal(key.db, key.bytes) as usize;
            let hash = self.keyspace.hash(key.bytes);
            self.keys.push((key.arg, Key { bytes: key.bytes, db: key.db, hash, held }));
        }
        debug_assert!(self.keys.is_sorted_by_key(|(arg, _)| *arg), "keys are declared in order");
    }

    /// Locks shards for several commands, in order. Then each declares its keys among them.
    pub fn lock_shards(&mut self, wanted: &mut Vec<(u32, Mode)>) -> Result<(), Poisoned> {
        debug_assert!(self.held.is_empty(), "a view locks once");
        // Whoever writes comes first, and is the one that stays.
        wanted.sort_unstable_by_key(|(ordinal, mode)| (*ordinal, *mode == Mode::Read));
        wanted.dedup_by_key(|(ordinal, _)| *ordinal);
        wanted.iter().try_for_each(|(ordinal, mode)| self.hold(*ordinal, *mode))
    }

    /// The keys of the next command, whose shards are held already.
    pub fn declare(&mut self, declared: &[DeclaredKey<'a>]) {
        self.keys.clear();
        self.note_keys(declared);
        for (_, key) in &mut self.keys {
            let held = self.held.binary_search_by_key(&(key.held as u32), |(ordinal, _)| *ordinal);
            key.held = held.expect("the shards of all commands are held");
        }
    }

    /// A key whose shard is held, declared or not.
    pub(super) fn held_key<'b>(&self, db: usize, bytes: &'b [u8]) -> Key<'b> {
        let held = self.place_of(self.ordinal(db, bytes)).expect("the key's shard is held");
        Key { bytes, db, hash: self.keyspace.hash(bytes), held }
    }

    /// The place of a key's shard in the order of locks, by which shards are named to [`View::lock_shards`].
    pub fn ordinal(&self, db: usize, bytes: &[u8]) -> u32 {
        self.ordinal_in(db, self.keyspace.shard_of(bytes))
    }

    /// The same for a shard of a database.
    pub(super) fn ordinal_in(&self, db: usize, shard: usize) -> u32 {
        (self.physical(db) * self.keyspace.shards() + shard) as u32
    }

    pub(super) fn hold(&mut self, ordinal: u32, mode: Mode) -> Result<(), Poisoned> {
        let shards = self.keyspace.shards();
        let cell = &self.keyspace.shards_of(ordinal as usize / shards)[ordinal as usize % shards];
        let held = match mode {
            Mode::Read => Held::Read(cell.lock.read()),
            Mode::Write => {
                let mut guard = cell.lock.write();
                // Looked at behind the lock: who began to wait, or has read, before it must learn of changes.
                self.effects.wants.touched |=
                    self.keyspace.has_waiters() || self.keyspace.has_trackers();
                guard.join_cut(self.keyspace.cut());
                Held::Write { guard, cell, sum: self.keyspace.sum_of(ordinal) }
            }
        };
        let poisoned = held.shard().is_poisoned();
        self.held.push((ordinal, held));
        if poisoned { Err(Poisoned) } else { Ok(()) }
    }

    /// Lets go of all locks; the recorded effects stay.
    pub fn unlock(&mut self) {
        self.held.clear();
        self.keys.clear();
    }

    pub(super) fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }

    /// The declared key that is argument number `arg` (the first, if it was declared twice).
    pub fn key_at(&self, arg: usize) -> Option<Key<'a>> {
        let first = self.keys.partition_point(|(number, _)| *number < arg);
        self.keys.get(first).filter(|(number, _)| *number == arg).map(|(_, key)| *key)
    }

    /// The declared key number `index`, in the order of declaration.
    pub fn declared(&self, index: usize) -> Option<Key<'a>> {
        self.keys.get(index).map(|(_, key)| *key)
    }

    /// All declared keys, in the order of declaration.
    pub fn all_declared(&self) -> impl Iterator<Item = Key<'a>> {
        self.keys.iter().map(|(_, key)| *key)
    }

    /// A declared key by its database and its bytes.
    pub fn declared_key(&self, db: usize, bytes: &[u8]) -> Option<Key<'a>> {
        let mut keys = self.keys.iter().map(|(_, key)| *key);
        keys.find(|key| key.db == db && key.bytes == bytes)
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.keyspace.databases()
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub(super) fn shard_mut(&mut self, key: &Key<'_>) -> &mut Shard {
        match &mut self.held[key.held].1 {
            Held::Write { guard, .. } => guard,
            Held::Private(shard) => shard,
            Held::Read(_) => unreachable!("only rows flagged WRITE change entries"),
        }
    }

    pub(super) fn only_shard(&self) -> &Shard {
        match &self.held[..] {
            [(_, held)] => held.shard(),
            _ => unreachable!("one shard is held"),
        }
    }

    pub(super) fn only_shard_mut(&mut self) -> &mut Shard {
        match &mut self.held[..] {
            [(_, Held::Write { guard, .. })] => guard,
            _ => unreachable!("one shard is held for writing"),
        }
    }

    pub(super) fn key_of_only_shard<'b>(&self, db: usize, bytes: &'b [u8]) -> Key<'b> {
        Key { bytes, db, hash: self.keyspace.hash(bytes), held: 0 }
    }
}

/// Reading.
impl View<'_> {
    /// The entry as it is, without counting the access.
    #[inline]
    pub fn peek(&self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        live_entry(&self.held, key, self.now_ms)
    }

    /// The entry, counted as an access to it, and as a hit or a miss.
    #[inline]
    pub fn read(&mut self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        let access = self.access;
        let entry = self.look_up(key)?;
        access.touch(entry.access());
        Some(entry)
    }

    /// Counts an access, whatever the client asked for with `CLIENT NO-TOUCH` (`TOUCH`); false if there is
    /// no such key.
    pub fn touch(&mut self, key: &Key<'_>) -> bool {
        let access = Access { touches: true, ..self.access };
        self.look_up(key).map(|entry| access.touch(entry.access())).is_some()
    }

    /// The entry, counted as a hit or a miss but not as an access (`EXISTS`, `TTL`, `TYPE`).
    #[inline]
    pub fn look_up(&mut self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        let entry = live_entry(&self.held, key, self.now_ms);
        match entry {
            Some(_) => self.effects.hits += 1,
            None => {
                self.effects.misses += 1;
                self.effects.event(event::KEYMISS, key.db, key.bytes);
            }
        }
        entry
    }

    /// The same without an event when it is missing (`OBJECT`).
    pub fn inspect(&mut self, key: &Key<'_>) -> Option<EntryRef<'_>> {
        let entry = live_entry(&self.held, key, self.now_ms);
        match entry {
            Some(_) => self.effects.hits += 1,
            None => self.effects.misses += 1,
        }
        entry
    }

    /// How this command's accesses are recorded.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The entry's string content, counted like [`View::read`].
    #[inline]
    pub fn string(&mut self, key: &Key<'_>) -> Result<Option<Text<'_>>, WrongType> {
        self.read(key).map(text_of).transpose()
    }

    /// The entry's string content before a change: an access, but neither hit nor miss.
    pub fn string_for_change(&mut self, key: &Key<'_>) -> Result<Option<Text<'_>>, WrongType> {
        let Some(entry) = self.peek(key) else { return Ok(None) };
        self.access.touch(entry.access());
        text_of(entry).map(Some)
    }

    /// The entry's value of a type, counted like [`View::read`].
    #[inline]
    pub fn collection<T: Collection>(&mut self, key: &Key<'_>) -> Result<Option<&T>, WrongType> {
        self.read(key).map(collection_of).transpose()
    }

    /// The same without counting, for commands that look at several keys side by side.
    pub fn peek_collection<T: Collection>(&self, key: &Key<'_>) -> Result<Option<&T>, WrongType> {
        self.peek(key).map(collection_of).transpose()
    }

    /// How much work it is to go through the value, in elements; at least 1 if there is one.
    pub fn work(&self, key: &Key<'_>) -> usize {
        self.work_of_part(key, usize::MAX)
    }

    /// The same for so many of its elements.
    pub fn work_of_part(&self, key: &Key<'_>, elements: usize) -> usize {
        match self.peek(key).map(|entry| entry.value()) {
            None => 0,
            Some(ValueRef::Object(value)) => {
                let all = value.elements().max(1);
                let share = elements.min(all) as f64 / all as f64;
                ((value.work() as f64 * share) as usize).max(1)
            }
            Some(_) => 1,
        }
    }

    /// How many elements the value has; a string is one.
    pub fn elements(&self, key: &Key<'_>) -> usize {
        match self.peek(key).map(|entry| entry.value()) {
            None => 0,
            Some(ValueRef::Object(value)) => value.elements(),
            Some(_) => 1,
        }
    }

    /// How long the string at the key is; 0 if there is none.
    pub fn string_len(&self, key: &Key<'_>) -> usize {
        self.peek(key).and_then(|entry| text_of(entry).ok()).map_or(0, |text| text.len())
    }

    pub fn exists(&self, key: &Key<'_>) -> bool {
        self.peek(key).is_some()
    }

    /// Whether the entry is still there although it has expired.
    pub(super) fn is_due(&self, key: &Key<'_>) -> bool {
        let shard = shard_of(&self.held, key);
        let find = || shard.get(key.hash, key.bytes);
        shard.has_due(self.now_ms) && find().is_some_and(|entry| entry.is_due(self.now_ms))
    }

    /// A copy of the entry that shares a large payload.
    pub fn copy(&self, key: &Key<'_>) -> Option<Entry> {
        self.peek(key).map(EntryRef::to_entry)
    }
}

fn shard_of<'h>(held: &'h [(u32, Held<'_>)], key: &Key<'_>) -> &'h Shard {
    held[key.held].1.shard()
}

#[inline]
fn live_entry<'h>(held: &'h [(u32, Held<'_>)], key: &Key<'_>, now_ms: i64) -> Option<EntryRef<'h>> {
    shard_of(held, key).get(key.hash, key.bytes).filter(|entry| !entry.is_due(now_ms))
}

fn text_of(entry: EntryRef<'_>) -> Result<Text<'_>, WrongType> {
    match entry.value() {
        ValueRef::Integer(number) => Ok(Text::Integer(number)),
        ValueRef::Short { bytes, .. } => Ok(Text::Short(bytes)),
        ValueRef::Object(Value::String { bytes, .. }) => Ok(Text::Long(bytes)),
        ValueRef::Object(_) => Err(WrongType),
    }
}

fn collection_of<T: Collection>(entry: EntryRef<'_>) -> Result<&T, WrongType> {
    match entry.value() {
        ValueRef::Object(value) => T::of(value).ok_or(WrongType),
        _ => Err(WrongType),
    }
}

/// Changing. Every method first removes the entry if its deadline has passed.
impl View<'_> {
    /// Records that the key's value is another now.
    fn note_change(&mut self, key: &Key<'_>) {
        self.effects.touch(key.db, key.bytes);
        self.shard_mut(key).watchers.raise(key.hash, key.bytes);
    }

    /// Removes the entry, or its fields, if their deadlines have passed, and records that.
    #[inline]
    pub(super) fn settle(&mut self, key: &Key<'_>) {
        let shard = shard_of(&self.held, key);
        if !shard.has_due(self.now_ms) {
            return;
        }
        let Some(entry) = shard.get(key.hash, key.bytes) else { return };
        if entry.deadline().is_some_and(|deadline| deadline <= self.now_ms) {
            self.expire(key);
        } else if entry.has_due_fields(self.now_ms) {
            self.expire_fields(key, usize::MAX);
        }
    }

    /// Removes fields whose deadlines have passed, at most `limit`; tells how many. If all have passed, the
    /// entry goes as a whole, however many they are, and counts as one.
    pub(super) fn expire_fields(&mut self, key: &Key<'_>, limit: usize) -> usize {
        let now_ms = self.now_ms;
        let entry = shard_of(&self.held, key).get(key.hash, key.bytes);
        if entry.is_some_and(|entry| entry.is_due(now_ms)) {
            self.remove_unasked(key);
            self.effects.event(event::HEXPIRED, key.db, key.bytes);
            self.effects.event(event::DEL, key.db, key.bytes);
            return 1;
        }
        let removed = self.shard_mut(key).edit_value(key.hash, key.bytes, |value| match value {
            Value::Hash(hash) => hash.remove_expired(now_ms, limit),
            _ => unreachable!("only hashes have fields with deadlines"),
        });
        let fields = removed.expect("an entry with due fields is there");
        self.note_change(key);
        self.effects.removal_changes += 1;
        self.effects.event(event::HEXPIRED, key.db, key.bytes);
        let count = fields.len();
        if self.effects.wants.log {
            for batch in fields.chunks(LOGGED_ELEMENTS_MAX) {
                let args = [&b"HDEL"[..], key.bytes].map(<[u8]>::to_vec).into_iter();
                let args = args.chain(batch.iter().cloned()).collect();
                self.effects.removals.push(LogCommand { db: key.db, args });
            }
        }
        count
    }

    /// Removes what has expired among several declared keys. A command that finds one key missing may
    /// change another; the log repeats it outside of time, so it must say before that the first is gone.
    /// (With one key, whatever changes it has removed it first.)
    pub fn expire_declared(&mut self) {
        if self.keys.len() < 2 {
            return;
        }
        for index in 0..self.keys.len() {
            let key = self.keys[index].1;
            self.settle(&key);
        }
    }

    pub(super) fn expire(&mut self, key: &Key<'_>) {
        self.remove_unasked(key);
        self.effects.expired += 1;
        self.effects.event(event::EXPIRED, key.db, key.bytes);
    }

    /// Removes an entry that has expired, as a whole or in all its fields, or that is evicted: the log hears of
    /// it before it hears of the command.
    pub(super) fn remove_unasked(&mut self, key: &Key<'_>) {
        let value = self.shard_mut(key).remove(key.hash, key.bytes).flatten();
        self.effects.discard(value);
        self.effects.removal_changes += 1;
        self.note_change(key);
        if self.effects.wants.log {
            let args = vec![b"DEL".to_vec(), key.bytes.to_vec()];
            self.effects.removals.push(LogCommand { db: key.db, args });
        }
    }

    /// Stores a string under the key, whatever was there.
    pub fn put_string(
        &mut self,
        key: &Key<'_>,
        value: StringRef<'_>,
        deadline: Deadline,
        kind: EventKind,
    ) {
        let write = Write { now_ms: self.now_ms, deadline, access: self.access };
        let mut stored = self.shard_mut(key).put_string(key.hash, key.bytes, value, &write);
        if stored.is_err() {
            self.settle(key);
            stored = self.shard_mut(key).put_string(key.hash, key.bytes, value, &write);
        }
        self.stored(key, stored.expect("what was due has been removed"), kind);
    }

    /// Stores an entry that was taken or copied from elsewhere. It counts as a new key even where it
    /// replaces another, as in Redis; what brought it there is told with [`View::also`].
    pub fn put_entry(&mut self, key: &Key<'_>, entry: Entry) {
        self.settle(key);
        let write = Write {
            now_ms: self.now_ms,
            deadline: entry.deadline.map_or(Deadline::Clear, Deadline::At),
            access: self.access,
        };
        let stored = self.shard_mut(key).put_entry(key.hash, key.bytes, entry.value, &write);
        self.effects.discard(stored.expect("what was due has been removed").replaced);
        self.note_change(key);
        self.effects.event(event::NEW, key.db, key.bytes);
    }

    fn stored(&mut self, key: &Key<'_>, stored: Stored, kind: EventKind) {
        self.effects.discard(stored.replaced);
        self.changed(key, kind, stored.is_new);
    }

    fn changed(&mut self, key: &Key<'_>, kind: EventKind, is_new: bool) {
        self.note_change(key);
        if is_new {
            self.effects.event(event::NEW, key.db, key.bytes);
        }
        self.effects.event(kind, key.db, key.bytes);
    }

    /// Lets `edit` change the bytes of the string (empty if there was none) and stores the result.
    pub fn edit_string(
        &mut self,
        key: &Key<'_>,
        kind: EventKind,
        edit: impl FnOnce(&mut Vec<u8>),
    ) -> Result<usize, WrongType> {
        self.edit_bytes(key, |bytes, change| {
            edit(bytes);
            change.event(kind);
            bytes.len()
        })
    }

    /// The same where the edit may turn out to change nothing: what it did is what it tells [`Change`].
    /// Whatever it did, the string is there afterwards, and counts as changed in place.
    /// A long string is changed in place, unless somebody else holds it.
    pub fn edit_bytes<R>(
        &mut self,
        key: &Key<'_>,
        edit: impl FnOnce(&mut Vec<u8>, &mut Change) -> R,
    ) -> Result<R, WrongType> {
        self.settle(key);
        let mut change = Change::default();
        let is_long = matches!(
            self.peek(key).map(|e| e.value()),
            Some(ValueRef::Object(Value::String { .. }))
        );
        if is_long {
            let result = self.shard_mut(key).edit_value(key.hash, key.bytes, |value| match value {
                Value::String { bytes, edited } => {
                    *edited = true;
                    edit(Bytes::make_mut(bytes), &mut change)
                }
                _ => unreachable!("it was a string a moment ago"),
            });
            self.report(key, &change, false);
            return Ok(result.expect("it was there a moment ago"));
        }
        let mut bytes = self.string_for_change(key)?.map(|text| text.to_vec()).unwrap_or_default();
        let result = edit(&mut bytes, &mut change);
        let write = Write { now_ms: self.now_ms, deadline: Deadline::Keep, access: self.access };
        let value = StringRef::Bytes { bytes: &bytes, edited: true };
        let stored = self.shard_mut(key).put_string(key.hash, key.bytes, value, &write);
        let stored = stored.expect("what was due has been removed");
        self.effects.discard(stored.replaced);
        self.report(key, &change, stored.is_new);
        Ok(result)
    }

    /// Records what an edit told of itself.
    fn report(&mut self, key: &Key<'_>, change: &Change, is_new: bool) {
        if change.is_internal && !is_new {
            self.effects.changes += 1;
        } else if is_new || change.has_happened() {
            self.note_change(key);
        }
        if is_new {
            self.effects.event(event::NEW, key.db, key.bytes);
        }
        change.events.iter().for_each(|kind| self.effects.event(*kind, key.db, key.bytes));
    }

    /// Lets `edit` change the collection at the key, an empty one if there is none. What it did is what it
    /// tells [`Change`]: nothing means that nothing is different. A collection without elements goes, and
    /// a new one that nothing happened to never was.
    pub fn edit<T: Collection, R>(
        &mut self,
        key: &Key<'_>,
        edit: impl FnOnce(&mut T, &mut Change) -> R,
    ) -> Result<R, WrongType> {
        self.settle(key);
        if self.peek(key).is_some() {
            return self.edit_present(key, edit);
        }
        let mut fresh = T::default();
        let mut change = Change::default();
        let result = edit(&mut fresh, &mut change);
        let is_kept = change.has_happened() && (T::STAYS_EMPTY || !fresh.is_empty());
        if is_kept {
            let write =
                Write { now_ms: self.now_ms, deadline: Deadline::Clear, access: self.access };
            let value = OwnedValue::Object(fresh.into_value());
            let stored = self.shard_mut(key).put_entry(key.hash, key.bytes, value, &write);
            stored.expect("nothing is there");
            self.report(key, &change, true);
        }
        Ok(result)
    }

    /// The same for a collection that must be there; `None` if it is not.
    pub fn edit_existing<T: Collection, R>(
        &mut self,
        key: &Key<'_>,
        edit: impl FnOnce(&mut T, &mut Change) -> R,
    ) -> Result<Option<R>, WrongType> {
        self.settle(key);
        if self.peek(key).is_none() {
            return Ok(None);
        }
        self.edit_present(key, edit).map(Some)
    }

    fn edit_present<T: Collection, R>(
        &mut self,
        key: &Key<'_>,
        edit: impl FnOnce(&mut T, &mut Change) -> R,
    ) -> Result<R, WrongType> {
        let entry = self.peek(key).expect("it is there");
        self.access.touch(entry.access());
        collection_of::<T>(entry)?;
        let mut change = Change::default();
        let edited = self.shard_mut(key).edit_value(key.hash, key.bytes, |value| {
            let collection = T::of_mut(value).expect("its type was looked at");
            (edit(collection, &mut change), !T::STAYS_EMPTY && collection.is_empty())
        });
        let (result, is_gone) = edited.expect("it is there");
        self.report(key, &change, false);
        if is_gone {
            debug_assert!(change.has_happened(), "removing elements is a change");
            let value = self.shard_mut(key).remove(key.hash, key.bytes).flatten();
            self.effects.discard(value);
            self.effects.event(event::DEL, key.db, key.bytes);
        }
        Ok(result)
    }

    /// Stores a collection that has elements under the key, whatever was there, without a deadline.
    pub fn put_collection<T: Collection>(&mut self, key: &Key<'_>, value: T, kind: EventKind) {
        debug_assert!(T::STAYS_EMPTY || !value.is_empty(), "what is empty is not stored");
        self.settle(key);
        let write = Write { now_ms: self.now_ms, deadline: Deadline::Clear, access: self.access };
        let value = OwnedValue::Object(value.into_value());
        let stored = self.shard_mut(key).put_entry(key.hash, key.bytes, value, &write);
        self.stored(key, stored.expect("what was due has been removed"), kind);
    }

    /// Removes the entry; tells whether there was one.
    pub fn remove(&mut self, key: &Key<'_>, kind: EventKind) -> bool {
        self.settle(key);
        let Some(old) = self.shard_mut(key).remove(key.hash, key.bytes) else { return false };
        self.effects.discard(old);
        self.changed(key, kind, false);
        true
    }

    /// Takes the entry out. What happened to it is told with [`View::also`].
    pub fn take(&mut self, key: &Key<'_>) -> Option<Entry> {
        self.settle(key);
        let entry = self.copy(key)?;
        self.shard_mut(key).remove(key.hash, key.bytes);
        self.note_change(key);
        Some(entry)
    }

    /// Sets or removes the deadline; false if there is no such key.
    pub fn set_deadline(&mut self, key: &Key<'_>, deadline: Option<i64>, kind: EventKind) -> bool {
        self.settle(key);
        let found = self.shard_mut(key).set_deadline(key.hash, key.bytes, deadline);
        if found {
            self.changed(key, kind, false);
        }
        found
    }

    /// A further event of a change that was recorded already (`SET k v EX 1` is `set` and `expire`).
    pub fn also(&mut self, key: &Key<'_>, kind: EventKind) {
        self.effects.event(kind, key.db, key.bytes);
    }

    /// States what the log must repeat instead of the command as it came. Built only if a log wants it.
    pub fn log_instead<A: AsRef<[u8]>>(&mut self, args: impl FnOnce() -> Vec<A>) {
        if self.effects.wants.log {
            let args = args().iter().map(|arg| arg.as_ref().to_vec()).collect();
            let command = LogCommand { db: self.db, args };
            self.effects.rewritten.get_or_insert_default().push(command);
        }
    }

    /// Says how the entry was used: a word of [`Access`].
    pub fn set_access(&self, key: &Key<'_>, word: u32) {
        if let Some(entry) = self.peek(key) {
            entry.access().store(word, Ordering::Relaxed);
        }
    }

    /// The entry's access word as a number, for `OBJECT IDLETIME` and `FREQ`.
    pub fn access_of(&self, key: &Key<'_>) -> Option<u32> {
        self.peek(key).map(|entry| entry.access().load(Ordering::Relaxed))
    }
}

/// The integer that bytes stand for, if storing it as one gives back the same bytes.
pub fn string_ref(bytes: &[u8]) -> StringRef<'_> {
    match crate::base::number::parse_i64(bytes) {
        Some(number) => StringRef::Integer(number),
        None => StringRef::Bytes { bytes, edited: false },
    }
}

/// What an edit tells of itself.
#[derive(Debug, Default)]
pub struct Change {
    events: SmallVec<[EventKind; 2]>,
    is_silent: bool,
    is_internal: bool,
}

impl Change {
    /// Something happened, which has this event.
    pub fn event(&mut self, kind: EventKind) {
        self.events.push(kind);
    }

    /// Something happened that has no event.
    pub fn silently(&mut self) {
        self.is_silent = true;
    }

    /// Something happened that counts and is logged, but that does not change what others see of the value:
    /// whoever watches the key or waits for it is not told (`XACK`).
    pub fn internally(&mut self) {
        self.is_internal = true;
    }

    /// The same, and it has an event.
    pub fn internal_event(&mut self, kind: EventKind) {
        self.event(kind);
        self.internally();
    }

    fn has_happened(&self) -> bool {
        self.is_silent || !self.events.is_empty()
    }
}

impl OwnedValue {
    pub fn type_name(&self) -> &'static str {
        self.as_ref().type_name()
    }
}
