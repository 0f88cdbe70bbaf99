//! `DEBUG`: for tests and for looking inside.
//!
//! Its subcommands are no rows, as in Redis; they stand in a table of their own. The row is
//! `EXCLUSIVE`: what is digested is one state, and what is populated appears at once. Nothing here runs
//! long but `POPULATE` and `DIGEST` of much data; `SLEEP` lets only its own client wait.

mod digest;

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

use crate::base::glob::glob_match;
use crate::base::number::{parse_f64, parse_i64};
use crate::base::words::write_word;
use crate::commands::generic::encoding;
use crate::commands::shared::family_help::{HelpEntry, reply_help};
use crate::exec::spec::{ADMIN, EXCLUSIVE, Handler, LOADING, NOSCRIPT, PROTECTED, STALE};
use crate::exec::{Args, CommandError, Context, Outcome, Reload, Spec, cmd, excerpt};
use crate::persist::snapshot::write_entry;
use crate::resp::Protocol;
use crate::session::WaitKind;
use crate::store::{Deadline, EntryRef, Mode, StringRef, Tracking, ValueRef, event};
use crate::value::Value;
use digest::DataDigest;

pub static COMMANDS: &[Spec] =
    &[cmd("DEBUG", -2, &[], ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED | EXCLUSIVE, debug)
        .doc(
            "1.0.0",
            "Depends on subcommand.",
            "subcommand [argument [argument ...]]",
            "Helps to test servers and clients.",
        )];

/// A row of the subcommands.
struct Subcommand {
    name: &'static str,
    /// How many arguments follow the name.
    args: RangeInclusive<usize>,
    syntax: &'static str,
    summary: &'static str,
    handler: Handler,
}

const fn sub(
    name: &'static str,
    args: RangeInclusive<usize>,
    syntax: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Subcommand {
    Subcommand { name, args, syntax, summary, handler }
}

const ANY: usize = usize::MAX;

static SUBCOMMANDS: &[Subcommand] = &[
    sub(
        "DIGEST",
        0..=0,
        "",
        "Returns a digest of all data: 40 zeros if there is none.",
        debug_digest,
    ),
    sub(
        "DIGEST-VALUE",
        0..=ANY,
        "key [key ...]",
        "Returns digests of single values: 40 zeros for those that do not exist.",
        debug_digest_value,
    ),
    sub("ERROR", 1..=1, "text", "Returns the text as an error, code included.", debug_error),
    sub(
        "LOADAOF",
        0..=0,
        "",
        "Makes the log durable and loads everything from disk again.",
        debug_loadaof,
    ),
    sub("LOG", 1..=1, "message", "Writes the message to the server's log.", debug_log),
    sub("OBJECT", 1..=1, "key", "Tells how the value of a key is kept.", debug_object),
    sub(
        "POPULATE",
        1..=3,
        "count [prefix] [size]",
        "Creates strings prefix:0 = value:0 and so on (prefix: key), cut or padded with \
         zero bytes to the size.",
        debug_populate,
    ),
    sub("PROTOCOL", 1..=1, "type", "Returns a reply of this type.", debug_protocol),
    sub(
        "RELOAD",
        0..=ANY,
        "[option [option ...]]",
        "Saves everything and loads it again; NOSAVE loads what was saved last.",
        debug_reload,
    ),
    sub(
        "SET-ACTIVE-EXPIRE",
        1..=1,
        "<0 | 1>",
        "Sets whether expired keys are removed before anybody asks for them.",
        debug_set_active_expire,
    ),
    sub("SLEEP", 1..=1, "seconds", "Lets this client wait for its reply.", debug_sleep),
    sub(
        "STRINGMATCH-LEN",
        2..=2,
        "pattern string",
        "Tells whether the string matches the glob pattern: 1 or 0.",
        debug_stringmatch_len,
    ),
    sub("HELP", 0..=0, "", "Lists the subcommands.", debug_help),
];

/// `DEBUG subcommand [argument [argument ...]]`
fn debug<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let name = args.bytes()?;
    let is_it = |sub: &&Subcommand| {
        sub.name.as_bytes().eq_ignore_ascii_case(name) && sub.args.contains(&args.left())
    };
    match SUBCOMMANDS.iter().find(is_it) {
        Some(subcommand) => (subcommand.handler)(ctx, args),
        None => {
            let given = excerpt(name, 128);
            Err(CommandError::WrongSubcommand { given, command: "DEBUG" })
        }
    }
}

