//! `XPENDING`: what was delivered in a group and not acknowledged.

use super::args::{group_at, no_group, parse_count, range_end, range_start};
use super::reply::reply_id;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::{ArgList, Reply};
use crate::store::View;
use crate::value::Stream;
use crate::value::stream::{Delivery, Group, StreamId};

/// How many arguments a listing has, the command's name included.
const LISTING_ARGS: std::ops::RangeInclusive<usize> = 6..=9;
const LISTING_ARGS_WITH_IDLE: usize = 8;

/// What to list.
struct Listing<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Listing<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Listing<'a>, CommandError> {
        let all = args.all().len();
        if !LISTING_ARGS.contains(&all) {
            return Err(CommandError::Syntax);
        }
        let mut min_idle_ms = 0;
        if args.take_word("IDLE") {
            min_idle_ms = args.integer()?;
            if all < LISTING_ARGS_WITH_IDLE {
                return Err(CommandError::Syntax);
            }
        }
        let (start, end) = (args.bytes()?, args.bytes()?);
        let count = parse_count(args)?;
        let (start, end) = (range_start(start)?, range_end(end)?);
        // What follows a consumer is not looked at.
        let consumer = args.rest().get(0);
        Ok(Listing { min_idle_ms, start, end, count, consumer })
    }
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub(super) fn xpending<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let name = args.bytes()?;
    let listing = match args.is_empty() {
        true => None,
        false => Some(Listing::parse(&mut args)?),
    };
    let now_ms = ctx.now_ms();
    let stream = ctx.keys.collection::<Stream>(&key)?;
    let group = stream.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_group(key.bytes, name, ""))?;
    match listing {
        None => summarize(&mut ctx.reply, group),
        Some(listing) => list(&mut ctx.reply, group, &listing, now_ms),
    }
    Ok(())
}

/// The summary is one of consumers; a listing may have to look at everything that is pending, if it leaves out what is not idle.
pub(super) fn xpending_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(group) = group_at(args, keys, 2) else { return 0 };
    let mut args = Args::new(args, 3);
    if args.is_empty() {
        return group.consumer_count();
    }
    match Listing::parse(&mut args) {
        Ok(Listing { min_idle_ms: 0, count, .. }) => count.min(group.pending_count()),
        Ok(_) => group.pending_count(),
        Err(_) => 0,
    }
}

fn summarize(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.count(group.pending_count());
    let ends = group.pending(StreamId::MIN).next().zip(group.last_pending());
    let Some(((first, _), (last, _))) = ends else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, last);
    let pending = |(name, consumer)| (name, group.pending_count_with(consumer));
    let busy: Vec<_> = group.consumers().map(pending).filter(|(_, count)| *count > 0).collect();
    reply.array(busy.len());
    for (name, count) in busy {
        reply.array(2);
        reply.bulk(name);
        reply.bulk_integer(count as i64);
    }
}

fn list(reply: &mut Reply<'_>, group: &Group, listing: &Listing<'_>, now_ms: i64) {
    let deliveries = match listing.consumer.map(|name| group.consumer(name)) {
        None => select(group.pending(listing.start), listing, now_ms),
        Some(Some(consumer)) => {
            select(group.pending_with(consumer, listing.start), listing, now_ms)
        }
        Some(None) => Vec::new(),
    };
    reply.array(deliveries.len());
    for (id, delivery) in deliveries {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(group.name_of(&delivery));
        reply.integer(now_ms.wrapping_sub(delivery.time_ms).max(0));
        reply.integer(delivery.count as i64);
    }
}

fn select(
    pending: impl Iterator<Item = (StreamId, Delivery)>,
    listing: &Listing<'_>,
    now_ms: i64,
) -> Vec<(StreamId, Delivery)> {
    let is_idle = |delivery: &Delivery| {
        listing.min_idle_ms == 0 || now_ms.wrapping_sub(delivery.time_ms) >= listing.min_idle_ms
    };
    pending
        .take_while(|(id, _)| *id <= listing.end)
        .filter(|(_, delivery)| is_idle(delivery))
        .take(listing.count)
        .collect()
}
