//! What is remembered of a command that was executed: counts, times, slow ones, and what monitors are shown.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::latency::Sample;
use super::slowlog::SlowCall;
use crate::base::clock::Moment;
use crate::config::params;
use crate::exec::call::Call;
use crate::exec::error::CommandError;
use crate::exec::executor::{Executor, declare};
use crate::exec::table::registry::Command;
use crate::exec::table::spec::{self, Outcome};
use crate::session::{Client, Session, WaitKind, Waiting};

/// A command that was executed.
pub(in crate::exec) struct Executed<'a> {
    pub call: Call<'a>,
    pub outcome: Outcome,
    /// The database in which it left its client.
    pub db: usize,
    /// As [`Session::secret_args`].
    pub secret_args: u64,
    /// Time that it took, in nanoseconds.
    pub nanos: u64,
    pub ended: Moment,
    pub reply_bytes: usize,
    /// It found nothing, and is executed again when there is something.
    pub waits_for_keys: bool,
}

impl<'a> Executed<'a> {
    pub(in crate::exec) fn new(
        call: Call<'a>,
        outcome: Outcome,
        session: &Session,
        ended: Moment,
        reply_bytes: usize,
    ) -> Executed<'a> {
        let worked = ended.monotonic_nanos.saturating_sub(call.began.monotonic_nanos).max(0) as u64;
        let nanos = worked.saturating_add(slept_nanos(session, ended));
        let (db, secret_args) = (session.db, session.secret_args);
        let waits_for_keys =
            session.waiting.as_ref().is_some_and(|it| matches!(it.kind, WaitKind::Keys { .. }));
        Executed { call, outcome, db, secret_args, nanos, ended, reply_bytes, waits_for_keys }
    }
}

/// How long the client is going to wait for nothing but time. It counts as time that the command took:
/// `DEBUG SLEEP` plays a slow command.
fn slept_nanos(session: &Session, now: Moment) -> u64 {
    match &session.waiting {
        Some(Waiting { kind: WaitKind::Time, deadline_ms: Some(deadline_ms), .. }) => {
            let millis = deadline_ms.saturating_sub(now.unix_millis()).max(0) as u64;
            millis.saturating_mul(1_000_000)
        }
        _ => 0,
    }
}

impl Executor {
    /// Counts a command that a client has had executed, shows it to monitors, and keeps it if it was slow.
    pub(in crate::exec) fn account(&mut self, client: &Client, executed: &Executed<'_>) {
        let Executed { call, nanos, .. } = executed;
        let command = call.command;
        let stats = &self.stats.commands[usize::from(command.number)];
        stats.calls.add(1);
        stats.nanos.add(*nanos);
        if self.engine.config.flag(params::LATENCY_TRACKING) {
            stats.record_latency(*nanos);
        }
        self.stats.processed.add(1);
        if self.engine.monitors.is_used() {
            self.engine.monitors.show(executed, client, &self.engine.clock);
        }
        if let Err(error) = &executed.outcome {
            note_failed_login(error, client);
            self.count_failure(command, error);
        }
        self.note_latency(executed);
        self.note_if_slow(client, executed);
        if !executed.waits_for_keys && self.sampler.is_due() {
            self.note_keys(*call, executed.reply_bytes, executed.ended);
        }
    }

    /// Notes the keys of a command that a client was answered.
    pub(in crate::exec) fn note_keys(&mut self, call: Call<'_>, reply_bytes: usize, now: Moment) {
        let Call { args, db, .. } = call;
        let spec = call.spec();
        if spec.keys.is_empty() {
            return;
        }
        let engine = &self.engine;
        let declared = declare(spec, args, db, engine.keyspace.databases());
        let keys: SmallVec<[(usize, &[u8]); 4]> =
            declared.iter().map(|key| (key.db, key.bytes)).collect();
        let request_bytes: usize = args.iter().map(<[u8]>::len).sum();
        let bytes = (request_bytes + reply_bytes) as u64;
        let now_ns = now.monotonic_nanos;
        self.sampler.note(&engine.hotkeys, &engine.keyspace, &keys, bytes, now_ns);
    }

    /// Counts a command that failed.
    pub(in crate::exec) fn count_failure(&self, command: Command, error: &CommandError) {
        self.stats.commands[usize::from(command.number)].failed.add(1);
        self.stats.errors.add(1);
        self.engine.stats.count_error(&error.to_string());
    }

    /// The same for the command that a client waited for.
    pub fn count_failed_wait(&self, client: &Client, error: &CommandError) {
        let number = client.last_command.load(Ordering::Relaxed);
        if let Some(command) = self.engine.registry.get(number) {
            self.count_failure(command, error);
        }
    }

    fn note_latency(&self, executed: &Executed<'_>) {
        if self.engine.config.int(params::LATENCY_MONITOR_THRESHOLD) > 0 {
            let is_fast = executed.call.spec().has(spec::FAST);
            let kind = if is_fast { "fast-command" } else { "command" };
            let unix_s = executed.ended.unix_millis() / 1000;
            let sample = Sample { unix_s, millis: executed.nanos / 1_000_000 };
            self.engine.note_latency(kind, sample);
        }
    }

    fn note_if_slow(&self, client: &Client, executed: &Executed<'_>) {
        let config = &self.engine.config;
        let spec = executed.call.spec();
        let threshold_micros = config.int(params::SLOWLOG_LOG_SLOWER_THAN);
        let micros = executed.nanos / 1000;
        if threshold_micros < 0
            || (micros as i64) < threshold_micros
            || spec.has(spec::SKIP_SLOWLOG)
        {
            return;
        }
        if micros > 0 {
            log::info!(
                "client {} at {}: {} took {micros} µs",
                client.id,
                client.address,
                spec.name
            );
        }
        let asked = SlowCall {
            unix_s: executed.ended.unix_millis() / 1000,
            micros,
            args: executed.call.args,
            secret_args: executed.secret_args,
            client,
        };
        self.engine.slowlog.add(asked, config.int(params::SLOWLOG_MAX_LEN) as usize);
    }
}

/// Whoever guesses passwords leaves a trace.
fn note_failed_login(error: &CommandError, client: &Client) {
    if matches!(error, CommandError::WrongPass) {
        log::warn!("client {} at {} failed to authenticate", client.id, client.address);
    }
}
