//! Byte strings in the forms that the whole server uses.

use smallvec::SmallVec;

/// A byte string that several owners share: a value, the reply that carries it, the snapshot that saves it.
/// Cloning costs one reference count. Who wants to change it while others hold it copies it first.
pub type Bytes = triomphe::Arc<Vec<u8>>;

/// A key's bytes, copied; most fit without an allocation.
pub type KeyBytes = SmallVec<[u8; 24]>;

/// Longer keys are shown by what they begin with.
const SHOWN_MAX: usize = 1024;

/// A key, or what a long one begins with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyExcerpt {
    /// The key's bytes, at most 1 KiB of them.
    pub shown: Box<[u8]>,
    /// How many bytes the key has.
    pub len: usize,
}

impl KeyExcerpt {
    pub fn of(key: &[u8]) -> KeyExcerpt {
        KeyExcerpt { shown: key[..key.len().min(SHOWN_MAX)].into(), len: key.len() }
    }
}
