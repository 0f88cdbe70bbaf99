//! A worker: one thread that owns its connections for life.
//!
//! Its turn: sleep in `poll` until sockets are ready, mail has come or a timer is due; read at most
//! 64 KiB from each readable connection and execute the complete requests, up to `turn-command-limit`; then
//! write once to each connection that has output. Connections with more to execute or to read wait for the next
//! turn, so that one peer's pipeline cannot starve the rest. Readiness is edge-triggered; a short read means
//! that the socket is empty.
//!
//! `sending` is what happens at the end of a turn, `durability` what waits for the log.
//!
//! Idle connections own no buffers: input is read into the worker's, and output buffers go back to a
//! pool when they were sent.

mod buffers;
mod durability;
mod sending;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use self::buffers::BufferPool;
use self::durability::DurabilityQueue;
use super::connection::{Connection, TurnLimits};
use super::mailbox::{Accepted, Mail, Mailbox};
use super::seats::Seat;
use crate::base::clock::Moment;
use crate::base::limits::{TURN_READ_BYTES_MAX, WORKER_TURN_REPLY_BYTES_MAX};
use crate::base::random::Random;
use crate::config::params;
use crate::exec::{CommandError, Ending, Engine, Executor, depart};
use crate::resp::{Outbox, Reply};
use crate::session::{Footprint, Message, Origin, Postbox, Session, WaitKind, Waiting};
use crate::store::Lane;

const WAKE: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1024;
/// How often idle clients and soft output limits are looked at.
const SWEEP_MS: i64 = 1000;

/// Something to do for a connection at a time: `(unix_ms, slot, client)`. The client's number tells
/// whether the slot still holds the connection that the timer was set for.
type Timer = Reverse<(i64, usize, u64)>;

/// See the module's description.
pub struct Worker {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    executor: Executor,
    /// Boxed, because a slab doubles, and half-empty room for connections is memory.
    connections: Slab<Box<Connection>>,
    /// Slots by client number.
    slots: std::collections::HashMap<u64, usize>,
    scratch: Vec<u8>,
    /// Connections with more to execute or to read than one turn allows.
    backlog: Vec<usize>,
    /// Bytes of replies to what was executed in this turn.
    replied: usize,
    /// Connections with output.
    dirty: Vec<usize>,
    /// Those that could take more than one turn allows.
    unsent: VecDeque<usize>,
    /// Kept for its memory.
    pushed: Vec<(usize, u64)>,
    /// Until when (in nanoseconds of the monotonic clock) others' messages rest, if they do.
    rests_until_ns: Option<i64>,
    /// Sessions of closed connections that still watch keys.
    departed: Vec<Session>,
    timers: BinaryHeap<Timer>,
    durability: DurabilityQueue,
    next_sweep_ms: i64,
    pool: BufferPool,
    now: Moment,
    stopping: bool,
}

