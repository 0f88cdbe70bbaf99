//! What `MULTI` and `WATCH` remember of a session.

use indexmap::IndexSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::bytes::KeyBytes;
use crate::resp::ArgList;

/// Memory for commands that is kept from one transaction to the next.
const KEPT_BYTES_MAX: usize = 4096;

/// Watched keys for which memory is kept when they are watched no longer.
const KEPT_KEYS_MAX: usize = 64;

/// Commands that wait for `EXEC`, one behind the other.
#[derive(Debug, Default)]
pub struct Transaction {
    is_open: bool,
    is_doomed: bool,
    data: Vec<u8>,
    spans: Vec<Range<usize>>,
    /// Each command's number in the registry, and where its arguments are among the spans.
    commands: Vec<(u16, Range<usize>)>,
}

impl Transaction {
    /// Whether `MULTI` was said and neither `EXEC` nor `DISCARD`.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    pub fn open(&mut self) {
        self.is_open = true;
    }

    /// A command could not be queued, so `EXEC` is going to refuse the rest.
    pub fn doom(&mut self) {
        self.is_doomed |= self.is_open;
    }

    pub fn is_doomed(&self) -> bool {
        self.is_doomed
    }

    /// Queues a command by its number in the registry.
    pub fn push(&mut self, number: u16, args: ArgList<'_>) {
        debug_assert!(self.is_open, "commands are queued after MULTI");
        let first = self.spans.len();
        for arg in args.iter() {
            let begin = self.data.len();
            self.data.extend_from_slice(arg);
            self.spans.push(begin..self.data.len());
        }
        self.commands.push((number, first..self.spans.len()));
    }

    /// Bytes that the queue would use with one command more. The memory that it takes may be twice as much, because it
    /// grows by doubling.
    pub fn bytes_with(&self, args: ArgList<'_>) -> usize {
        self.data.len()
            + args.iter().map(<[u8]>::len).sum::<usize>()
            + (self.spans.len() + args.len()) * size_of::<Range<usize>>()
            + (self.commands.len() + 1) * size_of::<(u16, Range<usize>)>()
    }

    /// How many commands are queued.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The queued commands: numbers in the registry and arguments.
    pub fn commands(&self) -> impl Iterator<Item = (u16, ArgList<'_>)> {
        let args = |spans: &Range<usize>| ArgList::new(&self.data, &self.spans[spans.clone()]);
        self.commands.iter().map(move |(number, spans)| (*number, args(spans)))
    }

    /// Forgets everything.
    pub fn close(&mut self) {
        let keeps_memory = self.memory_bytes() <= KEPT_BYTES_MAX;
        if !keeps_memory {
            *self = Transaction::default();
        }
        self.is_open = false;
        self.is_doomed = false;
        self.data.clear();
        self.spans.clear();
        self.commands.clear();
    }

    /// Bytes that the queue takes.
    pub fn memory_bytes(&self) -> usize {
        self.data.capacity()
            + self.spans.capacity() * size_of::<Range<usize>>()
            + self.commands.capacity() * size_of::<(u16, Range<usize>)>()
    }
}

/// The keys that a session watches. The store raises the alarm when one of them changes.
#[derive(Debug, Default)]
pub struct Watches {
    keys: IndexSet<(usize, KeyBytes)>,
    /// Bytes of keys that are too long to lie in the set itself.
    spilled_bytes: usize,
    alarm: Option<Arc<AtomicBool>>,
}

impl Watches {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys are watched.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds a key of a database; the alarm to register for it, unless it is watched already.
    pub fn add(&mut self, db: usize, key: &[u8]) -> Option<Arc<AtomicBool>> {
        let key = KeyBytes::from_slice(key);
        let spilled_bytes = if key.spilled() { key.len() } else { 0 };
        if !self.keys.insert((db, key)) {
            return None;
        }
        self.spilled_bytes += spilled_bytes;
        Some(Arc::clone(self.alarm.get_or_insert_default()))
    }

    /// Whether a key of a database is watched.
    pub fn contains(&self, db: usize, key: &[u8]) -> bool {
        self.keys.contains(&(db, KeyBytes::from_slice(key)))
    }

    /// Databases and keys.
    pub fn keys(&self) -> impl Iterator<Item = &(usize, KeyBytes)> {
        self.keys.iter()
    }

    /// There once a key was watched.
    pub fn alarm(&self) -> Option<&Arc<AtomicBool>> {
        self.alarm.as_ref()
    }

    /// Whether a watched key is known to have changed.
    pub fn is_raised(&self) -> bool {
        self.alarm.as_ref().is_some_and(|alarm| alarm.load(Ordering::Relaxed))
    }

    /// Nothing is watched any more, in the store neither.
    pub fn clear(&mut self) {
        if self.keys.len() > KEPT_KEYS_MAX {
            self.keys = IndexSet::new();
        }
        self.keys.clear();
        self.spilled_bytes = 0;
        if let Some(alarm) = &self.alarm {
            alarm.store(false, Ordering::Relaxed);
        }
    }

    /// Bytes that the set takes.
    pub fn memory_bytes(&self) -> usize {
        // Each entry also has its hash, and its place in the table of hashes.
        let entry = size_of::<(usize, KeyBytes)>() + 2 * size_of::<usize>();
        self.keys.capacity() * entry + self.spilled_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_back_in_order_and_a_closed_queue_is_empty() {
        let mut transaction = Transaction::default();
        transaction.doom();
        transaction.open();
        assert!(!transaction.is_doomed(), "there was nothing to doom");
        let first = ArgList::new(b"SETkv", &[0..3, 3..4, 4..5]);
        let bytes = transaction.bytes_with(first);
        transaction.push(7, first);
        assert!(bytes > 5 && bytes <= transaction.memory_bytes());
        transaction.push(9, ArgList::new(b"PING", std::slice::from_ref(&(0..4))));
        let commands: Vec<_> = transaction
            .commands()
            .map(|(number, args)| (number, args.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()))
            .collect();
        let expected = [(7, vec![b"SET".to_vec(), b"k".to_vec(), b"v".to_vec()])];
        assert_eq!(commands[..1], expected);
        assert_eq!((commands[1].0, transaction.len()), (9, 2));
        transaction.doom();
        assert!(transaction.is_doomed());
        transaction.close();
        assert!(!transaction.is_open() && !transaction.is_doomed() && transaction.is_empty());
    }

    #[test]
    fn a_key_is_watched_once_in_each_database() {
        let mut watches = Watches::default();
        let alarm = watches.add(0, b"k").unwrap();
        assert!(watches.add(0, b"k").is_none());
        assert!(Arc::ptr_eq(&alarm, &watches.add(1, b"k").unwrap()));
        assert!(watches.contains(1, b"k") && !watches.contains(2, b"k"));
        alarm.store(true, Ordering::Relaxed);
        assert!(watches.is_raised());
        watches.clear();
        assert!(!watches.is_raised() && watches.is_empty());
    }

    #[test]
    fn memory_for_many_or_long_keys_is_given_back() {
        let mut watches = Watches::default();
        (0..1_000).for_each(|n: u32| {
            drop(watches.add(0, &[n.to_string().as_bytes(), &[b'x'; 90]].concat()))
        });
        assert!(watches.memory_bytes() > 1_000 * 90);
        assert!(watches.add(0, &[&b"7"[..], &[b'x'; 90]].concat()).is_none());
        assert_eq!(watches.len(), 1_000);
        watches.clear();
        assert_eq!(watches.memory_bytes(), 0);
    }
}
