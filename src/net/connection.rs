//! One peer: its socket, its unread bytes, its unsent bytes, its session.
//!
//! A turn of a connection is bounded: by commands, by bytes of requests and by bytes of replies. What is left of a long
//! pipeline then waits here, and nothing is read behind it, until the worker's other connections had their turn.

use std::sync::atomic::Ordering;

use super::input::Input;
use super::seats::Seat;
use super::stream::Stream;
use crate::base::limits::{
    TURN_REPLY_BYTES_MAX, TURN_REQUEST_BYTES_MAX, UNAUTHENTICATED_QUERY_BYTES_MAX,
    WAITING_REQUEST_BYTES_MAX,
};
use crate::exec::{Executor, Postponed};
use crate::resp::{Limits, Outbox, ParseState, Reply, RequestParser, Sent};
use crate::session::{Footprint, Session, WaitKind};
use crate::store::GateGuard;

/// How much output a connection may have before it takes over more of what others sent.
const PUSH_WINDOW: usize = 64 * 1024;

/// What arrives for a request that is not complete is given to it in at most so many pieces, after each of which the
/// parser knows better what is missing.
const PIECES_MAX: usize = 3;

/// What one turn may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnLimits {
    /// The longest single argument.
    pub bulk_bytes_max: usize,
    /// The most commands.
    pub commands_max: usize,
}

pub(super) struct Connection {
    /// Stands before the socket, to be given back before the peer sees that the connection is closed.
    _seat: Seat,
    pub stream: Stream,
    pub session: Session,
    pub outbox: Outbox,
    parser: RequestParser,
    input: Input,
    /// So many bytes the request at its front needs in all, as far as the parser knows. 0 if it may be complete.
    wanted: usize,
    /// A turn ended with more in `input`, perhaps whole requests.
    has_more: bool,
    /// The socket may have bytes, or the end of the stream.
    pub is_readable: bool,
    /// The kernel has said that the stream ends, so there is something to read until the end is read.
    pub is_ending: bool,
    /// Queued for another turn.
    pub is_in_backlog: bool,
    /// The peer sends no more. What it sent is still executed and answered.
    pub peer_closed: bool,
    /// The first request in `input` must wait until this Unix millisecond, or until it is told.
    pub postponed_until_ms: Option<i64>,
    /// The time (Unix milliseconds) at which its worker looks at it because of a wait.
    pub timer_ms: Option<i64>,
    /// Since when (Unix milliseconds) the output has been above its soft limit.
    pub over_soft_limit_since_ms: Option<i64>,
    /// What was last counted of the memory that this client takes.
    pub counted: Footprint,
    /// Queued to be written at the end of the turn.
    pub is_dirty: bool,
    /// It is among those that have more to send than one turn allows.
    pub is_unsent: bool,
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
            input: Input::default(),
            wanted: 0,
            has_more: false,
            is_readable: false,
            is_ending: false,
            is_in_backlog: false,
            peer_closed: false,
            postponed_until_ms: None,
            timer_ms: None,
            over_soft_limit_since_ms: None,
            counted: Footprint::default(),
            is_dirty: false,
            is_unsent: false,
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

    /// Something that it had to wait for is over. Unless it waits for something else, what came meanwhile is to be
    /// executed, even if the peer sends no more.
    pub(super) fn go_on(&mut self) {
        self.has_more = !self.is_held_back() && !self.input.is_empty();
    }