impl Worker {
    pub fn new(engine: &Arc<Engine>, random: Random) -> io::Result<Worker> {
        let poll = Poll::new()?;
        let mailbox = Arc::new(Mailbox::new(poll.registry(), WAKE)?);
        engine.clients.register_postbox(Arc::clone(&mailbox) as Arc<dyn Postbox>);
        engine.clock.on_advance_for(&mailbox, |mailbox: &Mailbox| mailbox.wake());
        let mut executor = Executor::new(Arc::clone(engine), random);
        let now = executor.begin_turn();
        Ok(Worker {
            poll,
            mailbox,
            executor,
            connections: Slab::new(),
            slots: std::collections::HashMap::new(),
            scratch: vec![0; TURN_READ_BYTES_MAX],
            backlog: Vec::new(),
            replied: 0,
            dirty: Vec::new(),
            unsent: VecDeque::new(),
            pushed: Vec::new(),
            rests_until_ns: None,
            departed: Vec::new(),
            timers: BinaryHeap::new(),
            durability: DurabilityQueue::default(),
            next_sweep_ms: now.unix_millis() + SWEEP_MS,
            pool: BufferPool::default(),
            now,
            stopping: false,
        })
    }

    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Serves until [`Mailbox::stop`], then closes all connections.
    pub fn run(mut self) -> io::Result<()> {
        let engine = Arc::clone(self.executor.engine());
        let lane = engine.keyspace.lane();
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.stopping {
            let limit =
                if self.mailbox.fall_asleep() { self.sleep() } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, limit) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.turn(&events, &lane);
        }
        let released = self.released();
        let connections = self.connections.drain();
        connections.filter(|c| c.session.logged <= released).for_each(|mut connection| {
            // Last words; a peer that does not take them now will not get them.
            let _ = connection.send(usize::MAX);
        });
        Ok(())
    }

    /// `maxmemory-clients`. Redis looks before each command; as a turn can add only so much to each client, this comes to
    /// the same, but for one command whose reply is large.
    fn limit_client_memory(&self) {
        let engine = self.executor.engine();
        if let Some(bytes_max) = engine.config.client_memory_limit() {
            engine.clients.limit_memory(bytes_max, self.now.monotonic_nanos);
        }
    }

    /// How long there is nothing to do.
    fn sleep(&self) -> Option<Duration> {
        if !self.backlog.is_empty() || !self.unsent.is_empty() {
            return Some(Duration::ZERO);
        }
        let engine = self.executor.engine();
        let now_ms = engine.clock.unix_millis();
        let timer = self.timers.peek().map(|Reverse((at_ms, ..))| *at_ms);
        let sweep = (!self.connections.is_empty()).then_some(self.next_sweep_ms);
        let next = timer.into_iter().chain(sweep).min();
        let next = next.map(|at_ms| (at_ms - now_ms).max(0) as u64).map(Duration::from_millis);
        let rest = self.rests_until_ns.map(|until_ns| until_ns - engine.clock.monotonic_nanos());
        let rest = rest.map(|left_ns| Duration::from_nanos(left_ns.max(0) as u64));
        next.into_iter().chain(rest).min()
    }

    fn turn(&mut self, events: &Events, lane: &Lane<'_>) {
        self.now = self.executor.begin_turn();
        self.replied = 0;
        let backlog = std::mem::take(&mut self.backlog);
        if self.mailbox.answer() {
            self.read_mail(lane);
        }
        self.run_timers(lane);
        if !self.durability.is_empty() {
            self.release_held(lane);
            self.answer_waiters(lane);
        }
        self.serve_all(events, &backlog, lane);
        self.executor.end_turn();
        self.send_round();
        self.pool.count(&self.executor.engine().clients.memory);
        self.limit_client_memory();
        self.await_log();
        if self.now.unix_millis() >= self.next_sweep_ms {
            self.sweep();
        }
        if !self.departed.is_empty() {
            let _turn = lane.enter();
            self.departed.drain(..).for_each(|mut session| self.executor.unwatch(&mut session));
        }
    }

    fn serve_all(&mut self, events: &Events, backlog: &[usize], lane: &Lane<'_>) {
        let mut turn = lane.enter();
        for &slot in backlog {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.is_in_backlog = false;
                self.serve(slot, &mut turn);
            }
        }
        for event in events.iter().filter(|event| event.token() != WAKE) {
            let slot = event.token().0;
            let Some(connection) = self.connections.get_mut(slot) else { continue };
            // The end of the stream may come together with bytes; there will be no other event for it.
            let is_ending = event.is_read_closed() || event.is_error();
            connection.is_ending |= is_ending;
            connection.is_readable |= event.is_readable() || is_ending;
            if event.is_writable() && !connection.outbox.is_empty() {
                self.mark_dirty(slot);
            }
            // One that was served in this turn and has more to do is served again in the next.
            if !self.connections[slot].is_in_backlog {
                self.serve(slot, &mut turn);
            }
        }
    }

    /// Executes what is left of a connection's last turn; if that is nothing, reads from it once and executes what is
    /// complete.
    fn serve(&mut self, slot: usize, turn: &mut crate::store::Turn<'_>) {
        let limits = self.turn_limits();
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if !connection.wants_turn() {
            return;
        }
        if self.replied >= WORKER_TURN_REPLY_BYTES_MAX {
            return self.queue(slot);
        }
        let waiting = connection.outbox.len();
        if connection.has_more() {
            lend_buffer(&mut self.pool, connection);
            connection.proceed(&mut self.executor, turn, limits);
        } else if !self.receive(slot, turn, limits) {
            return;
        }
        let replies = self.connections[slot].outbox.len().saturating_sub(waiting);
        self.replied = self.replied.saturating_add(replies);
        self.after_execution(slot);
    }

    fn turn_limits(&self) -> TurnLimits {
        let config = &self.executor.engine().config;
        TurnLimits {
            bulk_bytes_max: config.int(params::PROTO_MAX_BULK_LEN) as usize,
            commands_max: config.int(params::TURN_COMMAND_LIMIT) as usize,
        }
    }

    /// Reads from a connection once and executes what is complete. False if that came to nothing.
    fn receive(
        &mut self,
        slot: usize,
        turn: &mut crate::store::Turn<'_>,
        limits: TurnLimits,
    ) -> bool {
        let connection = &mut self.connections[slot];
        match connection.stream.read(&mut self.scratch) {
            Ok(0) => connection.peer_closed = true,
            Ok(count) => {
                connection.is_readable = connection.is_ending || count == self.scratch.len();
                self.executor.stats().reads.add(1);
                self.executor.stats().bytes_in.add(count as u64);
                lend_buffer(&mut self.pool, connection);
                connection.receive(&self.scratch[..count], &mut self.executor, turn, limits);
                return self.check_query_buffer(slot);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.is_readable = false;
                return false;
            }
            // After an interruption the next turn tries again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                log::debug!("client {} is gone: {error}", connection.session.client.id);
                self.close(slot);
                return false;
            }
        }
        true
    }

    /// Closes a connection that has sent more than it may of what could not be executed yet, and returns false then.
    fn check_query_buffer(&mut self, slot: usize) -> bool {
        let config = &self.executor.engine().config;
        let query_bytes_max = config.int(params::CLIENT_QUERY_BUFFER_LIMIT) as usize;
        let connection = &self.connections[slot];
        if !connection.has_sent_too_much(query_bytes_max) {
            return true;
        }
        let why = match connection.session.authenticated {
            true => "client-query-buffer-limit exceeded",
            false => "too long a request from a client that has not authenticated",
        };
        let client = &connection.session.client;
        log::warn!("client {} at {} is disconnected: {why}", client.id, client.address);
        self.close(slot);
        false
    }

    /// Gives a connection another turn.
    fn queue(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        if !std::mem::replace(&mut connection.is_in_backlog, true) {
            self.backlog.push(slot);
        }
    }

    /// What every path that ran commands for a connection must do next.
    fn after_execution(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        connection.publish(self.now.unix_millis());
        let wants_turn = connection.wants_turn();
        let waiting = connection.session.waiting.as_ref().and_then(|waiting| waiting.deadline_ms);
        if let Some(at_ms) = waiting.or(connection.postponed_until_ms) {
            self.timers.push(Reverse((at_ms, slot, connection.session.client.id)));
        }
        if let Some(Waiting { kind: WaitKind::Durable { .. }, .. }) = connection.session.waiting {
            self.durability.waiters.push((slot, connection.session.client.id));
        }
        if wants_turn {
            self.queue(slot);
        }
        self.mark_dirty(slot);
    }

    fn close(&mut self, slot: usize) {
        if self.connections.contains(slot) {
            self.withdraw(slot, Ending::Gone);
        }
        let Some(mut connection) = self.connections.try_remove(slot) else { return };
        depart(self.executor.engine(), &mut connection.session);
        let client = &connection.session.client;
        client.inbox.clear();
        log::debug!("client {} at {} disconnected", client.id, client.address);
        // The kernel's list forgets a socket that is closed by itself.
        self.slots.remove(&client.id);
        let clients = &self.executor.engine().clients;
        clients.memory.count(&mut connection.counted, Footprint::default());
        clients.disconnect(client.id);
        self.mailbox.connections.fetch_sub(1, Ordering::Relaxed);
        if !connection.session.watches.is_empty() {
            self.departed.push(connection.session);
        }
    }

    fn read_mail(&mut self, lane: &Lane<'_>) {
        for mail in self.mailbox.take() {
            match mail {
                Mail::Adopt(accepted, seat) => self.adopt(accepted, seat),
                Mail::Deliver { client, message } => {
                    if let Some(slot) = self.slots.get(&client).copied() {
                        self.deliver(slot, message, lane);
                    }
                }
                Mail::Resume => self.resume_postponed(lane),
                Mail::Stop => self.stopping = true,
            }
        }
    }

    fn adopt(&mut self, accepted: Accepted, seat: Seat) {
        let engine = Arc::clone(self.executor.engine());
        let Accepted { mut stream, address, local_address } = accepted;
        let keepalive_s = engine.config.int(params::TCP_KEEPALIVE) as u64;
        let slot = self.connections.vacant_key();
        let interests = Interest::READABLE | Interest::WRITABLE;
        let ready = stream
            .configure(keepalive_s)
            .and_then(|()| self.poll.registry().register(&mut stream, Token(slot), interests));
        if let Err(error) = ready {
            log::warn!("{address} cannot be served: {error}");
            self.mailbox.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let postbox = Arc::clone(&self.mailbox) as Arc<dyn Postbox>;
        let created_ms = self.now.unix_millis();
        let client =
            engine.clients.connect(address, local_address, stream.fd(), created_ms, postbox);
        log::debug!("client {} connected from {}", client.id, client.address);
        client.slot.store(slot, Ordering::Relaxed);
        self.slots.insert(client.id, slot);
        let authenticated = engine.config.text(params::REQUIREPASS).is_empty();
        client.authenticated.store(authenticated, Ordering::Relaxed);
        let mut session = Session::new(client, Origin::Network, authenticated);
        session.unauthenticated_since_ms = (!authenticated).then_some(created_ms);
        self.connections.insert(Box::new(Connection::new(stream, session, seat)));
        self.count_memory(slot);
    }

    fn deliver(&mut self, slot: usize, message: Message, lane: &Lane<'_>) {
        let connection = &mut self.connections[slot];
        match message {
            Message::Kill => {
                if !connection.session.closing {
                    log::info!("client {} is disconnected: killed", connection.session.client.id);
                    self.close(slot);
                }
            }
            Message::Drop => self.close(slot),
            Message::Reply(encoded) => self.answer(slot, &encoded, lane),
            Message::Served { reply, logged } => {
                connection.session.logged = connection.session.logged.max(logged);
                self.answer_with(slot, lane, |out| out.append(reply));
            }
            Message::Unblock { error } => {
                let ending = if error { Ending::Error } else { Ending::TimeOut };
                // What it was sent for may be over, and the client may wait for something else by now.
                let waiting = connection.session.waiting.as_ref();
                let may_end = waiting.is_some_and(|waiting| waiting.kind.may_unblock());
                if may_end && self.withdraw(slot, ending) {
                    self.end_wait(slot, error, lane);
                }
            }
            Message::WaitOver { error } => self.end_wait(slot, error, lane),
        }
    }

    /// Takes a session that waits for keys out of their queues. False if somebody serves it just now: that
    /// one sends the reply, or word that there is none.
    fn withdraw(&self, slot: usize, ending: Ending) -> bool {
        let engine = self.executor.engine();
        match self.connections[slot].session.waiting {
            Some(Waiting { kind: WaitKind::Keys { ticket }, .. }) => {
                engine.waiters.withdraw(ticket, ending, &engine.keyspace)
            }
            _ => true,
        }
    }

    /// Ends a session's wait without what it waited for.
    fn end_wait(&mut self, slot: usize, error: bool, lane: &Lane<'_>) {
        let text = CommandError::text("UNBLOCKED client unblocked via CLIENT UNBLOCK");
        let reply = if error { encode_error(&text) } else { self.deadline_reply(slot) };
        self.answer(slot, &reply, lane);
    }

    /// Ends a session's wait with an encoded reply and goes on with its next requests.
    fn answer(&mut self, slot: usize, encoded: &[u8], lane: &Lane<'_>) {
        self.answer_with(slot, lane, |out| out.tail().extend_from_slice(encoded));
    }

    /// The same with a reply that `write` puts into the outbox.
    fn answer_with(&mut self, slot: usize, lane: &Lane<'_>, write: impl FnOnce(&mut Outbox)) {
        let connection = &mut self.connections[slot];
        if connection.session.waiting.is_some() {
            if connection.session.end_wait() {
                write(&mut connection.outbox);
            }
            self.proceed(slot, lane);
        }
    }

    fn proceed(&mut self, slot: usize, lane: &Lane<'_>) {
        let limits = self.turn_limits();
        let mut turn = lane.enter();
        self.connections[slot].proceed(&mut self.executor, &mut turn, limits);
        self.after_execution(slot);
    }

    fn resume_postponed(&mut self, lane: &Lane<'_>) {
        let postponed = self.connections.iter().filter(|(_, c)| c.postponed_until_ms.is_some());
        let slots: Vec<usize> = postponed.map(|(slot, _)| slot).collect();
        for slot in slots {
            self.connections[slot].postponed_until_ms = None;
            self.proceed(slot, lane);
        }
    }

    fn run_timers(&mut self, lane: &Lane<'_>) {
        let now_ms = self.now.unix_millis();
        while let Some(&Reverse((at_ms, slot, client))) = self.timers.peek() {
            if at_ms > now_ms {
                break;
            }
            self.timers.pop();
            if self.slots.get(&client) == Some(&slot) {
                self.on_timer(slot, now_ms, lane);
            }
        }
    }

    fn on_timer(&mut self, slot: usize, now_ms: i64, lane: &Lane<'_>) {
        let connection = &mut self.connections[slot];
        let is_due = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if is_due(connection.postponed_until_ms) {
            connection.postponed_until_ms = None;
            self.proceed(slot, lane);
        } else if let Some(waiting) = &connection.session.waiting
            && is_due(waiting.deadline_ms)
            && self.withdraw(slot, Ending::TimeOut)
        {
            self.end_wait(slot, false, lane);
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
    fn sweep(&mut self) {
        let now_ms = self.now.unix_millis();
        self.next_sweep_ms = now_ms + SWEEP_MS;
        self.sweep_strangers(now_ms);
        let timeout_ms = self.executor.engine().config.int(params::TIMEOUT) * 1000;
        let idle = |connection: &Connection| {
            let last_active = connection.session.client.last_active_ms.load(Ordering::Relaxed);
            timeout_ms > 0
                && connection.session.waiting.is_none()
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

fn encode_error(error: &CommandError) -> Vec<u8> {
    let mut outbox = Outbox::default();
    Reply::new(&mut outbox, crate::resp::Protocol::Resp2).error(error.to_string().as_bytes());
    outbox.take_all()
}

/// Gives a connection whose requests are about to be executed a buffer for the replies.
fn lend_buffer(pool: &mut BufferPool, connection: &mut Connection) {
    if let Some(buffer) = pool.take() {
        connection.outbox.lend_tail(buffer);
    }
}
