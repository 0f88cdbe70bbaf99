//! Streams: nodes of entries, what the stream remembers, and groups with what is pending.
//!
//! ```text
//! stream:    number of nodes · node ... · number of entries · last ID
//!            from version 2 on: first ID · highest deleted ID · number of entries ever added
//!            number of groups · group ...
//! node:      ID, a string of 16 bytes (big-endian) · a listpack, which `value::stream::node` draws
//! group:     name · last ID · from version 2 on: number of entries read (all bits set: unknown)
//!            number of pending entries · pending entry ... · number of consumers · consumer ...
//! pending:   ID, 16 bytes · time of delivery, 8 · number of deliveries
//! consumer:  name · time when it was last seen, 8 · in version 3: time when it last got something, 8
//!            number of its pending entries · ID, 16 bytes ...
//! ```
//!
//! What is read is put together entry by entry, so nodes are cut as this server cuts them and deleted entries are gone.
//! What contradicts itself is refused: IDs that do not rise, counts that are wrong, an entry that is pending with nobody or
//! with two.

use std::collections::BTreeMap;

use super::input::{Damaged, Input, Result};
use super::numbers::{STREAM_LISTPACKS, STREAM_LISTPACKS_2, STREAM_LISTPACKS_3};
use super::output::Output;
use super::packed::{read_listpack, write_listpack};
use crate::value::Stream;
use crate::value::listpack::{self, Element, Listpack};
use crate::value::stream::{Delivery, Group, NewId, NodeLimits, StreamId};

/// Flags of an entry in a node.
const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// Bytes of an ID that is a node's key or that is pending.
const ID: usize = 16;
/// Flags and the two parts of the ID.
const ENTRY_HEAD: usize = 3;

pub(super) fn read(input: &mut Input<'_>, kind: u8, limits: NodeLimits) -> Result<Stream> {
    let mut stream = Stream::default();
    for _ in 0..input.count()? {
        let key = input.string()?;
        if key.len() != ID {
            return Err(Damaged);
        }
        let first = read_raw_id(&mut Input::new(&key))?;
        read_node(&mut stream, first, &read_listpack(&input.string()?)?, limits)?;
    }
    let len = input.number()?;
    let last_id = read_id(input)?;
    let (mut max_deleted_id, mut added) = (StreamId::MIN, len);
    if kind != STREAM_LISTPACKS {
        // The first ID follows from the entries.
        read_id(input)?;
        max_deleted_id = read_id(input)?;
        added = input.number()?;
    }
    let is_consistent = len == stream.len() as u64
        && added >= len
        && last_id >= stream.last_id()
        && last_id >= max_deleted_id;
    if !is_consistent {
        return Err(Damaged);
    }
    stream.set_id(last_id, Some(added), Some(max_deleted_id));
    for _ in 0..input.count()? {
        read_group(input, kind, &mut stream)?;
    }
    Ok(stream)
}

fn read_id(input: &mut Input<'_>) -> Result<StreamId> {
    Ok(StreamId::new(input.number()?, input.number()?))
}

fn read_raw_id(input: &mut Input<'_>) -> Result<StreamId> {
    Ok(StreamId::new(input.big_endian()?, input.big_endian()?))
}

/// The elements of a node, one after the other.
struct Elements<'a>(listpack::Iter<'a>);

impl<'a> Elements<'a> {
    fn next(&mut self) -> Result<Element<'a>> {
        self.0.next().ok_or(Damaged)
    }

    fn integer(&mut self) -> Result<i64> {
        self.next()?.as_integer().ok_or(Damaged)
    }

    fn count(&mut self) -> Result<usize> {
        usize::try_from(self.integer()?).map_err(|_| Damaged)
    }

    fn is_empty(&self) -> bool {
        self.0.clone().next().is_none()
    }
}

fn read_node(
    stream: &mut Stream,
    first: StreamId,
    pack: &Listpack,
    limits: NodeLimits,
) -> Result<()> {
    let mut elements = Elements(pack.iter());
    let (live, deleted) = (elements.count()?, elements.count()?);
    let fields = (0..elements.count()?).map(|_| elements.0.next().map(|field| field.to_vec()));
    let fields: Option<Vec<Vec<u8>>> = fields.collect();
    let fields = fields.ok_or(Damaged)?;
    if elements.integer()? != 0 {
        return Err(Damaged);
    }
    let mut counts = [0, 0];
    while !elements.is_empty() {
        let entry = read_entry(&mut elements, first, &fields)?;
        counts[usize::from(entry.is_deleted)] += 1;
        if !entry.is_deleted {
            add_entry(stream, &entry, limits)?;
        }
    }
    if counts == [live, deleted] { Ok(()) } else { Err(Damaged) }
}

