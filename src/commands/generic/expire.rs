//! Expiry times of keys: set, read, remove.

use crate::commands::shared::expire_time::{Unit, set_deadline};
use crate::exec::{Args, CommandError, Context, Outcome, quotable};
use crate::store::event;

/// Under which condition the time is set.
#[derive(Default)]
struct Conditions {
    /// Only if there is none yet.
    nx: bool,
    /// Only if there is one.
    xx: bool,
    /// Only if it becomes later; no expiry counts as infinitely late.
    gt: bool,
    /// Only if it becomes earlier.
    lt: bool,
}

impl Conditions {
    fn parse(args: &mut Args<'_>) -> Result<Conditions, CommandError> {
        let mut conditions = Conditions::default();
        while let Some(arg) = args.peek() {
            let option = args.option().expect("there is an argument");
            match option.as_bytes() {
                b"NX" => conditions.nx = true,
                b"XX" => conditions.xx = true,
                b"GT" => conditions.gt = true,
                b"LT" => conditions.lt = true,
                _ => {
                    return Err(CommandError::UnsupportedOption(quotable(arg, 128).to_vec()));
                }
            }
        }
        if conditions.nx && (conditions.xx || conditions.gt || conditions.lt) {
            return Err(CommandError::ExpireNxWithOthers);
        }
        if conditions.gt && conditions.lt {
            return Err(CommandError::ExpireGtWithLt);
        }
        Ok(conditions)
    }

    fn hold(&self, current: Option<i64>, new: i64) -> bool {
        match current {
            None => !self.xx && !self.gt,
            Some(current) => !(self.nx || self.gt && new <= current || self.lt && new >= current),
        }
    }
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_expiry(ctx, args, Unit::SECONDS)
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_expiry(ctx, args, Unit::MILLIS)
}

/// `EXPIREAT key unix-time-seconds [NX | XX | GT | LT]`
pub(super) fn expireat<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_expiry(ctx, args, Unit::UNIX_SECONDS)
}

/// `PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpireat<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_expiry(ctx, args, Unit::UNIX_MILLIS)
}

fn set_expiry<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, unit: Unit) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let time = args.bytes()?;
    let conditions = Conditions::parse(&mut args)?;
    let value = crate::base::number::parse_i64(time).ok_or(CommandError::NotAnInteger)?;
    let deadline = unit.deadline(value, ctx.now_ms());
    let deadline = deadline.ok_or(CommandError::ExpireTime)?;
    let current = ctx.keys.peek(&key).map(|entry| entry.deadline());
    let sets = current.is_some_and(|current| conditions.hold(current, deadline));
    if sets {
        set_deadline(ctx, &key, deadline);
    }
    ctx.reply.integer(i64::from(sets));
    Ok(())
}

/// `PERSIST key`
pub(super) fn persist<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let had_deadline = ctx.keys.peek(&key).is_some_and(|entry| entry.deadline().is_some());
    if had_deadline {
        ctx.keys.set_deadline(&key, None, event::PERSIST);
    }
    ctx.reply.integer(i64::from(had_deadline));
    Ok(())
}

/// `TTL key`: -1 without expiry, -2 without key.
pub(super) fn ttl<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_time(ctx, args, |deadline, now_ms| rounded_seconds(deadline - now_ms))
}

/// `PTTL key`
pub(super) fn pttl<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_time(ctx, args, |deadline, now_ms| deadline - now_ms)
}

/// `EXPIRETIME key`
pub(super) fn expiretime<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_time(ctx, args, |deadline, _| rounded_seconds(deadline))
}

/// `PEXPIRETIME key`
pub(super) fn pexpiretime<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_time(ctx, args, |deadline, _| deadline)
}

fn reply_time<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    time: impl Fn(i64, i64) -> i64,
) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let now_ms = ctx.now_ms();
    let reply = match ctx.keys.look_up(&key).map(|entry| entry.deadline()) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => time(deadline, now_ms),
    };
    ctx.reply.integer(reply);
    Ok(())
}

/// Rounds half up, as Redis does. The largest deadline would overflow by that, so it saturates.
fn rounded_seconds(millis: i64) -> i64 {
    millis.saturating_add(500) / 1000
}
