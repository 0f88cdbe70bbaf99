//! Reading a consistent cut, slice by slice, while everybody goes on (see `store::cut`).

use super::Cut;
use crate::store::entry::ValueRef;
use crate::store::keyspace::{Gate, Keyspace, World};
use crate::store::shard::Emitted;

/// Entries emitted per acquisition of a shard's lock, and per slice.
const SLICE: usize = 128;

/// The cut that is being read. Dropping it before the end gives the cut up.
pub struct CutWalk<'a> {
    keyspace: &'a Keyspace,
    gate: &'a Gate<'a>,
    /// Physical numbers of the databases, by their logical numbers at the cut.
    order: Vec<usize>,
    db: usize,
    shard: usize,
    /// What the present shard has kept. The shard owes nothing any more, so this needs no lock, neither to be
    /// emitted nor to be freed.
    own: Option<Box<Cut>>,
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
    pub fn begin(keyspace: &'a Keyspace, gate: &'a Gate<'a>, world: &World<'_>) -> CutWalk<'a> {
        let order = keyspace.begin_cut(world);
        CutWalk { keyspace, gate, order, db: 0, shard: 0, own: None }
    }

    /// Emits the next slice: `(database, key, value, deadline)` for each entry. False at the end.
    pub fn slice(
        &mut self,
        mut emit: impl FnMut(usize, &[u8], ValueRef<'_>, Option<i64>),
    ) -> Result<bool, DamagedShard> {
        if let Some(own) = &mut self.own {
            let db = self.db;
            let is_end = own.emit_own(SLICE, &mut |key, value, at| emit(db, key, value, at));
            if is_end {
                self.own = None;
                self.shard += 1;
            }
            return Ok(true);
        }
        while let Some(&physical) = self.order.get(self.db) {
            if self.shard < self.keyspace.shards_if_used(physical).len() {
                self.slice_of_shard(physical, &mut emit)?;
                return Ok(true);
            }
            (self.db, self.shard) = (self.db + 1, 0);
        }
        Ok(false)
    }

    fn slice_of_shard(
        &mut self,
        physical: usize,
        emit: &mut impl FnMut(usize, &[u8], ValueRef<'_>, Option<i64>),
    ) -> Result<(), DamagedShard> {
        let _guard = self.gate.enter();
        let mut shard = self.keyspace.shards_of(physical)[self.shard].lock.write();
        shard.join_cut(self.keyspace.cut());
        if shard.is_poisoned() || shard.is_cut_lost() {
            return Err(DamagedShard { db: self.db, shard: self.shard });
        }
        let db = self.db;
        if let Emitted::All(own) =
            shard.emit_cut(SLICE, &mut |key, value, at| emit(db, key, value, at))
        {
            self.shard += usize::from(own.is_none());
            self.own = own;
        }
        Ok(())
    }
}

impl Drop for CutWalk<'_> {
    /// From now on nobody keeps anything, and what was kept is forgotten. Databases that were allocated
    /// after the walk had passed them are among those.
    fn drop(&mut self) {
        self.keyspace.end_cut();
        for physical in 0..self.keyspace.databases() {
            for cell in self.keyspace.shards_if_used(physical) {
                let guard = self.gate.enter();
                let mut shard = cell.lock.write();
                shard.join_cut(self.keyspace.cut());
                let kept = shard.leave_cut();
                drop((shard, guard));
                drop(kept);
            }
        }
    }
}