struct Entry {
    id: StreamId,
    is_deleted: bool,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// `first`, `fields`: the node's ID, and the fields of entries that have none of their own.
fn read_entry(elements: &mut Elements<'_>, first: StreamId, fields: &[Vec<u8>]) -> Result<Entry> {
    let flags = elements.integer()?;
    let [ms, seq] = [elements.integer()?, elements.integer()?];
    let mut pairs = Vec::new();
    let mut size = ENTRY_HEAD;
    if flags & SAME_FIELDS != 0 {
        for field in fields {
            pairs.push((field.clone(), elements.next()?.to_vec()));
        }
        size += pairs.len();
    } else {
        for _ in 0..elements.count()? {
            pairs.push((elements.next()?.to_vec(), elements.next()?.to_vec()));
        }
        size += 1 + 2 * pairs.len();
    }
    let is_sound = elements.count()? == size && flags & !(DELETED | SAME_FIELDS) == 0;
    if !is_sound || pairs.is_empty() {
        return Err(Damaged);
    }
    let id = StreamId::new(first.ms.wrapping_add_signed(ms), first.seq.wrapping_add_signed(seq));
    Ok(Entry { id, is_deleted: flags & DELETED != 0, pairs })
}

fn add_entry(stream: &mut Stream, entry: &Entry, limits: NodeLimits) -> Result<()> {
    let pairs = entry.pairs.iter().map(|(field, value)| (&field[..], &value[..]));
    stream.add(NewId::Exactly(entry.id), pairs, limits).map(drop).map_err(|_| Damaged)
}

fn read_group(input: &mut Input<'_>, kind: u8, stream: &mut Stream) -> Result<()> {
    let name = input.string()?;
    let last_id = read_id(input)?;
    let entries_read = match kind {
        // What XINFO tells of a group that was read by a server that did not count.
        STREAM_LISTPACKS if stream.entries_added() == 0 => Some(0),
        STREAM_LISTPACKS => stream.count_read(None, last_id),
        _ => match input.number()? as i64 {
            -1 => None,
            ..-1 => return Err(Damaged),
            read => Some(read),
        },
    };
    if !stream.create_group(&name, last_id, entries_read) {
        return Err(Damaged);
    }
    let mut group = stream.group_mut(&name).expect("it was created");
    let mut pending = read_pending(input)?;
    for _ in 0..input.count()? {
        read_consumer(input, kind, &mut group, &mut pending)?;
    }
    if pending.is_empty() { Ok(()) } else { Err(Damaged) }
}

/// By ID, when each pending entry was delivered, and how many times.
type Pending = BTreeMap<StreamId, (i64, u64)>;

fn read_pending(input: &mut Input<'_>) -> Result<Pending> {
    let mut pending = Pending::new();
    for _ in 0..input.count()? {
        let id = read_raw_id(input)?;
        let (time_ms, count) = (input.millis()?, input.number()?);
        let is_sound = time_ms >= 0 && i64::try_from(count).is_ok();
        if !is_sound || pending.insert(id, (time_ms, count)).is_some() {
            return Err(Damaged);
        }
    }
    Ok(pending)
}

/// Takes what is pending with the consumer out of `pending`.
fn read_consumer(
    input: &mut Input<'_>,
    kind: u8,
    group: &mut Group,
    pending: &mut Pending,
) -> Result<()> {
    let name = input.string()?;
    if group.consumer(&name).is_some() {
        return Err(Damaged);
    }
    let seen_ms = input.millis()?;
    let active_ms = if kind == STREAM_LISTPACKS_3 { input.millis()? } else { seen_ms };
    let consumer = group.create_consumer(&name, seen_ms);
    group.touch_consumer(&name, active_ms, true);
    for _ in 0..input.count()? {
        let id = read_raw_id(input)?;
        let (time_ms, count) = pending.remove(&id).ok_or(Damaged)?;
        group.deliver(id, Delivery::new(consumer, time_ms, count));
    }
    Ok(())
}

pub(super) fn write(out: &mut Output, stream: &Stream) {
    out.byte(STREAM_LISTPACKS_2);
    out.count(stream.node_count());
    for (id, encoded) in stream.nodes() {
        out.string(&[id.ms.to_be_bytes(), id.seq.to_be_bytes()].concat());
        let pack = Listpack::from_encoded(encoded).expect("a node is sound");
        out.string(&write_listpack(&pack));
    }
    out.count(stream.len());
    write_id(out, stream.last_id());
    write_id(out, stream.first_id());
    write_id(out, stream.max_deleted_id());
    out.number(stream.entries_added());
    out.count(stream.groups().len());
    for (name, group) in stream.groups() {
        write_group(out, name, group);
    }
}

fn write_id(out: &mut Output, id: StreamId) {
    out.number(id.ms);
    out.number(id.seq);
}

fn write_raw_id(out: &mut Output, id: StreamId) {
    out.raw(&id.ms.to_be_bytes());
    out.raw(&id.seq.to_be_bytes());
}

fn write_group(out: &mut Output, name: &[u8], group: &Group) {
    out.string(name);
    write_id(out, group.last_id);
    out.number(group.entries_read.unwrap_or(-1) as u64);
    out.count(group.pending_count());
    for (id, delivery) in group.pending(StreamId::MIN) {
        write_raw_id(out, id);
        out.millis(delivery.time_ms);
        out.number(delivery.count);
    }
    out.count(group.consumer_count());
    for (name, consumer) in group.consumers() {
        out.string(name);
        out.millis(consumer.seen_ms);
        out.count(group.pending_count_with(consumer));
        group.pending_with(consumer, StreamId::MIN).for_each(|(id, _)| write_raw_id(out, id));
    }
}
