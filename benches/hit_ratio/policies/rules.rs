//! What a key is worth: rules for victims from samples, each with 32 bits of state per key.

use super::sampled::{Clock, Rule};
use super::{Dice, scatter};

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

/// Marks of keys that went, 16 bits in a slot that their hash chooses. A slot knows the last one only, and
/// one in 65,536 strangers is taken for it.
pub struct Ghost {
    slots: Vec<u16>,
}

impl Ghost {
    pub fn new(slots: usize) -> Ghost {
        Ghost { slots: vec![0; slots] }
    }

    fn slot(&self, key: u32) -> (usize, u16) {
        let hash = scatter(u64::from(key));
        let at = (u128::from(hash) * self.slots.len() as u128) >> 64;
        (at as usize, hash as u16 | 1)
    }

    fn remember(&mut self, key: u32) {
        let (at, mark) = self.slot(key);
        self.slots[at] = mark;
    }

    fn recalls(&self, key: u32) -> bool {
        let (at, mark) = self.slot(key);
        self.slots[at] == mark
    }
}

/// LRFU (Lee et al.: "LRFU: A spectrum of policies that subsumes the least recently used and least
/// frequently used policies", IEEE Transactions on Computers 2001) on a clock of evictions.
///
/// A use is worth 1, and half as much one half-life later. All values sink alike, so their order never
/// changes by itself, and the word can stay as it is between uses: the logarithm of the value, plus the
/// time. A use at the time `now` makes `now + log2(2^(word - now) + 1)` of it.
///
/// With a [`Ghost`], new keys are on trial as in 2Q (Johnson and Shasha, VLDB 1994) and S3-FIFO, though
/// without a queue: their word is a little above that of recent victims, so they soon go unless they are used.
/// A key that comes again while the ghost knows it enters like a key in use.
pub struct Lrfu {
    /// In turnovers.
    half_life: f64,
    trial: Option<Trial>,
    dice: Dice,
}

struct Trial {
    ghost: Ghost,
    /// Where new keys enter, between the level (0) and the present (1).
    entry: f64,
    /// The average of recent victims' words, in half-lives from the present. Below 0.
    level: f64,
}

impl Lrfu {
    /// Of the logarithm, behind the point.
    const FRACTION_BITS: u32 = 14;
    const UNIT: f64 = (1 << Self::FRACTION_BITS) as f64;
    /// A victim's share in the average.
    const LEVEL_GAIN: f64 = 0.001;

    pub fn new(half_life: f64) -> Lrfu {
        Lrfu { half_life, trial: None, dice: Dice::new() }
    }

    /// With new keys on trial.
    pub fn with_ghost(half_life: f64, entry: f64, ghost: Ghost) -> Lrfu {
        Lrfu { trial: Some(Trial { ghost, entry, level: 0.0 }), ..Lrfu::new(half_life) }
    }

    fn now(&self, clock: &Clock) -> u32 {
        (clock.turnovers() / self.half_life * Self::UNIT) as u64 as u32
    }

    /// In half-lives; below 0 for what a key was worth long ago.
    fn above_now(&self, word: u32, clock: &Clock) -> f64 {
        f64::from(word.wrapping_sub(self.now(clock)) as i32) / Self::UNIT
    }
}

impl Rule for Lrfu {
    fn inserted(&mut self, key: u32, clock: &Clock) -> u32 {
        let now = self.now(clock);
        match &self.trial {
            Some(trial) if !trial.ghost.recalls(key) => {
                let behind = -trial.level * (1.0 - trial.entry);
                now.wrapping_sub((behind * Self::UNIT) as u32)
            }
            _ => now,
        }
    }

    /// Rounded by chance, so that small gains add up.
    fn used(&mut self, word: u32, clock: &Clock) -> u32 {
        let old = self.above_now(word, clock);
        let gained = old.max(0.0) + (-old.abs()).exp2().ln_1p() / std::f64::consts::LN_2;
        let units = gained * Self::UNIT + self.dice.share();
        self.now(clock).wrapping_add(units as u32)
    }

    fn value(&self, word: u32, clock: &Clock) -> u64 {
        let above = word.wrapping_sub(self.now(clock)) as i32;
        (i64::from(above) - i64::from(i32::MIN)) as u64
    }

    fn evicted(&mut self, key: u32, word: u32, clock: &Clock) {
        let above = self.above_now(word, clock);
        if let Some(trial) = &mut self.trial {
            trial.ghost.remember(key);
            trial.level += (above.min(0.0) - trial.level) * Self::LEVEL_GAIN;
        }
    }
}
