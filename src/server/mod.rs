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
