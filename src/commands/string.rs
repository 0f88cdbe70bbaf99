//! Strings: whole values, parts of them, and numbers in them.

use crate::base::long_double::LongDouble;
use crate::base::number::parse_i64;
use crate::config::params;
use crate::exec::keyspec::{
    ACCESS, Begin, DELETE, Find, INSERT, KeyFlags, KeySpec, OW, OW_UPDATE, RO, RO_ACCESS, RW,
    RW_ACCESS_UPDATE, RW_UPDATE, UPDATE, VARIABLE_FLAGS, key, keys_to_end,
};
use crate::exec::spec::{DENY_OOM, FAST, READ, WRITE};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd, reply_text, work};
use crate::resp::ArgList;
use crate::store::{Deadline, EventKind, Key, StringRef, Text, View, event, string_ref};
use crate::value::string::{byte_range, overwrite};

use crate::commands::shared::expire_time::{ExpiryOption, Unit, parse_positive, set_deadline};

const SET_FLAGS: KeyFlags = RW.and(ACCESS).and(UPDATE).and(VARIABLE_FLAGS);
const TWO_KEYS: KeySpec = KeySpec {
    begin: Begin::Index(1),
    find: Find::Range { last: 1, step: 1, limit: 0 },
    flags: RO_ACCESS,
};

pub static COMMANDS: &[Spec] = &[
    cmd("APPEND", 3, &[key(RW.and(INSERT))], WRITE | DENY_OOM | FAST, append).doc(
        "2.0.0",
        "O(1)",
        "key value",
        "Appends to a string; creates the key if there is none.",
    ),
    cmd("DECR", 2, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, decr).doc(
        "1.0.0",
        "O(1)",
        "key",
        "Subtracts one from the integer at a key, which counts as 0 if missing.",
    ),
    cmd("DECRBY", 3, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, decrby).doc(
        "1.0.0",
        "O(1)",
        "key decrement",
        "Subtracts from the integer at a key, which counts as 0 if missing.",
    ),
    cmd("GET", 2, &[key(RO_ACCESS)], READ | FAST, get).doc(
        "1.0.0",
        "O(1)",
        "key",
        "Returns the string at a key.",
    ),
    cmd("GETDEL", 2, &[key(RW.and(ACCESS).and(DELETE))], WRITE | FAST, getdel).doc(
        "6.2.0",
        "O(1)",
        "key",
        "Returns the string at a key and deletes the key.",
    ),
    cmd("GETEX", -2, &[key(RW_ACCESS_UPDATE)], WRITE | FAST, getex).doc(
        "6.2.0",
        "O(1)",
        "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT \
         unix-time-milliseconds | PERSIST]",
        "Returns the string at a key and sets or removes its expiry time.",
    ),
    cmd("GETRANGE", 4, &[key(RO_ACCESS)], READ, getrange).work(getrange_work).doc(
        "2.4.0",
        "O(N) where N is the length returned",
        "key start end",
        "Returns a part of the string at a key.",
    ),
    cmd("GETSET", 3, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, getset)
        .doc("1.0.0", "O(1)", "key value", "Sets a string and returns the one it replaces.")
        .deprecated("6.2.0", "`SET` with the `GET` argument"),
    cmd("INCR", 2, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, incr).doc(
        "1.0.0",
        "O(1)",
        "key",
        "Adds one to the integer at a key, which counts as 0 if missing.",
    ),
    cmd("INCRBY", 3, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, incrby).doc(
        "1.0.0",
        "O(1)",
        "key increment",
        "Adds to the integer at a key, which counts as 0 if missing.",
    ),
    cmd("INCRBYFLOAT", 3, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, incrbyfloat).doc(
        "2.6.0",
        "O(1)",
        "key increment",
        "Adds to the decimal number at a key, which counts as 0 if missing.",
    ),
    cmd("LCS", -3, &[TWO_KEYS], READ, lcs).work(lcs_work).doc(
        "7.0.0",
        "O(N*M) where N and M are the lengths of the strings",
        "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        "Finds the longest common subsequence of two strings.",
    ),
    cmd("MGET", -2, &[keys_to_end(1, RO_ACCESS)], READ | FAST, mget)
        .tips(&["request_policy:multi_shard"])
        .doc(
            "1.0.0",
            "O(N) where N is the number of keys",
            "key [key ...]",
            "Returns the strings at several keys.",
        ),
    cmd("MSET", -3, &[keys_to_end(2, OW_UPDATE)], WRITE | DENY_OOM, mset)
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .doc(
            "1.0.1",
            "O(N) where N is the number of keys",
            "key value [key value ...]",
            "Sets several keys at once.",
        ),
    cmd("MSETNX", -3, &[keys_to_end(2, OW.and(INSERT))], WRITE | DENY_OOM, msetnx)
        .tips(&["request_policy:multi_shard", "response_policy:agg_min"])
        .doc(
            "1.0.1",
            "O(N) where N is the number of keys",
            "key value [key value ...]",
            "Sets several keys at once, if none of them exists.",
        ),
    cmd("PSETEX", 4, &[key(OW_UPDATE)], WRITE | DENY_OOM, psetex)
        .doc(
            "2.6.0",
            "O(1)",
            "key milliseconds value",
            "Sets a string that expires after some milliseconds.",
        )
        .deprecated("2.6.12", "`SET` with the `PX` argument"),
    cmd("SET", -3, &[key(SET_FLAGS)], WRITE | DENY_OOM, set).key_flags(set_key_flags).doc(
        "1.0.0",
        "O(1)",
        "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | KEEPTTL]",
        "Sets a string, whatever the key held before.",
    ),
    cmd("SETEX", 4, &[key(OW_UPDATE)], WRITE | DENY_OOM, setex)
        .doc("2.0.0", "O(1)", "key seconds value", "Sets a string that expires after some seconds.")
        .deprecated("2.6.12", "`SET` with the `EX` argument"),
    cmd("SETNX", 3, &[key(OW.and(INSERT))], WRITE | DENY_OOM | FAST, setnx)
        .doc("1.0.0", "O(1)", "key value", "Sets a string if the key does not exist.")
        .deprecated("2.6.12", "`SET` with the `NX` argument"),
    cmd("SETRANGE", 4, &[key(RW_UPDATE)], WRITE | DENY_OOM, setrange).work(setrange_work).doc(
        "2.2.0",
        "O(M) where M is the length of the value",
        "key offset value",
        "Overwrites a part of a string; pads with zero bytes if it is too short.",
    ),
    cmd("STRLEN", 2, &[key(RO)], READ | FAST, strlen).doc(
        "2.2.0",
        "O(1)",
        "key",
        "Returns the length of the string at a key.",
    ),
    cmd("SUBSTR", 4, &[key(RO_ACCESS)], READ, getrange)
        .work(getrange_work)
        .doc(
            "1.0.0",
            "O(N) where N is the length returned",
            "key start end",
            "Returns a part of the string at a key.",
        )
        .deprecated("2.0.0", "`GETRANGE`"),
];

