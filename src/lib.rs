//! Sanderling: an in-memory data store that speaks the Redis protocol and plain text lines.
#![forbid(unsafe_code)]

pub mod base;
pub mod config;
