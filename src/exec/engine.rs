//! What all executing threads share: each subsystem behind its own small interface.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::control::Control;
use super::error::CommandError;
use super::executor::declare;
use super::hooks::Hooks;
use super::memory::Memory;
use super::pause::Pause;
use super::tracking::Caches;
use crate::base::clock::Clock;
use crate::config::Config;
use crate::config::params::{self, Int};
use crate::exec::slow::lane::SlowLane;
use crate::exec::table::registry::{Lookup, Registry};
use crate::exec::table::spec::{self, Outcome};
use crate::exec::telemetry::hotkeys::HotKeys;
use crate::exec::telemetry::latency::{LatencyMonitor, Sample};
use crate::exec::telemetry::monitor::Monitors;
use crate::exec::telemetry::slowlog::SlowLog;
use crate::exec::telemetry::stats::Stats;
use crate::exec::waiting::waiters::Waiters;
use crate::pubsub::PubSub;
use crate::resp::ArgList;
use crate::session::{Clients, Session};
use crate::store::{Keyspace, Tracking};

/// How far loading has come.
#[derive(Debug, Default)]
pub struct LoadProgress {
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    /// Unix milliseconds.
    began_ms: AtomicI64,
}

impl LoadProgress {
    pub fn begin(&self, bytes_total: u64, now_ms: i64) {
        self.bytes_total.store(bytes_total, Ordering::Relaxed);
        self.bytes_done.store(0, Ordering::Relaxed);
        self.began_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Notes what was loaded; if there is much to load, every tenth of it is logged.
    pub fn add(&self, bytes: u64) {
        const MUCH: u64 = 100_000_000;
        let before = self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        let total = self.bytes_total.load(Ordering::Relaxed);
        let tenths = |bytes: u64| (bytes * 10).checked_div(total).unwrap_or(0);
        if total >= MUCH && tenths(before + bytes) > tenths(before) {
            log::info!("loaded {} %", tenths(before + bytes) * 10);
        }
    }

    /// Bytes in total, bytes done, and since when in Unix milliseconds.
    pub fn get(&self) -> (u64, u64, i64) {
        (
            self.bytes_total.load(Ordering::Relaxed),
            self.bytes_done.load(Ordering::Relaxed),
            self.began_ms.load(Ordering::Relaxed),
        )
    }
}

/// Conditions under which some commands are refused.
#[derive(Debug, Default)]
pub struct Health {
    pub progress: LoadProgress,
    loading: AtomicBool,
    save_failed: AtomicBool,
}

impl Health {
    pub fn is_loading(&self) -> bool {
        self.loading.load(Ordering::Relaxed)
    }

    pub fn set_loading(&self, loading: bool) {
        self.loading.store(loading, Ordering::Relaxed);
    }

    /// The last snapshot could not be written.
    pub fn has_save_failed(&self) -> bool {
        self.save_failed.load(Ordering::Relaxed)
    }

    pub fn set_save_failed(&self, failed: bool) {
        self.save_failed.store(failed, Ordering::Relaxed);
    }
}

/// See the module's description.
pub struct Engine {
    pub registry: Registry,
    pub keyspace: Keyspace,
    pub config: Arc<Config>,
    pub clock: Arc<Clock>,
    pub clients: Clients,
    pub waiters: Waiters,
    pub pubsub: Arc<PubSub>,
    pub caches: Caches,
    pub monitors: Monitors,
    pub stats: Stats,
    pub slow_lane: SlowLane,
    pub slowlog: SlowLog,
    pub latency: LatencyMonitor,
    pub hotkeys: HotKeys,
    pub pause: Pause,
    pub hooks: Hooks,
    pub health: Health,
    pub memory: Memory,
    /// `DEBUG SET-ACTIVE-EXPIRE`: whether the reaper removes what has expired.
    pub active_expire: AtomicBool,
    /// How accesses are recorded; follows `maxmemory-policy`.
    lfu: AtomicU8,
    /// The server owns the engine, not the other way round.
    control: OnceLock<Weak<dyn Control>>,
}

impl Engine {
    pub fn new(
        registry: Registry,
        keyspace: Keyspace,
        config: Arc<Config>,
        clock: Arc<Clock>,
    ) -> Engine {
        let commands = registry.all().len();
        let pubsub = Arc::new(PubSub::new(Arc::clone(&clock)));
        let hotkeys = HotKeys::new(clock.monotonic_nanos());
        Engine {
            registry,
            keyspace,
            config,
            clock,
            clients: Clients::default(),
            waiters: Waiters::default(),
            caches: Caches::default(),
            monitors: Monitors::default(),
            stats: Stats::new(commands),
            slow_lane: SlowLane::default(),
            slowlog: SlowLog::default(),
            latency: LatencyMonitor::default(),
            hotkeys,
            pause: Pause::default(),
            hooks: Hooks::new(Arc::clone(&pubsub)),
            pubsub,
            health: Health::default(),
            memory: Memory::default(),
            active_expire: AtomicBool::new(true),
            lfu: AtomicU8::new(0),
            control: OnceLock::new(),
        }
    }

