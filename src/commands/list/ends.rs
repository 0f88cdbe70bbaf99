//! Pushing and popping at the ends.

use super::{limits, parse_end, pop_command, pop_event, push_event};
use crate::commands::shared::counted_keys::ManyPop;
use crate::exec::{Args, CommandError, Context, Outcome, reply_element};
use crate::resp::Reply;
use crate::store::Key;
use crate::value::List;
use crate::value::list::End;

/// `LPUSH key element [element ...]`
pub(super) fn lpush<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    push(ctx, args, End::Left)
}

/// `RPUSH key element [element ...]`
pub(super) fn rpush<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    push(ctx, args, End::Right)
}

fn push<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, end: End) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let limits = limits(ctx);
    let len = ctx.keys.edit(&key, |list: &mut List, change| {
        list.push_all(end, args.rest().iter(), &limits);
        change.event(push_event(end));
        list.len()
    })?;
    ctx.reply.count(len);
    Ok(())
}

/// `LPUSHX key element [element ...]`
pub(super) fn lpushx<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    push_if_present(ctx, args, End::Left)
}

/// `RPUSHX key element [element ...]`
pub(super) fn rpushx<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    push_if_present(ctx, args, End::Right)
}

fn push_if_present<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, end: End) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let limits = limits(ctx);
    let len = ctx.keys.edit_existing(&key, |list: &mut List, change| {
        list.push_all(end, args.rest().iter(), &limits);
        change.event(push_event(end));
        list.len()
    })?;
    ctx.reply.count(len.unwrap_or(0));
    Ok(())
}

/// `LLEN key`
pub(super) fn llen<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let len = ctx.keys.collection::<List>(&key)?.map_or(0, List::len);
    ctx.reply.count(len);
    Ok(())
}

/// `LPOP key [count]`
pub(super) fn lpop<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop(ctx, args, End::Left)
}

/// `RPOP key [count]`
pub(super) fn rpop<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop(ctx, args, End::Right)
}

/// Without a count, one element as a string; with one, an array, even of none.
fn pop<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, end: End) -> Outcome {
    let key = args.key(&ctx.keys)?;
    if args.left() > 1 {
        return Err(CommandError::ArgumentCount);
    }
    if args.is_empty() {
        if !take(ctx, &key, end, 1, |_, _| {})? {
            ctx.reply.null();
        }
        return Ok(());
    }
    let count = args.count_from(0, CommandError::MustBePositive)?;
    if count == 0 {
        match ctx.keys.peek_collection::<List>(&key)? {
            Some(_) => ctx.reply.array(0),
            None => ctx.reply.null_array(),
        }
    } else if !take(ctx, &key, end, count, |reply, count| reply.array(count))? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// Takes elements off an end, as many as there are up to `count`, and replies with them, nearest to the
/// end first; `begin` writes what precedes them, given their number. False if there is no list.
pub(super) fn take(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    end: End,
    count: usize,
    begin: impl FnOnce(&mut Reply<'_>, usize),
) -> Result<bool, CommandError> {
    let limits = limits(ctx);
    let reply = &mut ctx.reply;
    let taken = ctx.keys.edit_existing(key, |list: &mut List, change| {
        let len = list.len();
        let count = count.min(len);
        begin(reply, count);
        let range = match end {
            End::Left => 0..count,
            End::Right => len - count..len,
        };
        let elements = list.range(range.clone());
        match end {
            End::Left => elements.for_each(|element| reply_element(reply, element)),
            End::Right => elements.rev().for_each(|element| reply_element(reply, element)),
        }
        list.remove(range);
        list.shrink(&limits);
        change.event(pop_event(end));
    })?;
    Ok(taken.is_some())
}

/// Takes elements from the first list that there is and replies with its key and them. False if there is
/// none.
pub(super) fn take_from_first(
    ctx: &mut Context<'_>,
    pop: &ManyPop<'_, End>,
) -> Result<bool, CommandError> {
    for key in &pop.keys {
        let mut taken = 0;
        let found = take(ctx, key, pop.end, pop.count, |reply, count| {
            taken = count;
            reply.array(2);
            reply.bulk(key.bytes);
            reply.array(count);
        })?;
        if found {
            ctx.keys.log_instead(|log| {
                log.words([pop_command(pop.end), key.bytes]);
                log.text(taken);
            });
            return Ok(true);
        }
    }
    Ok(false)
}

/// `LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
pub(super) fn lmpop<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let pop = ManyPop::parse(ctx, &mut args, parse_end)?;
    if !take_from_first(ctx, &pop)? {
        ctx.reply.null_array();
    }
    Ok(())
}