/// `GET key`
fn get<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    reply_text(&mut ctx.reply, ctx.keys.string(&key)?);
    Ok(())
}

/// `MGET key [key ...]`: null for keys that are missing or hold no string.
fn mget<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    ctx.reply.array(args.left());
    while !args.is_empty() {
        let key = args.key(&ctx.keys)?;
        reply_text(&mut ctx.reply, ctx.keys.string(&key).unwrap_or(None));
    }
    Ok(())
}

/// `SET` reads its key only if it is told to.
fn set_key_flags(args: ArgList<'_>) -> KeyFlags {
    let gets = args.skip(3).iter().any(|arg| arg.eq_ignore_ascii_case(b"GET"));
    if gets { RW_ACCESS_UPDATE } else { OW_UPDATE }
}

/// Options of `SET`.
struct SetOptions {
    only_if_missing: bool,
    only_if_present: bool,
    get: bool,
    deadline: Deadline,
}

impl SetOptions {
    fn parse(args: &mut Args<'_>, now_ms: i64) -> Result<SetOptions, CommandError> {
        let mut options = SetOptions {
            only_if_missing: false,
            only_if_present: false,
            get: false,
            deadline: Deadline::Clear,
        };
        let mut expiry = ExpiryOption::default();
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"NX" if !options.only_if_present => options.only_if_missing = true,
                b"XX" if !options.only_if_missing => options.only_if_present = true,
                b"GET" => options.get = true,
                b"KEEPTTL" if !expiry.is_given() => options.deadline = Deadline::Keep,
                _ if options.deadline == Deadline::Keep => return Err(CommandError::Syntax),
                name => expiry.take(name, args)?,
            }
        }
        if let Some(unix_ms) = expiry.deadline(now_ms)? {
            options.deadline = Deadline::At(unix_ms);
        }
        Ok(options)
    }
}

