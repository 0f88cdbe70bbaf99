//! W-TinyLFU (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM
//! Transactions on Storage 2017), the policy of the Caffeine library.
//!
//! A window of 1 % takes every new key. Who leaves it meets the main part's next victim, and the one
//! that was asked for more often, in the cache or not, stays. The main part is an LRU in two segments.
//! Counts are estimates of a count-min sketch (Cormode and Muthukrishnan, 2005) of 4-bit counters that are
//! halved every ten cache sizes.

use super::queue::{Links, Queue};
use super::{Policy, scatter};

const ROWS: usize = 4;
const COUNT_MAX: u8 = 15;
/// Requests between two halvings, in cache sizes.
const SAMPLE_SIZES: usize = 10;
/// Of the main part, in percent.
const PROTECTED_PERCENT: usize = 80;

/// How often keys were asked for recently.
struct Sketch {
    /// Four rows; a byte for each counter of four bits.
    rows: Vec<u8>,
    mask: usize,
    additions: usize,
    period: usize,
}

impl Sketch {
    fn new(capacity: usize) -> Sketch {
        let width = capacity.next_power_of_two();
        let period = capacity * SAMPLE_SIZES;
        Sketch { rows: vec![0; width * ROWS], mask: width - 1, additions: 0, period }
    }

    /// A key's counter in each row.
    fn counters(&self, key: u32) -> [usize; ROWS] {
        let hash = scatter(u64::from(key));
        let (first, step) = (hash as u32 as usize, (hash >> 32) as usize | 1);
        let width = self.mask + 1;
        std::array::from_fn(|row| row * width + (first.wrapping_add(row * step) & self.mask))
    }

    fn estimate(&self, key: u32) -> u8 {
        let counts = self.counters(key).map(|at| self.rows[at]);
        counts.into_iter().min().expect("there are rows")
    }

    /// Only the smallest counters rise, since the others are too high already.
    fn add(&mut self, key: u32) {
        let estimate = self.estimate(key);
        if estimate < COUNT_MAX {
            for at in self.counters(key) {
                self.rows[at] = self.rows[at].max(estimate + 1);
            }
        }
        self.additions += 1;
        if self.additions == self.period {
            self.additions /= 2;
            self.rows.iter_mut().for_each(|count| *count /= 2);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Nowhere,
    Window,
    Probation,
    Protected,
}

/// See the module's description.
pub struct TinyLfu {
    window_capacity: usize,
    main_capacity: usize,
    sketch: Sketch,
    place: Vec<Place>,
    links: Links,
    window: Queue,
    probation: Queue,
    protected: Queue,
}

impl TinyLfu {
    pub fn new(capacity: usize, bound: u32) -> TinyLfu {
        let window_capacity = (capacity / 100).max(1);
        TinyLfu {
            window_capacity,
            main_capacity: capacity - window_capacity,
            sketch: Sketch::new(capacity),
            place: vec![Place::Nowhere; bound as usize],
            links: Links::new(bound),
            window: Queue::new(),
            probation: Queue::new(),
            protected: Queue::new(),
        }
    }

    fn hit(&mut self, key: u32) {
        match self.place[key as usize] {
            Place::Window => {
                self.window.remove(&mut self.links, key);
                self.window.push(&mut self.links, key);
            }
            Place::Probation => {
                self.probation.remove(&mut self.links, key);
                self.protect(key);
            }
            Place::Protected => {
                self.protected.remove(&mut self.links, key);
                self.protect(key);
            }
            Place::Nowhere => unreachable!("a hit is somewhere"),
        }
    }

    fn protect(&mut self, key: u32) {
        self.place[key as usize] = Place::Protected;
        self.protected.push(&mut self.links, key);
        if self.protected.len() > self.main_capacity * PROTECTED_PERCENT / 100 {
            let demoted = self.protected.pop(&mut self.links);
            self.probate(demoted);
        }
    }

    fn probate(&mut self, key: u32) {
        self.place[key as usize] = Place::Probation;
        self.probation.push(&mut self.links, key);
    }

    /// A key that left the window is compared with the main part's victim.
    fn admit(&mut self, candidate: u32) {
        if self.probation.len() + self.protected.len() < self.main_capacity {
            return self.probate(candidate);
        }
        let from_probation = self.probation.len() > 0;
        let queue = if from_probation { &mut self.probation } else { &mut self.protected };
        let victim = queue.oldest();
        if self.sketch.estimate(candidate) <= self.sketch.estimate(victim) {
            self.place[candidate as usize] = Place::Nowhere;
            return;
        }
        queue.remove(&mut self.links, victim);
        self.place[victim as usize] = Place::Nowhere;
        self.probate(candidate);
    }
}

impl Policy for TinyLfu {
    fn request(&mut self, key: u32) -> bool {
        self.sketch.add(key);
        if self.place[key as usize] != Place::Nowhere {
            self.hit(key);
            return true;
        }
        self.place[key as usize] = Place::Window;
        self.window.push(&mut self.links, key);
        if self.window.len() > self.window_capacity {
            let candidate = self.window.pop(&mut self.links);
            self.admit(candidate);
        }
        false
    }
}
