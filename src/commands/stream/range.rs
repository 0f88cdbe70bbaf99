//! Reading a stream by IDs.

use super::args::{parse_count, range_end, range_start};
use super::reply::reply_entries;
use crate::exec::{Args, CommandError, Context, Outcome, work};
use crate::resp::ArgList;
use crate::store::View;
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
            b"COUNT" if !args.is_empty() => count = Some(parse_count(&mut args)?),
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

pub(super) fn xrange_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    range_work(args, keys, (2, 3))
}

pub(super) fn xrevrange_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    range_work(args, keys, (3, 2))
}

/// The entries between two arguments, or so many as are asked for.
fn range_work(args: ArgList<'_>, keys: &View<'_>, (start, end): (usize, usize)) -> usize {
    let Some(key) = keys.declared(0) else { return 0 };
    let Ok(Some(stream)) = keys.peek_collection::<Stream>(&key) else { return 0 };
    let (Some(start), Some(end)) = (args.get(start), args.get(end)) else { return 0 };
    let (Ok(start), Ok(end)) = (range_start(start), range_end(end)) else { return 0 };
    let count = work::option(args, b"COUNT").unwrap_or(usize::MAX);
    keys.work_of_part(&key, stream.count_about(start, end).min(count))
}
