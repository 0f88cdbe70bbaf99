//! What is kept of a key for a report.

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
