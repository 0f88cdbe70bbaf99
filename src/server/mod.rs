//! The server: owns every subsystem, wires them together, starts and stops them.
//!
//! In reading order: `startup` (what is opened, in which order; with it `listening` and `descriptors`) → `recovery`
//! (`snapshot_loading`, `log_replay`: from files to the data set) → `reaper`, `snapshotter` (with `snapshot_schedule` and
//! `snapshot_writing`), `backups`, `defragmenter` (the background threads) → `control` (what commands may ask) →
//! `shutdown`. Apart from all that: `tools`.

mod backups;
mod config_effects;
mod control;
mod defragmenter;
mod descriptors;
mod import;
mod info;
mod info_persistence;
mod listening;
mod log_observer;
mod log_replay;
pub mod logging;
mod rates;
mod reaper;
mod recovery;
mod reload;
mod replay;
mod shutdown;
mod signals;
mod snapshot_loading;
mod snapshot_schedule;
mod snapshot_writing;
mod snapshotter;
mod startup;
pub mod tools;

pub use startup::{Ended, Server, StartupError, Surroundings};

/// Lets workers go first where they and the calling thread want the same core.
fn yield_to_workers() {
    const NICENESS: i32 = 10;
    let this_thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(this_thread), NICENESS) {
        log::debug!("a background thread keeps its priority: {error}");
    }
}
