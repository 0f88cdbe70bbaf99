//! Eviction: choosing which keys go when memory is short, and removing them.
//!
//! Nobody keeps the keys in the order of their use: a list would cost two pointers for each key and a shared
//! lock for each read. Instead, victims are found by looking. A round goes to one shard, chosen by its share of
//! the keys, and looks at some neighbouring buckets of its table. Their order is that of hashes, so
//! neighbours have nothing to do with each other; and because the access word lies in the bucket beside the
//! hash's tag, five keys cost one cache line. The stalest of what was seen go to a small pool, and the
//! stalest of the pool goes (as in Redis, `evict.c`). Hit ratios are within a percent of a real list's.
//! Looking at more keys brings next to nothing under LRU; under LFU it is worse when favourites change, because
//! what was often used long ago then stays for good.
//!
//! Candidates are remembered by hash and access word. One that was used since has another word, so it stays.
//!
//! `volatile-ttl` needs no looking: every shard keeps its deadlines in order, so only the shards are compared.
//!
//! Limits: the shards' shares are as old as [`REFRESH_MS`]; the pool belongs to one thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::access::Access;
use super::effects::event;
use super::hash::KeyHash;
use super::shard::Shard;
use super::view::{Mode, Poisoned, View};
use crate::base::bytes::KeyBytes;
use crate::base::random::Random;

/// How old the figures on shards may be by which one is chosen.
const REFRESH_MS: i64 = 100;
/// Candidates that are kept for later rounds.
const POOL: usize = 16;
/// After so many rounds in vain, each of which begins with newer figures, there is nothing to evict: what is left is
/// damaged. (One may be in vain because others were faster.)
const TRIES: usize = 4;
/// If fewer than one in so many keys have a deadline, these are looked up in their index.
const SPARSE: usize = 8;
/// Buckets from whose keys a random one is taken: so many that they are hardly ever all empty.
const NEARBY: usize = 8;
/// Keys in a bucket, on average.
const BUCKET_LEN: usize = 5;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionOrder {
    /// Who was used longest ago, or least often, as accesses are recorded at the moment.
    Stalest,
    Random,
    FirstToExpire,
}

/// How victims are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionRule {
    pub order: EvictionOrder,
    /// Only keys that have a deadline.
    pub volatile_only: bool,
    /// Buckets of the table that a round looks at.
    pub buckets: usize,
}

impl EvictionRule {
    /// A round looks at about so many keys (`maxmemory-samples`).
    pub fn new(order: EvictionOrder, volatile_only: bool, keys: usize) -> EvictionRule {
        EvictionRule { order, volatile_only, buckets: keys.div_ceil(BUCKET_LEN) }
    }
}

/// A shard by its logical database and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ShardId {
    db: u16,
    shard: u16,
}

