//! One binary for all integration tests.

mod support;
mod transcripts;
