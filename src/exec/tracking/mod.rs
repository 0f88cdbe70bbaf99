//! Client-side caching: who has to be told which keys have changed.
//!
//! A client that says `CLIENT TRACKING ON` keeps values that it has read, and wants to hear when they are
//! no longer true. There are two ways, as in Redis:
//!
//! - `keys` remembers which clients have read a key. Whoever changes it tells them once and forgets them:
//!   they will read it again if they still care.
//! - `prefixes` knows who wants to hear of every change of keys that begin with certain bytes (`BCAST`).
//!
//! Invariant: nobody keeps what is not true without being told. A key is remembered while it is still locked
//! for the read, so a change comes either before it, and was read, or behind it, and then finds it
//! remembered. Who changed a key tells before its own reply goes out; that the client gets its own reply first,
//! and the message afterwards, follows from its inbox, which is emptied behind each of its commands. Keys are
//! taken out of the table and their readers told under one lock: who finds a key forgotten knows that all have
//! been told.
//!
//! A key is a name here, whatever the database, as it is in the messages. Readers are remembered as numbers of
//! clients, once per key. A client that goes is not searched for in all its keys; its number is dropped
//! when the key changes, or when the list of the key's readers would have to grow. When nobody tracks any
//! longer, everything is forgotten.
//!
//! While nobody tracks, a command pays one relaxed load for it.

mod keys;
mod message;
mod prefixes;

use std::collections::BTreeMap;
use std::sync::Arc;

use keys::KeyTable;
use message::Invalidation;
use prefixes::PrefixTable;

use super::engine::Engine;
use crate::base::sync::{Rank, RwLock};
use crate::config::params;
use crate::exec::table::spec::{self, Spec};
use crate::resp::{Outbox, Protocol, Reply};
use crate::session::{CacheFlags, Client, Clients};
use crate::store::{Effects, Keyspace, View};

/// What `CLIENT TRACKING ON` asks for, checked.
#[derive(Clone, Debug, Default)]
pub struct CacheOptions<'a> {
    pub flags: CacheFlags,
    pub redirect: Option<u64>,
    /// With [`CacheFlags::BROADCAST`] only; none stands for all keys.
    pub prefixes: Vec<&'a [u8]>,
}

/// Figures for `INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackingTotals {
    pub clients: usize,
    pub keys: usize,
    /// Pairs of a key and one of its readers.
    pub items: usize,
    pub prefixes: usize,
}

/// See the module's description.
pub struct Caches {
    /// Everybody who tracks. Locked before the tables, so that these can be emptied when the last one goes.
    clients: RwLock<BTreeMap<u64, Arc<Client>>>,
    prefixes: RwLock<PrefixTable>,
    keys: KeyTable,
}

/// Places in the order of locks of this rank; the registry of channels comes before them.
mod ordinal {
    pub(super) const CLIENTS: u32 = 1;
    pub(super) const PREFIXES: u32 = 2;
    /// And so many more as there are parts.
    pub(super) const KEYS: u32 = 3;
}

impl Default for Caches {
    fn default() -> Caches {
        Caches {
            clients: RwLock::new(Rank::Delivery, ordinal::CLIENTS, BTreeMap::new()),
            prefixes: RwLock::new(Rank::Delivery, ordinal::PREFIXES, PrefixTable::default()),
            keys: KeyTable::new(ordinal::KEYS),
        }
    }
}

impl Caches {
    /// `CLIENT TRACKING ON`. From now on changes are noted: whoever changes what the client reads afterwards has
    /// locked it later, and so sees that somebody tracks.
    pub fn begin(&self, client: &Arc<Client>, options: &CacheOptions<'_>, keyspace: &Keyspace) {
        let mut clients = self.clients.write();
        clients.insert(client.id, Arc::clone(client));
        keyspace.note_trackers(true);
        client.cache.begin(options.flags, options.redirect);
        if options.flags.has(CacheFlags::BROADCAST) {
            let all_keys: [&[u8]; 1] = [b""];
            let prefixes =
                if options.prefixes.is_empty() { &all_keys[..] } else { &options.prefixes };
            let mut table = self.prefixes.write();
            prefixes.iter().for_each(|prefix| table.add(prefix, client));
        }
    }

