//! The requests: seeded, so that every server and every simulated policy sees the same ones.
//!
//! A trace is a list of key numbers. Each stands for one thing that a cache meets:
//!
//! - `zipf 0.8 .. 1.2`: popularity that never changes. Frequency tells all, recency little.
//! - `scan`: Zipf 0.99, and every fourth request belongs to a scan, a burst of neighbours that nobody asks
//!   for again: a nightly job that reads a table through the cache.
//! - `shifting`: Zipf 0.99 whose popular keys are others every so often. Old frequency misleads.
//! - `latest`: keys appear all the time and the youngest are the most popular, as in workload D of YCSB
//!   (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010). Recency tells all.
//! - `loop`: one sequence of keys over and over, a little longer than the cache. LRU never hits.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};

const EXPONENT: f64 = 0.99;
/// Of 4 requests between two beginnings of a scan, one belongs to it.
const SCAN_SHARE: usize = 4;
/// Keys of a scan, in parts of the universe.
const SCAN_PART: usize = 20;
/// Popularity changes so many times in a trace.
const SHIFTS: usize = 12;
/// `latest` makes a key every so many requests.
const REQUESTS_PER_BIRTH: usize = 10;

/// What a trace is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Zipf(f64),
    Scan,
    Shifting,
    Latest,
    Loop,
}

pub const KINDS: [(&str, Kind); 7] = [
    ("zipf-0.8", Kind::Zipf(0.8)),
    ("zipf-0.99", Kind::Zipf(0.99)),
    ("zipf-1.2", Kind::Zipf(1.2)),
    ("scan", Kind::Scan),
    ("shifting", Kind::Shifting),
    ("latest", Kind::Latest),
    ("loop", Kind::Loop),
];

impl Kind {
    pub fn name(self) -> &'static str {
        let found = KINDS.iter().find(|(_, kind)| *kind == self);
        found.expect("every kind that is used is in the table").0
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Keys of which a Zipf distribution chooses.
    pub universe: usize,
    pub requests: usize,
    /// Keys of the loop.
    pub loop_keys: usize,
    pub seed: u64,
}

/// See the module's description.
pub struct Trace {
    pub kind: Kind,
    pub keys: Vec<u32>,
    /// All keys are smaller.
    pub bound: u32,
}

impl Trace {
    pub fn generate(kind: Kind, size: Size) -> Trace {
        let keys = match kind {
            Kind::Zipf(exponent) => zipf(size, exponent, |_, rank| rank),
            Kind::Scan => scan(size),
            Kind::Shifting => shifting(size),
            Kind::Latest => latest(size),
            Kind::Loop => (0..size.requests).map(|at| (at % size.loop_keys) as u32).collect(),
        };
        let bound = keys.iter().max().map_or(0, |largest| largest + 1);
        Trace { kind, keys, bound }
    }

    /// For each request, when its key is asked for the next time; `u32::MAX` for never again.
    pub fn next_uses(&self) -> Vec<u32> {
        let mut next_of_key = vec![u32::MAX; self.bound as usize];
        let mut next_uses = vec![u32::MAX; self.keys.len()];
        for (at, key) in self.keys.iter().enumerate().rev() {
            next_uses[at] = std::mem::replace(&mut next_of_key[*key as usize], at as u32);
        }
        next_uses
    }
}

/// Ranks from 0, turned into keys by what they mean at that request.
fn zipf(size: Size, exponent: f64, key_of: impl Fn(usize, u32) -> u32) -> Vec<u32> {
    let ranks = Zipf::new(size.universe as f64, exponent).expect("both parameters are positive");
    let mut random = StdRng::seed_from_u64(size.seed);
    let rank = |random: &mut StdRng| ranks.sample(random) as u32 - 1;
    (0..size.requests).map(|at| key_of(at, rank(&mut random))).collect()
}

/// The keys of scans lie behind those of the universe, and each is used once.
fn scan(size: Size) -> Vec<u32> {
    let scan_keys = size.universe / SCAN_PART;
    let period = scan_keys * SCAN_SHARE;
    zipf(size, EXPONENT, |at, rank| {
        let (scans, within) = (at / period, at % period);
        let is_scan = within >= period - scan_keys;
        let scanned = scans * scan_keys + within % scan_keys;
        if is_scan { (size.universe + scanned) as u32 } else { rank }
    })
}

/// The most popular key moves by more than the cache holds.
fn shifting(size: Size) -> Vec<u32> {
    let period = (size.requests / SHIFTS).max(1);
    let distance = size.universe / SHIFTS;
    zipf(size, EXPONENT, |at, rank| {
        let shifted = rank as usize + at / period * distance;
        (shifted % size.universe) as u32
    })
}

/// The universe's keys are there from the beginning; rank 0 is the youngest at the time.
fn latest(size: Size) -> Vec<u32> {
    zipf(size, EXPONENT, |at, rank| {
        let youngest = size.universe + at / REQUESTS_PER_BIRTH;
        (youngest - rank as usize) as u32
    })
}
