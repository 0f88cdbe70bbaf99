//! Streams: entries in the order of their IDs, and groups of consumers.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
