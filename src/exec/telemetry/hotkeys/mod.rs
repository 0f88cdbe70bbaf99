//! `HOTKEYS`: which keys are asked for most, and which move most bytes.
//!
//! Each executing thread looks at one command in so many, at random, and notes its keys with the bytes of request and
//! reply in two sketches of its own (`sketch`): one ranks by operations, the other by bytes. A command that is not
//! looked at costs one subtraction. Whoever asks merges the sketches of all threads as in Agarwal et al.: "Mergeable
//! Summaries" (PODS 2012): what a thread does not count may weigh as much there as the smallest that it does count.
//!
//! **Time.** All weights are halved every minute, so the last minute or two count. A sum of weights, divided by what so
//! many seconds would have come to when halved the same way, is a rate.
//!
//! **Error.** A rate is an estimate from samples, wrong by chance and by what sketches leave out. What is told as error
//! is two standard deviations of the one and the bound of the other.
//!
//! Several keys of one command count one operation each, and share its bytes. Of a command with very many keys some are
//! noted, and count for all. What waiting clients get counts when they get it; what is loaded or replayed does not.

mod sampler;
mod sketch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

pub(in crate::exec) use sampler::Sampler;
use sketch::{Counter, Identity, Sketch};

use crate::base::bytes::KeyExcerpt;
use crate::base::sync::{Mutex, Rank};

/// After so long everything counts half.
const HALVING_NS: i64 = 60_000_000_000;

/// What one thread has noted.
#[derive(Clone, Default)]
struct Noted {
    by_ops: Sketch,
    by_bytes: Sketch,
    ops: f64,
    bytes: f64,
    /// How often everything was halved since the beginning.
    halvings: i64,
}

impl Noted {
    fn age(&mut self, halvings: i64) {
        let passed = halvings.saturating_sub(self.halvings);
        self.halvings = halvings;
        if passed > 0 {
            let factor = 0.5f64.powi(passed.min(1000) as i32);
            self.by_ops.scale(factor);
            self.by_bytes.scale(factor);
            self.ops *= factor;
            self.bytes *= factor;
        }
    }

    fn add(&mut self, id: Identity, key: &[u8], ops: f64, bytes: f64) {
        self.by_ops.add(id, key, ops, bytes);
        self.by_bytes.add(id, key, bytes, ops);
        self.ops += ops;
        self.bytes += bytes;
    }
}

/// One thread's notes. Nobody else wants the lock but who asks for a report.
struct ThreadNotes(Mutex<Noted>);

/// See the module's description.
pub struct HotKeys {
    threads: Mutex<Vec<Weak<ThreadNotes>>>,
    /// Since when is counted, in nanoseconds of the monotonic clock.
    since_ns: AtomicI64,
}

/// By what keys are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heat {
    Ops,
    Bytes,
}

/// A key with its rates.
#[derive(Clone, Debug)]
pub struct HotKey {
    pub key: KeyExcerpt,
    pub db: usize,
    pub ops_per_second: f64,
    pub bytes_per_second: f64,
    /// Of what all keys have of what they are ranked by, from 0 to 1.
    pub share: f64,
    /// The rate by which keys are ranked may be off by this, up or down.
    pub error: f64,
}

/// What all threads have noted.
#[derive(Clone, Debug)]
pub struct HotReport {
    /// So many seconds would make the same sum if they did not count less with time.
    pub window_seconds: f64,
    pub ops_per_second: f64,
    pub bytes_per_second: f64,
    pub keys: Vec<HotKey>,
}

impl HotKeys {
    /// `now_ns` of the monotonic clock.
    pub fn new(now_ns: i64) -> HotKeys {
        let threads = Mutex::new(Rank::Leaf, Vec::new());
        HotKeys { threads, since_ns: AtomicI64::new(now_ns) }
    }

