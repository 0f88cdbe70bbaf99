//! `XINFO`: what a stream consists of.

use super::args::{group_at, no_such_group, stream_at};
use super::reply::{reply_entries, reply_entry, reply_id};
use crate::commands::shared::family_help::family_help;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::{ArgList, Reply};
use crate::store::View;
use crate::value::Stream;
use crate::value::stream::{Consumer, Delivery, Entry, Group, StreamId};

/// What `FULL` shows of each list unless it is told; 0 stands for all.
const COUNT_DEFAULT: i64 = 10;

/// `[FULL [COUNT count]]`: how much to show in full, if so.
fn full_count(args: &mut Args<'_>) -> Result<Option<usize>, CommandError> {
    if args.is_empty() {
        return Ok(None);
    }
    let options = args.left();
    if !matches!(options, 1 | 3) || !args.take_word("FULL") {
        return Err(CommandError::ArgumentCount);
    }
    if options == 1 {
        return Ok(Some(COUNT_DEFAULT as usize));
    }
    if !args.take_word("COUNT") {
        return Err(CommandError::ArgumentCount);
    }
    let count = args.integer()?;
    let count = if count < 0 { COUNT_DEFAULT } else { count };
    Ok(Some(if count == 0 { usize::MAX } else { count as usize }))
}

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(super) fn xinfo_stream<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let stream = ctx.keys.collection::<Stream>(&key)?.ok_or(CommandError::NoSuchKey)?;
    let full = full_count(&mut args)?;
    let reply = &mut ctx.reply;
    reply.map(if full.is_some() { 9 } else { 10 });
    reply_figures(reply, stream);
    match full {
        None => {
            field(reply, "groups").count(stream.groups().len());
            reply_end(reply, "first-entry", stream.first());
            reply_end(reply, "last-entry", stream.last());
        }
        Some(count) => {
            reply_entries(field(reply, "entries"), stream.iter(), count);
            field(reply, "groups").array(stream.groups().len());
            for (name, group) in stream.groups() {
                reply_group_in_full(reply, stream, name, group, count);
            }
        }
    }
    Ok(())
}

/// Writes a field's name; its value follows.
fn field<'r, 'o>(reply: &'r mut Reply<'o>, name: &str) -> &'r mut Reply<'o> {
    reply.bulk(name);
    reply
}

fn reply_figures(reply: &mut Reply<'_>, stream: &Stream) {
    let nodes = stream.node_count();
    field(reply, "length").count(stream.len());
    field(reply, "radix-tree-keys").count(nodes);
    field(reply, "radix-tree-nodes").count(nodes + 1);
    reply_id(field(reply, "last-generated-id"), stream.last_id());
    reply_id(field(reply, "max-deleted-entry-id"), stream.max_deleted_id());
    field(reply, "entries-added").integer(stream.entries_added() as i64);
    reply_id(field(reply, "recorded-first-entry-id"), stream.first_id());
}

fn reply_end(reply: &mut Reply<'_>, name: &str, entry: Option<Entry<'_>>) {
    match entry {
        Some(entry) => reply_entry(field(reply, name), &entry),
        None => field(reply, name).null(),
    }
}

