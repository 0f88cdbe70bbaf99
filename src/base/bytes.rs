//! Byte strings in the forms that the whole server uses.

use smallvec::SmallVec;

/// A byte string that several owners share: a value, the reply that carries it, the snapshot that saves it.
/// Cloning costs one reference count. Who wants to change it while others hold it copies it first.
pub type Bytes = triomphe::Arc<Vec<u8>>;

/// A key's bytes, copied; most fit without an allocation.
pub type KeyBytes = SmallVec<[u8; 24]>;
