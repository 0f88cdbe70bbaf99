//! How much memory the data takes, and `maxmemory`.
//!
//! What counts is what the allocator handed out, apart from what has limits of its own: clients and their
//! buffers, the log's buffer, the history of channels, the tables of client-side caches. What is detached and
//! about to be freed does not count either.
//!
//! The allocator's total costs tens of microseconds to read, so it is surveyed about a hundred times a second.
//! In between, each thread that executes commands adds what it has allocated since: the allocator counts
//! that per thread, exactly, at the cost of two loads. So a thread knows of its own writes at once and of
//! others' within [`STALE_BYTES`] of its own, and no counter is shared on the ordinary path. Without a limit
//! none of this happens.
//!
//! Limit: what threads allocate that execute no commands (log, snapshot) is seen with the next survey.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::engine::Engine;
use crate::base::allocator;

/// How often the allocator is asked at most, by everybody together.
const SURVEY_NS: i64 = 10_000_000;
/// After so many bytes of its own a thread looks at the others' figures again.
const STALE_BYTES: i64 = 64 * 1024;
/// The reaper keeps so much of the limit free, so that writers need not evict themselves: one part in ...
const AHEAD_DIVISOR: u64 = 256;
/// ... but not more than this.
const AHEAD_MAX: u64 = 16 << 20;
/// Threads that may execute commands at a time and be counted. Others are seen with the next survey.
const SLOTS: usize = 512;

/// One thread's bytes, alone in its cache line.
#[repr(align(64))]
#[derive(Default)]
struct Slot(AtomicI64);

/// See the module's description. Bytes throughout.
pub struct Memory {
    limit: AtomicU64,
    /// What the data took at the last survey, less all slots then.
    base: AtomicI64,
    surveyed_ns: AtomicI64,
    is_surveying: AtomicBool,
    slots: Box<[Slot]>,
    slots_used: AtomicUsize,
    /// The most that a command needs that waits for room.
    wanted: AtomicU64,
    /// The reaper has been called and has not made room yet.
    is_called: AtomicBool,
    /// Monotonic nanoseconds for which the limit was exceeded, and since when it is (0: it is not).
    exceeded_ns: AtomicI64,
    exceeded_since_ns: AtomicI64,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            limit: AtomicU64::new(0),
            base: AtomicI64::new(0),
            surveyed_ns: AtomicI64::new(i64::MIN),
            is_surveying: AtomicBool::new(false),
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            slots_used: AtomicUsize::new(0),
            wanted: AtomicU64::new(0),
            is_called: AtomicBool::new(false),
            exceeded_ns: AtomicI64::new(0),
            exceeded_since_ns: AtomicI64::new(0),
        }
    }
}

/// A thread's own view of [`Memory`].
#[derive(Default)]
pub struct Meter {
    slot: Option<usize>,
    /// What all other threads had when it last looked, with the base.
    others: i64,
    base: i64,
    /// What it had itself then.
    own: i64,
}

impl Memory {
    /// 0 sets no limit.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
        self.surveyed_ns.store(i64::MIN, Relaxed);
    }

    #[inline]
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// A meter for the calling thread.
    pub fn meter(&self) -> Meter {
        let slot = self.slots_used.fetch_add(1, Relaxed);
        Meter { slot: (slot < SLOTS).then_some(slot), base: i64::MIN, ..Meter::default() }
    }

    /// How much the reaper keeps free.
    pub fn ahead(&self) -> u64 {
        (self.limit() / AHEAD_DIVISOR).min(AHEAD_MAX)
    }

    fn slots_total(&self) -> i64 {
        let used = self.slots_used.load(Relaxed).min(SLOTS);
        self.slots[..used].iter().map(|slot| slot.0.load(Relaxed)).sum()
    }

    /// Bytes that the data takes, as far as threads have told.
    pub fn used(&self) -> u64 {
        u64::try_from(self.base.load(Relaxed) + self.slots_total()).unwrap_or(0)
    }

    /// Notes that a command waits for so much room.
    pub fn want(&self, bytes: u64) {
        self.wanted.fetch_max(bytes, Relaxed);
    }

    /// What commands want that wait for room; from now on nobody does.
    pub fn take_wanted(&self) -> u64 {
        self.is_called.store(false, Relaxed);
        self.wanted.swap(0, Relaxed)
    }

    /// Whether the reaper should be woken: true for the first who asks before it has made room.
    pub fn calls_reaper(&self) -> bool {
        !self.is_called.load(Relaxed) && !self.is_called.swap(true, Relaxed)
    }

    /// Notes whether the limit is exceeded, for `INFO`.
    pub fn note_exceeded(&self, is_exceeded: bool, now_ns: i64) {
        let since = self.exceeded_since_ns.load(Relaxed);
        if is_exceeded && since == 0 {
            self.exceeded_since_ns.store(now_ns, Relaxed);
        } else if !is_exceeded && since != 0 {
            self.exceeded_since_ns.store(0, Relaxed);
            self.exceeded_ns.fetch_add(now_ns - since, Relaxed);
        }
    }

    /// Milliseconds for which the limit was exceeded: in total, and at present.
    pub fn exceeded_ms(&self, now_ns: i64) -> (i64, i64) {
        let since = self.exceeded_since_ns.load(Relaxed);
        let current = if since == 0 { 0 } else { now_ns - since };
        ((self.exceeded_ns.load(Relaxed) + current) / 1_000_000, current / 1_000_000)
    }

    pub fn reset_exceeded(&self) {
        self.exceeded_ns.store(0, Relaxed);
    }
}

