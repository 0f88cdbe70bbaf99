//! HyperLogLogs: estimates of how many different elements were seen. They are strings of a certain form.
//!
//! `PFCOUNT` keeps the estimate of one key in the value, so it locks its key for writing, and the log has
//! it when it did, although its row says that it only reads: so it is in Redis (`may_replicate`).

use crate::config::params;
use crate::exec::keyspec::{
    ACCESS, INSERT, KeyFlags, RO_ACCESS, RW, key, key_at, keys_from, keys_to_end,
};
use crate::exec::spec::{ADMIN, DENY_OOM, FAST, MAY_REPLICATE, READ, WRITE};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd, quotable, work};
use crate::store::{Key, ValueRef, event};
use crate::value::hyperloglog::{self, Encoding, Registers, Unusable};

const RW_ACCESS: KeyFlags = RW.and(ACCESS);

pub static COMMANDS: &[Spec] = &[
    cmd("PFADD", -2, &[key(RW.and(INSERT))], WRITE | DENY_OOM | FAST, pfadd).doc(
        "2.8.9",
        "O(1) for each element",
        "key [element [element ...]]",
        "Adds elements to a HyperLogLog; creates the key if there is none.",
    ),
    cmd("PFCOUNT", -2, &[keys_to_end(1, RW_ACCESS)], READ | MAY_REPLICATE, pfcount)
        .work(work::all)
        .doc(
            "2.8.9",
            "O(1) for one key, with a small constant; O(N) for N keys, with a large one",
            "key [key ...]",
            "Estimates how many different elements one or several HyperLogLogs have seen \
             together.",
        ),
    cmd("PFDEBUG", 3, &[key_at(2, RW_ACCESS)], WRITE | DENY_OOM | ADMIN, pfdebug).doc(
        "2.8.9",
        "O(N) where N is the length of the value",
        "subcommand key",
        "Shows how a HyperLogLog is stored, for tests of the server.",
    ),
    cmd(
        "PFMERGE",
        -2,
        &[key(RW_ACCESS.and(INSERT)), keys_from(2, RO_ACCESS)],
        WRITE | DENY_OOM,
        pfmerge,
    )
    .work(work::all)
    .doc(
        "2.8.9",
        "O(N) where N is the number of keys, with a large constant",
        "destkey [sourcekey [sourcekey ...]]",
        "Adds what several HyperLogLogs have seen to one of them.",
    ),
    cmd("PFSELFTEST", 1, &[], ADMIN, pfselftest).work(work::always).doc(
        "2.8.9",
        "O(1), with a very large constant",
        "",
        "Tests the implementation of HyperLogLogs.",
    ),
];

impl From<Unusable> for CommandError {
    fn from(reason: Unusable) -> CommandError {
        CommandError::text(match reason {
            Unusable::Foreign => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            Unusable::Corrupted => "INVALIDOBJ Corrupted HLL object detected",
        })
    }
}

/// Up to how many bytes a HyperLogLog stays sparse.
fn sparse_max(ctx: &Context<'_>) -> usize {
    ctx.engine.config.int(params::HLL_SPARSE_MAX_BYTES) as usize
}

/// Whether there is a HyperLogLog at the key, before a change of it.
fn exists(ctx: &mut Context<'_>, key: &Key<'_>) -> Result<bool, CommandError> {
    let Some(text) = ctx.keys.string_for_change(key)? else { return Ok(false) };
    text.with_bytes(hyperloglog::check)?;
    Ok(true)
}

/// `PFADD key [element [element ...]]`: 1 if a register changed or the key is new. Where damage is met
/// the elements before it stay, as in Redis, but without an event; the log has what came of it.
fn pfadd<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let mut elements = args.rest().iter();
    let is_new = !exists(ctx, &key)?;
    let sparse_max = sparse_max(ctx);
    let mut damaged = None;
    let changed = ctx.keys.edit_bytes(&key, |bytes, change| {
        if is_new {
            *bytes = hyperloglog::empty();
        }
        let changed = elements.try_fold(is_new, |changed, element| {
            Ok::<_, Unusable>(hyperloglog::add(bytes, element, sparse_max)? | changed)
        });
        match changed {
            Ok(true) => {
                hyperloglog::invalidate(bytes);
                change.event(event::PFADD);
            }
            Ok(false) => {}
            Err(_) => {
                change.silently();
                damaged = Some(bytes.clone());
            }
        }
        changed
    })?;
    if let Some(bytes) = damaged {
        ctx.keys.log_instead(|log| log.words([b"SET", key.bytes, &bytes[..], b"KEEPTTL"]));
    }
    ctx.reply.integer(i64::from(changed?));
    Ok(())
}

