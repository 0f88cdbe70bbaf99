//! The access word of an entry: when, or how often, it was used.
//!
//! One 32-bit word beside each entry's slot. Under LRU policies it is the Unix time in seconds of the
//! last use. Under LFU policies the low 8 bits are a logarithmic counter and the next 16 the minute of
//! its last decay, as in Redis: the counter rises with probability `1 / ((counter - 5) * factor + 1)`
//! and falls by one for every `decay` minutes without use. (Redis's `evict.c` describes the figures.)
//!
//! The word is an atomic that readers update under a shared lock; a lost update is no harm.

use std::sync::atomic::{AtomicU32, Ordering};

/// A new entry's counter, so that it is not the first to be evicted.
const LFU_INITIAL: u32 = 5;
const LFU_MINUTE_MASK: u32 = 0xffff;

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
    /// Unix time in seconds.
    pub now_s: u32,
    /// False for clients that asked for `CLIENT NO-TOUCH`.
    pub touches: bool,
    /// Changes from command to command; the LFU counter's dice.
    pub random: u32,
}

impl Access {
    /// The word of a new entry.
    pub fn initial(&self) -> u32 {
        match self.tracking {
            Tracking::Lru => self.now_s,
            Tracking::Lfu { .. } => self.minute() << 8 | LFU_INITIAL,
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
            Tracking::Lru => self.now_s,
            Tracking::Lfu { log_factor, .. } => {
                self.minute() << 8 | self.bump(self.frequency(old), log_factor)
            }
        };
        if new != old {
            word.store(new, Ordering::Relaxed);
        }
    }

    fn minute(&self) -> u32 {
        (self.now_s / 60) & LFU_MINUTE_MASK
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
        let passed = self.minute().wrapping_sub(word >> 8) & LFU_MINUTE_MASK;
        match passed.checked_div(decay_minutes) {
            Some(periods) => counter.saturating_sub(periods),
            None => counter,
        }
    }

    /// The word of an entry that was not used for so many seconds.
    pub fn idle_for(&self, seconds: i64) -> u32 {
        self.now_s.saturating_sub(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// The word of an entry whose LFU counter, up to 255, is this now.
    pub fn used_with(&self, frequency: u32) -> u32 {
        debug_assert!(frequency <= 0xff, "the counter has eight bits");
        self.minute() << 8 | frequency
    }

    /// Seconds since the last use, by a word kept under LRU.
    pub fn idle_seconds(&self, word: u32) -> u32 {
        self.now_s.saturating_sub(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lfu(now_s: u32, random: u32) -> Access {
        let tracking = Tracking::Lfu { log_factor: 10, decay_minutes: 1 };
        Access { tracking, now_s, touches: true, random }
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
    fn a_restored_use_reads_back() {
        let lru = Access { tracking: Tracking::Lru, now_s: 90, touches: true, random: 0 };
        assert_eq!(lru.idle_seconds(lru.idle_for(70)), 70);
        assert_eq!(lru.idle_seconds(lru.idle_for(i64::MAX)), 90);
        assert_eq!(lfu(180, 0).frequency(lfu(180, 0).used_with(255)), 255);
    }

    #[test]
    fn untouching_clients_leave_no_trace() {
        let quiet = Access { tracking: Tracking::Lru, now_s: 90, touches: false, random: 0 };
        let word = AtomicU32::new(7);
        quiet.touch(&word);
        assert_eq!(word.load(Ordering::Relaxed), 7);
        assert_eq!(quiet.idle_seconds(7), 83);
    }
}
