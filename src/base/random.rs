//! Randomness as a parameter.
//!
//! Whoever needs chance (`SPOP`, eviction sampling, run IDs) holds a `Random`; the server seeds it
//! from the operating system, a test with a number, and then the test repeats exactly. The
//! generator is a cryptographic one (ChaCha), so that generated secrets may come from it as well.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// A source of random numbers. Cheap to keep one per thread; not shared.
pub struct Random(StdRng);

impl Random {
    /// Seeded by the operating system.
    pub fn from_entropy() -> Self {
        let mut seed = <StdRng as SeedableRng>::Seed::default();
        getrandom::fill(&mut seed).expect("the operating system hands out entropy");
        Self(StdRng::from_seed(seed))
    }

    /// The same seed gives the same numbers.
    pub fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 up to but not including `end`, all equally likely. `end` must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// `count` different numbers from 0 up to but not including `end`, in rising order; all such sets are
    /// equally likely. `count` must not be above `end`.
    pub fn distinct_below(&mut self, end: usize, count: usize) -> Vec<usize> {
        let mut numbers = rand::seq::index::sample(&mut self.0, end, count).into_vec();
        numbers.sort_unstable();
        numbers
    }

    /// A double from 0.0 up to but not including 1.0.
    pub fn unit_f64(&mut self) -> f64 {
        self.0.random()
    }

    /// `count` lower-case hexadecimal digits, for identifiers and generated passwords.
    pub fn hex(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from_digit(self.below(16) as u32, 16).expect("below 16 is a digit"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut a, mut b) = (Random::seeded(7), Random::seeded(7));
        for _ in 0..100 {
            assert_eq!(a.next_u64(), b.next_u64());
        }
        assert_ne!(Random::seeded(7).next_u64(), Random::seeded(8).next_u64());
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut random = Random::seeded(1);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            seen[random.below(5)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn distinct_numbers_are_drawn_equally_often() {
        let mut random = Random::seeded(1);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            let numbers = random.distinct_below(5, 2);
            assert!(numbers[0] < numbers[1]);
            numbers.iter().for_each(|number| seen[*number] += 1);
        }
        assert!(seen.iter().all(|count| (340..460).contains(count)), "{seen:?}");
        assert_eq!(random.distinct_below(3, 3), [0, 1, 2]);
        assert!(random.distinct_below(0, 0).is_empty());
    }

    #[test]
    fn hex_has_the_asked_length_and_differs_each_time() {
        let mut random = Random::from_entropy();
        let (a, b) = (random.hex(40), random.hex(40));
        assert_eq!(a.len(), 40);
        assert!(a.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        assert_ne!(a, b);
    }
}
