//! Transactions: several commands that are executed as one, if what they rest on has not changed.
//!
//! These rows act on the session; `exec::transaction` executes what is queued.

use crate::config::params::CLIENT_WATCH_LIMIT;
use crate::exec::keyspec::{KeySpec, RO, keys_to_end};
use crate::exec::spec::{
    ALLOW_BUSY, EXECUTES_QUEUE, FAST, LOADING, NO_MULTI, NOSCRIPT, REGISTERS, SKIP_SLOWLOG, STALE,
    UNQUEUED,
};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd};

const CONTROL: u32 = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY;
const CATEGORY: &[&str] = &["transaction"];

pub static COMMANDS: &[Spec] = &[
    cmd("DISCARD", 1, &[], CONTROL | UNQUEUED, discard)
        .doc(
            "2.0.0",
            "O(N), when N is the number of queued commands",
            "",
            "Forgets what was queued since MULTI.",
        )
        .categories(CATEGORY),
    cmd(
        "EXEC",
        1,
        &[],
        NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | UNQUEUED | EXECUTES_QUEUE,
        exec,
    )
    .doc(
        "1.2.0",
        "Depends on commands in the transaction",
        "",
        "Executes what was queued since MULTI as one.",
    )
    .categories(CATEGORY),
    cmd("MULTI", 1, &[], CONTROL | NO_MULTI | UNQUEUED, multi)
        .doc("1.2.0", "O(1)", "", "Queues the commands that follow, until EXEC or DISCARD.")
        .categories(CATEGORY),
    cmd("UNWATCH", 1, &[], CONTROL, unwatch)
        .doc("2.2.0", "O(1)", "", "Watches no key any longer.")
        .categories(CATEGORY),
    cmd("WATCH", -2, WATCHED, CONTROL | NO_MULTI | UNQUEUED | REGISTERS, watch)
        .doc(
            "2.2.0",
            "O(1) for every key.",
            "key [key ...]",
            "Lets the next EXEC execute nothing if one of the keys changes before it.",
        )
        .categories(CATEGORY),
];

const WATCHED: &[KeySpec] = &[keys_to_end(1, RO)];

/// `MULTI`
fn multi<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    if ctx.session.transaction.is_open() {
        return Err(CommandError::text("ERR MULTI calls can not be nested"));
    }
    ctx.session.transaction.open();
    ctx.reply.ok();
    Ok(())
}

/// `EXEC` without `MULTI`: with it, the executor does not come here.
fn exec<'a>(_: &mut Context<'a>, _: Args<'a>) -> Outcome {
    Err(CommandError::text("ERR EXEC without MULTI"))
}

/// `DISCARD`
fn discard<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    if !ctx.session.transaction.is_open() {
        return Err(CommandError::text("ERR DISCARD without MULTI"));
    }
    ctx.session.transaction.close();
    ctx.unwatch();
    ctx.reply.ok();
    Ok(())
}

/// `WATCH key [key ...]`
fn watch<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if ctx.session.transaction.is_open() {
        return Err(CommandError::text("ERR WATCH inside MULTI is not allowed"));
    }
    check_watched(ctx, args)?;
    // What has changed cannot be unchanged.
    while !args.is_empty() && !ctx.session.watches.is_raised() {
        let key = args.key(&ctx.keys)?;
        if let Some(alarm) = ctx.session.watches.add(key.db, key.bytes) {
            ctx.keys.watch(&key, &alarm);
        }
    }
    ctx.reply.ok();
    Ok(())
}

/// Refuses keys that would be too many together with those that are watched already.
fn check_watched<'a>(ctx: &Context<'a>, mut args: Args<'a>) -> Outcome {
    let (db, watches) = (ctx.keys.db, &ctx.session.watches);
    let is_new = |key: &[u8]| !watches.contains(db, key);
    let keys = args.rest().iter();
    ctx.engine.check_names(CLIENT_WATCH_LIMIT, watches.len(), keys, is_new, "the keys watched")
}

/// `UNWATCH`
fn unwatch<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.unwatch();
    ctx.reply.ok();
    Ok(())
}
