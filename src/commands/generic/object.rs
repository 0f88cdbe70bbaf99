//! `OBJECT`: how a key is kept.

use crate::base::number::parse_i64;
use crate::commands::shared::family_help::family_help;
use crate::exec::keyspec::{RO, key_at};
use crate::exec::spec::{LOADING, READ, STALE};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd};
use crate::store::{Tracking, ValueRef};
use crate::value::Value;

pub(super) static SUBCOMMANDS: &[Spec] = &[
    cmd("OBJECT ENCODING", 3, &[key_at(2, RO)], READ, object_encoding)
        .categories(&["keyspace"])
        .tips(&["nondeterministic_output"])
        .doc("2.2.3", "O(1)", "key", "Names the internal form of a value."),
    cmd("OBJECT FREQ", 3, &[key_at(2, RO)], READ, object_freq)
        .categories(&["keyspace"])
        .tips(&["nondeterministic_output"])
        .doc(
            "4.0.0",
            "O(1)",
            "key",
            "Tells the logarithmic access counter of a key, under an LFU policy.",
        ),
    cmd("OBJECT HELP", 2, &[], LOADING | STALE, object_help).categories(&["keyspace"]).doc(
        "6.2.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
    cmd("OBJECT IDLETIME", 3, &[key_at(2, RO)], READ, object_idletime)
        .categories(&["keyspace"])
        .tips(&["nondeterministic_output"])
        .doc("2.2.3", "O(1)", "key", "Tells for how many seconds a key has not been used."),
    cmd("OBJECT REFCOUNT", 3, &[key_at(2, RO)], READ, object_refcount)
        .categories(&["keyspace"])
        .tips(&["nondeterministic_output"])
        .doc("2.2.3", "O(1)", "key", "Tells how many references Redis would hold to a value."),
];

/// Strings up to this length are `embstr`.
const EMBSTR_MAX: usize = 44;
/// Redis shares the objects of small integers and reports this as their count.
const SHARED_REFCOUNT: i64 = i32::MAX as i64;
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;

/// `OBJECT ENCODING key`
fn object_encoding<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    match ctx.keys.inspect(&key).map(|entry| encoding(entry.value())) {
        Some(name) => ctx.reply.bulk(name),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// The name that Redis gives to the way in which it would keep this value.
pub(crate) fn encoding(value: ValueRef<'_>) -> &'static str {
    let of_bytes = |bytes: &[u8], edited: bool| match bytes.len() {
        0..=EMBSTR_MAX if !edited => "embstr",
        _ => "raw",
    };
    match value {
        ValueRef::Integer(_) => "int",
        ValueRef::Short { bytes, edited } => of_bytes(bytes, edited),
        ValueRef::Object(value) => match value {
            Value::String { bytes, edited } => match parse_i64(bytes) {
                Some(_) if !edited => "int",
                _ => of_bytes(bytes, *edited),
            },
            Value::List(list) => list.encoding(),
            Value::Set(set) => set.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::SortedSet(set) => set.encoding(),
            Value::Stream(stream) => stream.encoding(),
        },
    }
}

/// `OBJECT REFCOUNT key`
fn object_refcount<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    match ctx.keys.inspect(&key).map(|entry| entry.value()) {
        Some(ValueRef::Integer(number)) if SHARED_INTEGERS.contains(&number) => {
            ctx.reply.integer(SHARED_REFCOUNT);
        }
        Some(_) => ctx.reply.integer(1),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// `OBJECT IDLETIME key`
fn object_idletime<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let Some(word) = ctx.keys.access_of(&key) else {
        ctx.reply.null();
        return Ok(());
    };
    let access = ctx.keys.access();
    if access.tracking != Tracking::Lru {
        return Err(CommandError::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.integer(i64::from(access.idle_seconds(word)));
    Ok(())
}

/// `OBJECT FREQ key`
fn object_freq<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let Some(word) = ctx.keys.access_of(&key) else {
        ctx.reply.null();
        return Ok(());
    };
    let access = ctx.keys.access();
    if access.tracking == Tracking::Lru {
        return Err(CommandError::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.integer(i64::from(access.frequency(word)));
    Ok(())
}

/// `OBJECT HELP`
fn object_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "OBJECT")
}
