//! What is on disk: the data directory, the snapshots and the log in it.
//!
//! In reading order: `disk` (the way to the disk, which tests can stand in for) → `directory` (whose it
//! is, what the files are called, how they are replaced) → `manifest` (which files make up the data set)
//! → `snapshot` and `log` (formats, writing, reading) → `check` (all of it, without a server) → `backup`. Beside it
//! `rdb`: single values in Redis's format, to be exchanged with it.

pub mod backup;
pub mod check;
pub mod directory;
pub mod disk;
pub mod log;
pub mod manifest;
pub mod rdb;
pub mod snapshot;

pub use directory::{DataDirectory, DirectoryError};
