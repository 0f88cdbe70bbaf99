//! Moving an element from one list to another, or around within one.

use super::{end_name, limits, parse_end, pop_event, push_event};
use crate::commands::shared::blocking_timeout::deadline_of_seconds;
use crate::exec::{Args, CommandError, Context, KeyWait, Outcome, Wanted};
use crate::store::Key;
use crate::value::List;
use crate::value::list::{End, ListLimits};
use crate::value::listpack::Element;

/// Where an element goes from and to.
#[derive(Clone, Copy)]
struct Way {
    from: End,
    to: End,
}

const RIGHT_TO_LEFT: Way = Way { from: End::Right, to: End::Left };

fn parse_way(args: &mut Args<'_>) -> Result<Way, CommandError> {
    Ok(Way { from: parse_end(args)?, to: parse_end(args)? })
}

/// `LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>`
pub(super) fn lmove<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    let way = parse_way(&mut args)?;
    if !move_element(ctx, &source, &target, way)? {
        ctx.reply.null();
    }
    Ok(())
}

/// `RPOPLPUSH source destination`
pub(super) fn rpoplpush<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    if !move_element(ctx, &source, &target, RIGHT_TO_LEFT)? {
        ctx.reply.null();
    }
    Ok(())
}

/// `BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout`
pub(super) fn blmove<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    let way = parse_way(&mut args)?;
    let deadline_ms = deadline_of_seconds(args.bytes()?, ctx.now_ms())?;
    if !move_element(ctx, &source, &target, way)? {
        wait_for(ctx, source, deadline_ms);
        return Ok(());
    }
    ctx.keys.log_instead(|log| {
        log.words([b"LMOVE", source.bytes, target.bytes]);
        log.words([way.from, way.to].map(end_name));
    });
    Ok(())
}

/// `BRPOPLPUSH source destination timeout`
pub(super) fn brpoplpush<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    let deadline_ms = deadline_of_seconds(args.bytes()?, ctx.now_ms())?;
    if !move_element(ctx, &source, &target, RIGHT_TO_LEFT)? {
        wait_for(ctx, source, deadline_ms);
        return Ok(());
    }
    ctx.keys.log_instead(|log| log.words([b"RPOPLPUSH", source.bytes, target.bytes]));
    Ok(())
}

/// Who waited in vain is told so by a null array, as all who wait for lists; who may not wait by the null
/// that `LMOVE` has.
fn wait_for<'a>(ctx: &mut Context<'a>, source: Key<'a>, deadline_ms: Option<i64>) {
    if !ctx.may_wait() {
        ctx.reply.null();
        return;
    }
    let keys = &[source];
    ctx.wait_for_keys(KeyWait { keys, wanted: Wanted::List, deadline_ms, args: None });
}

/// Moves an element and replies with it; false if there is no source. In Redis what was pushed is told
/// before what was popped.
fn move_element(
    ctx: &mut Context<'_>,
    source: &Key<'_>,
    target: &Key<'_>,
    way: Way,
) -> Result<bool, CommandError> {
    let Some(list) = ctx.keys.peek_collection::<List>(source)? else { return Ok(false) };
    let element = list.last(way.from).expect("no list is empty");
    // Redis hands over integers as such and does not count their digits.
    let room = match element {
        Element::Integer(_) => 0,
        Element::Bytes(bytes) => bytes.len(),
    };
    let value = element.to_vec();
    ctx.keys.peek_collection::<List>(target)?;
    let limits = limits(ctx);
    if source.db == target.db && source.bytes == target.bytes {
        ctx.keys.edit_existing(source, |list: &mut List, change| {
            remove_last(list, way.from);
            list.make_room(room, 1, &limits);
            list.push(way.to, &value, &limits);
            list.shrink(&limits);
            change.event(push_event(way.to));
            change.event(pop_event(way.from));
        })?;
    } else {
        push_to(ctx, target, way.to, &value, room, &limits)?;
        ctx.keys.edit_existing(source, |list: &mut List, change| {
            remove_last(list, way.from);
            list.shrink(&limits);
            change.event(pop_event(way.from));
        })?;
    }
    ctx.reply.bulk(&value);
    Ok(true)
}

fn push_to(
    ctx: &mut Context<'_>,
    target: &Key<'_>,
    end: End,
    value: &[u8],
    room: usize,
    limits: &ListLimits,
) -> Outcome {
    ctx.keys.edit(target, |list: &mut List, change| {
        list.make_room(room, 1, limits);
        list.push(end, value, limits);
        change.event(push_event(end));
    })?;
    Ok(())
}

fn remove_last(list: &mut List, end: End) {
    let last = match end {
        End::Left => 0,
        End::Right => list.len() - 1,
    };
    list.remove(last..last + 1);
}
