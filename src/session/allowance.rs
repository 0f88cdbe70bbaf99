//! How much output may wait for a client: `client-output-buffer-limit`, where everybody who sends can read it.
//!
//! A publisher sees at once that an inbox has outgrown the hard limit, and does not wait until the client's worker
//! comes round. What lasts (the soft limit) is the worker's to see.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::client::ClientType;
use crate::config::special::{OutputLimit, OutputLimits};

/// The limits of one class of client. They are read one by one: who reads while they change sees old and new.
#[derive(Debug, Default)]
struct Limit {
    hard_bytes: AtomicU64,
    soft_bytes: AtomicU64,
    soft_seconds: AtomicU64,
}

/// See the module's description. Without limits until they are set.
#[derive(Debug, Default)]
pub struct OutputAllowance {
    normal: Limit,
    replica: Limit,
    pubsub: Limit,
    /// Clients that were disconnected because they did not read (since the start or `CONFIG RESETSTAT`).
    pub disconnections: AtomicU64,
}

impl OutputAllowance {
    pub fn set(&self, limits: &OutputLimits) {
        let OutputLimits { normal, replica, pubsub } = limits;
        for (limit, new) in
            [(&self.normal, normal), (&self.replica, replica), (&self.pubsub, pubsub)]
        {
            limit.hard_bytes.store(new.hard_bytes, Relaxed);
            limit.soft_bytes.store(new.soft_bytes, Relaxed);
            limit.soft_seconds.store(new.soft_seconds, Relaxed);
        }
    }

    fn of(&self, client_type: ClientType) -> &Limit {
        match client_type {
            ClientType::Normal | ClientType::Master => &self.normal,
            ClientType::Replica => &self.replica,
            ClientType::Pubsub => &self.pubsub,
        }
    }

    pub fn limit(&self, client_type: ClientType) -> OutputLimit {
        let limit = self.of(client_type);
        OutputLimit {
            hard_bytes: limit.hard_bytes.load(Relaxed),
            soft_bytes: limit.soft_bytes.load(Relaxed),
            soft_seconds: limit.soft_seconds.load(Relaxed),
        }
    }

    /// Whether so much is more than may wait even for a moment.
    #[inline]
    pub(super) fn is_too_much(&self, client_type: ClientType, bytes: usize) -> bool {
        let hard_bytes = self.of(client_type).hard_bytes.load(Relaxed);
        hard_bytes > 0 && bytes as u64 > hard_bytes
    }
}