/// `SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT ... | PXAT ... | KEEPTTL]`
fn set<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let value = args.bytes()?;
    let options = SetOptions::parse(&mut args, ctx.now_ms())?;
    if options.get {
        reply_text(&mut ctx.reply, ctx.keys.string(&key)?);
    }
    let held_back = options.only_if_missing && ctx.keys.exists(&key)
        || options.only_if_present && !ctx.keys.exists(&key);
    if held_back {
        if !options.get {
            ctx.reply.null();
        }
        return Ok(());
    }
    store(ctx, &key, value, options.deadline);
    if !options.get {
        ctx.reply.ok();
    }
    Ok(())
}

/// Stores a string as `SET` does. A deadline is logged as the absolute time that it is.
fn store(ctx: &mut Context<'_>, key: &Key<'_>, value: &[u8], deadline: Deadline) {
    ctx.keys.put_string(key, string_ref(value), deadline, event::SET);
    if let Deadline::At(unix_ms) = deadline {
        ctx.keys.also(key, event::EXPIRE);
        ctx.keys.log_instead(|log| {
            log.words([b"SET", key.bytes, value, b"PXAT"]);
            log.text(unix_ms);
        });
    }
}

/// `SETNX key value`
fn setnx<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let value = args.bytes()?;
    let missing = !ctx.keys.exists(&key);
    if missing {
        store(ctx, &key, value, Deadline::Clear);
    }
    ctx.reply.integer(i64::from(missing));
    Ok(())
}

/// `SETEX key seconds value`
fn setex<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_with_expiry(ctx, args, Unit::SECONDS)
}

/// `PSETEX key milliseconds value`
fn psetex<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    set_with_expiry(ctx, args, Unit::MILLIS)
}

fn set_with_expiry<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, unit: Unit) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let deadline = parse_positive(args.bytes()?, unit, ctx.now_ms())?;
    store(ctx, &key, args.bytes()?, Deadline::At(deadline));
    ctx.reply.ok();
    Ok(())
}

/// `MSET key value [key value ...]`
fn mset<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    check_pairs(&args)?;
    store_pairs(ctx, args)?;
    ctx.reply.ok();
    Ok(())
}

/// `MSETNX key value [key value ...]`: all or none.
fn msetnx<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    check_pairs(&args)?;
    let mut keys = args;
    while !keys.is_empty() {
        let key = keys.key(&ctx.keys)?;
        keys.bytes()?;
        if ctx.keys.exists(&key) {
            ctx.reply.integer(0);
            return Ok(());
        }
    }
    store_pairs(ctx, args)?;
    ctx.reply.integer(1);
    Ok(())
}

fn check_pairs(args: &Args<'_>) -> Outcome {
    if args.left().is_multiple_of(2) { Ok(()) } else { Err(CommandError::ArgumentCount) }
}

fn store_pairs<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    while !args.is_empty() {
        let key = args.key(&ctx.keys)?;
        let value = args.bytes()?;
        ctx.keys.put_string(&key, string_ref(value), Deadline::Clear, event::SET);
    }
    Ok(())
}

/// `GETSET key value`
fn getset<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let value = args.bytes()?;
    reply_text(&mut ctx.reply, ctx.keys.string(&key)?);
    store(ctx, &key, value, Deadline::Clear);
    Ok(())
}

/// `GETDEL key`
fn getdel<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    reply_text(&mut ctx.reply, ctx.keys.string(&key)?);
    if ctx.keys.remove(&key, event::DEL) {
        ctx.keys.log_instead(|log| log.words([b"DEL", key.bytes]));
    }
    Ok(())
}

/// Options of `GETEX`.
#[derive(Default)]
struct GetexOptions<'a> {
    persist: bool,
    expiry: ExpiryOption<'a>,
}

impl<'a> GetexOptions<'a> {
    fn parse(args: &mut Args<'a>) -> Result<GetexOptions<'a>, CommandError> {
        let mut options = GetexOptions::default();
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"PERSIST" if !options.expiry.is_given() => options.persist = true,
                _ if options.persist => return Err(CommandError::Syntax),
                name => options.expiry.take(name, args)?,
            }
        }
        Ok(options)
    }
}

