//! Admission: what must hold before a command may run.
//!
//! Conditions are tried in the order in which Redis checks, so that a command with several faults gets
//! the same error. (Unknown names and wrong argument counts come before all of them.)

use std::sync::atomic::Ordering::Relaxed;

use super::engine::Engine;
use super::error::CommandError;
use crate::base::clock::Moment;
use crate::config::params;
use crate::exec::table::spec::{self, Flags, Spec};
use crate::persist::log::Log;
use crate::resp::{ArgList, Protocol};
use crate::session::{Origin, Session};

/// What conditions look at.
pub(super) struct Request<'a> {
    pub spec: &'static Spec,
    /// The row's, and of `EXEC` also those of what is queued.
    flags: Flags,
    pub session: &'a Session,
    pub engine: &'a Engine,
    pub now: Moment,
    args: ArgList<'a>,
    /// There is no room for what it brings.
    pub lacks_room: bool,
}

impl<'a> Request<'a> {
    pub(super) fn new(
        spec: &'static Spec,
        session: &'a Session,
        engine: &'a Engine,
        now: Moment,
        args: ArgList<'a>,
    ) -> Request<'a> {
        let mut flags = spec.flags;
        if spec.has(spec::EXECUTES_QUEUE) {
            for (number, _) in session.transaction.commands() {
                let queued = engine.registry.get(number).map_or(0, |command| command.spec.flags);
                flags |= queued & (spec::WRITE | spec::DENY_OOM | spec::MAY_REPLICATE);
                flags &= queued | !spec::LOADING;
            }
        }
        Request { spec, flags, session, engine, now, args, lacks_room: false }
    }

    /// Whether it makes the data grow, or a queue.
    pub(super) fn takes_memory(&self) -> bool {
        // Queueing takes memory, whatever is queued.
        let is_queued = self.session.transaction.is_open() && !self.spec.has(spec::UNQUEUED);
        self.has(spec::DENY_OOM) || is_queued
    }

    fn has(&self, flag: Flags) -> bool {
        self.flags & flag != 0
    }
}

/// Why a command may not run now.
pub(super) enum Refusal {
    Error(CommandError),
    /// It may later: at this Unix millisecond, or when told before.
    Postpone(i64),
    /// It may if room is made for it.
    LacksRoom,
}

type Condition = fn(&Request<'_>) -> Result<(), Refusal>;

const CONDITIONS: [Condition; 12] = [
    protected,
    authenticated,
    alone,
    sizes,
    memory,
    disk,
    log_failed,
    subscribed,
    loading,
    monitors,
    paused,
    log_behind,
];

pub(super) fn admit(request: &Request<'_>) -> Result<(), Refusal> {
    if request.session.origin == Origin::Replay {
        return Ok(());
    }
    CONDITIONS.iter().try_for_each(|condition| condition(request))
}

/// Commands that reveal or break the server's insides, as `enable-debug-command` says.
fn protected(request: &Request<'_>) -> Result<(), Refusal> {
    if !request.spec.has(spec::PROTECTED) {
        return Ok(());
    }
    let config = &request.engine.config;
    if config.allows(params::ENABLE_DEBUG_COMMAND, request.session.client.address.is_local()) {
        return Ok(());
    }
    Err(Refusal::Error(CommandError::text(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", \
         you can run it from a local connection, otherwise you need to set this option in the configuration \
         file, and then restart the server.",
    )))
}

fn authenticated(request: &Request<'_>) -> Result<(), Refusal> {
    if request.spec.has(spec::NO_AUTH) || request.engine.lets_in(request.session) {
        return Ok(());
    }
    Err(Refusal::Error(CommandError::NoAuth))
}

/// Commands that cannot be part of a transaction.
fn alone(request: &Request<'_>) -> Result<(), Refusal> {
    let is_part = request.session.transaction.is_open() && !request.spec.has(spec::UNQUEUED);
    if is_part && request.spec.has(spec::NO_MULTI) {
        let text = "ERR Command not allowed inside a transaction";
        return Err(Refusal::Error(CommandError::text(text)));
    }
    Ok(())
}

/// What is too long needs no room made for it.
fn sizes(request: &Request<'_>) -> Result<(), Refusal> {
    let checked = request.engine.check_sizes(request.spec, request.args, request.session);
    checked.map_err(Refusal::Error)
}

fn memory(request: &Request<'_>) -> Result<(), Refusal> {
    if request.lacks_room { Err(Refusal::LacksRoom) } else { Ok(()) }
}

fn disk(request: &Request<'_>) -> Result<(), Refusal> {
    if !request.has(spec::WRITE) || !request.engine.health.has_save_failed() {
        return Ok(());
    }
    // Who has set no save points does not count on snapshots, and nothing would try again.
    let config = &request.engine.config;
    if !config.flag(params::STOP_WRITES_ON_BGSAVE_ERROR) || config.text(params::SAVE).is_empty() {
        return Ok(());
    }
    Err(Refusal::Error(CommandError::Misconf))
}

fn log_failed(request: &Request<'_>) -> Result<(), Refusal> {
    if request.has(spec::WRITE) && request.engine.hooks.log().is_some_and(Log::refuses_changes) {
        return Err(Refusal::Error(CommandError::LogFailed));
    }
    Ok(())
}

/// In RESP2 messages cannot be told from replies, so who listens to channels may ask for little else.
fn subscribed(request: &Request<'_>) -> Result<(), Refusal> {
    let session = request.session;
    if session.protocol == Protocol::Resp3
        || session.subscriptions.is_empty()
        || request.spec.has(spec::SUBSCRIBER)
    {
        return Ok(());
    }
    Err(Refusal::Error(CommandError::Subscribed(request.spec.full_name())))
}

fn loading(request: &Request<'_>) -> Result<(), Refusal> {
    if request.engine.health.is_loading() && !request.has(spec::LOADING) {
        return Err(Refusal::Error(CommandError::Loading));
    }
    Ok(())
}

/// Who is shown what others do takes no part in it, as in Redis, where it counts as a replica.
fn monitors(request: &Request<'_>) -> Result<(), Refusal> {
    let concerns_keys = request.has(spec::READ | spec::WRITE | spec::MAY_REPLICATE);
    if concerns_keys && request.session.client.monitors.load(Relaxed) {
        let problem = "ERR Replica can't interact with the keyspace";
        return Err(Refusal::Error(CommandError::text(problem)));
    }
    Ok(())
}

fn paused(request: &Request<'_>) -> Result<(), Refusal> {
    let changes = request.has(spec::WRITE | spec::MAY_REPLICATE);
    let is_exempt =
        || request.has(spec::UNPAUSABLE) || request.session.client.monitors.load(Relaxed);
    match request.engine.pause.holds(changes, request.now.unix_millis()) {
        Some(until_ms) if !is_exempt() => Err(Refusal::Postpone(until_ms)),
        _ => Ok(()),
    }
}

/// Writers wait while the disk does not follow the log.
fn log_behind(request: &Request<'_>) -> Result<(), Refusal> {
    /// Who waits is told when to go on; this is only in case that is missed.
    const LOG_RETRY_MS: i64 = 100;
    let log = request.engine.hooks.log().filter(|_| request.has(spec::WRITE));
    match log {
        Some(log) if log.is_behind(request.now.monotonic_nanos) => {
            Err(Refusal::Postpone(request.now.unix_millis() + LOG_RETRY_MS))
        }
        _ => Ok(()),
    }
}
