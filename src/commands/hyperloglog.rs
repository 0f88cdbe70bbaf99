//! HyperLogLogs: estimates of how many different elements were seen.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
