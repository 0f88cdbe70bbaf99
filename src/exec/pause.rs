//! `CLIENT PAUSE`: commands of other clients wait until a moment in time.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// What is paused, and until when.
#[derive(Debug, Default)]
pub struct Pause {
    /// Unix milliseconds; 0 when nothing is paused.
    until_ms: AtomicI64,
    /// Everything, not only writes.
    all: AtomicBool,
    /// The server is stopping: everything waits, whatever clients ask for.
    frozen: AtomicBool,
}

impl Pause {
    /// Pauses writes, or everything, until `until_ms`. A pause that is under way never becomes shorter
    /// or milder.
    pub fn begin(&self, until_ms: i64, all: bool, now_ms: i64) {
        let running = self.until_ms.load(Ordering::Relaxed);
        let is_running = running > now_ms;
        self.until_ms
            .store(if is_running { running.max(until_ms) } else { until_ms }, Ordering::Relaxed);
        self.all.store(all || is_running && self.all.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.until_ms.store(0, Ordering::Relaxed);
    }

    /// Holds everything back while the server tries to stop.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Until when a command must wait, if it must.
    #[inline]
    pub fn holds(&self, is_write: bool, now_ms: i64) -> Option<i64> {
        if self.frozen.load(Ordering::Relaxed) {
            return Some(i64::MAX);
        }
        let until = self.until_ms.load(Ordering::Relaxed);
        let holds = until > now_ms && (is_write || self.all.load(Ordering::Relaxed));
        holds.then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_pause_is_never_shortened_or_made_milder() {
        let pause = Pause::default();
        pause.begin(1_000, true, 0);
        pause.begin(500, false, 0);
        assert_eq!(pause.holds(false, 999), Some(1_000));
        assert_eq!(pause.holds(true, 1_000), None);
        pause.begin(2_000, false, 1_500);
        assert_eq!(pause.holds(false, 1_600), None);
        assert_eq!(pause.holds(true, 1_600), Some(2_000));
    }
}
