//! The lines that make a stream: its entries, its groups with all that is pending, and then what it
//! remembers of its history.
//!
//! An entry that is pending but not in the stream any more cannot be claimed, so it is added with the others
//! and removed again behind the groups: by `XTRIM` if it was before all entries, otherwise by `XDEL`.

use std::collections::BTreeSet;
use std::io;

use super::collections::Batches;
use super::writer::{Lines, write_command};
use crate::value::Stream;
use crate::value::stream::{Consumer, Group, StreamId};

/// IDs per command.
const BATCH: usize = 256;
/// Field and value of an entry that does not stay.
const PASSING: [&[u8]; 2] = [b"deleted", b""];

fn text(value: impl ToString) -> Vec<u8> {
    value.to_string().into_bytes()
}

pub(super) fn write_stream(out: &mut dyn Lines, key: &[u8], stream: &Stream) -> io::Result<()> {
    let deleted = deleted_but_pending(stream);
    write_entries(out, key, stream, &deleted)?;
    for (name, group) in stream.groups() {
        write_group(out, key, name, group)?;
    }
    write_deletions(out, key, stream, &deleted)?;
    write_history(out, key, stream)
}

/// Pending entries that are not in the stream any more. Left out are those whose deletion would leave
/// another trace than there is: behind the last deleted ID of a stream that has entries.
fn deleted_but_pending(stream: &Stream) -> BTreeSet<StreamId> {
    let leaves_no_trace = |id: &StreamId| {
        stream.is_empty() || *id < stream.first_id() || *id <= stream.max_deleted_id()
    };
    let pending = stream.groups().flat_map(|(_, group)| group.pending(StreamId::MIN));
    let ids = pending.map(|(id, _)| id);
    ids.filter(|id| leaves_no_trace(id) && !stream.contains(*id)).collect()
}

fn write_entries(
    out: &mut dyn Lines,
    key: &[u8],
    stream: &Stream,
    deleted: &BTreeSet<StreamId>,
) -> io::Result<()> {
    let deleted_is_empty = deleted.is_empty();
    let mut deleted = deleted.iter().peekable();
    let mut write_passing = |out: &mut dyn Lines, before: Option<StreamId>| {
        while let Some(id) = deleted.next_if(|id| before.is_none_or(|before| **id < before)) {
            write_command(out, &[b"XADD", key, &text(id), PASSING[0], PASSING[1]])?;
        }
        io::Result::Ok(())
    };
    for entry in stream.iter() {
        write_passing(out, Some(entry.id))?;
        let words: Vec<Vec<u8>> =
            entry.fields().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
        let id = text(entry.id);
        let mut args = vec![&b"XADD"[..], key, &id];
        args.extend(words.iter().map(Vec::as_slice));
        write_command(out, &args)?;
    }
    write_passing(out, None)?;
    if stream.is_empty() && deleted_is_empty {
        // The key must be there though nothing was added.
        let [field, value] = PASSING;
        write_command(out, &[b"XADD", key, b"MAXLEN", b"=", b"0", b"0-1", field, value])?;
    }
    Ok(())
}

fn write_group(out: &mut dyn Lines, key: &[u8], name: &[u8], group: &Group) -> io::Result<()> {
    let read = text(group.entries_read.unwrap_or(-1));
    let last_id = text(group.last_id);
    let args = [b"XGROUP", &b"CREATE"[..], key, name, &last_id, b"ENTRIESREAD", &read];
    write_command(out, &args)?;
    for (consumer_name, consumer) in group.consumers() {
        // Nothing has this ID: the line makes the consumer, which was seen at this time.
        let (nothing, seen) = (text(StreamId::MIN), text(consumer.seen_ms));
        let head = [&b"XCLAIM"[..], key, name, consumer_name, b"0"];
        write_command(out, &[&head[..], &[&nothing, b"TIME", &seen]].concat())?;
        write_pending(out, &head, group, consumer)?;
    }
    Ok(())
}

/// What is pending with a consumer. Entries that were delivered together share a line.
fn write_pending(
    out: &mut dyn Lines,
    head: &[&[u8]],
    group: &Group,
    consumer: Consumer,
) -> io::Result<()> {
    let pending: Vec<_> = group.pending_with(consumer, StreamId::MIN).collect();
    for run in pending.chunk_by(|(_, a), (_, b)| a == b).flat_map(|run| run.chunks(BATCH)) {
        let (_, delivery) = run[0];
        let ids: Vec<_> = run.iter().map(|(id, _)| text(id)).collect();
        let (time, count) = (text(delivery.time_ms), text(delivery.count));
        let mut args = head.to_vec();
        args.extend(ids.iter().map(Vec::as_slice));
        args.extend([&b"TIME"[..], &time, b"RETRYCOUNT", &count, b"FORCE", b"JUSTID"]);
        write_command(out, &args)?;
    }
    Ok(())
}

/// Removes what was only added to be claimed.
fn write_deletions(
    out: &mut dyn Lines,
    key: &[u8],
    stream: &Stream,
    deleted: &BTreeSet<StreamId>,
) -> io::Result<()> {
    if deleted.is_empty() {
        return Ok(());
    }
    if stream.is_empty() {
        return write_command(out, &[b"XTRIM", key, b"MAXLEN", b"=", b"0"]);
    }
    let first_id = stream.first_id();
    if deleted.first().is_some_and(|id| *id < first_id) {
        write_command(out, &[b"XTRIM", key, b"MINID", b"=", &text(first_id)])?;
    }
    let head = [&b"XDEL"[..], key];
    let mut batches = Batches::new(out, &head);
    deleted.range(first_id..).try_for_each(|id| batches.add(&[&text(id)]))?;
    batches.finish()
}

fn write_history(out: &mut dyn Lines, key: &[u8], stream: &Stream) -> io::Result<()> {
    let last_id = text(stream.last_id());
    let added = text(stream.entries_added());
    let max_deleted = text(stream.max_deleted_id());
    let args =
        [&b"XSETID"[..], key, &last_id, b"ENTRIESADDED", &added, b"MAXDELETEDID", &max_deleted];
    write_command(out, &args)
}