impl ShardId {
    fn new(db: usize, shard: usize) -> ShardId {
        let short = |number: usize| u16::try_from(number).expect("there are at most 65536");
        ShardId { db: short(db), shard: short(shard) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: ShardId,
    hash: KeyHash,
    word: u32,
}

/// See the module's description.
pub struct Evictor {
    random: Random,
    rule: EvictionRule,
    /// `None`: at once.
    refreshed_ms: Option<i64>,
    /// Shards with the number of keys in them and in all before them.
    shares: Vec<(u64, ShardId)>,
    /// The least stale first.
    pool: Vec<Candidate>,
    /// Shards by their earliest deadlines.
    by_deadline: BinaryHeap<Reverse<(i64, ShardId)>>,
}

impl Evictor {
    pub fn new(random: Random) -> Evictor {
        let rule = EvictionRule { order: EvictionOrder::Random, volatile_only: false, buckets: 0 };
        Evictor {
            random,
            rule,
            refreshed_ms: None,
            shares: Vec::new(),
            pool: Vec::with_capacity(POOL),
            by_deadline: BinaryHeap::new(),
        }
    }

    /// Removes one key and returns how many bytes it took, by estimate; `None` if there is none to remove.
    /// `log` is called while its shard is still locked. The view holds nothing.
    pub fn evict(
        &mut self,
        view: &mut View<'_>,
        rule: EvictionRule,
        mut log: impl FnMut(&mut View<'_>),
    ) -> Option<usize> {
        if self.rule != rule {
            self.rule = rule;
            self.pool.clear();
            self.refreshed_ms = None;
        }
        for _ in 0..TRIES {
            let is_fresh = |at_ms: i64| (0..REFRESH_MS).contains(&(view.now_ms - at_ms));
            if !self.refreshed_ms.is_some_and(is_fresh) || self.shares.is_empty() {
                self.refresh(view);
            }
            // In a damaged shard nothing is evicted.
            let evicted = match rule.order {
                EvictionOrder::Stalest => self.evict_stalest(view, &mut log),
                EvictionOrder::Random => self.evict_any(view, &mut log),
                EvictionOrder::FirstToExpire => self.evict_first(view, &mut log),
            };
            match evicted {
                Ok(Some(bytes)) => return Some(bytes),
                _ if self.shares.is_empty() => return None,
                _ => self.refreshed_ms = None,
            }
        }
        None
    }

    fn refresh(&mut self, view: &View<'_>) {
        self.refreshed_ms = Some(view.now_ms);
        self.shares.clear();
        self.by_deadline.clear();
        let mut total = 0;
        for db in 0..view.databases() {
            let cells = view.keyspace.shards_if_used(view.physical(db));
            for (shard, cell) in cells.iter().enumerate() {
                let known = cell.published();
                let eligible = if self.rule.volatile_only { known.volatile_len } else { known.len };
                if eligible == 0 {
                    continue;
                }
                total += eligible as u64;
                let id = ShardId::new(db, shard);
                self.shares.push((total, id));
                if self.rule.order == EvictionOrder::FirstToExpire {
                    self.by_deadline.push(Reverse((known.next_key_deadline, id)));
                }
            }
        }
    }

    /// A shard, with the probability of its share of the keys.
    fn pick(&mut self) -> Option<ShardId> {
        let (total, _) = *self.shares.last()?;
        let rank = self.random.next_u64() % total;
        let index = self.shares.partition_point(|(up_to, _)| *up_to <= rank);
        Some(self.shares[index].1)
    }

    fn evict_stalest(
        &mut self,
        view: &mut View<'_>,
        log: &mut impl FnMut(&mut View<'_>),
    ) -> Result<Option<usize>, Poisoned> {
        self.look_around(view)?;
        while let Some(Candidate { id, hash, word }) = self.pool.pop() {
            let evicted = view.evict_at(id, |shard| shard.find_unused(hash, word), log)?;
            if evicted.is_some() {
                return Ok(evicted);
            }
        }
        Ok(None)
    }

    /// One round: looks at some keys and keeps the stalest.
    fn look_around(&mut self, view: &mut View<'_>) -> Result<(), Poisoned> {
        let Some(id) = self.pick() else { return Ok(()) };
        let (random, rule) = (self.random.next_u64(), self.rule);
        let access = view.access();
        let pool = &mut self.pool;
        view.with_shard(id.db.into(), id.shard.into(), Mode::Read, |view| {
            let shard = view.only_shard();
            let mut consider = |at: u32, word: u32| {
                if is_wanted(pool, access, word) && (!rule.volatile_only || shard.is_volatile(at)) {
                    put(pool, access, Candidate { id, hash: shard.hash_at(at), word });
                }
            };
            if rule.volatile_only && is_sparse(shard) {
                shard.volatile_neighbours(random, rule.buckets * BUCKET_LEN, &mut consider);
            } else {
                shard.neighbours(random, rule.buckets, &mut consider);
            }
        })
    }

    fn evict_any(
        &mut self,
        view: &mut View<'_>,
        log: &mut impl FnMut(&mut View<'_>),
    ) -> Result<Option<usize>, Poisoned> {
        let Some(id) = self.pick() else { return Ok(None) };
        let (random, choice) = (self.random.next_u64(), self.random.next_u64());
        let volatile_only = self.rule.volatile_only;
        let find = |shard: &Shard| {
            let mut seen = Vec::new();
            if volatile_only && is_sparse(shard) {
                shard.volatile_neighbours(random, 1, |at, _| seen.push(at));
            } else {
                shard.neighbours(random, NEARBY, |at, _| {
                    if !volatile_only || shard.is_volatile(at) {
                        seen.push(at);
                    }
                });
            }
            let chosen = (choice as usize).checked_rem(seen.len())?;
            Some(seen[chosen])
        };
        view.evict_at(id, find, log)
    }

    fn evict_first(
        &mut self,
        view: &mut View<'_>,
        log: &mut impl FnMut(&mut View<'_>),
    ) -> Result<Option<usize>, Poisoned> {
        let Some(Reverse((_, id))) = self.by_deadline.pop() else { return Ok(None) };
        let mut next = None;
        let find = |shard: &Shard| {
            next = shard.second_deadline();
            shard.first_volatile()
        };
        let evicted = view.evict_at(id, find, log)?;
        self.by_deadline.extend(next.map(|deadline| Reverse((deadline, id))));
        Ok(evicted)
    }
}

/// Whether few of a shard's keys have a deadline.
fn is_sparse(shard: &Shard) -> bool {
    shard.volatile_len() * SPARSE < shard.len()
}

fn is_wanted(pool: &[Candidate], access: Access, word: u32) -> bool {
    let Some(least) = pool.first() else { return true };
    pool.len() < POOL || access.staleness(word) > access.staleness(least.word)
}

/// Adds a candidate, in the place of the least stale one if the pool is full.
fn put(pool: &mut Vec<Candidate>, access: Access, candidate: Candidate) {
    // It may have been seen before, and used since.
    pool.retain(|other| other.hash != candidate.hash || other.id != candidate.id);
    if pool.len() == POOL {
        pool.remove(0);
    }
    let staleness = access.staleness(candidate.word);
    let behind = pool.partition_point(|other| access.staleness(other.word) <= staleness);
    pool.insert(behind, candidate);
}

impl View<'_> {
    /// Removes the entry that `find` finds in a shard; tells how many bytes it took. `log` is called while the
    /// shard is locked.
    fn evict_at(
        &mut self,
        id: ShardId,
        find: impl FnOnce(&Shard) -> Option<u32>,
        log: &mut impl FnMut(&mut Self),
    ) -> Result<Option<usize>, Poisoned> {
        let db = usize::from(id.db);
        self.with_shard(db, id.shard.into(), Mode::Write, |view| {
            let shard = view.only_shard();
            let bytes = KeyBytes::from_slice(shard.key_at(find(shard)?));
            let key = view.key_of_only_shard(db, &bytes);
            let entry = view.only_shard().get(key.hash, &bytes).expect("it was found");
            let freed = entry.memory_bytes();
            if entry.is_due(view.now_ms) {
                view.settle(&key);
            } else {
                view.remove_unasked(&key);
                view.effects.evicted += 1;
                view.effects.event(event::EVICTED, db, &bytes);
            }
            log(view);
            Some(freed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Deadline, DeclaredKey, Keyspace, Tracking, Wants, string_ref};
    use crate::value::hash::{Hash, HashLimits};

    const NOW_MS: i64 = 1_790_000_000_000;
    const KEYS: i64 = 4_000;

    fn view(keyspace: &Keyspace, now_ms: i64) -> View<'_> {
        let access = Access { tracking: Tracking::Lru, now_ms, touches: true, random: 0 };
        let wants = Wants { events: true, log: true, touched: true };
        View::new(keyspace, 0, now_ms, access, wants)
    }

    /// Key number `n` was used `n` seconds after the first; those in `volatile` expire in the opposite order.
    fn filled(volatile: impl Fn(i64) -> bool) -> Keyspace {
        let keyspace = Keyspace::new(2, 16, 4, [7; 16]);
        for n in 0..KEYS {
            let name = n.to_string();
            let mut view = view(&keyspace, NOW_MS + n * 1000);
            let key = DeclaredKey { bytes: name.as_bytes(), db: (n % 2) as usize, arg: 1 };
            view.lock(&[key], Mode::Write).expect("it is sound");
            let key = view.key_at(1).expect("it is declared");
            let deadline = if volatile(n) { Deadline::At(2 * NOW_MS - n) } else { Deadline::Clear };
            view.put_string(&key, string_ref(b"some value"), deadline, event::SET);
        }
        keyspace
    }

    fn rule(order: EvictionOrder, volatile_only: bool) -> EvictionRule {
        EvictionRule { order, volatile_only, buckets: 5 }
    }

    /// Evicts up to `count` keys and returns their numbers.
    fn evict(keyspace: &Keyspace, rule: EvictionRule, count: usize) -> Vec<i64> {
        let mut evictor = Evictor::new(Random::seeded(1));
        let mut view = view(keyspace, NOW_MS + KEYS * 1000);
        let mut logged = Vec::new();
        for _ in 0..count {
            let freed = evictor.evict(&mut view, rule, |view| {
                logged.append(&mut view.effects.removals);
            });
            match freed {
                Some(bytes) => assert!(bytes > 20, "an entry takes {bytes} bytes"),
                None => break,
            }
        }
        assert_eq!(view.effects.evicted as usize, logged.len());
        let events = view.effects.events.iter().filter(|e| e.kind == event::EVICTED).count();
        assert_eq!(events, logged.len());
        logged.iter().map(|command| number_of(&command.args[1])).collect()
    }

    fn number_of(key: &[u8]) -> i64 {
        std::str::from_utf8(key).unwrap().parse().unwrap()
    }

    #[test]
    fn what_goes_is_among_the_stalest_few_percent() {
        let keyspace = filled(|_| false);
        let evicted = evict(&keyspace, rule(EvictionOrder::Stalest, false), 1_000);
        assert_eq!(evicted.len(), 1_000);
        let too_young = evicted.iter().filter(|n| **n > 1_250).count();
        assert!(too_young < 20, "{too_young} of 1000 are younger than the oldest 1250");
    }

    #[test]
    fn keys_without_a_deadline_stay_under_volatile_policies() {
        use EvictionOrder::*;
        for share in [2, 100] {
            let is_volatile = |n: i64| n % share == 1;
            for order in [Stalest, Random, FirstToExpire] {
                let keyspace = filled(is_volatile);
                let evicted = evict(&keyspace, rule(order, true), KEYS as usize);
                assert!(evicted.iter().all(|n| is_volatile(*n)), "{order:?}");
                assert_eq!(evicted.len() as i64, KEYS / share, "{order:?} evicts all there are");
            }
        }
    }

    /// Puts hashes into the store that stay, each with a field that expires, sooner than any key.
    fn add_hashes_with_deadlines(keyspace: &Keyspace) {
        for n in 0..100 {
            let name = format!("hash:{n}");
            let mut view = view(keyspace, NOW_MS);
            let put = view.with_key(n % 2, name.as_bytes(), Mode::Write, |view, key| {
                view.edit(key, |hash: &mut Hash, change| {
                    hash.insert(b"field", b"value", &HashLimits { entries: 8, value: 8 });
                    hash.set_deadline(b"field", NOW_MS + KEYS * 1000 + n as i64 + 1);
                    change.silently();
                })
            });
            assert_eq!(put, Ok(Ok(())));
        }
    }

    #[test]
    fn the_first_to_expire_goes_first() {
        let keyspace = filled(|n| n % 3 == 0);
        add_hashes_with_deadlines(&keyspace);
        let evicted = evict(&keyspace, rule(EvictionOrder::FirstToExpire, true), 500);
        let expected: Vec<i64> = (0..KEYS).rev().filter(|n| n % 3 == 0).take(500).collect();
        assert!(evicted == expected, "in the order of their deadlines");
    }

    #[test]
    fn chance_treats_all_keys_alike() {
        let keyspace = filled(|_| false);
        let evicted = evict(&keyspace, rule(EvictionOrder::Random, false), 1_000);
        let mean = evicted.iter().sum::<i64>() / 1_000;
        assert!((1_800..2_200).contains(&mean), "the mean of 0..4000 is {mean}");
    }

    #[test]
    fn everything_can_go_and_then_there_is_nothing() {
        for order in [EvictionOrder::Stalest, EvictionOrder::Random] {
            let keyspace = filled(|_| false);
            let mut evicted = evict(&keyspace, rule(order, false), KEYS as usize + 1);
            evicted.sort_unstable();
            let left = (0..2).map(|db| keyspace.counts(db).keys).sum::<usize>();
            assert_eq!((left, evicted.len()), (0, KEYS as usize), "{order:?}");
            assert!(evicted.into_iter().eq(0..KEYS), "each goes once");
        }
    }

    #[test]
    fn what_was_used_after_it_was_seen_stays() {
        let keyspace = filled(|_| false);
        let mut evictor = Evictor::new(Random::seeded(1));
        let mut view = view(&keyspace, NOW_MS + KEYS * 1000);
        evictor.evict(&mut view, rule(EvictionOrder::Stalest, false), |_| {});
        let pool: Vec<i64> = evictor.pool.iter().map(|c| key_of(&mut view, c)).collect();
        assert!(pool.len() > 5);
        for n in &pool {
            let name = n.to_string();
            let read = view.with_key((n % 2) as usize, name.as_bytes(), Mode::Read, |view, key| {
                view.read(key).is_some()
            });
            assert_eq!(read, Ok(true));
        }
        let evicted = evict_with(&mut evictor, &mut view, 100);
        assert!(pool.iter().all(|n| !evicted.contains(n)));
    }

    fn key_of(view: &mut View<'_>, candidate: &Candidate) -> i64 {
        let Candidate { id, hash, word } = *candidate;
        let found = view.with_shard(id.db.into(), id.shard.into(), Mode::Read, |view| {
            let shard = view.only_shard();
            number_of(shard.key_at(shard.find_unused(hash, word).expect("it is there")))
        });
        found.expect("it is sound")
    }

    fn evict_with(evictor: &mut Evictor, view: &mut View<'_>, count: usize) -> Vec<i64> {
        let mut keys = Vec::new();
        for _ in 0..count {
            evictor.evict(view, rule(EvictionOrder::Stalest, false), |view| {
                let commands = view.effects.removals.drain(..);
                keys.extend(commands.map(|command| number_of(&command.args[1])));
            });
        }
        keys
    }
}
