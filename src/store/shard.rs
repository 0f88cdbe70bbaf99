//! A shard: the entries of one part of the keyspace, behind one lock, with those who must hear of their changes.
//!
//! What it holds (`store::contents`) can be read by whoever holds the lock, and is changed through
//! [`Shard::contents_mut`] alone, so that a snapshot in progress has kept what it needs before (see `store::cut`).

use std::ops::Deref;

use super::contents::Contents;
use super::cut::{Cut, Emit};
use super::hash::{KeyHash, KeyHasher};
use super::keyspace::CutState;
use super::storage::Relocated;
use super::watchers::Watchers;

/// See the module's description.
pub struct Shard {
    contents: Contents,
    /// The number of the last cut that this shard knows of.
    cut_seen: u64,
    /// What the snapshot in progress still needs from this shard.
    cut: Option<Box<Cut>>,
    pub(super) watchers: Watchers,
    /// A panic happened while this shard was being changed. It is never read or written again.
    poisoned: bool,
}

impl Deref for Shard {
    type Target = Contents;

    #[inline]
    fn deref(&self) -> &Contents {
        &self.contents
    }
}

impl Shard {
    pub(super) fn new(hasher: KeyHasher) -> Shard {
        Shard {
            contents: Contents::new(hasher),
            cut_seen: 0,
            cut: None,
            watchers: Watchers::default(),
            poisoned: false,
        }
    }

    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    pub(super) fn poison(&mut self) {
        self.poisoned = true;
    }

    /// What the shard holds, for the entry of this key to be changed, and no other: it is what the snapshot in progress
    /// keeps, if it still needs it.
    #[inline]
    pub(super) fn contents_mut(&mut self, hash: KeyHash, key: &[u8]) -> &mut Contents {
        if let Some(cut) = &mut self.cut {
            cut.keep(hash, key, || self.contents.get(hash, key));
        }
        &mut self.contents
    }

    /// Moves entries to fresh memory, which changes none of them; see [`Storage::relocate`](super::storage::Storage::relocate).
    pub(super) fn relocate(&mut self, at: &mut Relocated, budget: usize) -> (usize, bool) {
        self.contents.relocate(at, budget)
    }

    /// Takes everything out at once, damage included; the caller frees it outside of the lock.
    pub(super) fn take_all(&mut self) -> Contents {
        let hasher = self.contents.hasher();
        let contents = std::mem::replace(&mut self.contents, Contents::new(hasher));
        let was_poisoned = std::mem::take(&mut self.poisoned);
        match &mut self.cut {
            Some(cut) if was_poisoned => {
                cut.give_up();
                contents
            }
            Some(cut) => cut.freeze(contents).unwrap_or_else(|| Contents::new(hasher)),
            None => contents,
        }
    }
}

/// How far emitting has come.
pub(super) enum Emitted {
    Some,
    /// There is nothing more in the shard; what the cut keeps itself is still to be emitted.
    All(Option<Box<Cut>>),
}

/// A snapshot's access to the shard (see `store::cut`).
impl Shard {
    /// Joins the cut if it is new to the shard. Must be called before any change.
    #[inline]
    pub(super) fn join_cut(&mut self, cut: CutState) {
        if self.cut_seen != cut.number() {
            self.cut_seen = cut.number();
            self.cut = cut.is_open().then(|| Box::new(Cut::new(self.contents.hasher())));
        }
    }

    /// Emits up to `budget` entries of the cut that are still in the shard. When there are no more the shard owes the
    /// snapshot nothing, and the cut comes out, with what it has kept.
    pub(super) fn emit_cut(&mut self, budget: usize, emit: &mut Emit<'_>) -> Emitted {
        let Some(cut) = &mut self.cut else { return Emitted::All(None) };
        if cut.emit_live(&self.contents, budget, emit) {
            Emitted::All(self.cut.take())
        } else {
            Emitted::Some
        }
    }

    /// Whether the state at the cut is lost, because the shard was poisoned and then emptied.
    pub(super) fn is_cut_lost(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.is_lost())
    }

    /// Gives out what was kept for a snapshot that was given up, to be freed without a lock.
    pub(super) fn leave_cut(&mut self) -> Option<Box<Cut>> {
        self.cut.take()
    }
}

#[cfg(test)]
impl Shard {
    /// Has room for so few chunks of records of a size from now on. It must be empty.
    pub(super) fn limit_chunks(&mut self, chunks_max: usize) {
        self.contents.limit_chunks(chunks_max);
    }
}
