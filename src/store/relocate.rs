//! Moving entries to fresh memory, slice by slice, while everybody goes on.
//!
//! Keys and values come and go in sizes that change, and leave pages behind that are kept for a few allocations each. An
//! allocator gives the same sizes out from its fullest pages. So whoever copies every entry once, and frees the original,
//! fills some pages and empties the others.
//!
//! Nothing is different afterwards: nobody keeps the address of an entry beyond its lock, and a value that is shared
//! with a reply or a snapshot stays where it is. What is large is not moved: it has pages of its own. Nor are the
//! inner nodes of large collections, and the tables.

use super::keyspace::{Gate, Keyspace};
use super::storage::Relocated;

/// Bytes moved per acquisition of a shard's lock: some tens of microseconds.
const SLICE_BYTES: usize = 32 * 1024;

/// Where a round through all entries has come.
#[derive(Debug, Default)]
pub struct Relocation {
    /// A physical number.
    database: usize,
    shard: usize,
    at: Relocated,
}

impl Relocation {
    /// Moves the next slice. `None` at the end; else how many bytes were moved, which may be none.
    pub fn slice(&mut self, keyspace: &Keyspace, gate: &Gate<'_>) -> Option<usize> {
        if self.database == keyspace.databases() {
            return None;
        }
        let Some(cell) = keyspace.shards_if_used(self.database).get(self.shard) else {
            (self.database, self.shard) = (self.database + 1, 0);
            return Some(0);
        };
        let _guard = gate.enter();
        let mut shard = cell.lock.write();
        let (moved, is_done) = match shard.is_poisoned() {
            true => (0, true),
            false => shard.relocate(&mut self.at, SLICE_BYTES),
        };
        let ordinal = self.database * keyspace.shards() + self.shard;
        cell.publish(&shard, keyspace.sum_of(ordinal as u32));
        if is_done {
            self.shard += 1;
            self.at = Relocated::default();
        }
        Some(moved)
    }
}
