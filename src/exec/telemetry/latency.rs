//! `LATENCY`: spikes by kind of event, when `latency-monitor-threshold` is set.
//!
//! For each kind (`command`, `fast-command`, `expire-cycle`, ...) the last 160 samples above the
//! threshold are kept, at most one per second: the worst of that second.

use std::collections::{BTreeMap, VecDeque};

use crate::base::sync::{Mutex, Rank};

const SAMPLES_MAX: usize = 160;

/// A spike: Unix seconds and milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub unix_s: i64,
    pub millis: u64,
}

/// The samples of one kind.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub samples: VecDeque<Sample>,
    /// Worst ever.
    pub max_millis: u64,
}

/// See the module's description.
pub struct LatencyMonitor(Mutex<BTreeMap<&'static str, Series>>);

impl Default for LatencyMonitor {
    fn default() -> LatencyMonitor {
        LatencyMonitor(Mutex::new(Rank::Leaf, BTreeMap::new()))
    }
}

impl LatencyMonitor {
    /// Keeps a sample, if it reaches the threshold (milliseconds, 0 for never).
    pub fn record(&self, kind: &'static str, sample: Sample, threshold_millis: u64) {
        if threshold_millis == 0 || sample.millis < threshold_millis {
            return;
        }
        let mut all = self.0.lock();
        let series = all.entry(kind).or_default();
        series.max_millis = series.max_millis.max(sample.millis);
        match series.samples.back_mut() {
            Some(last) if last.unix_s == sample.unix_s => {
                last.millis = last.millis.max(sample.millis)
            }
            _ => series.samples.push_back(sample),
        }
        if series.samples.len() > SAMPLES_MAX {
            series.samples.pop_front();
        }
    }

    pub fn all(&self) -> Vec<(&'static str, Series)> {
        self.0.lock().iter().map(|(kind, series)| (*kind, series.clone())).collect()
    }

    /// Forgets some kinds, or all if none are named; tells how many.
    pub fn reset(&self, kinds: &[&[u8]]) -> usize {
        let mut all = self.0.lock();
        let before = all.len();
        all.retain(|kind, _| {
            !kinds.is_empty()
                && !kinds.iter().any(|name| name.eq_ignore_ascii_case(kind.as_bytes()))
        });
        before - all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_per_second_keeps_the_worst() {
        let monitor = LatencyMonitor::default();
        for (unix_s, millis) in [(1, 5), (1, 20), (1, 10), (2, 3), (3, 7)] {
            monitor.record("command", Sample { unix_s, millis }, 5);
        }
        let (_, series) = monitor.all().remove(0);
        assert_eq!(series.max_millis, 20);
        let millis: Vec<u64> = series.samples.iter().map(|sample| sample.millis).collect();
        assert_eq!(millis, [20, 7]);
        assert_eq!(monitor.reset(&[b"COMMAND"]), 1);
    }
}