    /// Remembers a latency, if it is one that the latency monitor is to remember.
    pub fn note_latency(&self, kind: &'static str, sample: Sample) {
        let threshold_millis = self.config.int(params::LATENCY_MONITOR_THRESHOLD) as u64;
        self.latency.record(kind, sample, threshold_millis);
    }

    /// Connects the commands that concern the server as a whole.
    pub fn install_control(&self, control: Weak<dyn Control>) {
        assert!(self.control.set(control).is_ok(), "there is one server");
    }

    /// # Panics
    /// If no server was installed (tests of the engine alone do not run server commands).
    pub fn control(&self) -> Arc<dyn Control> {
        let control = self.control.get().and_then(Weak::upgrade);
        control.expect("the server installs itself before it serves, and outlives its workers")
    }

    /// The only shard that a command concerns, by its number in any database; `None` if it concerns
    /// several, or more than its keys.
    pub fn only_shard(&self, args: ArgList<'_>, db: usize) -> Option<usize> {
        let Lookup::Found(command) = self.registry.lookup(args) else { return None };
        let spec = command.spec;
        if spec.has(spec::EXCLUSIVE) || spec.keys.is_empty() || spec.has_unknown_keys() {
            return None;
        }
        let declared = declare(spec, args, db, self.keyspace.databases());
        let mut shards = declared.iter().map(|key| self.keyspace.shard_of(key.bytes));
        let first = shards.next()?;
        shards.all(|shard| shard == first).then_some(first)
    }

    /// Whether a session may do what only those may who gave the password, if there is one. It may have been taken away
    /// since the client came.
    #[inline]
    pub fn lets_in(&self, session: &Session) -> bool {
        session.authenticated || self.config.text(params::REQUIREPASS).is_empty()
    }

    /// Refuses a client so much of something if that is more than a parameter allows, of which 0 allows any amount.
    pub fn check_limit(&self, parameter: Int, wanted: usize, what: &'static str) -> Outcome {
        let limit = self.config.int(parameter) as usize;
        if limit == 0 || wanted <= limit {
            return Ok(());
        }
        Err(CommandError::BeyondLimit { what, parameter: parameter.name(), limit })
    }

    /// The same for names, of which only those count that are new. Nothing is compared while there are few.
    pub fn check_names<'n>(
        &self,
        parameter: Int,
        present: usize,
        names: impl ExactSizeIterator<Item = &'n [u8]>,
        is_new: impl Fn(&[u8]) -> bool,
        what: &'static str,
    ) -> Outcome {
        if self.check_limit(parameter, present + names.len(), what).is_ok() {
            return Ok(());
        }
        match names.filter(|name| is_new(name)).collect::<HashSet<_>>().len() {
            0 => Ok(()),
            new => self.check_limit(parameter, present + new, what),
        }
    }

    /// Whether accesses are counted (`*-lfu` policies) or dated.
    pub fn set_lfu(&self, lfu: bool) {
        self.lfu.store(u8::from(lfu), Ordering::Relaxed);
    }

    #[inline]
    pub fn tracking(&self) -> Tracking {
        if self.lfu.load(Ordering::Relaxed) == 0 {
            return Tracking::Lru;
        }
        Tracking::Lfu {
            log_factor: self.config.int(params::LFU_LOG_FACTOR) as u32,
            decay_minutes: self.config.int(params::LFU_DECAY_TIME) as u32,
        }
    }
}
