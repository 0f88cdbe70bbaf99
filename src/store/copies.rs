//! Long work without locks: a command works on private copies of its keys' entries.
//!
//! 1. With the keys locked, [`View::copy_declared`] takes a copy of each entry. That costs O(1): what is large is
//!    shared, and who changes it afterwards makes another payload of what it touches.
//! 2. Without any lock, a view [`View::adopt`]s the copies into a shard that nobody else has, and the handler runs on it
//!    as on any other.
//! 3. What it changed, [`View::install`] puts in place: it locks the real shards, and if every entry is still what was
//!    copied, moves the results in, which takes as long as storing a few short values. Otherwise nothing has happened,
//!    and the copies are taken anew.
//!
//! That an entry is what it was is seen by where its payload lies ([`Value::is_same`]): as long as its copy is there,
//! any change makes another one. So a command that reads saw one instant, that of the copies, and one that
//! writes happens at the instant of its installation.
//!
//! Who walks through a database (`KEYS`) is not behind a gate all the time either, but only for each slice
//! ([`View::stride_behind`]); who needs everybody to stand still does not have to wait for the end of the walk. If
//! databases are swapped meanwhile, the walk goes on in the one where it began.

use super::access::Access;
use super::contents::Write;
use super::effects::{Effects, Wants};
use super::entry::{Entry, EntryRef, OwnedValue, ValueRef};
use super::keyspace::{Gate, GateGuard};
use super::shard::Shard;
use super::view::{DeclaredKey, Held, Key, Mode, Poisoned, View};

/// Stands for the ordinal of a shard that is no part of the keyspace.
const NO_ORDINAL: u32 = u32::MAX;
/// Among what is held: the shard of the declared keys' copies ...
const OF_DECLARED: usize = 0;
/// ... and that of the undeclared key that was asked for last.
const OF_FETCHED: usize = 1;

/// Entries of a command's keys as they were at one instant.
pub struct Copies(Vec<Copied>);

struct Copied {
    /// Which of the declared keys it is. They are the same ones, in the same order, all the time.
    index: usize,
    entry: Option<Entry>,
}

impl Copied {
    /// Whether an entry is still what was copied.
    fn is(&self, present: Option<EntryRef<'_>>) -> bool {
        match (&self.entry, present) {
            (None, None) => true,
            (Some(copied), Some(present)) => {
                let is_same = is_same(&copied.value, present.value());
                is_same && copied.deadline == present.deadline()
            }
            _ => false,
        }
    }
}

fn is_same(copied: &OwnedValue, present: ValueRef<'_>) -> bool {
    match (copied, present) {
        (OwnedValue::Integer(number), ValueRef::Integer(other)) => *number == other,
        (OwnedValue::Short { bytes, edited }, ValueRef::Short { bytes: other, edited: e }) => {
            **bytes == *other && *edited == e
        }
        (OwnedValue::Object(value), ValueRef::Object(other)) => value.is_same(other),
        _ => false,
    }
}

/// How to step behind a gate for a moment.
#[derive(Clone, Copy)]
pub(super) struct Stride<'a> {
    gate: &'a Gate<'a>,
    /// The selected database, by its logical and its physical number when the work began.
    db: (usize, usize),
}

impl<'a> View<'a> {
    /// Copies the entries of all declared keys, which counts as an access to them. All are in the selected
    /// database. If a command that changes them is going to get them, what has expired is removed first.
    pub fn copy_declared(&mut self, mode: Mode) -> Copies {
        let copy = |view: &mut Self, index: usize| {
            let key = view.keys[index].1;
            if mode == Mode::Write {
                view.settle(&key);
            }
            let entry = view.peek(&key);
            entry.iter().for_each(|entry| view.access.touch(entry.access()));
            Copied { index, entry: entry.map(EntryRef::to_entry) }
        };
        Copies(self.different_keys().into_iter().map(|index| copy(self, index)).collect())
    }

    /// The declared keys by their numbers, each once however often it was declared.
    fn different_keys(&self) -> Vec<usize> {
        let order = |index: usize| {
            let key = &self.keys[index].1;
            debug_assert_eq!(key.db, self.db, "copies are all of one database");
            (key.hash.0, key.bytes)
        };
        let mut indexes: Vec<usize> = (0..self.keys.len()).collect();
        indexes.sort_unstable_by_key(|index| (order(*index), *index));
        indexes.dedup_by_key(|index| order(*index));
        indexes
    }

    /// Works on copies from now on.
    pub fn adopt(&mut self, declared: &[DeclaredKey<'a>], copies: &Copies) {
        debug_assert!(self.holds_nothing(), "copies are worked on without locks");
        self.note_keys(declared);
        self.keys.iter_mut().for_each(|(_, key)| key.held = OF_DECLARED);
        let mut shard = Box::new(Shard::new(self.keyspace.hasher()));
        for copied in &copies.0 {
            if let Some(entry) = &copied.entry {
                self.put_copy(&mut shard, &self.copied_key(copied), entry.clone());
            }
        }
        self.held.push((NO_ORDINAL, Held::Private(shard)));
        // Which keys were changed is needed to raise their alarms.
        self.effects.wants.touched = true;
    }

    fn put_copy(&self, shard: &mut Shard, key: &Key<'_>, entry: Entry) {
        let write = self.write(entry.deadline.into());
        let contents = shard.contents_mut(key.hash, key.bytes);
        let stored = contents.put_entry(key.hash, key.bytes, entry.value, &write);
        stored.expect("nothing is in the place of a copy");
    }

    pub(super) fn is_private(&self) -> bool {
        matches!(self.held.first(), Some((_, Held::Private(_))))
    }

    /// Whether anything is not as it was copied.
    pub fn has_changed(&self, copies: &Copies) -> bool {
        !copies.0.iter().all(|copied| copied.is(self.peek(&self.copied_key(copied))))
    }

    fn copied_key(&self, copied: &Copied) -> Key<'a> {
        self.keys[copied.index].1
    }

