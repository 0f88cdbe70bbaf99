//! Strings as arrays of bits.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
