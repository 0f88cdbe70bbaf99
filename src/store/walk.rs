//! Work on whole databases: a view that holds no keys walks shard by shard.
//!
//! A cursor of `SCAN` is `shard (14 bits) · hash prefix (48 bits)`, and 0 both begins and ends a scan.
//! It names a point in the order of hashes, so it stays valid whatever grows, shrinks or is deleted in
//! the meantime, and a full scan returns every key that was there throughout, and hardly ever one twice (two keys of
//! one shard would have to agree in 48 bits of their hashes).

use super::effects::{Garbage, event};
use super::entry::EntryRef;
use super::keyspace::{ShardCell, World};
use super::view::{Key, Mode, Poisoned, View};

const HASH_BITS: u32 = 48;
/// Entries emitted or removed per acquisition of a shard's lock, so that nobody waits long for it.
const SLICE: usize = 256;

/// A place in a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    shard: usize,
    hash: u64,
}

impl Cursor {
    fn decode(cursor: u64) -> Cursor {
        Cursor { shard: (cursor >> HASH_BITS) as usize, hash: cursor << (64 - HASH_BITS) }
    }

    /// Where to go on after a walk through its shard that ended before this hash, or at the end.
    fn behind(self, next: Option<u64>) -> Cursor {
        match next {
            Some(hash) => Cursor { hash, ..self },
            None => Cursor { shard: self.shard + 1, hash: 0 },
        }
    }

    /// The hash is rounded down: an entry may come twice to the scan, never none.
    fn encode(self) -> u64 {
        (self.shard as u64) << HASH_BITS | self.hash >> (64 - HASH_BITS)
    }
}

/// A part of a walk that removes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slice {
    /// Where to go on; 0 at the end.
    pub next: u64,
    pub removed: usize,
}