/// `GETEX key [EX seconds | PX milliseconds | EXAT ... | PXAT ... | PERSIST]`: a missing key is null before
/// the time is looked at.
fn getex<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let options = GetexOptions::parse(&mut args)?;
    let now_ms = ctx.now_ms();
    let Some(text) = ctx.keys.string(&key)? else {
        ctx.reply.null();
        return Ok(());
    };
    let deadline = options.expiry.deadline(now_ms)?;
    reply_text(&mut ctx.reply, Some(text));
    if options.persist {
        persist_after_get(ctx, &key);
    } else if let Some(deadline) = deadline {
        set_deadline(ctx, &key, deadline);
    }
    Ok(())
}

fn persist_after_get(ctx: &mut Context<'_>, key: &Key<'_>) {
    if ctx.keys.peek(key).is_some_and(|entry| entry.deadline().is_some()) {
        ctx.keys.set_deadline(key, None, event::PERSIST);
        ctx.keys.log_instead(|log| log.words([b"PERSIST", key.bytes]));
    }
}

/// `APPEND key value`
fn append<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let value = args.bytes()?;
    let Some(len) = ctx.keys.string_for_change(&key)?.map(|text| text.len()) else {
        ctx.keys.put_string(&key, string_ref(value), Deadline::Clear, event::APPEND);
        ctx.reply.count(value.len());
        return Ok(());
    };
    ctx.check_string(len + value.len())?;
    let len = ctx.keys.edit_string(&key, event::APPEND, |bytes| bytes.extend_from_slice(value))?;
    ctx.reply.count(len);
    Ok(())
}

/// `STRLEN key`
fn strlen<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let len = ctx.keys.string(&key)?.map_or(0, |text| text.len());
    ctx.reply.count(len);
    Ok(())
}

/// `GETRANGE key start end`, and `SUBSTR`, its old name.
fn getrange<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (start, end) = (args.integer()?, args.integer()?);
    match ctx.keys.string(&key)? {
        None => ctx.reply.bulk(""),
        Some(text) => {
            text.with_bytes(|bytes| ctx.reply.bulk(&bytes[byte_range(bytes.len(), start, end)]))
        }
    }
    Ok(())
}

/// `SETRANGE key offset value`
fn setrange<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let offset = args.integer()?;
    let value = args.bytes()?;
    let offset = usize::try_from(offset).map_err(|_| CommandError::OffsetOutOfRange)?;
    let len = ctx.keys.string_for_change(&key)?.map_or(0, |text| text.len());
    if value.is_empty() {
        ctx.reply.count(len);
        return Ok(());
    }
    ctx.check_string(offset.saturating_add(value.len()))?;
    let len =
        ctx.keys.edit_string(&key, event::SETRANGE, |bytes| overwrite(bytes, offset, value))?;
    ctx.reply.count(len);
    Ok(())
}

/// `INCR key`
fn incr<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    increment(ctx, args, 1)
}

/// `DECR key`
fn decr<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    increment(ctx, args, -1)
}

/// `INCRBY key increment`
fn incrby<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    let mut amount = args;
    amount.bytes()?;
    let by = amount.integer()?;
    increment(ctx, args, by)
}

/// `DECRBY key decrement`
fn decrby<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    let mut amount = args;
    amount.bytes()?;
    let by = amount.integer()?.checked_neg().ok_or(CommandError::DecrementOverflow)?;
    increment(ctx, args, by)
}

fn increment<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, by: i64) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let old = match ctx.keys.string_for_change(&key)? {
        None => 0,
        Some(Text::Integer(number)) => number,
        Some(text) => text.with_bytes(parse_i64).ok_or(CommandError::NotAnInteger)?,
    };
    let new = old.checked_add(by).ok_or(CommandError::IncrementOverflow)?;
    ctx.keys.put_string(&key, StringRef::Integer(new), Deadline::Keep, event::INCRBY);
    ctx.reply.integer(new);
    Ok(())
}

/// `INCRBYFLOAT key increment`: in the 80-bit arithmetic of Redis, so that results agree to the digit.
fn incrbyfloat<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    const KIND: EventKind = event::INCRBYFLOAT;
    let key = args.key(&ctx.keys)?;
    let old = match ctx.keys.string_for_change(&key)? {
        None => LongDouble::parse(b"0"),
        Some(text) => text.with_bytes(LongDouble::parse),
    };
    let old = old.ok_or(CommandError::NotAFloat)?;
    let by = LongDouble::parse(args.bytes()?).ok_or(CommandError::NotAFloat)?;
    let sum = old + by;
    if sum.is_nan_or_infinite() {
        return Err(CommandError::IncrementNotFinite);
    }
    let mut digits = Vec::new();
    sum.write(&mut digits);
    let value = StringRef::Bytes { bytes: &digits, edited: false };
    ctx.keys.put_string(&key, value, Deadline::Keep, KIND);
    ctx.keys.log_instead(|log| log.words([b"SET", key.bytes, &digits, b"KEEPTTL"]));
    ctx.reply.bulk(&digits);
    Ok(())
}