    /// Bytes of output that the peer has not taken.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.outbox.memory_bytes() + self.session.client.inbox.bytes()
    }

    /// Whether it has left more unexecuted than it may, with the places of an unfinished request's arguments. Who is not
    /// let in yet may leave little. One that is about to be closed is still told why.
    pub(super) fn has_sent_too_much(&self, bytes_max: usize, is_let_in: bool) -> bool {
        let bytes_max = match is_let_in {
            true => bytes_max,
            false => bytes_max.min(UNAUTHENTICATED_QUERY_BYTES_MAX),
        };
        self.unread() + self.parser.unfinished_bytes() > bytes_max && !self.session.closing
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

    /// Whether it may read from its socket now. Whole requests that are left of a turn come first, and one that is held
    /// back for a while needs no more of them. Who waits for keys is read on, because the end of the stream ends the
    /// waiting, and is known only when everything before it was read.
    pub(super) fn wants_input(&self) -> bool {
        let is_full = self.is_held_back()
            && !self.waits_for_keys()
            && self.unread() >= WAITING_REQUEST_BYTES_MAX;
        !self.has_more && !self.peer_closed && (!is_full || self.is_ending)
    }

    /// Whether a turn ended before its requests did.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether another turn has something to do.
    pub(super) fn wants_turn(&self) -> bool {
        self.has_more && !self.is_held_back() || self.is_readable && self.wants_input()
    }

    /// Nothing is left to do for this peer. One that has closed gets the answers to what it sent, but
    /// elements are not taken for somebody who is probably gone.
    pub(super) fn is_finished(&self) -> bool {
        let goes_on = self.has_more || self.is_held_back() && !self.waits_for_keys();
        let wants_no_more = self.session.closing || self.peer_closed && !goes_on;
        wants_no_more && self.outbox.is_empty()
    }

    fn waits_for_keys(&self) -> bool {
        let waiting = self.session.waiting.as_ref();
        waiting.is_some_and(|waiting| matches!(waiting.kind, WaitKind::Keys { .. }))
    }

    /// Takes bytes from the socket and executes the requests that are complete.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        executor: &mut Executor,
        guard: &mut GateGuard<'_>,
        limits: TurnLimits,
    ) {
        if self.session.closing {
            return;
        }
        let (bytes, limits) = self.finish_request(bytes, executor, guard, limits);
        if !self.input.is_empty() || self.is_held_back() {
            self.input.append(bytes, self.wanted);
            return self.proceed(executor, guard, limits);
        }
        let taken = self.execute(bytes, executor, guard, limits);
        self.input.append(&bytes[taken..], self.wanted);
    }

    /// Gives the request at the front of `input` what it lacks, and executes it, so that those behind it need not be
    /// copied there. Returns the bytes that are left, and what the turn may still do.
    fn finish_request<'b>(
        &mut self,
        mut bytes: &'b [u8],
        executor: &mut Executor,
        guard: &mut GateGuard<'_>,
        mut limits: TurnLimits,
    ) -> (&'b [u8], TurnLimits) {
        // With many short arguments it is cheaper to copy.
        for _ in 0..PIECES_MAX {
            let missing = self.wanted.saturating_sub(self.input.len());
            if missing == 0 || missing > bytes.len() || self.input.is_empty() || self.is_held_back()
            {
                break;
            }
            let front = bytes.split_off(..missing).expect("so many bytes are there");
            self.input.append(front, self.wanted);
            self.proceed(executor, guard, TurnLimits { commands_max: 1, ..limits });
            if self.input.is_empty() {
                limits.commands_max = limits.commands_max.saturating_sub(1);
            }
        }
        (bytes, limits)
    }

    /// Executes what was received before, unless it must still wait.
    pub(super) fn proceed(
        &mut self,
        executor: &mut Executor,
        guard: &mut GateGuard<'_>,
        limits: TurnLimits,
    ) {
        let mut input = std::mem::take(&mut self.input);
        let taken = self.execute(input.rest(), executor, guard, limits);
        input.take(taken);
        self.input = input;
    }

    /// Executes complete requests from the front of `input`, as many as a turn may; returns how many bytes they took.
    fn execute(
        &mut self,
        input: &[u8],
        executor: &mut Executor,
        guard: &mut GateGuard<'_>,
        TurnLimits { bulk_bytes_max, mut commands_max }: TurnLimits,
    ) -> usize {
        let mut taken = 0;
        let outbox_bytes_max = self.outbox.len() + TURN_REPLY_BYTES_MAX;
        self.has_more = false;
        self.wanted = 0;
        // What arrived behind the command after which somebody killed the client is not executed.
        while !self.is_held_back() && !self.session.closing && !self.session.client.is_killed() {
            if commands_max == 0
                || taken >= TURN_REQUEST_BYTES_MAX
                || self.outbox.len() >= outbox_bytes_max
            {
                self.has_more = taken < input.len();
                break;
            }
            let authenticated = executor.engine().lets_in(&self.session);
            let limits = Limits { bulk_bytes_max, authenticated };
            let rest = &input[taken..];
            match self.parser.parse(rest, &limits) {
                Ok(ParseState::Incomplete(wanted)) => {
                    self.wanted = wanted;
                    break;
                }
                Ok(ParseState::Nothing(count)) => taken += count,
                Ok(ParseState::Complete(count)) => {
                    let args = self.parser.request().args(rest);
                    let executed =
                        executor.execute(&mut self.session, args, &mut self.outbox, guard);
                    if let Err(Postponed(until_ms)) = executed {
                        self.postponed_until_ms = Some(until_ms);
                        break;
                    }
                    taken += count;
                    commands_max -= 1;
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

    /// The peer has shown that it is there.
    pub(super) fn note_activity(&self, now_ms: i64) {
        self.session.client.last_active_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Shows others the present state of this connection.
    pub(super) fn publish(&self, now_ms: i64) {
        self.note_activity(now_ms);
        let client = &self.session.client;
        client.db.store(self.session.db as u32, Ordering::Relaxed);
        client.query_buffer.store(self.input.len(), Ordering::Relaxed);
        client.query_buffer_capacity.store(self.input.capacity(), Ordering::Relaxed);
        client.args_memory.store(self.parser.memory_bytes(), Ordering::Relaxed);
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
        client.output_bytes.store(self.outbox.len(), Ordering::Relaxed);
        client.output_segments.store(self.outbox.segments(), Ordering::Relaxed);
        client.output_memory.store(self.outbox.memory_bytes(), Ordering::Relaxed);
        client.output_own_memory.store(self.outbox.own_bytes(), Ordering::Relaxed);
    }
}
