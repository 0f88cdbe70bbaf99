//! Execution: the road that every command takes, whoever asks.
//!
//! In reading order:
//!
//! - the table: `spec` (a command is a row), `keyspec`, `registry` (rows by name), `categories`, `work` (how much there is
//!   to do), `syntax` (what `COMMAND DOCS` tells);
//! - the road: `executor`, `admission` and `sizes` (what is refused), `call`, `args`, `context` (what a handler gets), `error`,
//!   `transaction` (`EXEC`), `departure` (its client leaves);
//! - what all who execute share: `engine`, `pause`, `control` (what commands ask of the server);
//! - whom effects concern: `hooks`, `tracking` (clients' caches), `waiters` and `serving` (clients that wait for keys);
//! - what takes long: `slow_lane` (the queue), `slow_work` (who works it off), `slices`; `asker` is whoever waits for it;
//! - `memory`, `eviction`: what `maxmemory` means;
//! - what is remembered: `account`, `stats`, `slowlog`, `latency`, `monitor`, `hotkeys`.

mod account;
mod admission;
mod args;
mod asker;
mod call;
mod categories;
mod context;
mod control;
mod departure;
mod engine;
mod error;
mod eviction;
mod executor;
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
pub use context::{Context, KeyWait, Wanted, reply_durability, reply_element, reply_text};
pub use control::{BackgroundSave, Control, InfoLines, Reload, ServerMemory, Shutdown};
pub use departure::depart;
pub use engine::{Engine, Health, LoadProgress};
pub use error::{CommandError, excerpt, quotable};
pub use executor::{Executor, Postponed};
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
