//! Members by chance. What is taken out is logged by name.

use crate::base::limits::LOGGED_ELEMENTS_MAX;
use crate::commands::shared::encodings::set_limits;
use crate::commands::shared::random_count::RandomCount;
use crate::commands::shared::reply_shape::ReplyShape;
use crate::exec::{Args, CommandError, Context, Outcome, reply_element};
use crate::store::{Key, event};
use crate::value::Set;

/// `SPOP key [count]`
pub(super) fn spop<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    if args.is_empty() {
        return pop_one(ctx, &key);
    }
    if args.left() > 1 {
        return Err(CommandError::Syntax);
    }
    let count = args.count_from(0, CommandError::MustBePositive)?;
    pop_many(ctx, &key, count)
}

fn pop_one(ctx: &mut Context<'_>, key: &Key<'_>) -> Outcome {
    let random = &mut *ctx.random;
    let member = ctx.keys.edit_existing(key, |set: &mut Set, change| {
        change.event(event::SPOP);
        set.pop(random).expect("no set is empty")
    })?;
    let Some(member) = member else {
        ctx.reply.null();
        return Ok(());
    };
    ctx.reply.bulk(&member);
    ctx.keys.log_instead(|log| log.words([b"SREM", key.bytes, &member]));
    Ok(())
}

fn pop_many(ctx: &mut Context<'_>, key: &Key<'_>, count: usize) -> Outcome {
    if (1..=count).contains(&ctx.keys.elements(key)) {
        // As in Redis, which replies with the whole set then, and counts that as looking it up.
        ctx.keys.look_up(key);
    }
    let limits = set_limits(&ctx.engine.config);
    let random = &mut *ctx.random;
    let taken = ctx.keys.edit_existing(key, |set: &mut Set, change| {
        if count > 0 {
            change.event(event::SPOP);
        }
        let taken = set.take(count, &limits, random);
        (taken, set.is_empty())
    })?;
    let (taken, is_gone) = taken.unwrap_or_default();
    ctx.reply.set(taken.len());
    taken.iter().for_each(|member| ctx.reply.bulk(member));
    if is_gone && !taken.is_empty() {
        ctx.keys.log_instead(|log| log.words([b"DEL", key.bytes]));
        return Ok(());
    }
    for members in taken.chunks(LOGGED_ELEMENTS_MAX) {
        ctx.keys.log_instead(|log| {
            log.words([b"SREM", key.bytes]);
            log.words(members);
        });
    }
    Ok(())
}

/// `SRANDMEMBER key [count]`: a negative count draws each time from all members.
pub(super) fn srandmember<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    if args.is_empty() {
        match ctx.keys.collection::<Set>(&key)?.and_then(|set| set.random(ctx.random)) {
            Some(member) => reply_element(&mut ctx.reply, member),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    if args.left() > 1 {
        return Err(CommandError::Syntax);
    }
    let count = RandomCount::parse(&mut args, None)?;
    let Some(set) = ctx.keys.collection::<Set>(&key)? else {
        ctx.reply.array(0);
        return Ok(());
    };
    if count.wants_all(set.len()) {
        ctx.reply.array(set.len());
        set.iter().for_each(|member| reply_element(&mut ctx.reply, member));
    } else {
        count.reply(&mut ctx.reply, ReplyShape::Alone, &set.draw(), ctx.random, reply_element);
    }
    Ok(())
}
