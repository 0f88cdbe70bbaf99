//! Eviction as in the server: no lists, a 32-bit word beside each key, victims from random buckets.
//!
//! Keys lie in buckets by their hash, about 5.5 in each. To evict, random buckets are looked through until
//! enough keys were seen; the 16 least valuable keys seen so far, now or before, wait in a pool, and the
//! least valuable one goes, unless it was used meanwhile. (The pool is an idea of `redis-server`.)
//! What a key is worth is up to the [`Rule`].

use super::{Dice, Policy, scatter};

/// The table's buckets have seven slots and are 68 to 85 % full.
const KEYS_PER_BUCKET: f64 = 5.5;
const POOL_MAX: usize = 16;
const ABSENT: u32 = u32::MAX;

/// What a rule may know of the time.
#[derive(Clone, Copy)]
pub struct Clock {
    pub requests: u64,
    pub evictions: u64,
    pub capacity: usize,
}

impl Clock {
    /// How often the cache was filled anew: evictions, in cache sizes.
    pub fn turnovers(&self) -> f64 {
        self.evictions as f64 / self.capacity as f64
    }
}

/// What a key's word means.
pub trait Rule {
    /// The word of a key that comes in.
    fn inserted(&mut self, key: u32, clock: &Clock) -> u32;

    /// The word after a use.
    fn used(&mut self, word: u32, clock: &Clock) -> u32;

    /// The key of least value goes.
    fn value(&self, word: u32, clock: &Clock) -> u64;

    /// A key has gone.
    fn evicted(&mut self, _key: u32, _word: u32, _clock: &Clock) {}
}

struct Candidate {
    key: u32,
    word: u32,
    value: u64,
}

/// See the module's description.
pub struct Sampled<R> {
    rule: R,
    samples: usize,
    clock: Clock,
    len: usize,
    /// By key: its bucket, or `ABSENT`.
    bucket_of: Vec<u32>,
    words: Vec<u32>,
    buckets: Vec<Vec<u32>>,
    /// The least valuable first.
    pool: Vec<Candidate>,
    dice: Dice,
}

impl<R: Rule> Sampled<R> {
    /// `samples` keys at least are looked at per eviction.
    pub fn new(rule: R, samples: usize, capacity: usize, bound: u32) -> Sampled<R> {
        let buckets = (capacity as f64 / KEYS_PER_BUCKET).ceil() as usize;
        Sampled {
            rule,
            samples,
            clock: Clock { requests: 0, evictions: 0, capacity },
            len: 0,
            bucket_of: vec![ABSENT; bound as usize],
            words: vec![0; bound as usize],
            buckets: vec![Vec::new(); buckets],
            pool: Vec::new(),
            dice: Dice::new(),
        }
    }

    fn evict(&mut self) {
        self.sample();
        while let Some(victim) = self.next_victim() {
            let Candidate { key, word, .. } = victim;
            let is_as_it_was = self.bucket_of[key as usize] != ABSENT;
            if is_as_it_was && self.words[key as usize] == word {
                self.clock.evictions += 1;
                self.rule.evicted(key, word, &self.clock);
                return self.remove(key);
            }
        }
        // Everything that waited has been used meanwhile.
        self.evict();
    }

    fn next_victim(&mut self) -> Option<Candidate> {
        (!self.pool.is_empty()).then(|| self.pool.remove(0))
    }

    fn sample(&mut self) {
        for candidate in &mut self.pool {
            candidate.value = self.rule.value(candidate.word, &self.clock);
        }
        let mut seen = 0;
        while seen < self.samples {
            let bucket = self.dice.below(self.buckets.len());
            seen += self.buckets[bucket].len();
            for key in &self.buckets[bucket] {
                if self.pool.iter().any(|waiting| waiting.key == *key) {
                    continue;
                }
                let word = self.words[*key as usize];
                let value = self.rule.value(word, &self.clock);
                self.pool.push(Candidate { key: *key, word, value });
            }
        }
        self.pool.sort_by_key(|candidate| candidate.value);
        self.pool.truncate(POOL_MAX);
    }

    fn remove(&mut self, key: u32) {
        let bucket = std::mem::replace(&mut self.bucket_of[key as usize], ABSENT);
        self.buckets[bucket as usize].retain(|other| *other != key);
        self.len -= 1;
    }

    fn insert(&mut self, key: u32) {
        self.words[key as usize] = self.rule.inserted(key, &self.clock);
        let hash = u128::from(scatter(u64::from(key)));
        let bucket = ((hash * self.buckets.len() as u128) >> 64) as usize;
        self.bucket_of[key as usize] = bucket as u32;
        self.buckets[bucket].push(key);
        self.len += 1;
    }
}

impl<R: Rule> Policy for Sampled<R> {
    fn request(&mut self, key: u32) -> bool {
        self.clock.requests += 1;
        let hit = self.bucket_of[key as usize] != ABSENT;
        if hit {
            let word = self.words[key as usize];
            self.words[key as usize] = self.rule.used(word, &self.clock);
            return true;
        }
        if self.len == self.clock.capacity {
            self.evict();
        }
        self.insert(key);
        false
    }
}
