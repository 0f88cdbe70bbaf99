//! `WAITAOF`: waiting until changes are durable.

use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::persist::log::Log;
use crate::session::WaitKind;

/// `WAITAOF numlocal numreplicas timeout`: whether this client's changes are durable here, and on how many
/// replicas. The log is synced at once, whatever `appendfsync` says.
pub(super) fn waitaof<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let local = args.integer()?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::NotBetween { min: 0, max: 1 });
    }
    let replicas = args.integer()?;
    if replicas < 0 {
        return Err(CommandError::MustBePositive);
    }
    let timeout_ms = parse_timeout(args.bytes()?)?;
    let log = ctx.engine.hooks.log();
    let durable = log.and_then(Log::durable);
    if local > 0 && durable.is_none() {
        return Err(CommandError::NotLogged);
    }
    let position = ctx.session.logged;
    let is_durable = durable.is_some_and(|durable| durable >= position);
    let has_come = replicas == 0 && (local == 0 || is_durable);
    if has_come || !ctx.may_wait() {
        ctx.reply.array(2);
        ctx.reply.integer(i64::from(is_durable));
        ctx.reply.integer(0);
        return Ok(());
    }
    if let Some(log) = log {
        log.want_durable(position);
    }
    let deadline_ms = (timeout_ms > 0).then(|| ctx.now_ms().saturating_add(timeout_ms));
    ctx.wait(WaitKind::Durable { position, is_local: local > 0, replicas }, deadline_ms, b"");
    Ok(())
}

/// Milliseconds.
fn parse_timeout(text: &[u8]) -> Result<i64, CommandError> {
    let timeout_ms = parse_i64(text)
        .ok_or(CommandError::text("ERR timeout is not an integer or out of range"))?;
    if timeout_ms < 0 {
        return Err(CommandError::text("ERR timeout is negative"));
    }
    Ok(timeout_ms)
}
