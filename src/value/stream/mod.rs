//! Streams: entries in the order of their IDs, and groups of consumers that share them out.
//!
//! Entries lie in nodes of up to about a hundred, as in Redis, and each node has Redis's layout (see
//! `node`). So an entry costs the bytes of its values and a handful more, `XTRIM ~` drops the same whole
//! nodes as Redis does, and `DUMP` takes nodes over as they are. Rejected: one tree value per entry with
//! numbered lists of fields, which costs about forty bytes more per entry and knows no nodes.
//!
//! All nodes but the last are values of a [`Tree`], keyed by the ID of their first entry. The last one is
//! open: entries are appended to it in place, and it moves into the tree when it is full. What follows:
//! adding is O(1) but for one insertion per node, finding and deleting O(log n) and one node, and a clone
//! shares everything but the open node and the list of groups.
//!
//! Limits: a node is copied when an entry in it is deleted. `radix-tree-nodes` of `XINFO STREAM` is made
//! up, there being no radix tree.

mod group;
mod id;
mod node;
mod range;
#[cfg(test)]
mod tests;
mod trim;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use triomphe::Arc;

use super::tree::Tree;
use crate::base::allocator::allocation_size;
use node::{Node, NodeRef};

pub use group::{Consumer, Delivery, Group};
pub use id::{IdText, Seq, StreamId};
pub use node::{Entry, Fields, NodeLimits};
pub use range::Entries;
pub use trim::{Trim, TrimTo};

/// Fields and values of one entry may have so many bytes.
const ENTRY_BYTES_MAX: usize = 1 << 30;

/// Counters stop here, since clients and the log are told signed integers.
const COUNTER_MAX: u64 = i64::MAX as u64;

/// The ID that a new entry is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// That of this moment, or the one after the last if it is not greater.
    At {
        now_ms: u64,
    },
    /// Any in this millisecond.
    In {
        ms: u64,
    },
    Exactly(StreamId),
}

/// Why an entry was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// There is no greater ID than the last one.
    Exhausted,
    /// The last ID is not smaller.
    TooSmall,
    /// The millisecond in which an ID was asked for has no other.
    MillisecondFull,
    TooLarge,
}

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Stream(Arc<Body>);

#[derive(Clone, Debug, Default)]
struct Body {
    nodes: Tree,
    /// The last node. `None` only if there is no node at all.
    open: Option<Node>,
    len: u64,
    last_id: StreamId,
    /// The first entry's; 0-0 if there is none.
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Bytes that groups and their names took from the allocator.
    group_bytes: usize,
}

/// A group that is being changed. What it takes is noted when this goes.
pub struct GroupMut<'a> {
    group: &'a mut Group,
    bytes_before: usize,
    group_bytes: &'a mut usize,
}

impl Deref for GroupMut<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl DerefMut for GroupMut<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl Drop for GroupMut<'_> {
    fn drop(&mut self) {
        *self.group_bytes = *self.group_bytes + self.group.heap_bytes() - self.bytes_before;
    }
}

/// What a group takes besides what it holds, about.
fn map_entry_bytes(name: &[u8]) -> usize {
    const MAP_ENTRY: usize = 16;
    name.len() + size_of::<Group>() + MAP_ENTRY
}

impl Stream {
    pub fn len(&self) -> usize {
        self.0.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Whether nothing has happened to one of two clones.
    pub fn is_same(&self, other: &Stream) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Bytes taken from the allocator. O(1).
    pub fn heap_bytes(&self) -> usize {
        let body = &*self.0;
        allocation_size(size_of::<Body>() + size_of::<usize>())
            + body.nodes.heap_bytes()
            + body.open.as_ref().map_or(0, Node::heap_bytes)
            + body.group_bytes
    }

    /// The name that `OBJECT ENCODING` prints.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// The greatest ID that an entry ever had, or was set as such.
    pub fn last_id(&self) -> StreamId {
        self.0.last_id
    }

    /// The first entry's ID; 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.0.first_id
    }

    /// The greatest ID of an entry that was deleted by ID; 0-0 if there was none.
    pub fn max_deleted_id(&self) -> StreamId {
        self.0.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.0.entries_added
    }

