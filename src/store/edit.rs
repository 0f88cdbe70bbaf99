//! Changing entries through a view.
//!
//! Every method first removes the entry if its deadline has passed, and records in [`Effects`](super::Effects) what others
//! must hear of: a change for the log and for watchers, events for subscribers, and what is to be freed. An edit tells what
//! it did by [`Change`], so that a command which found nothing to do is no change.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::contents::{Contents, Put, Write};
use super::effects::{EventKind, LogCommand, event};
use super::entry::{Deadline, Entry, OwnedValue, StringRef, ValueRef};
use super::view::{Key, View, WrongType, collection_of, shard_of};
use crate::base::bytes::Bytes;
use crate::base::limits::LOGGED_ELEMENTS_MAX;
use crate::value::{Collection, Value};

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

impl View<'_> {
    /// What the key's shard holds, for the key's entry to be changed.
    pub(super) fn contents_mut(&mut self, key: &Key<'_>) -> &mut Contents {
        self.shard_mut(key).contents_mut(key.hash, key.bytes)
    }

    /// How this view stores what gets such a deadline.
    pub(super) fn write(&self, deadline: Deadline) -> Write {
        Write { now_ms: self.now_ms, deadline, access: self.access }
    }

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
        let removed = self.contents_mut(key).edit_value(key.hash, key.bytes, |value| match value {
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
        let value = self.contents_mut(key).remove(key.hash, key.bytes).flatten();
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
        let write = self.write(deadline);
        let mut stored = self.contents_mut(key).put_string(key.hash, key.bytes, value, &write);
        if stored.is_err() {
            self.settle(key);
            stored = self.contents_mut(key).put_string(key.hash, key.bytes, value, &write);
        }
        self.stored(key, stored.expect("what was due has been removed"), kind);
    }

    /// Stores an entry that was taken or copied from elsewhere. It counts as a new key even where it
    /// replaces another, as in Redis; what brought it there is told with [`View::also`].
    pub fn put_entry(&mut self, key: &Key<'_>, entry: Entry) {
        self.settle(key);
        let write = self.write(entry.deadline.into());
        let stored = self.contents_mut(key).put_entry(key.hash, key.bytes, entry.value, &write);
        self.effects.discard(stored.expect("what was due has been removed").replaced);
        self.note_change(key);
        self.effects.event(event::NEW, key.db, key.bytes);
    }

    fn stored(&mut self, key: &Key<'_>, put: Put, kind: EventKind) {
        self.effects.discard(put.replaced);
        self.changed(key, kind, put.is_new);
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
            let result =
                self.contents_mut(key).edit_value(key.hash, key.bytes, |value| match value {
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
        let write = self.write(Deadline::Keep);
        let value = StringRef::Bytes { bytes: &bytes, edited: true };
        let stored = self.contents_mut(key).put_string(key.hash, key.bytes, value, &write);
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
            let write = self.write(Deadline::Clear);
            let value = OwnedValue::Object(fresh.into_value());
            let stored = self.contents_mut(key).put_entry(key.hash, key.bytes, value, &write);
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
        let edited = self.contents_mut(key).edit_value(key.hash, key.bytes, |value| {
            let collection = T::of_mut(value).expect("its type was looked at");
            (edit(collection, &mut change), !T::STAYS_EMPTY && collection.is_empty())
        });
        let (result, is_gone) = edited.expect("it is there");
        self.report(key, &change, false);
        if is_gone {
            debug_assert!(change.has_happened(), "removing elements is a change");
            let value = self.contents_mut(key).remove(key.hash, key.bytes).flatten();
            self.effects.discard(value);
            self.effects.event(event::DEL, key.db, key.bytes);
        }
        Ok(result)
    }

    /// Stores a collection that has elements under the key, whatever was there, without a deadline.
    pub fn put_collection<T: Collection>(&mut self, key: &Key<'_>, value: T, kind: EventKind) {
        debug_assert!(T::STAYS_EMPTY || !value.is_empty(), "what is empty is not stored");
        self.settle(key);
        let write = self.write(Deadline::Clear);
        let value = OwnedValue::Object(value.into_value());
        let stored = self.contents_mut(key).put_entry(key.hash, key.bytes, value, &write);
        self.stored(key, stored.expect("what was due has been removed"), kind);
    }

    /// Removes the entry; tells whether there was one.
    pub fn remove(&mut self, key: &Key<'_>, kind: EventKind) -> bool {
        self.settle(key);
        let Some(old) = self.contents_mut(key).remove(key.hash, key.bytes) else { return false };
        self.effects.discard(old);
        self.changed(key, kind, false);
        true
    }

    /// Takes the entry out. What happened to it is told with [`View::also`].
    pub fn take(&mut self, key: &Key<'_>) -> Option<Entry> {
        self.settle(key);
        let entry = self.copy(key)?;
        self.contents_mut(key).remove(key.hash, key.bytes);
        self.note_change(key);
        Some(entry)
    }

    /// Sets or removes the deadline; false if there is no such key.
    pub fn set_deadline(&mut self, key: &Key<'_>, deadline: Option<i64>, kind: EventKind) -> bool {
        self.settle(key);
        let found = self.contents_mut(key).set_deadline(key.hash, key.bytes, deadline);
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
    pub fn log_instead(&mut self, state: impl FnOnce(&mut LogCommand)) {
        if self.effects.wants.log {
            let mut command = LogCommand { db: self.db, args: Vec::new() };
            state(&mut command);
            self.effects.rewritten.get_or_insert_default().push(command);
        }
    }

    /// Says how the entry was used: a word of [`Access`](super::access::Access).
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
