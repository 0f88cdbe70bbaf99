//! What is on disk: the data directory and the snapshots in it.
//!
//! In reading order: `directory` (whose it is, what the files are called, how they are replaced) →
//! `snapshot` (the format, writing, reading).

mod directory;
pub mod snapshot;

pub use directory::{DataDirectory, DirectoryError, SnapshotFile};
