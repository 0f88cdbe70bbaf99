//! One binary for all integration tests.

mod check;
mod clients;
mod concurrency;
mod effects;
mod fuzz;
mod import;
mod interchange;
mod lifecycle;
mod limits;
mod model;
mod network;
mod persistence;
mod recovery;
mod support;
mod tidy;
mod transcripts;
