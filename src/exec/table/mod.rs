//! The command table: a command is a row (`spec`), which says where its keys are (`keyspec`), how much it may have to do
//! (`work`) and what it takes (`syntax`, as `COMMAND DOCS` tells it). The `registry` finds rows by name; `categories` are
//! derived from their flags.

pub(super) mod categories;
pub mod keyspec;
pub(super) mod registry;
pub mod spec;
pub mod syntax;
pub mod work;
