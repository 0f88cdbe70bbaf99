//! What others approximate: least recently used, least frequently used, and what no policy can beat.

use std::collections::BTreeSet;

use super::Policy;
use super::queue::{Links, Queue};
use crate::traces::Trace;

/// The key that was not used for the longest time goes.
pub struct ExactLru {
    capacity: usize,
    present: Vec<bool>,
    links: Links,
    queue: Queue,
}

impl ExactLru {
    pub fn new(capacity: usize, bound: u32) -> ExactLru {
        let present = vec![false; bound as usize];
        ExactLru { capacity, present, links: Links::new(bound), queue: Queue::new() }
    }
}

impl Policy for ExactLru {
    fn request(&mut self, key: u32) -> bool {
        let hit = std::mem::replace(&mut self.present[key as usize], true);
        if hit {
            self.queue.remove(&mut self.links, key);
        } else if self.queue.len() == self.capacity {
            let victim = self.queue.pop(&mut self.links);
            self.present[victim as usize] = false;
        }
        self.queue.push(&mut self.links, key);
        hit
    }
}

/// The key with the fewest uses since it came goes; among equals the least recently used one.
pub struct ExactLfu {
    capacity: usize,
    now: u32,
    /// Uses and time of the last one; no uses for keys that are not in the cache.
    uses: Vec<(u32, u32)>,
    order: BTreeSet<(u32, u32, u32)>,
}

impl ExactLfu {
    pub fn new(capacity: usize, bound: u32) -> ExactLfu {
        ExactLfu { capacity, now: 0, uses: vec![(0, 0); bound as usize], order: BTreeSet::new() }
    }
}

impl Policy for ExactLfu {
    fn request(&mut self, key: u32) -> bool {
        self.now += 1;
        let (uses, last) = self.uses[key as usize];
        let hit = uses > 0;
        if hit {
            self.order.remove(&(uses, last, key));
        } else if self.order.len() == self.capacity {
            let (_, _, victim) = self.order.pop_first().expect("the cache is full");
            self.uses[victim as usize] = (0, 0);
        }
        self.uses[key as usize] = (uses + 1, self.now);
        self.order.insert((uses + 1, self.now, key));
        hit
    }
}

/// The key whose next use is the farthest goes (Belady: "A study of replacement algorithms for a
/// virtual-storage computer", IBM Systems Journal 1966). Only a trace that is known can be served so.
pub struct Optimum {
    capacity: usize,
    at: usize,
    next_uses: Vec<u32>,
    /// The next use of every key in the cache; 0, which no next use is, for others.
    next_of_key: Vec<u32>,
    order: BTreeSet<(u32, u32)>,
}

impl Optimum {
    /// For this trace from its beginning.
    pub fn new(capacity: usize, trace: &Trace) -> Optimum {
        let next_of_key = vec![0; trace.bound as usize];
        let next_uses = trace.next_uses();
        Optimum { capacity, at: 0, next_uses, next_of_key, order: BTreeSet::new() }
    }
}

impl Policy for Optimum {
    fn request(&mut self, key: u32) -> bool {
        let next_use = self.next_uses[self.at];
        self.at += 1;
        let last = std::mem::replace(&mut self.next_of_key[key as usize], next_use);
        let hit = last > 0;
        if hit {
            self.order.remove(&(last, key));
        } else if self.order.len() == self.capacity {
            let (_, victim) = self.order.pop_last().expect("the cache is full");
            self.next_of_key[victim as usize] = 0;
        }
        self.order.insert((next_use, key));
        hit
    }
}
