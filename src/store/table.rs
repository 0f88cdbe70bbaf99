//! The index of a shard: from a key's hash to the place of its entry.
//!
//! The table is an array of 64-byte buckets of seven slots, ordered by hash: an entry's home bucket is
//! `hash * buckets / 2^64`. What does not fit at home goes to the next bucket that has room, and every
//! bucket that was passed counts the passage, so a search stops at the first bucket nobody passed.
//! Deleting gives the counts back; there are no tombstones.
//!
//! ```text
//! bucket:  tag tag tag tag tag tag tag passed | place access | place access | ... (7 slots)
//!           1   1   1   1   1   1   1    1    |   4     4    |   4     4    |       = 64 bytes
//! ```
//!
//! Why not a ready-made hash map:
//! - **SCAN.** Because the order is the order of hashes, a cursor is simply a hash. It survives any
//!   growth or shrinking, and a full scan returns every key that was there throughout exactly once.
//!   Redis's reverse-binary cursor may repeat keys after a resize.
//! - **Memory.** The bucket count is any number, not a power of two, so the table grows by a quarter
//!   and stays 68-85% full: 11 to 14 bytes per key, access time included.
//! - **Snapshots** walk in the same order and can stop and go on at any hash (see `store::cut`).
//!
//! Limits: a table holds at most 2^32 places. Growing rebuilds the whole table of one shard under its lock, and needs
//! every entry's hash again. With keys that spread over the shards that is about a thousand entries at a million keys, and
//! takes microseconds. Keys of one hash tag share a shard: with a million of those, the one write in some hundred
//! thousand that makes the table grow by a quarter takes tenths of a second, and everybody who needs the shard waits.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::allocator::allocation_size;

const SLOTS: usize = 7;
/// Above this share of occupied slots the table grows ...
const FULL_PERCENT: usize = 85;
/// ... and below this share it shrinks.
const EMPTY_PERCENT: usize = 25;
/// What a resize aims at: a growth by a quarter from full.
const TARGET_PERCENT: usize = 68;
/// Tables with at most this many buckets double instead: a rebuild is cheap there.
const SMALL_BUCKETS: usize = 8;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

#[repr(align(64))]
struct Bucket {
    /// Bits of the hashes, 0 for an empty slot.
    tags: [u8; SLOTS],
    /// How many entries were placed beyond this bucket though their home is here or before.
    /// 255 is sticky: the true number is lost until the next rebuild, which costs only time.
    passed: u8,
    slots: [Slot; SLOTS],
}

#[derive(Default)]
struct Slot {
    place: u32,
    /// When or how often the entry was used; the eviction policy gives it its meaning.
    access: AtomicU32,
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    fn empty() -> Bucket {
        Bucket { tags: [0; SLOTS], passed: 0, slots: Default::default() }
    }

    /// The slots whose tag equals `tag`, as an iterator over their numbers.
    ///
    /// Compares all seven at once (exact zero-byte search in a 64-bit word).
    #[inline]
    fn matching(&self, tag: u8) -> Matches {
        let [a, b, c, d, e, f, g] = self.tags;
        let word = u64::from_le_bytes([a, b, c, d, e, f, g, !tag]);
        let differs = word ^ (u64::from(tag) * 0x0101_0101_0101_0101);
        let nonzero = ((differs & LOW_BITS) + LOW_BITS) | differs | LOW_BITS;
        Matches(!nonzero)
    }
}

struct Matches(u64);

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}

/// Where an entry's slot is. Valid until the table is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    bucket: u32,
    slot: u32,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Table {
    /// `homes` buckets that can be somebody's home, then as many more as the last homes overflowed into.
    buckets: Vec<Bucket>,
    homes: usize,
    len: usize,
}

#[inline]
fn tag_of(hash: u64) -> u8 {
    (hash as u8) | 0x80
}

#[inline]
fn home_of(hash: u64, homes: usize) -> usize {
    ((u128::from(hash) * homes as u128) >> 64) as usize
}

