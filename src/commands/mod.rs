//! The commands: one file per group of the Redis documentation, each opening with its table.
//!
//! A function is named like its command (`SETRANGE` → `setrange`, `CLIENT KILL` → `client_kill`). It
//! reads its arguments, works on the locked view, and writes its reply; nothing else.

mod expire_time;
mod family_help;
mod generic;
mod string;

use crate::exec::{Registry, Spec};

/// All tables, with the group that their commands belong to.
pub const TABLES: &[(&str, &[Spec])] =
    &[("generic", generic::COMMANDS), ("string", string::COMMANDS)];

/// The registry of all commands.
pub fn registry() -> Registry {
    Registry::new(TABLES)
}
