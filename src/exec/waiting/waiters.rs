//! Clients that wait for keys: `BLPOP` and its kin.
//!
//! A handler that finds nothing registers its client here, while its keys are still locked. Whoever
//! changes such a key afterwards serves the clients that wait for it, longest first (`exec::waiting::serving`).
//!
//! A waiter ends in one of two ways, and the table's lock decides which: whoever serves it has begun
//! ([`Waiters::begin`]), or its own worker has withdrawn it, because its time has run out, somebody
//! unblocked it, or its connection is gone. A withdrawal that comes while it is being served is noted, and
//! takes effect if there was nothing to serve after all.
//!
//! Tickets rise with time and order the queues, one queue per key and type. Joining, leaving and finding
//! the next in a queue are O(log n), however many wait.
//!
//! Invariant: nobody misses a change. A waiter is registered, and put back after an attempt in vain, while
//! all its keys are locked; who changes a key looks for waiters after having locked it.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::base::bytes::KeyBytes;
use crate::base::sync::{Mutex, Rank};
use crate::exec::asker::Asker;
use crate::exec::context::Wanted;
use crate::store::Keyspace;

/// A number that rises with every registration.
pub type Ticket = u64;

/// A client that waits for keys.
pub struct Waiter {
    pub ticket: Ticket,
    /// With the command to be executed on its behalf.
    pub asker: Asker,
    pub wanted: Wanted,
    keys: Vec<AwaitedKey>,
}

impl Waiter {
    /// The keys that it waits for.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|(_, key)| &key[..])
    }

    /// What it takes, with its places in the queues: as if nobody else waited for the same keys.
    fn memory_bytes(&self) -> usize {
        /// What a set takes for its first entry.
        const QUEUE_BYTES: usize = 128;
        /// A key, here and in the table, with the queues for each kind of waiters.
        const KEY_BYTES: usize =
            2 * size_of::<AwaitedKey>() + size_of::<[Queue; Wanted::COUNT]>() + QUEUE_BYTES;
        let heap_bytes = |(_, key): &AwaitedKey| if key.spilled() { 2 * key.len() } else { 0 };
        let keys: usize = self.keys.iter().map(|key| KEY_BYTES + heap_bytes(key)).sum();
        size_of::<Waiter>() + self.asker.memory_bytes() + keys
    }
}

/// Why a waiter waits no longer without having been served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its time has run out, or somebody unblocked it as if it had.
    TimeOut,
    /// Somebody unblocked it with an error.
    Error,
    /// Its connection is closed.
    Gone,
}

/// Database and key that somebody waits for.
pub type AwaitedKey = (usize, KeyBytes);
type Queue = BTreeSet<Ticket>;

enum State {
    Queued,
    /// Somebody executes its command at this moment; then it ends like this, unless it was served.
    Serving(Option<Ending>),
}

#[derive(Default)]
struct Table {
    last_ticket: Ticket,
    waiters: HashMap<Ticket, (State, Arc<Waiter>)>,
    queues: HashMap<AwaitedKey, [Queue; Wanted::COUNT]>,
}

/// See the module's description.
pub struct Waiters(Mutex<Table>);

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters(Mutex::new(Rank::Leaf, Table::default()))
    }
}

impl Table {
    fn remove(&mut self, ticket: Ticket) {
        let Some((_, waiter)) = self.waiters.remove(&ticket) else { return };
        for key in &waiter.keys {
            let Some(queues) = self.queues.get_mut(key) else { continue };
            queues[waiter.wanted as usize].remove(&ticket);
            if queues.iter().all(Queue::is_empty) {
                self.queues.remove(key);
            }
        }
    }
}

