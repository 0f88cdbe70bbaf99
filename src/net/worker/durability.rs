//! Replies that must wait until the log is durable, and clients that asked to be told when it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Worker, encode_error};
use crate::exec::{CommandError, Engine};
use crate::persist::log::Log;
use crate::session::{WaitKind, Waiting};
use crate::store::Lane;

/// What the log has come to. Positions are log positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LogStanding {
    /// Changes up to here may be acknowledged.
    released: u64,
    durable: u64,
    has_failed: bool,
}

/// Who waits for the log to become durable, as `(slot, client)`.
#[derive(Default)]
pub(super) struct DurabilityQueue {
    /// Their replies are written, but must not be sent yet (`appendfsync always`).
    held: Vec<(usize, u64)>,
    /// They said `WAITAOF`.
    pub(super) waiters: Vec<(usize, u64)>,
    /// The log was told that this worker waits.
    was_awaiting: bool,
    /// What was known when this was last looked at.
    seen: LogStanding,
}

impl DurabilityQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waiters.is_empty()
    }
}

impl Worker {
    fn standing(&self) -> LogStanding {
        let has_failed = self.executor.engine().hooks.log().is_some_and(Log::has_failed);
        LogStanding { released: self.released(), durable: self.durable(), has_failed }
    }

    /// The log position up to which changes may be acknowledged.
    pub(super) fn released(&self) -> u64 {
        self.executor.engine().hooks.log().map_or(u64::MAX, Log::released)
    }

    /// Whether a connection's replies must wait because they acknowledge what is not durable yet.
    pub(super) fn holds(&mut self, slot: usize, released: u64) -> bool {
        let Some(connection) = self.connections.get_mut(slot) else { return false };
        let position = connection.session.logged;
        if position <= released && !is_lost(self.executor.engine(), position) {
            return false;
        }
        connection.is_dirty = false;
        if !std::mem::replace(&mut connection.is_on_hold, true) {
            self.durability.held.push((slot, connection.session.client.id));
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

    /// Sends what has become durable, and lets those connections go on.
    pub(super) fn release_held(&mut self, lane: &Lane<'_>) {
        let standing = self.standing();
        self.durability.seen = standing;
        let engine = Arc::clone(self.executor.engine());
        for (slot, client) in std::mem::take(&mut self.durability.held) {
            if self.slots.get(&client) != Some(&slot) {
                continue;
            }
            let connection = &mut self.connections[slot];
            if is_lost(&engine, connection.session.logged) {
                // Nobody knows what of it survives, so neither success nor failure may be told.
                log::warn!(
                    "client {client} is disconnected: the log failed before its changes were durable"
                );
                self.close(slot);
            } else if connection.session.logged <= standing.released {
                connection.release();
                self.send(slot);
                self.proceed_if_unread(slot, lane);
            } else {
                self.durability.held.push((slot, client));
            }
        }
    }

    /// Goes on with what arrived while the replies were held back.
    fn proceed_if_unread(&mut self, slot: usize, lane: &Lane<'_>) {
        if self.connections.get(slot).is_some_and(|connection| connection.unread() > 0) {
            self.proceed(slot, lane);
        }
    }

    /// `WAITAOF`: answers those whose changes are durable, and those who would wait in vain because the
    /// log was turned off or has failed.
    pub(super) fn answer_waiters(&mut self, lane: &Lane<'_>) {
        let log = self.executor.engine().hooks.log();
        let durable = log.and_then(Log::durable);
        let has_failed = log.is_some_and(Log::has_failed);
        let refusal = if has_failed { CommandError::LogFailed } else { CommandError::NotLogged };
        for (slot, client) in std::mem::take(&mut self.durability.waiters) {
            if self.slots.get(&client) != Some(&slot) {
                continue;
            }
            let Some(waiting) = &self.connections[slot].session.waiting else { continue };
            let WaitKind::Durable { position, is_local, replicas } = waiting.kind else { continue };
            if is_local && durable.is_none() {
                self.answer(slot, &encode_error(&refusal), lane);
            } else if durable.is_some_and(|durable| durable >= position) && replicas == 0 {
                let reply = self.deadline_reply(slot);
                self.answer(slot, &reply, lane);
            } else {
                self.durability.waiters.push((slot, client));
            }
        }
    }

    fn durable(&self) -> u64 {
        self.executor.engine().hooks.log().and_then(Log::durable).unwrap_or(0)
    }

    /// What a session that waits is told when its time has run out.
    pub(super) fn deadline_reply(&self, slot: usize) -> Vec<u8> {
        match &self.connections[slot].session.waiting {
            Some(Waiting { kind: WaitKind::Durable { position, .. }, .. }) => {
                let local = u8::from(self.durable() >= *position);
                format!("*2\r\n:{local}\r\n:0\r\n").into_bytes()
            }
            Some(waiting) => waiting.on_deadline.clone(),
            None => Vec::new(),
        }
    }
}

/// Whether the log failed before it could make changes up to this position durable.
fn is_lost(engine: &Engine, position: u64) -> bool {
    engine.hooks.log().is_some_and(|log| log.is_lost(position))
}
