//! Reading a stream by IDs.

use super::args::{range_end, range_start};
use super::reply::reply_entries;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::value::Stream;

/// `XLEN key`
pub(super) fn xlen<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let len = ctx.keys.collection::<Stream>(&key)?.map_or(0, Stream::len);
    ctx.reply.count(len);
    Ok(())
}

/// `XRANGE key start end [COUNT count]`
pub(super) fn xrange<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    range(ctx, args, false)
}

/// `XREVRANGE key end start [COUNT count]`
pub(super) fn xrevrange<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    range(ctx, args, true)
}

fn range<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, is_backwards: bool) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (first, second) = (args.bytes()?, args.bytes()?);
    let (start, end) = if is_backwards { (second, first) } else { (first, second) };
    let (start, end) = (range_start(start)?, range_end(end)?);
    let mut count = None;
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"COUNT" if !args.is_empty() => count = Some(args.integer()?.max(0) as usize),
            _ => return Err(CommandError::Syntax),
        }
    }
    match ctx.keys.collection::<Stream>(&key)? {
        None => ctx.reply.array(0),
        Some(_) if count == Some(0) => ctx.reply.null_array(),
        Some(stream) => {
            let entries = match is_backwards {
                true => stream.range_backwards(start, end),
                false => stream.range(start, end),
            };
            reply_entries(&mut ctx.reply, entries, count.unwrap_or(usize::MAX));
        }
    }
    Ok(())
}
