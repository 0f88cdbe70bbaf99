//! What commands on hashes have the log repeat instead of themselves: absolute deadlines, and only of those
//! fields that changed.

use crate::exec::Context;
use crate::store::Key;

type Words = Vec<Vec<u8>>;

/// A command that begins with `head` and names `fields`.
fn plain(head: &[&[u8]], fields: &[&[u8]]) -> Words {
    head.iter().chain(fields).map(|word| word.to_vec()).collect()
}

/// The same, with `FIELDS` and their number between. `step`: how many words go with a field, itself included.
fn counted(head: &[&[u8]], fields: &[&[u8]], step: usize) -> Words {
    let count = (fields.len() / step).to_string();
    let head = [head, &[b"FIELDS", count.as_bytes()]].concat();
    plain(&head, fields)
}

/// Fields were deleted. None: nothing happened.
pub(super) fn log_deletion(ctx: &mut Context<'_>, key: &Key<'_>, fields: &[&[u8]]) {
    if !fields.is_empty() {
        ctx.keys.log_instead(|| plain(&[b"HDEL", key.bytes], fields));
    }
}

/// Fields got a deadline. None: nothing happened.
pub(super) fn log_deadline(ctx: &mut Context<'_>, key: &Key<'_>, unix_ms: i64, fields: &[&[u8]]) {
    if !fields.is_empty() {
        let time = unix_ms.to_string();
        ctx.keys.log_instead(|| counted(&[b"HPEXPIREAT", key.bytes, time.as_bytes()], fields, 1));
    }
}

/// Fields lost their deadlines. None: nothing happened.
pub(super) fn log_persistence(ctx: &mut Context<'_>, key: &Key<'_>, fields: &[&[u8]]) {
    if !fields.is_empty() {
        ctx.keys.log_instead(|| counted(&[b"HPERSIST", key.bytes], fields, 1));
    }
}

/// Fields got values and have no deadline any more.
pub(super) fn log_values(ctx: &mut Context<'_>, key: &Key<'_>, pairs: &[&[u8]]) {
    ctx.keys.log_instead(|| plain(&[b"HSET", key.bytes], pairs));
}

/// Fields got values and kept their deadlines, if one of them has any.
pub(super) fn log_values_kept(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    has_deadline: bool,
    pairs: &[&[u8]],
) {
    if has_deadline {
        ctx.keys.log_instead(|| counted(&[b"HSETEX", key.bytes, b"KEEPTTL"], pairs, 2));
    } else {
        // Older servers understand this as well.
        log_values(ctx, key, pairs);
    }
}