/// Options of `LCS`.
#[derive(Default)]
struct LcsOptions {
    len: bool,
    idx: bool,
    min_match_len: usize,
    with_match_len: bool,
}

fn parse_lcs(args: &mut Args<'_>) -> Result<LcsOptions, CommandError> {
    let mut options = LcsOptions::default();
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"IDX" => options.idx = true,
            b"LEN" => options.len = true,
            b"WITHMATCHLEN" => options.with_match_len = true,
            b"MINMATCHLEN" => {
                args.peek().ok_or(CommandError::Syntax)?;
                options.min_match_len = usize::try_from(args.integer()?).unwrap_or(0);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    if options.idx && options.len {
        let text = "ERR If you want both the length and indexes, please just use IDX.";
        return Err(CommandError::text(text));
    }
    Ok(options)
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]`
fn lcs<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (first, second) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    // Both are looked up, even if the first is no string.
    let (a, b) = (lcs_input(ctx, &first), lcs_input(ctx, &second));
    let (a, b) = (a?, b?);
    let options = parse_lcs(&mut args)?;
    let table_bytes = (a.len() as u128 + 1) * (b.len() as u128 + 1) * size_of::<u32>() as u128;
    if table_bytes > ctx.engine.config.int(params::PROTO_MAX_BULK_LEN) as u128 {
        let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        return Err(CommandError::text(text));
    }
    let found = crate::value::lcs::longest_common_subsequence(&a, &b);
    if options.len {
        ctx.reply.count(found.bytes.len());
    } else if options.idx {
        reply_matches(ctx, &found, &options);
    } else {
        ctx.reply.bulk(&found.bytes);
    }
    Ok(())
}

fn lcs_input(ctx: &mut Context<'_>, key: &Key<'_>) -> Result<Vec<u8>, CommandError> {
    match ctx.keys.string(key) {
        Ok(text) => Ok(text.map(|text| text.to_vec()).unwrap_or_default()),
        Err(_) => Err(CommandError::text("ERR The specified keys must contain string values")),
    }
}

fn reply_matches(ctx: &mut Context<'_>, found: &crate::value::lcs::Lcs, options: &LcsOptions) {
    let wanted = found.matches.iter().filter(|m| m.len >= options.min_match_len);
    ctx.reply.map(2);
    ctx.reply.bulk("matches");
    ctx.reply.array(wanted.clone().count());
    for matched in wanted {
        ctx.reply.array(if options.with_match_len { 3 } else { 2 });
        for start in [matched.a, matched.b] {
            ctx.reply.array(2);
            ctx.reply.count(start);
            ctx.reply.count(start + matched.len - 1);
        }
        if options.with_match_len {
            ctx.reply.count(matched.len);
        }
    }
    ctx.reply.bulk("len");
    ctx.reply.count(found.bytes.len());
}

/// The bytes that are copied, which is fast.
fn getrange_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    const BYTES_PER_ELEMENT: usize = 1024;
    let Some(key) = keys.declared(0) else { return 0 };
    let index = |arg| args.get(arg).and_then(parse_i64);
    let (Some(start), Some(end)) = (index(2), index(3)) else { return 0 };
    byte_range(keys.string_len(&key), start, end).len().div_ceil(BYTES_PER_ELEMENT)
}

fn setrange_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let offset = args.get(2).and_then(parse_i64).and_then(|offset| usize::try_from(offset).ok());
    let written = args.get(3).map_or(0, <[u8]>::len);
    offset.map_or(0, |offset| work::growth(offset.saturating_add(written), keys))
}

/// The cells of a table, each of which is little work.
fn lcs_work(_: ArgList<'_>, keys: &View<'_>) -> usize {
    const CELLS_PER_ELEMENT: usize = 32;
    let mut lens = keys.all_declared().map(|key| keys.string_len(&key));
    let (first, second) = (lens.next().unwrap_or(0), lens.next().unwrap_or(0));
    first.saturating_mul(second).div_ceil(CELLS_PER_ELEMENT)
}
