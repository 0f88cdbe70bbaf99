//! Execution: the road that every command takes, whoever asks.
//!
//! In reading order: `spec` (a command is a row) → `registry` (rows by name) → `executor` (the road) →
//! `gates` (admission) → `keyspec`, `args`, `context` (what a handler gets) → `hooks` (where effects go)
//! → `memory`, `eviction` (what `maxmemory` means) → `stats`, `slowlog`, `latency`, `hotkeys` (what is
//! remembered of it).

mod account;
mod args;
mod categories;
mod context;
mod control;
mod departure;
mod engine;
mod error;
mod eviction;
mod executor;
mod gates;
mod hooks;
mod hotkeys;
pub mod keyspec;
mod latency;
mod memory;
mod monitor;
mod pause;
mod registry;
mod serving;
mod sizes;
mod slices;
mod slow_lane;
mod slow_work;
mod slowlog;
pub mod spec;
mod stats;
pub mod syntax;
mod tracking;
mod transaction;
mod waiters;
pub mod work;

pub use args::{Args, Keys, Word, check_pattern};
pub use categories::CATEGORIES;
pub use context::{Context, KeyWait, Wanted, reply_element, reply_text};
pub use control::{BackgroundSave, Control, InfoLines, Reload, Shutdown};
pub use departure::depart;
pub use engine::{Engine, Health, LoadProgress};
pub use error::{CommandError, excerpt, quotable};
pub use executor::{Executor, Flow};
pub use hooks::Hooks;
pub use hotkeys::{Heat, HotKey, HotKeys, HotReport};
pub use latency::{LatencyMonitor, Sample, Series};
pub use memory::Memory;
pub use monitor::Monitors;
pub use registry::{Command, Lookup, Registry};
pub use slow_lane::SlowLane;
pub use slowlog::{SlowCommand, SlowLog};
pub use spec::{Declared, Outcome, Spec, cmd, family};
pub use stats::{CommandTotals, Counter, Stats, ThreadStats};
pub use tracking::{CacheOptions, Caches, TrackingTotals};
pub use waiters::{AwaitedKey, Ending, Ticket, Waiters};
