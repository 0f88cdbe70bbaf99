//! The road of a command: lookup → arity → admission → keys → locks → handler → effects → reply.
//!
//! One road for everybody who executes commands. Each thread has an [`Executor`] of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::admission::{self, Refusal};
use super::call::{Call, PANICKED, catching};
use super::context::{Context, Patience};
use super::engine::Engine;
use super::error::{CommandError, excerpt, quotable};
use crate::base::clock::{Moment, Reader};
use crate::base::random::Random;
use crate::config::params::HOTKEYS_SAMPLING;
use crate::exec::slow::lane::Job;
use crate::exec::table::keyspec::NOT_KEY;
use crate::exec::table::registry::{Command, Lookup};
use crate::exec::table::spec::{self, Declared, Outcome};
use crate::exec::telemetry::account::Executed;
use crate::exec::telemetry::hotkeys::Sampler;
use crate::exec::telemetry::stats::ThreadStats;
use crate::exec::waiting::waiters::AwaitedKey;
use crate::resp::{ArgList, Outbox, Reply, ReplyMark};
use crate::session::{CacheFlags, NO_COMMAND, Origin, Session, WaitKind, Waiting};
use crate::store::{
    Access, DeclaredKey, Evictor, GateGuard, LogRecord, Mode, Poisoned, View, Wants, World,
};

/// A request may not be executed yet. It must be tried again at this Unix millisecond, or when told before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postponed(pub i64);

/// See the module's description.
pub struct Executor {
    pub(super) engine: Arc<Engine>,
    pub(super) stats: Arc<ThreadStats>,
    pub(super) random: Random,
    pub(super) reader: Reader,
    /// When the last command ended, which is when the next one begins.
    lap: Moment,
    pub(super) sampler: Sampler,
    pub(super) pending: Pending,
    pub(super) evictor: Evictor,
}

/// What commands leave to be done.
#[derive(Default)]
pub(super) struct Pending {
    /// Something was appended to the log since [`Executor::end_turn`].
    pub has_logged: bool,
    /// Keys that changed and that somebody waits for, in the order of their changes.
    pub ready: VecDeque<AwaitedKey>,
}

impl Executor {
    pub fn new(engine: Arc<Engine>, random: Random) -> Executor {
        let stats = engine.stats.register_thread();
        Executor::with_stats(engine, random, stats)
    }

    /// An executor for loading, whose counters nobody adds up.
    pub fn for_replay(engine: Arc<Engine>) -> Executor {
        let stats = engine.stats.unregistered();
        // Replaying draws no random numbers.
        Executor::with_stats(engine, Random::seeded(0), stats)
    }

