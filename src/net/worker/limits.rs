//! Who has to be disconnected: for what it sends or does not read, for its silence, for owing the password, or because
//! all clients together take too much.

use std::sync::atomic::Ordering;

use super::Worker;
use crate::base::limits::UNAUTHENTICATED_OUTPUT_BYTES_MAX;
use crate::config::params;
use crate::net::connection::Connection;

/// How often idle clients and soft output limits are looked at.
pub(super) const SWEEP_MS: i64 = 1000;

impl Worker {
    /// `maxmemory-clients`. Redis looks before each command; as a turn can add only so much to each client, this comes to
    /// the same, but for one command whose reply is large.
    pub(super) fn limit_client_memory(&self) {
        let engine = self.executor.engine();
        if let Some(bytes_max) = engine.config.client_memory_limit() {
            engine.clients.limit_memory(bytes_max, self.now.monotonic_nanos);
        }
    }

    /// Closes a connection that has sent more than it may of what could not be executed yet, and returns false then.
    pub(super) fn check_query_buffer(&mut self, slot: usize) -> bool {
        let engine = self.executor.engine();
        let query_bytes_max = engine.config.int(params::CLIENT_QUERY_BUFFER_LIMIT) as usize;
        let connection = &self.connections[slot];
        let is_let_in = engine.lets_in(&connection.session);
        if !connection.has_sent_too_much(query_bytes_max, is_let_in) {
            return true;
        }
        let why = match is_let_in {
            true => "client-query-buffer-limit exceeded",
            false => "too long a request from a client that has not authenticated",
        };
        let client = &connection.session.client;
        log::warn!("client {} at {} is disconnected: {why}", client.id, client.address);
        self.close(slot);
        false
    }

    /// Closes a connection whose peer does not read what is sent to it, as `client-output-buffer-limit` says.
    pub(super) fn check_output_limit(&mut self, slot: usize) {
        let now_ms = self.now.unix_millis();
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let is_let_in = self.executor.engine().lets_in(&connection.session);
        let client = &connection.session.client;
        let limits = client.allowance.limit(client.output_class());
        let waiting = connection.waiting_bytes();
        let bytes = waiting as u64;
        let over_soft = limits.soft_bytes > 0 && bytes > limits.soft_bytes;
        let since = connection.over_soft_limit_since_ms.filter(|_| over_soft);
        connection.over_soft_limit_since_ms = over_soft.then(|| since.unwrap_or(now_ms));
        let too_long =
            since.is_some_and(|since| now_ms - since > limits.soft_seconds as i64 * 1000);
        let too_much = limits.hard_bytes > 0 && bytes > limits.hard_bytes
            || !is_let_in && waiting > UNAUTHENTICATED_OUTPUT_BYTES_MAX;
        if too_much || too_long {
            client.drop_slow(waiting);
            self.close(slot);
        }
    }
    /// Closes connections of clients that have not given the password in time, however busy they are.
    fn sweep_strangers(&mut self, now_ms: i64) {
        let config = &self.executor.engine().config;
        let timeout_s = config.int(params::UNAUTHENTICATED_TIMEOUT);
        let has_password = !config.text(params::REQUIREPASS).is_empty();
        let owes = |c: &mut Connection| c.owes_password_for(timeout_s * 1000, has_password, now_ms);
        let all = self.connections.iter_mut();
        let strangers: Vec<_> = all.filter_map(|(slot, c)| owes(c).then_some(slot)).collect();
        for slot in strangers {
            let client = &self.connections[slot].session.client;
            let (id, address) = (client.id, &client.address);
            log::warn!(
                "client {id} at {address} is disconnected: no password for {timeout_s} s (unauthenticated-timeout)"
            );
            self.close(slot);
        }
    }

    /// Once a second: who has not authenticated, or has been silent, or has not read its output for too long?
    pub(super) fn sweep(&mut self) {
        let now_ms = self.now.unix_millis();
        self.next_sweep_ms = now_ms + SWEEP_MS;
        self.sweep_strangers(now_ms);
        let timeout_ms = self.executor.engine().config.int(params::TIMEOUT) * 1000;
        let idle = |connection: &Connection| {
            let last_active = connection.session.client.last_active_ms.load(Ordering::Relaxed);
            timeout_ms > 0
                && !connection.is_held_back()
                && connection.session.subscriptions.is_empty()
                && !connection.session.client.monitors.load(Ordering::Relaxed)
                && now_ms - last_active > timeout_ms
        };
        let all = self.connections.iter();
        let (silent, stuck): (Vec<_>, Vec<_>) = all
            .filter(|(_, c)| idle(c) || c.waiting_bytes() > 0)
            .map(|(slot, c)| (slot, idle(c)))
            .partition(|(_, is_idle)| *is_idle);
        for (slot, _) in silent {
            log::info!("client {} is disconnected: idle", self.connections[slot].session.client.id);
            self.close(slot);
        }
        stuck.into_iter().for_each(|(slot, _)| self.check_output_limit(slot));
    }
}
