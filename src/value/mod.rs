//! The data types as pure values: no keys, deadlines, locks or protocol.
//!
//! A [`Value`] is what an entry holds when it is not a short string kept inside the entry itself. Its
//! payload is shared: cloning costs one reference count, and changing it while somebody else (a reply
//! being sent, a snapshot being written) holds it copies that payload first.

pub mod lcs;
pub mod string;

pub use crate::base::bytes::Bytes;

/// A value of any type.
#[derive(Clone, Debug)]
pub enum Value {
    /// `edited`: it was changed in place, so that even a short one counts as `raw`.
    String { bytes: Bytes, edited: bool },
}

/// From this many bytes on, freeing a value is left to the reaper.
const LARGE_BYTES: usize = 64 * 1024;

impl Value {
    pub fn string(bytes: Vec<u8>) -> Value {
        Value::String { bytes: Bytes::new(bytes), edited: false }
    }

    /// The name that `TYPE` prints.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String { .. } => "string",
        }
    }

    /// Bytes taken from the allocator, payload included even if it is shared.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String { bytes, .. } => {
                bytes.capacity() + size_of::<Vec<u8>>() + size_of::<usize>()
            }
        }
    }

    /// Whether freeing it takes long enough to do it outside of any lock.
    pub fn is_large(&self) -> bool {
        self.heap_bytes() >= LARGE_BYTES
    }
}
