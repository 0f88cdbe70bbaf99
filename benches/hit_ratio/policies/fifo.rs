//! Two policies of queues that a hit does not reorder.

use super::Policy;
use super::queue::{Links, NONE, Queue};

/// SIEVE (Zhang et al.: "SIEVE is Simpler than LRU", NSDI 2024). A hand goes from the oldest key to the
/// newest, spares who was used since it last came by, and evicts the first that was not.
pub struct Sieve {
    capacity: usize,
    present: Vec<bool>,
    used: Vec<bool>,
    links: Links,
    queue: Queue,
    hand: u32,
}

impl Sieve {
    pub fn new(capacity: usize, bound: u32) -> Sieve {
        let flags = vec![false; bound as usize];
        let (links, queue) = (Links::new(bound), Queue::new());
        Sieve { capacity, present: flags.clone(), used: flags, links, queue, hand: NONE }
    }

    fn evict(&mut self) {
        let mut victim = if self.hand == NONE { self.queue.oldest() } else { self.hand };
        while std::mem::replace(&mut self.used[victim as usize], false) {
            let newer = self.links.newer(victim);
            victim = if newer == NONE { self.queue.oldest() } else { newer };
        }
        self.hand = self.links.newer(victim);
        self.queue.remove(&mut self.links, victim);
        self.present[victim as usize] = false;
    }
}

impl Policy for Sieve {
    fn request(&mut self, key: u32) -> bool {
        if self.present[key as usize] {
            self.used[key as usize] = true;
            return true;
        }
        if self.queue.len() == self.capacity {
            self.evict();
        }
        self.present[key as usize] = true;
        self.queue.push(&mut self.links, key);
        false
    }
}

/// Where a key of [`S3Fifo`] is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Nowhere,
    Small,
    Main,
    Ghost,
}

/// S3-FIFO (Yang et al.: "FIFO queues are all you need for cache eviction", SOSP 2023). New keys enter a
/// small queue and must be used there to enter the main one; names of those that were not are kept, and
/// such a key that comes again goes to the main queue at once.
pub struct S3Fifo {
    small_capacity: usize,
    main_capacity: usize,
    place: Vec<Place>,
    /// Uses since it entered its queue, up to 3.
    uses: Vec<u8>,
    links: Links,
    small: Queue,
    main: Queue,
    ghost: Queue,
}

impl S3Fifo {
    /// A tenth is for the small queue; as many names are kept as there are keys in the main one.
    pub fn new(capacity: usize, bound: u32) -> S3Fifo {
        let small_capacity = (capacity / 10).max(1);
        S3Fifo {
            small_capacity,
            main_capacity: capacity - small_capacity,
            place: vec![Place::Nowhere; bound as usize],
            uses: vec![0; bound as usize],
            links: Links::new(bound),
            small: Queue::new(),
            main: Queue::new(),
            ghost: Queue::new(),
        }
    }

    fn make_room(&mut self) {
        while self.small.len() + self.main.len() >= self.small_capacity + self.main_capacity {
            if self.small.len() >= self.small_capacity {
                self.shrink_small();
            } else {
                self.shrink_main();
            }
        }
    }

    fn shrink_small(&mut self) {
        let key = self.small.pop(&mut self.links);
        if std::mem::take(&mut self.uses[key as usize]) > 1 {
            self.place[key as usize] = Place::Main;
            self.main.push(&mut self.links, key);
            return;
        }
        self.place[key as usize] = Place::Ghost;
        self.ghost.push(&mut self.links, key);
        if self.ghost.len() > self.main_capacity {
            let forgotten = self.ghost.pop(&mut self.links);
            self.place[forgotten as usize] = Place::Nowhere;
        }
    }

    fn shrink_main(&mut self) {
        let key = self.main.pop(&mut self.links);
        if self.uses[key as usize] > 0 {
            self.uses[key as usize] -= 1;
            self.main.push(&mut self.links, key);
        } else {
            self.place[key as usize] = Place::Nowhere;
        }
    }
}

impl Policy for S3Fifo {
    fn request(&mut self, key: u32) -> bool {
        let place = self.place[key as usize];
        if matches!(place, Place::Small | Place::Main) {
            self.uses[key as usize] = (self.uses[key as usize] + 1).min(3);
            return true;
        }
        if place == Place::Ghost {
            self.ghost.remove(&mut self.links, key);
        }
        self.place[key as usize] = Place::Nowhere;
        self.make_room();
        let known = place == Place::Ghost;
        self.place[key as usize] = if known { Place::Main } else { Place::Small };
        let queue = if known { &mut self.main } else { &mut self.small };
        queue.push(&mut self.links, key);
        self.uses[key as usize] = 0;
        false
    }
}
