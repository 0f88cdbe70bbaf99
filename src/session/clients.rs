//! Everybody who is connected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::allowance::OutputAllowance;
use super::client::{Client, ClientSetup, Endpoint, Message, Postbox};
use super::client_memory::ClientMemory;
use crate::base::sync::{Rank, RwLock};

/// The registry of connected clients, by their numbers. Locked for writing when clients come or go. Commands look
/// somebody up here if what they changed is in a client's cache, so holders do nothing but look.
pub struct Clients {
    by_id: RwLock<BTreeMap<u64, Arc<Client>>>,
    postboxes: RwLock<Vec<Arc<dyn Postbox>>>,
    next_id: AtomicU64,
    /// How much output may wait for each.
    pub allowance: Arc<OutputAllowance>,
    /// What they take together.
    pub memory: ClientMemory,
    /// Connections accepted since the start (or `CONFIG RESETSTAT`).
    pub accepted: AtomicU64,
    /// Connections refused because there were too many.
    pub rejected: AtomicU64,
}

impl Default for Clients {
    fn default() -> Clients {
        Clients {
            by_id: RwLock::new(Rank::Leaf, 0, BTreeMap::new()),
            postboxes: RwLock::new(Rank::Leaf, 0, Vec::new()),
            next_id: AtomicU64::new(1),
            allowance: Arc::default(),
            memory: ClientMemory::default(),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        }
    }
}

impl Clients {
    /// Makes a worker's mailbox known.
    pub fn register_postbox(&self, postbox: Arc<dyn Postbox>) {
        self.postboxes.write().push(postbox);
    }

    /// Tells every worker to look at postponed commands again.
    pub fn resume_all(&self) {
        let postboxes = self.postboxes.read().clone();
        postboxes.iter().for_each(|postbox| postbox.resume());
    }

    /// Tells every worker that the log is durable further than before, or that it failed.
    pub fn log_advanced(&self) {
        self.postboxes.read().iter().for_each(|postbox| postbox.log_advanced());
    }

    /// A new client, known to everybody until [`Clients::disconnect`].
    pub fn connect(
        &self,
        address: Endpoint,
        local_address: Endpoint,
        fd: i32,
        created_ms: i64,
        postbox: Arc<dyn Postbox>,
    ) -> Arc<Client> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (allowance, postbox) = (Arc::clone(&self.allowance), Some(postbox));
        let setup = ClientSetup { id, address, local_address, fd, created_ms, allowance, postbox };
        let client = Arc::new(Client::new(setup));
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.by_id.write().insert(id, Arc::clone(&client));
        client
    }

    /// A client without a connection, which nobody sees.
    pub fn internal(&self, created_ms: i64) -> Arc<Client> {
        let (address, local_address) = (Endpoint::Internal, Endpoint::Internal);
        let (id, fd, postbox) = (0, -1, None);
        let allowance = Arc::clone(&self.allowance);
        let setup = ClientSetup { id, address, local_address, fd, created_ms, allowance, postbox };
        Arc::new(Client::new(setup))
    }

    pub fn disconnect(&self, id: u64) {
        let removed = self.by_id.write().remove(&id);
        removed.inspect(|client| self.memory.forget(client));
    }

    /// Disconnects the clients that take most until all together take less than `bytes_max`, but none that said
    /// `CLIENT NO-EVICT ON`.
    pub fn limit_memory(&self, bytes_max: usize, now_ns: i64) {
        if !self.memory.begin_eviction(bytes_max, now_ns) {
            return;
        }
        // Nobody is sent a message while the registry is locked.
        let (chosen, enough) = self.memory.choose(self.by_id.read().values(), bytes_max);
        for client in &chosen {
            log::warn!(
                "client {} at {} is disconnected: it takes {} bytes, and all clients more than maxmemory-clients \
                 ({bytes_max}) allows",
                client.id,
                client.address,
                client.evicted_bytes()
            );
            client.send(Message::Drop);
        }
        self.memory.end_eviction(chosen.len(), enough, bytes_max, now_ns);
    }

    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.read().get(&id).cloned()
    }

    pub fn len(&self) -> usize {
        self.by_id.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All clients, oldest first.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.by_id.read().values().cloned().collect()
    }
}
