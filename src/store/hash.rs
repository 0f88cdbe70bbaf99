//! A key's hash and slot.
//!
//! Two functions of a key, computed once per command: the cluster slot (CRC16 of the hash tag, as Redis
//! Cluster defines it) chooses the shard, so that keys of one hash tag share a shard; a keyed SipHash-1-3
//! chooses the place inside the shard. The key of the hash is random per process, so nobody outside can
//! make keys collide.

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
