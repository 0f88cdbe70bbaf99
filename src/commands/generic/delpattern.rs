//! `DELPATTERN`: deletes keys by a pattern, without anybody having to wait for it.
//!
//! It goes through the selected database as a scan does, some hundred keys at a time, each time under the lock of one
//! shard. The log gets the names of what was deleted (`DEL`). Others work meanwhile, so keys that come while it
//! runs may be deleted or not; every matching key that was there before and is not touched is deleted. If the
//! server dies in the middle, a part of the keys is deleted. In a transaction all of it happens at once, and everybody
//! waits for it.

use crate::commands::shared::scan_options::matches;
use crate::exec::{Args, CommandError, Context, Outcome};

/// `DELPATTERN pattern [LIMIT count]`: how many keys were deleted.
pub(super) fn delpattern<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let pattern = args.pattern()?;
    let limit = parse_limit(&mut args)?;
    let (mut cursor, mut deleted) = (0, 0);
    while deleted < limit {
        let is_wanted = |key: &[u8]| matches(pattern, key);
        let slice = ctx.remove_slice(cursor, limit - deleted, is_wanted)?;
        deleted += slice.removed;
        cursor = slice.next;
        if cursor == 0 {
            break;
        }
    }
    ctx.reply.count(deleted);
    Ok(())
}

fn parse_limit(args: &mut Args<'_>) -> Result<usize, CommandError> {
    if args.is_empty() {
        return Ok(usize::MAX);
    }
    if !args.take_word("LIMIT") || args.is_empty() {
        return Err(CommandError::Syntax);
    }
    let limit = args.count_from(1, CommandError::MustBePositive)?;
    args.finish()?;
    Ok(limit)
}
