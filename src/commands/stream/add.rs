//! Changing the entries of a stream: adding, trimming, deleting.

use super::args::{AddOptions, ids, strict_id};
use super::reply::reply_id;
use crate::base::number::parse_i64;
use crate::commands::shared::encodings::node_limits;
use crate::exec::{Args, CommandError, Context, Outcome, Word, work};
use crate::resp::ArgList;
use crate::store::{Key, View, event};
use crate::value::Stream;
use crate::value::stream::{AddError, NewId, StreamId};

/// Words by twos.
fn pairs(words: ArgList<'_>) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
    let word = move |n| words.get(n).expect("there is an even number of words");
    (0..words.len() / 2).map(move |n| (word(2 * n), word(2 * n + 1)))
}

fn add_error(error: AddError) -> CommandError {
    CommandError::text(match error {
        AddError::Exhausted => {
            "ERR The stream has exhausted the last possible ID, unable to add more items"
        }
        AddError::TooSmall => {
            "ERR The ID specified in XADD is equal or smaller than the target stream top item"
        }
        // Redis has no text of its own for a full millisecond.
        AddError::MillisecondFull | AddError::TooLarge => "ERR Elements are too large to be stored",
    })
}

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value ...`
pub(super) fn xadd<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let options = AddOptions::parse(&mut args, ctx, true)?;
    let words = args.rest();
    let wanted = match options.id {
        Some(id) if words.len() >= 2 && words.len().is_multiple_of(2) => id,
        _ => return Err(CommandError::ArgumentCount),
    };
    if wanted == NewId::Exactly(StreamId::MIN) {
        return Err(CommandError::err("The ID specified in XADD must be greater than 0-0"));
    }
    if options.must_exist && ctx.keys.peek_collection::<Stream>(&key)?.is_none() {
        ctx.reply.null();
        return Ok(());
    }
    let limits = node_limits(&ctx.engine.config);
    let added = ctx.keys.edit::<Stream, _>(&key, |stream, change| {
        let id = stream.add(wanted, pairs(words), limits)?;
        change.event(event::XADD);
        if options.trim.is_some_and(|trim| stream.trim(trim) > 0) {
            change.event(event::XTRIM);
        }
        Ok((id, stream.len()))
    })?;
    let (id, len) = added.map_err(add_error)?;
    if wanted != NewId::Exactly(id) || options.trim.is_some_and(|trim| trim.is_approximate) {
        log_added(ctx, &key, id, options.trim.map(|_| len), words);
    }
    reply_id(&mut ctx.reply, id);
    Ok(())
}

/// Logs an entry with the ID that it got, and the length that trimming left.
fn log_added(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    id: StreamId,
    len: Option<usize>,
    words: ArgList<'_>,
) {
    ctx.keys.log_instead(|log| {
        log.words([b"XADD", key.bytes]);
        if let Some(len) = len {
            log.words(["MAXLEN", "="]);
            log.text(len);
        }
        log.text(id);
        log.words(words.iter());
    });
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`
pub(super) fn xtrim<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let options = AddOptions::parse(&mut args, ctx, false)?;
    let trim = options.trim.expect("trimming without a threshold was refused");
    let trimmed = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let removed = stream.trim(trim);
        if removed > 0 {
            change.event(event::XTRIM);
        }
        (removed, stream.len())
    })?;
    let (removed, len) = trimmed.unwrap_or((0, 0));
    if removed > 0 && trim.is_approximate {
        ctx.keys.log_instead(|log| {
            log.words([b"XTRIM", key.bytes, b"MAXLEN", b"="]);
            log.text(len);
        });
    }
    ctx.reply.count(removed as usize);
    Ok(())
}

/// `XDEL key id [id ...]`
pub(super) fn xdel<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    if ctx.keys.peek_collection::<Stream>(&key)?.is_none() {
        ctx.reply.integer(0);
        return Ok(());
    }
    let ids = ids(&mut args)?;
    let deleted = ctx.keys.edit_existing::<Stream, _>(&key, |stream, change| {
        let deleted = stream.delete(&ids);
        if deleted > 0 {
            change.event(event::XDEL);
        }
        deleted
    })?;
    ctx.reply.count(deleted.unwrap_or(0));
    Ok(())
}

/// What `XSETID` sets.
struct SetId {
    last_id: StreamId,
    entries_added: Option<u64>,
    max_deleted_id: Option<StreamId>,
}

impl SetId {
    fn parse(args: &mut Args<'_>) -> Result<SetId, CommandError> {
        let last_id = strict_id(args.bytes()?, 0)?;
        let mut set = SetId { last_id, entries_added: None, max_deleted_id: None };
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"ENTRIESADDED" if !args.is_empty() => {
                    let added = u64::try_from(args.integer()?);
                    let error = CommandError::err("entries_added must be positive");
                    set.entries_added = Some(added.map_err(|_| error)?);
                }
                b"MAXDELETEDID" if !args.is_empty() => {
                    let id = strict_id(args.bytes()?, 0)?;
                    if last_id < id {
                        return Err(CommandError::err(
                            "The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                        ));
                    }
                    set.max_deleted_id = Some(id).filter(|id| *id != StreamId::MIN);
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(set)
    }

    /// Why the stream cannot have these.
    fn check(&self, stream: &Stream) -> Result<(), CommandError> {
        if self.last_id < stream.max_deleted_id() {
            return Err(CommandError::err(
                "The ID specified in XSETID is smaller than current max_deleted_entry_id",
            ));
        }
        let Some(last) = stream.last() else { return Ok(()) };
        if self.last_id < last.id {
            return Err(CommandError::err(
                "The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if self.entries_added.is_some_and(|added| added < stream.len() as u64) {
            return Err(CommandError::err(
                "The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
        Ok(())
    }
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub(super) fn xsetid<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let set = SetId::parse(&mut args)?;
    let outcome = ctx.keys.edit_existing::<Stream, Outcome>(&key, |stream, change| {
        set.check(stream)?;
        stream.set_id(set.last_id, set.entries_added, set.max_deleted_id);
        change.internal_event(event::XSETID);
        Ok(())
    })?;
    outcome.ok_or(CommandError::NoSuchKey)??;
    ctx.reply.ok();
    Ok(())
}

/// What is removed, of which whole nodes go at a time.
pub(super) fn xtrim_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    const PER_NODE: usize = 32;
    let Some(key) = keys.declared(0) else { return 0 };
    let Ok(Some(stream)) = keys.peek_collection::<Stream>(&key) else { return 0 };
    let word = args.get(2).map(Word::new);
    let threshold = match args.get(3) {
        Some(b"=" | b"~") => args.get(4),
        threshold => threshold,
    };
    let Some(threshold) = threshold else { return 0 };
    let removed = match word.as_ref().map(Word::as_bytes) {
        Some(b"MAXLEN") => {
            let kept = parse_i64(threshold).and_then(|kept| usize::try_from(kept).ok());
            kept.map_or(0, |kept| stream.len().saturating_sub(kept))
        }
        _ => strict_id(threshold, 0).map_or(0, |id| stream.count_about(StreamId::MIN, id)),
    };
    let limit = work::option(args, b"LIMIT").filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    removed.min(limit) / PER_NODE
}
