//! Random fields.

use super::reply_element;
use crate::base::limits::DRAWS_MAX;
use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::{Protocol, Reply};
use crate::value::Hash;
use crate::value::hash::Pair;

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
    let count = Count::parse(&mut args)?;
    let Some(hash) = ctx.keys.collection::<Hash>(&key)?.filter(|_| count.number > 0) else {
        ctx.reply.array(0);
        return Ok(());
    };
    if count.with_repetition {
        let fields = hash.draw(now_ms);
        count.begin(&mut ctx.reply, count.number);
        for _ in 0..count.number {
            count.reply_one(&mut ctx.reply, fields.one(ctx.random));
        }
    } else if count.number >= hash.len(now_ms) {
        count.begin(&mut ctx.reply, hash.len(now_ms));
        hash.iter(now_ms).for_each(|pair| count.reply_one(&mut ctx.reply, pair));
    } else {
        let fields = hash.draw(now_ms);
        count.begin(&mut ctx.reply, count.number);
        let chosen = fields.several(count.number, ctx.random);
        chosen.for_each(|pair| count.reply_one(&mut ctx.reply, pair));
    }
    Ok(())
}

/// How many fields are wanted, and how.
struct Count {
    number: usize,
    with_repetition: bool,
    with_values: bool,
}

impl Count {
    fn parse(args: &mut Args<'_>) -> Result<Count, CommandError> {
        const MAX: i64 = i64::MAX;
        let count = parse_i64(args.bytes()?).ok_or(CommandError::NotAnInteger)?;
        if count < -MAX {
            return Err(CommandError::NotBetween { min: -MAX, max: MAX });
        }
        let with_values = !args.is_empty();
        if with_values && !args.take_word("WITHVALUES") {
            return Err(CommandError::Syntax);
        }
        args.finish()?;
        let is_too_long = with_values && !(-MAX / 2..=MAX / 2).contains(&count);
        if is_too_long || count < -DRAWS_MAX {
            return Err(CommandError::OutOfRange);
        }
        Ok(Count {
            number: usize::try_from(count.unsigned_abs()).map_err(|_| CommandError::OutOfRange)?,
            with_repetition: count < 0,
            with_values,
        })
    }

    fn begin(&self, reply: &mut Reply<'_>, fields: usize) {
        let is_flat = self.with_values && reply.protocol() == Protocol::Resp2;
        reply.array(if is_flat { fields * 2 } else { fields });
    }

    fn reply_one(&self, reply: &mut Reply<'_>, (field, value): Pair<'_>) {
        if self.with_values && reply.protocol() == Protocol::Resp3 {
            reply.array(2);
        }
        reply_element(reply, field);
        if self.with_values {
            reply_element(reply, value);
        }
    }
}
