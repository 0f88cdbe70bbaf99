//! Fields: set, read, delete.

use super::{reply_element, reply_value};
use crate::commands::shared::encodings::hash_limits;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::Reply;
use crate::store::event;
use crate::value::Hash;
use crate::value::hash::Pair;

/// `HSET key field value [field value ...]`: how many fields are new.
pub(super) fn hset<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    let created = set_pairs(ctx, args)?;
    ctx.reply.count(created);
    Ok(())
}

/// `HMSET key field value [field value ...]`
pub(super) fn hmset<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_pairs(ctx, args)?;
    ctx.reply.ok();
    Ok(())
}

/// Sets fields without deadlines; tells how many of them are new.
fn set_pairs<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Result<usize, CommandError> {
    let key = args.key(&ctx.keys)?;
    if !args.left().is_multiple_of(2) {
        return Err(CommandError::ArgumentCount);
    }
    let limits = hash_limits(&ctx.engine.config);
    let created = ctx.keys.edit(&key, |hash: &mut Hash, change| {
        change.event(event::HSET);
        hash.make_room(args.left() / 2, &limits);
        let mut created = 0;
        while let (Ok(field), Ok(value)) = (args.bytes(), args.bytes()) {
            created += usize::from(hash.insert(field, value, &limits));
            hash.persist(field);
        }
        created
    })?;
    Ok(created)
}

/// `HSETNX key field value`
pub(super) fn hsetnx<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (field, value) = (args.bytes()?, args.bytes()?);
    let limits = hash_limits(&ctx.engine.config);
    let now_ms = ctx.now_ms();
    let is_missing = ctx.keys.edit(&key, |hash: &mut Hash, change| {
        let is_missing = !hash.contains(field, now_ms);
        if is_missing {
            hash.insert(field, value, &limits);
            change.event(event::HSET);
        }
        is_missing
    })?;
    ctx.reply.integer(i64::from(is_missing));
    Ok(())
}

/// `HDEL key field [field ...]`: how many there were.
pub(super) fn hdel<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let fields = args.rest();
    let removed = ctx.keys.edit_existing(&key, |hash: &mut Hash, change| {
        let removed = fields.iter().filter(|field| hash.remove(field)).count();
        if removed > 0 {
            change.event(event::HDEL);
        }
        removed
    })?;
    ctx.reply.count(removed.unwrap_or(0));
    Ok(())
}

/// `HGET key field`
pub(super) fn hget<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let field = args.bytes()?;
    let now_ms = ctx.now_ms();
    let value = ctx.keys.collection::<Hash>(&key)?.and_then(|hash| hash.get(field, now_ms));
    reply_value(&mut ctx.reply, value);
    Ok(())
}

/// `HMGET key field [field ...]`: null for what is missing.
pub(super) fn hmget<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let fields = args.rest();
    let now_ms = ctx.now_ms();
    let hash = ctx.keys.collection::<Hash>(&key)?;
    ctx.reply.array(fields.len());
    for field in fields.iter() {
        reply_value(&mut ctx.reply, hash.and_then(|hash| hash.get(field, now_ms)));
    }
    Ok(())
}

/// `HEXISTS key field`
pub(super) fn hexists<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let field = args.bytes()?;
    let now_ms = ctx.now_ms();
    let hash = ctx.keys.collection::<Hash>(&key)?;
    ctx.reply.integer(i64::from(hash.is_some_and(|hash| hash.contains(field, now_ms))));
    Ok(())
}

/// `HSTRLEN key field`
pub(super) fn hstrlen<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let field = args.bytes()?;
    let now_ms = ctx.now_ms();
    let value = ctx.keys.collection::<Hash>(&key)?.and_then(|hash| hash.get(field, now_ms));
    ctx.reply.count(value.map_or(0, |value| value.byte_len()));
    Ok(())
}

/// `HLEN key`
pub(super) fn hlen<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let now_ms = ctx.now_ms();
    let len = ctx.keys.collection::<Hash>(&key)?.map_or(0, |hash| hash.len(now_ms));
    ctx.reply.count(len);
    Ok(())
}

/// `HGETALL key`
pub(super) fn hgetall<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_all(ctx, args, Reply::map, |reply, (field, value)| {
        reply_element(reply, field);
        reply_element(reply, value);
    })
}

/// `HKEYS key`
pub(super) fn hkeys<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_all(ctx, args, Reply::array, |reply, (field, _)| reply_element(reply, field))
}

/// `HVALS key`
pub(super) fn hvals<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_all(ctx, args, Reply::array, |reply, (_, value)| reply_element(reply, value))
}

/// Replies with something of every field.
fn reply_all<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    begin: fn(&mut Reply<'a>, usize),
    reply_one: impl Fn(&mut Reply<'_>, Pair<'_>),
) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let now_ms = ctx.now_ms();
    let hash = ctx.keys.collection::<Hash>(&key)?;
    begin(&mut ctx.reply, hash.map_or(0, |hash| hash.len(now_ms)));
    if let Some(hash) = hash {
        hash.iter(now_ms).for_each(|pair| reply_one(&mut ctx.reply, pair));
    }
    Ok(())
}
