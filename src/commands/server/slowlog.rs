//! `SLOWLOG`: the last commands that took long.

use crate::base::number::parse_i64;
use crate::commands::shared::family_help::family_help;
use crate::exec::spec::{ADMIN, LOADING, NONE, STALE};
use crate::exec::{Args, CommandError, Context, Outcome, SlowCommand, Spec, cmd, family};
use crate::resp::Reply;

pub static COMMANDS: &[Spec] = &[family("SLOWLOG", -2, NONE, SLOWLOG).doc(
    "2.2.12",
    "Depends on subcommand.",
    "",
    "Shows commands that took long.",
)];

static SLOWLOG: &[Spec] = &[
    cmd("SLOWLOG GET", -2, &[], ADMIN | LOADING | STALE, slowlog_get)
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .doc(
            "2.2.12",
            "O(N) where N is the number of entries returned",
            "[count]",
            "Returns the newest entries, 10 unless told otherwise, all for -1.",
        ),
    cmd("SLOWLOG LEN", 2, &[], ADMIN | LOADING | STALE, slowlog_len)
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .doc("2.2.12", "O(1)", "", "Counts the entries."),
    cmd("SLOWLOG RESET", 2, &[], ADMIN | LOADING | STALE, slowlog_reset)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .doc(
            "2.2.12",
            "O(N) where N is the number of entries in the slowlog",
            "",
            "Forgets all entries.",
        ),
    cmd("SLOWLOG HELP", 2, &[], LOADING | STALE, slowlog_help).doc(
        "6.2.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
];

/// How many entries `SLOWLOG GET` returns if it is not told.
const COUNT_DEFAULT: usize = 10;

/// `SLOWLOG GET [count]`
fn slowlog_get<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let count = match args.peek() {
        None => COUNT_DEFAULT,
        Some(_) if args.left() > 1 => return Err(CommandError::ArgumentCount),
        Some(arg) => parse_count(arg)?,
    };
    args.rest();
    let entries = ctx.engine.slowlog.newest(count);
    ctx.reply.array(entries.len());
    entries.iter().for_each(|entry| reply_entry(&mut ctx.reply, entry));
    Ok(())
}

fn parse_count(arg: &[u8]) -> Result<usize, CommandError> {
    match parse_i64(arg) {
        Some(-1) => Ok(usize::MAX),
        Some(count @ 0..) => Ok(count as usize),
        _ => Err(CommandError::text("ERR count should be greater than or equal to -1")),
    }
}

fn reply_entry(reply: &mut Reply<'_>, entry: &SlowCommand) {
    reply.array(6);
    reply.integer(entry.id as i64);
    reply.integer(entry.unix_s);
    reply.integer(entry.micros as i64);
    reply.bulk_array(&entry.args);
    reply.bulk(&entry.address);
    reply.bulk(&entry.client_name);
}

/// `SLOWLOG LEN`
fn slowlog_len<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.count(ctx.engine.slowlog.len());
    Ok(())
}

/// `SLOWLOG RESET`
fn slowlog_reset<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.engine.slowlog.clear();
    ctx.reply.ok();
    Ok(())
}

/// `SLOWLOG HELP`
fn slowlog_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "SLOWLOG")
}
