//! An ordered map from byte strings to byte strings that can be counted off: the large form of sets,
//! hashes, sorted sets and streams.

mod simple;

pub use simple::{Range, Tree};
