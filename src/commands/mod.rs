//! The commands: one file or folder per group of the Redis documentation, each opening with its table (in `server`, families of
//! subcommands have theirs). What several groups need is in `shared`.
//!
//! A function is named like its command (`SETRANGE` → `setrange`, `CLIENT KILL` → `client_kill`). It
//! reads its arguments, works on the locked view, and writes its reply; nothing else.

mod bitmap;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod server;
mod set;
mod shared;
mod sorted_set;
mod stream;
mod string;
mod transactions;

use crate::exec::{Registry, Spec};

/// All tables, with the group that their commands belong to.
pub const TABLES: &[(&str, &[Spec])] = &[
    ("bitmap", bitmap::COMMANDS),
    ("connection", connection::COMMANDS),
    ("generic", generic::COMMANDS),
    ("geo", geo::COMMANDS),
    ("hash", hash::COMMANDS),
    ("hyperloglog", hyperloglog::COMMANDS),
    ("list", list::COMMANDS),
    ("pubsub", pubsub::COMMANDS),
    ("server", server::COMMANDS),
    ("server", server::bigkeys::COMMANDS),
    ("server", server::command::COMMANDS),
    ("server", server::config::COMMANDS),
    ("server", server::debug::COMMANDS),
    ("server", server::help::COMMANDS),
    ("server", server::hotkeys::COMMANDS),
    ("server", server::info::COMMANDS),
    ("server", server::latency::COMMANDS),
    ("server", server::memory::COMMANDS),
    ("server", server::slowlog::COMMANDS),
    ("set", set::COMMANDS),
    ("sorted-set", sorted_set::COMMANDS),
    ("stream", stream::COMMANDS),
    ("string", string::COMMANDS),
    ("transactions", transactions::COMMANDS),
];

/// The registry of all commands.
pub fn registry() -> Registry {
    registry_with(&[])
}

/// The same with more commands, which a test provides.
pub fn registry_with(more: &'static [Spec]) -> Registry {
    Registry::new(&[TABLES, &[("server", more)]].concat())
}

#[cfg(test)]
mod tests;
