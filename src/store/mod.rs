//! The store: databases of shards, entries, and the locked views through which commands reach them.
//!
//! In reading order: `keyspace` (databases, gates) → `view` (what a command may touch) → `effects` (what it did, for
//! others to hear) → `watchers` (`WATCH`) → `reach` (keys whose names depend on data) → `copies` (long work without
//! locks) → `walk` (work on whole databases) → `evict` (what goes when memory is short) → `big` (the largest keys) →
//! `relocate` (defragmentation) → `shard` (one lock's worth of entries) → `entry` (an entry as others see it) → `access`
//! (when it was used) → `hash`, `table`, `slab`, `record`, `label` (how entries are found, and lie in memory) → `cut`
//! (what a snapshot in progress keeps, and how it is read).

mod access;
mod big;
mod copies;
mod cut;
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
pub use effects::{
    Effects, Event, EventClass, EventKind, Garbage, LogCommand, LogRecord, OwnedRecord, Wants,
    event,
};
pub use entry::{Deadline, Entry, EntryRef, OwnedValue, StringRef, Text, ValueRef};
pub use evict::{EvictionOrder, EvictionRule, Evictor};
pub use keyspace::{DatabaseCounts, IndexBytes, Keyspace, Lane, SHARDS_DEFAULT, Turn, World};
pub use reach::Reach;
pub use relocate::Relocation;
pub use view::{Change, DeclaredKey, Key, Mode, Poisoned, View, WrongType, string_ref};
pub use walk::Slice;
