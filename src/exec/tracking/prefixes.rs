//! Who wants to hear of all keys that begin with certain bytes.
//!
//! Who changes a key looks up those of its beginnings that have the length of any such prefix
//! (`base::prefixes`), however many prefixes there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::message::Invalidation;
use crate::base::bytes::KeyBytes;
use crate::base::prefixes::{Prefix, Prefixes};
use crate::session::{CacheFlags, Client, Clients};

/// See the module's description.
#[derive(Default)]
pub(super) struct PrefixTable {
    /// By the clients' numbers.
    clients: Prefixes<BTreeMap<u64, Arc<Client>>>,
    of_client: HashMap<u64, BTreeSet<Prefix>>,
}

impl PrefixTable {
    /// Notes that a client wants to hear of keys with this prefix.
    pub(super) fn add(&mut self, prefix: &[u8], client: &Arc<Client>) {
        let (prefix, listeners) = self.clients.get_or_default(prefix);
        listeners.insert(client.id, Arc::clone(client));
        self.of_client.entry(client.id).or_default().insert(prefix);
    }

    /// Forgets a client.
    pub(super) fn remove(&mut self, id: u64) {
        for prefix in self.of_client.remove(&id).unwrap_or_default() {
            let clients =
                self.clients.get_mut(&prefix).expect("what a client wants is in both maps");
            clients.remove(&id);
            if clients.is_empty() {
                self.clients.remove(&prefix);
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
            for (prefix, _) in self.clients.beginning(key) {
                changed.entry(prefix).or_default().insert(key);
            }
        }
        for (prefix, keys) in changed {
            let mut message = Invalidation::of(keys.into_iter().collect());
            let listeners = self.clients.get(prefix).expect("it was just found");
            for client in listeners.values() {
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
    use super::super::keys::tests::connect;
    use super::*;

    #[test]
    fn a_prefix_goes_with_its_last_client() {
        let mut table = PrefixTable::default();
        let clients = Clients::default();
        let (first, second) = (connect(&clients), connect(&clients));
        for prefix in ["user:", "", "user:"] {
            table.add(prefix.as_bytes(), &first);
        }
        table.add(b"user:", &second);
        assert_eq!(table.of(first.id), [&b""[..], b"user:"]);
        assert_eq!(table.len(), 2);
        table.remove(first.id);
        assert!(table.of(first.id).is_empty());
        assert_eq!((table.of(second.id), table.len()), (vec![b"user:".to_vec()], 1));
        table.remove(second.id);
        assert_eq!(table.len(), 0);
    }
}
