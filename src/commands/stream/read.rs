//! `XREAD` and `XREADGROUP`: what is new in several streams, or was delivered before; waiting for it.
//!
//! Both first look at all keys, groups and IDs, so that a mistake in the last one changes nothing. A client
//! that waits has its command executed again as a whole; `$` and `+` are replaced by the IDs that they
//! stood for. A consumer is created before its client waits, as in Redis.

use super::args::{no_group, strict_id};
use super::read_args::ReadArgs;
use super::record::{Delivered, Member, Position};
use super::reply::{reply_entries, reply_entry, reply_id};
use crate::exec::{Args, CommandError, Context, KeyWait, Outcome, Wanted};
use crate::resp::{ArgList, Protocol};
use crate::store::{Change, Key, View, event};
use crate::value::Stream;
use crate::value::stream::{Delivery, StreamId};

/// The keys and, in the same order, the IDs.
fn keys_and_ids<'a>(
    ctx: &Context<'a>,
    args: &mut Args<'a>,
    read: &ReadArgs<'a>,
) -> Result<Vec<(Key<'a>, &'a [u8])>, CommandError> {
    let keys = (0..read.streams).map(|_| args.key(&ctx.keys)).collect::<Result<Vec<_>, _>>()?;
    keys.into_iter().map(|key| Ok((key, args.bytes()?))).collect()
}

/// Begins a reply with so many streams.
fn reply_streams(ctx: &mut Context<'_>, count: usize) {
    match ctx.reply.protocol() {
        Protocol::Resp2 => ctx.reply.array(count),
        Protocol::Resp3 => ctx.reply.map(count),
    }
}

/// Begins the reply of one stream; its entries follow.
fn reply_stream(ctx: &mut Context<'_>, key: &Key<'_>) {
    if ctx.reply.protocol() == Protocol::Resp2 {
        ctx.reply.array(2);
    }
    ctx.reply.bulk(key.bytes);
}

