//! What a key is worth: rules for victims from samples, each with 32 bits of state per key.

use super::Dice;
use super::sampled::{Clock, Rule};

/// Every key is worth the same.
pub struct Random(pub Dice);

impl Rule for Random {
    fn inserted(&mut self, _key: u32, _clock: &Clock) -> u32 {
        self.0.roll() as u32
    }

    fn used(&mut self, word: u32, _clock: &Clock) -> u32 {
        word
    }

    fn value(&self, word: u32, _clock: &Clock) -> u64 {
        u64::from(word)
    }
}

/// The word is the time of the last use, on a clock that ticks every so many requests.
pub struct Lru {
    pub requests_per_tick: u64,
}

impl Rule for Lru {
    fn inserted(&mut self, _key: u32, clock: &Clock) -> u32 {
        (clock.requests / self.requests_per_tick) as u32
    }

    fn used(&mut self, _word: u32, clock: &Clock) -> u32 {
        (clock.requests / self.requests_per_tick) as u32
    }

    fn value(&self, word: u32, _clock: &Clock) -> u64 {
        u64::from(word)
    }
}

/// The counter of `redis-server`: 8 bits, logarithmic with factor 10, 5 for a new key, one less for every
/// minute without use. The word is the minute and, in its low 8 bits, the counter.
pub struct RedisLfu {
    pub requests_per_minute: u64,
    pub dice: Dice,
}

impl RedisLfu {
    const INITIAL: u32 = 5;
    const FACTOR: f64 = 10.0;

    fn minute(&self, clock: &Clock) -> u32 {
        (clock.requests / self.requests_per_minute) as u32
    }

    fn counter(&self, word: u32, clock: &Clock) -> u32 {
        (word & 0xff).saturating_sub(self.minute(clock) - (word >> 8))
    }
}

impl Rule for RedisLfu {
    fn inserted(&mut self, _key: u32, clock: &Clock) -> u32 {
        self.minute(clock) << 8 | Self::INITIAL
    }

    fn used(&mut self, word: u32, clock: &Clock) -> u32 {
        let counter = self.counter(word, clock);
        let above = f64::from(counter.saturating_sub(Self::INITIAL));
        let rises = self.dice.share() < 1.0 / (above * Self::FACTOR + 1.0);
        self.minute(clock) << 8 | (counter + u32::from(rises)).min(255)
    }

    fn value(&self, word: u32, clock: &Clock) -> u64 {
        u64::from(self.counter(word, clock))
    }
}

/// A counter that halves whenever the cache was filled anew while the key was not used; among equals the
/// least recently used one goes. The word is the time of the last use in 1/256 turnover and, in its high 8
/// bits, the counter.
pub struct AgedLfu {
    /// Turnovers in which a counter halves.
    pub half_life: f64,
}

impl AgedLfu {
    const TIME_MASK: u32 = 0x00ff_ffff;

    fn now(clock: &Clock) -> u32 {
        (clock.turnovers() * 256.0) as u32 & Self::TIME_MASK
    }

    fn age(word: u32, clock: &Clock) -> u32 {
        Self::now(clock).wrapping_sub(word) & Self::TIME_MASK
    }

    fn counter(&self, word: u32, clock: &Clock) -> u32 {
        let halvings = f64::from(Self::age(word, clock)) / 256.0 / self.half_life;
        (word >> 24).checked_shr(halvings as u32).unwrap_or(0)
    }
}

impl Rule for AgedLfu {
    fn inserted(&mut self, _key: u32, clock: &Clock) -> u32 {
        1 << 24 | Self::now(clock)
    }

    fn used(&mut self, word: u32, clock: &Clock) -> u32 {
        (self.counter(word, clock) + 1).min(255) << 24 | Self::now(clock)
    }

    fn value(&self, word: u32, clock: &Clock) -> u64 {
        let recency = Self::TIME_MASK - Self::age(word, clock);
        u64::from(self.counter(word, clock)) << 32 | u64::from(recency)
    }
}

/// Hyperbolic caching (Blankstein, Sen, Freedman: "Hyperbolic Caching: Flexible Caching for Web
/// Applications", USENIX ATC 2017): uses per time in the cache. The word is the time of entry in units of 64
/// requests, 20 bits, and the uses, 12 bits; when these are full, uses and age are halved.
pub struct Hyperbolic;

impl Hyperbolic {
    const TIME_MASK: u32 = 0x000f_ffff;
    const USES_MAX: u32 = 0xfff;

    fn now(clock: &Clock) -> u32 {
        (clock.requests / 64) as u32 & Self::TIME_MASK
    }

    fn age(word: u32, clock: &Clock) -> u32 {
        Self::now(clock).wrapping_sub(word) & Self::TIME_MASK
    }
}

impl Rule for Hyperbolic {
    fn inserted(&mut self, _key: u32, clock: &Clock) -> u32 {
        1 << 20 | Self::now(clock)
    }

    fn used(&mut self, word: u32, clock: &Clock) -> u32 {
        let uses = word >> 20;
        if uses < Self::USES_MAX {
            return word + (1 << 20);
        }
        let entered = Self::now(clock).wrapping_sub(Self::age(word, clock) / 2) & Self::TIME_MASK;
        (uses / 2 + 1) << 20 | entered
    }

    fn value(&self, word: u32, clock: &Clock) -> u64 {
        (u64::from(word >> 20) << 32) / (u64::from(Self::age(word, clock)) + 1)
    }
}

/// LFU with dynamic aging (Arlitt et al.: "Evaluating content management techniques for Web proxy caches",
/// ACM SIGMETRICS Performance Evaluation Review 2000): uses, plus what the last victim was worth when the
/// key was last used. The word is that sum and, in its high 8 bits, the uses.
#[derive(Default)]
pub struct LfuDa {
    /// What the last victim was worth.
    level: u32,
}

impl LfuDa {
    const WORTH_MASK: u32 = 0x00ff_ffff;

    fn word(&self, uses: u32) -> u32 {
        uses << 24 | (self.level + uses) & Self::WORTH_MASK
    }
}

impl Rule for LfuDa {
    fn inserted(&mut self, _key: u32, _clock: &Clock) -> u32 {
        self.word(1)
    }

    fn used(&mut self, word: u32, _clock: &Clock) -> u32 {
        self.word(((word >> 24) + 1).min(255))
    }

    fn value(&self, word: u32, _clock: &Clock) -> u64 {
        u64::from(word & Self::WORTH_MASK)
    }

    fn evicted(&mut self, _key: u32, word: u32, _clock: &Clock) {
        self.level = self.level.max(word & Self::WORTH_MASK);
    }
}