    fn with_stats(engine: Arc<Engine>, mut random: Random, stats: Arc<ThreadStats>) -> Executor {
        let reader = Reader::new(&engine.clock);
        let lap = reader.now(&engine.clock);
        let evictor = Evictor::new(Random::seeded(random.next_u64()));
        let sampler = Sampler::new(&engine.hotkeys, Random::seeded(random.next_u64()));
        let pending = Pending::default();
        Executor { stats, engine, random, reader, lap, sampler, pending, evictor }
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub fn stats(&self) -> &ThreadStats {
        &self.stats
    }

    /// Reads the clocks; called when a batch of commands begins.
    pub fn begin_turn(&mut self) -> Moment {
        self.reader = Reader::new(&self.engine.clock);
        self.lap = self.reader.now(&self.engine.clock);
        self.sampler.follow(self.engine.config.int(HOTKEYS_SAMPLING) as u32);
        self.lap
    }

    /// A batch of commands is done: the log may write what they did.
    pub fn end_turn(&mut self) {
        if std::mem::take(&mut self.pending.has_logged)
            && let Some(log) = self.engine.hooks.log()
        {
            log.commit();
        }
    }

    /// Executes one request and writes its reply to the outbox, unless the session waits for it from now on
    /// (`session.waiting`).
    pub fn execute(
        &mut self,
        session: &mut Session,
        args: ArgList<'_>,
        outbox: &mut Outbox,
        guard: &mut GateGuard<'_>,
    ) -> Result<(), Postponed> {
        let mark = Reply::new(outbox, session.protocol).mark();
        let command = match self.find(args) {
            Ok(command) => command,
            Err(_) if is_cross_protocol(args) => {
                turn_away(session);
                return Ok(());
            }
            Err((command, error)) => {
                let number = command.map_or(NO_COMMAND, |command| command.number);
                session.client.last_command.store(number, Ordering::Relaxed);
                self.refuse(session, command, error, outbox, mark);
                return Ok(());
            }
        };
        session.client.last_command.store(command.number, Ordering::Relaxed);
        match self.admit(command, session, args) {
            Ok(()) => {}
            Err(Refusal::Postpone(until_ms)) => return Err(Postponed(until_ms)),
            Err(Refusal::Error(error)) => {
                self.refuse(session, Some(command), error, outbox, mark);
                return Ok(());
            }
            Err(Refusal::LacksRoom) => unreachable!("room was made"),
        }
        if session.transaction.is_open() && !command.spec.has(spec::UNQUEUED) {
            match self.enqueue(command, session, args) {
                Err(error) => self.refuse(session, Some(command), error, outbox, mark),
                Ok(()) => {
                    Reply::new(outbox, session.protocol).simple("QUEUED");
                    self.finish_reply(session, outbox, mark);
                }
            }
            return Ok(());
        }
        log::debug!(
            "client {} runs {} with argument lengths {:?}",
            session.client.id,
            command.spec.name,
            Lengths(args)
        );
        let call = Call { command, args, db: session.db, began: self.lap };
        self.perform(call, session, outbox, guard, mark);
        Ok(())
    }

    /// Runs a command that was admitted, serves those who wait for what it changed, and accounts for it.
    fn perform(
        &mut self,
        call: Call<'_>,
        session: &mut Session,
        outbox: &mut Outbox,
        guard: &mut GateGuard<'_>,
        mark: ReplyMark,
    ) {
        let before = outbox.len();
        let mut outcome = self.run(call, session, outbox, guard);
        if !self.pending.ready.is_empty() {
            self.serve_waiters();
        }
        if session.origin != Origin::Replay {
            self.lap = self.reader.now(&self.engine.clock);
        }
        if session.origin != Origin::Replay && !session.waits_in_slow_lane() {
            let reply_bytes = outbox.len().saturating_sub(before);
            let executed = Executed::new(call, outcome, session, self.lap, reply_bytes);
            self.account(&session.client, &executed);
            outcome = executed.outcome;
        }
        let mark = session.reply_began.take().unwrap_or(mark);
        if let Err(error) = outcome {
            let mut reply = Reply::new(outbox, session.protocol);
            reply.rewind(mark);
            error.reply(&mut reply);
        }
        self.finish_reply(session, outbox, mark);
    }

    /// Whether the command may run now. If it lacks room, evicts for it.
    fn admit(
        &mut self,
        command: Command,
        session: &Session,
        args: ArgList<'_>,
    ) -> Result<(), Refusal> {
        let now = self.lap;
        let mut request = admission::Request::new(command.spec, session, &self.engine, now, args);
        // Read once: it may be changed meanwhile.
        let limit = self.engine.memory.limit();
        let is_limited = limit > 0 && session.origin != Origin::Replay;
        if !is_limited || !request.takes_memory() {
            return admission::admit(&request);
        }
        let bytes = match command.spec.has(spec::EXECUTES_QUEUE) {
            true => session.transaction.memory_bytes(),
            false => args.iter().map(<[u8]>::len).sum(),
        } as u64;
        request.lacks_room = self.lacks_room(bytes, limit);
        match admission::admit(&request) {
            Err(Refusal::LacksRoom) => self.make_room(bytes, limit, now)?,
            other => return other,
        }
        // This request does not say that room is lacking, so that cannot be the answer.
        admission::admit(&admission::Request::new(command.spec, session, &self.engine, now, args))
    }

    /// The command that a request asks for, or why it cannot be executed; and whose refusal that is.
    fn find(&self, args: ArgList<'_>) -> Result<Command, (Option<Command>, CommandError)> {
        match self.engine.registry.lookup(args) {
            Lookup::Found(command) if command.spec.accepts(args.len()) => Ok(command),
            Lookup::Found(command) => {
                Err((Some(command), CommandError::WrongArity(command.spec.full_name())))
            }
            Lookup::Unknown => Err((None, unknown_command(args))),
            Lookup::UnknownSubcommand(family) => {
                let given = excerpt(args.get(1).unwrap_or_default(), 128);
                let command = family.spec.name.to_owned();
                Err((None, CommandError::UnknownSubcommand { given, command }))
            }
        }
    }

    /// Tells a client why its command is neither executed nor queued.
    fn refuse(
        &mut self,
        session: &mut Session,
        command: Option<Command>,
        error: CommandError,
        outbox: &mut Outbox,
        mark: ReplyMark,
    ) {
        let error = self.give_up_transaction(command, session, error);
        if let Some(command) = command {
            self.stats.commands[usize::from(command.number)].rejected.add(1);
        }
        let text = error.to_string();
        self.stats.errors.add(1);
        self.engine.stats.count_error(&text);
        error.reply(&mut Reply::new(outbox, session.protocol));
        self.finish_reply(session, outbox, mark);
    }

    /// A command of a transaction was refused: its `EXEC` will be, too. One that is itself refused ends it.
    fn give_up_transaction(
        &mut self,
        command: Option<Command>,
        session: &mut Session,
        error: CommandError,
    ) -> CommandError {
        if !command.is_some_and(|command| command.spec.has(spec::EXECUTES_QUEUE)) {
            session.transaction.doom();
            return error;
        }
        session.transaction.close();
        self.unwatch(session);
        CommandError::TransactionRefused(error.to_string())
    }

    /// From the keys on. What a panic in a handler leaves is dealt with here.
    fn run(
        &mut self,
        call: Call<'_>,
        session: &mut Session,
        outbox: &mut Outbox,
        guard: &mut GateGuard<'_>,
    ) -> Outcome {
        let work = || {
            if call.spec().has(spec::EXECUTES_QUEUE) && session.transaction.is_open() {
                self.execute_transaction(call, session, outbox, guard)
            } else if call.spec().has(spec::EXCLUSIVE) {
                guard.exclusively(|world| self.run_locked(call, session, outbox, Some(world)))
            } else {
                self.run_locked(call, session, outbox, None)
            }
        };
        catching(call.spec(), work).unwrap_or_else(|| {
            guard.step_in();
            session.closing = true;
            Err(PANICKED)
        })
    }

    fn run_locked(
        &mut self,
        call: Call<'_>,
        session: &mut Session,
        outbox: &mut Outbox,
        world: Option<&World<'_>>,
    ) -> Outcome {
        let engine = &*self.engine;
        let spec = call.spec();
        session.secret_args = 0;
        let mut keys = view(engine, session, call.began);
        lock_keys(&mut keys, spec, call.args)?;
        if world.is_none() && engine.slow_lane.takes(spec, session, call.args, &keys) {
            let copies = (!spec.keys.is_empty()).then(|| keys.copy_declared(lock_mode(spec)));
            engine.slow_lane.submit(Job::new(call.command, session, call.args, copies));
            let kind = WaitKind::SlowLane;
            session.waiting = Some(Waiting { kind, deadline_ms: None, on_deadline: Vec::new() });
            // Taking copies has removed what had expired.
            self.pending.settle(engine, &self.stats, keys, session, call);
            return Ok(());
        }
        let is_replay = session.origin == Origin::Replay;
        let mut ctx = call.context(engine, &mut self.random, session, keys, outbox);
        ctx.world = world;
        match is_replay {
            true => ctx.now = Moment::EPOCH,
            false => ctx.patience = Patience::Waits,
        }
        let outcome = call.handle(&mut ctx);
        let Context { keys, session, .. } = ctx;
        engine.remember_read(spec, &keys, &session.client);
        self.pending.settle(engine, &self.stats, keys, session, call);
        outcome
    }

    /// What a client said about its cache (`CLIENT CACHING`) concerns its next command, or transaction, that is not
    /// about the client itself.
    fn end_caching(&self, session: &Session) {
        let client = &session.client;
        let is_pending = client.cache.flags().has(CacheFlags::CACHING);
        if !is_pending || session.transaction.is_open() {
            return;
        }
        let command = self.engine.registry.get(client.last_command.load(Ordering::Relaxed));
        if !command.is_some_and(|command| command.spec.has(spec::KEEPS_CACHING)) {
            client.cache.clear(CacheFlags::CACHING);
        }
    }

    /// Takes the reply back if the client wants none.
    fn finish_reply(&self, session: &mut Session, outbox: &mut Outbox, mark: ReplyMark) {
        // Otherwise this is for when the reply comes.
        if session.waiting.is_none() {
            self.end_caching(session);
            if !session.takes_reply() {
                Reply::new(outbox, session.protocol).rewind(mark);
            }
        }
    }
}

impl Pending {
    /// Hands out what a command did: to the log while its keys are locked, then to everybody else.
    pub(super) fn settle(
        &mut self,
        engine: &Engine,
        stats: &ThreadStats,
        keys: View<'_>,
        session: &mut Session,
        call: Call<'_>,
    ) {
        if keys.effects.must_log() {
            let record = keys.effects.record(call.db, call.args);
            session.logged = engine.hooks.append_log(&[record]);
            self.has_logged = true;
        }
        self.hand_out(engine, stats, keys, session);
    }