    fn register(&self) -> Arc<ThreadNotes> {
        let notes = Arc::new(ThreadNotes(Mutex::new(Rank::Leaf, Noted::default())));
        let mut threads = self.threads.lock();
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&notes));
        notes
    }

    fn threads(&self) -> Vec<Arc<ThreadNotes>> {
        self.threads.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Forgets everything.
    pub fn reset(&self, now_ns: i64) {
        self.since_ns.store(now_ns, Ordering::Relaxed);
        self.threads().iter().for_each(|thread| *thread.0.lock() = Noted::default());
    }

    fn age_ns(&self, now_ns: i64) -> i64 {
        now_ns.saturating_sub(self.since_ns.load(Ordering::Relaxed)).max(0)
    }

    fn halvings(&self, now_ns: i64) -> i64 {
        self.age_ns(now_ns) / HALVING_NS
    }

    /// A second of `n` halvings ago counts for `1 / 2^n`.
    fn window_seconds(&self, now_ns: i64) -> f64 {
        let age = self.age_ns(now_ns);
        let past = 1.0 - 0.5f64.powi((age / HALVING_NS).min(1000) as i32);
        let nanos = (age % HALVING_NS) as f64 + HALVING_NS as f64 * past;
        // Nothing can be said of less than that.
        (nanos / 1e9).max(1.0)
    }

    /// The hottest keys, hottest first.
    pub fn report(&self, now_ns: i64, heat: Heat, count: usize) -> HotReport {
        let halvings = self.halvings(now_ns);
        let copy = |thread: &Arc<ThreadNotes>| {
            let mut noted = thread.0.lock();
            noted.age(halvings);
            noted.clone()
        };
        let noted: Vec<Noted> = self.threads().iter().map(copy).collect();
        let (ops, bytes) = noted
            .iter()
            .fold((0.0, 0.0), |(ops, bytes), noted| (ops + noted.ops, bytes + noted.bytes));
        let (total, sketches): (f64, Vec<&Sketch>) = match heat {
            Heat::Ops => (ops, noted.iter().map(|noted| &noted.by_ops).collect()),
            Heat::Bytes => (bytes, noted.iter().map(|noted| &noted.by_bytes).collect()),
        };
        let mut keys = merge(&sketches);
        let order = |a: &Counter, b: &Counter| {
            b.weight.total_cmp(&a.weight).then_with(|| (&a.key, a.id).cmp(&(&b.key, b.id)))
        };
        keys.sort_by(order);
        keys.truncate(count);
        let window_seconds = self.window_seconds(now_ns);
        HotReport {
            window_seconds,
            ops_per_second: ops / window_seconds,
            bytes_per_second: bytes / window_seconds,
            keys: keys.into_iter().map(|key| hot_key(key, heat, total, window_seconds)).collect(),
        }
    }
}

/// The sum of sketches. The error of a key becomes the larger one of how much too high and how much too low its
/// weight may be.
fn merge(sketches: &[&Sketch]) -> Vec<Counter> {
    let mut merged: HashMap<Identity, Counter> = HashMap::new();
    for counter in sketches.iter().flat_map(|sketch| sketch.iter()) {
        match merged.get_mut(&counter.id) {
            None => {
                merged.insert(counter.id, counter.clone());
            }
            Some(sum) => {
                sum.weight += counter.weight;
                sum.error += counter.error;
                sum.other += counter.other;
                sum.samples += counter.samples;
            }
        }
    }
    let bound = |mut counter: Counter| {
        let absent = sketches.iter().filter(|sketch| sketch.get(counter.id).is_none());
        let missing: f64 = absent.map(|sketch| sketch.missing_max(counter.id)).sum();
        counter.error = counter.error.max(missing);
        counter
    };
    merged.into_values().map(bound).collect()
}