    /// Locks the declared keys and puts in their place what was made of their copies; the locks stay. False if
    /// anything is not what was copied any more: then nothing of the command has happened, and the recorded effects are
    /// those of finding that out.
    pub fn install(&mut self, copies: &Copies, now_ms: i64) -> Result<bool, Poisoned> {
        self.held.truncate(OF_FETCHED);
        let mut made = self.take_private().expect("who installs has worked on copies");
        let wants = Wants { touched: false, ..self.effects.wants };
        let done = std::mem::replace(&mut self.effects, Effects::new(wants));
        self.stride = None;
        self.now_ms = now_ms;
        self.lock_again(Mode::Write)?;
        for copied in &copies.0 {
            self.settle(&self.copied_key(copied));
        }
        if self.has_changed(copies) {
            return Ok(false);
        }
        for copied in &copies.0 {
            let key = self.copied_key(copied);
            self.put_in_place(&key, copied, &mut made);
            // A command of many keys that works on copies changes one or two of them.
            if done.touched.iter().any(|(_, touched)| touched[..] == *key.bytes) {
                self.shard_mut(&key).watchers.raise(key.hash, key.bytes);
            }
        }
        self.effects.absorb(done);
        Ok(true)
    }

    fn take_private(&mut self) -> Option<Box<Shard>> {
        let (_, mut held) = self.held.pop()?;
        let nothing = Shard::new(self.keyspace.hasher());
        match &mut held {
            Held::Private(shard) => Some(Box::new(std::mem::replace(shard, nothing))),
            _ => None,
        }
    }

    /// Locks the shards of the keys that are declared already.
    fn lock_again(&mut self, mode: Mode) -> Result<(), Poisoned> {
        let declared: Vec<DeclaredKey<'a>> = self
            .keys
            .drain(..)
            .map(|(arg, key)| DeclaredKey { bytes: key.bytes, db: key.db, arg })
            .collect();
        self.lock(&declared, mode)
    }

    /// Moves one entry from the shard where it was made to where it belongs. What was there is freed by who holds
    /// the copies, or in the background.
    fn put_in_place(&mut self, key: &Key<'_>, copied: &Copied, made: &mut Shard) {
        let result = made.get(key.hash, key.bytes);
        if copied.is(result) {
            return;
        }
        let Some(entry) = result.map(EntryRef::to_entry) else {
            let old = self.contents_mut(key).remove(key.hash, key.bytes).flatten();
            return self.effects.discard(old);
        };
        // Otherwise the payload would stay shared, and the next change copy it.
        made.contents_mut(key.hash, key.bytes).remove(key.hash, key.bytes);
        let write = Write {
            // The access was counted when the entry was copied.
            access: Access { touches: false, ..self.access },
            ..self.write(entry.deadline.into())
        };
        let stored = self.contents_mut(key).put_entry(key.hash, key.bytes, entry.value, &write);
        self.effects.discard(stored.expect("what was due has been removed").replaced);
    }
}

/// Steps.
impl<'a> View<'a> {
    /// From now on this view stands behind the gate only while it locks a shard.
    pub fn stride_behind(&mut self, gate: &'a Gate<'a>) {
        let db = (self.db, self.keyspace.physical_now(self.db));
        self.stride = Some(Stride { gate, db });
    }

    /// Whether the selected database is not the one any more that it was when the work began.
    pub fn is_swapped(&self) -> bool {
        let stride = self.stride.as_ref();
        stride.is_some_and(|Stride { db: (db, physical), .. }| {
            self.keyspace.physical_now(*db) != *physical
        })
    }

    /// Stands behind the gate until the guard is dropped; `None` if it does so anyway.
    pub fn step(&self) -> Option<GateGuard<'a>> {
        self.stride.map(|stride| stride.gate.enter())
    }

    /// The physical number of a database.
    #[inline]
    pub(super) fn physical(&self, db: usize) -> usize {
        match self.stride {
            Some(Stride { db: (logical, physical), .. }) if logical == db => physical,
            _ => self.keyspace.physical_now(db),
        }
    }

    /// A copy of a key that is not declared, in the place of the one that was fetched before it.
    pub(super) fn fetch<'b>(&mut self, bytes: &'b [u8]) -> Result<Key<'b>, Poisoned> {
        let hash = self.keyspace.hash(bytes);
        let entry = {
            let _guard = self.step();
            let (shard, physical) = (self.keyspace.shard_of(bytes), self.physical(self.db));
            let guard = self.keyspace.shards_of(physical)[shard].lock.read();
            if guard.is_poisoned() {
                return Err(Poisoned);
            }
            let entry = guard.get(hash, bytes).filter(|entry| !entry.is_due(self.now_ms));
            entry.iter().for_each(|entry| self.access.touch(entry.access()));
            entry.map(EntryRef::to_entry)
        };
        let key = Key { bytes, db: self.db, hash, held: OF_FETCHED };
        let mut shard = Box::new(Shard::new(self.keyspace.hasher()));
        entry.into_iter().for_each(|entry| self.put_copy(&mut shard, &key, entry));
        self.held.truncate(OF_FETCHED);
        self.held.push((NO_ORDINAL, Held::Private(shard)));
        Ok(key)
    }
}
