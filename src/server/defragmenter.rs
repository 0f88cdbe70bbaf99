//! Gives empty room within pages back: moves keys and values together when there is much of it.
//!
//! Once a second it compares what the allocator handed out with the pages that this lies in. If the difference is large,
//! it moves all entries once (`store::relocate`), in slices between which it rests, so that it takes no more than its
//! share of a core. What is left then cannot be helped that way; it begins again only when clearly more has become empty.
//!
//! A thread of its own, because it must keep nothing in store for its next allocation: it would get back the place that it
//! has just freed.
//!
//! Redis asks its own build of the allocator which allocations are worth moving. This moves all of them, which takes
//! longer, and is possible with any allocator that fills its fullest pages first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::base::allocator;
use crate::config::params;
use crate::exec::Engine;
use crate::store::Relocation;

/// How often it looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(1);
/// It works for about so long before it rests.
const STINT_NS: i64 = 1_000_000;
/// It begins again when so many percent of what is used have become empty since it ended.
const MORE_PERCENT: u64 = 5;

/// What it did, for `INFO`.
#[derive(Debug, Default)]
pub(super) struct DefragFigures {
    pub is_running: AtomicBool,
    pub bytes_moved: AtomicU64,
    /// Rounds through all entries that came to their end.
    pub rounds: AtomicU64,
}

/// See the module's description.
pub(super) struct Defragmenter {
    engine: Arc<Engine>,
    figures: Arc<DefragFigures>,
    stop: Receiver<()>,
    /// Empty room, in percent of what was used, that the last round left behind.
    left_percent: u64,
}

impl Defragmenter {
    /// One that waits to be run. It stops when the sender is dropped.
    pub(super) fn new(engine: &Arc<Engine>) -> (Defragmenter, Sender<()>) {
        let (sender, stop) = channel();
        let engine = Arc::clone(engine);
        (Defragmenter { engine, figures: Arc::default(), stop, left_percent: 0 }, sender)
    }

    pub(super) fn figures(&self) -> &Arc<DefragFigures> {
        &self.figures
    }

    pub(super) fn run(mut self) {
        super::yield_to_workers();
        if let Err(error) = allocator::keep_nothing_in_store() {
            log::warn!("memory is not defragmented: {error}");
            return;
        }
        while self.rest(LOOK) {
            let Some(percent) = self.look() else { continue };
            log::debug!("{percent} % of the memory in use are empty; moving keys and values");
            self.figures.is_running.store(true, Relaxed);
            let is_complete = self.round();
            self.figures.is_running.store(false, Relaxed);
            if is_complete {
                self.figures.rounds.fetch_add(1, Relaxed);
                self.left_percent = empty_room().1;
            }
        }
    }

    /// False if it is to stop.
    fn rest(&self, time: Duration) -> bool {
        matches!(self.stop.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }

    /// Takes down how little is empty; tells how much, if that is worth a round.
    fn look(&mut self) -> Option<u64> {
        let config = &self.engine.config;
        let (bytes, percent) = empty_room();
        self.left_percent = self.left_percent.min(percent);
        let is_worthwhile = config.flag(params::ACTIVEDEFRAG)
            && bytes >= config.int(params::ACTIVE_DEFRAG_IGNORE_BYTES) as u64
            && percent >= config.int(params::ACTIVE_DEFRAG_THRESHOLD_LOWER) as u64
            && percent >= self.left_percent + MORE_PERCENT
            && !self.engine.health.is_loading();
        is_worthwhile.then_some(percent)
    }

    /// Moves everything once; false if it was told to stop before the end.
    fn round(&self) -> bool {
        let engine = &self.engine;
        let gate = engine.keyspace.gate();
        let mut relocation = Relocation::default();
        let mut began_ns = engine.clock.monotonic_nanos();
        while let Some(bytes) = relocation.slice(&engine.keyspace, &gate) {
            self.figures.bytes_moved.fetch_add(bytes as u64, Relaxed);
            let worked_ns = engine.clock.monotonic_nanos() - began_ns;
            if worked_ns < STINT_NS {
                continue;
            }
            if !engine.config.flag(params::ACTIVEDEFRAG) || !self.rest(self.rest_after(worked_ns)) {
                return false;
            }
            began_ns = engine.clock.monotonic_nanos();
        }
        true
    }

    /// How long to rest after so much work.
    fn rest_after(&self, worked_ns: i64) -> Duration {
        let percent = self.engine.config.int(params::ACTIVE_DEFRAG_CYCLE_MAX) as u64;
        Duration::from_nanos(worked_ns as u64 * (100 - percent) / percent)
    }
}

/// Empty room within pages that are in use: bytes, and percent of what is used.
fn empty_room() -> (u64, u64) {
    let figures = allocator::figures();
    let bytes = figures.active.saturating_sub(figures.allocated);
    (bytes, bytes * 100 / figures.allocated.max(1))
}
