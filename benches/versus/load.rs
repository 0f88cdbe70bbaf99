//! A load: generators on their threads, steered through phases by the part that measures.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Result;
use crate::generator::{Generator, SILENCE_MAX, Signals, TICK, Tally};
use crate::options::Options;
use crate::workload::{Mix, Ranges, Requests};

/// When clients send.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each client sends a batch, waits for all of its replies, and sends the next: as fast as the
    /// server allows.
    Closed { pipeline: usize },
    /// So many requests each millisecond, over all clients of a generator, whether or not earlier ones
    /// were answered.
    Open { per_tick: u64 },
}

impl Pace {
    pub fn per_second(rate: u64) -> Pace {
        Pace::Open { per_tick: rate * TICK.as_millis() as u64 / 1000 }
    }
}

/// What a load consists of.
#[derive(Clone, Debug)]
pub struct LoadSpec {
    pub mix: Mix,
    pub ranges: Ranges,
    pub value_bytes: usize,
    pub clients: usize,
    pub threads: usize,
    pub pace: Pace,
}

impl LoadSpec {
    /// `GET` and `SET` on the keys that were loaded, at the rate that servers are compared at.
    pub fn mixed(options: &Options, clients: usize) -> LoadSpec {
        LoadSpec {
            mix: Mix::MIXED,
            ranges: Ranges::keys(options.keys),
            value_bytes: options.value_bytes,
            clients,
            threads: options.threads,
            pace: Pace::per_second(options.rate),
        }
    }
}

/// What happened in one phase.
pub struct Phase {
    pub operations: u64,
    /// How many of the replies were null.
    pub nulls: u64,
    pub elapsed: Duration,
    /// Nanoseconds.
    pub latencies: Histogram<u64>,
}

impl Phase {
    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds; `quantile` from 0 to 1. Not a number if nothing happened.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        if self.latencies.is_empty() {
            return f64::NAN;
        }
        self.latencies.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// A load that is running. It is in phase 0 until [`Load::next_phase`].
pub struct Load {
    signals: Arc<Signals>,
    generators: Vec<JoinHandle<Result<Vec<Tally>>>>,
    /// When each phase began.
    began: Vec<Instant>,
    phases: usize,
}

impl Load {
    /// Connects all clients and lets them send. `phases` is how many phases there will be.
    pub fn start(address: SocketAddr, spec: &LoadSpec, phases: usize) -> Result<Load> {
        let threads = spec.threads.min(spec.clients).max(1);
        let pace = match spec.pace {
            Pace::Open { per_tick } => Pace::Open { per_tick: (per_tick / threads as u64).max(1) },
            closed => closed,
        };
        let mut generators = Vec::with_capacity(threads);
        for thread in 0..threads {
            let share = spec.clients / threads + usize::from(thread < spec.clients % threads);
            let streams: std::io::Result<Vec<TcpStream>> =
                (0..share).map(|_| TcpStream::connect(address)).collect();
            let requests =
                Requests::new(spec.mix, spec.ranges, spec.value_bytes, 1000 + thread as u64);
            let generator = Generator::new(streams?, requests, pace, phases)?;
            generators.push(move |signals: &Signals| generator.run(signals));
        }
        Ok(Load::of(generators, phases))
    }

    /// Lets each of these run on a thread of its own.
    pub fn of<G>(generators: Vec<G>, phases: usize) -> Load
    where
        G: FnOnce(&Signals) -> Result<Vec<Tally>> + Send + 'static,
    {
        let signals = Arc::new(Signals::default());
        let start = |generator: G| {
            let signals = Arc::clone(&signals);
            std::thread::spawn(move || generator(&signals))
        };
        let generators = generators.into_iter().map(start).collect();
        Load { signals, generators, began: vec![Instant::now()], phases }
    }

    /// Returns when something has happened in this phase. A machine that is busy with something else may
    /// leave a short phase without time of its own. The end of the load tells if a generator has failed.
    pub fn wait_for_anything(&self) {
        let began = Instant::now();
        let has_failed = || self.generators.iter().any(JoinHandle::is_finished);
        while !self.signals.is_reached() && !has_failed() && began.elapsed() < SILENCE_MAX {
            std::thread::sleep(TICK);
        }
    }

    /// What is answered from now on belongs to the next phase.
    pub fn next_phase(&mut self) {
        assert!(self.began.len() < self.phases, "there are as many phases as was said");
        self.signals.phase.store(self.began.len(), Ordering::Relaxed);
        self.began.push(Instant::now());
    }

    /// Ends the load, and returns its phases, or the first error that a generator met.
    pub fn finish(mut self) -> Result<Vec<Phase>> {
        let ended = Instant::now();
        self.signals.stop.store(true, Ordering::Relaxed);
        let mut tallies = vec![Tally::new(); self.began.len()];
        for generator in std::mem::take(&mut self.generators) {
            let of_one = generator.join().map_err(|_| "a load generator panicked")??;
            tallies.iter_mut().zip(&of_one).for_each(|(sum, tally)| sum.merge(tally));
        }
        let ends = self.began.iter().skip(1).copied().chain([ended]);
        let phases = tallies.into_iter().zip(self.began.iter().zip(ends));
        Ok(phases
            .map(|(tally, (began, end))| Phase {
                operations: tally.operations,
                nulls: tally.nulls,
                elapsed: end - *began,
                latencies: tally.latencies,
            })
            .collect())
    }
}

impl Drop for Load {
    /// Generators of a measurement that failed have nothing to do any more.
    fn drop(&mut self) {
        self.signals.stop.store(true, Ordering::Relaxed);
    }
}
