//! Lists: push and pop at both ends, and reach into the middle.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
