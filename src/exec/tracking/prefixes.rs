//! Who wants to hear of all keys that begin with certain bytes.
//!
//! The prefixes of a key are few: one for each length in which there is any prefix at all. So who changes
//! a key looks up that many names in a map, however many prefixes there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::message::Invalidation;
use crate::session::{CacheFlags, Client, Clients};
use crate::store::KeyBytes;

/// Shared by the tables below.
type Prefix = Arc<[u8]>;

/// See the module's description.
#[derive(Default)]
pub(super) struct PrefixTable {
    /// By the clients' numbers.
    clients: HashMap<Prefix, BTreeMap<u64, Arc<Client>>>,
    /// How many prefixes have each length.
    lengths: BTreeMap<usize, usize>,
    of_client: HashMap<u64, BTreeSet<Prefix>>,
}

impl PrefixTable {
    /// Notes that a client wants to hear of keys with this prefix.
    pub(super) fn add(&mut self, prefix: &[u8], client: &Arc<Client>) {
        let prefix = match self.clients.get_key_value(prefix) {
            Some((prefix, _)) => Arc::clone(prefix),
            None => {
                *self.lengths.entry(prefix.len()).or_default() += 1;
                Prefix::from(prefix)
            }
        };
        self.of_client.entry(client.id).or_default().insert(Arc::clone(&prefix));
        self.clients.entry(prefix).or_default().insert(client.id, Arc::clone(client));
    }

    /// Forgets a client.
    pub(super) fn remove(&mut self, id: u64) {
        for prefix in self.of_client.remove(&id).unwrap_or_default() {
            let clients =
                self.clients.get_mut(&prefix).expect("what a client wants is in both maps");
            clients.remove(&id);
            if !clients.is_empty() {
                continue;
            }
            self.clients.remove(&prefix);
            let count = self.lengths.get_mut(&prefix.len()).expect("every length is counted");
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// A client's prefixes, in their order.
    pub(super) fn of(&self, id: u64) -> Vec<Vec<u8>> {
        let prefixes = self.of_client.get(&id).into_iter().flatten();
        prefixes.map(|prefix| prefix.to_vec()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// The prefixes that somebody wants to hear of and that `key` begins with.
    fn matching(&self, key: &[u8]) -> impl Iterator<Item = &Prefix> {
        let lengths = self.lengths.range(..=key.len());
        lengths.filter_map(|(length, _)| Some(self.clients.get_key_value(&key[..*length])?.0))
    }

    /// Tells of keys that one author has changed: for each prefix one message with all its keys.
    pub(super) fn tell(
        &self,
        clients: &Clients,
        touched: &[(usize, KeyBytes)],
        author: Option<u64>,
    ) {
        if self.clients.is_empty() {
            return;
        }
        let mut changed: BTreeMap<&Prefix, BTreeSet<&[u8]>> = BTreeMap::new();
        for (_, key) in touched {
            for prefix in self.matching(key) {
                changed.entry(prefix).or_default().insert(key);
            }
        }
        for (prefix, keys) in changed {
            let mut message = Invalidation::of(keys.into_iter().collect());
            for client in self.clients[prefix].values() {
                let is_own = Some(client.id) == author;
                if !(is_own && client.cache.flags().has(CacheFlags::NO_LOOP)) {
                    message.send_to(client, clients);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client() -> Arc<Client> {
        Clients::default().internal(0)
    }

    #[test]
    fn prefixes_are_counted_by_length_and_go_with_their_last_client() {
        let mut table = PrefixTable::default();
        let client = client();
        for prefix in ["user:", "item:", "u", ""] {
            table.add(prefix.as_bytes(), &client);
        }
        let found = |table: &PrefixTable, key: &[u8]| {
            table.matching(key).map(|prefix| prefix.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(found(&table, b"user:1"), [&b""[..], b"u", b"user:"]);
        assert_eq!(found(&table, b""), [b""]);
        assert_eq!((table.len(), table.lengths.len()), (4, 3));
        table.remove(client.id);
        assert!(
            table.len() == 0 && table.lengths.is_empty() && found(&table, b"user:1").is_empty()
        );
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_scan_finds(prefixes in prop::collection::btree_set("[ab]{0,4}", 0..8), key in "[ab]{0,6}") {
            let mut table = PrefixTable::default();
            let client = client();
            prefixes.iter().for_each(|prefix| table.add(prefix.as_bytes(), &client));
            let found: BTreeSet<_> = table.matching(key.as_bytes()).map(|prefix| prefix.to_vec()).collect();
            let expected: BTreeSet<_> =
                prefixes.iter().filter(|prefix| key.starts_with(*prefix)).map(|prefix| prefix.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