fn hot_key(counter: Counter, heat: Heat, total: f64, seconds: f64) -> HotKey {
    let Counter { id, key, weight, error, other, samples } = counter;
    let by_chance = 2.0 * weight / samples.max(1.0).sqrt();
    let (ops, bytes) = match heat {
        Heat::Ops => (weight, other),
        Heat::Bytes => (other, weight),
    };
    HotKey {
        key,
        db: id.db as usize,
        ops_per_second: ops / seconds,
        bytes_per_second: bytes / seconds,
        share: if total > 0.0 { (weight / total).min(1.0) } else { 0.0 },
        error: (error + by_chance) / seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Random;
    use crate::store::Keyspace;

    const SECOND: i64 = 1_000_000_000;

    fn keyspace() -> Keyspace {
        Keyspace::new(2, 16, 1, [7; 16])
    }

    /// A thread that looks at one command in `interval`, and has so many commands.
    fn run(hot: &HotKeys, interval: u32, commands: &[(&[u8], u64, usize)], now_ns: i64) -> Sampler {
        let keyspace = keyspace();
        let mut sampler = Sampler::new(hot, Random::seeded(9));
        sampler.follow(interval);
        for (key, bytes, times) in commands {
            for _ in 0..*times {
                if sampler.is_due() {
                    sampler.note(hot, &keyspace, &[(0, *key)], *bytes, now_ns);
                }
            }
        }
        sampler
    }

    #[test]
    fn rates_of_all_threads_are_added_up() {
        let hot = HotKeys::new(0);
        let threads = [
            run(&hot, 1, &[(b"a", 10, 600), (b"b", 1000, 20)], 0),
            run(&hot, 1, &[(b"b", 1000, 20), (b"c", 1, 100)], 0),
        ];
        let report = hot.report(10 * SECOND, Heat::Ops, 10);
        let told: Vec<_> =
            report.keys.iter().map(|key| (&*key.key.shown, key.ops_per_second)).collect();
        assert_eq!(told, [(&b"a"[..], 60.0), (b"c", 10.0), (b"b", 4.0)]);
        assert_eq!((report.ops_per_second, report.window_seconds), (74.0, 10.0));
        let report = hot.report(10 * SECOND, Heat::Bytes, 1);
        assert_eq!(
            (&*report.keys[0].key.shown, report.keys[0].bytes_per_second),
            (&b"b"[..], 4000.0)
        );
        assert!((report.keys[0].share - 40_000.0 / 46_100.0).abs() < 1e-9);
        drop(threads);
        assert!(hot.report(10 * SECOND, Heat::Ops, 10).keys.is_empty());
    }

    #[test]
    fn sampling_one_in_many_estimates_the_same_rates() {
        let hot = HotKeys::new(0);
        let _thread = run(&hot, 50, &[(b"hot", 100, 900_000), (b"warm", 100, 100_000)], 0);
        let report = hot.report(10 * SECOND, Heat::Ops, 2);
        for (key, rate) in report.keys.iter().zip([90_000.0, 10_000.0]) {
            assert!((key.ops_per_second - rate).abs() <= key.error, "{key:?}");
            assert!(key.error < rate / 10.0, "{key:?}");
        }
    }

    #[test]
    fn a_steady_rate_reads_the_same_at_any_time_and_an_old_one_fades() {
        let hot = HotKeys::new(0);
        let keyspace = keyspace();
        let mut sampler = Sampler::new(&hot, Random::seeded(9));
        sampler.follow(1);
        for second in 0..300 {
            for _ in 0..20 {
                assert!(sampler.is_due());
                sampler.note(&hot, &keyspace, &[(0, b"steady")], 5, second * SECOND);
            }
            let rate = hot.report((second + 1) * SECOND, Heat::Ops, 1).keys[0].ops_per_second;
            assert!((rate - 20.0).abs() < 1.0, "{rate} after {second} seconds");
        }
        let later = hot.report(900 * SECOND, Heat::Ops, 1).keys[0].ops_per_second;
        assert!(later < 0.1, "{later}");
        assert!(hot.report(9000 * SECOND, Heat::Ops, 1).keys.is_empty());
    }

    #[test]
    fn the_same_name_in_two_databases_is_two_keys() {
        let (hot, keyspace) = (HotKeys::new(0), keyspace());
        let mut sampler = Sampler::new(&hot, Random::seeded(9));
        sampler.note(&hot, &keyspace, &[(0, b"k"), (1, b"k")], 8, 0);
        let report = hot.report(SECOND, Heat::Bytes, 9);
        let mut databases: Vec<usize> = report.keys.iter().map(|key| key.db).collect();
        databases.sort_unstable();
        assert_eq!(databases, [0, 1]);
    }

    #[test]
    fn resetting_forgets_and_begins_anew() {
        let hot = HotKeys::new(0);
        let mut thread = run(&hot, 1, &[(b"a", 10, 600)], 200 * SECOND);
        hot.reset(200 * SECOND);
        assert!(hot.report(200 * SECOND, Heat::Ops, 9).keys.is_empty());
        // A command that began before the reset, by the old count of halvings.
        thread.note(&hot, &keyspace(), &[(0, b"b")], 1, 205 * SECOND);
        assert_eq!(hot.report(210 * SECOND, Heat::Ops, 9).keys.len(), 1);
    }
}
