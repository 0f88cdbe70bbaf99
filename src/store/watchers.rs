//! Who watches keys (`WATCH`): an alarm that is raised when a key changes.
//!
//! Watchers are kept in the key's shard, so that registering, changing and looking at the alarm happen under
//! the same lock: when `EXEC` holds the locks of the keys that its client watched, every change before it
//! has raised the alarm, and none can come after. Whoever changes keys that nobody of their shard watches
//! pays one comparison.
//!
//! A watcher belongs to a database, not to what `SWAPDB` puts there: the two exchange their contents and keep
//! their watchers.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::hash::KeyHash;
use super::keyspace::World;
use super::view::{Held, Key, Mode, Poisoned, View};
use crate::base::bytes::KeyBytes;

/// Raised when a key changes that its owner watches. Written and read under the locks of such keys.
pub type Alarm = Arc<AtomicBool>;

struct Watcher {
    hash: KeyHash,
    key: KeyBytes,
    alarm: Alarm,
}

impl Watcher {
    fn watches(&self, key: &[u8]) -> bool {
        self.key[..] == *key
    }
}

/// The watchers of a shard's keys, in the order of hashes: there are few most of the time, and a list of few lies in
/// fewer cache lines than a table.
#[derive(Default)]
pub(super) struct Watchers(Vec<Watcher>);

impl Watchers {
    fn add(&mut self, hash: KeyHash, key: &[u8], alarm: &Alarm) {
        let at = self.of(hash).end;
        let (key, alarm) = (KeyBytes::from_slice(key), Arc::clone(alarm));
        self.0.insert(at, Watcher { hash, key, alarm });
    }

    fn remove(&mut self, hash: KeyHash, key: &[u8], alarm: &Alarm) {
        let is_it = |other: &Watcher| other.watches(key) && Arc::ptr_eq(alarm, &other.alarm);
        if let Some(at) = self.of(hash).find(|at| is_it(&self.0[*at])) {
            self.0.remove(at);
        }
    }

    /// Where those of a hash are.
    fn of(&self, hash: KeyHash) -> Range<usize> {
        let begin = self.0.partition_point(|watcher| watcher.hash.0 < hash.0);
        let count = self.0[begin..].iter().take_while(|watcher| watcher.hash == hash).count();
        begin..begin + count
    }

    /// The key has changed.
    #[inline]
    pub(super) fn raise(&self, hash: KeyHash, key: &[u8]) {
        if self.0.is_empty() {
            return;
        }
        let watchers = self.0[self.of(hash)].iter().filter(|watcher| watcher.watches(key));
        watchers.for_each(|watcher| raise(&watcher.alarm));
    }

    /// Many keys may have changed at once.
    pub(super) fn raise_where(&self, has_changed: impl Fn(KeyHash, &[u8]) -> bool) {
        let changed = self.0.iter().filter(|watcher| has_changed(watcher.hash, &watcher.key));
        changed.for_each(|watcher| raise(&watcher.alarm));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn raise(alarm: &Alarm) {
    alarm.store(true, Ordering::Relaxed);
}

impl View<'_> {
    /// Raises the alarm when a declared key changes, until [`View::end_watch`]. What has expired is removed
    /// first, so that its removal later is no change.
    pub fn watch(&mut self, key: &Key<'_>, alarm: &Alarm) {
        self.settle(key);
        self.shard_mut(key).watchers.add(key.hash, key.bytes, alarm);
    }

    /// Watches keys no longer, which must be held for writing, unless nothing is held; tells whether any of them
    /// has changed, or has expired by now.
    pub fn end_watch<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k (usize, KeyBytes)>,
        alarm: &Alarm,
    ) -> Result<bool, Poisoned> {
        let mut has_expired = false;
        for (db, bytes) in keys {
            let mut end = |view: &mut Self, key: &Key<'_>| {
                has_expired |= view.is_due(key);
                view.shard_mut(key).watchers.remove(key.hash, key.bytes, alarm);
            };
            if self.holds_nothing() {
                self.with_key(*db, bytes, Mode::Write, end)?;
            } else {
                let key = self.held_key(*db, bytes);
                end(self, &key);
            }
        }
        Ok(has_expired || alarm.load(Ordering::Relaxed))
    }

    /// What `SWAPDB` means to those who watch keys of the two databases: what was there, or what comes, is
    /// a change.
    pub(super) fn swap_watchers(&mut self, a: usize, b: usize, _world: &World<'_>) {
        if a == b || !self.is_watched(a) && !self.is_watched(b) {
            return;
        }
        for shard in 0..self.keyspace.shards() {
            let mut ordinals = [self.ordinal_in(a, shard), self.ordinal_in(b, shard)];
            ordinals.sort_unstable();
            for ordinal in ordinals {
                // Nobody finds anything in a poisoned shard, but it may be watched.
                let _ = self.hold(ordinal, Mode::Write);
            }
            if let [(_, Held::Write { guard: first, .. }), (_, Held::Write { guard: second, .. })] =
                &mut self.held[..]
            {
                let exists = |hash, key: &[u8]| {
                    first.get(hash, key).is_some() || second.get(hash, key).is_some()
                };
                first.watchers.raise_where(exists);
                second.watchers.raise_where(exists);
                std::mem::swap(&mut first.watchers, &mut second.watchers);
            }
            self.unlock();
        }
    }

    /// Whether anybody watches keys of a database.
    fn is_watched(&self, db: usize) -> bool {
        let shards = self.keyspace.shards_if_used(self.physical(db));
        shards.iter().any(|cell| !cell.lock.read().watchers.is_empty())
    }
}