    /// The nodes in order: an ID, and elements of a listpack as Redis encodes them (see `node`).
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        let nodes = (0..self.node_count()).map(|number| self.0.node_at(number));
        nodes.map(|node| node.expect("the number is below the count")).map(|it| (it.id, it.bytes))
    }

    pub fn node_count(&self) -> usize {
        self.0.nodes.len() + usize::from(self.0.open.is_some())
    }

    /// The ID that a new entry gets.
    pub fn resolve(&self, wanted: NewId) -> Result<StreamId, AddError> {
        let last = self.0.last_id;
        let next = last.next().ok_or(AddError::Exhausted)?;
        let id = match wanted {
            NewId::At { now_ms } if now_ms > last.ms => StreamId::new(now_ms, 0),
            NewId::At { .. } => next,
            NewId::In { ms } if ms == last.ms && next.ms == ms => next,
            NewId::In { ms } if ms == last.ms => return Err(AddError::MillisecondFull),
            NewId::In { ms } => StreamId::new(ms, 0),
            NewId::Exactly(id) => id,
        };
        if id > last { Ok(id) } else { Err(AddError::TooSmall) }
    }

    /// Adds an entry with fields and values.
    pub fn add<'f>(
        &mut self,
        wanted: NewId,
        pairs: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: NodeLimits,
    ) -> Result<StreamId, AddError> {
        let id = self.resolve(wanted)?;
        let bytes = pairs.clone().map(|(field, value)| field.len() + value.len()).sum();
        if bytes > ENTRY_BYTES_MAX {
            return Err(AddError::TooLarge);
        }
        let body = Arc::make_mut(&mut self.0);
        let fields = pairs.clone().map(|(field, _)| field);
        match &mut body.open {
            Some(node) if node.as_ref().is_full(bytes, limits) => {
                body.nodes.insert(&node.id.to_key(), node.bytes());
                node.begin_anew(id, fields, bytes);
            }
            Some(_) => {}
            open => *open = Some(Node::new(id, fields)),
        }
        body.open.as_mut().expect("it was just opened").append(id, pairs);
        body.entries_added = body.entries_added.saturating_add(1).min(COUNTER_MAX);
        body.last_id = id;
        if body.len == 0 {
            body.first_id = id;
        }
        body.len += 1;
        Ok(id)
    }

    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// Entries with IDs from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> Entries<'_> {
        Entries::forwards(&self.0, start, end)
    }

    /// About how many entries a range has, from the number of its nodes.
    pub fn count_about(&self, start: StreamId, end: StreamId) -> usize {
        if start > end || self.is_empty() {
            return 0;
        }
        let nodes = self.0.number_of(end).saturating_sub(self.0.number_of(start)) + 1;
        (self.len() as f64 / self.node_count() as f64 * nodes as f64) as usize
    }

    /// The same from the end.
    pub fn range_backwards(&self, start: StreamId, end: StreamId) -> Entries<'_> {
        Entries::backwards(&self.0, start, end)
    }

    pub fn iter(&self) -> Entries<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    pub fn first(&self) -> Option<Entry<'_>> {
        self.iter().next()
    }

    pub fn last(&self) -> Option<Entry<'_>> {
        self.range_backwards(StreamId::MIN, StreamId::MAX).next()
    }

    /// Deletes entries; tells how many were there.
    pub fn delete(&mut self, ids: &[StreamId]) -> usize {
        if !ids.iter().any(|id| self.contains(*id)) {
            return 0;
        }
        let body = Arc::make_mut(&mut self.0);
        let mut deleted = 0;
        for id in ids {
            if body.delete(*id) {
                body.max_deleted_id = body.max_deleted_id.max(*id);
                deleted += 1;
            }
        }
        self.find_first_id();
        deleted
    }

    /// Removes entries from the front; tells how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        if !trim.removes_any(&self.0) {
            return 0;
        }
        let removed = Arc::make_mut(&mut self.0).trim(trim);
        if removed > 0 {
            self.find_first_id();
        }
        removed
    }

    fn find_first_id(&mut self) {
        let first_id = self.first().map_or(StreamId::MIN, |entry| entry.id);
        Arc::make_mut(&mut self.0).first_id = first_id;
    }

    /// Sets what the stream remembers of entries that it may not have any more.
    pub fn set_id(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        let body = Arc::make_mut(&mut self.0);
        body.last_id = last_id;
        body.entries_added = entries_added.unwrap_or(body.entries_added);
        body.max_deleted_id = max_deleted_id.unwrap_or(body.max_deleted_id);
    }
}

