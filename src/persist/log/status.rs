//! What is known of the log from outside its lock: figures for `INFO`, and what commands wait for.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst,
};

use crate::base::histogram::{Counts, Histogram};
use crate::base::sync::{Mutex, Rank};

/// What the log does with what is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing is logged.
    Off,
    /// Everything is written already, but it counts only once the snapshot before it is complete.
    Starting,
    On,
    /// A write or sync failed: nothing is logged until the log begins anew.
    Failed,
}

/// See the module's description. Positions are log positions; times Unix or monotonic milliseconds as
/// their names say.
pub struct LogStatus {
    phase: AtomicU8,
    /// Changes with `phase`, but stays while a log that had failed begins anew.
    pub(super) refuses_changes: AtomicBool,
    pub(super) written: AtomicU64,
    pub(super) durable: AtomicU64,
    /// What the last failure lost: positions behind the first, up to the second.
    lost: [AtomicU64; 2],
    /// Since when (monotonic) something has been waiting to become durable; 0 if nothing has.
    pub(super) unsynced_since_ms: AtomicI64,
    pub(super) is_behind: AtomicBool,
    /// How often writers had to wait because the disk did not follow.
    pub(super) times_behind: AtomicU64,
    pub(super) segment: AtomicU64,
    pub(super) segment_bytes: AtomicU64,
    /// The position of the newest snapshot: how much the log has grown since is counted from here.
    pub(super) base_lsn: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) sync_nanos: Histogram,
    pub(super) last_error: Mutex<String>,
}

impl Default for LogStatus {
    fn default() -> LogStatus {
        LogStatus {
            phase: AtomicU8::new(Phase::Off as u8),
            refuses_changes: AtomicBool::new(false),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            lost: [AtomicU64::new(0), AtomicU64::new(0)],
            unsynced_since_ms: AtomicI64::new(0),
            is_behind: AtomicBool::new(false),
            times_behind: AtomicU64::new(0),
            segment: AtomicU64::new(0),
            segment_bytes: AtomicU64::new(0),
            base_lsn: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            sync_nanos: Histogram::default(),
            last_error: Mutex::new(Rank::Leaf, String::new()),
        }
    }
}

impl LogStatus {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Off,
            1 => Phase::Starting,
            2 => Phase::On,
            _ => Phase::Failed,
        }
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// The log failed: what was appended up to `end` and is not durable never will be.
    pub(super) fn set_lost(&self, end: u64) {
        self.lost[0].store(self.durable(), SeqCst);
        self.lost[1].store(end, SeqCst);
    }

    pub(super) fn is_lost(&self, position: u64) -> bool {
        position > self.lost[0].load(SeqCst) && position <= self.lost[1].load(SeqCst)
    }

    /// Everything before this position has been handed to the kernel.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Everything before this position would survive a loss of power.
    pub fn durable(&self) -> u64 {
        self.durable.load(SeqCst)
    }

    /// Number of the segment that is being written.
    pub fn segment(&self) -> u64 {
        self.segment.load(Relaxed)
    }

    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes.load(Relaxed)
    }

    /// Bytes of commands since the newest snapshot.
    pub fn bytes_since_base(&self) -> u64 {
        self.written().saturating_sub(self.base_lsn.load(Relaxed))
    }

    pub fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    pub fn syncs(&self) -> u64 {
        self.syncs.load(Relaxed)
    }

    pub fn times_behind(&self) -> u64 {
        self.times_behind.load(Relaxed)
    }

    /// How long syncs took, in nanoseconds.
    pub fn sync_times(&self) -> Counts {
        let mut counts = Counts::default();
        self.sync_nanos.add_to(&mut counts);
        counts
    }

    /// Why the log failed; empty while it works.
    pub fn last_error(&self) -> String {
        self.last_error.lock().clone()
    }
}
