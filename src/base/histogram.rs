//! Latency histograms with logarithmic buckets.
//!
//! A value falls into one of eight equal parts of its power of two, so it is known to within 12.5%.
//! Like all statistics a histogram has one writer, as in `exec::telemetry::stats`.

use std::sync::atomic::{AtomicU64, Ordering};

const PARTS_BITS: u32 = 3;
const PARTS: usize = 1 << PARTS_BITS;
/// Values from 2^37 nanoseconds (137 s) on share the last bucket.
const POWERS: usize = 35;
const BUCKETS: usize = POWERS * PARTS;

/// Counts by bucket, nanoseconds.
pub struct Histogram([AtomicU64; BUCKETS]);

/// A copy of a histogram, or the sum of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([u64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Default for Counts {
    fn default() -> Counts {
        Counts([0; BUCKETS])
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < PARTS as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2();
    let part = (nanos >> (power - PARTS_BITS)) as usize & (PARTS - 1);
    ((power - PARTS_BITS + 1) as usize * PARTS + part).min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn bucket_end(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let shift = (bucket / PARTS - 1) as u32;
    (((PARTS + bucket % PARTS + 1) as u64) << shift) - 1
}

impl Histogram {
    #[inline]
    pub fn record(&self, nanos: u64) {
        let count = &self.0[bucket_of(nanos)];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub fn add_to(&self, counts: &mut Counts) {
        for (sum, count) in counts.0.iter_mut().zip(&self.0) {
            *sum += count.load(Ordering::Relaxed);
        }
    }
}

impl Counts {
    /// Takes away what was counted before.
    pub fn subtract(&mut self, before: &Counts) {
        for (count, before) in self.0.iter_mut().zip(&before.0) {
            *count -= before;
        }
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The value, in nanoseconds, below which `percent` of the recorded ones lie.
    pub fn percentile(&self, percent: f64) -> u64 {
        let rank = (self.total() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.0.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.map_or(0, bucket_end)
    }

    /// `(microseconds, how many took at most that)` for the powers of two that something happened in,
    /// as `LATENCY HISTOGRAM` prints them.
    pub fn cumulative_by_power(&self) -> Vec<(u64, u64)> {
        let mut lines: Vec<(u64, u64)> = Vec::new();
        let mut seen = 0;
        for (bucket, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += count;
            let micros = bucket_end(bucket).div_ceil(1000).max(1).next_power_of_two();
            match lines.last_mut() {
                Some(last) if last.0 == micros => last.1 = seen,
                _ => lines.push((micros, seen)),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_its_bucket() {
        for power in 0..36 {
            for offset in [0, 1, 7] {
                let value = (1u64 << power) + offset;
                let end = bucket_end(bucket_of(value));
                assert!(
                    end >= value && end as f64 <= value as f64 * 1.126,
                    "{value} in bucket to {end}"
                );
            }
        }
    }

    #[test]
    fn percentiles_and_powers_count_what_was_recorded() {
        let histogram = Histogram::default();
        (1..=100).for_each(|micros| histogram.record(micros * 1000));
        let mut counts = Counts::default();
        histogram.add_to(&mut counts);
        assert_eq!(counts.total(), 100);
        let median = counts.percentile(50.0);
        assert!((50_000..58_000).contains(&median), "{median}");
        assert_eq!(counts.cumulative_by_power().last(), Some(&(128, 100)));
    }
}
