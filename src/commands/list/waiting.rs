//! Popping from the first list that has something, and waiting if none has.
//!
//! What these did is logged as the `LPOP` or `RPOP` that it amounts to: repeating the log must not wait.

use super::ends::{take, take_from_first};
use super::{parse_end, pop_command};
use crate::commands::shared::blocking_timeout::deadline_of_seconds;
use crate::commands::shared::counted_keys::ManyPop;
use crate::exec::{Args, Context, KeyWait, Keys, Outcome, Wanted};
use crate::store::Key;
use crate::value::list::End;

/// `BLPOP key [key ...] timeout`
pub(super) fn blpop<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop_or_wait(ctx, args, End::Left)
}

/// `BRPOP key [key ...] timeout`
pub(super) fn brpop<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    pop_or_wait(ctx, args, End::Right)
}

fn pop_or_wait<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, end: End) -> Outcome {
    let mut keys = Keys::new();
    while args.left() > 1 {
        keys.push(args.key(&ctx.keys)?);
    }
    let deadline_ms = deadline_of_seconds(args.bytes()?, ctx.now_ms())?;
    for key in &keys {
        let found = take(ctx, key, end, 1, |reply, _| {
            reply.array(2);
            reply.bulk(key.bytes);
        })?;
        if found {
            ctx.keys.log_instead(|log| log.words([pop_command(end), key.bytes]));
            return Ok(());
        }
    }
    wait_for(ctx, &keys, deadline_ms);
    Ok(())
}

/// `BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`: the timeout is looked at last.
pub(super) fn blmpop<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let timeout = args.bytes()?;
    let pop = ManyPop::parse(ctx, &mut args, parse_end)?;
    let deadline_ms = deadline_of_seconds(timeout, ctx.now_ms())?;
    if !take_from_first(ctx, &pop)? {
        wait_for(ctx, &pop.keys, deadline_ms);
    }
    Ok(())
}

fn wait_for<'a>(ctx: &mut Context<'a>, keys: &[Key<'a>], deadline_ms: Option<i64>) {
    ctx.wait_for_keys(KeyWait { keys, wanted: Wanted::List, deadline_ms, args: None });
}
