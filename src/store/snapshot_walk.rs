//! Reading a consistent cut, slice by slice, while everybody goes on (see `store::cut`).

use super::entry::ValueRef;
use super::keyspace::{Keyspace, Lane, World};
use super::shard::Emitted;

/// Entries emitted per acquisition of a shard's lock.
const SLICE: usize = 128;

/// The cut that is being read. Dropping it before the end gives the cut up.
pub struct CutWalk<'a> {
    keyspace: &'a Keyspace,
    lane: &'a Lane<'a>,
    /// Physical numbers of the databases, by their logical numbers at the cut.
    order: Vec<usize>,
    db: usize,
    shard: usize,
}

/// A shard was damaged by a panic: its state at the cut is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "shard {shard} of database {db} was damaged by an internal error; restart to load the last saved state"
)]
pub struct DamagedShard {
    pub db: usize,
    pub shard: usize,
}

impl<'a> CutWalk<'a> {
    /// Makes the present state the one that will be read. One walk may be in progress at a time.
    pub fn begin(keyspace: &'a Keyspace, lane: &'a Lane<'a>, world: &World<'_>) -> CutWalk<'a> {
        CutWalk { keyspace, lane, order: keyspace.begin_cut(world), db: 0, shard: 0 }
    }

    /// Emits the next slice: `(database, key, value, deadline)` for each entry. False at the end.
    pub fn slice(
        &mut self,
        mut emit: impl FnMut(usize, &[u8], ValueRef<'_>, Option<i64>),
    ) -> Result<bool, DamagedShard> {
        let _turn = self.lane.enter();
        while let Some(&physical) = self.order.get(self.db) {
            let Some(cell) = self.keyspace.shards_if_used(physical).get(self.shard) else {
                (self.db, self.shard) = (self.db + 1, 0);
                continue;
            };
            let mut shard = cell.lock.write();
            shard.join_cut(self.keyspace.cut());
            if shard.is_poisoned() || shard.is_cut_lost() {
                return Err(DamagedShard { db: self.db, shard: self.shard });
            }
            let db = self.db;
            let mut emit =
                |key: &[u8], value: ValueRef<'_>, deadline| emit(db, key, value, deadline);
            let emitted = shard.emit_cut(SLICE, &mut emit);
            drop(shard);
            if let Emitted::All(kept) = emitted {
                self.shard += 1;
                drop(kept);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

impl Drop for CutWalk<'_> {
    /// From now on nobody keeps anything, and what was kept is forgotten. Databases that were allocated
    /// after the walk had passed them are among those.
    fn drop(&mut self) {
        self.keyspace.end_cut();
        for physical in 0..self.keyspace.databases() {
            for cell in self.keyspace.shards_if_used(physical) {
                let _turn = self.lane.enter();
                let mut shard = cell.lock.write();
                shard.join_cut(self.keyspace.cut());
                let kept = shard.leave_cut();
                drop(shard);
                drop(kept);
            }
        }
    }
}
