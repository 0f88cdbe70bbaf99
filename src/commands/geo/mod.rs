//! Positions on earth, kept in sorted sets.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