/// The smallest hash whose home is `bucket`, or `None` past the last bucket.
fn first_hash(bucket: usize, homes: usize) -> Option<u64> {
    let hash = ((bucket as u128) << 64).div_ceil(homes as u128);
    u64::try_from(hash).ok()
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes taken from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        allocation_size(self.buckets.capacity() * size_of::<Bucket>())
    }

    /// The slot of the entry with this hash for which `is_it(place)` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<Position> {
        let tag = tag_of(hash);
        let home = if self.homes == 0 { return None } else { home_of(hash, self.homes) };
        for (offset, bucket) in self.buckets[home..].iter().enumerate() {
            for slot in bucket.matching(tag) {
                if is_it(bucket.slots[slot].place) {
                    return Some(Position { bucket: (home + offset) as u32, slot: slot as u32 });
                }
            }
            if bucket.passed == 0 {
                return None;
            }
        }
        None
    }

    #[inline]
    pub(super) fn place(&self, at: Position) -> u32 {
        self.slot(at).place
    }

    #[inline]
    pub(super) fn access(&self, at: Position) -> &AtomicU32 {
        &self.slot(at).access
    }

    /// Points an entry's slot to the entry's new place.
    pub(super) fn set_place(&mut self, at: Position, place: u32) {
        self.buckets[at.bucket as usize].slots[at.slot as usize].place = place;
    }

    fn slot(&self, at: Position) -> &Slot {
        &self.buckets[at.bucket as usize].slots[at.slot as usize]
    }

    /// Adds an entry that is not there yet. `hash_of(place)` tells the hash of any entry already in the
    /// table; growing needs it.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        place: u32,
        access: u32,
        hash_of: impl FnMut(u32) -> u64,
    ) -> Position {
        if (self.len + 1) * 100 > self.homes * SLOTS * FULL_PERCENT {
            self.resize(self.len + 1, hash_of);
        }
        self.len += 1;
        self.put(hash, place, access)
    }

    fn put(&mut self, hash: u64, place: u32, access: u32) -> Position {
        let mut bucket = home_of(hash, self.homes);
        loop {
            if bucket == self.buckets.len() {
                self.buckets.push(Bucket::empty());
            }
            let candidate = &mut self.buckets[bucket];
            if let Some(slot) = candidate.tags.iter().position(|tag| *tag == 0) {
                candidate.tags[slot] = tag_of(hash);
                candidate.slots[slot] = Slot { place, access: AtomicU32::new(access) };
                return Position { bucket: bucket as u32, slot: slot as u32 };
            }
            candidate.passed = candidate.passed.saturating_add(1);
            bucket += 1;
        }
    }

    /// Removes the slot at a position that [`Table::find`] returned for this hash.
    pub(super) fn remove(&mut self, hash: u64, at: Position, hash_of: impl FnMut(u32) -> u64) {
        let bucket = at.bucket as usize;
        self.buckets[bucket].tags[at.slot as usize] = 0;
        for passed in &mut self.buckets[home_of(hash, self.homes)..bucket] {
            if passed.passed != u8::MAX {
                passed.passed -= 1;
            }
        }
        self.len -= 1;
        if self.homes > SMALL_BUCKETS && self.len * 100 < self.homes * SLOTS * EMPTY_PERCENT {
            self.resize(self.len, hash_of);
        }
    }

    /// Rebuilds the table for `len` entries.
    fn resize(&mut self, len: usize, mut hash_of: impl FnMut(u32) -> u64) {
        let wanted = (len * 100).div_ceil(SLOTS * TARGET_PERCENT).max(1);
        let homes = if wanted <= SMALL_BUCKETS { wanted.next_power_of_two() } else { wanted };
        let mut fresh = Vec::with_capacity(homes + 1);
        fresh.resize_with(homes, Bucket::empty);
        let old = std::mem::replace(&mut self.buckets, fresh);
        self.homes = homes;
        for bucket in old {
            for (tag, slot) in bucket.tags.into_iter().zip(bucket.slots) {
                if tag != 0 {
                    self.put(hash_of(slot.place), slot.place, slot.access.into_inner());
                }
            }
        }
    }

    /// Visits, in bucket order, the entries whose hash is at least `from`, until `budget` entries were
    /// visited and a bucket is complete. Returns the hash to go on from, or `None` at the end.
    ///
    /// Every entry that stays in the table is visited exactly once by a walk from 0 to the end,
    /// whatever resizes happen between the calls.
    pub(super) fn walk(
        &self,
        from: u64,
        budget: usize,
        mut hash_of: impl FnMut(u32) -> u64,
        mut visit: impl FnMut(u64, u32, &AtomicU32),
    ) -> Option<u64> {
        if self.homes == 0 {
            return None;
        }
        let mut visited = 0;
        for home in home_of(from, self.homes)..self.homes {
            for bucket in &self.buckets[home..] {
                for slot in (0..SLOTS).filter(|slot| bucket.tags[*slot] != 0) {
                    let Slot { place, access } = &bucket.slots[slot];
                    let hash = hash_of(*place);
                    if hash >= from && home_of(hash, self.homes) == home {
                        visit(hash, *place, access);
                        visited += 1;
                    }
                }
                if bucket.passed == 0 {
                    break;
                }
            }
            if visited >= budget {
                return first_hash(home + 1, self.homes);
            }
        }
        None
    }

    /// Visits the places and access words of all entries in `count` neighbouring buckets, from a random one on.
    pub(super) fn neighbours(&self, random: u64, count: usize, mut visit: impl FnMut(u32, u32)) {
        let start = home_of(random, self.buckets.len());
        let (before, after) = self.buckets.split_at(start);
        for bucket in after.iter().chain(before).take(count) {
            for slot in (0..SLOTS).filter(|slot| bucket.tags[*slot] != 0) {
                let Slot { place, access } = &bucket.slots[slot];
                visit(*place, access.load(Ordering::Relaxed));
            }
        }
    }

    /// The place in some slot near a random position; `None` if the table is empty.
    pub(super) fn sample(&self, random: u64) -> Option<u32> {
        let start = home_of(random, self.buckets.len());
        let (before, after) = self.buckets.split_at(start);
        let skip = random as usize % SLOTS;
        after.iter().chain(before).find_map(|bucket| {
            let slot =
                (0..SLOTS).map(|i| (i + skip) % SLOTS).find(|slot| bucket.tags[*slot] != 0)?;
            Some(bucket.slots[slot].place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Entries are their own hashes here, kept in a side list.
    struct Model {
        table: Table,
        hashes: Vec<u64>,
    }

    impl Model {
        fn new() -> Model {
            Model { table: Table::default(), hashes: Vec::new() }
        }

        fn insert(&mut self, hash: u64) {
            let place = self.hashes.len() as u32;
            self.hashes.push(hash);
            let hashes = &self.hashes;
            self.table.insert(hash, place, 7, |place| hashes[place as usize]);
        }

        fn remove(&mut self, hash: u64) -> bool {
            let hashes = &self.hashes;
            match self.table.find(hash, |place| hashes[place as usize] == hash) {
                Some(at) => {
                    self.table.remove(hash, at, |place| hashes[place as usize]);
                    true
                }
                None => false,
            }
        }

        fn walk_all(&self, budget: usize) -> Vec<u64> {
            let mut seen = Vec::new();
            let mut from = Some(0);
            while let Some(at) = from {
                let hash_of = |place: u32| self.hashes[place as usize];
                from = self.table.walk(at, budget, hash_of, |hash, _, access| {
                    assert_eq!(access.load(Ordering::Relaxed), 7);
                    seen.push(hash);
                });
            }
            seen
        }
    }

    fn spread(n: u64) -> u64 {
        (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn a_walk_sees_every_entry_once_across_growth_and_shrinking() {
        let mut model = Model::new();
        (0..2_000).for_each(|n| model.insert(spread(n)));
        let mut seen = Vec::new();
        let mut from = Some(0);
        let mut round = 0;
        while let Some(at) = from {
            let hashes = &model.hashes;
            from = model.table.walk(at, 10, |p| hashes[p as usize], |hash, _, _| seen.push(hash));
            round += 1;
            if round < 40 {
                (0..200).for_each(|n| model.insert(spread(10_000 + round * 200 + n)));
            } else if round < 79 {
                (0..200).for_each(|n| {
                    assert!(model.remove(spread(10_000 + (round - 40) * 200 + 200 + n)))
                });
            }
        }
        for n in 0..2_000 {
            assert_eq!(seen.iter().filter(|hash| **hash == spread(n)).count(), 1);
        }
    }

    #[test]
    fn equal_hashes_overflow_far_beyond_home_and_leave_again() {
        let mut model = Model::new();
        for _ in 0..600 {
            model.insert(u64::MAX);
        }
        assert_eq!(model.walk_all(1).len(), 600);
        for _ in 0..600 {
            assert!(model.remove(u64::MAX));
        }
        assert_eq!(model.table.len(), 0);
        assert!(model.walk_all(1).is_empty());
    }

    #[test]
    fn a_table_stays_between_its_bounds_of_fullness() {
        let mut model = Model::new();
        for n in 0..50_000 {
            model.insert(spread(n));
            if n > 1_000 {
                let slots = model.table.buckets.len() * SLOTS;
                assert!(model.table.len() * 100 >= slots * 60, "{} of {slots}", model.table.len());
            }
        }
    }

    #[test]
    fn neighbours_reach_every_entry_and_none_twice() {
        let mut model = Model::new();
        (0..100).for_each(|n| model.insert(spread(n)));
        let buckets = model.table.buckets.len();
        for random in [0, u64::MAX / 3, u64::MAX] {
            let mut seen = Vec::new();
            model.table.neighbours(random, buckets + 5, |place, _| seen.push(place));
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        }
        Table::default().neighbours(7, 5, |_, _| unreachable!("nothing is there"));
    }

    proptest! {
        #[test]
        fn table_agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), 0u64..200), 0..600)) {
            let mut model = Model::new();
            let mut expected = BTreeMap::new();
            for (insert, n) in steps {
                let hash = spread(n);
                if insert && !expected.contains_key(&hash) {
                    model.insert(hash);
                    expected.insert(hash, ());
                } else if !insert {
                    prop_assert_eq!(model.remove(hash), expected.remove(&hash).is_some());
                }
                prop_assert_eq!(model.table.len(), expected.len());
            }
            let mut seen = model.walk_all(3);
            seen.sort_unstable();
            prop_assert_eq!(seen, expected.into_keys().collect::<Vec<_>>());
        }
    }
}
