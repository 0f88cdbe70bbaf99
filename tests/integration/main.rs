//! One binary for all integration tests.

mod clients;
mod concurrency;
mod lifecycle;
mod limits;
mod network;
mod persistence;
mod recovery;
mod support;
mod tidy;
mod transcripts;