    /// The same for several commands that are one unit.
    pub(super) fn settle_unit(
        &mut self,
        engine: &Engine,
        stats: &ThreadStats,
        keys: View<'_>,
        session: &mut Session,
        unit: &[LogRecord<'_>],
    ) {
        if !unit.is_empty() {
            session.logged = engine.hooks.append_log(unit);
            self.has_logged = true;
        }
        self.hand_out(engine, stats, keys, session);
    }

    /// Lets go of the locks, then tells everybody but the log.
    fn hand_out(
        &mut self,
        engine: &Engine,
        stats: &ThreadStats,
        mut keys: View<'_>,
        session: &Session,
    ) {
        keys.unlock();
        if session.origin != Origin::Network {
            return;
        }
        let effects = &mut keys.effects;
        stats.changes.add(effects.changes);
        stats.hits.add(effects.hits);
        stats.misses.add(effects.misses);
        stats.expired.add(effects.expired);
        engine.tell_caches(effects, Some(session.client.id));
        engine.hooks.drain(effects);
        self.note_ready(engine, &effects.touched, &effects.flushed);
    }

    /// Notes the keys among those changed that somebody waits for.
    pub(super) fn note_ready(
        &mut self,
        engine: &Engine,
        touched: &[AwaitedKey],
        flushed: &[usize],
    ) {
        if !engine.keyspace.has_waiters() {
            return;
        }
        self.ready.extend(engine.waiters.awaited(touched));
        for db in flushed {
            self.ready.extend(engine.waiters.awaited_in(*db));
        }
    }
}

/// Ends the connection of a client that speaks HTTP.
fn turn_away(session: &mut Session) {
    let (id, address) = (session.client.id, &session.client.address);
    log::warn!(
        "client {id} at {address} speaks HTTP: possibly an attack through a browser; disconnected"
    );
    session.closing = true;
}

/// What a browser sends when it is made to send bytes that somebody else chose.
fn is_cross_protocol(args: ArgList<'_>) -> bool {
    let name = args.get(0).unwrap_or_default();
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}

/// A view for a session's command, without locks yet.
pub(super) fn view<'e>(engine: &'e Engine, session: &Session, began: Moment) -> View<'e> {
    let is_replay = session.origin == Origin::Replay;
    let access = Access {
        tracking: engine.tracking(),
        now_ms: began.unix_millis(),
        touches: !session.no_touch,
        random: began.monotonic_nanos as u32 ^ (began.monotonic_nanos as u32).rotate_left(15),
    };
    // What is replayed was done when it was time; what has expired since goes later.
    let now_ms = if is_replay { 0 } else { began.unix_millis() };
    let wants = if is_replay { Wants::default() } else { engine.hooks.wants() };
    View::new(&engine.keyspace, session.db, now_ms, access, wants)
}

