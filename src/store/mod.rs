//! The store: databases of shards, entries, and the locked views through which commands reach them.
//!
//! In reading order: `keyspace` (databases, gates) → `view` (what a command may touch) → `edit` (how it changes entries)
//! → `effects` (what it did, for others to hear) → `watchers` (`WATCH`) → `reach` (keys whose names depend on data) →
//! `copies` (long work without locks) → `walk` (work on whole databases) → `evict` (what goes when memory is short) →
//! `big` (the largest keys) → `relocate` (defragmentation) → `shard` (what is behind one lock) → `contents` (its entries) →
//! `entry` (one of them as others see it) → `access` (when it was used) → `hash`, `table`, `deadlines` (how entries are
//! found) → `storage`, `slab`, `record`, `label` (how they lie in memory) → `cut` (what a snapshot in progress keeps, and
//! how it is read).

mod access;
mod big;
mod contents;
mod copies;
mod cut;
mod deadlines;
mod edit;
mod effects;
mod entry;
mod evict;
mod hash;
mod keyspace;
mod label;
mod reach;
mod record;
mod relocate;
mod shard;
mod slab;
mod storage;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod walk;
mod watchers;

pub use access::{Access, Tracking};
pub use big::{BigKey, Biggest, Measure};
pub use copies::Copies;
pub use cut::CutWalk;
pub use edit::Change;
pub use effects::{
    Effects, Event, EventClass, EventKind, Garbage, LogCommand, LogRecord, OwnedRecord, Wants,
    event,
};
pub use entry::{Deadline, Entry, EntryRef, OwnedValue, StringRef, Text, ValueRef, string_ref};
pub use evict::{EvictionOrder, EvictionRule, Evictor};
pub use keyspace::{DatabaseCounts, Gate, GateGuard, IndexBytes, Keyspace, SHARDS_DEFAULT, World};
pub use reach::Reach;
pub use relocate::Relocation;
pub use view::{DeclaredKey, Key, Mode, Poisoned, View, WrongType};
pub use walk::Slice;
