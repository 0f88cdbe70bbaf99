//! Positions of members, and the distance between two.

use super::numbers::{parse_unit, reply_distance, reply_position};
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::Reply;
use crate::value::SortedSet;
use crate::value::geo::Position;

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub(super) fn geodist<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (first, second) = (args.bytes()?, args.bytes()?);
    let unit_m = match args.left() {
        0 => 1.0,
        1 => parse_unit(&mut args)?,
        _ => return Err(CommandError::Syntax),
    };
    let set = ctx.keys.collection::<SortedSet>(&key)?;
    let position = |member| set.and_then(|set| set.score(member)).map(Position::of_score);
    match position(first).zip(position(second)) {
        Some((from, to)) => reply_distance(&mut ctx.reply, from.distance_m(to) / unit_m),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// `GEOHASH key [member [member ...]]`
pub(super) fn geohash<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_each(ctx, args, |reply, position| match position {
        Some(position) => reply.bulk(position.geohash()),
        None => reply.null(),
    })
}

/// `GEOPOS key [member [member ...]]`
pub(super) fn geopos<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_each(ctx, args, |reply, position| match position {
        Some(position) => reply_position(reply, position),
        None => reply.null_array(),
    })
}

fn reply_each<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    mut tell: impl FnMut(&mut Reply<'_>, Option<Position>),
) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let set = ctx.keys.collection::<SortedSet>(&key)?;
    ctx.reply.array(args.left());
    for member in args.rest().iter() {
        let score = set.and_then(|set| set.score(member));
        tell(&mut ctx.reply, score.map(Position::of_score));
    }
    Ok(())
}
