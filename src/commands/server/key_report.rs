//! What `HOTKEYS` and `BIGKEYS` have in common: the option `COUNT`, and how a key is shown.

use crate::base::bytes::KeyExcerpt;
use crate::exec::{Args, CommandError};
use crate::resp::Reply;

/// No report is longer.
const COUNT_MAX: i64 = 1000;

/// What stands behind the word `COUNT`.
pub(super) fn count_option(args: &mut Args<'_>) -> Result<usize, CommandError> {
    let count = args.integer()?;
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(CommandError::NotBetween { min: 1, max: COUNT_MAX });
    }
    Ok(count as usize)
}

/// Begins the map of one key, with so many fields to come: `key` is what the key begins with if `length`, its bytes,
/// says that there is more.
pub(super) fn begin_key(reply: &mut Reply<'_>, key: &KeyExcerpt, db: usize, fields: usize) {
    reply.map(3 + fields);
    reply.bulk("key");
    reply.bulk(&key.shown);
    reply.bulk("length");
    reply.count(key.len);
    reply.bulk("db");
    reply.count(db);
}

/// Estimates to two digits behind the point.
pub(super) fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
