//! Who hears of effects, and the one place where they are drained.
//!
//! The log hook is called while the shard locks are held, so that the log has the order of effects; the
//! others after they were released. A hook that nobody installed, or that wants nothing at the moment,
//! costs one relaxed load per command.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::pubsub::PubSub;
use crate::store::{Effects, Garbage, LogRecord, Wants};

/// Gets every change in a form that gives the same result when repeated. Positions count what was logged
/// before; they only grow.
pub trait LogHook: Send + Sync {
    /// One unit: all of it, or nothing. Returns the position behind it.
    fn append(&self, unit: &[LogRecord<'_>]) -> u64;
    /// A batch of work is done: what it appended may be written.
    fn commit(&self) {}
    /// Replies to changes before this position may be sent.
    fn released(&self) -> u64 {
        u64::MAX
    }
    /// Nothing is logged because the disk failed.
    fn has_failed(&self) -> bool {
        false
    }
    /// Changes up to this position can never be acknowledged: the log failed before they were durable.
    fn is_lost(&self, _position: u64) -> bool {
        false
    }
    /// Bytes that its buffers take.
    fn buffer_bytes(&self) -> u64 {
        0
    }
    /// Whether writers must wait because the disk does not follow, at this time of the monotonic clock.
    fn is_behind(&self, _now_ns: i64) -> bool {
        false
    }
    /// Everything before this position would survive a loss of power; `None` while nothing is logged.
    fn durable(&self) -> Option<u64> {
        None
    }
    /// Somebody waits until everything before this position is durable.
    fn want_durable(&self, _position: u64) {}
}

/// Takes what is to be freed in the background.
pub type GarbageChute = Box<dyn Fn(Garbage) + Send + Sync>;

struct Hook<T: ?Sized> {
    consumer: OnceLock<Box<T>>,
    wanted: AtomicBool,
}

impl<T: ?Sized> Default for Hook<T> {
    fn default() -> Hook<T> {
        Hook { consumer: OnceLock::new(), wanted: AtomicBool::new(false) }
    }
}

impl<T: ?Sized> Hook<T> {
    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn install(&self, consumer: Box<T>) {
        assert!(self.consumer.set(consumer).is_ok(), "a hook is installed once");
        self.wanted.store(true, Ordering::Relaxed);
    }
}

/// See the module's description.
pub struct Hooks {
    log: Hook<dyn LogHook>,
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
        let (log, garbage, reaper, garbage_waiting) = Default::default();
        Hooks { log, pubsub, garbage, reaper, garbage_waiting }
    }

    pub fn install_log(&self, consumer: Box<dyn LogHook>) {
        self.log.install(consumer);
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
            log: self.log.is_wanted(),
            // Known when the keys are locked.
            touched: false,
        }
    }

    /// The log's part, to be called while the shard locks are held. Returns the log's position behind it.
    pub fn append_log(&self, unit: &[LogRecord<'_>]) -> u64 {
        self.log.consumer.get().map_or(0, |log| log.append(unit))
    }

    /// The log's part of removals that no command asked for, to be called while the shard lock is held.
    pub fn append_removals(&self, effects: &Effects) {
        if let (Some(log), false) = (self.log.consumer.get(), effects.removals.is_empty()) {
            log.append(&[LogRecord { removals: &effects.removals, ..LogRecord::default() }]);
        }
    }

    /// The log, if there is one.
    pub fn log(&self) -> Option<&dyn LogHook> {
        self.log.consumer.get().map(|log| &**log)
    }

    /// Says whether anything is logged at the moment.
    pub fn set_log_wanted(&self, wanted: bool) {
        self.log.wanted.store(wanted && self.log.consumer.get().is_some(), Ordering::Relaxed);
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
