//! What a client listens to, as its own session knows it.
//!
//! The registry of channels (`pubsub`) knows the same from the other side. The session's sets change first and
//! decide whether there is anything to tell the registry, so that subscribing twice costs no lock.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The name of a channel or a pattern, shared by all who mention it.
pub type Name = Arc<[u8]>;

/// The three separate worlds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionKind {
    Channel,
    Pattern,
    /// A channel that belongs to a slot, as a key does.
    Shard,
}

impl SubscriptionKind {
    pub const ALL: [SubscriptionKind; 3] =
        [SubscriptionKind::Channel, SubscriptionKind::Pattern, SubscriptionKind::Shard];
}

/// See the module's description.
#[derive(Default)]
pub struct Subscriptions {
    names: [BTreeSet<Name>; 3],
    /// Of all names together.
    name_bytes: usize,
    /// Some of the channels may be followed (`SUBSCRIBE.FROM`).
    pub may_follow: bool,
}

impl Subscriptions {
    pub fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }

    pub fn len(&self, kind: SubscriptionKind) -> usize {
        self.names[kind as usize].len()
    }

    pub fn contains(&self, kind: SubscriptionKind, name: &[u8]) -> bool {
        self.names[kind as usize].contains(name)
    }

    /// The names in their order.
    pub fn names(&self, kind: SubscriptionKind) -> Vec<Name> {
        self.names[kind as usize].iter().cloned().collect()
    }

    /// Bytes of all names.
    pub(super) fn name_bytes(&self) -> usize {
        self.name_bytes
    }

    pub(super) fn add(&mut self, kind: SubscriptionKind, name: Name) -> bool {
        let bytes = name.len();
        let is_new = self.names[kind as usize].insert(name);
        self.name_bytes += if is_new { bytes } else { 0 };
        is_new
    }

    pub(super) fn remove(&mut self, kind: SubscriptionKind, name: &[u8]) -> bool {
        let was_there = self.names[kind as usize].remove(name);
        self.name_bytes -= if was_there { name.len() } else { 0 };
        was_there
    }
}