    /// `CLIENT TRACKING OFF`, or the client goes.
    pub fn end(&self, client: &Client, keyspace: &Keyspace) {
        if !client.cache.flags().has(CacheFlags::ON) {
            return;
        }
        let mut clients = self.clients.write();
        clients.remove(&client.id);
        client.cache.end();
        self.prefixes.write().remove(client.id);
        if clients.is_empty() {
            keyspace.note_trackers(false);
            self.keys.clear();
        }
    }

    /// Runs `work` while nobody is told anything: messages are encoded in the protocol that a client speaks, and when
    /// that changes, it must be clear which of them come before. To be called with publishers kept out already
    /// (`PubSub::while_silent`).
    pub fn while_silent<R>(&self, work: impl FnOnce() -> R) -> R {
        let clients = self.clients.write();
        if clients.is_empty() {
            return work();
        }
        let _prefixes = self.prefixes.write();
        self.keys.while_silent(work)
    }

    /// The prefixes of a client that wants to hear of all keys with one of them.
    pub fn prefixes_of(&self, client: &Client) -> Vec<Vec<u8>> {
        self.prefixes.read().of(client.id)
    }

    pub fn totals(&self) -> TrackingTotals {
        TrackingTotals {
            clients: self.clients.read().len(),
            keys: self.keys.len(),
            items: self.keys.items(),
            prefixes: self.prefixes.read().len(),
        }
    }

    /// Tells everybody who has to know of changes. To be called when no shard is locked any more. `author` is who made
    /// them, if it was a client.
    fn invalidate(&self, clients: &Clients, effects: &Effects, author: Option<u64>) {
        if !effects.flushed.is_empty() {
            self.invalidate_all(clients);
        }
        if effects.touched.is_empty() {
            return;
        }
        self.prefixes.read().tell(clients, &effects.touched, author);
        for (_, key) in &effects.touched {
            self.keys.invalidate(clients, key, author);
        }
    }

    /// Everything may have changed. That is told to its author as well, whatever it asked for.
    fn invalidate_all(&self, clients: &Clients) {
        self.keys.clear();
        let mut message = Invalidation::of_everything();
        self.clients.read().values().for_each(|client| message.send_to(client, clients));
    }
}

/// Where commands meet the tables.
impl Engine {
    /// Remembers the keys that a command has read for a client that tracks. To be called while they are
    /// still locked.
    #[inline]
    pub(super) fn remember_read(&self, spec: &Spec, keys: &View<'_>, client: &Client) {
        if spec.has(spec::READ) && client.cache.remembers() {
            let names = (0..).map_while(|index| keys.declared(index));
            self.caches.keys.remember(client.id, names.map(|key| key.bytes), &self.clients);
        }
    }

    /// What a client is sent behind the reply to a command that was executed on its behalf: not to keep what it
    /// read. The reply and later messages reach its worker by different ways, so that it could be told of the next
    /// change before it gets what that made untrue. Who is told in its place is told here.
    pub(super) fn disown_read(
        &self,
        spec: &Spec,
        client: &Client,
        protocol: Protocol,
        keys: Vec<&[u8]>,
        outbox: &mut Outbox,
    ) {
        if !spec.has(spec::READ) || !client.cache.remembers() || keys.is_empty() {
            return;
        }
        let mut message = Invalidation::of(keys);
        if client.cache.redirect().is_none() && protocol == Protocol::Resp3 {
            Reply::new(outbox, protocol).raw(message.push());
        } else {
            // So that nobody's protocol changes meanwhile.
            let _trackers = self.caches.clients.read();
            message.send_to(client, &self.clients);
        }
    }

    /// Tells the caches of clients what has changed, and keeps the table of what they read within its limit. To
    /// be called when no shard is locked any more.
    #[inline]
    pub fn tell_caches(&self, effects: &Effects, author: Option<u64>) {
        if self.keyspace.has_trackers() {
            self.caches.invalidate(&self.clients, effects, author);
            let keys_max = self.config.int(params::TRACKING_TABLE_MAX_KEYS) as usize;
            if keys_max > 0 {
                self.caches.keys.shrink(&self.clients, keys_max);
            }
        }
    }
}
