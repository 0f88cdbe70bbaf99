//! Replacement policies, simulated with a capacity in keys.
//!
//! In reading order: `queue` (linked lists of keys) → `exact` (LRU, LFU, the optimum) → `fifo` (SIEVE,
//! S3-FIFO) → `tiny_lfu` → `sampled` (victims from random buckets, as in the server), its `rules` and the
//! candidate among them, `lrfu`.

mod exact;
mod fifo;
mod lrfu;
mod queue;
mod rules;
mod sampled;
mod tiny_lfu;

pub use exact::{ExactLfu, ExactLru, Optimum};
pub use fifo::{S3Fifo, Sieve};
pub use lrfu::Lrfu;
pub use rules::{AgedLfu, Hyperbolic, LfuDa, Lru, Random, RedisLfu};
pub use sampled::{Rule, Sampled};
pub use tiny_lfu::TinyLfu;

use crate::traces::Trace;

/// A cache that remembers keys only.
pub trait Policy {
    /// Asks for a key, which is in the cache afterwards. True for a hit.
    fn request(&mut self, key: u32) -> bool;
}

/// The share of hits in a trace from the request `warm_up` on.
pub fn hit_ratio(policy: &mut dyn Policy, trace: &Trace, warm_up: usize) -> f64 {
    let (before, measured) = trace.keys.split_at(warm_up);
    before.iter().for_each(|key| {
        policy.request(*key);
    });
    let hits = measured.iter().filter(|key| policy.request(**key)).count();
    hits as f64 / measured.len() as f64
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): scatters
/// neighbouring numbers, and makes random ones of a counter.
pub fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A sequence of random numbers, the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Dice {
        Dice(0)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 += 1;
        scatter(self.0)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.roll()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 up to 1.
    pub fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
