//! Replies that must wait until the log is durable, and clients that asked to be told when it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Worker;
use crate::exec::{CommandError, Engine};
use crate::persist::log::Log;
use crate::session::WaitKind;

/// What the log has come to. Positions are log positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LogStanding {
    /// Changes up to here may be acknowledged.
    released: u64,
    /// `None` while nothing is logged.
    durable: Option<u64>,
    has_failed: bool,
}

/// The slots of those who wait for the log to become durable.
#[derive(Default)]
pub(super) struct DurabilityQueue {
    /// Their replies are written, but must not be sent yet (`appendfsync always`).
    held: BTreeSet<usize>,
    /// They said `WAITAOF`.
    pub(super) waiters: BTreeSet<usize>,
    /// The log was told that this worker waits.
    was_awaiting: bool,
    /// What was known when this was last looked at.
    seen: LogStanding,
}

impl DurabilityQueue {
    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waiters.is_empty()
    }

    /// A connection is about to be closed.
    pub(super) fn forget(&mut self, slot: usize) {
        self.held.remove(&slot);
        self.waiters.remove(&slot);
    }
}

impl Worker {
    fn standing(&self) -> LogStanding {
        let log = self.executor.engine().hooks.log();
        LogStanding {
            released: self.released(),
            durable: log.and_then(Log::durable),
            has_failed: log.is_some_and(Log::has_failed),
        }
    }

    /// The log position up to which changes may be acknowledged.
    pub(super) fn released(&self) -> u64 {
        self.executor.engine().hooks.log().map_or(u64::MAX, Log::released)
    }

    /// Keeps a connection's replies back if they acknowledge what is not durable yet; tells whether it does.
    pub(super) fn hold_back(&mut self, slot: usize, released: u64) -> bool {
        let Some(connection) = self.connections.get_mut(slot) else { return false };
        let position = connection.session.logged;
        if position <= released && !is_lost(self.executor.engine(), position) {
            return false;
        }
        connection.is_dirty = false;
        if !std::mem::replace(&mut connection.is_on_hold, true) {
            self.durability.held.insert(slot);
        }
        true
    }

    /// Sees to it that the log wakes this worker as long as somebody waits for it.
    pub(super) fn await_log(&mut self) {
        let is_awaiting = !self.durability.is_empty();
        if !is_awaiting && !self.durability.was_awaiting {
            return;
        }
        self.durability.was_awaiting = is_awaiting;
        self.mailbox.awaits_log.store(is_awaiting, Ordering::SeqCst);
        // What happened before the log could know that somebody waits.
        let standing = self.standing();
        if is_awaiting && standing != std::mem::replace(&mut self.durability.seen, standing) {
            self.mailbox.wake();
        }
    }

    /// Looks after those who wait for the log.
    pub(super) fn follow_log(&mut self) {
        if !self.durability.is_empty() {
            let standing = self.standing();
            self.durability.seen = standing;
            self.release_held(standing);
            self.answer_waiters(standing);
        }
    }

    /// Sends what has become durable, and lets those connections go on.
    fn release_held(&mut self, standing: LogStanding) {
        let engine = Arc::clone(self.executor.engine());
        for slot in std::mem::take(&mut self.durability.held) {
            let connection = &mut self.connections[slot];
            let position = connection.session.logged;
            if is_lost(&engine, position) {
                // Nobody knows what of it survives, so neither success nor failure may be told.
                log::warn!(
                    "client {} is disconnected: the log failed before its changes were durable",
                    connection.session.client.id
                );
                self.close(slot);
            } else if position <= standing.released {
                self.release(slot);
            } else {
                self.durability.held.insert(slot);
            }
        }
    }

    /// Sends the replies at once: what is executed from now on must not hold them back again.
    fn release(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        connection.is_on_hold = false;
        connection.go_on();
        self.send(slot);
        self.after_execution(slot);
    }

    /// `WAITAOF`: answers those whose changes are durable, and those who would wait in vain because the
    /// log was turned off or has failed.
    fn answer_waiters(&mut self, LogStanding { durable, has_failed, .. }: LogStanding) {
        for slot in std::mem::take(&mut self.durability.waiters) {
            let Some(waiting) = &self.connections[slot].session.waiting else { continue };
            let WaitKind::Durable { position, is_local, replicas } = waiting.kind else { continue };
            if is_local && durable.is_none() {
                let refusal = match has_failed {
                    true => CommandError::LogFailed,
                    false => CommandError::NotLogged,
                };
                self.fail(slot, refusal);
            } else if durable.is_some_and(|durable| durable >= position) && replicas == 0 {
                self.answer_at_deadline(slot);
            } else {
                self.durability.waiters.insert(slot);
            }
        }
    }

    pub(super) fn durable(&self) -> u64 {
        self.executor.engine().hooks.log().and_then(Log::durable).unwrap_or(0)
    }
}

/// Whether the log failed before it could make changes up to this position durable.
fn is_lost(engine: &Engine, position: u64) -> bool {
    engine.hooks.log().is_some_and(|log| log.is_lost(position))
}
