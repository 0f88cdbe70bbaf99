//! Layer 0: what every other layer may lean on and what knows nothing of the store.
//!
//! Words, numbers as Redis reads and prints them, glob patterns, checksums, randomness and the limits on
//! what a peer may make grow. Most of it is pure: same input, same output, no shared state. What touches the
//! process, time or chance says so: `allocator`, `process_memory`, `clock`, `random`, `sync`, `histogram`.

mod float_text;

pub mod allocator;
pub mod bytes;
pub mod clock;
pub mod crc16;
pub mod glob;
pub mod histogram;
pub mod limits;
pub mod long_double;
pub mod number;
pub mod prefixes;
pub mod process_memory;
pub mod random;
pub mod sync;
pub mod version;
pub mod words;