impl Waiters {
    /// Registers a client; tells also how many bytes that takes. To be called while its keys are locked.
    pub fn register(
        &self,
        asker: Asker,
        wanted: Wanted,
        keys: Vec<AwaitedKey>,
        keyspace: &Keyspace,
    ) -> (Ticket, usize) {
        let mut table = self.0.lock();
        table.last_ticket += 1;
        let waiter = Arc::new(Waiter { ticket: table.last_ticket, asker, wanted, keys });
        for key in &waiter.keys {
            let queues = table.queues.entry(key.clone()).or_default();
            queues[waiter.wanted as usize].insert(waiter.ticket);
        }
        let (ticket, bytes) = (waiter.ticket, waiter.memory_bytes());
        table.waiters.insert(ticket, (State::Queued, waiter));
        keyspace.note_waiters(table.waiters.len());
        (ticket, bytes)
    }

    /// The waiter of a kind that is next in a key's queue behind a ticket, and is not being served.
    pub fn next(&self, key: &AwaitedKey, wanted: Wanted, behind: Ticket) -> Option<Arc<Waiter>> {
        let table = self.0.lock();
        let queue = &table.queues.get(key)?[wanted as usize];
        let mut rest = queue.range((Bound::Excluded(behind), Bound::Unbounded));
        rest.find_map(|ticket| match table.waiters.get(ticket) {
            Some((State::Queued, waiter)) => Some(Arc::clone(waiter)),
            _ => None,
        })
    }

    /// Begins to serve a waiter; false if it is not waiting any more, or somebody else serves it.
    pub fn begin(&self, waiter: &Waiter) -> bool {
        match self.0.lock().waiters.get_mut(&waiter.ticket) {
            Some((state @ State::Queued, _)) => {
                *state = State::Serving(None);
                true
            }
            _ => false,
        }
    }

    /// There was nothing for the waiter: it goes on waiting at its place, unless it was to end meanwhile.
    /// To be called while its keys are locked.
    pub fn put_back(&self, waiter: &Waiter, keyspace: &Keyspace) -> Option<Ending> {
        let mut table = self.0.lock();
        let (state, _) =
            table.waiters.get_mut(&waiter.ticket).expect("who is being served is known");
        let State::Serving(ending) = *state else { unreachable!("only one serves") };
        if ending.is_none() {
            *state = State::Queued;
        } else {
            table.remove(waiter.ticket);
            keyspace.note_waiters(table.waiters.len());
        }
        ending
    }

    /// The waiter was served.
    pub fn finish(&self, waiter: &Waiter, keyspace: &Keyspace) {
        let mut table = self.0.lock();
        table.remove(waiter.ticket);
        keyspace.note_waiters(table.waiters.len());
    }

    /// Ends the waiting from the client's side. False if it is being served, or was: then either the reply
    /// comes or, if that is in vain, word that it has ended.
    pub fn withdraw(&self, ticket: Ticket, ending: Ending, keyspace: &Keyspace) -> bool {
        let mut table = self.0.lock();
        match table.waiters.get_mut(&ticket) {
            Some((State::Serving(noted), _)) => {
                noted.get_or_insert(ending);
                false
            }
            Some((State::Queued, _)) => {
                table.remove(ticket);
                keyspace.note_waiters(table.waiters.len());
                true
            }
            None => false,
        }
    }

    /// Those of the keys that somebody waits for.
    pub fn awaited(&self, keys: &[AwaitedKey]) -> Vec<AwaitedKey> {
        let table = self.0.lock();
        keys.iter().filter(|key| table.queues.contains_key(*key)).cloned().collect()
    }

