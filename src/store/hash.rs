//! The keyed hash of a key: where its entry is in its shard.
//!
//! A SipHash-1-3. Its own key is random per process, so nobody outside can make keys collide. A command computes it when
//! it locks a key; the table computes it anew from an entry's key when it grows. (Which shard it is, the slot decides; see
//! `store::keyspace`.)

use siphasher::sip::SipHasher13;

/// The keyed hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(pub(super) u64);

impl KeyHash {
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Computes [`KeyHash`]es; all shards of a keyspace use the same one.
#[derive(Clone, Copy)]
pub struct KeyHasher(SipHasher13);

impl KeyHasher {
    pub fn new(secret: [u8; 16]) -> KeyHasher {
        KeyHasher(SipHasher13::new_with_key(&secret))
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(self.0.hash(key))
    }
}
