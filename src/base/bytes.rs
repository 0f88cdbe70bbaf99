//! Byte strings in the forms that the whole server uses.

use smallvec::SmallVec;

/// A byte string that several owners share: a value, the reply that carries it, the snapshot that saves it.
/// Cloning costs one reference count. Who wants to change it while others hold it copies it first.
pub type Bytes = triomphe::Arc<Vec<u8>>;

/// Makes boxed bytes longer, with zeros, or shorter, without any spare room.
pub fn resize(bytes: &mut Box<[u8]>, len: usize) {
    let mut vec = std::mem::take(bytes).into_vec();
    vec.reserve_exact(len.saturating_sub(vec.len()));
    vec.resize(len, 0);
    *bytes = vec.into_boxed_slice();
}

/// A key's bytes, copied; most fit without an allocation.
pub type KeyBytes = SmallVec<[u8; 24]>;
