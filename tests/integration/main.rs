//! One binary for all integration tests.

mod backups;
mod chance;
mod check;
mod clients;
mod concurrency;
mod crash;
mod damage;
mod effects;
mod faults;
mod fixtures;
mod formats;
mod fuzz;
mod import;
mod interchange;
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
mod waiting;
