//! Counters of what commands did, one set per thread.
//!
//! Each executing thread owns a [`ThreadStats`] and is the only one to write it, so counting is a plain
//! load and store, without a locked instruction and without sharing cache lines. Readers add the sets
//! up. `CONFIG RESETSTAT` does not clear them: a thread that is just counting would bring the old number back. It
//! remembers the sums, and from then on readers subtract these.

use std::collections::BTreeMap;
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

    fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
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

impl CommandTotals {
    fn subtract(&mut self, before: &CommandTotals) {
        self.calls -= before.calls;
        self.nanos -= before.nanos;
        self.rejected -= before.rejected;
        self.failed -= before.failed;
        if let (Some(now), Some(before)) = (&mut self.histogram, &before.histogram) {
            now.subtract(before);
        }
    }
}

/// All threads' counters.
pub struct Stats {
    commands: usize,
    threads: Mutex<Threads>,
    /// How many changes the last snapshot covers, of all since the start.
    changes_saved: AtomicU64,
    /// Error replies by code. Errors are rare enough for a lock.
    errors_by_code: Mutex<BTreeMap<String, u64>>,
}

/// The sets that are added up, and what they had come to when they were last reset.
struct Threads {
    sets: Vec<Arc<ThreadStats>>,
    before: ThreadStats,
    /// By number; histograms in [`ThreadStats`] have a writer, these have none.
    commands_before: Vec<CommandTotals>,
}

impl Threads {
    /// The sum of a counter since the beginning.
    fn sum(&self, counter: impl Fn(&ThreadStats) -> &Counter) -> u64 {
        self.sets.iter().map(|stats| counter(stats).get()).sum()
    }

    /// What a command has come to since the beginning.
    fn command(&self, number: usize) -> CommandTotals {
        let mut totals = CommandTotals::default();
        for stats in &self.sets {
            let stats = &stats.commands[number];
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
}

/// How many different error codes are told apart, so that a script's invented codes stay bounded.
const ERROR_CODES_MAX: usize = 128;

impl Stats {
    pub fn new(commands: usize) -> Stats {
        let before = ThreadStats::new(0);
        let threads = Threads { sets: Vec::new(), before, commands_before: Vec::new() };
        Stats {
            commands,
            threads: Mutex::new(Rank::Leaf, threads),
            changes_saved: AtomicU64::new(0),
            errors_by_code: Mutex::new(Rank::Leaf, BTreeMap::new()),
        }
    }

    /// A set of counters for the calling thread.
    pub fn register_thread(&self) -> Arc<ThreadStats> {
        let stats = Arc::new(ThreadStats::new(self.commands));
        self.threads.lock().sets.push(Arc::clone(&stats));
        stats
    }

    /// A set of counters that is in no sum.
    pub fn unregistered(&self) -> Arc<ThreadStats> {
        Arc::new(ThreadStats::new(self.commands))
    }

    /// The sum of one counter over all threads.
    pub fn total(&self, counter: impl Fn(&ThreadStats) -> &Counter) -> u64 {
        let threads = self.threads.lock();
        threads.sum(&counter) - counter(&threads.before).get()
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
        let threads = self.threads.lock();
        let mut totals = threads.command(usize::from(number));
        if let Some(before) = threads.commands_before.get(usize::from(number)) {
            totals.subtract(before);
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

    /// Everything is counted from zero again.
    pub fn reset(&self) {
        let mut threads = self.threads.lock();
        for number in 0..threads.before.counters().len() {
            let sum = threads.sum(|stats| stats.counters()[number]);
            threads.before.counters()[number].set(sum);
        }
        threads.commands_before =
            (0..self.commands).map(|number| threads.command(number)).collect();
        drop(threads);
        self.errors_by_code.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    #[test]
    fn what_is_counted_begins_at_zero_with_each_reset() {
        let stats = Stats::new(2);
        let (one, two) = (stats.register_thread(), stats.register_thread());
        for round in 1..4 {
            one.hits.add(round);
            two.hits.add(1);
            one.changes.add(1);
            two.commands[1].calls.add(5);
            two.commands[1].record_latency(1000 * round);
            assert_eq!(stats.total(|stats| &stats.hits), round + 1);
            let totals = stats.command(1);
            assert_eq!((totals.calls, totals.histogram.unwrap().total()), (5, 1));
            stats.reset();
            assert_eq!(stats.total(|stats| &stats.hits), 0);
            assert_eq!((stats.command(1).calls, stats.changes()), (0, round));
        }
    }

    /// A counter that was cleared while its thread added to it was what it had been before, and one more.
    #[test]
    fn what_was_reset_does_not_come_back_while_others_count() {
        let stats = Stats::new(0);
        let (counting, stop) = (stats.register_thread(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    counting.hits.add(1);
                }
            });
            for _ in 0..20_000 {
                let before = stats.total(|stats| &stats.hits);
                let since = counting.hits.get();
                stats.reset();
                let after = stats.total(|stats| &stats.hits);
                let added = counting.hits.get() - since;
                if after > added {
                    stop.store(true, Ordering::Relaxed);
                    panic!("{after} although only {added} were added; {before} before the reset");
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
