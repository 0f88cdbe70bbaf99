//! One binary for all integration tests.

mod backups;
mod big_keys;
mod caching;
mod chance;
mod channels;
mod check;
mod client_memory;
mod clients;
mod concurrency;
mod crash;
mod damage;
mod dump;
mod effects;
mod eviction;
mod faults;
mod fixtures;
mod formats;
mod fuzz;
mod import;
mod interchange;
mod lifecycle;
mod limits;
mod log;
mod memory_figures;
mod model;
mod network;
mod panics;
mod payloads;
mod persistence;
mod power;
mod recovery;
mod siege;
mod sizes;
mod slow_lane;
mod soak;
mod support;
mod tidy;
mod transcripts;
mod transfers;
mod turns;
mod waiting;

/// That of the binary, so that tests can see what is allocated.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
