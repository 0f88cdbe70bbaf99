//! Walking through entries in either direction.

use super::Body;
use super::id::StreamId;
use super::node::{Entry, NodeRef};

/// Entries of a range of IDs.
#[derive(Clone)]
pub struct Entries<'a> {
    body: &'a Body,
    is_backwards: bool,
    /// IDs outside of these are passed over in front, and end the walk behind.
    start: StreamId,
    end: StreamId,
    /// Number of the node that `next` is in.
    number: usize,
    node: Option<NodeRef<'a>>,
    next: Option<Entry<'a>>,
}

impl<'a> Entries<'a> {
    pub(super) fn forwards(body: &'a Body, start: StreamId, end: StreamId) -> Entries<'a> {
        Entries::from(body, start, end, start, false)
    }

    pub(super) fn backwards(body: &'a Body, start: StreamId, end: StreamId) -> Entries<'a> {
        Entries::from(body, start, end, end, true)
    }

    fn from(
        body: &'a Body,
        start: StreamId,
        end: StreamId,
        origin: StreamId,
        is_backwards: bool,
    ) -> Entries<'a> {
        let number = body.number_of(origin);
        let mut entries =
            Entries { body, is_backwards, start, end, number, node: None, next: None };
        if start <= end {
            entries.enter(number);
        }
        entries
    }

    fn enter(&mut self, number: usize) {
        self.number = number;
        self.node = self.body.node_at(number);
        self.next = self.node.and_then(|node| match self.is_backwards {
            true => node.last(),
            false => node.first(),
        });
    }

    /// The next entry, deleted or not.
    fn step(&mut self) -> Option<Entry<'a>> {
        while self.next.is_none() {
            self.node?;
            match self.is_backwards {
                true => self.enter(self.number.checked_sub(1)?),
                false => self.enter(self.number + 1),
            }
        }
        let entry = self.next?;
        let node = self.node.expect("an entry is in a node");
        self.next = match self.is_backwards {
            true => node.before(&entry),
            false => node.after(&entry),
        };
        Some(entry)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let entry = self.step()?;
            let is_behind = match self.is_backwards {
                true => entry.id < self.start,
                false => entry.id > self.end,
            };
            if is_behind {
                self.node = None;
                self.next = None;
                return None;
            }
            if (self.start..=self.end).contains(&entry.id) && !entry.is_deleted() {
                return Some(entry);
            }
        }
    }
}
