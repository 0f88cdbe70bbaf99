//! A node: a run of entries in one sequence of listpack elements, laid out as Redis lays them out.
//!
//! ```text
//! node:   live entries · deleted entries · number of fields · field ... · 0 · entry ...
//! entry:  flags · ms - the node's · seq - the node's · body · elements of this entry before this one
//! body:   value ...                                  if the flag SAME_FIELDS is set
//!         number of fields · field · value ...       otherwise
//! ```
//!
//! The fields in front are those of the node's first entry; entries with the same ones store only their
//! values. The last element of an entry leads backwards to its flags. A deleted entry keeps its place and
//! is only flagged; when all are deleted the node goes.

use super::id::StreamId;
use crate::base::allocator::allocation_size;
use crate::value::listpack::{Element, decode, element, encode, previous, size_at};

const DELETED: u8 = 1;
const SAME_FIELDS: u8 = 2;
/// Flags and the two parts of the ID.
const ENTRY_HEAD: usize = 3;
/// As many bytes as `stream-node-max-bytes` has by default.
const KEPT_BYTES: usize = 4096;
/// What Redis's listpack has around its elements.
const LISTPACK_FRAME: usize = 7;

/// When a node is full.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    pub bytes: usize,
    /// Deleted ones included; 0 sets no limit.
    pub entries: u64,
}

/// An owned node, to be changed.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: StreamId,
    bytes: Vec<u8>,
}

/// A node as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeRef<'a> {
    pub(super) id: StreamId,
    pub(super) bytes: &'a [u8],
    live: u64,
    deleted: u64,
    field_count: usize,
    /// Where the names of the first entry's fields begin.
    fields: usize,
    entries: usize,
}

/// An entry of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub id: StreamId,
    node: NodeRef<'a>,
    /// Place of its flags.
    place: usize,
    flags: u8,
    /// How many fields.
    count: usize,
    /// Where its values begin, or its fields and values.
    body: usize,
}

fn integer(bytes: &[u8], place: usize) -> i64 {
    decode(&bytes[place..]).as_integer().expect("heads of nodes and entries are integers")
}

fn skip(bytes: &[u8], place: usize, count: usize) -> usize {
    (0..count).fold(place, |place, _| place + size_at(&bytes[place..]))
}

fn push(bytes: &mut Vec<u8>, number: i64) {
    encode(bytes, Element::Integer(number));
}

/// How many elements an entry has before the last one.
fn element_count(fields: usize, flags: u8) -> usize {
    let body = if flags & SAME_FIELDS != 0 { fields } else { 2 * fields + 1 };
    ENTRY_HEAD + body
}

impl<'a> NodeRef<'a> {
    pub(super) fn new(id: StreamId, bytes: &'a [u8]) -> NodeRef<'a> {
        let deleted = skip(bytes, 0, 1);
        let count = skip(bytes, deleted, 1);
        let fields = skip(bytes, count, 1);
        let field_count = integer(bytes, count) as usize;
        NodeRef {
            id,
            bytes,
            live: integer(bytes, 0) as u64,
            deleted: integer(bytes, deleted) as u64,
            field_count,
            fields,
            entries: skip(bytes, fields, field_count + 1),
        }
    }

    /// How many entries are not deleted.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// The first entry, deleted ones included.
    pub(super) fn first(&self) -> Option<Entry<'a>> {
        self.entry_at(self.entries)
    }

    /// The last entry, deleted ones included.
    pub(super) fn last(&self) -> Option<Entry<'a>> {
        self.entry_before(self.bytes.len())
    }

    pub(super) fn after(&self, entry: &Entry<'a>) -> Option<Entry<'a>> {
        self.entry_at(entry.end())
    }

    pub(super) fn before(&self, entry: &Entry<'a>) -> Option<Entry<'a>> {
        self.entry_before(entry.place)
    }

    fn entry_before(&self, end: usize) -> Option<Entry<'a>> {
        if end == self.entries {
            return None;
        }
        let mut place = previous(&self.bytes[..end]);
        for _ in 0..integer(self.bytes, place) {
            place = previous(&self.bytes[..place]);
        }
        self.entry_at(place)
    }

    fn entry_at(&self, place: usize) -> Option<Entry<'a>> {
        if place == self.bytes.len() {
            return None;
        }
        let flags = self.bytes[place];
        let ms = skip(self.bytes, place, 1);
        let seq = skip(self.bytes, ms, 1);
        let mut body = skip(self.bytes, seq, 1);
        let mut count = self.field_count;
        if flags & SAME_FIELDS == 0 {
            count = integer(self.bytes, body) as usize;
            body = skip(self.bytes, body, 1);
        }
        let id = StreamId {
            ms: self.id.ms.wrapping_add_signed(integer(self.bytes, ms)),
            seq: self.id.seq.wrapping_add_signed(integer(self.bytes, seq)),
        };
        Some(Entry { id, node: *self, place, flags, count, body })
    }

    /// Whether an entry with so many bytes of fields and values must go into another node.
    pub(super) fn is_full(&self, more: usize, limits: NodeLimits) -> bool {
        self.bytes.len() + LISTPACK_FRAME + more >= limits.bytes
            || limits.entries > 0 && self.live + self.deleted >= limits.entries
    }

    fn has_fields<'f>(&self, fields: impl ExactSizeIterator<Item = &'f [u8]>) -> bool {
        let mut place = self.fields;
        fields.len() == self.field_count
            && fields.into_iter().all(|field| {
                let is_same = decode(&self.bytes[place..]) == element(field);
                place = skip(self.bytes, place, 1);
                is_same
            })
    }
}

