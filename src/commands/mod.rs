//! The commands: one file per group of the Redis documentation, each opening with its table.
//!
//! A function is named like its command (`SETRANGE` → `setrange`, `CLIENT KILL` → `client_kill`). It
//! reads its arguments, works on the locked view, and writes its reply; nothing else.

mod bigkeys;
mod bitmap;
mod blocking_timeout;
mod client;
mod client_list;
mod client_tracking;
mod command;
mod command_docs;
mod command_info;
mod config;
mod connection;
mod debug;
mod debug_digest;
mod encodings;
mod expire_time;
mod family_help;
mod generic;
mod geo;
mod hash;
mod help;
mod hotkeys;
mod hyperloglog;
mod info;
mod info_sections;
mod key_report;
mod latency;
mod latency_report;
mod list;
mod lolwut;
mod many_pop;
mod memory;
mod pubsub;
mod random_count;
mod scan_options;
mod server;
mod set;
mod slowlog;
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
    ("server", bigkeys::COMMANDS),
    ("server", command::COMMANDS),
    ("server", config::COMMANDS),
    ("server", debug::COMMANDS),
    ("server", help::COMMANDS),
    ("server", hotkeys::COMMANDS),
    ("server", info::COMMANDS),
    ("server", latency::COMMANDS),
    ("server", memory::COMMANDS),
    ("server", server::COMMANDS),
    ("server", slowlog::COMMANDS),
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
