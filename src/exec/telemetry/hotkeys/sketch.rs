//! A sketch of which keys weigh most in a stream of samples, in bounded memory.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data Streams",
//! ICDT 2005) with weights: there is a fixed number of counters; a key that has none takes over the smallest one, weight
//! included, and remembers that weight as what it may be overrated by. So a counter is never below the true weight, and
//! never above it by more than its error.
//!
//! The counters are in sets of eight, of which the key's hash chooses one, and each set is a sketch of its own. So an
//! update looks at eight counters instead of all of them, without a heap or an index. What a set gives up is that many
//! heavy keys may meet in one: with 64 sets it takes nine of them, and then their errors tell.

use crate::base::bytes::KeyExcerpt;

const SETS: usize = 64;
const WAYS: usize = 8;

/// A key in one database, by its hash. Two keys with the same 64 bits of a keyed hash are taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Identity {
    pub hash: u64,
    pub db: u32,
}

impl Identity {
    fn set(self) -> usize {
        (self.hash >> 32) as usize % SETS
    }
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    pub id: Identity,
    pub key: KeyExcerpt,
    /// What keys are ranked by, and an upper bound.
    pub weight: f64,
    /// The weight is too high by at most that.
    pub error: f64,
    /// The other measure, since the key has this counter.
    pub other: f64,
    /// Of how many samples this is made.
    pub samples: f64,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    sets: Box<[Vec<Counter>]>,
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch { sets: (0..SETS).map(|_| Vec::new()).collect() }
    }
}

impl Sketch {
    /// Adds one sample.
    pub(super) fn add(&mut self, id: Identity, key: &[u8], weight: f64, other: f64) {
        let set = &mut self.sets[id.set()];
        if let Some(counter) = set.iter_mut().find(|counter| counter.id == id) {
            counter.weight += weight;
            counter.other += other;
            counter.samples += 1.0;
            return;
        }
        let fresh = |error: f64| {
            let key = KeyExcerpt::of(key);
            Counter { id, key, weight: error + weight, error, other, samples: 1.0 }
        };
        if set.len() < WAYS {
            set.push(fresh(0.0));
            return;
        }
        let smallest = set.iter_mut().min_by(|a, b| a.weight.total_cmp(&b.weight));
        let smallest = smallest.expect("a full set is not empty");
        *smallest = fresh(smallest.weight);
    }

    /// Everything counts for so much less. What has become next to nothing goes.
    pub(super) fn scale(&mut self, factor: f64) {
        const NOTHING: f64 = 0.01;
        for set in &mut self.sets {
            for counter in &mut *set {
                counter.weight *= factor;
                counter.error *= factor;
                counter.other *= factor;
                counter.samples *= factor;
            }
            set.retain(|counter| counter.samples > NOTHING);
        }
    }

    /// What a key that has no counter may weigh at most.
    pub(super) fn missing_max(&self, id: Identity) -> f64 {
        let set = &self.sets[id.set()];
        if set.len() < WAYS {
            return 0.0;
        }
        set.iter().map(|counter| counter.weight).fold(f64::INFINITY, f64::min)
    }

    pub(super) fn get(&self, id: Identity) -> Option<&Counter> {
        self.sets[id.set()].iter().find(|counter| counter.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Counter> {
        self.sets.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Random;
    use std::collections::BTreeMap;

    fn id(number: u64) -> Identity {
        Identity { hash: number.wrapping_mul(0x9E37_79B9_7F4A_7C15), db: 0 }
    }

    /// Key `n` of a thousand is drawn about 1/n as often as the first.
    fn skewed(random: &mut Random) -> u64 {
        (1000f64.powf(random.unit_f64())) as u64
    }

    #[test]
    fn counters_bound_true_weights_from_above_and_by_their_errors_from_below() {
        let (mut sketch, mut truth) = (Sketch::default(), BTreeMap::<u64, f64>::new());
        let mut random = Random::seeded(1);
        for _ in 0..50_000 {
            // Every other sample is of a key that never comes again.
            let rare = 1_000_000 + random.next_u64() / 2;
            for number in [skewed(&mut random), rare] {
                sketch.add(id(number), b"key", 2.0, 1.0);
                *truth.entry(number).or_default() += 2.0;
            }
        }
        for (number, weight) in &truth {
            match sketch.get(id(*number)) {
                Some(counter) => {
                    assert!(counter.weight >= *weight, "{number}");
                    assert!(counter.weight - counter.error <= *weight, "{number}");
                }
                None => assert!(sketch.missing_max(id(*number)) >= *weight, "{number}"),
            }
        }
        let mut found: Vec<&Counter> = sketch.iter().collect();
        found.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let best: Vec<Identity> = found.iter().take(5).map(|counter| counter.id).collect();
        assert_eq!(best, [id(1), id(2), id(3), id(4), id(5)]);
    }

    #[test]
    fn a_sketch_holds_so_many_counters_and_no_more() {
        let mut sketch = Sketch::default();
        (0..100_000).for_each(|number| sketch.add(id(number), &[b'k'; 4096], 1.0, 1.0));
        assert_eq!(sketch.iter().count(), SETS * WAYS);
        assert!(sketch.iter().all(|counter| counter.key.shown.len() == 1024));
    }

    #[test]
    fn what_was_long_ago_counts_less_and_goes() {
        let mut sketch = Sketch::default();
        sketch.add(id(1), b"old", 8.0, 4.0);
        sketch.scale(0.5);
        sketch.add(id(2), b"new", 8.0, 4.0);
        assert_eq!(sketch.get(id(1)).map(|counter| counter.weight), Some(4.0));
        sketch.scale(0.005);
        assert!(sketch.get(id(1)).is_none());
    }
}
