//! Members in the order of their hashes: the large form of sets and hashes, and the index of sorted sets.
//!
//! A [`Tree`] whose keys are a member's hash (32 bits, big endian) and the member itself. Compared with a
//! hash table: growing never stops anyone, a clone shares all that is not changed, a random member is one
//! draw of a rank, and a scan's cursor (the hash) stays valid whatever comes and goes. The hash is keyed
//! with a secret of this process, so nobody outside can choose where members go.

use std::sync::LazyLock;

use siphasher::sip::SipHasher13;

use super::tree::{Key, Range, Tree};

/// Bytes of the hash in front of a member.
const HASH: usize = 4;

static HASHER: LazyLock<SipHasher13> = LazyLock::new(|| {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).expect("the operating system hands out entropy");
    SipHasher13::new_with_key(&secret)
});

/// A member with its hash, which is computed once however often the member is looked for.
#[derive(Clone, Copy, Debug)]
pub struct HashedMember<'a> {
    hash: [u8; HASH],
    member: &'a [u8],
}

impl<'a> From<&'a [u8]> for HashedMember<'a> {
    fn from(member: &'a [u8]) -> HashedMember<'a> {
        let hash = (HASHER.hash(member) >> 32) as u32;
        HashedMember { hash: hash.to_be_bytes(), member }
    }
}

impl<'a> From<&'a Vec<u8>> for HashedMember<'a> {
    fn from(member: &'a Vec<u8>) -> HashedMember<'a> {
        HashedMember::from(&member[..])
    }
}

impl<'a> HashedMember<'a> {
    pub fn member(&self) -> &'a [u8] {
        self.member
    }

    fn key(&self) -> Key<'_> {
        Key::new(&self.hash, self.member)
    }
}

/// A map from members to values, in the order of hashes. Cloning costs O(1).
#[derive(Clone, Debug, Default)]
pub struct Hashed(Tree);

impl Hashed {
    pub fn new() -> Hashed {
        Hashed::default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// See [`Tree::is_same`].
    pub fn is_same(&self, other: &Hashed) -> bool {
        self.0.is_same(&other.0)
    }

    pub fn contains<'m>(&self, member: impl Into<HashedMember<'m>>) -> bool {
        self.get(member).is_some()
    }

    pub fn get<'m>(&self, member: impl Into<HashedMember<'m>>) -> Option<&[u8]> {
        self.0.get(member.into().key())
    }

    /// Sets the value of a member; true if the member is new.
    pub fn insert<'m>(&mut self, member: impl Into<HashedMember<'m>>, value: &[u8]) -> bool {
        self.0.insert(member.into().key(), value)
    }

    /// Removes a member; true if it was there.
    pub fn remove<'m>(&mut self, member: impl Into<HashedMember<'m>>) -> bool {
        self.0.remove(member.into().key())
    }

    /// Member and value by rank.
    pub fn at(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        self.0.at(rank).map(|(key, value)| (&key[HASH..], value))
    }

    pub fn iter(&self) -> Members<'_> {
        Members(self.0.iter())
    }

    /// Visits members from `cursor` on until `count` were visited, and those whose hash is that of the
    /// last one; returns the cursor to go on with, 0 at the end. Who is there during the whole scan is
    /// visited exactly once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        let Ok(from) = u32::try_from(cursor) else { return 0 };
        let start = self.0.rank(&from.to_be_bytes());
        let mut last: &[u8] = &[];
        for (visited, (key, value)) in self.0.range(start..self.len()).enumerate() {
            let hash = &key[..HASH];
            if visited >= count && hash != last {
                return u64::from(u32::from_be_bytes(hash.try_into().expect("four bytes")));
            }
            visit(&key[HASH..], value);
            last = hash;
        }
        0
    }
}

/// Members and their values, in the order of hashes.
#[derive(Clone)]
pub struct Members<'a>(Range<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (&key[HASH..], value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Members<'_> {}
