//! A group of consumers: how far it has read, who is in it, and what was delivered but not acknowledged.
//!
//! Everything lies in trees, so that a clone of the group costs O(1). Pending entries are kept twice: by
//! ID, with whom they were delivered to, and by consumer and ID. A consumer has a number, which is all
//! that a pending entry knows of it; how many are pending with a consumer is a difference of two ranks.
//!
//! ```text
//! pending    ID (16)                 consumer's number (4) · time (8) · deliveries (8)
//! owned      number (4) · ID (16)    nothing
//! consumers  name                    number (4) · seen (8) · active (8)
//! names      number (4)              name
//! ```

use super::id::StreamId;
use crate::value::tree::{Range, Tree};

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last ID that was delivered, or set as such.
    pub last_id: StreamId,
    /// How many of all entries that were ever added came up to there, if known.
    pub entries_read: Option<i64>,
    pending: Tree,
    owned: Tree,
    consumers: Tree,
    names: Tree,
}

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    number: u32,
    /// When it last tried to read or claim, in Unix milliseconds.
    pub seen_ms: i64,
    /// When it last got something; -1 if never.
    pub active_ms: i64,
}

/// What is known of a pending entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    consumer: u32,
    pub time_ms: i64,
    /// How many times.
    pub count: u64,
}

fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (front, rest) = bytes.split_first_chunk().expect("stored values are whole");
    (*front, rest)
}

impl Consumer {
    fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&self.number.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.seen_ms.to_le_bytes());
        bytes[12..].copy_from_slice(&self.active_ms.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Consumer {
        let (number, rest) = split(bytes);
        let (seen, rest) = split(rest);
        Consumer {
            number: u32::from_be_bytes(number),
            seen_ms: i64::from_le_bytes(seen),
            active_ms: i64::from_le_bytes(split(rest).0),
        }
    }
}

impl Delivery {
    pub fn new(consumer: Consumer, time_ms: i64, count: u64) -> Delivery {
        Delivery { consumer: consumer.number, time_ms, count }
    }

    /// How many times it will have been delivered after the next time. It never exceeds what clients can
    /// be told, and the log.
    pub fn count_with_next(&self) -> u64 {
        self.count.saturating_add(1).min(i64::MAX as u64)
    }

    fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&self.consumer.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.time_ms.to_le_bytes());
        bytes[12..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Delivery {
        let (consumer, rest) = split(bytes);
        let (time, rest) = split(rest);
        Delivery {
            consumer: u32::from_be_bytes(consumer),
            time_ms: i64::from_le_bytes(time),
            count: u64::from_le_bytes(split(rest).0),
        }
    }
}

fn owned_key(number: u32, id: StreamId) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key[4..].copy_from_slice(&id.to_key());
    key
}

/// Consumers.
impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Group {
        Group { last_id, entries_read, ..Group::default() }
    }

    pub fn consumer(&self, name: &[u8]) -> Option<Consumer> {
        self.consumers.get(name).map(Consumer::from_bytes)
    }

    /// A new consumer, which nobody with this name is in the group.
    pub fn create_consumer(&mut self, name: &[u8], seen_ms: i64) -> Consumer {
        debug_assert!(self.consumer(name).is_none(), "the name is free");
        let consumer = Consumer { number: self.free_number(), seen_ms, active_ms: -1 };
        self.consumers.insert(name, &consumer.to_bytes());
        self.names.insert(&consumer.number.to_be_bytes(), name);
        consumer
    }

    /// The smallest number that no consumer has. Numbers are ranks until the first gap.
    fn free_number(&self) -> u32 {
        let (mut low, mut high) = (0, self.names.len());
        while low < high {
            let middle = (low + high) / 2;
            let (key, _) = self.names.at(middle).expect("it is below the length");
            if u32::from_be_bytes(split(key).0) as usize == middle {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u32::try_from(low).expect("a group has fewer than four billion consumers")
    }

    /// Notes that a consumer was there at `now_ms`; `is_active`: and got something.
    pub fn touch_consumer(&mut self, name: &[u8], now_ms: i64, is_active: bool) {
        if let Some(mut consumer) = self.consumer(name) {
            consumer.seen_ms = consumer.seen_ms.max(now_ms);
            if is_active {
                consumer.active_ms = consumer.active_ms.max(now_ms);
            }
            self.consumers.insert(name, &consumer.to_bytes());
        }
    }

    /// Removes a consumer and what is pending with it; tells how much that was. `None` if there is none.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumer(name)?;
        let ids: Vec<_> = self.pending_with(consumer, StreamId::MIN).map(|(id, _)| id).collect();
        for id in &ids {
            self.pending.remove(&id.to_key());
        }
        self.owned.remove_range(self.owned_ranks(consumer));
        self.consumers.remove(name);
        self.names.remove(&consumer.number.to_be_bytes());
        Some(ids.len())
    }

    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    /// In the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (&[u8], Consumer)> {
        self.consumers.iter().map(|(name, bytes)| (name, Consumer::from_bytes(bytes)))
    }

    /// The name of the consumer that a pending entry was delivered to.
    pub fn name_of(&self, delivery: &Delivery) -> &[u8] {
        let name = self.names.get(&delivery.consumer.to_be_bytes());
        name.expect("what a consumer has pending goes with it")
    }
}

