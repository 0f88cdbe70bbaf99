//! Deadlines of fields: set, read, remove. Commands of Redis 7.4.

use super::log::{log_deadline, log_deletion};
use crate::base::number::parse_i64;
use crate::commands::shared::expire_time::Unit;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::ArgList;
use crate::store::event;
use crate::value::Hash;

/// The latest deadline of a field in Unix milliseconds: Redis keeps them in 46 bits.
const DEADLINE_MAX: i64 = (1 << 46) - 1;

/// What clients are told of each field.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// A field's deadline as an argument. What has passed already is none the less one.
pub(super) fn parse_deadline(arg: &[u8], unit: Unit, now_ms: i64) -> Result<i64, CommandError> {
    let value = parse_i64(arg).ok_or(CommandError::NotAnInteger)?;
    if value < 0 {
        return Err(CommandError::NegativeExpireTime);
    }
    let deadline = unit.deadline(value, now_ms).filter(|deadline| *deadline <= DEADLINE_MAX);
    deadline.ok_or(CommandError::ExpireTime)
}

/// `FIELDS numfields field [field ...]`, which ends a command. `not_positive` is the error about the number.
pub(super) fn parse_fields<'a>(
    args: &mut Args<'a>,
    not_positive: CommandError,
) -> Result<ArgList<'a>, CommandError> {
    if !args.take_word("FIELDS") {
        return Err(CommandError::FieldsMissing);
    }
    let count = args.bytes().ok().and_then(parse_i64).filter(|count| *count > 0);
    let count = count.ok_or(not_positive)?;
    if usize::try_from(count) != Ok(args.left()) {
        return Err(CommandError::FieldsMismatch);
    }
    Ok(args.rest())
}

/// Under which condition a deadline is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    /// Only if there is none yet.
    Nx,
    /// Only if there is one.
    Xx,
    /// Only if it becomes later; no deadline counts as infinitely late.
    Gt,
    /// Only if it becomes earlier.
    Lt,
}

impl Condition {
    fn take(args: &mut Args<'_>) -> Condition {
        let words = [
            ("NX", Condition::Nx),
            ("XX", Condition::Xx),
            ("GT", Condition::Gt),
            ("LT", Condition::Lt),
        ];
        let taken = words.into_iter().find(|(word, _)| args.take_word(word));
        taken.map_or(Condition::Always, |(_, condition)| condition)
    }

    fn holds(self, current: Option<i64>, new: i64) -> bool {
        match (self, current) {
            (Condition::Always, _) => true,
            (Condition::Nx, current) => current.is_none(),
            (Condition::Xx, current) => current.is_some(),
            (Condition::Gt, current) => current.is_some_and(|current| new > current),
            (Condition::Lt, current) => current.is_none_or(|current| new < current),
        }
    }
}

/// `HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hexpire<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_deadlines(ctx, args, Unit::SECONDS)
}

/// `HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hpexpire<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_deadlines(ctx, args, Unit::MILLIS)
}

/// `HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hexpireat<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_deadlines(ctx, args, Unit::UNIX_SECONDS)
}

/// `HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`
pub(super) fn hpexpireat<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_deadlines(ctx, args, Unit::UNIX_MILLIS)
}

/// A deadline that has passed deletes the field at once.
fn set_deadlines<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, unit: Unit) -> Outcome {
    let key = args.key(&ctx.keys)?;
    ctx.keys.peek_collection::<Hash>(&key)?;
    let now_ms = ctx.now_ms();
    let deadline = parse_deadline(args.bytes()?, unit, now_ms)?;
    let condition = Condition::take(&mut args);
    let not_positive = CommandError::text("ERR Parameter `numFields` should be greater than 0");
    let fields = parse_fields(&mut args, not_positive)?;
    let mut changed: Vec<&[u8]> = Vec::new();
    let results = ctx.keys.edit_existing(&key, |hash: &mut Hash, change| {
        let set = |field| {
            if !hash.contains(field, now_ms) {
                return NO_FIELD;
            }
            if !condition.holds(hash.deadline(field), deadline) {
                return NOT_MET;
            }
            changed.push(field);
            if expire_field(hash, field, deadline, now_ms) { DELETED } else { DONE }
        };
        let results: Vec<i64> = fields.iter().map(set).collect();
        if !changed.is_empty() {
            change.event(if deadline <= now_ms { event::HDEL } else { event::HEXPIRE });
        }
        results
    })?;
    if deadline <= now_ms {
        log_deletion(ctx, &key, &changed);
    } else {
        log_deadline(ctx, &key, deadline, &changed);
    }
    reply_results(ctx, fields, results);
    Ok(())
}

