//! Keys that no row can declare, because their names depend on data: `SORT ... BY weight_* GET name_*`.
//!
//! Locks are taken in ascending order, so a view cannot add a shard to those that it holds. It lets go of
//! all of them and takes them again together with the further ones: [`View::widen`]. In between others
//! may change what the names were made from. So whoever needs such keys makes up the names again behind
//! the wider locks and is done if [`View::covers`] them; if the value changed, holding the whole database
//! covers any name. Other databases, and readers of this one, go on meanwhile, which is why this is not
//! done by having everybody stand still (`Keyspace::world`).
//!
//! Invariant: locks are widened before anything was changed, so nobody sees half of a command. Something
//! that makes one unit of several commands holds the world if one of them has such keys.

use super::keyspace::Keyspace;
use super::view::{Held, Key, Mode, Poisoned, View};

/// Shards of the selected database that a command reads besides those of its declared keys.
pub struct Reach<'a> {
    keyspace: &'a Keyspace,
    /// By the number of the shard.
    is_wanted: Vec<bool>,
}

impl Reach<'_> {
    pub fn add(&mut self, key: &[u8]) {
        self.is_wanted[self.keyspace.shard_of(key)] = true;
    }

    pub fn add_all(&mut self) {
        self.is_wanted.fill(true);
    }

    /// How many shards a database has.
    pub fn shards(&self) -> usize {
        self.is_wanted.len()
    }

    fn wanted(&self) -> impl Iterator<Item = usize> + '_ {
        self.is_wanted.iter().enumerate().filter(|(_, is_wanted)| **is_wanted).map(|(n, _)| n)
    }
}

impl<'a> View<'a> {
    /// Nothing yet.
    pub fn reach(&self) -> Reach<'a> {
        Reach { keyspace: self.keyspace, is_wanted: vec![false; self.keyspace.shards()] }
    }

    /// Whether undeclared keys are copied as they are asked for, so that nothing has to be held for them.
    pub fn reaches_all(&self) -> bool {
        self.is_private()
    }

    /// Whether all of it is held.
    pub fn covers(&self, reach: &Reach<'_>) -> bool {
        reach.wanted().all(|shard| self.place_of(self.ordinal_of(shard)).is_some())
    }

    /// Holds all of it, for reading, and what is held already, as it is held now. Everything may have
    /// changed since it was looked at last, and a [`Key`] that was handed out before is void.
    pub fn widen(&mut self, reach: &Reach<'_>) -> Result<(), Poisoned> {
        debug_assert!(!self.effects.has_changes(), "locks are widened before anything is changed");
        let mut wanted: Vec<(u32, Mode)> =
            self.held.iter().map(|(ordinal, held)| (*ordinal, held.mode())).collect();
        let further = reach.wanted().map(|shard| self.ordinal_of(shard));
        let further = further.filter(|ordinal| self.place_of(*ordinal).is_none());
        wanted.extend(further.map(|ordinal| (ordinal, Mode::Read)));
        wanted.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        for (_, key) in &mut self.keys {
            let ordinal = self.held[key.held].0;
            let place = wanted.binary_search_by_key(&ordinal, |(ordinal, _)| *ordinal);
            key.held = place.expect("what was held is wanted");
        }
        self.held.clear();
        wanted.into_iter().try_for_each(|(ordinal, mode)| self.hold(ordinal, mode))
    }

    /// A key of the selected database that is not declared, whose shard is held. Who works on copies gets a copy of
    /// it as it is now, until the next key is asked for.
    pub fn reached<'b>(&mut self, bytes: &'b [u8]) -> Result<Key<'b>, Poisoned> {
        if self.is_private() { self.fetch(bytes) } else { Ok(self.held_key(self.db, bytes)) }
    }

    fn ordinal_of(&self, shard: usize) -> u32 {
        self.ordinal_in(self.db, shard)
    }

    /// Locks are held in ascending order.
    pub(super) fn place_of(&self, ordinal: u32) -> Option<usize> {
        self.held.binary_search_by_key(&ordinal, |(ordinal, _)| *ordinal).ok()
    }
}

impl Held<'_> {
    fn mode(&self) -> Mode {
        match self {
            Held::Read(_) => Mode::Read,
            Held::Write { .. } => Mode::Write,
            Held::Private(_) => unreachable!("who works on copies holds no locks to widen"),
        }
    }
}