/// Pending entries.
impl Group {
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    pub fn pending_count_with(&self, consumer: Consumer) -> usize {
        self.owned_ranks(consumer).len()
    }

    fn owned_ranks(&self, consumer: Consumer) -> std::ops::Range<usize> {
        let start = self.owned.rank(&owned_key(consumer.number, StreamId::MIN));
        let end = match consumer.number.checked_add(1) {
            Some(next) => self.owned.rank(&owned_key(next, StreamId::MIN)),
            None => self.owned.len(),
        };
        start..end
    }

    pub fn delivery(&self, id: StreamId) -> Option<Delivery> {
        self.pending.get(&id.to_key()).map(Delivery::from_bytes)
    }

    /// Pending entries from `start` on.
    pub fn pending(&self, start: StreamId) -> Pending<'_> {
        let ranks = self.pending.rank(&start.to_key())..self.pending.len();
        Pending(self.pending.range(ranks))
    }

    /// The last one.
    pub fn last_pending(&self) -> Option<(StreamId, Delivery)> {
        let last = self.pending.len().checked_sub(1)?;
        let (key, bytes) = self.pending.at(last)?;
        Some((StreamId::from_key(key), Delivery::from_bytes(bytes)))
    }

    /// Pending entries of a consumer from `start` on.
    pub fn pending_with(
        &self,
        consumer: Consumer,
        start: StreamId,
    ) -> impl Iterator<Item = (StreamId, Delivery)> {
        let end = self.owned_ranks(consumer).end;
        let start = self.owned.rank(&owned_key(consumer.number, start));
        self.owned.range(start..end).map(|(key, _)| {
            let id = StreamId::from_key(&key[4..]);
            (id, self.delivery(id).expect("what a consumer owns is pending"))
        })
    }

    /// Makes an entry pending, or delivers a pending one again, to whomever.
    pub fn deliver(&mut self, id: StreamId, delivery: Delivery) {
        match self.delivery(id) {
            Some(before) if before.consumer == delivery.consumer => {}
            before => {
                if let Some(before) = before {
                    self.owned.remove(&owned_key(before.consumer, id));
                }
                self.owned.insert(&owned_key(delivery.consumer, id), &[]);
            }
        }
        self.pending.insert(&id.to_key(), &delivery.to_bytes());
    }

    /// An entry is not pending any more; false if it was not.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(delivery) = self.delivery(id) else { return false };
        self.pending.remove(&id.to_key());
        self.owned.remove(&owned_key(delivery.consumer, id));
        true
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let trees = [&self.pending, &self.owned, &self.consumers, &self.names];
        trees.map(Tree::heap_bytes).iter().sum()
    }
}

/// Pending entries in the order of their IDs.
#[derive(Clone)]
pub struct Pending<'a>(Range<'a>);

impl Iterator for Pending<'_> {
    type Item = (StreamId, Delivery);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, bytes)| (StreamId::from_key(key), Delivery::from_bytes(bytes)))
    }
}