/// Locks the keys that a command declares.
pub(super) fn lock_keys<'a>(
    keys: &mut View<'a>,
    spec: &spec::Spec,
    args: ArgList<'a>,
) -> Result<(), Poisoned> {
    if spec.keys.is_empty() {
        return Ok(());
    }
    let mode = lock_mode(spec);
    keys.lock(&declare(spec, args, keys.db, keys.databases()), mode)?;
    // Removals have to be logged behind the locks under which they happened, and who reaches further keys
    // lets go of them. Such a command logs its outcome.
    if mode == Mode::Write && !spec.has_unknown_keys() {
        keys.expire_declared();
    }
    Ok(())
}

/// How a command locks its keys.
pub(super) fn lock_mode(spec: &spec::Spec) -> Mode {
    // A read that keeps what it found out in the value (`PFCOUNT`) is one that may replicate.
    let writes = spec.has(spec::WRITE | spec::MAY_REPLICATE | spec::REGISTERS);
    if writes { Mode::Write } else { Mode::Read }
}

/// The keys of a request, as its row says where they are.
pub(super) fn declare<'a>(
    spec: &spec::Spec,
    args: ArgList<'a>,
    db: usize,
    databases: usize,
) -> Declared<'a> {
    let mut declared = Declared::new();
    if let Some(declare) = spec.declare {
        declare(args, db, databases, &mut declared);
        return declared;
    }
    let mut found = |arg| {
        if let Some(bytes) = args.get(arg) {
            declared.push(DeclaredKey { bytes, db, arg });
        }
    };
    if let Some(find) = spec.find_keys {
        find(args, &mut |arg, _| found(arg));
    } else {
        for key_spec in spec.keys.iter().filter(|spec| !spec.flags.contains(NOT_KEY)) {
            key_spec.positions(args, &mut found);
        }
    }
    declared
}

fn unknown_command(args: ArgList<'_>) -> CommandError {
    /// What is quoted of the name, and of all arguments together.
    const EXCERPT: usize = 128;
    let mut quoted = Vec::new();
    for arg in args.iter().skip(1) {
        if quoted.len() >= EXCERPT {
            break;
        }
        let arg = quotable(arg, EXCERPT - quoted.len());
        quoted.extend_from_slice(&[b"'", arg, b"' "].concat());
    }
    CommandError::UnknownCommand {
        name: quotable(args.get(0).unwrap_or_default(), EXCERPT).to_vec(),
        args: quoted,
    }
}

/// Prints the lengths of arguments, never their contents.
struct Lengths<'a>(ArgList<'a>);

impl std::fmt::Debug for Lengths<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().skip(1).map(<[u8]>::len)).finish()
    }
}
