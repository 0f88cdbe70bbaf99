//! LRFU on a clock of evictions, and with new keys on trial: the candidate for the server.
//!
//! **LRFU** (Lee et al.: "LRFU: A spectrum of policies that subsumes the least recently used and least
//! frequently used policies", IEEE Transactions on Computers 2001). A use is worth 1, and half as much one
//! half-life later; a key is worth what its uses are worth. All values sink alike, so their order never
//! changes by itself, and a key's word can stay as it is between uses: the logarithm of the value, plus the
//! time. A use at the time `now` makes `now + log2(2^(word - now) + 1)` of it. The smallest word goes.
//!
//! Time is counted in evictions, half-lives in turnovers (as many evictions as there are keys): what is not
//! full forgets nothing, and a cache that is asked ten times as much needs no other parameters.
//!
//! **Trial.** New keys enter a little above what recent victims were worth, so they soon go unless they are
//! used, as in 2Q (Johnson and Shasha, VLDB 1994) and S3-FIFO, though without a queue. A key that comes again
//! while the ghost knows it enters like one in use. So scans pass through a small part of the cache.
//!
//! **How strict** the trial is can adapt, as in ARC (Megiddo and Modha: "ARC: A self-tuning, low overhead
//! replacement cache", FAST 2003). Who comes again after it went on trial went too early: the next keys enter
//! higher. Who comes again after it went in spite of uses has been displaced by keys on trial: they enter lower.
//! Each of the two kinds counts more the rarer it is among victims.
//!
//! ```text
//! word   31 bits: log2 of the value, plus time in half-lives, with 14 bits behind the point; wraps around
//!         1 bit:  used since it came
//! ghost  15 bits: of the hash of the last victim that fell on this slot; 1 bit: was used
//! ```

use super::sampled::{Clock, Rule};
use super::{Dice, scatter};

/// The lowest bit of a word.
const USED: u32 = 1;
/// Of a word, behind the point.
const FRACTION_BITS: u32 = 14;
const UNIT: f64 = (1 << FRACTION_BITS) as f64;
/// A victim's share in the average worth of victims.
const LEVEL_GAIN: f64 = 0.001;
/// Where new keys enter at first, and at least, between that average (0) and the present (1).
const FIRST_ENTRY: f64 = 0.1;
const ENTRY_MIN: f64 = 0.02;

/// See the module's description.
pub struct Lrfu {
    /// In turnovers.
    half_life: f64,
    trial: Option<Trial>,
    dice: Dice,
}

impl Lrfu {
    /// New keys are worth one use.
    pub fn new(half_life: f64) -> Lrfu {
        Lrfu { half_life, trial: None, dice: Dice::new() }
    }

    /// New keys are on trial. `step` is how far a ghost per key in the cache moves the entry; 0 for not at all.
    pub fn with_trial(half_life: f64, step: f64, capacity: usize) -> Lrfu {
        Lrfu { trial: Some(Trial::new(step, capacity)), ..Lrfu::new(half_life) }
    }

    fn now(&self, clock: &Clock) -> u32 {
        (clock.turnovers() / self.half_life * UNIT) as u64 as u32 & !USED
    }

    /// In half-lives; below 0 for what a key was worth long ago.
    fn above_now(&self, word: u32, clock: &Clock) -> f64 {
        f64::from((word & !USED).wrapping_sub(self.now(clock)) as i32) / UNIT
    }
}

impl Rule for Lrfu {
    fn inserted(&mut self, key: u32, clock: &Clock) -> u32 {
        let now = self.now(clock);
        let Some(trial) = &mut self.trial else { return now };
        match trial.ghosts.recall(key) {
            Some(was_used) => {
                trial.adapt(was_used);
                now | USED
            }
            None => now.wrapping_sub((trial.behind() * UNIT) as u32) & !USED,
        }
    }

    /// Rounded by chance, so that small gains add up.
    fn used(&mut self, word: u32, clock: &Clock) -> u32 {
        let old = self.above_now(word, clock);
        let worth = old.max(0.0) + (-old.abs()).exp2().ln_1p() / std::f64::consts::LN_2;
        let units = worth * UNIT + self.dice.share();
        self.now(clock).wrapping_add(units as u32) | USED
    }

    fn value(&self, word: u32, clock: &Clock) -> u64 {
        let above = word.wrapping_sub(self.now(clock)) as i32;
        (i64::from(above) - i64::from(i32::MIN)) as u64
    }

    fn evicted(&mut self, key: u32, word: u32, clock: &Clock) {
        let above = self.above_now(word, clock);
        if let Some(trial) = &mut self.trial {
            trial.note_victim(key, word & USED != 0, above);
        }
    }
}

/// What new keys must pass.
struct Trial {
    ghosts: Ghosts,
    /// Where new keys enter, between the level and the present.
    entry: f64,
    /// How far a ghost moves the entry, at least.
    step: f64,
    /// What recent victims were worth on average, in half-lives from the present. Not above 0.
    level: f64,
    /// The share of recent victims that had been used.
    used_share: f64,
    /// A victim's share in that.
    used_gain: f64,
}

impl Trial {
    fn new(step: f64, capacity: usize) -> Trial {
        let per_key = 1.0 / capacity as f64;
        Trial {
            ghosts: Ghosts::new(capacity),
            entry: FIRST_ENTRY,
            step: step * per_key,
            level: 0.0,
            used_share: 0.0,
            used_gain: per_key,
        }
    }

    /// In half-lives.
    fn behind(&self) -> f64 {
        -self.level * (1.0 - self.entry)
    }

    fn note_victim(&mut self, key: u32, was_used: bool, worth: f64) {
        self.ghosts.remember(key, was_used);
        self.level += (worth.min(0.0) - self.level) * LEVEL_GAIN;
        self.used_share += (f64::from(u8::from(was_used)) - self.used_share) * self.used_gain;
    }

    fn adapt(&mut self, was_used: bool) {
        let odds = (self.used_share / (1.0 - self.used_share)).clamp(1e-3, 1e3);
        let change = if was_used { -(1.0 / odds).max(1.0) } else { odds.max(1.0) };
        self.entry = (self.entry + change * self.step).clamp(ENTRY_MIN, 1.0);
    }
}

/// Which keys went recently, one for each slot that their hashes choose. One in 32,768 strangers is taken for
/// the key of its slot.
struct Ghosts {
    slots: Vec<u16>,
}

impl Ghosts {
    const MARK: u16 = 0x7fff;

    fn new(slots: usize) -> Ghosts {
        Ghosts { slots: vec![0; slots] }
    }

    fn slot(&self, key: u32) -> (usize, u16) {
        let hash = scatter(u64::from(key));
        let at = (u128::from(hash) * self.slots.len() as u128) >> 64;
        (at as usize, (hash as u16 | 1) & Self::MARK)
    }

    fn remember(&mut self, key: u32, was_used: bool) {
        let (at, mark) = self.slot(key);
        self.slots[at] = if was_used { mark | !Self::MARK } else { mark };
    }

    /// Whether the key had been used, if it is known.
    fn recall(&self, key: u32) -> Option<bool> {
        let (at, mark) = self.slot(key);
        let found = self.slots[at];
        (found & Self::MARK == mark).then_some(found & !Self::MARK != 0)
    }
}
