//! `XGROUP` and `XACK`: groups, their consumers, and what they are done with.

use super::args::{group_at, id, ids, no_such_group, strict_id};
use super::record::Member;
use crate::commands::shared::family_help::family_help;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::ArgList;
use crate::store::{Key, View, event};
use crate::value::Stream;
use crate::value::stream::StreamId;

/// More arguments than an option needs twice over are refused, once the key has been looked at.
const CREATE_ARGS_MAX: usize = 8;
const SETID_ARGS: [usize; 2] = [5, 7];

const NO_KEY: CommandError = CommandError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
     MKSTREAM option to create an empty stream automatically.",
);

/// Options of `CREATE` and `SETID`.
struct GroupOptions {
    makes_stream: bool,
    entries_read: Option<i64>,
}

impl GroupOptions {
    fn parse(args: &mut Args<'_>, creates: bool) -> Result<GroupOptions, CommandError> {
        let mut options = GroupOptions { makes_stream: false, entries_read: None };
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"MKSTREAM" if creates => options.makes_stream = true,
                b"ENTRIESREAD" if !args.is_empty() => {
                    options.entries_read = match args.integer()? {
                        -1 => None,
                        ..-1 => {
                            return Err(CommandError::err(
                                "value for ENTRIESREAD must be positive or -1",
                            ));
                        }
                        read => Some(read),
                    };
                }
                _ => return Err(CommandError::ArgumentCount),
            }
        }
        Ok(options)
    }
}

/// The stream, which must exist.
fn existing<'c>(ctx: &'c Context<'_>, key: &Key<'_>) -> Result<&'c Stream, CommandError> {
    ctx.keys.peek_collection::<Stream>(key)?.ok_or(NO_KEY)
}

fn check_group(ctx: &Context<'_>, key: &Key<'_>, group: &[u8]) -> Outcome {
    match existing(ctx, key)?.group(group) {
        Some(_) => Ok(()),
        None => Err(no_such_group(key.bytes, group)),
    }
}

/// `XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]`
pub(super) fn xgroup_create<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (group, text) = (args.bytes()?, args.bytes()?);
    let options = GroupOptions::parse(&mut args, true)?;
    let stream = ctx.keys.peek_collection::<Stream>(&key)?;
    if stream.is_none() && !options.makes_stream {
        return Err(NO_KEY);
    }
    if args.all().len() > CREATE_ARGS_MAX {
        return Err(CommandError::ArgumentCount);
    }
    let last_id = match text {
        b"$" => stream.map_or(StreamId::MIN, Stream::last_id),
        text => strict_id(text, 0)?,
    };
    let is_created = ctx.keys.edit::<Stream, _>(&key, |stream, change| {
        let is_created = stream.create_group(group, last_id, options.entries_read);
        if is_created {
            change.internal_event(event::XGROUP_CREATE);
        }
        is_created
    })?;
    if !is_created {
        return Err(CommandError::text("BUSYGROUP Consumer Group name already exists"));
    }
    ctx.reply.ok();
    Ok(())
}

/// `XGROUP SETID key group id | $ [ENTRIESREAD entries-read]`
pub(super) fn xgroup_setid<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (name, text) = (args.bytes()?, args.bytes()?);
    let options = GroupOptions::parse(&mut args, false)?;
    check_group(ctx, &key, name)?;
    if !SETID_ARGS.contains(&args.all().len()) {
        return Err(CommandError::ArgumentCount);
    }
    let last_id = match text {
        b"$" => existing(ctx, &key)?.last_id(),
        text => id(text, 0)?,
    };
    ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let mut group = stream.group_mut(name).expect("the group was looked up");
        group.last_id = last_id;
        group.entries_read = options.entries_read;
        change.internal_event(event::XGROUP_SETID);
    })?;
    ctx.reply.ok();
    Ok(())
}

/// `XGROUP DESTROY key group`
pub(super) fn xgroup_destroy<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let group = args.bytes()?;
    let destroyed = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let is_destroyed = stream.destroy_group(group);
        if is_destroyed {
            // Who waits for the group is to be told.
            change.event(event::XGROUP_DESTROY);
        }
        is_destroyed
    })?;
    ctx.reply.integer(i64::from(destroyed.ok_or(NO_KEY)?));
    Ok(())
}

/// `XGROUP CREATECONSUMER key group consumer`
pub(super) fn xgroup_createconsumer<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (name, consumer) = (args.bytes()?, args.bytes()?);
    check_group(ctx, &key, name)?;
    let now_ms = ctx.now_ms();
    let is_created = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let mut group = stream.group_mut(name).expect("the group was looked up");
        let is_created = group.consumer(consumer).is_none();
        if is_created {
            group.create_consumer(consumer, now_ms);
            change.internal_event(event::XGROUP_CREATECONSUMER);
        }
        is_created
    })?;
    let is_created = is_created.expect("the stream was looked up");
    if is_created {
        Member { key, group: name, consumer }.log_consumer(&mut ctx.keys, now_ms);
    }
    ctx.reply.integer(i64::from(is_created));
    Ok(())
}

/// `XGROUP DELCONSUMER key group consumer`: how many entries were pending with it.
pub(super) fn xgroup_delconsumer<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (name, consumer) = (args.bytes()?, args.bytes()?);
    check_group(ctx, &key, name)?;
    let pending = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let mut group = stream.group_mut(name).expect("the group was looked up");
        let pending = group.delete_consumer(consumer);
        if pending.is_some() {
            change.internal_event(event::XGROUP_DELCONSUMER);
        }
        pending
    })?;
    ctx.reply.count(pending.flatten().unwrap_or(0));
    Ok(())
}

pub(super) fn xgroup_delconsumer_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(group) = group_at(args, keys, 3) else { return 0 };
    let consumer = args.get(4).and_then(|name| group.consumer(name));
    consumer.map_or(0, |consumer| group.pending_count_with(consumer))
}

/// `XGROUP HELP`
pub(super) fn xgroup_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "XGROUP")
}

/// `XACK key group id [id ...]`: how many were pending.
pub(super) fn xack<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let name = args.bytes()?;
    let stream = ctx.keys.collection::<Stream>(&key)?;
    if stream.and_then(|stream| stream.group(name)).is_none() {
        ctx.reply.integer(0);
        return Ok(());
    }
    let ids = ids(&mut args)?;
    let acknowledged = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let mut group = stream.group_mut(name).expect("the group was looked up");
        let count = ids.iter().filter(|id| group.acknowledge(**id)).count();
        if count > 0 {
            change.internally();
        }
        count
    })?;
    ctx.reply.count(acknowledged.expect("the stream was looked up"));
    Ok(())
}
