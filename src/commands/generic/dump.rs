//! `DUMP` and `RESTORE`: a value in Redis's format, to be carried to another server.

use crate::base::bytes::Bytes;
use crate::base::number::parse_i64;
use crate::commands::shared::encodings::{
    hash_limits, list_limits, node_limits, set_limits, sorted_set_limits,
};
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::persist::rdb::{self, PayloadError};
use crate::resp::ArgList;
use crate::store::{Entry, Key, Tracking, View, event};

const BUSY_KEY: CommandError = CommandError::text("BUSYKEY Target key name already exists.");
const NEGATIVE_IDLE_TIME: CommandError =
    CommandError::text("ERR Invalid IDLETIME value, must be >= 0");
const BAD_FREQUENCY: CommandError =
    CommandError::text("ERR Invalid FREQ value, must be >= 0 and <= 255");
const NEGATIVE_TTL: CommandError = CommandError::text("ERR Invalid TTL value, must be >= 0");
const BAD_FOOTER: CommandError =
    CommandError::text("ERR DUMP payload version or checksum are wrong");
const BAD_CONTENT: CommandError = CommandError::text("ERR Bad data format");

/// `DUMP key`
pub(super) fn dump<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let now_ms = ctx.now_ms();
    match ctx.keys.read(&key).map(|entry| rdb::dump(entry.value(), now_ms)) {
        Some(payload) => ctx.reply.shared_bulk(&Bytes::new(payload)),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// How the restored key is said to have been used.
#[derive(Clone, Copy)]
enum Usage {
    IdleSeconds(i64),
    Frequency(u32),
}

/// Options of `RESTORE`.
#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute: bool,
    usage: Option<Usage>,
}

impl RestoreOptions {
    fn parse(args: &mut Args<'_>) -> Result<RestoreOptions, CommandError> {
        let mut options = RestoreOptions::default();
        while let Some(option) = args.option() {
            match (option.as_bytes(), options.usage) {
                (b"REPLACE", _) => options.replace = true,
                (b"ABSTTL", _) => options.absolute = true,
                (b"IDLETIME", None | Some(Usage::IdleSeconds(_))) if !args.is_empty() => {
                    let seconds = args.integer()?;
                    if seconds < 0 {
                        return Err(NEGATIVE_IDLE_TIME);
                    }
                    options.usage = Some(Usage::IdleSeconds(seconds));
                }
                (b"FREQ", None | Some(Usage::Frequency(_))) if !args.is_empty() => {
                    let frequency = u32::try_from(args.integer()?).ok();
                    let frequency = frequency.filter(|frequency| *frequency <= 255);
                    options.usage = Some(Usage::Frequency(frequency.ok_or(BAD_FREQUENCY)?));
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`: options are read first, and
/// the payload last.
pub(super) fn restore<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (ttl, payload) = (args.bytes()?, args.bytes()?);
    let options = RestoreOptions::parse(&mut args)?;
    if !options.replace && ctx.keys.exists(&key) {
        return Err(BUSY_KEY);
    }
    let deadline = deadline(ttl, options.absolute, ctx.now_ms())?;
    let value = rdb::restore(payload, &limits(ctx)).map_err(|error| match error {
        PayloadError::Footer => BAD_FOOTER,
        PayloadError::Content => BAD_CONTENT,
    })?;
    let entry = Entry { value, deadline };
    if entry.is_due(ctx.now_ms()) {
        if ctx.keys.remove(&key, event::DEL) {
            ctx.keys.log_instead(|log| log.words([b"DEL", key.bytes]));
        }
    } else {
        ctx.keys.put_entry(&key, entry);
        ctx.keys.also(&key, event::RESTORE);
        set_usage(ctx, &key, options.usage);
        log(ctx, &key, deadline, payload, options.replace);
    }
    ctx.reply.ok();
    Ok(())
}

fn limits(ctx: &Context<'_>) -> rdb::Limits {
    let config = &ctx.engine.config;
    rdb::Limits {
        list: list_limits(config),
        set: set_limits(config),
        sorted_set: sorted_set_limits(config),
        hash: hash_limits(config),
        stream: node_limits(config),
    }
}

/// When the key expires. A time so far away that it cannot be told has passed, as in Redis, where it wraps around.
fn deadline(ttl: &[u8], absolute: bool, now_ms: i64) -> Result<Option<i64>, CommandError> {
    match parse_i64(ttl).ok_or(CommandError::NotAnInteger)? {
        ..0 => Err(NEGATIVE_TTL),
        0 => Ok(None),
        unix_ms if absolute => Ok(Some(unix_ms)),
        left_ms => Ok(Some(left_ms.wrapping_add(now_ms))),
    }
}

/// The key as it is now, with the time at which it expires; how it was used is not kept.
fn log(ctx: &mut Context<'_>, key: &Key<'_>, deadline: Option<i64>, payload: &[u8], replace: bool) {
    ctx.keys.log_instead(|log| {
        log.words([b"RESTORE", key.bytes]);
        log.text(deadline.unwrap_or(0));
        log.words([payload, b"ABSTTL"]);
        log.words(replace.then_some(b"REPLACE"));
    });
}

/// What is said counts only if it is what the eviction policy looks at. Otherwise the key is as new as any other,
/// whatever is known of one that it replaced.
fn set_usage(ctx: &Context<'_>, key: &Key<'_>, usage: Option<Usage>) {
    let access = ctx.keys.access();
    let word = match (usage, access.tracking) {
        (Some(Usage::IdleSeconds(seconds)), Tracking::Lru) => access.idle_for(seconds),
        (Some(Usage::Frequency(frequency)), Tracking::Lfu { .. }) => access.used_with(frequency),
        _ => access.initial(),
    };
    ctx.keys.set_access(key, word);
}

/// The payload has to be read, whatever is at the key.
pub(super) fn restore_work(args: ArgList<'_>, _: &View<'_>) -> usize {
    const BYTES_PER_ELEMENT: usize = 64;
    args.get(3).map_or(0, <[u8]>::len) / BYTES_PER_ELEMENT
}
