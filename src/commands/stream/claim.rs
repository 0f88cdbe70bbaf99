//! `XCLAIM` and `XAUTOCLAIM`: pending entries get another consumer.
//!
//! Pending entries that are not in the stream any more are dropped on the way. What came of it is logged
//! (see `record`).

use super::args::{check_group, group_at, integer_or, range_start, strict_id};
use super::read::meet_consumer;
use super::record::{Delivered, Member, Position};
use super::reply::{reply_entries_by_id, reply_id, reply_ids};
use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context, Outcome, quotable, work};
use crate::resp::ArgList;
use crate::session::Origin;
use crate::store::{Change, View};
use crate::value::Stream;
use crate::value::stream::{Delivery, Group, StreamId};

/// How many entries `XAUTOCLAIM` claims unless it is told, and looks at for each of them.
const COUNT_DEFAULT: usize = 100;
const ATTEMPTS_PER_ENTRY: usize = 10;
/// The largest count: in Redis, whose bytes can be counted.
const COUNT_MAX: i64 = i64::MAX / 16;

/// How entries are claimed.
#[derive(Clone, Copy)]
struct Claim {
    /// Of the command; when it is replayed, the time of delivery.
    now_ms: i64,
    min_idle_ms: i64,
    /// The time of delivery.
    time_ms: i64,
    /// How many deliveries there were; `None`: one more, unless only IDs are returned.
    count: Option<u64>,
    /// Entries that are not pending are made so.
    force: bool,
    just_id: bool,
    /// The group has read up to here at least.
    last_id: StreamId,
}

/// What claiming did.
#[derive(Default)]
struct Claimed {
    is_new_consumer: bool,
    delivered: Vec<Delivered>,
    /// Were pending, but are not in the stream any more.
    gone: Vec<StreamId>,
    /// Where the group is, if it has moved.
    position: Option<Position>,
    /// Where `XAUTOCLAIM` goes on.
    cursor: StreamId,
}

impl Claim {
    /// Reads what follows the IDs of `XCLAIM`.
    fn parse(
        args: &mut Args<'_>,
        ctx: &Context<'_>,
        min_idle_ms: i64,
    ) -> Result<Claim, CommandError> {
        let now_ms = ctx.now_ms();
        let mut time_ms = -1;
        let mut claim = Claim::new(now_ms, min_idle_ms);
        while let Some(word) = args.peek() {
            let option = args.option().expect("there is a next argument");
            match option.as_bytes() {
                b"FORCE" => claim.force = true,
                b"JUSTID" => claim.just_id = true,
                b"IDLE" if !args.is_empty() => {
                    let idle = integer_or(args, "ERR Invalid IDLE option argument for XCLAIM")?;
                    time_ms = now_ms.wrapping_sub(idle);
                }
                b"TIME" if !args.is_empty() => {
                    time_ms = integer_or(args, "ERR Invalid TIME option argument for XCLAIM")?;
                }
                b"RETRYCOUNT" if !args.is_empty() => {
                    let error = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
                    claim.count = u64::try_from(integer_or(args, error)?).ok();
                }
                b"LASTID" if !args.is_empty() => claim.last_id = strict_id(args.bytes()?, 0)?,
                _ => {
                    let parts: [&[u8]; 3] =
                        [b"ERR Unrecognized XCLAIM option '", quotable(word, usize::MAX), b"'"];
                    return Err(CommandError::Quoting(parts.concat()));
                }
            }
        }
        if ctx.session.origin == Origin::Replay {
            // The command ran when this was the present or the past.
            claim.time_ms = time_ms.max(0);
            claim.now_ms = claim.time_ms;
        } else if (0..=now_ms).contains(&time_ms) {
            claim.time_ms = time_ms;
        }
        Ok(claim)
    }

    fn new(now_ms: i64, min_idle_ms: i64) -> Claim {
        Claim {
            now_ms,
            min_idle_ms: min_idle_ms.max(0),
            time_ms: now_ms,
            count: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
        }
    }

    /// Claims one entry.
    fn claim(&self, stream: &mut Stream, member: &Member<'_>, id: StreamId, claimed: &mut Claimed) {
        let is_there = stream.contains(id);
        let mut group = stream.group_mut(member.group).expect("the group was looked up");
        if !is_there {
            if group.acknowledge(id) {
                claimed.gone.push(id);
            }
            return;
        }
        let consumer = group.consumer(member.consumer).expect("the consumer was met");
        let before = match group.delivery(id) {
            Some(delivery) if self.is_too_fresh(&delivery) => return,
            Some(delivery) => delivery,
            None if self.force => Delivery::new(consumer, self.time_ms, 1),
            None => return,
        };
        let next = if self.just_id { before.count } else { before.count_with_next() };
        let count = self.count.unwrap_or(next);
        group.deliver(id, Delivery::new(consumer, self.time_ms, count));
        claimed.delivered.push((id, self.time_ms, count));
    }

    fn is_too_fresh(&self, delivery: &Delivery) -> bool {
        self.min_idle_ms > 0 && self.now_ms.wrapping_sub(delivery.time_ms) < self.min_idle_ms
    }

    /// Notes that the consumer was there, before and after claiming.
    fn finish(
        &self,
        stream: &mut Stream,
        change: &mut Change,
        member: &Member<'_>,
        claimed: &Claimed,
    ) {
        let has_some = !claimed.delivered.is_empty();
        if has_some || !claimed.gone.is_empty() || claimed.position.is_some() {
            change.internally();
        }
        let mut group = stream.group_mut(member.group).expect("the group was looked up");
        group.touch_consumer(member.consumer, self.now_ms, has_some);
    }
}