/// `DEBUG HELP`
fn debug_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let entries = SUBCOMMANDS.iter().map(|sub| HelpEntry {
        name: sub.name,
        syntax: sub.syntax,
        summary: sub.summary,
    });
    reply_help(ctx, "DEBUG", entries);
    Ok(())
}

/// `DEBUG SLEEP seconds`: fractions are allowed; what is no number counts as 0.
fn debug_sleep<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let seconds = parse_f64(args.bytes()?).unwrap_or(0.0);
    let millis = (seconds * 1000.0).ceil() as i64;
    if millis > 0 {
        must_be_able_to_wait(ctx)?;
        ctx.wait(WaitKind::Time, Some(ctx.now_ms().saturating_add(millis)), b"+OK\r\n");
    } else {
        ctx.reply.ok();
    }
    Ok(())
}

/// `DEBUG ERROR text`
fn debug_error<'a>(_: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    Err(CommandError::Other(String::from_utf8_lossy(args.bytes()?).into_owned().into()))
}

/// `DEBUG LOG message`
fn debug_log<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    log::warn!("DEBUG LOG: {}", String::from_utf8_lossy(args.bytes()?).escape_debug());
    ctx.reply.ok();
    Ok(())
}

/// `DEBUG SET-ACTIVE-EXPIRE <0 | 1>`
fn debug_set_active_expire<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let active = parse_i64(args.bytes()?).unwrap_or(0) != 0;
    ctx.engine.active_expire.store(active, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(())
}

/// `DEBUG STRINGMATCH-LEN pattern string`
fn debug_stringmatch_len<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let matches = glob_match(args.bytes()?, args.bytes()?, false);
    ctx.reply.integer(i64::from(matches));
    Ok(())
}

/// `DEBUG OBJECT key`: one line in Redis's shape.
fn debug_object<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let bytes = args.bytes()?;
    let db = ctx.keys.db;
    let access = ctx.keys.access();
    let line = ctx.keys.with_key(db, bytes, Mode::Read, |keys, key| {
        let entry = keys.peek(key)?;
        let word = keys.access_of(key)?;
        let idle = if access.tracking == Tracking::Lru { access.idle_seconds(word) } else { 0 };
        Some(format!("{} lru:{word} lru_seconds_idle:{idle}", describe(entry)))
    })?;
    ctx.reply.simple(&line.ok_or(CommandError::NoSuchKey)?);
    Ok(())
}

/// Where the value lies, how many hold it, what form it has, and its length in a snapshot.
fn describe(entry: EntryRef<'_>) -> String {
    let (address, holders) = match entry.value() {
        // An integer lies in one record with its key.
        ValueRef::Integer(_) => (entry.key().as_ptr(), 1),
        ValueRef::Short { bytes, .. } => (bytes.as_ptr(), 1),
        ValueRef::Object(Value::String { bytes, .. }) => {
            (bytes[..].as_ptr(), triomphe::Arc::strong_count(bytes))
        }
        ValueRef::Object(value) => (std::ptr::from_ref(value).cast::<u8>(), 1),
    };
    let mut saved = Vec::new();
    match entry.value() {
        ValueRef::Integer(number) => write_word(&mut saved, number.to_string().as_bytes()),
        ValueRef::Short { bytes, .. } => write_word(&mut saved, bytes),
        ValueRef::Object(Value::String { bytes, .. }) => write_word(&mut saved, bytes),
        collection => write_entry(&mut saved, b"", collection, None),
    }
    format!(
        "Value at:{address:p} refcount:{holders} encoding:{} serializedlength:{}",
        encoding(entry.value()),
        saved.len()
    )
}

/// `DEBUG POPULATE count [prefix] [size]`: keys that exist stay as they are.
fn debug_populate<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let count = args.count_from(0, CommandError::MustBePositive)?;
    let prefix = if args.is_empty() { b"key" } else { args.bytes()? };
    let size = match args.is_empty() {
        true => 0,
        false => args.count_from(0, CommandError::MustBePositive)?,
    };
    ctx.check_string(size)?;
    let db = ctx.keys.db;
    for number in 0..count {
        let number = number.to_string();
        let key = [prefix, b":", number.as_bytes()].concat();
        let mut bytes = format!("value:{number}").into_bytes();
        if size > 0 {
            bytes.resize(size, 0);
        }
        ctx.keys.with_key(db, &key, Mode::Write, |keys, key| {
            if !keys.exists(key) {
                let value = StringRef::Bytes { bytes: &bytes, edited: false };
                keys.put_string(key, value, Deadline::Clear, event::SET);
            }
        })?;
    }
    ctx.reply.ok();
    Ok(())
}