impl View<'_> {
    /// Visits about `budget` live entries of the database from `cursor` on; returns the next cursor, 0
    /// at the end. Shards that are known to be empty are passed over without locking them.
    pub fn scan(
        &mut self,
        cursor: u64,
        budget: usize,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> Result<u64, Poisoned> {
        let mut next = self.seek(Cursor::decode(cursor));
        let mut visited = 0;
        let now_ms = self.now_ms;
        while let Some(at) = next.filter(|_| visited < budget) {
            let slice = (budget - visited).min(SLICE);
            let behind = self.with_shard(self.db, at.shard, Mode::Read, |view| {
                view.only_shard().walk(at.hash, slice, |_, entry| {
                    visited += 1;
                    if !entry.is_due(now_ms) {
                        visit(entry);
                    }
                })
            })?;
            next = self.seek(at.behind(behind));
        }
        Ok(next.map_or(0, Cursor::encode))
    }

    /// The first place from this one on in a shard that holds something; `None` at the end.
    fn seek(&self, from: Cursor) -> Option<Cursor> {
        let cells = self.keyspace.shards_if_used(self.physical(self.db));
        match cells.iter().skip(from.shard).position(|cell| !cell.is_empty())? {
            0 => Some(from),
            offset => Some(Cursor { shard: from.shard + offset, hash: 0 }),
        }
    }

    /// Visits every live entry of the database, shard by shard.
    pub fn for_each(&mut self, mut visit: impl FnMut(EntryRef<'_>)) -> Result<(), Poisoned> {
        let mut cursor = 0;
        loop {
            cursor = self.scan(cursor, SLICE, &mut visit)?;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Holds one shard for the time of `work`.
    pub(super) fn with_shard<R>(
        &mut self,
        db: usize,
        shard: usize,
        mode: Mode,
        work: impl FnOnce(&mut Self) -> R,
    ) -> Result<R, Poisoned> {
        let _guard = self.step();
        self.with_shard_held(self.ordinal_in(db, shard), mode, work)
    }

    /// The same for a shard by its place in the order of locks.
    pub(super) fn with_ordinal<R>(
        &mut self,
        ordinal: u32,
        mode: Mode,
        work: impl FnOnce(&mut Self) -> R,
    ) -> Result<R, Poisoned> {
        let _guard = self.step();
        self.with_shard_held(ordinal, mode, work)
    }

    /// The same for who stands behind a gate already.
    fn with_shard_held<R>(
        &mut self,
        ordinal: u32,
        mode: Mode,
        work: impl FnOnce(&mut Self) -> R,
    ) -> Result<R, Poisoned> {
        debug_assert!(self.holds_nothing(), "walking and declared keys exclude each other");
        let held = self.hold(ordinal, mode);
        let result = held.map(|()| work(self));
        self.unlock();
        result
    }

    /// Reaches one key that no row declares, holding its shard for the time of `work`. For commands that
    /// make up keys themselves (`DEBUG POPULATE`).
    pub fn with_key<R>(
        &mut self,
        db: usize,
        bytes: &[u8],
        mode: Mode,
        work: impl FnOnce(&mut Self, &Key<'_>) -> R,
    ) -> Result<R, Poisoned> {
        let shard = self.keyspace.shard_of(bytes);
        self.with_shard(db, shard, mode, |view| {
            let key = view.key_of_only_shard(db, bytes);
            work(view, &key)
        })
    }

    /// Some live key of the database; `random` supplies random numbers. Redis picks a bucket and then
    /// one of its entries; this picks a shard by its share of the keys, then a bucket.
    pub fn random_key(
        &mut self,
        mut random: impl FnMut() -> u64,
    ) -> Result<Option<Vec<u8>>, Poisoned> {
        /// After this many expired keys in a row, any live key will do.
        const TRIES: usize = 100;
        for _ in 0..TRIES {
            let shards = self.keyspace.shards_if_used(self.physical(self.db));
            let Some(shard) = shard_by_weight(shards, random()) else {
                return Ok(None);
            };
            let (now_ms, number) = (self.now_ms, random());
            let key = self.with_shard(self.db, shard, Mode::Read, |view| {
                let entry = view.only_shard().sample(number).filter(|entry| !entry.is_due(now_ms));
                entry.map(|entry| entry.key().to_vec())
            })?;
            if key.is_some() {
                return Ok(key);
            }
        }
        self.first_key()
    }

    /// The first live key in the order of a scan.
    fn first_key(&mut self) -> Result<Option<Vec<u8>>, Poisoned> {
        let (mut first, mut cursor) = (None, 0);
        loop {
            cursor = self.scan(cursor, SLICE, |entry| {
                first.get_or_insert_with(|| entry.key().to_vec());
            })?;
            if cursor == 0 || first.is_some() {
                return Ok(first);
            }
        }
    }

    /// How many keys the database holds; see [`Keyspace::counts`](super::Keyspace::counts).
    pub fn count(&self) -> usize {
        self.keyspace.counts(self.db).keys
    }

    /// Removes at most `limit` keys that are wanted, of those that a scan finds next behind the cursor in one shard;
    /// `log` is called while the shard is still locked. The caller stands behind a gate.
    pub fn remove_slice(
        &mut self,
        cursor: u64,
        limit: usize,
        is_wanted: impl Fn(&[u8]) -> bool,
        log: impl FnOnce(&mut Self),
    ) -> Result<Slice, Poisoned> {
        let Some(at) = self.seek(Cursor::decode(cursor)) else { return Ok(Slice::default()) };
        let db = self.db;
        let (behind, removed) =
            self.with_shard_held(self.ordinal_in(db, at.shard), Mode::Write, |view| {
                let mut wanted: Vec<Box<[u8]>> = Vec::new();
                let behind = view.only_shard().walk(at.hash, SLICE, |_, entry| {
                    if wanted.len() < limit && is_wanted(entry.key()) {
                        wanted.push(entry.key().into());
                    }
                });
                let removed = view.remove_all(db, &wanted);
                log(view);
                (behind, removed)
            })?;
        let next = self.seek(at.behind(behind)).map_or(0, Cursor::encode);
        Ok(Slice { next, removed })
    }

    /// Removes keys of the only shard; tells how many were there. What has expired is not among them.
    fn remove_all(&mut self, db: usize, keys: &[Box<[u8]>]) -> usize {
        let mut removed: Vec<&[u8]> = Vec::with_capacity(keys.len());
        for bytes in keys {
            let key = self.key_of_only_shard(db, bytes);
            if self.remove(&key, event::DEL) {
                removed.push(bytes);
            }
        }
        if !removed.is_empty() {
            self.log_instead(|log| {
                log.words([b"DEL"]);
                log.words(&removed);
            });
        }
        removed.len()
    }

    /// Empties databases at once, for everybody at the same instant. Returns how many keys went.
    pub fn flush(&mut self, databases: impl IntoIterator<Item = usize>, _world: &World<'_>) -> u64 {
        let mut removed = 0;
        for db in databases {
            self.effects.flushed.push(db);
            removed += self.flush_one(db);
        }
        self.effects.changes += removed.max(1);
        removed
    }

    fn flush_one(&mut self, db: usize) -> u64 {
        let mut removed = 0;
        let physical = self.physical(db);
        for shard in 0..self.keyspace.shards_if_used(physical).len() {
            // A poisoned shard is emptied too: this is how an operator gets rid of the damage.
            let _ = self.hold(self.ordinal_in(db, shard), Mode::Write);
            removed += self.only_shard().len() as u64;
            let shard = self.only_shard();
            shard.watchers.raise_where(|hash, key| shard.get(hash, key).is_some());
            let contents = self.only_shard_mut().take_all();
            if !contents.is_empty() {
                self.effects.garbage.push(Garbage::Contents(Box::new(contents)));
            }
            self.unlock();
        }
        removed
    }

    /// Exchanges two databases for everybody at the same instant.
    pub fn swap(&mut self, a: usize, b: usize, world: &World<'_>) {
        self.swap_watchers(a, b, world);
        self.keyspace.swap(a, b);
        self.effects.changes += 1;
        self.effects.flushed.extend([a, b]);
    }

    /// Removes entries of one shard, and fields, whose deadline has passed, at most `limit`; tells how many. `log` is
    /// called while the shard is still locked.
    pub fn expire_due(
        &mut self,
        db: usize,
        shard: usize,
        limit: usize,
        log: impl FnOnce(&mut Self),
    ) -> Result<usize, Poisoned> {
        let now_ms = self.now_ms;
        self.with_shard(db, shard, Mode::Write, |view| {
            let due = view.only_shard_mut().due_keys(now_ms, limit);
            for bytes in &due {
                let key = view.key_of_only_shard(db, bytes);
                view.expire(&key);
            }
            let mut removed = due.len();
            for bytes in view.only_shard().keys_with_due_fields(now_ms, limit - removed) {
                let key = view.key_of_only_shard(db, &bytes);
                removed += view.expire_fields(&key, (limit - removed).max(1));
                if removed >= limit {
                    break;
                }
            }
            log(view);
            removed.min(limit)
        })
    }
}

/// Chooses a shard with the probability of its share of all keys; `None` if there are no keys.
fn shard_by_weight(shards: &[ShardCell], random: u64) -> Option<usize> {
    let lens = || shards.iter().map(|cell| cell.published().len);
    let mut rank = (random as usize).checked_rem(lens().sum())?;
    lens().position(|len| {
        let found = rank < len;
        rank = rank.saturating_sub(len);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_never_skip_ahead() {
        let cursor = Cursor { shard: 1023, hash: 0xdead_beef_1234_5678 };
        let decoded = Cursor::decode(cursor.encode());
        assert_eq!(decoded.shard, 1023);
        assert!(decoded.hash <= cursor.hash);
        assert!(cursor.encode() < 1 << 62);
    }
}
