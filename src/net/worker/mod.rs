//! A worker: one thread that owns its connections for life.
//!
//! Its turn: sleep in `poll` until sockets are ready, mail has come or a timer is due; read at most
//! 64 KiB from each readable connection and execute the complete requests, up to `turn-command-limit`; then
//! write once to each connection that has output. Connections with more to execute or to read wait for the next
//! turn, so that one peer's pipeline cannot starve the rest. Readiness is edge-triggered; a short read means
//! that the socket is empty.
//!
//! There is one place that executes requests (`serve_all`). Whoever has waited for something and need wait no longer
//! is let go: it gets its turn there, like those whose sockets are readable, so that one turn is bounded however many
//! are let go at once.
//!
//! `waits` is about those who wait for something, `durability` about what waits for the log, `sending` about what
//! happens at the end of a turn, and `limits` about who has to be disconnected.
//!
//! Idle connections own no buffers: input is read into the worker's, and output buffers go back to a
//! pool when they were sent.

mod buffers;
mod durability;
mod limits;
mod sending;
mod waits;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use self::buffers::BufferPool;
use self::durability::DurabilityQueue;
use self::limits::SWEEP_MS;
use self::waits::Timers;
use super::connection::{Connection, TurnLimits};
use super::mailbox::{Accepted, Mail, Mailbox};
use super::seats::Seat;
use crate::base::clock::Moment;
use crate::base::limits::{TURN_READ_BYTES_MAX, WORKER_TURN_REPLY_BYTES_MAX};
use crate::base::random::Random;
use crate::config::params;
use crate::exec::{Ending, Engine, Executor, depart};
use crate::session::{Footprint, Origin, Postbox, Session};
use crate::store::{Gate, GateGuard};

const WAKE: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1024;

/// See the module's description.
pub struct Worker {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    executor: Executor,
    /// Boxed, because a slab doubles, and half-empty room for connections is memory.
    connections: Slab<Box<Connection>>,
    /// Slots by client number.
    slots: HashMap<u64, usize>,
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
    timers: Timers,
    /// Connections with a command that may not be executed yet.
    postponed: BTreeSet<usize>,
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
            slots: HashMap::new(),
            scratch: vec![0; TURN_READ_BYTES_MAX],
            backlog: Vec::new(),
            replied: 0,
            dirty: Vec::new(),
            unsent: VecDeque::new(),
            pushed: Vec::new(),
            rests_until_ns: None,
            departed: Vec::new(),
            timers: Timers::default(),
            postponed: BTreeSet::new(),
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
        let gate = engine.keyspace.gate();
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.stopping {
            let limit =
                if self.mailbox.fall_asleep() { self.sleep() } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, limit) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.turn(&events, &gate);
        }
        let released = self.released();
        let connections = self.connections.drain();
        connections.filter(|c| c.session.logged <= released).for_each(|mut connection| {
            // Last words; a peer that does not take them now will not get them.
            let _ = connection.send(usize::MAX);
        });
        Ok(())
    }

    /// How long there is nothing to do.
    fn sleep(&self) -> Option<Duration> {
        if !self.backlog.is_empty() || !self.unsent.is_empty() {
            return Some(Duration::ZERO);
        }
        let engine = self.executor.engine();
        let now_ms = engine.clock.unix_millis();
        let timer = self.timers.first_ms();
        let sweep = (!self.connections.is_empty()).then_some(self.next_sweep_ms);
        let next = timer.into_iter().chain(sweep).min();
        let next = next.map(|at_ms| (at_ms - now_ms).max(0) as u64).map(Duration::from_millis);
        let rest = self.rests_until_ns.map(|until_ns| until_ns - engine.clock.monotonic_nanos());
        let rest = rest.map(|left_ns| Duration::from_nanos(left_ns.max(0) as u64));
        next.into_iter().chain(rest).min()
    }

    fn turn(&mut self, events: &Events, gate: &Gate<'_>) {
        self.now = self.executor.begin_turn();
        self.replied = 0;
        if self.mailbox.answer() {
            self.read_mail();
        }
        self.run_timers();
        self.follow_log();
        self.serve_all(events, gate);
        self.executor.end_turn();
        self.send_round();
        self.pool.count(&self.executor.engine().clients.memory);
        self.limit_client_memory();
        self.await_log();
        if self.now.unix_millis() >= self.next_sweep_ms {
            self.sweep();
        }
        if !self.departed.is_empty() {
            let _guard = gate.enter();
            self.departed.drain(..).for_each(|mut session| self.executor.unwatch(&mut session));
        }
    }

    /// Those who were let go, or had more to do than their last turn allowed, then those whose sockets are ready.
    fn serve_all(&mut self, events: &Events, gate: &Gate<'_>) {
        let mut guard = gate.enter();
        for slot in std::mem::take(&mut self.backlog) {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.is_in_backlog = false;
                self.serve(slot, &mut guard);
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
                self.serve(slot, &mut guard);
            }
        }
    }

    /// Executes what is left of a connection's last turn; if that is nothing, reads from it once and executes what is
    /// complete.
    fn serve(&mut self, slot: usize, guard: &mut GateGuard<'_>) {
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
            connection.proceed(&mut self.executor, guard, limits);
        } else if !self.receive(slot, guard, limits) {
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
    fn receive(&mut self, slot: usize, guard: &mut GateGuard<'_>, limits: TurnLimits) -> bool {
        let connection = &mut self.connections[slot];
        match connection.stream.read(&mut self.scratch) {
            Ok(0) => connection.peer_closed = true,
            Ok(count) => {
                connection.is_readable = connection.is_ending || count == self.scratch.len();
                self.executor.stats().reads.add(1);
                self.executor.stats().bytes_in.add(count as u64);
                lend_buffer(&mut self.pool, connection);
                connection.receive(&self.scratch[..count], &mut self.executor, guard, limits);
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

    /// Gives a connection another turn.
    fn queue(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        if !std::mem::replace(&mut connection.is_in_backlog, true) {
            self.backlog.push(slot);
        }
    }

    /// What must be done next whenever commands of a connection were executed, or may be from now on.
    fn after_execution(&mut self, slot: usize) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        connection.publish(self.now.unix_millis());
        let wants_turn = connection.wants_turn();
        self.note_wait(slot);
        if wants_turn {
            self.queue(slot);
        }
        self.mark_dirty(slot);
    }

    fn close(&mut self, slot: usize) {
        if self.connections.contains(slot) {
            self.withdraw(slot, Ending::Gone);
            self.forget_wait(slot);
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

    fn read_mail(&mut self) {
        for mail in self.mailbox.take() {
            match mail {
                Mail::Adopt(accepted, seat) => self.adopt(accepted, seat),
                Mail::Deliver { client, message } => {
                    if let Some(slot) = self.slots.get(&client).copied() {
                        self.deliver(slot, message);
                    }
                }
                Mail::Resume => self.resume_postponed(),
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
        let mut session = Session::new(client, Origin::Network, authenticated);
        session.unauthenticated_since_ms = (!authenticated).then_some(created_ms);
        self.connections.insert(Box::new(Connection::new(stream, session, seat)));
        self.count_memory(slot);
    }
}

/// Gives a connection whose requests are about to be executed a buffer for the replies, if it has none.
fn lend_buffer(pool: &mut BufferPool, connection: &mut Connection) {
    if connection.outbox.has_no_buffer()
        && let Some(buffer) = pool.take()
    {
        connection.outbox.lend_tail(buffer);
    }
}
