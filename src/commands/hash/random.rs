//! Random fields.

use super::reply_element;
use crate::commands::shared::random_count::RandomCount;
use crate::exec::{Args, Context, Outcome, work as estimates};
use crate::resp::{ArgList, Protocol, Reply};
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
    let shape = Shape { with_values: count.with_word };
    let Some(hash) = ctx.keys.collection::<Hash>(&key)?.filter(|_| count.number > 0) else {
        ctx.reply.array(0);
        return Ok(());
    };
    if count.with_repetition {
        let fields = hash.draw(now_ms);
        shape.begin(&mut ctx.reply, count.number);
        for _ in 0..count.number {
            shape.reply_one(&mut ctx.reply, fields.one(ctx.random));
        }
    } else if count.number >= hash.len(now_ms) {
        shape.begin(&mut ctx.reply, hash.len(now_ms));
        hash.iter(now_ms).for_each(|pair| shape.reply_one(&mut ctx.reply, pair));
    } else {
        let fields = hash.draw(now_ms);
        shape.begin(&mut ctx.reply, count.number);
        let chosen = fields.several(count.number, ctx.random);
        chosen.for_each(|pair| shape.reply_one(&mut ctx.reply, pair));
    }
    Ok(())
}

/// How the fields are shown.
#[derive(Clone, Copy)]
struct Shape {
    with_values: bool,
}

impl Shape {
    fn begin(self, reply: &mut Reply<'_>, fields: usize) {
        let is_flat = self.with_values && reply.protocol() == Protocol::Resp2;
        reply.array(if is_flat { fields * 2 } else { fields });
    }

    fn reply_one(self, reply: &mut Reply<'_>, (field, value): Pair<'_>) {
        if self.with_values && reply.protocol() == Protocol::Resp3 {
            reply.array(2);
        }
        reply_element(reply, field);
        if self.with_values {
            reply_element(reply, value);
        }
    }
}
