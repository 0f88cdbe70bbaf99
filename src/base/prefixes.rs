//! A map from prefixes, asked which of them begin a name.
//!
//! The prefixes of a name are few: one for each length in which there is any prefix at all. So as many look-ups
//! as there are lengths find them, however many prefixes there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Shared with whoever else keeps it.
pub type Prefix = Arc<[u8]>;

/// See the module's description.
#[derive(Debug)]
pub struct Prefixes<T> {
    entries: HashMap<Prefix, T>,
    /// How many prefixes have each length; no length has none.
    lengths: BTreeMap<usize, usize>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Prefixes<T> {
        Prefixes { entries: HashMap::new(), lengths: BTreeMap::new() }
    }
}

impl<T> Prefixes<T> {
    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, prefix: &[u8]) -> Option<&T> {
        self.entries.get(prefix)
    }

    pub fn get_mut(&mut self, prefix: &[u8]) -> Option<&mut T> {
        self.entries.get_mut(prefix)
    }

    /// What belongs to a prefix, which is entered if it is not there, and the prefix as it is kept.
    pub fn get_or_default(&mut self, prefix: &[u8]) -> (Prefix, &mut T)
    where
        T: Default,
    {
        let prefix = match self.entries.get_key_value(prefix) {
            Some((prefix, _)) => Arc::clone(prefix),
            None => {
                *self.lengths.entry(prefix.len()).or_default() += 1;
                Prefix::from(prefix)
            }
        };
        let value = self.entries.entry(Arc::clone(&prefix)).or_default();
        (prefix, value)
    }

    pub fn remove(&mut self, prefix: &[u8]) -> Option<T> {
        let value = self.entries.remove(prefix)?;
        let of_length = self.lengths.get_mut(&prefix.len()).expect("every length is counted");
        *of_length -= 1;
        if *of_length == 0 {
            self.lengths.remove(&prefix.len());
        }
        Some(value)
    }

    /// The entries whose prefix begins the name, the shortest prefix first.
    pub fn beginning<'p>(&'p self, name: &[u8]) -> impl Iterator<Item = (&'p Prefix, &'p T)> {
        let lengths = self.lengths.range(..=name.len());
        lengths.filter_map(|(length, _)| self.entries.get_key_value(&name[..*length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(prefixes: &Prefixes<usize>, name: &str) -> Vec<Vec<u8>> {
        prefixes.beginning(name.as_bytes()).map(|(prefix, _)| prefix.to_vec()).collect()
    }

    #[test]
    fn prefixes_are_counted_by_length() {
        let mut prefixes = Prefixes::<usize>::default();
        for (number, prefix) in ["user:", "item:", "u", ""].iter().enumerate() {
            *prefixes.get_or_default(prefix.as_bytes()).1 = number;
        }
        assert_eq!(found(&prefixes, "user:1"), [&b""[..], b"u", b"user:"]);
        assert_eq!(found(&prefixes, ""), [b""]);
        assert_eq!((prefixes.len(), prefixes.lengths.len()), (4, 3));
        assert_eq!(*prefixes.get_or_default(b"item:").1, 1);
        assert_eq!((prefixes.get(b"u"), prefixes.get(b"us")), (Some(&2), None));
        assert_eq!((prefixes.remove(b"user:"), prefixes.remove(b"user:")), (Some(0), None));
        assert_eq!(prefixes.lengths.len(), 3);
        assert_eq!(prefixes.remove(b"item:"), Some(1));
        assert_eq!((prefixes.len(), prefixes.lengths.len()), (2, 2));
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_scan_finds(
            all in prop::collection::btree_set("[ab]{0,4}", 0..8), name in "[ab]{0,6}",
        ) {
            let mut prefixes = Prefixes::<usize>::default();
            for prefix in &all {
                prefixes.get_or_default(prefix.as_bytes());
            }
            let mut expected: Vec<_> = all
                .iter()
                .filter(|prefix| name.starts_with(*prefix))
                .map(|prefix| prefix.clone().into_bytes())
                .collect();
            expected.sort_by_key(Vec::len);
            prop_assert_eq!(found(&prefixes, &name), expected);
            for prefix in &all {
                prop_assert_eq!(prefixes.remove(prefix.as_bytes()), Some(0));
            }
            prop_assert!(prefixes.is_empty() && prefixes.lengths.is_empty());
        }
    }
}