/// There is nothing to return: waits, or says so.
fn wait_or_null<'a>(
    ctx: &mut Context<'a>,
    read: &ReadArgs<'a>,
    keys: &[Key<'a>],
    args: Option<Vec<Vec<u8>>>,
) {
    let Some(deadline_ms) = read.deadline_ms else { return ctx.reply.null_array() };
    let wanted = if read.group.is_some() { Wanted::Group } else { Wanted::Stream };
    ctx.wait_for_keys(KeyWait { keys, wanted, deadline_ms, args });
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`
pub(super) fn xread<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let read = ReadArgs::parse(&mut args, ctx.now_ms(), false)?;
    let streams = keys_and_ids(ctx, &mut args, &read)?;
    let mut after = Vec::with_capacity(streams.len());
    for (key, text) in &streams {
        let stream = ctx.keys.collection::<Stream>(key)?;
        after.push(id_to_read_from(stream, text)?);
    }
    let mut served = Vec::new();
    for ((key, _), after) in streams.iter().zip(&after) {
        let last = ctx.keys.collection::<Stream>(key)?.and_then(Stream::last);
        if last.is_some_and(|last| last.id > *after) {
            served.push((*key, after.next().expect("the last entry's ID is greater")));
        }
    }
    if served.is_empty() {
        let keys: Vec<_> = streams.iter().map(|(key, _)| *key).collect();
        let args = read.deadline_ms.map(|_| with_ids(args, &after));
        wait_or_null(ctx, &read, &keys, args);
        return Ok(());
    }
    reply_streams(ctx, served.len());
    for (key, start) in served {
        reply_stream(ctx, &key);
        let stream = ctx.keys.peek_collection::<Stream>(&key)?.expect("it is not empty");
        reply_entries(&mut ctx.reply, stream.range(start, StreamId::MAX), read.count);
    }
    Ok(())
}

/// What is behind the IDs, or so much as is asked for. What stands for the end of a stream has nothing behind it.
pub(super) fn xread_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let mut args = Args::new(args, 1);
    let Ok(read) = ReadArgs::parse(&mut args, 0, false) else { return 0 };
    let ids = args.rest().skip(read.streams);
    let streams = ids.iter().enumerate().map(|(index, id)| {
        let (Some(key), Ok(id)) = (keys.declared(index), strict_id(id, 0)) else { return 0 };
        let Ok(Some(stream)) = keys.peek_collection::<Stream>(&key) else { return 0 };
        if id >= stream.last_id() {
            return 0;
        }
        keys.work_of_part(&key, stream.count_about(id, StreamId::MAX).min(read.count))
    });
    streams.sum()
}

/// The ID behind which `XREAD` is to read: as given, the stream's last one for `$`, the one before its
/// last entry for `+`.
fn id_to_read_from(stream: Option<&Stream>, text: &[u8]) -> Result<StreamId, CommandError> {
    let last_id = stream.map_or(StreamId::MIN, Stream::last_id);
    match text {
        b"$" => Ok(last_id),
        b"+" => {
            let last = stream.and_then(Stream::last);
            Ok(last.and_then(|last| last.id.previous()).unwrap_or(last_id))
        }
        b">" => Err(CommandError::err(
            "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
             option.",
        )),
        text => strict_id(text, 0),
    }
}

/// The request with its last arguments replaced by IDs.
fn with_ids(args: Args<'_>, ids: &[StreamId]) -> Vec<Vec<u8>> {
    let all = args.all();
    let mut words: Vec<_> = all.iter().take(all.len() - ids.len()).map(<[u8]>::to_vec).collect();
    words.extend(ids.iter().map(|id| id.to_string().into_bytes()));
    words
}

/// What `XREADGROUP` is to return of a stream.
#[derive(Clone, Copy)]
enum From {
    /// What nobody in the group got yet.
    New,
    /// What is pending with the consumer, behind this ID.
    History(StreamId),
}

/// What it returns.
enum Found {
    New(Vec<StreamId>),
    History(Vec<StreamId>),
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key ... id ...`
pub(super) fn xreadgroup<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let read = ReadArgs::parse(&mut args, ctx.now_ms(), true)?;
    let (group, consumer) = read.group.expect("reading without a group was refused");
    let streams = keys_and_ids(ctx, &mut args, &read)?;
    let mut members = Vec::with_capacity(streams.len());
    for (key, text) in streams {
        let stream = ctx.keys.collection::<Stream>(&key)?;
        if stream.and_then(|stream| stream.group(group)).is_none() {
            return Err(no_group(key.bytes, group, " in XREADGROUP with GROUP option"));
        }
        members.push((Member { key, group, consumer }, group_position(text)?));
    }
    let mut served = Vec::new();
    for (member, from) in &members {
        let found = match from {
            From::New => read_new(ctx, member, &read)?,
            From::History(after) => Some(read_history(ctx, member, *after, read.count)?),
        };
        served.extend(found.map(|found| (member.key, found)));
    }
    if served.is_empty() {
        let keys: Vec<_> = members.iter().map(|(member, _)| member.key).collect();
        wait_or_null(ctx, &read, &keys, None);
        return Ok(());
    }
    reply_streams(ctx, served.len());
    for (key, found) in &served {
        reply_found(ctx, key, found)?;
    }
    Ok(())
}

/// What an ID asks `XREADGROUP` for. The greatest ID is the same as `>`.
fn group_position(text: &[u8]) -> Result<From, CommandError> {
    let meaningless = |symbol| {
        CommandError::err(format!(
            "The {symbol} ID is meaningless in the context of XREADGROUP: you want to read the history of \
             this consumer by specifying a proper ID, or use the > ID to get new messages. The {symbol} ID \
             would just return an empty result set."
        ))
    };
    match text {
        b"$" => Err(meaningless('$')),
        b"+" => Err(meaningless('+')),
        b">" => Ok(From::New),
        text => match strict_id(text, 0)? {
            StreamId::MAX => Ok(From::New),
            id => Ok(From::History(id)),
        },
    }
}

/// Creates the consumer if there is none and notes that it was seen; tells whether it is new.
pub(super) fn meet_consumer(
    stream: &mut Stream,
    change: &mut Change,
    member: &Member<'_>,
    now_ms: i64,
) -> bool {
    let mut group = stream.group_mut(member.group).expect("the group was looked up");
    if group.consumer(member.consumer).is_some() {
        group.touch_consumer(member.consumer, now_ms, false);
        return false;
    }
    group.create_consumer(member.consumer, now_ms);
    change.internal_event(event::XGROUP_CREATECONSUMER);
    true
}

