//! One binary for all integration tests.

mod concurrency;
mod limits;
mod network;
mod persistence;
mod support;
mod transcripts;