/// Groups.
impl Stream {
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name)
    }

    pub fn group_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let body = Arc::make_mut(&mut self.0);
        let group = body.groups.get_mut(name)?;
        let bytes_before = group.heap_bytes();
        Some(GroupMut { group, bytes_before, group_bytes: &mut body.group_bytes })
    }

    /// In the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.0.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// False if there is a group with this name.
    pub fn create_group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<i64>,
    ) -> bool {
        if self.group(name).is_some() {
            return false;
        }
        let group = Group::new(last_id, entries_read);
        let body = Arc::make_mut(&mut self.0);
        body.group_bytes += map_entry_bytes(name) + group.heap_bytes();
        body.groups.insert(name.into(), group);
        true
    }

    /// False if there is no such group.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        if self.group(name).is_none() {
            return false;
        }
        let body = Arc::make_mut(&mut self.0);
        let group = body.groups.remove(name).expect("it was there a moment ago");
        body.group_bytes -= map_entry_bytes(name) + group.heap_bytes();
        true
    }

    /// How many entries a group has still to read; `None` if nobody can tell.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let added = self.0.entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        let known = group.entries_read.filter(|_| !self.has_gap_from(group.last_id));
        let read = known.or_else(|| self.count_up_to(group.last_id))?;
        Some(added - read)
    }

    /// The group has now read up to the entry `id`, which is the next one after its last ID.
    pub fn count_read(&self, group_read: Option<i64>, id: StreamId) -> Option<i64> {
        match group_read {
            Some(read) if !self.has_gap_from(id) => Some(read.saturating_add(1)),
            read if self.0.entries_added == 0 => read,
            _ => self.count_up_to(id),
        }
    }

    /// Whether an entry behind `start` may have been deleted by ID, as far as is remembered.
    fn has_gap_from(&self, start: StreamId) -> bool {
        let body = &*self.0;
        body.len > 0
            && body.max_deleted_id != StreamId::MIN
            && body.first_id <= body.max_deleted_id
            && start <= body.max_deleted_id
    }

    /// How many entries were added up to `id`, if what is remembered tells.
    fn count_up_to(&self, id: StreamId) -> Option<i64> {
        let body = &*self.0;
        let added = body.entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        if body.len == 0 && id <= body.last_id {
            return Some(added);
        }
        if id >= body.last_id {
            return (id == body.last_id).then_some(added);
        }
        let is_whole = body.max_deleted_id == StreamId::MIN || body.max_deleted_id < body.first_id;
        let before_first = added - body.len as i64;
        match id.cmp(&body.first_id) {
            std::cmp::Ordering::Less if is_whole => Some(before_first),
            std::cmp::Ordering::Equal if is_whole => Some(before_first + 1),
            _ => None,
        }
    }
}

impl Body {
    /// A node by its number.
    fn node_at(&self, number: usize) -> Option<NodeRef<'_>> {
        match self.nodes.at(number) {
            Some((key, bytes)) => Some(NodeRef::new(StreamId::from_key(key), bytes)),
            None if number == self.nodes.len() => self.open.as_ref().map(Node::as_ref),
            None => None,
        }
    }

    /// The number of the node that an entry with this ID would be in: the last one that does not begin
    /// behind it.
    fn number_of(&self, id: StreamId) -> usize {
        if self.open.as_ref().is_some_and(|open| open.id <= id) {
            return self.nodes.len();
        }
        let smaller = self.nodes.rank(&id.to_key());
        let begins_here = self.nodes.at(smaller).is_some_and(|(key, _)| *key == id.to_key());
        if begins_here { smaller } else { smaller.saturating_sub(1) }
    }

    /// Takes the last node out of the tree if there is no open one.
    fn reopen(&mut self) {
        if self.open.is_none() && !self.nodes.is_empty() {
            let last = self.nodes.len() - 1;
            let (key, bytes) = self.nodes.at(last).expect("it is not empty");
            self.open = Some(Node::from_bytes(StreamId::from_key(key), bytes));
            self.nodes.remove_range(last..last + 1);
        }
    }

    /// Lets `change` change a node. A node without entries goes, if `drops_empty`.
    fn change_node<R>(
        &mut self,
        number: usize,
        drops_empty: bool,
        change: impl FnOnce(&mut Node) -> R,
    ) -> R {
        if number == self.nodes.len() {
            let open = self.open.as_mut().expect("the open node is the last one");
            let result = change(open);
            if drops_empty && open.as_ref().live() == 0 {
                self.open = None;
                self.reopen();
            }
            return result;
        }
        let (key, bytes) = self.nodes.at(number).expect("there is such a node");
        let mut node = Node::from_bytes(StreamId::from_key(key), bytes);
        let result = change(&mut node);
        if drops_empty && node.as_ref().live() == 0 {
            self.nodes.remove_range(number..number + 1);
        } else {
            self.nodes.insert(&node.id.to_key(), node.bytes());
        }
        result
    }

    fn delete(&mut self, id: StreamId) -> bool {
        if Entries::forwards(self, id, id).next().is_none() {
            return false;
        }
        self.change_node(self.number_of(id), true, |node| node.delete(id));
        self.len -= 1;
        true
    }
}
