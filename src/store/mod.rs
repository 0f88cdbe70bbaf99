//! The store: databases of shards, entries, and the locked views through which commands reach them.
//!
//! In reading order: `keyspace` (databases, gates) → `view` (what a command may touch, and what it
//! recorded) → `reach` (keys whose names depend on data) → `copies` (long work without locks) → `walk` (work on
//! whole databases) → `evict` (what goes when memory is short) → `big` (the largest keys) → `relocate`
//! (defragmentation) → `shard` (one lock's worth of entries) → `table`, `slab`, `record`, `label` (how they lie in
//! memory) → `cut` (what a snapshot in
//! progress keeps).

mod access;
mod big;
mod copies;
mod cut;
mod effects;
mod entry;
mod evict;
mod excerpt;
mod hash;
mod index_bytes;
mod keyspace;
mod label;
mod reach;
mod record;
mod relocate;
mod shard;
mod slab;
mod snapshot_walk;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod walk;
mod watchers;

pub use access::{Access, Tracking};
pub use big::{BigKey, Biggest, Measure};
pub use copies::Copies;
pub use effects::{
    Effects, Event, EventClass, EventKind, Garbage, KeyBytes, LogCommand, LogRecord, OwnedRecord,
    Wants, event,
};
pub use entry::{Deadline, Entry, EntryRef, OwnedValue, StringRef, Text, ValueRef};
pub use evict::{EvictionOrder, EvictionRule, Evictor};
pub use excerpt::KeyExcerpt;
pub use index_bytes::IndexBytes;
pub use keyspace::{DatabaseCounts, Keyspace, Lane, SHARDS_DEFAULT, Turn, World};
pub use reach::Reach;
pub use relocate::Relocation;
pub use snapshot_walk::CutWalk;
pub use view::{Change, DeclaredKey, Key, Mode, Poisoned, View, WrongType, string_ref};
pub use walk::Slice;
