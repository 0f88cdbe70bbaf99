//! Which clients have read which keys.
//!
//! The table is split into parts, each behind a lock of its own, so that readers on different workers rarely
//! meet. A key's readers are numbers of clients in ascending order; two of them need no allocation.
//!
//! When there are more keys than allowed, any key is dropped and its readers told that it changed: then
//! they read it again. Which one is left to chance, as in Redis; to know the one that was not used for longest
//! would cost every read a write.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use indexmap::IndexMap;
use smallvec::SmallVec;

use super::message::Invalidation;
use crate::base::bytes::KeyBytes;
use crate::base::crc16::key_slot;
use crate::base::sync::{Rank, RwLock};
use crate::session::{CacheFlags, Clients};

/// How many locks the table is spread over.
const PARTS: usize = 64;
/// How many keys are dropped at once when there are too many, because fewer are allowed than before.
const DROPS_MAX: usize = 100;

/// The clients that have read a key, in ascending order.
#[derive(Default)]
struct Readers(SmallVec<[u64; 2]>);

impl Readers {
    /// Adds one; tells by how many the list has become longer. Before it would need more memory, those who do not
    /// track any more are dropped.
    fn add(&mut self, id: u64, clients: &Clients) -> isize {
        let before = self.0.len() as isize;
        if self.0.len() == self.0.capacity() && self.0.spilled() {
            self.0.retain(|reader| tracks(*reader, clients));
            // Unless many went, the next time is not before as many more have come.
            if self.0.len() > self.0.capacity() / 2 {
                self.0.reserve(self.0.capacity());
            }
        }
        if let Err(at) = self.0.binary_search(&id) {
            self.0.insert(at, id);
        }
        self.0.len() as isize - before
    }
}

fn tracks(id: u64, clients: &Clients) -> bool {
    clients.get(id).is_some_and(|client| client.cache.flags().has(CacheFlags::ON))
}

type Part = IndexMap<KeyBytes, Readers>;

/// See the module's description.
pub(super) struct KeyTable {
    parts: Vec<RwLock<Part>>,
    /// Keys and readers in all parts. Changed while the part is locked.
    keys: AtomicUsize,
    items: AtomicUsize,
    /// Where the next key is dropped.
    drops: AtomicUsize,
}

impl KeyTable {
    /// `ordinal` is the first part's place in the order of locks.
    pub(super) fn new(ordinal: u32) -> KeyTable {
        let part = |number: u32| RwLock::new(Rank::Delivery, ordinal + number, Part::default());
        KeyTable {
            parts: (0..PARTS as u32).map(part).collect(),
            keys: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
            drops: AtomicUsize::new(0),
        }
    }

    fn part(&self, key: &[u8]) -> &RwLock<Part> {
        &self.parts[usize::from(key_slot(key)) % PARTS]
    }

    pub(super) fn len(&self) -> usize {
        self.keys.load(Relaxed)
    }

    pub(super) fn items(&self) -> usize {
        self.items.load(Relaxed)
    }

