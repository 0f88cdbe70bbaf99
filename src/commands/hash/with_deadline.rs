//! Reading or setting fields together with their deadlines, and reading them for the last time. Commands of
//! Redis 8.0.

use super::deadlines::{expire_field, parse_deadline, parse_fields};
use super::log::{log_deadline, log_deletion, log_persistence, log_values, log_values_kept};
use super::reply_value;
use crate::base::number::parse_i64;
use crate::commands::shared::encodings::hash_limits;
use crate::commands::shared::expire_time::Unit;
use crate::exec::{Args, CommandError, Context, Outcome, quotable};
use crate::resp::{ArgList, Reply};
use crate::store::{Change, Key, event};
use crate::value::Hash;
use crate::value::hash::HashLimits;

/// `HGETDEL key FIELDS numfields field [field ...]`
pub(super) fn hgetdel<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    ctx.keys.peek_collection::<Hash>(&key)?;
    let now_ms = ctx.now_ms();
    let fields = parse_fields(&mut args, CommandError::FieldsNotPositive)?;
    let reply = &mut ctx.reply;
    let removed = ctx.keys.edit_existing(&key, |hash: &mut Hash, change| {
        reply.array(fields.len());
        let take = |field: &&[u8]| {
            reply_value(reply, hash.get(field, now_ms));
            hash.remove(field)
        };
        let removed: Vec<&[u8]> = fields.iter().filter(take).collect();
        if !removed.is_empty() {
            change.event(event::HDEL);
        }
        removed
    })?;
    match removed {
        Some(removed) => log_deletion(ctx, &key, &removed),
        None => reply_nulls(&mut ctx.reply, fields.len()),
    }
    Ok(())
}

/// What a client gets of a missing hash.
fn reply_nulls(reply: &mut Reply<'_>, fields: usize) {
    reply.array(fields);
    (0..fields).for_each(|_| reply.null());
}

/// What `HGETEX` does to deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Update {
    Nothing,
    Persist,
    /// Unix milliseconds.
    At(i64),
}

impl Update {
    fn take(args: &mut Args<'_>, now_ms: i64) -> Result<Update, CommandError> {
        if args.take_word("PERSIST") {
            return Ok(Update::Persist);
        }
        let mut ahead = *args;
        let unit = ahead.option().and_then(|word| Unit::of_option(word.as_bytes()));
        let Some(unit) = unit else { return Ok(Update::Nothing) };
        *args = ahead;
        parse_deadline(args.bytes()?, unit, now_ms).map(Update::At)
    }

    /// Does it to a field that is there; tells whether that changed anything.
    fn apply(self, hash: &mut Hash, field: &[u8], now_ms: i64) -> bool {
        match self {
            Update::Nothing => false,
            Update::Persist => hash.persist(field),
            Update::At(deadline) => {
                expire_field(hash, field, deadline, now_ms);
                true
            }
        }
    }
}

/// `HGETEX key [EX seconds | PX milliseconds | EXAT ... | PXAT ... | PERSIST] FIELDS numfields field [field ...]`
pub(super) fn hgetex<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    ctx.keys.peek_collection::<Hash>(&key)?;
    let now_ms = ctx.now_ms();
    let update = Update::take(&mut args, now_ms)?;
    let fields = parse_fields(&mut args, CommandError::FieldsNotPositive)?;
    let reply = &mut ctx.reply;
    let changed = ctx.keys.edit_existing(&key, |hash: &mut Hash, change| {
        reply.array(fields.len());
        let get = |field: &&[u8]| {
            let value = hash.get(field, now_ms);
            reply_value(reply, value);
            value.is_some() && update.apply(hash, field, now_ms)
        };
        let changed: Vec<&[u8]> = fields.iter().filter(get).collect();
        if !changed.is_empty() {
            change.event(match update {
                Update::At(deadline) if deadline <= now_ms => event::HDEL,
                Update::At(_) => event::HEXPIRE,
                _ => event::HPERSIST,
            });
        }
        changed
    })?;
    match (changed, update) {
        (None, _) => reply_nulls(&mut ctx.reply, fields.len()),
        (Some(changed), Update::At(deadline)) if deadline <= now_ms => {
            log_deletion(ctx, &key, &changed);
        }
        (Some(changed), Update::At(deadline)) => log_deadline(ctx, &key, deadline, &changed),
        (Some(changed), _) => log_persistence(ctx, &key, &changed),
    }
    Ok(())
}

/// Which fields `HSETEX` demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    Nothing,
    /// `FNX`: none of them is there.
    AllNew,
    /// `FXX`: all of them are there.
    AllPresent,
}

/// What `HSETEX` does to deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Remove,
    /// `KEEPTTL`
    Keep,
    /// Unix milliseconds.
    At(i64),
}

/// The arguments of `HSETEX` behind its key.
struct SetEx<'a> {
    demand: Demand,
    expiry: Expiry,
    /// Fields and values in turn.
    pairs: ArgList<'a>,
}