/// `DEBUG DIGEST`
fn debug_digest<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let mut digest = DataDigest::default();
    let selected = ctx.keys.db;
    for db in 0..ctx.engine.keyspace.databases() {
        let mut is_empty = true;
        ctx.keys.db = db;
        ctx.keys.for_each(|entry| {
            // What is due and not removed yet is not shown; a database with nothing else does not count.
            if std::mem::take(&mut is_empty) {
                digest.mix_database(db as u32);
            }
            digest.add_entry(entry);
        })?;
    }
    ctx.keys.db = selected;
    ctx.reply.simple(&digest.to_string());
    Ok(())
}

/// `DEBUG DIGEST-VALUE key [key ...]`
fn debug_digest_value<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let db = ctx.keys.db;
    ctx.reply.array(args.left());
    for bytes in args.rest().iter() {
        let digest = ctx.keys.with_key(db, bytes, Mode::Read, |keys, key| {
            keys.peek(key).map(DataDigest::of_value)
        })?;
        ctx.reply.simple(&digest.unwrap_or_default().to_string());
    }
    Ok(())
}

/// In a transaction nobody waits, and the reply cannot come later.
fn must_be_able_to_wait(ctx: &Context<'_>) -> Outcome {
    const REFUSED: CommandError =
        CommandError::text("ERR this DEBUG subcommand is not allowed inside a transaction");
    if ctx.may_wait() { Ok(()) } else { Err(REFUSED) }
}

/// `DEBUG LOADAOF`
fn debug_loadaof<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    args.finish()?;
    must_be_able_to_wait(ctx)?;
    ctx.engine.control().reload(Reload::Log, ctx.client())?;
    ctx.wait(WaitKind::Job, None, b"");
    Ok(())
}

/// `DEBUG RELOAD [NOSAVE] [MERGE] [NOFLUSH]`: what was there is always replaced, so `MERGE` changes
/// nothing and `NOFLUSH` is refused.
fn debug_reload<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let mut how = Reload::Saved;
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"NOSAVE" => how = Reload::Unsaved,
            b"MERGE" => {}
            b"NOFLUSH" => {
                let text =
                    "ERR DEBUG RELOAD NOFLUSH is not supported: loading replaces what is there.";
                return Err(CommandError::text(text));
            }
            _ => {
                let text = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
                return Err(CommandError::text(text));
            }
        }
    }
    must_be_able_to_wait(ctx)?;
    ctx.engine.control().reload(how, ctx.client())?;
    ctx.wait(WaitKind::Job, None, b"");
    Ok(())
}

/// `DEBUG PROTOCOL type`: the replies are those of Redis, as clients' tests compare them.
fn debug_protocol<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let is_resp3 = ctx.reply.protocol() == Protocol::Resp3;
    let kind = args.option().ok_or(CommandError::Syntax)?;
    let reply = &mut ctx.reply;
    match kind.as_bytes() {
        b"STRING" => reply.bulk("Hello World"),
        b"INTEGER" => reply.integer(12345),
        // Redis's example, and not meant as a constant of nature.
        #[expect(clippy::approx_constant, reason = "the example that clients' tests expect")]
        b"DOUBLE" => reply.double(3.141),
        b"NULL" => reply.null(),
        b"ARRAY" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"SET" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"MAP" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"ATTRIB" => {
            if is_resp3 {
                reply.attribute(1);
                reply.bulk("key-popularity");
                reply.array(2);
                reply.bulk("key:123");
                reply.integer(90);
            }
            reply.bulk("Some real reply following the attribute");
        }
        b"PUSH" if is_resp3 => {
            reply.push(2);
            reply.bulk("server-cpu-usage");
            reply.integer(42);
            reply.bulk("Some real reply following the push reply");
        }
        b"PUSH" => return Err(CommandError::text("ERR RESP2 is not supported by this command")),
        b"TRUE" => reply.boolean(true),
        b"FALSE" => reply.boolean(false),
        b"VERBATIM" => reply.verbatim("txt", "This is a verbatim\nstring"),
        b"BIGNUM" => reply.big_number("1234567999999999999999999999999999999"),
        _ => {
            return Err(CommandError::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
