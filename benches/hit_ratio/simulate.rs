//! Policies side by side, all with the same capacity in keys.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::chart::Series;
use crate::markdown::print_table;
use crate::options::Options;
use crate::policies::{
    AgedLfu, Dice, ExactLfu, ExactLru, Hyperbolic, LfuDa, Lrfu, Lru, Optimum, Policy, Random,
    RedisLfu, Rule, S3Fifo, Sampled, Sieve, TinyLfu, hit_ratio,
};
use crate::traces::{Size, Trace};
use crate::{Result, percent, plot};

/// Keys looked at per eviction: one bucket, mostly.
const SAMPLES: usize = 5;
/// How fast the trial of new keys adapts.
const STEP: f64 = 4.0;
/// The loop is longer than the cache by a fifth.
const LOOP_PERCENT: usize = 120;
/// What a minute of the simulated `redis-server` is: 50,000 requests a second.
const REQUESTS_PER_MINUTE: u64 = 3_000_000;

/// A policy that can be made for a capacity and a trace.
struct Entry {
    name: &'static str,
    make: fn(usize, &Trace) -> Box<dyn Policy>,
    /// Whether it is worth a bar in the chart.
    is_drawn: bool,
}

fn sampled<R: Rule + 'static>(rule: R, capacity: usize, trace: &Trace) -> Box<dyn Policy> {
    Box::new(Sampled::new(rule, SAMPLES, capacity, trace.bound))
}

fn entries() -> Vec<Entry> {
    let entry = |name: &'static str, is_drawn, make| Entry { name, make, is_drawn };
    vec![
        entry("optimum (Belady)", true, |c, t| Box::new(Optimum::new(c, t))),
        entry("exact LRU", true, |c, t| Box::new(ExactLru::new(c, t.bound))),
        entry("exact LFU", true, |c, t| Box::new(ExactLfu::new(c, t.bound))),
        entry("SIEVE", true, |c, t| Box::new(Sieve::new(c, t.bound))),
        entry("S3-FIFO", true, |c, t| Box::new(S3Fifo::new(c, t.bound))),
        entry("W-TinyLFU", true, |c, t| Box::new(TinyLfu::new(c, t.bound))),
        entry("sampled random", false, |c, t| sampled(Random(Dice::new()), c, t)),
        entry("sampled LRU", true, |c, t| sampled(Lru { requests_per_tick: 1 }, c, t)),
        entry("sampled LFU of Redis", true, |c, t| {
            let requests_per_minute = REQUESTS_PER_MINUTE;
            sampled(RedisLfu { requests_per_minute, dice: Dice::new() }, c, t)
        }),
        entry("sampled hyperbolic", false, |c, t| sampled(Hyperbolic, c, t)),
        entry("aged LFU, half-life 1", false, |c, t| sampled(AgedLfu { half_life: 1.0 }, c, t)),
        entry("aged LFU, half-life 4", false, |c, t| sampled(AgedLfu { half_life: 4.0 }, c, t)),
        entry("LFU with dynamic aging", false, |c, t| sampled(LfuDa::default(), c, t)),
        entry("LRFU, half-life 1/2", false, |c, t| sampled(Lrfu::new(0.5), c, t)),
        entry("LRFU, half-life 1", false, |c, t| sampled(Lrfu::new(1.0), c, t)),
        entry("LRFU, half-life 4", false, |c, t| sampled(Lrfu::new(4.0), c, t)),
        entry("LRFU on fixed trial, half-life 1", false, |c, t| {
            sampled(Lrfu::with_trial(1.0, 0.0, c), c, t)
        }),
        entry("LRFU on trial, half-life 1/2", true, |c, t| {
            sampled(Lrfu::with_trial(0.5, STEP, c), c, t)
        }),
        entry("LRFU on trial, half-life 1", true, |c, t| {
            sampled(Lrfu::with_trial(1.0, STEP, c), c, t)
        }),
        entry("LRFU on trial, half-life 2", false, |c, t| {
            sampled(Lrfu::with_trial(2.0, STEP, c), c, t)
        }),
    ]
}

pub fn run(options: &Options) -> Result<()> {
    let size = Size {
        universe: options.universe,
        requests: options.requests,
        loop_keys: options.capacity * LOOP_PERCENT / 100,
        seed: options.seed,
    };
    let traces: Vec<Trace> =
        options.traces.iter().map(|kind| Trace::generate(*kind, size)).collect();
    let entries = entries();
    let figures = simulate_all(&entries, &traces, options);
    print(&entries, &figures, options);
    draw(&entries, figures, options)
}

/// The hit ratios by entry and trace, worked out on all cores.
fn simulate_all(entries: &[Entry], traces: &[Trace], options: &Options) -> Vec<Vec<f64>> {
    let next = AtomicUsize::new(0);
    let figures = Mutex::new(vec![Vec::new(); entries.len()]);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(index) else { return };
            let ratio = |trace: &Trace| {
                let mut policy = (entry.make)(options.capacity, trace);
                hit_ratio(policy.as_mut(), trace, options.warm_up)
            };
            let ratios = traces.iter().map(ratio).collect();
            figures.lock().expect("no simulation panics")[index] = ratios;
            eprintln!("{}: done", entry.name);
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| {
            scope.spawn(work);
        });
    });
    figures.into_inner().expect("no simulation panics")
}

/// The last column is the mean over the traces.
fn print(entries: &[Entry], figures: &[Vec<f64>], options: &Options) {
    println!(
        "\n### Hits in percent, simulated: {} keys of {}, {} requests, counted after {}\n",
        options.capacity, options.universe, options.requests, options.warm_up
    );
    let mut head = vec!["policy".to_owned()];
    head.extend(options.traces.iter().map(|kind| kind.name().to_owned()));
    head.push("mean".to_owned());
    let mut lines = vec![head];
    for (entry, ratios) in entries.iter().zip(figures) {
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let mut line = vec![entry.name.to_owned()];
        line.extend(ratios.iter().chain([&mean]).map(|ratio| percent(*ratio)));
        lines.push(line);
    }
    print_table(&lines);
}

fn draw(entries: &[Entry], figures: Vec<Vec<f64>>, options: &Options) -> Result<()> {
    let drawn = entries.iter().zip(figures).filter(|(entry, _)| entry.is_drawn);
    let series = drawn.map(|(entry, figures)| Series { name: entry.name.to_owned(), figures });
    let title = format!("Hits of simulated caches of {} keys", options.capacity);
    plot(options, "hit-ratio-policies.svg", &title, &series.collect::<Vec<_>>())
}