impl<'a> SetEx<'a> {
    fn parse(args: &mut Args<'a>, now_ms: i64) -> Result<SetEx<'a>, CommandError> {
        let (mut demand, mut expiry) = (Demand::Nothing, Expiry::Remove);
        while let Some(arg) = args.peek() {
            let option = args.option().expect("there is an argument");
            match option.as_bytes() {
                b"FIELDS" => return Ok(SetEx { demand, expiry, pairs: parse_pairs(args)? }),
                word @ (b"FNX" | b"FXX") => {
                    if demand != Demand::Nothing {
                        let text = "ERR Only one of FXX or FNX arguments can be specified";
                        return Err(CommandError::text(text));
                    }
                    demand = if word == b"FNX" { Demand::AllNew } else { Demand::AllPresent };
                }
                word => expiry = next_expiry(word, arg, expiry, args, now_ms)?,
            }
        }
        Err(CommandError::FieldsMissing)
    }

    /// Whether the fields are as demanded.
    fn is_met(&self, hash: &Hash, now_ms: i64) -> bool {
        let mut fields = self.pairs.iter().step_by(2);
        match self.demand {
            Demand::Nothing => true,
            Demand::AllNew => !fields.any(|field| hash.contains(field, now_ms)),
            Demand::AllPresent => fields.all(|field| hash.contains(field, now_ms)),
        }
    }

    /// Sets the fields, or removes them if their deadline has passed. Tells whether one that was to keep its
    /// deadline has one.
    fn apply(
        &self,
        hash: &mut Hash,
        limits: &HashLimits,
        now_ms: i64,
        change: &mut Change,
    ) -> bool {
        change.event(event::HSET);
        let pairs = self.pairs.iter().step_by(2).zip(self.pairs.iter().skip(1).step_by(2));
        if let Expiry::At(deadline) = self.expiry
            && deadline <= now_ms
        {
            for (field, _) in pairs {
                hash.remove(field);
            }
            change.event(event::HDEL);
            return false;
        }
        let mut has_kept = false;
        hash.make_room(self.pairs.len() / 2, limits);
        for (field, value) in pairs {
            hash.insert(field, value, limits);
            match self.expiry {
                Expiry::Remove => drop(hash.persist(field)),
                Expiry::Keep => has_kept |= hash.deadline(field).is_some(),
                Expiry::At(deadline) => hash.set_deadline(field, deadline),
            }
        }
        if matches!(self.expiry, Expiry::At(_)) {
            change.event(event::HEXPIRE);
        }
        has_kept
    }
}

/// The option `word`, which was given as `arg`: one about deadlines.
fn next_expiry(
    word: &[u8],
    arg: &[u8],
    before: Expiry,
    args: &mut Args<'_>,
    now_ms: i64,
) -> Result<Expiry, CommandError> {
    let unit = Unit::of_option(word);
    if unit.is_none() && word != b"KEEPTTL" {
        return Err(CommandError::UnknownArgument(quotable(arg, 128).to_vec()));
    }
    if before != Expiry::Remove {
        let text = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
        return Err(CommandError::text(text));
    }
    let Some(unit) = unit else { return Ok(Expiry::Keep) };
    let time = args.bytes().map_err(|_| CommandError::text("ERR missing expire time"))?;
    parse_deadline(time, unit, now_ms).map(Expiry::At)
}

/// What follows `FIELDS`: how many fields, then fields and values.
fn parse_pairs<'a>(args: &mut Args<'a>) -> Result<ArgList<'a>, CommandError> {
    if args.left() < 3 {
        return Err(CommandError::ArgumentCount);
    }
    let count = parse_i64(args.bytes()?).and_then(|count| i32::try_from(count).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or(CommandError::text("ERR invalid number of fields"))?;
    if args.left() != count as usize * 2 {
        return Err(CommandError::ArgumentCount);
    }
    Ok(args.rest())
}

/// `HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT ... | PXAT ... | KEEPTTL]
/// FIELDS numfields field value [field value ...]`: 1 if the fields were set.
pub(super) fn hsetex<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let now_ms = ctx.now_ms();
    let set = SetEx::parse(&mut args, now_ms)?;
    let limits = hash_limits(&ctx.engine.config);
    let is_new = ctx.keys.peek_collection::<Hash>(&key)?.is_none();
    let kept = ctx.keys.edit(&key, |hash: &mut Hash, change| {
        set.is_met(hash, now_ms).then(|| set.apply(hash, &limits, now_ms, change))
    })?;
    ctx.reply.integer(i64::from(kept.is_some()));
    if let Some(has_kept) = kept {
        log_set(ctx, &key, &set, is_new, has_kept);
    }
    Ok(())
}

fn log_set(ctx: &mut Context<'_>, key: &Key<'_>, set: &SetEx<'_>, is_new: bool, has_kept: bool) {
    let pairs: Vec<&[u8]> = set.pairs.iter().collect();
    let fields: Vec<&[u8]> = set.pairs.iter().step_by(2).collect();
    match set.expiry {
        Expiry::Remove => log_values(ctx, key, &pairs),
        Expiry::Keep => log_values_kept(ctx, key, has_kept, &pairs),
        Expiry::At(deadline) if deadline > ctx.now_ms() => {
            log_values(ctx, key, &pairs);
            log_deadline(ctx, key, deadline, &fields);
        }
        // The hash never was, but Redis tells that it came and went.
        Expiry::At(_) if is_new => {
            let events = [event::NEW, event::HSET, event::HDEL, event::DEL];
            events.into_iter().for_each(|kind| ctx.keys.also(key, kind));
        }
        Expiry::At(_) => log_deletion(ctx, key, &fields),
    }
}
