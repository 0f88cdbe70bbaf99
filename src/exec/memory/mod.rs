//! How much memory the data takes, and `maxmemory`.
//!
//! What counts is what the allocator handed out for data, and for the server itself; not what has limits of its
//! own: clients and their buffers, the log's buffer, the history of channels. The two are told apart by counting
//! twice:
//!
//! - The shards count their bytes with every change (`Keyspace::data_bytes`). That is exact about what belongs
//!   to the data and up to date at once, but does not know what the allocator adds.
//! - The allocator knows its total, but not whose it is, and a reply that is being built looks like data.
//!
//! So ten times a second the reaper takes the difference of the two, less what has limits of its own, and the least
//! difference of the last second is what the allocator adds: what came and went in between is nobody's data.
//!
//! Values that were detached and not freed yet are memory, but evicting more keys does not help against
//! them: writers wait until the reaper has freed them.

pub(super) mod eviction;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::engine::Engine;
use crate::base::allocator;

/// The reaper keeps so much of the limit free, so that writers need not evict themselves: one part in ...
const AHEAD_DIVISOR: u64 = 256;
/// ... but not more than this.
const AHEAD_MAX: u64 = 16 << 20;
/// How many surveys what the allocator adds is the least of.
const SURVEYS: usize = 10;

/// See the module's description. Bytes throughout.
#[derive(Default)]
pub struct Memory {
    limit: AtomicU64,
    /// What the allocator adds to what the shards count.
    added: AtomicU64,
    surveys: [AtomicU64; SURVEYS],
    surveys_made: AtomicUsize,
    /// The most that a command needs that waits for room.
    wanted: AtomicU64,
    /// The reaper has been called and has not made room yet.
    is_called: AtomicBool,
    /// Monotonic nanoseconds for which the limit was exceeded, and since when it is (0: it is not).
    exceeded_ns: AtomicI64,
    exceeded_since_ns: AtomicI64,
}

impl Memory {
    /// 0 sets no limit.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
    }

    #[inline]
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// How much of a limit the reaper keeps free.
    pub fn ahead(limit: u64) -> u64 {
        (limit / AHEAD_DIVISOR).min(AHEAD_MAX)
    }

    /// Takes note of what the allocator adds to what the shards count at one moment.
    fn note_added(&self, bytes: u64) {
        let made = self.surveys_made.fetch_add(1, Relaxed);
        self.surveys[made % SURVEYS].store(bytes, Relaxed);
        let known = &self.surveys[..(made + 1).min(SURVEYS)];
        let least = known.iter().map(|survey| survey.load(Relaxed)).min();
        self.added.store(least.unwrap_or(0), Relaxed);
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

impl Engine {
    /// Looks at what the allocator adds; called by the reaper, ten times a second. What a snapshot in progress keeps
    /// of the past is no reason to evict anything.
    pub fn survey_memory(&self) {
        if self.keyspace.has_open_cut() {
            return;
        }
        let known = self.uncounted_bytes()
            + self.keyspace.data_bytes() as u64
            + self.hooks.garbage_waiting.bytes() as u64;
        self.memory.note_added(allocator::allocated_bytes().saturating_sub(known));
    }

    /// Bytes that are allocated and do not count towards the limit.
    pub fn uncounted_bytes(&self) -> u64 {
        let log = self.hooks.log().map_or(0, |log| log.buffer_bytes());
        let clients = &self.clients.memory;
        (clients.own_bytes() + clients.spare_bytes() + self.pubsub.history_bytes()) as u64 + log
    }

    /// Bytes that count towards the limit, with what waits to be freed.
    pub fn occupied_bytes(&self) -> u64 {
        self.counted_bytes() + self.hooks.garbage_waiting.bytes() as u64
    }

    /// Bytes that count towards the limit, but for what waits to be freed.
    pub fn counted_bytes(&self) -> u64 {
        self.keyspace.data_bytes() as u64 + self.memory.added.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_went_within_a_second_is_not_added() {
        let memory = Memory::default();
        for bytes in [700, 500, 90_000, 600] {
            memory.note_added(bytes);
        }
        assert_eq!(memory.added.load(Relaxed), 500);
        (0..SURVEYS as u64).for_each(|n| memory.note_added(800 + n));
        assert_eq!(memory.added.load(Relaxed), 800);
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
