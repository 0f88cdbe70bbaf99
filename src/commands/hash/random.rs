//! Random fields.

use super::reply_element;
use crate::commands::shared::random_count::RandomCount;
use crate::commands::shared::reply_shape::ReplyShape;
use crate::exec::{Args, Context, Outcome, work as estimates};
use crate::resp::{ArgList, Reply};
use crate::store::View;
use crate::value::Hash;
use crate::value::hash::Pair;

/// The fields that are asked for, or all if a list of them has to be made first.
pub(super) fn work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let counted = estimates::counted(args, keys);
    let Some(key) = keys.declared(0) else { return counted };
    match keys.peek_collection::<Hash>(&key) {
        Ok(Some(hash)) if hash.is_drawn_from_list(keys.now_ms()) => counted.max(keys.work(&key)),
        _ => counted,
    }
}

/// `HRANDFIELD key [count [WITHVALUES]]`: a negative count draws each time from all fields.
pub(super) fn hrandfield<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let now_ms = ctx.now_ms();
    if args.is_empty() {
        let hash = ctx.keys.collection::<Hash>(&key)?;
        match hash.and_then(|hash| hash.random(now_ms, ctx.random)) {
            Some((field, _)) => reply_element(&mut ctx.reply, field),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    let count = RandomCount::parse(&mut args, Some("WITHVALUES"))?;
    let shape = ReplyShape::with_word(count.with_word, ctx.reply.protocol());
    let Some(hash) = ctx.keys.collection::<Hash>(&key)?.filter(|_| count.number > 0) else {
        ctx.reply.array(0);
        return Ok(());
    };
    let reply_one = |reply: &mut Reply<'_>, (field, value): Pair<'_>| {
        shape.reply_one(reply, field, |reply| reply_element(reply, value));
    };
    if count.wants_all(hash.len(now_ms)) {
        shape.begin(&mut ctx.reply, hash.len(now_ms));
        hash.iter(now_ms).for_each(|pair| reply_one(&mut ctx.reply, pair));
    } else {
        count.reply(&mut ctx.reply, shape, &hash.draw(now_ms), ctx.random, reply_one);
    }
    Ok(())
}
