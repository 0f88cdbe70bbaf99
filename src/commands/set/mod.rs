//! Sets: members without order.

use crate::exec::Spec;

pub static COMMANDS: &[Spec] = &[];
