//! Several sets at once: union, intersection, difference. Plain sets take part, with scores of 1.

use smallvec::SmallVec;

use super::results::store;
use crate::base::number::parse_f64;
use crate::commands::set::parse_limit;
use crate::commands::shared::reply_shape::ReplyShape;
use crate::exec::{Args, CommandError, Context, Keys, Outcome};
use crate::store::{EventKind, Key, ValueRef, View, WrongType, event};
use crate::value::Value;
use crate::value::sorted_set::{
    Aggregate, Scored, Source, difference, intersection, intersection_count, sort, union,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// Reads the number of keys and the keys, and looks them all up in order, as Redis does before it reads the
/// options: each counts as a hit or a miss, and none may be of another type.
fn look_up<'a>(
    ctx: &mut Context<'a>,
    args: &mut Args<'a>,
    command: &str,
) -> Result<Keys<'a>, CommandError> {
    let count = args.integer()?;
    if count < 1 {
        let text = format!("at least 1 input key is needed for '{command}' command");
        return Err(CommandError::err(text));
    }
    if count as u64 > args.left() as u64 {
        return Err(CommandError::Syntax);
    }
    let mut keys = Keys::new();
    for _ in 0..count {
        let key = args.key(&ctx.keys)?;
        if let Some(entry) = ctx.keys.read(&key) {
            source_of(entry.value())?;
        }
        keys.push(key);
    }
    Ok(keys)
}

fn source_of(value: ValueRef<'_>) -> Result<Source<'_>, WrongType> {
    match value {
        ValueRef::Object(Value::SortedSet(set)) => Ok(Source::SortedSet(set)),
        ValueRef::Object(Value::Set(set)) => Ok(Source::Set(set)),
        _ => Err(WrongType),
    }
}

/// What was looked up.
fn source<'v>(view: &'v View<'_>, key: &Key<'_>) -> Source<'v> {
    view.peek(key)
        .map_or(Source::Missing, |entry| source_of(entry.value()).expect("its type was looked at"))
}

/// Options of the commands that combine.
struct Options {
    /// One for each key.
    weights: SmallVec<[f64; 4]>,
    aggregate: Aggregate,
    with_scores: bool,
}

impl Options {
    fn parse(
        args: &mut Args<'_>,
        keys: usize,
        operation: Operation,
        stores: bool,
    ) -> Result<Options, CommandError> {
        let is_scored = operation != Operation::Difference;
        let weights = SmallVec::from_elem(1.0, keys);
        let mut options = Options { weights, aggregate: Aggregate::Sum, with_scores: false };
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"WEIGHTS" if is_scored && args.left() >= keys => {
                    for weight in &mut options.weights {
                        *weight = parse_weight(args.bytes()?)?;
                    }
                }
                b"AGGREGATE" if is_scored && !args.is_empty() => {
                    options.aggregate = args.choice(&[
                        ("SUM", Aggregate::Sum),
                        ("MIN", Aggregate::Min),
                        ("MAX", Aggregate::Max),
                    ])?;
                }
                b"WITHSCORES" if !stores => options.with_scores = true,
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }
}

fn parse_weight(arg: &[u8]) -> Result<f64, CommandError> {
    parse_f64(arg).ok_or(CommandError::text("ERR weight value is not a float"))
}

fn combine(view: &View<'_>, keys: &[Key<'_>], operation: Operation, options: &Options) -> Scored {
    let sources = keys.iter().map(|key| source(view, key));
    let weighted = || sources.clone().zip(options.weights.iter().copied()).collect::<Vec<_>>();
    match operation {
        Operation::Union => union(&weighted(), options.aggregate),
        Operation::Intersection => intersection(&weighted(), options.aggregate),
        Operation::Difference => difference(&sources.collect::<Vec<_>>()),
    }
}

fn reply_combined<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    operation: Operation,
    command: &str,
) -> Outcome {
    let keys = look_up(ctx, &mut args, command)?;
    let options = Options::parse(&mut args, keys.len(), operation, false)?;
    let mut members = combine(&ctx.keys, &keys, operation, &options);
    sort(&mut members);
    let shape = ReplyShape::with_word(options.with_scores, ctx.reply.protocol());
    shape.reply_members(&mut ctx.reply, &members);
    Ok(())
}

fn store_combined<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    operation: Operation,
    kind: EventKind,
) -> Outcome {
    let target = args.key(&ctx.keys)?;
    // The event has the command's name.
    let keys = look_up(ctx, &mut args, kind.name)?;
    let options = Options::parse(&mut args, keys.len(), operation, true)?;
    let members = combine(&ctx.keys, &keys, operation, &options);
    store(ctx, &target, &members, kind);
    Ok(())
}

/// `ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zunion<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_combined(ctx, args, Operation::Union, "zunion")
}

/// `ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zinter<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_combined(ctx, args, Operation::Intersection, "zinter")
}

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`
pub(super) fn zdiff<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_combined(ctx, args, Operation::Difference, "zdiff")
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS ...] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zunionstore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    store_combined(ctx, args, Operation::Union, event::ZUNIONSTORE)
}

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS ...] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zinterstore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    store_combined(ctx, args, Operation::Intersection, event::ZINTERSTORE)
}

/// `ZDIFFSTORE destination numkeys key [key ...]`
pub(super) fn zdiffstore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    store_combined(ctx, args, Operation::Difference, event::ZDIFFSTORE)
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`: counts no further than the limit, unless it is 0.
pub(super) fn zintercard<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let keys = look_up(ctx, &mut args, "zintercard")?;
    let limit = parse_limit(&mut args)?;
    let sources: SmallVec<[Source<'_>; 4]> =
        keys.iter().map(|key| source(&ctx.keys, key)).collect();
    let count = intersection_count(&sources, limit);
    ctx.reply.count(count);
    Ok(())
}