/// Delivers entries that are new to the group; `None` if there are none.
fn read_new(
    ctx: &mut Context<'_>,
    member: &Member<'_>,
    read: &ReadArgs<'_>,
) -> Result<Option<Found>, CommandError> {
    let now_ms = ctx.now_ms();
    let is_served = ctx.is_served();
    ctx.keys.collection::<Stream>(&member.key)?;
    let edited = ctx.keys.edit_existing::<Stream, _>(&member.key, |stream, change| {
        let ids = next_ids(stream, member.group, read.count);
        // Who waits was met before, and may have been deleted since.
        let is_new =
            !(ids.is_empty() && is_served) && meet_consumer(stream, change, member, now_ms);
        let position = (!ids.is_empty()).then(|| {
            change.internally();
            deliver_new(stream, member, &ids, read.noack, now_ms)
        });
        (is_new, ids, position)
    })?;
    let (is_new, ids, position) = edited.expect("the stream was looked up");
    if is_new {
        member.log_consumer(&mut ctx.keys, now_ms);
    }
    let Some(position) = position else { return Ok(None) };
    if !read.noack {
        let delivered: Vec<Delivered> = ids.iter().map(|id| (*id, now_ms, 1)).collect();
        member.log_delivered(&mut ctx.keys, &delivered);
    }
    member.log_position(&mut ctx.keys, position);
    Ok(Some(Found::New(ids)))
}

/// The entries behind the group's last ID.
fn next_ids(stream: &Stream, group: &[u8], count: usize) -> Vec<StreamId> {
    let last_id = stream.group(group).expect("the group was looked up").last_id;
    let Some(start) = last_id.next() else { return Vec::new() };
    stream.range(start, StreamId::MAX).take(count).map(|entry| entry.id).collect()
}

fn deliver_new(
    stream: &mut Stream,
    member: &Member<'_>,
    ids: &[StreamId],
    noack: bool,
    now_ms: i64,
) -> Position {
    let read = stream.group(member.group).expect("the group was looked up").entries_read;
    let entries_read = ids.iter().fold(read, |read, id| stream.count_read(read, *id));
    let mut group = stream.group_mut(member.group).expect("the group was looked up");
    group.entries_read = entries_read;
    group.last_id = *ids.last().expect("something is delivered");
    if !noack {
        let consumer = group.consumer(member.consumer).expect("the consumer was met");
        for id in ids {
            group.deliver(*id, Delivery::new(consumer, now_ms, 1));
        }
        group.touch_consumer(member.consumer, now_ms, true);
    }
    Position::of(&group)
}

/// Delivers again what is pending with the consumer. Entries that are gone are named, and stay pending.
fn read_history(
    ctx: &mut Context<'_>,
    member: &Member<'_>,
    after: StreamId,
    count: usize,
) -> Result<Found, CommandError> {
    let now_ms = ctx.now_ms();
    ctx.keys.collection::<Stream>(&member.key)?;
    let edited = ctx.keys.edit_existing::<Stream, _>(&member.key, |stream, change| {
        let is_new = meet_consumer(stream, change, member, now_ms);
        let group = stream.group(member.group).expect("the group was looked up");
        let consumer = group.consumer(member.consumer).expect("the consumer was met");
        let start = after.next().expect("the greatest ID is no history");
        let pending: Vec<_> = group.pending_with(consumer, start).take(count).collect();
        let delivered: Vec<Delivered> = pending
            .iter()
            .filter(|(id, _)| stream.contains(*id))
            .map(|(id, delivery)| (*id, now_ms, delivery.count_with_next()))
            .collect();
        if !delivered.is_empty() {
            change.internally();
            let mut group = stream.group_mut(member.group).expect("the group was looked up");
            for (id, time_ms, count) in &delivered {
                group.deliver(*id, Delivery::new(consumer, *time_ms, *count));
            }
        }
        let ids = pending.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        (is_new, ids, delivered)
    })?;
    let (is_new, ids, delivered) = edited.expect("the stream was looked up");
    if is_new {
        member.log_consumer(&mut ctx.keys, now_ms);
    }
    member.log_delivered(&mut ctx.keys, &delivered);
    Ok(Found::History(ids))
}

fn reply_found(ctx: &mut Context<'_>, key: &Key<'_>, found: &Found) -> Outcome {
    reply_stream(ctx, key);
    let stream = ctx.keys.peek_collection::<Stream>(key)?.expect("the stream was looked up");
    match found {
        Found::New(ids) => {
            let start = *ids.first().expect("something was delivered");
            reply_entries(&mut ctx.reply, stream.range(start, StreamId::MAX), ids.len());
        }
        Found::History(ids) => {
            ctx.reply.array(ids.len());
            for id in ids {
                match stream.get(*id) {
                    Some(entry) => reply_entry(&mut ctx.reply, &entry),
                    None => {
                        ctx.reply.array(2);
                        reply_id(&mut ctx.reply, *id);
                        ctx.reply.null_array();
                    }
                }
            }
        }
    }
    Ok(())
}
