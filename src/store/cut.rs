//! What one shard owes the snapshot in progress.
//!
//! A snapshot is the state of the whole store at one instant, the cut, though it is written while
//! everybody goes on. At the cut nothing is copied: the store's cut number rises, and each shard joins
//! when it is next locked for writing. From then on, whoever is first to change an entry that the
//! snapshotter has not reached keeps a copy of the entry as it was (a short record, or one reference to
//! a shared payload), or a note that there was none. The snapshotter walks each shard in hash order, in
//! slices, and writes every entry that nobody kept from the shard itself and the kept ones at the end.
//!
//! Rejected: handing over the list of a whole shard's entries at its first change. Under random writes
//! every shard is touched within milliseconds of the cut, so the lists (and everything they keep alive)
//! amount to a second index of the whole store; what is kept here is only what really changed.
//!
//! Invariant: at any time, the cut's remaining entries in this shard are those of the (frozen or live)
//! contents at or beyond `position` whose keys were not kept, and the kept ones that existed.

use std::collections::HashMap;

use super::entry::{Entry, ValueRef};
use super::hash::KeyHash;
use super::shard::Contents;

/// Takes an entry of the cut: key, value, deadline.
pub(super) type Emit<'a> = dyn FnMut(&[u8], ValueRef<'_>, Option<i64>) + 'a;

/// See the module's description.
#[derive(Default)]
pub(super) struct Cut {
    /// Entries with a smaller hash have been emitted, unless they were kept.
    position: u64,
    /// First state since the cut of every key changed ahead of `position`; `None`: it did not exist.
    kept: HashMap<Box<[u8]>, Option<Entry>>,
    /// The shard was emptied as a whole: this is what it held.
    frozen: Option<Contents>,
    /// What the shard held was damaged before it was emitted.
    lost: bool,
}

impl Cut {
    /// Keeps an entry as it was before its first change.
    pub(super) fn keep(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        entry: impl FnOnce() -> Option<Entry>,
    ) {
        let ahead = self.frozen.is_none() && hash.0 >= self.position;
        if ahead && !self.kept.contains_key(key) {
            self.kept.insert(key.into(), entry());
        }
    }

    pub(super) fn was_kept(&self, key: &[u8]) -> bool {
        !self.kept.is_empty() && self.kept.contains_key(key)
    }

    /// The shard is emptied. Only the first time matters: later contents are not part of the cut.
    pub(super) fn freeze(&mut self, contents: Contents) {
        self.frozen.get_or_insert(contents);
    }

    pub(super) fn give_up(&mut self) {
        self.lost = true;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn frozen(&self) -> Option<&Contents> {
        self.frozen.as_ref()
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn advance(&mut self, position: u64) {
        self.position = position;
    }

    pub(super) fn emit_kept(&self, emit: &mut Emit<'_>) {
        for (key, entry) in &self.kept {
            if let Some(entry) = entry {
                emit(key, entry.value.as_ref(), entry.deadline);
            }
        }
    }
}