impl Claimed {
    fn log(&self, ctx: &mut Context<'_>, member: &Member<'_>, now_ms: i64) {
        if self.is_new_consumer {
            member.log_consumer(&mut ctx.keys, now_ms);
        }
        member.log_acknowledged(&mut ctx.keys, &self.gone);
        member.log_delivered(&mut ctx.keys, &self.delivered);
        if let Some(position) = self.position {
            member.log_position(&mut ctx.keys, position);
        }
    }

    fn reply(&self, ctx: &mut Context<'_>, member: &Member<'_>, just_id: bool) -> Outcome {
        let ids: Vec<_> = self.delivered.iter().map(|(id, ..)| *id).collect();
        if just_id {
            reply_ids(&mut ctx.reply, &ids);
            return Ok(());
        }
        let stream = ctx.keys.peek_collection::<Stream>(&member.key)?;
        let stream = stream.expect("the stream was looked up");
        reply_entries_by_id(&mut ctx.reply, stream, &ids);
        Ok(())
    }
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds]
/// [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]`
pub(super) fn xclaim<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let member = Member { key, group: args.bytes()?, consumer: args.bytes()? };
    check_group(ctx, &key, member.group)?;
    let min_idle_ms = integer_or(&mut args, "ERR Invalid min-idle-time argument for XCLAIM")?;
    let mut ids = Vec::new();
    while let Some(id) = args.peek().and_then(|text| strict_id(text, 0).ok()) {
        ids.push(id);
        args.bytes()?;
    }
    let claim = Claim::parse(&mut args, ctx, min_idle_ms)?;
    let claimed = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let mut claimed = Claimed::default();
        let mut group = stream.group_mut(member.group).expect("the group was looked up");
        if claim.last_id > group.last_id {
            group.last_id = claim.last_id;
            claimed.position = Some(Position::of(&group));
        }
        drop(group);
        claimed.is_new_consumer = meet_consumer(stream, change, &member, claim.now_ms);
        ids.iter().for_each(|id| claim.claim(stream, &member, *id, &mut claimed));
        claim.finish(stream, change, &member, &claimed);
        claimed
    })?;
    let claimed = claimed.expect("the stream was looked up");
    claimed.log(ctx, &member, claim.now_ms);
    claimed.reply(ctx, &member, claim.just_id)
}

/// Options of `XAUTOCLAIM`: how many entries, and whether only IDs are returned.
fn autoclaim_options(args: &mut Args<'_>) -> Result<(usize, bool), CommandError> {
    let (mut count, mut just_id) = (COUNT_DEFAULT, false);
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"COUNT" if !args.is_empty() => {
                let number = parse_i64(args.bytes()?).filter(|n| (1..=COUNT_MAX).contains(n));
                count = number.ok_or(CommandError::err("COUNT must be > 0"))? as usize;
            }
            b"JUSTID" => just_id = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok((count, just_id))
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub(super) fn xautoclaim<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let member = Member { key, group: args.bytes()?, consumer: args.bytes()? };
    // The lookup counts even if the arguments are wrong.
    let checked = check_group(ctx, &key, member.group);
    let min_idle_ms = integer_or(&mut args, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = range_start(args.bytes()?)?;
    let (count, just_id) = autoclaim_options(&mut args)?;
    checked?;
    let claim = Claim { just_id, ..Claim::new(ctx.now_ms(), min_idle_ms) };
    let claimed = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let is_new_consumer = meet_consumer(stream, change, &member, claim.now_ms);
        let mut claimed = Claimed { is_new_consumer, ..Claimed::default() };
        claim_idle(&claim, stream, &member, start, count, &mut claimed);
        claim.finish(stream, change, &member, &claimed);
        claimed
    })?;
    let claimed = claimed.expect("the stream was looked up");
    claimed.log(ctx, &member, claim.now_ms);
    ctx.reply.array(3);
    reply_id(&mut ctx.reply, claimed.cursor);
    claimed.reply(ctx, &member, just_id)?;
    reply_ids(&mut ctx.reply, &claimed.gone);
    Ok(())
}

/// For the entries that it may look at, of which each costs about two elements' time.
pub(super) fn xautoclaim_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let pending = group_at(args, keys, 2).map_or(0, Group::pending_count);
    let count = work::option(args, b"COUNT").unwrap_or(COUNT_DEFAULT);
    count.saturating_mul(ATTEMPTS_PER_ENTRY).min(pending) * 2
}

/// Claims pending entries from `start` on, until so many were claimed or dropped.
fn claim_idle(
    claim: &Claim,
    stream: &mut Stream,
    member: &Member<'_>,
    start: StreamId,
    count: usize,
    claimed: &mut Claimed,
) {
    let mut attempts = count.saturating_mul(ATTEMPTS_PER_ENTRY);
    let mut next = Some(start);
    loop {
        let group = stream.group(member.group).expect("the group was looked up");
        let found = next.and_then(|start| group.pending(start).next());
        let Some((id, _)) = found else { break };
        if attempts == 0 || claimed.delivered.len() + claimed.gone.len() == count {
            claimed.cursor = id;
            break;
        }
        attempts -= 1;
        claim.claim(stream, member, id, claimed);
        next = id.next();
    }
}