/// Gives a field a deadline, or removes it if that has passed; true if it was removed.
pub(super) fn expire_field(hash: &mut Hash, field: &[u8], deadline: i64, now_ms: i64) -> bool {
    let is_past = deadline <= now_ms;
    if is_past {
        hash.remove(field);
    } else {
        hash.set_deadline(field, deadline);
    }
    is_past
}

/// One number per field. Without a hash there is none of the fields.
fn reply_results(ctx: &mut Context<'_>, fields: ArgList<'_>, results: Option<Vec<i64>>) {
    let results = results.unwrap_or_else(|| vec![NO_FIELD; fields.len()]);
    ctx.reply.array(results.len());
    results.into_iter().for_each(|result| ctx.reply.integer(result));
}

/// `HPERSIST key FIELDS numfields field [field ...]`
pub(super) fn hpersist<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    ctx.keys.peek_collection::<Hash>(&key)?;
    let now_ms = ctx.now_ms();
    let fields = parse_fields(&mut args, CommandError::FieldsNotPositive)?;
    let results = ctx.keys.edit_existing(&key, |hash: &mut Hash, change| {
        let persist = |field| match hash.contains(field, now_ms) {
            false => NO_FIELD,
            true if hash.persist(field) => DONE,
            true => NO_DEADLINE,
        };
        let results: Vec<i64> = fields.iter().map(persist).collect();
        if results.contains(&DONE) {
            change.event(event::HPERSIST);
        }
        results
    })?;
    reply_results(ctx, fields, results);
    Ok(())
}

/// `HTTL key FIELDS numfields field [field ...]`
pub(super) fn httl<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_times(ctx, args, |deadline, now_ms| seconds(deadline - now_ms))
}

/// `HPTTL key FIELDS numfields field [field ...]`
pub(super) fn hpttl<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_times(ctx, args, |deadline, now_ms| deadline - now_ms)
}

/// `HEXPIRETIME key FIELDS numfields field [field ...]`
pub(super) fn hexpiretime<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_times(ctx, args, |deadline, _| seconds(deadline))
}

/// `HPEXPIRETIME key FIELDS numfields field [field ...]`
pub(super) fn hpexpiretime<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_times(ctx, args, |deadline, _| deadline)
}

/// Rounded up, other than those of keys, which are rounded to the nearest.
fn seconds(millis: i64) -> i64 {
    (millis + 999) / 1000
}

fn reply_times<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    time: impl Fn(i64, i64) -> i64,
) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let now_ms = ctx.now_ms();
    let hash = ctx.keys.collection::<Hash>(&key)?;
    let fields = parse_fields(&mut args, CommandError::FieldsNotPositive)?;
    ctx.reply.array(fields.len());
    for field in fields.iter() {
        let present = hash.filter(|hash| hash.contains(field, now_ms));
        ctx.reply.integer(match present.map(|hash| hash.deadline(field)) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => time(deadline, now_ms),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_with_the_deadline_that_is_there() {
        let held = |condition: Condition| {
            [None, Some(9), Some(10), Some(11)].map(|current| condition.holds(current, 10))
        };
        assert_eq!(held(Condition::Always), [true, true, true, true]);
        assert_eq!(held(Condition::Nx), [true, false, false, false]);
        assert_eq!(held(Condition::Xx), [false, true, true, true]);
        assert_eq!(held(Condition::Gt), [false, true, false, false]);
        assert_eq!(held(Condition::Lt), [true, false, false, true]);
    }

    #[test]
    fn deadlines_have_46_bits() {
        let parse = |text: &str, unit| parse_deadline(text.as_bytes(), unit, 1000);
        assert_eq!(parse("0", Unit::UNIX_MILLIS), Ok(0));
        assert_eq!(parse("70368744177663", Unit::UNIX_MILLIS), Ok(DEADLINE_MAX));
        assert!(parse("70368744177664", Unit::UNIX_MILLIS).is_err());
        assert_eq!(parse("70368744176663", Unit::MILLIS), Ok(DEADLINE_MAX));
        assert!(parse("70368744176664", Unit::MILLIS).is_err());
        assert_eq!(parse("70368744177", Unit::UNIX_SECONDS), Ok(70_368_744_177_000));
        assert!(parse("9223372036854775807", Unit::SECONDS).is_err());
        assert_eq!(parse("-1", Unit::SECONDS), Err(CommandError::NegativeExpireTime));
        assert_eq!(parse("1.5", Unit::SECONDS), Err(CommandError::NotAnInteger));
    }
}
