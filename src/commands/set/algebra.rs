//! Several sets at once: union, intersection, difference.

use crate::commands::shared::counted_keys::parse_numkeys;
use crate::commands::shared::encodings::set_limits;
use crate::exec::{Args, CommandError, Context, Keys, Outcome, reply_element};
use crate::store::{EventKind, Key, View, event};
use crate::value::Set;
use crate::value::set::{
    SetLimits, common_members, difference, intersection, intersection_count, union,
};

/// Makes one set of several; `None` is a key that does not exist.
type Operation = fn(&[Option<&Set>], &SetLimits) -> Set;

fn unite(sets: &[Option<&Set>], limits: &SetLimits) -> Set {
    union(sets.iter().copied().flatten(), limits)
}

fn intersect(sets: &[Option<&Set>], limits: &SetLimits) -> Set {
    let all: Option<Vec<&Set>> = sets.iter().copied().collect();
    all.map(|sets| intersection(&sets, limits)).unwrap_or_default()
}

/// Looks all keys up in order, as `Redis` does before it does anything else: each counts as a hit or a miss,
/// and none may be of another type.
fn look_up<'a>(
    ctx: &mut Context<'a>,
    args: &mut Args<'a>,
    count: usize,
) -> Result<Keys<'a>, CommandError> {
    let mut keys = Keys::new();
    for _ in 0..count {
        let key = args.key(&ctx.keys)?;
        ctx.keys.collection::<Set>(&key)?;
        keys.push(key);
    }
    Ok(keys)
}

/// What was looked up. The same key twice is the same set.
fn sets<'v>(view: &'v View<'_>, keys: &[Key<'_>]) -> Vec<Option<&'v Set>> {
    let set = |key| view.peek_collection(key).expect("its type was looked at");
    keys.iter().map(set).collect()
}

fn reply_members(ctx: &mut Context<'_>, set: &Set) {
    ctx.reply.set(set.len());
    set.iter().for_each(|member| reply_element(&mut ctx.reply, member));
}

fn combine<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, operation: Operation) -> Outcome {
    let count = args.left();
    let keys = look_up(ctx, &mut args, count)?;
    let result = operation(&sets(&ctx.keys, &keys), &set_limits(&ctx.engine.config));
    reply_members(ctx, &result);
    Ok(())
}

fn store<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    operation: Operation,
    kind: EventKind,
) -> Outcome {
    let target = args.key(&ctx.keys)?;
    let count = args.left();
    let keys = look_up(ctx, &mut args, count)?;
    let result = operation(&sets(&ctx.keys, &keys), &set_limits(&ctx.engine.config));
    ctx.reply.count(result.len());
    if result.is_empty() {
        ctx.keys.remove(&target, event::DEL);
    } else {
        ctx.keys.put_collection(&target, result, kind);
    }
    Ok(())
}

/// `SUNION key [key ...]`
pub(super) fn sunion<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    combine(ctx, args, unite)
}

/// `SUNIONSTORE destination key [key ...]`
pub(super) fn sunionstore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    store(ctx, args, unite, event::SUNIONSTORE)
}

/// `SDIFF key [key ...]`
pub(super) fn sdiff<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    combine(ctx, args, difference)
}

/// `SDIFFSTORE destination key [key ...]`
pub(super) fn sdiffstore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    store(ctx, args, difference, event::SDIFFSTORE)
}

/// `SINTERSTORE destination key [key ...]`
pub(super) fn sinterstore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    store(ctx, args, intersect, event::SINTERSTORE)
}

/// `SINTER key [key ...]` and `SMEMBERS key`: the members of the result have the order of the smallest set.
pub(super) fn sinter<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let count = args.left();
    let keys = look_up(ctx, &mut args, count)?;
    let all: Option<Vec<&Set>> = sets(&ctx.keys, &keys).into_iter().collect();
    let members = all.map(|sets| common_members(&sets)).unwrap_or_default();
    ctx.reply.set(members.len());
    members.iter().for_each(|member| reply_element(&mut ctx.reply, *member));
    Ok(())
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn sintercard<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let count = parse_numkeys(&mut args)?;
    if count > args.left() {
        let text = "ERR Number of keys can't be greater than number of args";
        return Err(CommandError::text(text));
    }
    // The options are looked at before the keys.
    let mut options = args;
    (0..count).try_for_each(|_| options.bytes().map(drop))?;
    let limit = parse_limit(&mut options)?;
    let keys = look_up(ctx, &mut args, count)?;
    let all: Option<Vec<&Set>> = sets(&ctx.keys, &keys).into_iter().collect();
    ctx.reply.count(all.map_or(0, |sets| intersection_count(&sets, limit)));
    Ok(())
}

/// Reads `[LIMIT limit]` to the end: how far to count. 0 is no limit, and the last one is what counts.
pub(in crate::commands) fn parse_limit(args: &mut Args<'_>) -> Result<usize, CommandError> {
    let mut limit = 0;
    while !args.is_empty() {
        if !args.take_word("LIMIT") || args.is_empty() {
            return Err(CommandError::Syntax);
        }
        limit = args.count_from(0, CommandError::text("ERR LIMIT can't be negative"))?;
    }
    Ok(if limit == 0 { usize::MAX } else { limit })
}
