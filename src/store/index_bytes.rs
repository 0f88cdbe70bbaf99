//! What databases take besides keys and values: tables, and the indexes of deadlines.

use super::keyspace::Keyspace;
use super::shard::Contents;

/// Bytes of a database that hold neither keys nor values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexBytes {
    /// From hashes to entries.
    pub table: usize,
    /// The deadlines of entries and of fields, in order.
    pub deadlines: usize,
}

impl IndexBytes {
    pub fn total(self) -> usize {
        self.table + self.deadlines
    }

    fn add(&mut self, contents: &Contents) {
        self.table += contents.table_bytes();
        self.deadlines += contents.deadline_bytes();
    }
}

impl Keyspace {
    /// Looks at one shard after the other, damaged ones included: their sizes are as good as any. The caller holds no
    /// shard, and is behind a gate.
    pub fn index_bytes(&self, db: usize) -> IndexBytes {
        let mut sum = IndexBytes::default();
        for cell in self.shards_if_used(self.physical_now(db)) {
            if !cell.is_empty() {
                sum.add(cell.lock.read().contents());
            }
        }
        sum
    }
}
