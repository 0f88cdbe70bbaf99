//! The access word of an entry: when, or how often, it was used.
//!
//! One 32-bit word beside each entry's slot. Under LRU policies it is the time of the last use in hundredths of
//! a second, which come around after 497 days: a key that nobody used for so long looks young once.
//! (Redis counts seconds. A busy cache turns over many times in a second.)
//!
//! Under LFU policies the low 8 bits are a logarithmic counter and the other 24 the time of the last use in
//! quarters of a second, which come around after 48 days: it orders those that were used equally often,
//! and the counter decays by it. The counter is Redis's (`evict.c` describes the figures): it rises with
//! probability `1 / ((counter - 5) * factor + 1)` and falls by one for every `decay` minutes that end
//! without a use.
//!
//! The word is an atomic that readers update under a shared lock; a lost update is no harm.

use std::sync::atomic::{AtomicU32, Ordering};

/// A new entry's counter, so that it is not the first to be evicted.
const LFU_INITIAL: u32 = 5;
const COUNTER_BITS: u32 = 8;
const QUARTER_MASK: u32 = u32::MAX >> COUNTER_BITS;
const QUARTERS_PER_MINUTE: u32 = 240;
/// An idle time so close to coming around, in hundredths of a second, is that of a use in the future: a clock was set back.
const CLOCK_SLACK: u32 = 24 * 3600 * 100;

/// How accesses are recorded at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    Lru,
    Lfu { log_factor: u32, decay_minutes: u32 },
}

/// How a command records its accesses.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub tracking: Tracking,
    /// Unix time in milliseconds.
    pub now_ms: i64,
    /// False for clients that asked for `CLIENT NO-TOUCH`.
    pub touches: bool,
    /// Changes from command to command; the LFU counter's dice.
    pub random: u32,
}

impl Access {
    /// The word of a new entry.
    pub fn initial(&self) -> u32 {
        match self.tracking {
            Tracking::Lru => self.hundredths(),
            Tracking::Lfu { .. } => self.quarters() << COUNTER_BITS | LFU_INITIAL,
        }
    }

    /// Records one use.
    #[inline]
    pub fn touch(&self, word: &AtomicU32) {
        if !self.touches {
            return;
        }
        let old = word.load(Ordering::Relaxed);
        let new = match self.tracking {
            Tracking::Lru => self.hundredths(),
            Tracking::Lfu { log_factor, .. } => {
                self.quarters() << COUNTER_BITS | self.bump(self.frequency(old), log_factor)
            }
        };
        if new != old {
            word.store(new, Ordering::Relaxed);
        }
    }

    fn hundredths(&self) -> u32 {
        (self.now_ms / 10) as u32
    }

    fn quarters(&self) -> u32 {
        (self.now_ms / 250) as u32 & QUARTER_MASK
    }

    fn bump(&self, counter: u32, log_factor: u32) -> u32 {
        let above = u64::from(counter.saturating_sub(LFU_INITIAL));
        let odds = above * u64::from(log_factor) + 1;
        let wins = u64::from(self.random) * odds < 1 << 32;
        if wins { (counter + 1).min(255) } else { counter }
    }

    /// The LFU counter of a word, decayed to the present.
    pub fn frequency(&self, word: u32) -> u32 {
        let counter = word & 0xff;
        let Tracking::Lfu { decay_minutes, .. } = self.tracking else { return counter };
        let now = self.quarters();
        let unused = now.wrapping_sub(word >> COUNTER_BITS) & QUARTER_MASK;
        // Ends of minutes are counted, or a key that is used every 50 seconds would never decay.
        let left = QUARTERS_PER_MINUTE - 1 - now % QUARTERS_PER_MINUTE;
        let minutes = (unused + left) / QUARTERS_PER_MINUTE;
        match minutes.checked_div(decay_minutes) {
            Some(periods) => counter.saturating_sub(periods),
            None => counter,
        }
    }