fn reply_or_null(reply: &mut Reply<'_>, number: Option<i64>) {
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

/// How far a group has read.
fn reply_progress(reply: &mut Reply<'_>, stream: &Stream, group: &Group) {
    reply_id(field(reply, "last-delivered-id"), group.last_id);
    reply_or_null(field(reply, "entries-read"), group.entries_read);
    reply_or_null(field(reply, "lag"), stream.lag(group));
}

fn reply_group_in_full(
    reply: &mut Reply<'_>,
    stream: &Stream,
    name: &[u8],
    group: &Group,
    count: usize,
) {
    reply.map(7);
    field(reply, "name").bulk(name);
    reply_progress(reply, stream, group);
    field(reply, "pel-count").count(group.pending_count());
    field(reply, "pending").array(group.pending_count().min(count));
    for (id, delivery) in group.pending(StreamId::MIN).take(count) {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(group.name_of(&delivery));
        reply_delivery(reply, &delivery);
    }
    field(reply, "consumers").array(group.consumer_count());
    for (name, consumer) in group.consumers() {
        reply_consumer_in_full(reply, group, name, consumer, count);
    }
}

fn reply_delivery(reply: &mut Reply<'_>, delivery: &Delivery) {
    reply.integer(delivery.time_ms);
    reply.integer(delivery.count as i64);
}

fn reply_consumer_in_full(
    reply: &mut Reply<'_>,
    group: &Group,
    name: &[u8],
    consumer: Consumer,
    count: usize,
) {
    let pending = group.pending_count_with(consumer);
    reply.map(5);
    field(reply, "name").bulk(name);
    field(reply, "seen-time").integer(consumer.seen_ms);
    field(reply, "active-time").integer(consumer.active_ms);
    field(reply, "pel-count").count(pending);
    field(reply, "pending").array(pending.min(count));
    for (id, delivery) in group.pending_with(consumer, StreamId::MIN).take(count) {
        reply.array(3);
        reply_id(reply, id);
        reply_delivery(reply, &delivery);
    }
}

/// `XINFO GROUPS key`
pub(super) fn xinfo_groups<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let stream = ctx.keys.collection::<Stream>(&key)?.ok_or(CommandError::NoSuchKey)?;
    let reply = &mut ctx.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        field(reply, "name").bulk(name);
        field(reply, "consumers").count(group.consumer_count());
        field(reply, "pending").count(group.pending_count());
        reply_progress(reply, stream, group);
    }
    Ok(())
}

/// `XINFO CONSUMERS key group`
pub(super) fn xinfo_consumers<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let name = args.bytes()?;
    let now_ms = ctx.now_ms();
    let stream = ctx.keys.collection::<Stream>(&key)?.ok_or(CommandError::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_such_group(key.bytes, name))?;
    let reply = &mut ctx.reply;
    reply.array(group.consumer_count());
    for (name, consumer) in group.consumers() {
        let since = |time_ms: i64| now_ms.wrapping_sub(time_ms).max(0);
        let inactive = if consumer.active_ms == -1 { -1 } else { since(consumer.active_ms) };
        reply.map(4);
        field(reply, "name").bulk(name);
        field(reply, "pending").count(group.pending_count_with(consumer));
        field(reply, "idle").integer(since(consumer.seen_ms));
        field(reply, "inactive").integer(inactive);
    }
    Ok(())
}

/// `XINFO HELP`
pub(super) fn xinfo_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "XINFO")
}

pub(super) fn xinfo_consumers_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    group_at(args, keys, 3).map_or(0, Group::consumer_count)
}

pub(super) fn xinfo_groups_work(_: ArgList<'_>, keys: &View<'_>) -> usize {
    stream_at(keys).map_or(0, |stream| stream.groups().len())
}

/// In full it shows all consumers, and of entries, and what is pending in each group and with each consumer, as many as asked for.
pub(super) fn xinfo_stream_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    /// More of them are work enough, without looking at what is in them.
    const GROUPS_MAX: usize = 1000;
    let Some(stream) = stream_at(keys).filter(|_| args.get(3).is_some()) else { return 0 };
    let count = match full_count(&mut Args::new(args, 3)) {
        Ok(count) => count.unwrap_or(usize::MAX),
        Err(_) => return 0,
    };
    if stream.groups().len() > GROUPS_MAX {
        return usize::MAX;
    }
    let in_group = |group: &Group| {
        // With the group and with its consumers.
        let shown = group.pending_count().min(count.saturating_mul(1 + group.consumer_count()));
        group.consumer_count() + shown.saturating_mul(2)
    };
    let in_groups: usize = stream.groups().map(|(_, group)| in_group(group)).sum();
    stream.len().min(count) + in_groups
}
