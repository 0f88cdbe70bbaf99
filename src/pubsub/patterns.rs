//! Which patterns match a channel, found without trying all of them.
//!
//! Patterns are kept by what stands before their first special character. A channel can only match those whose
//! literal beginning is also its own, and these are found by a few look-ups (`base::prefixes`). Patterns that begin
//! with a star are candidates always.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::glob::{glob_match, literal_prefix};
use crate::base::prefixes::Prefixes;
use crate::session::{Client, Name};

/// A pattern and who listens to it.
pub(super) struct Pattern {
    pub name: Name,
    /// Grows with each new pattern.
    order: u64,
    pub subscribers: BTreeMap<u64, Arc<Client>>,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Patterns {
    by_prefix: Prefixes<BTreeMap<Name, Pattern>>,
    count: usize,
    next_order: u64,
}

fn prefix(pattern: &[u8]) -> &[u8] {
    literal_prefix(pattern).unwrap_or_default()
}

impl Patterns {
    /// How many different patterns there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds a subscriber; tells whether the pattern is new.
    pub(super) fn add(&mut self, name: &Name, client: &Arc<Client>) -> bool {
        let (_, siblings) = self.by_prefix.get_or_default(prefix(name));
        let is_new = !siblings.contains_key(name);
        let pattern = siblings.entry(Name::clone(name)).or_insert_with(|| Pattern {
            name: Name::clone(name),
            order: self.next_order,
            subscribers: BTreeMap::new(),
        });
        pattern.subscribers.insert(client.id, Arc::clone(client));
        self.next_order += u64::from(is_new);
        self.count += usize::from(is_new);
        is_new
    }

    /// Removes a subscriber; tells whether nobody listens to the pattern any more.
    pub(super) fn remove(&mut self, name: &[u8], client: u64) -> bool {
        let prefix = prefix(name);
        let Some(siblings) = self.by_prefix.get_mut(prefix) else { return false };
        let Some(pattern) = siblings.get_mut(name) else { return false };
        pattern.subscribers.remove(&client);
        if !pattern.subscribers.is_empty() {
            return false;
        }
        siblings.remove(name);
        self.count -= 1;
        if siblings.is_empty() {
            self.by_prefix.remove(prefix);
        }
        true
    }

    /// The patterns that match, oldest first.
    pub(super) fn matching(&self, channel: &[u8]) -> SmallVec<[&Pattern; 4]> {
        let candidates = self.by_prefix.beginning(channel);
        let mut found: SmallVec<[&Pattern; 4]> = candidates
            .flat_map(|(_, siblings)| siblings.values())
            .filter(|pattern| glob_match(&pattern.name, channel, false))
            .collect();
        found.sort_unstable_by_key(|pattern| pattern.order);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Clients;
    use proptest::prelude::*;

    fn names(patterns: &Patterns, channel: &[u8]) -> Vec<Vec<u8>> {
        patterns.matching(channel).iter().map(|pattern| pattern.name.to_vec()).collect()
    }

    #[test]
    fn matching_patterns_come_in_the_order_of_their_subscription() {
        let client = Clients::default().internal(0);
        let mut patterns = Patterns::default();
        let all: [&[u8]; 5] = [b"news.*", b"*", b"news.it", b"n?ws.it", b"sport.*"];
        for name in all {
            assert!(patterns.add(&name.into(), &client));
        }
        assert!(!patterns.add(&b"*"[..].into(), &client));
        assert_eq!(names(&patterns, b"news.it"), all[..4]);
        assert_eq!(names(&patterns, b"n"), [b"*"]);
        assert!(patterns.remove(b"news.*", client.id) && !patterns.remove(b"news.*", client.id));
        assert!(patterns.add(&b"news.*"[..].into(), &client));
        assert_eq!(names(&patterns, b"news.it").last().unwrap(), b"news.*");
    }

    proptest! {
        #[test]
        fn nothing_that_matches_is_missed(
            all in prop::collection::btree_set("[ab*?]{0,4}", 0..12), channel in "[ab]{0,5}",
        ) {
            let client = Clients::default().internal(0);
            let mut patterns = Patterns::default();
            for name in &all {
                patterns.add(&name.as_bytes().into(), &client);
            }
            let expected: Vec<Vec<u8>> = all
                .iter()
                .filter(|name| glob_match(name.as_bytes(), channel.as_bytes(), false))
                .map(|name| name.clone().into_bytes())
                .collect();
            prop_assert_eq!(names(&patterns, channel.as_bytes()), expected);
            for name in &all {
                prop_assert!(patterns.remove(name.as_bytes(), client.id));
            }
            prop_assert!(patterns.by_prefix.is_empty());
            prop_assert_eq!(patterns.len(), 0);
        }
    }
}