    /// How soon an entry with this word should go: the highest goes first.
    pub fn staleness(&self, word: u32) -> u32 {
        match self.tracking {
            Tracking::Lru => self.idle_hundredths(word),
            Tracking::Lfu { .. } => {
                let unused = self.quarters().wrapping_sub(word >> COUNTER_BITS) & QUARTER_MASK;
                (0xff - self.frequency(word)) << (32 - COUNTER_BITS) | unused
            }
        }
    }

    /// The word of an entry that was not used for so many seconds.
    pub fn idle_for(&self, seconds: i64) -> u32 {
        let idle = u32::try_from(seconds.saturating_mul(100)).unwrap_or(u32::MAX);
        self.hundredths().wrapping_sub(idle.min(u32::MAX - CLOCK_SLACK))
    }

    /// The word of an entry whose LFU counter, up to 255, is this now.
    pub fn used_with(&self, frequency: u32) -> u32 {
        debug_assert!(frequency <= 0xff, "the counter has eight bits");
        self.quarters() << COUNTER_BITS | frequency
    }

    /// Seconds since the last use, by a word kept under LRU.
    pub fn idle_seconds(&self, word: u32) -> u32 {
        self.idle_hundredths(word) / 100
    }

    fn idle_hundredths(&self, word: u32) -> u32 {
        let idle = self.hundredths().wrapping_sub(word);
        if idle > u32::MAX - CLOCK_SLACK { 0 } else { idle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lfu(now_s: i64, random: u32) -> Access {
        let tracking = Tracking::Lfu { log_factor: 10, decay_minutes: 1 };
        Access { tracking, now_ms: now_s * 1000, touches: true, random }
    }

    fn lru(now_s: i64) -> Access {
        Access { tracking: Tracking::Lru, now_ms: now_s * 1000, touches: true, random: 0 }
    }

    #[test]
    fn a_counter_rises_when_the_dice_say_so_and_decays_by_the_minute() {
        let word = AtomicU32::new(lfu(0, 0).initial());
        lfu(0, 0).touch(&word);
        assert_eq!(lfu(0, 0).frequency(word.load(Ordering::Relaxed)), 6);
        lfu(0, u32::MAX).touch(&word);
        assert_eq!(lfu(0, 0).frequency(word.load(Ordering::Relaxed)), 6);
        assert_eq!(lfu(180, 0).frequency(word.load(Ordering::Relaxed)), 3);
        assert_eq!(lfu(6_000, 0).frequency(word.load(Ordering::Relaxed)), 0);
    }

    #[test]
    fn uses_do_not_keep_the_minutes_from_counting() {
        let word = AtomicU32::new(lfu(0, u32::MAX).used_with(50));
        for now_s in (0..600).step_by(50) {
            lfu(now_s, u32::MAX).touch(&word);
        }
        assert_eq!(lfu(600, 0).frequency(word.load(Ordering::Relaxed)), 40);
    }

    #[test]
    fn what_is_used_less_or_longer_ago_is_staler() {
        let now = lfu(1_000, 0);
        let words = [lfu(990, 0).used_with(20), lfu(999, 0).used_with(5), lfu(990, 0).used_with(5)];
        assert!(words.map(|word| now.staleness(word)).is_sorted());
        assert!(lru(9).staleness(lru(8).initial()) < lru(9).staleness(lru(7).initial()));
        let ahead = lru(11).initial();
        assert_eq!(lru(9).staleness(ahead), 0, "a clock that was set back makes nothing old");
    }

    #[test]
    fn a_restored_use_reads_back() {
        let now = lru(1_790_000_000);
        assert_eq!(now.idle_seconds(now.idle_for(70)), 70);
        assert!(now.idle_seconds(now.idle_for(i64::MAX)) > 490 * 24 * 3600);
        assert_eq!(lfu(180, 0).frequency(lfu(180, 0).used_with(255)), 255);
    }

    #[test]
    fn untouching_clients_leave_no_trace() {
        let quiet = Access { touches: false, ..lru(90) };
        let word = AtomicU32::new(700);
        quiet.touch(&word);
        assert_eq!(word.load(Ordering::Relaxed), 700);
        assert_eq!(quiet.idle_seconds(700), 83);
    }
}
