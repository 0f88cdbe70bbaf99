//! What follows from a parameter's value, where somebody must be told of it: the others are read when they are needed.
//!
//! `CONFIG SET` and the start walk the same rows.

use super::control::ServerControl;
use super::descriptors::allow_clients;
use super::logging;
use super::snapshotter::Job;
use crate::config::choice::EvictionPolicy;
use crate::config::params::{self, Param};

/// Who is told of a parameter.
struct Effect {
    param: &'static Param,
    /// At the start as well. (The log and the limit of clients are taken care of elsewhere then.)
    at_start: bool,
    tell: fn(&ServerControl),
}

impl Effect {
    const fn always(param: &'static Param, tell: fn(&ServerControl)) -> Effect {
        Effect { param, at_start: true, tell }
    }

    const fn later(param: &'static Param, tell: fn(&ServerControl)) -> Effect {
        Effect { param, at_start: false, tell }
    }
}

static EFFECTS: [Effect; 10] = [
    Effect::always(params::LOGLEVEL.param(), |server| logging::set_level(&server.engine.config)),
    Effect::always(params::MAXMEMORY.param(), |server| {
        let bytes = server.engine.config.int(params::MAXMEMORY) as u64;
        server.engine.memory.set_limit(bytes);
    }),
    Effect::always(params::MAXMEMORY_POLICY.param(), |server| {
        let policy = server.engine.config.choice(params::MAXMEMORY_POLICY);
        let is_lfu = matches!(policy, EvictionPolicy::AllkeysLfu | EvictionPolicy::VolatileLfu);
        server.engine.set_lfu(is_lfu);
    }),
    Effect::always(params::CLIENT_OUTPUT_BUFFER_LIMIT.param(), |server| {
        server.engine.clients.allowance.set(&server.engine.config.output_limits());
    }),
    Effect::always(params::NOTIFY_KEYSPACE_EVENTS.param(), |server| {
        server.engine.pubsub.set_event_classes(server.engine.config.event_classes());
    }),
    Effect::always(params::PUBSUB_HISTORY_MEMORY.param(), |server| {
        let bytes = server.engine.config.int(params::PUBSUB_HISTORY_MEMORY) as usize;
        server.engine.pubsub.set_history_bytes_max(bytes);
    }),
    Effect::always(params::PUBSUB_HISTORY.param(), |server| {
        server.engine.pubsub.set_history_rules(server.engine.config.history_rules());
    }),
    // What is to be done shows when it is done.
    Effect::later(params::APPENDONLY.param(), |server| {
        server.snapshotter.submit(Job::FollowAppendonly);
    }),
    Effect::later(params::APPENDFSYNC.param(), |server| server.log.settings_changed()),
    Effect::later(params::LOG_BACKLOG_LIMIT.param(), |server| server.log.settings_changed()),
];

/// Puts everything into effect that was configured before the start.
pub(super) fn begin(server: &ServerControl) {
    EFFECTS.iter().filter(|effect| effect.at_start).for_each(|effect| (effect.tell)(server));
}

/// Puts what these parameters say into effect, all of it or nothing: an error names the parameter that the system cannot
/// follow.
pub(super) fn follow(
    server: &ServerControl,
    names: &[&'static str],
) -> Result<(), (&'static str, String)> {
    for name in names {
        check_possible(server, name).map_err(|reason| (*name, reason))?;
    }
    let concerned = EFFECTS.iter().filter(|effect| names.contains(&effect.param.name));
    concerned.for_each(|effect| (effect.tell)(server));
    Ok(())
}

/// Looks whether the system can do what a parameter says now.
fn check_possible(server: &ServerControl, name: &str) -> Result<(), String> {
    if ![params::MAXCLIENTS.name(), params::MAXCLIENTS_RESERVED.name()].contains(&name) {
        return Ok(());
    }
    let config = &server.engine.config;
    let wanted = config.int(params::MAXCLIENTS) as u64;
    let reserved = config.int(params::MAXCLIENTS_RESERVED) as u64;
    match allow_clients(wanted, reserved) {
        possible if possible < wanted => Err(format!(
            "The operating system is not able to handle the specified number of clients, try with {possible}"
        )),
        _ => Ok(()),
    }
}