/// `PFCOUNT key [key ...]`
fn pfcount<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if args.left() == 1 {
        let key = args.key(&ctx.keys)?;
        return count_one(ctx, &key);
    }
    let mut union = Registers::default();
    while !args.is_empty() {
        let key = args.key(&ctx.keys)?;
        if let Some(text) = ctx.keys.string(&key)? {
            text.with_bytes(|bytes| union.merge(bytes))?;
        }
    }
    ctx.reply.integer(union.count() as i64);
    Ok(())
}

/// The estimate that the value keeps, or a new one, which it keeps from then on.
fn count_one(ctx: &mut Context<'_>, key: &Key<'_>) -> Outcome {
    let Some(text) = ctx.keys.string(key)? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let (cached, count) = text.with_bytes(|bytes| {
        hyperloglog::check(bytes)?;
        match hyperloglog::cached_count(bytes) {
            Some(count) => Ok::<_, Unusable>((true, count)),
            None => Ok((false, hyperloglog::count(bytes)?)),
        }
    })?;
    let is_raw = !matches!(
        ctx.keys.peek(key).map(|entry| entry.value()),
        Some(ValueRef::Short { edited: false, .. })
    );
    if !cached || !is_raw {
        ctx.keys.edit_bytes(key, |bytes, change| {
            if !cached {
                hyperloglog::cache_count(bytes, count);
                change.silently();
            }
        })?;
    }
    ctx.reply.integer(count as i64);
    Ok(())
}

/// `PFMERGE destkey [sourcekey [sourcekey ...]]`: dense if one of them is.
fn pfmerge<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    let mut union = Registers::default();
    let mut dense = false;
    let mut keys = args;
    while !keys.is_empty() {
        let key = keys.key(&ctx.keys)?;
        if let Some(text) = ctx.keys.string(&key)? {
            dense |= text.with_bytes(|bytes| union.merge(bytes))? == Encoding::Dense;
        }
    }
    let mut args = args;
    let target = args.key(&ctx.keys)?;
    let sparse_max = sparse_max(ctx);
    ctx.keys.edit_bytes(&target, |bytes, change| {
        if bytes.is_empty() {
            *bytes = hyperloglog::empty();
        }
        change.event(event::PFADD);
        hyperloglog::absorb(bytes, &union, dense, sparse_max)
    })??;
    ctx.reply.ok();
    Ok(())
}

/// `PFDEBUG <GETREG | DECODE | ENCODING | TODENSE> key`
fn pfdebug<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let name = args.bytes()?;
    let mut words = Args::new(args.all(), 1);
    let subcommand = words.option().expect("the name is there");
    let key = args.key(&ctx.keys)?;
    if !exists(ctx, &key)? {
        return Err(CommandError::text("ERR The specified key does not exist"));
    }
    match subcommand.as_bytes() {
        b"GETREG" => {
            make_dense(ctx, &key)?;
            let registers = look(ctx, &key, |bytes| {
                let mut registers = Registers::default();
                registers.merge(bytes).map(|_| registers)
            })?;
            let values = registers.values();
            ctx.reply.array(values.len());
            values.for_each(|value| ctx.reply.integer(i64::from(value)));
        }
        b"DECODE" => {
            let text = look(ctx, &key, |bytes| match hyperloglog::check(bytes) {
                Ok(Encoding::Sparse) => Ok(hyperloglog::describe(bytes)),
                _ => Err(CommandError::text("ERR HLL encoding is not sparse")),
            })?;
            ctx.reply.bulk(text);
        }
        b"ENCODING" => {
            let encoding = look(ctx, &key, hyperloglog::check)?;
            ctx.reply.simple(if encoding == Encoding::Dense { "dense" } else { "sparse" });
        }
        b"TODENSE" => {
            let was_sparse = make_dense(ctx, &key)?;
            ctx.reply.integer(i64::from(was_sparse));
        }
        _ => {
            let name = String::from_utf8_lossy(quotable(name, usize::MAX));
            return Err(CommandError::err(format!("Unknown PFDEBUG subcommand '{name}'")));
        }
    }
    Ok(())
}

/// Reads a HyperLogLog that is there; it counts as `raw` from then on.
fn look<T, E>(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, CommandError>
where
    CommandError: From<E>,
{
    Ok(ctx.keys.edit_bytes(key, |bytes, _| read(bytes))??)
}

/// Makes a HyperLogLog that is there dense; tells whether it was sparse.
fn make_dense(ctx: &mut Context<'_>, key: &Key<'_>) -> Result<bool, CommandError> {
    let was_sparse = ctx.keys.edit_bytes(key, |bytes, change| {
        let was_sparse = hyperloglog::make_dense(bytes)?;
        if was_sparse {
            change.silently();
        }
        Ok::<bool, Unusable>(was_sparse)
    })??;
    Ok(was_sparse)
}

/// `PFSELFTEST`
fn pfselftest<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    args.finish()?;
    match hyperloglog::self_test(ctx.random) {
        Ok(()) => ctx.reply.ok(),
        Err(text) => return Err(CommandError::Other(format!("TESTFAILED {text}").into())),
    }
    Ok(())
}
