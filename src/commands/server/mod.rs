//! Commands about the server. Here is what concerns it as a whole: saving, stopping, emptying databases, the time; families
//! of subcommands, and reports, have files of their own.

pub(super) mod bigkeys;
pub(super) mod command;
pub(super) mod config;
pub(super) mod debug;
pub(super) mod help;
pub(super) mod hotkeys;
pub(super) mod info;
mod key_report;
pub(super) mod latency;
mod lolwut;
pub(super) mod memory;
pub(super) mod slowlog;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::base::number::parse_i64;
use crate::base::version::VERSION;
use crate::config::params;
use crate::exec::spec::{
    ADMIN, ALLOW_BUSY, EXCLUSIVE, FAST, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, READ,
    SENTINEL, STALE, UNPAUSABLE, WRITE,
};
use crate::exec::{Args, BackgroundSave, CommandError, Context, Outcome, Shutdown, Spec, cmd};
use crate::session::WaitKind;
use lolwut::beach;

pub static COMMANDS: &[Spec] = &[
    cmd("BACKUP", -1, &[], NO_ASYNC_LOADING | ADMIN | NOSCRIPT | NO_MULTI, backup).doc(
        "7.2.0",
        "O(N) where N is the total number of keys in all databases",
        "[TO directory]",
        "Writes a backup of this instant and returns its path when that is done.",
    ),
    cmd("BGREWRITEAOF", 1, &[], NO_ASYNC_LOADING | ADMIN | NOSCRIPT, bgrewriteaof).doc(
        "1.0.0",
        "O(1)",
        "",
        "Begins to write a snapshot, which makes the log before it superfluous.",
    ),
    cmd("BGSAVE", -1, &[], NO_ASYNC_LOADING | ADMIN | NOSCRIPT, bgsave).doc(
        "1.0.0",
        "O(1)",
        "[SCHEDULE]",
        "Begins to write a snapshot.",
    ),
    cmd("DBSIZE", 1, &[], READ | FAST, dbsize)
        .categories(&["keyspace"])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .doc("1.0.0", "O(1)", "", "Counts the keys of the selected database."),
    cmd("FLUSHALL", -1, &[], WRITE | EXCLUSIVE, flushall)
        .categories(&["keyspace", "dangerous"])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .doc(
            "1.0.0",
            "O(N) where N is the total number of keys in all databases",
            "[ASYNC | SYNC]",
            "Removes all keys of all databases.",
        ),
    cmd("FLUSHDB", -1, &[], WRITE | EXCLUSIVE, flushdb)
        .categories(&["keyspace", "dangerous"])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .doc(
            "1.0.0",
            "O(N) where N is the number of keys in the selected database",
            "[ASYNC | SYNC]",
            "Removes all keys of the selected database.",
        ),
    cmd("LASTSAVE", 1, &[], LOADING | STALE | FAST, lastsave)
        .categories(&["admin", "dangerous"])
        .tips(&["nondeterministic_output"])
        .doc("1.0.0", "O(1)", "", "Tells when the last snapshot was written, in Unix seconds."),
    cmd("LOLWUT", -1, &[], READ | FAST, lolwut).doc(
        "5.0.0",
        "",
        "[VERSION version]",
        "Draws a picture and tells the version.",
    ),
    cmd("ROLE", 1, &[], NOSCRIPT | LOADING | STALE | FAST | SENTINEL, role)
        .categories(&["admin", "dangerous"])
        .doc("2.8.12", "O(1)", "", "Tells what part the server plays in replication."),
    cmd("MONITOR", 1, &[], ADMIN | NOSCRIPT | LOADING | STALE, monitor).doc(
        "1.0.0",
        "",
        "",
        "Shows this connection every command that the server executes.",
    ),
    cmd("SAVE", 1, &[], NO_ASYNC_LOADING | ADMIN | NOSCRIPT | NO_MULTI, save).doc(
        "1.0.0",
        "O(N) where N is the total number of keys in all databases",
        "",
        "Writes a snapshot and replies when that is done.",
    ),
    cmd(
        "SHUTDOWN",
        -1,
        &[],
        ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | SENTINEL | ALLOW_BUSY | UNPAUSABLE,
        shutdown,
    )
    .doc(
        "1.0.0",
        "O(N) when saving, where N is the total number of keys in all databases when saving \
         data, otherwise O(1)",
        "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        "Stops the server.",
    ),
    cmd("SWAPDB", 3, &[], WRITE | FAST | EXCLUSIVE, swapdb)
        .categories(&["keyspace", "dangerous"])
        .doc(
            "4.0.0",
            "O(N) where N is the count of clients watching or blocking on keys from both \
             databases.",
            "index1 index2",
            "Exchanges two databases.",
        ),
    cmd("TIME", 1, &[], LOADING | STALE | FAST, time).tips(&["nondeterministic_output"]).doc(
        "2.6.0",
        "O(1)",
        "",
        "Returns the time: Unix seconds, and the microseconds of the present second.",
    ),
];

/// `TIME`
fn time<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let micros = ctx.now.unix_micros;
    ctx.reply.array(2);
    ctx.reply.bulk_integer(micros.div_euclid(1_000_000));
    ctx.reply.bulk_integer(micros.rem_euclid(1_000_000));
    Ok(())
}

/// `LASTSAVE`
fn lastsave<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.integer(ctx.engine.control().last_save_unix_s());
    Ok(())
}

