//! What goes out at the end of a turn: one write for each connection with output.
//!
//! What others send to clients goes out in rounds. A round that went to many clients is followed by a rest as long as
//! it took, up to 2 ms: under load more messages go into each write, and publishers are served meanwhile.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::base::limits::{TURN_WRITE_BYTES_MAX, WORKER_TURN_WRITE_BYTES_MAX};
use crate::resp::Sent;
use crate::session::Postbox;

/// A round of messages to so many clients is followed by a rest.
const LARGE_ROUND: usize = 16;
const REST_MAX: Duration = Duration::from_millis(2);

impl Worker {
    pub(super) fn mark_dirty(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(slot);
        }
    }

    /// Writes replies, and unless they rest what others sent.
    pub(super) fn send_round(&mut self) {
        if self.rests_until_ns.is_some_and(|until_ns| self.now.monotonic_nanos < until_ns) {
            return self.send_all();
        }
        if self.rests_until_ns.take().is_some() {
            self.mailbox.rest(false);
        }
        let clients = self.take_pushes();
        if clients < LARGE_ROUND {
            return self.send_all();
        }
        let engine = Arc::clone(self.executor.engine());
        let began_ns = engine.clock.monotonic_nanos();
        self.send_all();
        let ended_ns = engine.clock.monotonic_nanos();
        let rest_ns = (ended_ns - began_ns).min(REST_MAX.as_nanos() as i64);
        self.rests_until_ns = Some(ended_ns + rest_ns);
        self.mailbox.rest(true);
    }

    /// Takes over what others sent to clients of this worker; tells to how many.
    fn take_pushes(&mut self) -> usize {
        let mut pushed = std::mem::take(&mut self.pushed);
        self.mailbox.take_pushed(&mut pushed);
        let clients = pushed.len();
        for (slot, client) in pushed.drain(..) {
            if let Some(connection) = self.connections.get_mut(slot)
                && connection.session.client.id == client
            {
                connection.take_pushes();
                self.mark_dirty(slot);
            }
        }
        self.pushed = pushed;
        clients
    }

    /// Writes once to everybody who has new output, and closes who is finished; then to some of those with much output,
    /// in turn. So however many these are, a short reply does not wait behind all of them.
    fn send_all(&mut self) {
        let released = self.released();
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            self.send_released(slot, released);
        }
        self.dirty = dirty;
        let (mut sent, before) = (0, self.unsent.len());
        for _ in 0..before {
            if sent >= WORKER_TURN_WRITE_BYTES_MAX {
                break;
            }
            let Some(slot) = self.unsent.pop_front() else { break };
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.is_unsent = false;
                sent += TURN_WRITE_BYTES_MAX.min(connection.outbox.len());
                self.send_released(slot, released);
            }
        }
    }

    /// Writes to a connection, unless its replies have to wait for the log.
    fn send_released(&mut self, slot: usize, released: u64) {
        if !self.hold_back(slot, released) {
            self.send(slot);
        }
        self.count_memory(slot);
    }

    /// Counts what a client takes now.
    pub(super) fn count_memory(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let footprint = connection.session.client.footprint();
        self.executor.engine().clients.memory.count(&mut connection.counted, footprint);
    }

    pub(super) fn send(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        connection.is_dirty = false;
        let waiting_bytes = connection.outbox.len();
        if waiting_bytes > 0 {
            self.executor.stats().writes.add(1);
        }
        let sent = connection.send(TURN_WRITE_BYTES_MAX);
        let sent_bytes = waiting_bytes - connection.outbox.len();
        self.executor.stats().bytes_out.add(sent_bytes as u64);
        if sent_bytes > 0 {
            // Who takes what is sent is there, even if it asks for nothing more meanwhile.
            connection.note_activity(self.now.unix_millis());
        }
        match sent {
            Err(error) => {
                log::debug!("client {} is gone: {error}", connection.session.client.id);
                self.close(slot);
            }
            Ok(Sent::All) => {
                self.pool.put(connection.outbox.take_empty_tail());
                connection.publish_output();
                if connection.is_finished() {
                    self.close(slot);
                } else if connection.session.client.inbox.is_empty() {
                    connection.over_soft_limit_since_ms = None;
                } else {
                    // The others come first.
                    self.mailbox.pushed(slot, connection.session.client.id);
                    self.check_output_limit(slot);
                }
            }
            Ok(sent) => {
                if sent == Sent::Enough && !std::mem::replace(&mut connection.is_unsent, true) {
                    self.unsent.push_back(slot);
                }
                connection.publish_output();
                self.check_output_limit(slot);
            }
        }
    }
}