    /// Notes that a client has read keys.
    pub(super) fn remember<'k>(
        &self,
        id: u64,
        keys: impl Iterator<Item = &'k [u8]>,
        clients: &Clients,
    ) {
        for key in keys {
            let mut part = self.part(key).write();
            let grown = match part.get_mut(key) {
                Some(readers) => readers.add(id, clients),
                None => {
                    self.keys.fetch_add(1, Relaxed);
                    part.entry(KeyBytes::from_slice(key)).or_default().add(id, clients)
                }
            };
            self.items.fetch_add(grown as usize, Relaxed);
        }
    }

    /// Tells everybody who has read a key that it has changed, and forgets them.
    pub(super) fn invalidate(&self, clients: &Clients, key: &[u8], author: Option<u64>) {
        let mut part = self.part(key).write();
        if let Some(readers) = part.swap_remove(key) {
            self.tell(clients, key, &readers, author);
        }
    }

    /// Tells the readers of a key that was just taken out of its part, which is still locked.
    fn tell(&self, clients: &Clients, key: &[u8], readers: &Readers, author: Option<u64>) {
        self.keys.fetch_sub(1, Relaxed);
        self.items.fetch_sub(readers.0.len(), Relaxed);
        let mut message = Invalidation::of(vec![key]);
        for id in &readers.0 {
            let Some(client) = clients.get(*id) else { continue };
            let flags = client.cache.flags();
            let is_own = author == Some(*id);
            // It may have read this before it began to want another kind of messages.
            let wants = flags.has(CacheFlags::ON) && !flags.has(CacheFlags::BROADCAST);
            if wants && !(is_own && flags.has(CacheFlags::NO_LOOP)) {
                message.send_to(&client, clients);
            }
        }
    }

    /// Runs `work` while nobody is told of any key.
    pub(super) fn while_silent<R>(&self, work: impl FnOnce() -> R) -> R {
        let _parts: Vec<_> = self.parts.iter().map(RwLock::write).collect();
        work()
    }

    /// Forgets everything and tells nobody.
    pub(super) fn clear(&self) {
        for part in &self.parts {
            let mut part = part.write();
            let items: usize = part.values().map(|readers| readers.0.len()).sum();
            self.keys.fetch_sub(part.len(), Relaxed);
            self.items.fetch_sub(items, Relaxed);
            *part = Part::default();
        }
    }

    /// Drops keys until there are no more than allowed, but only so many: with the next command it goes on.
    pub(super) fn shrink(&self, clients: &Clients, keys_max: usize) {
        for _ in 0..DROPS_MAX {
            if self.len() <= keys_max {
                break;
            }
            self.drop_one(clients);
        }
    }

    /// Drops a key of the next part that has any; tells its readers.
    fn drop_one(&self, clients: &Clients) {
        let turn = self.drops.fetch_add(1, Relaxed);
        for number in (0..PARTS).map(|step| (turn + step) % PARTS) {
            let mut part = self.parts[number].write();
            if part.is_empty() {
                continue;
            }
            // A multiplier without regularities stands for chance.
            let at = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
            let at = at % part.len();
            let (key, readers) = part.swap_remove_index(at).expect("the index is below the length");
            return self.tell(clients, &key, &readers, None);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::session::{Client, Endpoint, Message, Postbox};
    use std::sync::Arc;

    struct NoWorker;

    impl Postbox for NoWorker {
        fn deliver(&self, _: u64, _: Message) {}
        fn pushed(&self, _: usize, _: u64) {}
        fn resume(&self) {}
        fn log_advanced(&self) {}
    }

    pub(in crate::exec::tracking) fn connect(clients: &Clients) -> Arc<Client> {
        let (here, there) = (Endpoint::Internal, Endpoint::Internal);
        let client = clients.connect(here, there, -1, 0, Arc::new(NoWorker));
        client.cache.begin(CacheFlags::NONE, None);
        client.protocol.store(3, Relaxed);
        client
    }

    fn keys(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("key:{number}")).collect()
    }

    fn remember(table: &KeyTable, client: &Client, names: &[String], clients: &Clients) {
        table.remember(client.id, names.iter().map(|name| name.as_bytes()), clients);
    }

    #[test]
    fn readers_are_told_once_and_forgotten() {
        let (table, clients) = (KeyTable::new(0), Clients::default());
        let (one, two) = (connect(&clients), connect(&clients));
        let names = keys(0..3);
        remember(&table, &one, &names, &clients);
        remember(&table, &two, &names[..1], &clients);
        remember(&table, &two, &names[..1], &clients);
        assert_eq!((table.len(), table.items()), (3, 4));
        table.invalidate(&clients, b"key:0", None);
        assert_eq!((table.len(), table.items()), (2, 2));
        let told = two.inbox.bytes();
        assert!(told > 0 && one.inbox.bytes() == told);
        table.invalidate(&clients, b"key:0", None);
        assert_eq!(two.inbox.bytes(), told);
        table.clear();
        assert_eq!((table.len(), table.items()), (0, 0));
    }

    #[test]
    fn numbers_of_clients_that_are_gone_do_not_pile_up() {
        let (table, clients) = (KeyTable::new(0), Clients::default());
        let names = keys(0..1);
        let stays = connect(&clients);
        remember(&table, &stays, &names, &clients);
        for _ in 0..10_000 {
            let client = connect(&clients);
            remember(&table, &client, &names, &clients);
            clients.disconnect(client.id);
        }
        assert!(table.items() < 20, "{} numbers", table.items());
        table.invalidate(&clients, b"key:0", None);
        assert!(stays.inbox.bytes() > 0, "who stayed was not forgotten");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_its_readers_told() {
        let (table, clients) = (KeyTable::new(0), Clients::default());
        let client = connect(&clients);
        remember(&table, &client, &keys(0..500), &clients);
        assert!(client.inbox.is_empty());
        for left in [400, 300, 200, 100, 100] {
            table.shrink(&clients, 100);
            assert_eq!(table.len(), left, "what is dropped at once is bounded");
        }
        assert_eq!((table.len(), table.items()), (100, 100));
        let one = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$7\r\nkey:100\r\n".len();
        assert!(client.inbox.bytes() > (one - 2) * 400);
    }
}