/// `MONITOR`: who has said so already gets no reply. In a transaction each command has one.
fn monitor<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    if !ctx.may_wait() {
        return Err(CommandError::text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if ctx.engine.monitors.add(ctx.client()) {
        ctx.reply.ok();
    }
    Ok(())
}

/// `SAVE`
fn save<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.engine.control().save(ctx.client())?;
    ctx.wait(WaitKind::Job, None, b"");
    Ok(())
}

/// `BGSAVE [SCHEDULE]`
fn bgsave<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let may_schedule = args.take_word("SCHEDULE");
    args.finish()?;
    ctx.reply.simple(match ctx.engine.control().background_save(may_schedule)? {
        BackgroundSave::Started => "Background saving started",
        BackgroundSave::Scheduled => "Background saving scheduled",
    });
    Ok(())
}

/// `BACKUP [TO directory]`: without a directory, to `backup-dir`.
fn backup<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let mut directory = None;
    if !args.is_empty() {
        if !args.take_word("TO") {
            return Err(CommandError::Syntax);
        }
        directory = Some(PathBuf::from(OsStr::from_bytes(args.bytes()?)));
        let is_local = ctx.client().address.is_local();
        if !ctx.engine.config.allows(params::ENABLE_BACKUP_TO, is_local) {
            return Err(CommandError::text(
                "ERR You may not name a directory; BACKUP alone writes to backup-dir (see enable-backup-to)",
            ));
        }
    }
    args.finish()?;
    ctx.engine.control().backup(directory, ctx.client())?;
    ctx.wait(WaitKind::Job, None, b"");
    Ok(())
}

/// `BGREWRITEAOF`
fn bgrewriteaof<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.simple(match ctx.engine.control().rewrite_log()? {
        BackgroundSave::Started => "Background append only file rewriting started",
        BackgroundSave::Scheduled => "Background append only file rewriting scheduled",
    });
    Ok(())
}

/// Options of `SHUTDOWN`.
#[derive(Debug, Default, PartialEq, Eq)]
struct ShutdownOptions {
    how: Shutdown,
    abort: bool,
}

fn parse_shutdown(mut args: Args<'_>) -> Result<ShutdownOptions, CommandError> {
    let mut options = ShutdownOptions::default();
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"SAVE" if options.how.save != Some(false) => options.how.save = Some(true),
            b"NOSAVE" if options.how.save != Some(true) => options.how.save = Some(false),
            b"NOW" => options.how.now = true,
            b"FORCE" => options.how.force = true,
            b"ABORT" => options.abort = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    if options.abort && options.how != Shutdown::default() {
        return Err(CommandError::Syntax);
    }
    Ok(options)
}

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`
fn shutdown<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    let options = parse_shutdown(args)?;
    if options.abort {
        if !ctx.engine.control().abort_shutdown() {
            return Err(CommandError::text("ERR No shutdown in progress."));
        }
        ctx.reply.ok();
        return Ok(());
    }
    ctx.engine.control().shutdown(options.how, ctx.client())?;
    ctx.wait(WaitKind::Job, None, b"");
    Ok(())
}

/// `ROLE`: there is no replication, so this is a master without replicas.
fn role<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.array(3);
    ctx.reply.bulk("master");
    ctx.reply.integer(0);
    ctx.reply.array(0);
    Ok(())
}

/// `LOLWUT [VERSION version] [argument ...]`: Redis has a picture per version; here they are alike.
fn lolwut<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if args.left() > 1 && args.take_word("VERSION") {
        args.integer()?;
    }
    let picture = beach(ctx.random);
    ctx.reply.verbatim("txt", format!("{picture}\nSanderling ver. {VERSION}\n"));
    Ok(())
}

/// `DBSIZE`: expired keys that were not removed yet count, as in Redis.
fn dbsize<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.count(ctx.engine.keyspace.counts(ctx.keys.db).keys);
    Ok(())
}

/// Values are freed in the background either way: nobody has to wait for it, and what `SYNC` promises,
/// that the keys are gone when the reply comes, holds without it.
fn parse_flush(mut args: Args<'_>) -> Outcome {
    let _ = args.take_word("ASYNC") || args.take_word("SYNC");
    args.finish()
}

/// `FLUSHDB [ASYNC | SYNC]`
fn flushdb<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    parse_flush(args)?;
    ctx.keys.flush([ctx.keys.db], ctx.world());
    ctx.reply.ok();
    Ok(())
}

/// `FLUSHALL [ASYNC | SYNC]`
fn flushall<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    parse_flush(args)?;
    ctx.keys.flush(0..ctx.engine.keyspace.databases(), ctx.world());
    ctx.reply.ok();
    Ok(())
}

/// Reads a database number; the text is for what is no 32-bit integer.
fn parse_index(arg: &[u8], error: &'static str) -> Result<i32, CommandError> {
    let number = parse_i64(arg).and_then(|number| i32::try_from(number).ok());
    number.ok_or(CommandError::text(error))
}

/// `SWAPDB index1 index2`
fn swapdb<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let first = parse_index(args.bytes()?, "ERR invalid first DB index")?;
    let second = parse_index(args.bytes()?, "ERR invalid second DB index")?;
    let in_range = |index: i32| {
        usize::try_from(index)
            .ok()
            .filter(|db| *db < ctx.engine.keyspace.databases())
            .ok_or(CommandError::DatabaseOutOfRange)
    };
    let (first, second) = (in_range(first)?, in_range(second)?);
    ctx.keys.swap(first, second, ctx.world());
    ctx.reply.ok();
    Ok(())
}
