//! Sanderling: an in-memory data store that speaks the Redis protocol and plain text lines.
//!
//! The library is the server; the binary only reads flags and starts it. Modules by layer, each using only
//! those above it:
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | 0 | [`base`] | clock, locks, numbers, words, limits |
//! | 1 | [`resp`], [`value`], [`config`] | wire format · pure data types · parameters |
//! | 2 | [`store`], [`session`] | shards, entries, views, the cut · a client's state |
//! | 3 | [`persist`], [`pubsub`] | data directory and snapshots · channels and keyspace events |
//! | 5 | [`exec`] | the road of a command: row, admission, context, effects |
//! | 6 | [`net`] | listeners, workers, connections |
//! | 7 | [`commands`] | one file per group |
//! | 8 | [`server`] | owns and wires everything |
//!
//! `docs/ARCHITECTURE.md` tells how they work together.
#![forbid(unsafe_code)]

pub mod base;
pub mod commands;
pub mod config;
pub mod exec;
pub mod net;
pub mod persist;
pub mod pubsub;
pub mod resp;
pub mod server;
pub mod session;
pub mod store;
pub mod value;
