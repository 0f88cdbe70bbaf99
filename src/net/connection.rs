//! One peer: its socket, its unread bytes, its unsent bytes, its session.

use std::sync::atomic::Ordering;

use super::seats::Seat;
use super::stream::Stream;
use crate::base::limits::UNAUTHENTICATED_QUERY_BYTES_MAX;
use crate::exec::{Executor, Flow};
use crate::resp::{Limits, Outbox, ParseState, Reply, RequestParser, Sent};
use crate::session::{Session, WaitKind};
use crate::store::Turn;

/// How much output a connection may have before it takes over more of what others sent.
const PUSH_WINDOW: usize = 64 * 1024;

pub(super) struct Connection {
    /// Stands before the socket, to be given back before the peer sees that the connection is closed.
    _seat: Seat,
    pub stream: Stream,
    pub session: Session,
    pub outbox: Outbox,
    parser: RequestParser,
    /// Bytes that were read but not executed: part of a request, or requests behind one that waits.
    input: Vec<u8>,
    /// The peer sends no more. What it sent is still executed and answered.
    pub peer_closed: bool,
    /// The first request in `input` must wait until this Unix millisecond, or until it is told.
    pub postponed_until_ms: Option<i64>,
    /// Since when (Unix milliseconds) the output has been above its soft limit.
    pub over_soft_limit_since_ms: Option<i64>,
    /// Queued to be written at the end of the turn.
    pub is_dirty: bool,
    /// The replies wait until the log is durable; until then nothing more is executed, so that they need
    /// not wait for what comes later.
    pub is_on_hold: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream, session: Session, seat: Seat) -> Connection {
        Connection {
            _seat: seat,
            stream,
            session,
            outbox: Outbox::default(),
            parser: RequestParser::default(),
            input: Vec::new(),
            peer_closed: false,
            postponed_until_ms: None,
            over_soft_limit_since_ms: None,
            is_dirty: false,
            is_on_hold: false,
        }
    }

    /// Bytes of requests that were not executed yet.
    pub(super) fn unread(&self) -> usize {
        self.input.len()
    }

    /// Whether the next request must wait for something.
    pub(super) fn is_held_back(&self) -> bool {
        self.is_waiting() || self.is_on_hold
    }

    /// Bytes of output that the peer has not taken.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.outbox.memory_bytes() + self.session.client.inbox.bytes()
    }

    /// Whether it has left more unexecuted than it may. Who has not authenticated may leave little. One that is about
    /// to be closed is still told why.
    pub(super) fn has_sent_too_much(&self, bytes_max: usize) -> bool {
        let bytes_max = match self.session.authenticated {
            true => bytes_max,
            false => bytes_max.min(UNAUTHENTICATED_QUERY_BYTES_MAX),
        };
        self.unread() > bytes_max && !self.session.closing
    }

    /// Whether it owed the password for so long; 0 is never too long.
    pub(super) fn owes_password_for(
        &mut self,
        timeout_ms: i64,
        has_password: bool,
        now_ms: i64,
    ) -> bool {
        let session = &mut self.session;
        if session.authenticated || !has_password {
            session.unauthenticated_since_ms = None;
            return false;
        }
        let since_ms = *session.unauthenticated_since_ms.get_or_insert(now_ms);
        timeout_ms > 0 && now_ms - since_ms >= timeout_ms
    }

    fn is_waiting(&self) -> bool {
        self.session.waiting.is_some() || self.postponed_until_ms.is_some()
    }

    /// Nothing is left to do for this peer. One that has closed gets the answers to what it sent, but
    /// elements are not taken for somebody who is probably gone.
    pub(super) fn is_finished(&self) -> bool {
        let goes_on = self.is_held_back() && !self.waits_for_keys();
        let wants_no_more = self.session.closing || self.peer_closed && !goes_on;
        wants_no_more && self.outbox.is_empty()
    }

    fn waits_for_keys(&self) -> bool {
        let waiting = self.session.waiting.as_ref();
        waiting.is_some_and(|waiting| matches!(waiting.kind, WaitKind::Keys { .. }))
    }

    /// Takes bytes from the socket and executes the requests that are complete. `bulk_bytes_max` is the
    /// limit of a single argument.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        executor: &mut Executor,
        turn: &mut Turn<'_>,
        bulk_bytes_max: usize,
    ) {
        if self.session.closing {
            return;
        }
        if !self.input.is_empty() || self.is_held_back() {
            self.input.extend_from_slice(bytes);
            return self.proceed(executor, turn, bulk_bytes_max);
        }
        let taken = self.execute(bytes, executor, turn, bulk_bytes_max);
        self.input.extend_from_slice(&bytes[taken..]);
    }

    /// Executes what was received before, unless it must still wait.
    pub(super) fn proceed(
        &mut self,
        executor: &mut Executor,
        turn: &mut Turn<'_>,
        bulk_bytes_max: usize,
    ) {
        let mut input = std::mem::take(&mut self.input);
        let taken = self.execute(&input, executor, turn, bulk_bytes_max);
        if taken == input.len() {
            return;
        }
        input.drain(..taken);
        self.input = input;
    }

    /// Executes complete requests from the front of `input`; returns how many bytes they took.
    fn execute(
        &mut self,
        input: &[u8],
        executor: &mut Executor,
        turn: &mut Turn<'_>,
        bulk_bytes_max: usize,
    ) -> usize {
        let mut taken = 0;
        // What arrived behind the command after which somebody killed the client is not executed.
        while !self.is_held_back() && !self.session.closing && !self.session.client.is_killed() {
            let limits = Limits { bulk_bytes_max, authenticated: self.session.authenticated };
            let rest = &input[taken..];
            match self.parser.parse(rest, &limits) {
                Ok(ParseState::Incomplete(_)) => break,
                Ok(ParseState::Nothing(count)) => taken += count,
                Ok(ParseState::Complete(count)) => {
                    let args = self.parser.request().args(rest);
                    let flow = executor.execute(&mut self.session, args, &mut self.outbox, turn);
                    if let Flow::Postpone(until_ms) = flow {
                        self.postponed_until_ms = Some(until_ms);
                        break;
                    }
                    taken += count;
                    self.take_pushes();
                }
                Err(error) => {
                    log::info!("client {} is disconnected: {error}", self.session.client.id);
                    let text = format!("ERR {error}");
                    if self.session.takes_reply() {
                        Reply::new(&mut self.outbox, self.session.protocol).error(text.as_bytes());
                    }
                    self.session.closing = true;
                }
            }
        }
        taken
    }

    /// Takes over what others sent, as much as the peer can be expected to read soon.
    pub(super) fn take_pushes(&mut self) {
        let inbox = &self.session.client.inbox;
        if !inbox.is_empty() && !self.session.closing {
            inbox.take_into(&mut self.outbox, PUSH_WINDOW);
        }
    }

    /// Sends what the socket takes, at most so many bytes. `Err` when the peer is gone.
    pub(super) fn send(&mut self, bytes_max: usize) -> std::io::Result<Sent> {
        self.outbox.write_some(&mut self.stream, bytes_max)
    }

    /// Shows others the present state of this connection.
    pub(super) fn publish(&self, now_ms: i64) {
        let client = &self.session.client;
        client.last_active_ms.store(now_ms, Ordering::Relaxed);
        client.db.store(self.session.db as u32, Ordering::Relaxed);
        client.query_buffer.store(self.input.len(), Ordering::Relaxed);
        client.query_buffer_capacity.store(self.input.capacity(), Ordering::Relaxed);
        let transaction = &self.session.transaction;
        let queued = transaction.is_open().then(|| transaction.len());
        let memory = transaction.memory_bytes() + self.session.watches.memory_bytes();
        client.show_transaction(queued, memory);
        let waiting = self.session.waiting.as_ref();
        let may_unblock = waiting.is_some_and(|waiting| waiting.kind.may_unblock());
        client.may_unblock.store(may_unblock, Ordering::Relaxed);
        // Released behind it: who sees that a client waits can also unblock it.
        client.is_waiting.store(self.is_waiting(), Ordering::Release);
    }

    pub(super) fn publish_output(&mut self) {
        let client = &self.session.client;
        client.output_tail.store(self.outbox.len(), Ordering::Relaxed);
        client.output_segments.store(self.outbox.segments(), Ordering::Relaxed);
        client.output_memory.store(self.outbox.memory_bytes(), Ordering::Relaxed);
        client.output_own_memory.store(self.outbox.own_bytes(), Ordering::Relaxed);
    }
}
