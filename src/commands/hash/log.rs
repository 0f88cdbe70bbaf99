//! What commands on hashes have the log repeat instead of themselves: absolute deadlines, and only of those
//! fields that changed.

use crate::exec::Context;
use crate::store::{Key, LogCommand};

/// `FIELDS`, their number, and the fields. `step`: how many words go with a field, itself included.
fn counted(log: &mut LogCommand, fields: &[&[u8]], step: usize) {
    log.words([b"FIELDS"]);
    log.text(fields.len() / step);
    log.words(fields);
}

/// Fields were deleted. None: nothing happened.
pub(super) fn log_deletion(ctx: &mut Context<'_>, key: &Key<'_>, fields: &[&[u8]]) {
    if !fields.is_empty() {
        ctx.keys.log_instead(|log| {
            log.words([b"HDEL", key.bytes]);
            log.words(fields);
        });
    }
}

/// Fields got a deadline. None: nothing happened.
pub(super) fn log_deadline(ctx: &mut Context<'_>, key: &Key<'_>, unix_ms: i64, fields: &[&[u8]]) {
    if !fields.is_empty() {
        ctx.keys.log_instead(|log| {
            log.words([b"HPEXPIREAT", key.bytes]);
            log.text(unix_ms);
            counted(log, fields, 1);
        });
    }
}

/// Fields lost their deadlines. None: nothing happened.
pub(super) fn log_persistence(ctx: &mut Context<'_>, key: &Key<'_>, fields: &[&[u8]]) {
    if !fields.is_empty() {
        ctx.keys.log_instead(|log| {
            log.words([b"HPERSIST", key.bytes]);
            counted(log, fields, 1);
        });
    }
}

/// Fields got values and have no deadline any more.
pub(super) fn log_values(ctx: &mut Context<'_>, key: &Key<'_>, pairs: &[&[u8]]) {
    ctx.keys.log_instead(|log| {
        log.words([b"HSET", key.bytes]);
        log.words(pairs);
    });
}

/// Fields got values and kept their deadlines, if one of them has any.
pub(super) fn log_values_kept(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    has_deadline: bool,
    pairs: &[&[u8]],
) {
    if has_deadline {
        ctx.keys.log_instead(|log| {
            log.words([b"HSETEX", key.bytes, b"KEEPTTL"]);
            counted(log, pairs, 2);
        });
    } else {
        // Older servers understand this as well.
        log_values(ctx, key, pairs);
    }
}
