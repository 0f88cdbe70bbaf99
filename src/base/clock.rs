//! Time as a parameter.
//!
//! Two readings exist: the wall clock (Unix time, for deadlines that outlive the process) and a
//! monotonic clock (for durations). Everything that needs time receives a [`Clock`]; tests hand in a
//! manual one and move it, so that no test sleeps and no result depends on luck.
//!
//! A worker reads time once per command. [`Reader`] turns one monotonic reading into both: it
//! remembers the distance between the two clocks and is told to look again once per turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::sync::{Mutex, Rank};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// A source of time: the machine's, or one that a test moves.
pub enum Clock {
    System { start: Instant },
    Manual { micros: AtomicI64, hooks: Mutex<Vec<Hook>> },
}

impl Clock {
    pub fn system() -> Clock {
        Clock::System { start: Instant::now() }
    }

    /// A clock that stands still at `unix_ms` until [`Clock::advance`] is called.
    pub fn manual(unix_ms: i64) -> Clock {
        Clock::Manual {
            micros: AtomicI64::new(unix_ms * 1000),
            hooks: Mutex::new(Rank::Leaf, Vec::new()),
        }
    }

    /// Wall clock: microseconds since the Unix epoch.
    pub fn unix_micros(&self) -> i64 {
        match self {
            Clock::System { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Clock::Manual { micros, .. } => micros.load(Ordering::SeqCst),
        }
    }

    /// Wall clock: milliseconds since the Unix epoch.
    pub fn unix_millis(&self) -> i64 {
        self.unix_micros() / 1000
    }

    /// Nanoseconds since some fixed moment; never goes back.
    pub fn monotonic_nanos(&self) -> i64 {
        match self {
            Clock::System { start } => start.elapsed().as_nanos() as i64,
            Clock::Manual { micros, .. } => micros.load(Ordering::SeqCst) * 1000,
        }
    }

    /// Moves a manual clock forward and calls the hooks, so that sleeping threads look again.
    ///
    /// # Panics
    /// When called on the system clock: nobody moves that one.
    pub fn advance(&self, by: Duration) {
        let Clock::Manual { micros, hooks } = self else {
            panic!("only a manual clock can be moved")
        };
        micros.fetch_add(by.as_micros() as i64, Ordering::SeqCst);
        let hooks = hooks.lock().clone();
        for hook in hooks {
            hook();
        }
    }

    /// Registers what must wake up when a manual clock is moved. The system clock ignores it.
    pub fn on_advance(&self, hook: impl Fn() + Send + Sync + 'static) {
        if let Clock::Manual { hooks, .. } = self {
            hooks.lock().push(Arc::new(hook));
        }
    }

    /// The same on something that may be gone by then: its hook does not keep it alive.
    pub fn on_advance_for<T: Send + Sync + 'static>(
        &self,
        target: &Arc<T>,
        hook: impl Fn(&T) + Send + Sync + 'static,
    ) {
        let target = Arc::downgrade(target);
        self.on_advance(move || {
            if let Some(target) = target.upgrade() {
                hook(&target);
            }
        });
    }
}

/// One thread's view of the clock: a single monotonic reading yields both times.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    wall_minus_monotonic_nanos: i64,
}

impl Reader {
    /// Looks at both clocks. A thread may lose its core between two readings, so the wall clock's is taken between two of
    /// the other one, until these are close.
    pub fn new(clock: &Clock) -> Reader {
        const CLOSE_NANOS: i64 = 100_000;
        const ATTEMPTS: usize = 10;
        let look = || {
            let before = clock.monotonic_nanos();
            let wall = clock.unix_micros() * 1000;
            let took = clock.monotonic_nanos() - before;
            (took, wall - before - took / 2)
        };
        let mut looks = std::iter::repeat_with(look).take(ATTEMPTS);
        let mut best = looks.next().expect("there is an attempt");
        while best.0 > CLOSE_NANOS {
            let Some(next) = looks.next() else { break };
            best = best.min(next);
        }
        Reader { wall_minus_monotonic_nanos: best.1 }
    }

    /// The moment that a monotonic reading stands for.
    pub fn moment(&self, monotonic_nanos: i64) -> Moment {
        let unix_nanos = monotonic_nanos + self.wall_minus_monotonic_nanos;
        Moment { monotonic_nanos, unix_micros: unix_nanos.div_euclid(1000) }
    }

    pub fn now(&self, clock: &Clock) -> Moment {
        self.moment(clock.monotonic_nanos())
    }
}

/// One instant, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub monotonic_nanos: i64,
    pub unix_micros: i64,
}

impl Moment {
    /// Before every deadline.
    pub const EPOCH: Moment = Moment { monotonic_nanos: 0, unix_micros: 0 };

    pub fn unix_millis(&self) -> i64 {
        self.unix_micros.div_euclid(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_calls_its_hooks() {
        let clock = Clock::manual(1_000);
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        clock.on_advance(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(clock.unix_millis(), 1_000);
        clock.advance(Duration::from_millis(250));
        assert_eq!(clock.unix_millis(), 1_250);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn one_monotonic_reading_yields_both_times() {
        let clock = Clock::manual(5_000);
        let reader = Reader::new(&clock);
        clock.advance(Duration::from_micros(1_500));
        let now = reader.now(&clock);
        assert_eq!(now.unix_micros, 5_001_500);
        assert_eq!(now.unix_millis(), 5_001);
    }
}