impl<'a> Entry<'a> {
    pub(super) fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    fn has_own_fields(&self) -> bool {
        self.flags & SAME_FIELDS == 0
    }

    fn end(&self) -> usize {
        let per_field = if self.has_own_fields() { 2 } else { 1 };
        skip(self.node.bytes, self.body, self.count * per_field + 1)
    }

    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Fields and their values, in the order in which they were given.
    pub fn fields(&self) -> Fields<'a> {
        let (bytes, has_own_fields) = (self.node.bytes, self.has_own_fields());
        let names = if has_own_fields { self.body } else { self.node.fields };
        Fields { bytes, has_own_fields, names, values: self.body, left: self.count }
    }
}

/// Fields and values of an entry.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    has_own_fields: bool,
    /// Place of the next field's name; of its value, if those stand elsewhere.
    names: usize,
    values: usize,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = decode(&self.bytes[self.names..]);
        self.names = skip(self.bytes, self.names, 1);
        let at = if self.has_own_fields { &mut self.names } else { &mut self.values };
        let value = decode(&self.bytes[*at..]);
        *at = skip(self.bytes, *at, 1);
        Some((name, value))
    }
}

impl Node {
    /// A node without entries, for entries with such fields.
    pub(super) fn new<'f>(id: StreamId, fields: impl ExactSizeIterator<Item = &'f [u8]>) -> Node {
        let mut node = Node { id, bytes: Vec::new() };
        node.begin_anew(id, fields, 0);
        node
    }

    /// Becomes a node without entries, the first of which will have so many bytes of fields and values. Keeps as much
    /// memory as a full one usually has, and as that entry takes, so that it need not grow again.
    pub(super) fn begin_anew<'f>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = &'f [u8]>,
        first_bytes: usize,
    ) {
        self.id = id;
        let bytes = &mut self.bytes;
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES.max(first_bytes + first_bytes / 8));
        push(bytes, 0);
        push(bytes, 0);
        push(bytes, fields.len() as i64);
        fields.for_each(|field| encode(bytes, element(field)));
        push(bytes, 0);
    }

    /// The node that [`Node::bytes`] came from.
    pub(super) fn from_bytes(id: StreamId, bytes: &[u8]) -> Node {
        Node { id, bytes: bytes.to_vec() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn heap_bytes(&self) -> usize {
        allocation_size(self.bytes.capacity())
    }

    pub(super) fn as_ref(&self) -> NodeRef<'_> {
        NodeRef::new(self.id, &self.bytes)
    }

    /// Adds an entry behind all others.
    pub(super) fn append<'f>(
        &mut self,
        id: StreamId,
        pairs: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
    ) {
        let node = self.as_ref();
        let is_same = node.has_fields(pairs.clone().map(|(field, _)| field));
        let flags = if is_same { SAME_FIELDS } else { 0 };
        let live = node.live;
        let count = pairs.len();
        push(&mut self.bytes, i64::from(flags));
        push(&mut self.bytes, id.ms.wrapping_sub(self.id.ms) as i64);
        push(&mut self.bytes, id.seq.wrapping_sub(self.id.seq) as i64);
        if !is_same {
            push(&mut self.bytes, count as i64);
        }
        for (field, value) in pairs {
            if !is_same {
                encode(&mut self.bytes, element(field));
            }
            encode(&mut self.bytes, element(value));
        }
        push(&mut self.bytes, element_count(count, flags) as i64);
        self.replace(0, live as i64 + 1);
    }

    /// Flags the entry with this ID as deleted, which is in the node.
    pub(super) fn delete(&mut self, id: StreamId) {
        let node = self.as_ref();
        let mut next = node.first();
        while let Some(entry) = next.filter(|entry| entry.id < id) {
            next = node.after(&entry);
        }
        let entry = next.filter(|entry| entry.id == id && !entry.is_deleted());
        let place = entry.expect("the entry was looked up").place;
        self.bytes[place] |= DELETED;
        self.count_deleted(1);
    }

    /// Flags entries from the front on as deleted, until `stop` says so of the next one (given how many
    /// were deleted before it); tells how many.
    pub(super) fn delete_front(&mut self, stop: impl Fn(StreamId, u64) -> bool) -> u64 {
        let node = self.as_ref();
        let mut places = Vec::new();
        let mut next = node.first();
        while let Some(entry) = next.filter(|entry| !stop(entry.id, places.len() as u64)) {
            if !entry.is_deleted() {
                places.push(entry.place);
            }
            next = node.after(&entry);
        }
        places.iter().for_each(|place| self.bytes[*place] |= DELETED);
        self.count_deleted(places.len() as u64);
        places.len() as u64
    }

    fn count_deleted(&mut self, more: u64) {
        let NodeRef { live, deleted, .. } = self.as_ref();
        self.replace(skip(&self.bytes, 0, 1), (deleted + more) as i64);
        self.replace(0, (live - more) as i64);
    }

    /// Exchanges the integer at `place`.
    fn replace(&mut self, place: usize, number: i64) {
        if let (0..=0x7f, Ok(byte @ 0..=0x7f)) = (self.bytes[place], u8::try_from(number)) {
            self.bytes[place] = byte;
            return;
        }
        let mut encoded = Vec::with_capacity(16);
        push(&mut encoded, number);
        let end = skip(&self.bytes, place, 1);
        if end - place == encoded.len() {
            self.bytes[place..end].copy_from_slice(&encoded);
        } else {
            self.bytes.splice(place..end, encoded);
        }
    }
}
