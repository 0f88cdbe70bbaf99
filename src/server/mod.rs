//! The server: owns every subsystem, wires them together, starts and stops them.
//!
//! In reading order: `startup` (what is opened, in which order) → `loading` (snapshots into the store) →
//! `reaper`, `snapshotter` (the background threads) → `control` (what commands may ask) → `shutdown`.

mod control;
mod info;
mod loading;
pub mod logging;
mod reaper;
mod shutdown;
mod signals;
mod snapshotter;
mod startup;

pub use startup::{Server, StartupError};

/// Lets workers go first where they and the calling thread want the same core.
fn yield_to_workers() {
    const NICENESS: i32 = 10;
    let this_thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(this_thread), NICENESS) {
        log::debug!("a background thread keeps its priority: {error}");
    }
}
