//! Execution: the road that every command takes, whoever asks.
//!
//! In reading order:
//!
//! - `table`: what commands there are, each a row;
//! - the road: `executor`, `admission` and `sizes` (what is refused), `call`, `args`, `context` (what a handler gets),
//!   `error`, `transaction` (`EXEC`), `departure` (its client leaves);
//! - what all who execute share: `engine`, `pause`, `control` (what commands ask of the server);
//! - whom effects concern: `hooks`, `tracking` (clients' caches), `waiting` (clients that wait for keys);
//! - `slow`: what takes long; an `asker` is whoever waits for it, or for a key;
//! - `memory`: what `maxmemory` means, and eviction;
//! - `telemetry`: what is remembered.

mod admission;
mod args;
mod asker;
mod call;
mod context;
mod control;
mod departure;
mod engine;
mod error;
mod executor;
mod hooks;
mod memory;
mod pause;
mod sizes;
mod slow;
mod table;
mod telemetry;
mod tracking;
mod transaction;
mod waiting;

pub use args::{Args, Keys, Word, check_pattern};
pub use context::{Context, KeyWait, Wanted, reply_durability, reply_element, reply_text};
pub use control::{BackgroundSave, Control, InfoLines, Reload, ServerMemory, Shutdown};
pub use departure::depart;
pub use engine::{Engine, Health, LoadProgress};
pub use error::{CommandError, excerpt, quotable};
pub use executor::{Executor, Postponed};
pub use hooks::Hooks;
pub use memory::Memory;
pub use slow::lane::SlowLane;
pub use table::categories::CATEGORIES;
pub use table::registry::{Command, Lookup, Registry};
pub use table::spec::{Declared, Outcome, Spec, cmd, family};
pub use table::{keyspec, spec, syntax, work};
pub use telemetry::hotkeys::{Heat, HotKey, HotKeys, HotReport};
pub use telemetry::latency::{LatencyMonitor, Sample, Series};
pub use telemetry::monitor::Monitors;
pub use telemetry::slowlog::{SlowCommand, SlowLog};
pub use telemetry::stats::{CommandTotals, Counter, Stats, ThreadStats};
pub use tracking::{CacheOptions, Caches, TrackingTotals};
pub use waiting::waiters::{AwaitedKey, Ending, Ticket, Waiters};
