//! What the commands of several groups share: arguments that they have in common, limits that parameters set to values,
//! the shape of replies, and the `HELP` of a family of subcommands.

pub(super) mod blocking_timeout;
pub(super) mod counted_keys;
pub(super) mod encodings;
pub(super) mod expire_time;
pub(super) mod family_help;
pub(super) mod random_count;
pub(super) mod reply_shape;
pub(super) mod scan_options;
