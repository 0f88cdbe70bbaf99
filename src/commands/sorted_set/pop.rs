//! Taking out the members with the lowest or highest scores, if need be after waiting for them.
//!
//! Whatever the command was, the log gets `ZPOPMIN key count` or `ZPOPMAX key count`.

use crate::commands::shared::blocking_timeout::deadline_of_seconds;
use crate::commands::shared::counted_keys::ManyPop;
use crate::commands::shared::reply_shape::ReplyShape;
use crate::exec::{Args, CommandError, Context, KeyWait, Keys, Outcome, Wanted};
use crate::resp::Protocol;
use crate::store::{Key, event};
use crate::value::SortedSet;
use crate::value::sorted_set::{End, Scored};

/// What was popped, and from where.
type Popped<'a> = (Key<'a>, Scored);

/// Pops up to `count` members from one end; none if the key is missing.
fn pop(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    end: End,
    count: usize,
) -> Result<Scored, CommandError> {
    let (kind, name) = match end {
        End::Lowest => (event::ZPOPMIN, "ZPOPMIN"),
        End::Highest => (event::ZPOPMAX, "ZPOPMAX"),
    };
    let popped = ctx.keys.edit_existing(key, |set: &mut SortedSet, change| {
        let popped = set.pop(end, count);
        if !popped.is_empty() {
            change.event(kind);
        }
        popped
    })?;
    let popped = popped.unwrap_or_default();
    if !popped.is_empty() {
        ctx.keys.log_instead(|log| {
            log.words([name.as_bytes(), key.bytes]);
            log.text(popped.len());
        });
    }
    Ok(popped)
}

/// Pops from the first of the keys that exists.
fn pop_first<'a>(
    ctx: &mut Context<'a>,
    keys: &[Key<'a>],
    end: End,
    count: usize,
) -> Result<Option<Popped<'a>>, CommandError> {
    for key in keys {
        let popped = pop(ctx, key, end, count)?;
        if !popped.is_empty() {
            return Ok(Some((*key, popped)));
        }
    }
    Ok(None)
}

/// `ZPOPMIN key [count]`
pub(super) fn zpopmin<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop_one_key(ctx, args, End::Lowest)
}

/// `ZPOPMAX key [count]`
pub(super) fn zpopmax<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop_one_key(ctx, args, End::Highest)
}

/// In RESP3 members and scores are pairs only where a count was given.
fn pop_one_key<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, end: End) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let is_counted = !args.is_empty();
    if args.left() > 1 {
        return Err(CommandError::Syntax);
    }
    let count = if is_counted { args.count_from(0, CommandError::MustBePositive)? } else { 1 };
    let popped = pop(ctx, &key, end, count)?;
    let is_nested = is_counted && ctx.reply.protocol() == Protocol::Resp3;
    let shape = if is_nested { ReplyShape::Pairs } else { ReplyShape::Flat };
    shape.reply_members(&mut ctx.reply, &popped);
    Ok(())
}

/// `MIN` or `MAX`
fn parse_end(args: &mut Args<'_>) -> Result<End, CommandError> {
    args.choice(&[("MIN", End::Lowest), ("MAX", End::Highest)])
}

fn reply_key_and_members(ctx: &mut Context<'_>, (key, members): &Popped<'_>) {
    ctx.reply.array(2);
    ctx.reply.bulk(key.bytes);
    ReplyShape::Pairs.reply_members(&mut ctx.reply, members);
}

/// `ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]`
pub(super) fn zmpop<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let wanted = ManyPop::parse(ctx, &mut args, parse_end)?;
    match pop_first(ctx, &wanted.keys, wanted.end, wanted.count)? {
        Some(popped) => reply_key_and_members(ctx, &popped),
        None => ctx.reply.null_array(),
    }
    Ok(())
}

/// `BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]`: the timeout is looked at last.
pub(super) fn bzmpop<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let timeout = args.bytes()?;
    let wanted = ManyPop::parse(ctx, &mut args, parse_end)?;
    let deadline_ms = deadline_of_seconds(timeout, ctx.now_ms())?;
    match pop_first(ctx, &wanted.keys, wanted.end, wanted.count)? {
        Some(popped) => reply_key_and_members(ctx, &popped),
        None => wait(ctx, &wanted.keys, deadline_ms),
    }
    Ok(())
}

/// `BZPOPMIN key [key ...] timeout`
pub(super) fn bzpopmin<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop_or_wait(ctx, args, End::Lowest)
}

/// `BZPOPMAX key [key ...] timeout`
pub(super) fn bzpopmax<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop_or_wait(ctx, args, End::Highest)
}

fn pop_or_wait<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, end: End) -> Outcome {
    let mut keys = Keys::new();
    while args.left() > 1 {
        keys.push(args.key(&ctx.keys)?);
    }
    let deadline_ms = deadline_of_seconds(args.bytes()?, ctx.now_ms())?;
    let Some((key, members)) = pop_first(ctx, &keys, end, 1)? else {
        wait(ctx, &keys, deadline_ms);
        return Ok(());
    };
    let (member, score) = members.first().expect("one was popped");
    ctx.reply.array(3);
    ctx.reply.bulk(key.bytes);
    ctx.reply.bulk(member);
    ctx.reply.double(*score);
    Ok(())
}

fn wait<'a>(ctx: &mut Context<'a>, keys: &[Key<'a>], deadline_ms: Option<i64>) {
    ctx.wait_for_keys(KeyWait { keys, wanted: Wanted::SortedSet, deadline_ms, args: None });
}
