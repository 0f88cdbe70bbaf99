//! Who hears of effects, and the one place where they are drained.
//!
//! The log hears of them while the shard locks are held, so that it has their order; the others after they
//! were released. A log that is off costs one relaxed load per command.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::persist::log::Log;
use crate::pubsub::PubSub;
use crate::store::{Effects, Garbage, LogRecord, Wants};

/// Takes what is to be freed in the background.
pub type GarbageChute = Box<dyn Fn(Garbage) + Send + Sync>;

/// See the module's description.
pub struct Hooks {
    log: OnceLock<Arc<Log>>,
    /// Whether anything is logged at the moment.
    is_log_wanted: AtomicBool,
    /// Publishes keyspace events, in the order in which one command caused them.
    pubsub: Arc<PubSub>,
    garbage: OnceLock<GarbageChute>,
    reaper: OnceLock<Box<dyn Fn() + Send + Sync>>,
    pub garbage_waiting: GarbageWaiting,
}

/// What was handed over to be freed and has not been freed yet.
#[derive(Default)]
pub struct GarbageWaiting {
    bytes: AtomicUsize,
    objects: AtomicUsize,
    /// Values that were freed (since the start or `CONFIG RESETSTAT`).
    freed: AtomicUsize,
}

impl GarbageWaiting {
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Values that wait, and those that were freed.
    pub fn objects(&self) -> (usize, usize) {
        (self.objects.load(Ordering::Relaxed), self.freed.load(Ordering::Relaxed))
    }

    pub fn reset_freed(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }

    fn add(&self, garbage: &Garbage) {
        self.bytes.fetch_add(garbage.bytes(), Ordering::Relaxed);
        self.objects.fetch_add(garbage.objects(), Ordering::Relaxed);
    }

    /// Frees what was handed over.
    pub fn free(&self, garbage: Garbage) {
        let (bytes, objects) = (garbage.bytes(), garbage.objects());
        drop(garbage);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.objects.fetch_sub(objects, Ordering::Relaxed);
        self.freed.fetch_add(objects, Ordering::Relaxed);
    }
}

impl Hooks {
    /// `pubsub` gets the events.
    pub fn new(pubsub: Arc<PubSub>) -> Hooks {
        let (log, is_log_wanted, garbage, reaper, garbage_waiting) = Default::default();
        Hooks { log, is_log_wanted, pubsub, garbage, reaper, garbage_waiting }
    }

    pub fn install_log(&self, log: Arc<Log>) {
        assert!(self.log.set(log).is_ok(), "there is one log");
    }

    /// Where large values go to be freed. Without one they are freed on the spot.
    pub fn install_garbage(&self, chute: GarbageChute) {
        assert!(self.garbage.set(chute).is_ok(), "there is one reaper");
    }

    /// How the reaper is woken when memory becomes short.
    pub fn install_reaper(&self, call: Box<dyn Fn() + Send + Sync>) {
        assert!(self.reaper.set(call).is_ok(), "there is one reaper");
    }

    pub fn call_reaper(&self) {
        if let Some(call) = self.reaper.get() {
            call();
        }
    }

    #[inline]
    pub fn wants(&self) -> Wants {
        Wants {
            events: self.pubsub.wants_events(),
            log: self.is_log_wanted.load(Ordering::Relaxed),
            // Known when the keys are locked.
            touched: false,
        }
    }

    /// The log's part, to be called while the shard locks are held. Returns the log's position behind it.
    pub fn append_log(&self, unit: &[LogRecord<'_>]) -> u64 {
        self.log.get().map_or(0, |log| log.append(unit))
    }

    /// The log's part of removals that no command asked for, to be called while the shard lock is held.
    pub fn append_removals(&self, effects: &Effects) {
        if let (Some(log), false) = (self.log.get(), effects.removals.is_empty()) {
            log.append(&[LogRecord { removals: &effects.removals, ..LogRecord::default() }]);
        }
    }

    /// The log, if there is one.
    pub fn log(&self) -> Option<&Log> {
        self.log.get().map(|log| &**log)
    }

    /// Says whether anything is logged at the moment.
    pub fn set_log_wanted(&self, wanted: bool) {
        self.is_log_wanted.store(wanted && self.log.get().is_some(), Ordering::Relaxed);
    }

    /// Everybody else's part, to be called once the locks are released.
    pub fn drain(&self, effects: &mut Effects) {
        effects.events.iter().for_each(|event| self.pubsub.notify(event));
        for garbage in effects.garbage.drain(..) {
            match self.garbage.get() {
                Some(chute) => {
                    self.garbage_waiting.add(&garbage);
                    chute(garbage);
                }
                None => drop(garbage),
            }
        }
    }
}
