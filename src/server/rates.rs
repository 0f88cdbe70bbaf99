//! The rates behind `instantaneous_*` in `INFO`: commands and bytes per second over the last moments.

use crate::base::sync::{Mutex, Rank};
use crate::exec::{Counter, Engine, ThreadStats};

/// How many samples a rate is averaged over.
const SAMPLES: usize = 16;
const SAMPLE_MS: i64 = 100;

#[derive(Default)]
struct Window {
    last_ms: i64,
    last: [u64; 3],
    /// Per second: commands, bytes in, bytes out.
    samples: [[f64; 3]; SAMPLES],
    next: usize,
}

/// Rates over the last one and a half seconds.
pub(super) struct Rates(Mutex<Window>);

impl Default for Rates {
    fn default() -> Rates {
        Rates(Mutex::new(Rank::Leaf, Window::default()))
    }
}

impl Rates {
    /// Takes a sample, if it is time; tells whether it was.
    pub(super) fn sample(&self, engine: &Engine) -> bool {
        let now_ms = engine.clock.monotonic_nanos() / 1_000_000;
        if now_ms - self.0.lock().last_ms < SAMPLE_MS {
            return false;
        }
        let total = |counter: fn(&ThreadStats) -> &Counter| engine.stats.total(counter);
        let totals = [total(|s| &s.processed), total(|s| &s.bytes_in), total(|s| &s.bytes_out)];
        let mut window = self.0.lock();
        let seconds = (now_ms - window.last_ms) as f64 / 1000.0;
        let last = std::mem::replace(&mut window.last, totals);
        window.last_ms = now_ms;
        let slot = window.next % SAMPLES;
        window.samples[slot] =
            std::array::from_fn(|n| totals[n].saturating_sub(last[n]) as f64 / seconds);
        window.next += 1;
        true
    }

    pub(super) fn per_second(&self) -> [f64; 3] {
        let window = self.0.lock();
        std::array::from_fn(|n| {
            window.samples.iter().map(|sample| sample[n]).sum::<f64>() / SAMPLES as f64
        })
    }
}
