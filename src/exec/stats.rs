//! Counters of what commands did, one set per thread.
//!
//! Each executing thread owns a [`ThreadStats`] and is the only one to write it, so counting is a plain
//! load and store, without a locked instruction and without sharing cache lines. Readers add the sets
//! up. `CONFIG RESETSTAT` clears them while everybody stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::base::histogram::{Counts, Histogram};
use crate::base::sync::{Mutex, Rank};

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// One command's counters on one thread.
#[derive(Default)]
pub struct CommandStats {
    pub calls: Counter,
    pub nanos: Counter,
    /// Refused before it ran: arity, authentication, memory and the like.
    pub rejected: Counter,
    /// Ran and failed.
    pub failed: Counter,
    histogram: OnceLock<Box<Histogram>>,
}

impl CommandStats {
    pub fn record_latency(&self, nanos: u64) {
        self.histogram.get_or_init(Box::default).record(nanos);
    }
}

/// See the module's description.
pub struct ThreadStats {
    /// Changes of keys. Not a statistic: save points depend on it, so it is never reset.
    pub changes: Counter,
    pub commands: Box<[CommandStats]>,
    pub processed: Counter,
    pub hits: Counter,
    pub misses: Counter,
    pub expired: Counter,
    pub evicted: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub reads: Counter,
    pub writes: Counter,
    pub errors: Counter,
}

impl ThreadStats {
    fn new(commands: usize) -> ThreadStats {
        ThreadStats {
            changes: Counter::default(),
            commands: (0..commands).map(|_| CommandStats::default()).collect(),
            processed: Counter::default(),
            hits: Counter::default(),
            misses: Counter::default(),
            expired: Counter::default(),
            evicted: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            errors: Counter::default(),
        }
    }

    fn counters(&self) -> [&Counter; 10] {
        [
            &self.processed,
            &self.hits,
            &self.misses,
            &self.expired,
            &self.evicted,
            &self.bytes_in,
            &self.bytes_out,
            &self.reads,
            &self.writes,
            &self.errors,
        ]
    }
}

/// A command's counters, all threads together.
#[derive(Clone, Debug, Default)]
pub struct CommandTotals {
    pub calls: u64,
    pub nanos: u64,
    pub rejected: u64,
    pub failed: u64,
    pub histogram: Option<Box<Counts>>,
}

/// All threads' counters.
pub struct Stats {
    commands: usize,
    threads: Mutex<Vec<Arc<ThreadStats>>>,
    /// How many changes the last snapshot covers, of all since the start.
    changes_saved: AtomicU64,
    /// Error replies by code. Errors are rare enough for a lock.
    errors_by_code: Mutex<std::collections::BTreeMap<String, u64>>,
}

/// How many different error codes are told apart, so that a script's invented codes stay bounded.
const ERROR_CODES_MAX: usize = 128;

impl Stats {
    pub fn new(commands: usize) -> Stats {
        Stats {
            commands,
            threads: Mutex::new(Rank::Leaf, Vec::new()),
            changes_saved: AtomicU64::new(0),
            errors_by_code: Mutex::new(Rank::Leaf, std::collections::BTreeMap::new()),
        }
    }

    /// A set of counters for the calling thread.
    pub fn register_thread(&self) -> Arc<ThreadStats> {
        let stats = Arc::new(ThreadStats::new(self.commands));
        self.threads.lock().push(Arc::clone(&stats));
        stats
    }

    /// A set of counters that is in no sum.
    pub fn unregistered(&self) -> Arc<ThreadStats> {
        Arc::new(ThreadStats::new(self.commands))
    }

    /// The sum of one counter over all threads.
    pub fn total(&self, counter: impl Fn(&ThreadStats) -> &Counter) -> u64 {
        self.threads.lock().iter().map(|stats| counter(stats).get()).sum()
    }

    /// Changes since the start.
    pub fn changes(&self) -> u64 {
        self.total(|stats| &stats.changes)
    }

    /// Changes that no snapshot covers.
    pub fn unsaved_changes(&self) -> u64 {
        self.changes() - self.changes_saved.load(Ordering::Relaxed)
    }

    /// A snapshot covers the first so many changes.
    pub fn set_changes_saved(&self, count: u64) {
        self.changes_saved.store(count, Ordering::Relaxed);
    }

    pub fn command(&self, number: u16) -> CommandTotals {
        let mut totals = CommandTotals::default();
        for stats in self.threads.lock().iter() {
            let stats = &stats.commands[usize::from(number)];
            totals.calls += stats.calls.get();
            totals.nanos += stats.nanos.get();
            totals.rejected += stats.rejected.get();
            totals.failed += stats.failed.get();
            if let Some(histogram) = stats.histogram.get() {
                histogram.add_to(totals.histogram.get_or_insert_default());
            }
        }
        totals
    }

    /// Counts an error reply under its code, the first word.
    pub fn count_error(&self, text: &str) {
        let code = text.split(' ').next().unwrap_or_default();
        let mut codes = self.errors_by_code.lock();
        if let Some(count) = codes.get_mut(code) {
            *count += 1;
        } else if codes.len() < ERROR_CODES_MAX {
            codes.insert(code.to_owned(), 1);
        }
    }

    pub fn errors_by_code(&self) -> Vec<(String, u64)> {
        self.errors_by_code.lock().iter().map(|(code, count)| (code.clone(), *count)).collect()
    }

    /// Sets everything to zero. The caller holds the world, so no counter is being written.
    pub fn reset(&self, _world: &crate::store::World<'_>) {
        for stats in self.threads.lock().iter() {
            stats.counters().into_iter().for_each(Counter::clear);
            for command in &stats.commands {
                for counter in [&command.calls, &command.nanos, &command.rejected, &command.failed]
                {
                    counter.clear();
                }
                if let Some(histogram) = command.histogram.get() {
                    histogram.clear();
                }
            }
        }
        self.errors_by_code.lock().clear();
    }

    /// Sets the latency histograms of some commands (of all, if none are named) to zero. Returns how
    /// many of them held something.
    pub fn reset_latency(&self, numbers: &[u16], _world: &crate::store::World<'_>) -> usize {
        let wanted = |number: usize| numbers.is_empty() || numbers.contains(&(number as u16));
        let mut reset = std::collections::BTreeSet::new();
        for stats in self.threads.lock().iter() {
            for (number, command) in
                stats.commands.iter().enumerate().filter(|(number, _)| wanted(*number))
            {
                if let Some(histogram) = command.histogram.get() {
                    histogram.clear();
                    reset.insert(number);
                }
            }
        }
        reset.len()
    }
}
