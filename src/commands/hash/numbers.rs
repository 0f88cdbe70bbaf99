//! Numbers in fields. They keep the field's deadline.

use super::log::log_values_kept;
use crate::base::long_double::LongDouble;
use crate::base::number::parse_i64;
use crate::commands::shared::encodings::hash_limits;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::store::event;
use crate::value::Hash;

/// `HINCRBY key field increment`
pub(super) fn hincrby<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let field = args.bytes()?;
    let by = args.integer()?;
    let limits = hash_limits(&ctx.engine.config);
    let now_ms = ctx.now_ms();
    let sum = ctx.keys.edit(&key, |hash: &mut Hash, change| {
        let old = match hash.get(field, now_ms) {
            None => 0,
            Some(value) => value.with_bytes(parse_i64).ok_or(CommandError::FieldNotAnInteger)?,
        };
        let sum = old.checked_add(by).ok_or(CommandError::IncrementOverflow)?;
        hash.insert(field, itoa::Buffer::new().format(sum).as_bytes(), &limits);
        change.event(event::HINCRBY);
        Ok::<i64, CommandError>(sum)
    })??;
    ctx.reply.integer(sum);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`: in the 80-bit arithmetic of Redis. The result is what is logged.
pub(super) fn hincrbyfloat<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let field = args.bytes()?;
    let by = LongDouble::parse(args.bytes()?).ok_or(CommandError::NotAFloat)?;
    if by.is_nan_or_infinite() {
        return Err(CommandError::text("ERR value is NaN or Infinity"));
    }
    let limits = hash_limits(&ctx.engine.config);
    let now_ms = ctx.now_ms();
    let (digits, has_deadline) = ctx.keys.edit(&key, |hash: &mut Hash, change| {
        let old = match hash.get(field, now_ms) {
            None => LongDouble::parse(b"0"),
            Some(value) => value.with_bytes(LongDouble::parse),
        };
        let sum = old.ok_or(CommandError::FieldNotAFloat)? + by;
        if sum.is_nan_or_infinite() {
            return Err(CommandError::IncrementNotFinite);
        }
        let mut digits = Vec::new();
        sum.write(&mut digits);
        hash.insert(field, &digits, &limits);
        change.event(event::HINCRBYFLOAT);
        Ok((digits, hash.deadline(field).is_some()))
    })??;
    log_values_kept(ctx, &key, has_deadline, &[field, &digits]);
    ctx.reply.bulk(&digits);
    Ok(())
}