impl Meter {
    /// Makes known what the calling thread has allocated.
    pub fn publish(&self, memory: &Memory) {
        if let Some(slot) = self.slot {
            memory.slots[slot].0.store(allocator::thread_bytes(), Relaxed);
        }
    }

    /// Bytes that the data takes at present.
    pub fn used(&mut self, memory: &Memory) -> u64 {
        let own = if self.slot.is_some() { allocator::thread_bytes() } else { 0 };
        let base = memory.base.load(Relaxed);
        if base != self.base || (own - self.own).abs() > STALE_BYTES {
            self.publish(memory);
            self.own = own;
            self.base = base;
            self.others = memory.slots_total() - own;
        }
        u64::try_from(base + self.others + own).unwrap_or(0)
    }
}

impl Engine {
    /// Asks the allocator, if nobody did so in the last [`SURVEY_NS`].
    pub fn survey_memory(&self, now_ns: i64) {
        let memory = &self.memory;
        let is_fresh = now_ns.saturating_sub(memory.surveyed_ns.load(Relaxed)) < SURVEY_NS;
        if is_fresh || memory.is_surveying.swap(true, Relaxed) {
            return;
        }
        // The slots first: what is allocated in between is counted twice until the next survey, not lost.
        let slots = memory.slots_total();
        memory.base.store(self.data_bytes() as i64 - slots, Relaxed);
        memory.surveyed_ns.store(now_ns, Relaxed);
        memory.is_surveying.store(false, Relaxed);
    }

    /// Bytes that are allocated and do not count as data.
    pub fn uncounted_bytes(&self) -> u64 {
        let log = self.hooks.log().map_or(0, |log| log.backlog_bytes());
        self.clients.memory.own_bytes() as u64
            + log
            + self.pubsub.history_bytes() as u64
            + self.hooks.garbage_waiting.bytes().unwrap_or(0)
    }

    /// Bytes that the data takes; 0 while whole databases wait to be freed, since nobody knows how much that is.
    fn data_bytes(&self) -> u64 {
        if self.hooks.garbage_waiting.bytes().is_none() {
            return 0;
        }
        allocator::allocated_bytes().saturating_sub(self.uncounted_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_sees_its_own_bytes_at_once_and_others_after_a_while() {
        let memory = Memory::default();
        let mut meter = memory.meter();
        let other = memory.meter();
        memory.base.store(1_000, Relaxed);
        assert_eq!(meter.used(&memory), 1_000 + allocator::thread_bytes().max(0) as u64);
        memory.slots[other.slot.unwrap()].0.store(500, Relaxed);
        assert_eq!(memory.used(), 1_500 + allocator::thread_bytes().max(0) as u64);
        memory.base.store(2_000, Relaxed);
        assert_eq!(meter.used(&memory), 2_500 + allocator::thread_bytes().max(0) as u64);
    }

    #[test]
    fn the_time_above_the_limit_adds_up() {
        let memory = Memory::default();
        memory.note_exceeded(true, 1_000_000);
        memory.note_exceeded(true, 2_000_000);
        assert_eq!(memory.exceeded_ms(4_000_000), (3, 3));
        memory.note_exceeded(false, 5_000_000);
        memory.note_exceeded(true, 7_000_000);
        assert_eq!(memory.exceeded_ms(8_000_000), (5, 1));
    }

    #[test]
    fn the_reaper_is_called_once_until_it_has_made_room() {
        let memory = Memory::default();
        memory.want(7);
        memory.want(3);
        assert!(memory.calls_reaper() && !memory.calls_reaper());
        assert_eq!(memory.take_wanted(), 7);
        assert!(memory.calls_reaper());
    }
}
