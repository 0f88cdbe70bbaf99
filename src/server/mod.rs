//! The server: owns every subsystem, wires them together, starts and stops them.
//!
//! In reading order: `startup` (what is opened, in which order) → `recovery`
//! (`snapshot_loading`, `log_replay`: from files to the data set) → `reaper`, `snapshotter`, `defragmenter` (the background
//! threads) → `control` (what commands may ask) → `shutdown`. Apart from all that: `tools`.

mod backups;
mod control;
mod defragmenter;
mod import;
mod info;
mod info_persistence;
mod log_observer;
mod log_replay;
pub mod logging;
mod reaper;
mod recovery;
mod replay;
mod shutdown;
mod signals;
mod snapshot_loading;
mod snapshotter;
mod startup;
pub mod tools;

pub use startup::{Ended, Server, StartupError};

/// Lets workers go first where they and the calling thread want the same core.
fn yield_to_workers() {
    const NICENESS: i32 = 10;
    let this_thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(this_thread), NICENESS) {
        log::debug!("a background thread keeps its priority: {error}");
    }
}