    /// The keys of a database that somebody waits for, who has waited longest first.
    pub fn awaited_in(&self, db: usize) -> Vec<AwaitedKey> {
        let table = self.0.lock();
        let first = |queues: &[Queue; Wanted::COUNT]| {
            queues.iter().filter_map(|queue| queue.first().copied()).min()
        };
        let mut keys: Vec<_> = table
            .queues
            .iter()
            .filter(|((number, _), _)| *number == db)
            .map(|(key, queues)| (first(queues), key.clone()))
            .collect();
        keys.sort_unstable_by_key(|(ticket, _)| *ticket);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.0.lock().waiters.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys are waited for.
    pub fn keys(&self) -> usize {
        self.0.lock().queues.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgList;
    use crate::session::{Client, Clients, Origin, Session};

    fn key(name: &str) -> AwaitedKey {
        (0, KeyBytes::from_slice(name.as_bytes()))
    }

    struct Room {
        waiters: Waiters,
        keyspace: Keyspace,
        client: Arc<Client>,
    }

    impl Room {
        fn new() -> Room {
            let client = Clients::default().internal(0);
            Room { waiters: Waiters::default(), keyspace: Keyspace::new(1, 1, 1, [0; 16]), client }
        }

        fn register(&self, keys: &[&str]) -> Ticket {
            let session = Session::new(Arc::clone(&self.client), Origin::Network, true);
            let asker = Asker::new(&session, ArgList::new(b"BLPOP", &[0..5, 1..3]));
            let keys = keys.iter().map(|name| key(name)).collect();
            self.waiters.register(asker, Wanted::List, keys, &self.keyspace).0
        }

        fn next(&self, name: &str, behind: Ticket) -> Option<Arc<Waiter>> {
            self.waiters.next(&key(name), Wanted::List, behind)
        }
    }

    #[test]
    fn who_came_first_is_next_at_each_of_its_keys() {
        let room = Room::new();
        let (first, second) = (room.register(&["a", "b"]), room.register(&["b"]));
        assert!(room.keyspace.has_waiters());
        assert_eq!(room.next("b", 0).unwrap().ticket, first);
        assert_eq!(room.next("b", first).unwrap().ticket, second);
        assert!(room.next("b", second).is_none() && room.next("c", 0).is_none());
        let waiter = room.next("a", 0).unwrap();
        assert_eq!(waiter.asker.args().iter().collect::<Vec<_>>(), [&b"BLPOP"[..], b"LP"]);
        assert!(room.waiters.begin(&waiter) && !room.waiters.begin(&waiter));
        assert_eq!(room.next("b", 0).unwrap().ticket, second, "who is being served is passed over");
        room.waiters.finish(&waiter, &room.keyspace);
        assert!(room.next("a", 0).is_none());
        assert_eq!(room.waiters.awaited(&[key("a"), key("b")]), [key("b")]);
        assert!(room.waiters.withdraw(second, Ending::Gone, &room.keyspace));
        assert!(!room.keyspace.has_waiters());
        assert_eq!(room.waiters.keys(), 0);
    }

    #[test]
    fn who_is_withdrawn_while_being_served_in_vain_ends_afterwards() {
        let room = Room::new();
        let ticket = room.register(&["a"]);
        let waiter = room.next("a", 0).unwrap();
        assert!(room.waiters.begin(&waiter));
        assert!(!room.waiters.withdraw(ticket, Ending::TimeOut, &room.keyspace));
        assert!(!room.waiters.withdraw(ticket, Ending::Error, &room.keyspace));
        assert_eq!(room.waiters.put_back(&waiter, &room.keyspace), Some(Ending::TimeOut));
        assert!(room.next("a", 0).is_none() && !room.keyspace.has_waiters());
        assert!(!room.waiters.begin(&waiter));
    }

    #[test]
    fn who_is_served_in_vain_keeps_its_place() {
        let room = Room::new();
        let first = room.register(&["a"]);
        room.register(&["a"]);
        let waiter = room.next("a", 0).unwrap();
        assert!(room.waiters.begin(&waiter));
        assert_eq!(room.waiters.put_back(&waiter, &room.keyspace), None);
        assert_eq!(room.next("a", 0).unwrap().ticket, first);
    }

    #[test]
    fn keys_of_a_database_come_in_the_order_of_waiting() {
        let room = Room::new();
        for name in ["z", "m", "a"] {
            room.register(&[name]);
        }
        assert_eq!(room.waiters.awaited_in(0), [key("z"), key("m"), key("a")]);
        assert!(room.waiters.awaited_in(1).is_empty());
    }
}
