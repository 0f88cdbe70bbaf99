//! What the integration tests share: a client, servers to talk to, and the transcript runner.

pub mod ask;
pub mod contents;
pub mod crash;
pub mod data;
pub mod disk;
pub mod generator;
pub mod in_transaction;
pub mod listening;
pub mod log;
pub mod oracle;
pub mod patience;
pub mod payloads;
pub mod peer;
pub mod power;
pub mod process;
pub mod resp;
pub mod runner;
pub mod sameness;
pub mod sanderling;
pub mod transcript;
pub mod transfers;
pub mod words;
