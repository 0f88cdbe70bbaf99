//! Hashes: fields and their values.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
