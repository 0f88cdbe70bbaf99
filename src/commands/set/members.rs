//! Single members: add, remove, move, look up; and walking through all of them.

use crate::commands::shared::encodings::set_limits;
use crate::commands::shared::scan_options::{ScanOptions, Scanned, parse_cursor, reply_scan};
use crate::exec::{Args, Context, Outcome};
use crate::store::event;
use crate::value::Set;

/// `SADD key member [member ...]`: how many members were not there before.
pub(super) fn sadd<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let limits = set_limits(&ctx.engine.config);
    let members = args.rest();
    let added = ctx.keys.edit(&key, |set: &mut Set, change| {
        set.make_room(members.get(0).unwrap_or_default(), members.len(), &limits);
        let added = members.iter().filter(|member| set.insert(member, &limits)).count();
        if added > 0 {
            change.event(event::SADD);
        }
        added
    })?;
    ctx.reply.count(added);
    Ok(())
}

/// `SREM key member [member ...]`: how many members were there.
pub(super) fn srem<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let members = args.rest();
    let removed = ctx.keys.edit_existing(&key, |set: &mut Set, change| {
        let removed = members.iter().filter(|member| set.remove(member)).count();
        if removed > 0 {
            change.event(event::SREM);
        }
        removed
    })?;
    ctx.reply.count(removed.unwrap_or(0));
    Ok(())
}

/// `SMOVE source destination member`
pub(super) fn smove<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    let member = args.bytes()?;
    let Some(set) = ctx.keys.peek_collection::<Set>(&source)? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let is_there = set.contains(member);
    ctx.keys.peek_collection::<Set>(&target)?;
    let is_same = source.db == target.db && source.bytes == target.bytes;
    if is_there && !is_same {
        let limits = set_limits(&ctx.engine.config);
        ctx.keys.edit_existing(&source, |set: &mut Set, change| {
            set.remove(member);
            change.event(event::SREM);
        })?;
        ctx.keys.edit(&target, |set: &mut Set, change| {
            if set.is_empty() {
                set.make_room(member, 1, &limits);
            }
            if set.insert(member, &limits) {
                change.event(event::SADD);
            }
        })?;
    }
    ctx.reply.integer(i64::from(is_there));
    Ok(())
}

/// `SISMEMBER key member`
pub(super) fn sismember<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let member = args.bytes()?;
    let is_member = ctx.keys.collection::<Set>(&key)?.is_some_and(|set| set.contains(member));
    ctx.reply.integer(i64::from(is_member));
    Ok(())
}

/// `SMISMEMBER key member [member ...]`
pub(super) fn smismember<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let members = args.rest();
    let set = ctx.keys.collection::<Set>(&key)?;
    ctx.reply.array(members.len());
    for member in members.iter() {
        ctx.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// `SCARD key`
pub(super) fn scard<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let len = ctx.keys.collection::<Set>(&key)?.map_or(0, Set::len);
    ctx.reply.count(len);
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`: a missing key is empty before the options are looked at.
pub(super) fn sscan<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let cursor = parse_cursor(&mut args)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut next = 0;
    if let Some(set) = ctx.keys.collection::<Set>(&key)? {
        let options = ScanOptions::parse(&mut args, Scanned::Elements)?;
        next = set.scan(cursor, options.count, |member| {
            member.with_bytes(|bytes| {
                if options.matches(bytes) {
                    found.push(bytes.to_vec());
                }
            });
        });
    }
    reply_scan(&mut ctx.reply, next, &found);
    Ok(())
}
