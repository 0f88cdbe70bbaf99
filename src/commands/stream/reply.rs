//! Replies that several commands have: IDs and entries.

use crate::exec::reply_element;
use crate::resp::Reply;
use crate::value::Stream;
use crate::value::stream::{Entries, Entry, StreamId};

pub(super) fn reply_id(reply: &mut Reply<'_>, id: StreamId) {
    id.with_text(|text| reply.bulk(text));
}

/// An entry: its ID, and its fields and values in turn.
pub(super) fn reply_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len());
    for (field, value) in entry.fields() {
        reply_element(reply, field);
        reply_element(reply, value);
    }
}

/// At most `count` entries. They are counted first, because the reply begins with how many they are.
pub(super) fn reply_entries(reply: &mut Reply<'_>, entries: Entries<'_>, count: usize) {
    reply.array(entries.clone().take(count).count());
    entries.take(count).for_each(|entry| reply_entry(reply, &entry));
}

/// Entries that are in the stream, by ID.
pub(super) fn reply_entries_by_id(reply: &mut Reply<'_>, stream: &Stream, ids: &[StreamId]) {
    reply.array(ids.len());
    for id in ids {
        let entry = stream.get(*id).expect("only entries that are there are claimed");
        reply_entry(reply, &entry);
    }
}

pub(super) fn reply_ids(reply: &mut Reply<'_>, ids: &[StreamId]) {
    reply.array(ids.len());
    ids.iter().for_each(|id| reply_id(reply, *id));
}
