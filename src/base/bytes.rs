//! Byte strings that several owners share: a value, the reply that carries it, the snapshot that saves it.

/// Cloning costs one reference count. Who wants to change it while others hold it copies it first.
pub type Bytes = triomphe::Arc<Vec<u8>>;
