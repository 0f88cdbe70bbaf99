//! One binary for all integration tests.

mod clients;
mod concurrency;
mod crash;
mod damage;
mod effects;
mod faults;
mod fixtures;
mod fuzz;
mod lifecycle;
mod limits;
mod log;
mod model;
mod network;
mod persistence;
mod power;
mod recovery;
mod support;
mod tidy;
mod transcripts;
