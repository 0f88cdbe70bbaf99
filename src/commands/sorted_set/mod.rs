//! Sorted sets: members in the order of their scores.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
