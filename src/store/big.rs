//! The largest keys, without a look at all of them.
//!
//! Every shard counts its objects by class of size, once by bytes and once by elements: four classes to each doubling.
//! Counts are kept up to date by whatever changes an object, which costs two figures that values know and, when the
//! class is another one, two additions. Nothing is kept of single keys: whoever asks for the largest adds up the counts
//! of all shards from the largest class downwards until there are enough, and looks through the objects of those shards
//! that have one of these classes.
//!
//! Rejected: a list of candidates in each shard. It has to be searched at every change of a large key, it knows no more
//! than so many, and when its members shrink it has to be made anew from all objects.
//!
//! **What is exact.** The answer is, as long as no more objects have to be looked at than [`LOOKED_AT_MAX`]; with many
//! keys of nearly the same size, the search ends there, having begun with the shards of the largest classes.
//! [`Biggest::unlisted_max`] tells in any case what no key is larger than that is not listed. Shards are looked at one
//! after the other, so what changes meanwhile may be told as it was or as it is.
//!
//! Short strings (records of at most [`RECORD_MAX`](super::record::RECORD_MAX) bytes) are not objects, and are hardly ever listed: only where a shard
//! is so full that they have become objects (see `store::slab`).

use super::entry::{Stored, ValueRef};
use super::hash::KeyHash;
use super::storage::Object;
use super::view::{Mode, Poisoned, View};
use crate::base::bytes::KeyExcerpt;

/// Objects looked at per acquisition of a shard's lock.
const SLICE: usize = 256;
/// Objects looked at in one search, about, once there are as many as were asked for.
const LOOKED_AT_MAX: usize = 500_000;

/// By what keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// As `MEMORY USAGE` tells them.
    Bytes,
    /// Of a list, set, hash, sorted set or stream; a string is one.
    Elements,
}

/// The size of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    bytes: usize,
    elements: usize,
    payload_bytes: usize,
}

impl Size {
    #[inline]
    pub(super) fn of(object: &Object) -> Size {
        Size {
            bytes: object.memory_bytes(),
            elements: object.value.elements(),
            payload_bytes: object.payload_bytes(),
        }
    }

    fn by(self, measure: Measure) -> usize {
        match measure {
            Measure::Bytes => self.bytes,
            Measure::Elements => self.elements,
        }
    }
}

/// The class of a size: sizes below 4 have their own, then there are four for each power of two.
#[inline]
fn class_of(size: usize) -> u8 {
    if size < 4 {
        return size as u8;
    }
    let power = size.ilog2();
    (power * 4 + (size >> (power - 2) & 3) as u32 - 4) as u8
}

/// The largest size of a class.
fn largest_of(class: u8) -> usize {
    if class < 4 {
        return class.into();
    }
    let (power, quarter) = ((u32::from(class) + 4) / 4, u128::from(class % 4));
    let next = (4 + quarter + 1) << (power - 2);
    usize::try_from(next - 1).unwrap_or(usize::MAX)
}

const CLASSES: usize = 256;

/// How many objects there are of each class, rising by class; classes without any are left out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts(Vec<(u8, u32)>);

impl Counts {
    fn add(&mut self, class: u8) {
        match self.0.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (class, 1)),
        }
    }

    fn remove(&mut self, class: u8) {
        let at = self.0.binary_search_by_key(&class, |(class, _)| *class);
        let at = at.expect("every object is counted");
        self.0[at].1 -= 1;
        if self.0[at].1 == 0 {
            self.0.remove(at);
        }
    }

    #[inline]
    fn replace(&mut self, old: u8, new: u8) {
        if old != new {
            self.remove(old);
            self.add(new);
        }
    }
}

/// The objects of a shard by class of size. Invariant: every object is counted, by its size as it is now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    bytes: Counts,
    elements: Counts,
    /// Of all objects together.
    payload_bytes: usize,
}

impl Census {
    /// What the keys and values of all objects take.
    pub(super) fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    pub(super) fn add(&mut self, size: Size) {
        self.payload_bytes += size.payload_bytes;
        self.bytes.add(class_of(size.bytes));
        self.elements.add(class_of(size.elements));
    }

    pub(super) fn remove(&mut self, size: Size) {
        self.payload_bytes -= size.payload_bytes;
        self.bytes.remove(class_of(size.bytes));
        self.elements.remove(class_of(size.elements));
    }

    /// An object has another size than before.
    #[inline]
    pub(super) fn replace(&mut self, old: Size, new: Size) {
        self.payload_bytes = self.payload_bytes + new.payload_bytes - old.payload_bytes;
        self.bytes.replace(class_of(old.bytes), class_of(new.bytes));
        self.elements.replace(class_of(old.elements), class_of(new.elements));
    }

    fn by(&self, measure: Measure) -> &[(u8, u32)] {
        match measure {
            Measure::Bytes => &self.bytes.0,
            Measure::Elements => &self.elements.0,
        }
    }

    #[cfg(test)]
    pub(super) fn of(objects: &[Object]) -> Census {
        let mut census = Census::default();
        objects.iter().for_each(|object| census.add(Size::of(object)));
        census
    }
}

/// A large key.
#[derive(Clone, Debug)]
pub struct BigKey {
    pub key: KeyExcerpt,
    pub db: usize,
    pub type_name: &'static str,
    pub bytes: usize,
    /// Fields of a hash that have expired are among them until they are removed.
    pub elements: usize,
}

/// The largest keys of all databases.
#[derive(Clone, Debug)]
pub struct Biggest {
    /// Largest first.
    pub keys: Vec<BigKey>,
    /// No key that is not among them is larger; 0 if there is none.
    pub unlisted_max: usize,
}

/// A shard that holds objects, and the class of the largest.
#[derive(Clone, Copy)]
struct Occupied {
    top: u8,
    /// The number under which the database was known when the search began.
    db: usize,
    /// The shard's place in the order of locks.
    ordinal: u32,
}

/// The largest keys of those that were looked at.
struct Found {
    measure: Measure,
    wanted: usize,
    /// Smaller classes are left out: not all of their objects are looked at.
    lowest: u8,
    /// Some more than wanted, now and then reduced to these.
    keys: Vec<(usize, KeyHash, BigKey)>,
    /// Of what is not larger there are enough.
    floor: Option<usize>,
    looked_at: usize,
}

impl Found {
    fn new(measure: Measure, wanted: usize, lowest: u8) -> Found {
        Found { measure, wanted, lowest, keys: Vec::new(), floor: None, looked_at: 0 }
    }

    fn offer(&mut self, db: usize, object: &Object, hash: impl FnOnce(&[u8]) -> KeyHash) {
        let size = Size::of(object);
        let measured = size.by(self.measure);
        let is_superfluous = self.floor.is_some_and(|floor| measured <= floor);
        if is_superfluous || class_of(measured) < self.lowest {
            return;
        }
        let key = BigKey {
            key: KeyExcerpt::of(object.key()),
            db,
            type_name: ValueRef::Object(&object.value).type_name(),
            bytes: size.bytes,
            elements: size.elements,
        };
        self.keys.push((measured, hash(object.key()), key));
        if self.keys.len() >= 2 * self.wanted + SLICE {
            self.reduce();
        }
    }

    /// Sorts, and leaves no more than are wanted. What moved while its shard was looked through is there twice.
    fn reduce(&mut self) {
        self.keys.sort_by(|(a, _, key_a), (b, _, key_b)| {
            b.cmp(a).then_with(|| (key_a.db, &key_a.key).cmp(&(key_b.db, &key_b.key)))
        });
        let mut seen = std::collections::HashSet::new();
        self.keys.retain(|(_, hash, key)| seen.insert((*hash, key.db)));
        self.keys.truncate(self.wanted);
        if self.keys.len() == self.wanted {
            self.floor = self.keys.last().map(|(size, ..)| *size);
        }
    }

    fn is_enough(&mut self) -> bool {
        self.reduce();
        self.keys.len() >= self.wanted
    }
}

impl View<'_> {
    /// The largest keys of all databases.
    pub fn biggest(&mut self, measure: Measure, wanted: usize) -> Result<Biggest, Poisoned> {
        let mut totals = [0; CLASSES];
        let mut shards = self.occupied(measure, &mut totals)?;
        shards.sort_by_key(|occupied| {
            (std::cmp::Reverse(occupied.top), occupied.db, occupied.ordinal)
        });
        // Some of what is counted may have expired. Then more has to be looked at.
        let mut asked = wanted as u64;
        loop {
            let lowest = lowest_class(&totals, asked);
            let mut found = Found::new(measure, wanted, lowest);
            let missed = self.look_through(&shards, &mut found)?;
            if found.is_enough() || lowest == 0 {
                return Ok(conclude(found, missed));
            }
            asked *= 2;
        }
    }

    /// The shards that hold anything, each with its database. Databases may be swapped during the search, and all must be
    /// looked at nevertheless, each once.
    fn in_use(&self) -> Vec<(usize, u32)> {
        let _guard = self.step();
        let mut in_use = Vec::new();
        for db in 0..self.databases() {
            let physical = self.keyspace.physical_now(db);
            let cells = self.keyspace.shards_if_used(physical).iter().enumerate();
            let first = physical * self.keyspace.shards();
            let occupied = cells.filter(|(_, cell)| !cell.is_empty());
            in_use.extend(occupied.map(|(shard, _)| (db, (first + shard) as u32)));
        }
        in_use
    }

    /// Adds up how many objects there are of each class.
    fn occupied(
        &mut self,
        measure: Measure,
        totals: &mut [u64; CLASSES],
    ) -> Result<Vec<Occupied>, Poisoned> {
        let mut occupied = Vec::new();
        for (db, ordinal) in self.in_use() {
            self.with_ordinal(ordinal, Mode::Read, |view| {
                let counts = view.only_shard().census().by(measure);
                for (class, count) in counts {
                    totals[usize::from(*class)] += u64::from(*count);
                }
                occupied.extend(counts.last().map(|&(top, _)| Occupied { top, db, ordinal }));
            })?;
        }
        Ok(occupied)
    }

    /// Looks through the shards that have objects of this class or larger ones. Returns the class above which nothing
    /// was left out, if it gave up.
    fn look_through(
        &mut self,
        shards: &[Occupied],
        found: &mut Found,
    ) -> Result<Option<u8>, Poisoned> {
        let lowest = found.lowest;
        for occupied in shards.iter().take_while(|occupied| occupied.top >= lowest) {
            let mut end = usize::MAX;
            while end > 0 {
                if found.looked_at >= LOOKED_AT_MAX && found.is_enough() {
                    return Ok(Some(occupied.top));
                }
                end = self.look_at_slice(occupied, end, found)?;
            }
        }
        Ok(None)
    }

    /// Looks at the objects below a place, from the end on: removing an object moves the last one, so what moves comes
    /// twice rather than never. Returns where to go on, 0 at the end.
    fn look_at_slice(
        &mut self,
        at: &Occupied,
        end: usize,
        found: &mut Found,
    ) -> Result<usize, Poisoned> {
        let (now_ms, keyspace) = (self.now_ms, self.keyspace);
        self.with_ordinal(at.ordinal, Mode::Read, |view| {
            let objects = view.only_shard().objects();
            let end = end.min(objects.len());
            let start = end.saturating_sub(SLICE);
            for object in objects[start..end].iter().filter(|it| !Stored::Object(it).is_due(now_ms))
            {
                found.offer(at.db, object, |key| keyspace.hash(key));
            }
            found.looked_at += end - start;
            start
        })
    }
}

/// The class down to which there are as many objects as wanted; 0 if there are not.
fn lowest_class(totals: &[u64; CLASSES], wanted: u64) -> u8 {
    let mut sum = 0;
    let enough = totals.iter().rposition(|count| {
        sum += count;
        sum >= wanted
    });
    enough.unwrap_or(0) as u8
}

fn conclude(found: Found, missed: Option<u8>) -> Biggest {
    let smallest = found.keys.last().map_or(0, |(size, ..)| *size);
    let unlisted_max = match missed {
        Some(class) => largest_of(class).max(smallest),
        // Everything was looked at.
        None if found.keys.len() < found.wanted => 0,
        None => smallest,
    };
    Biggest { keys: found.keys.into_iter().map(|(_, _, key)| key).collect(), unlisted_max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Access, DeclaredKey, Key, Keyspace, Tracking, Wants, event, string_ref};
    use crate::store::{Deadline, Entry, OwnedValue};
    use crate::value::{List, Value, list::End, list::ListLimits};
    use proptest::prelude::*;

    const NOW_MS: i64 = 1_000_000;

    fn view(keyspace: &Keyspace, now_ms: i64) -> View<'_> {
        let access = Access { tracking: Tracking::Lru, now_ms: 0, touches: true, random: 0 };
        View::new(keyspace, 0, now_ms, access, Wants::default())
    }

    fn with(
        keyspace: &Keyspace,
        db: usize,
        name: &[u8],
        work: impl FnOnce(&mut View<'_>, &Key<'_>),
    ) {
        let mut view = view(keyspace, NOW_MS);
        let declared = [DeclaredKey { bytes: name, db, arg: 0 }];
        view.lock(&declared, Mode::Write).expect("nothing is poisoned");
        let key = view.key_at(0).expect("the key is declared");
        work(&mut view, &key);
    }

    #[test]
    fn classes_rise_with_sizes_and_end_where_they_say() {
        let mut before = 0;
        for size in (0..5000).chain((13..63).flat_map(|p| [(1 << p) - 1, 1 << p, 5 << (p - 2)])) {
            let class = class_of(size);
            assert!(class >= before, "{size}");
            assert!(size <= largest_of(class), "{size} is in class {class}");
            assert_eq!(class_of(largest_of(class)), class);
            assert!(class == 0 || largest_of(class - 1) < size);
            before = class;
        }
        assert_eq!(largest_of(class_of(usize::MAX)), usize::MAX);
    }

    /// Something that happens to the key with this number.
    #[derive(Clone, Copy, Debug)]
    enum Change {
        Put { bytes: usize, deadline: Option<i64> },
        Push { elements: usize },
        Expire { deadline: Option<i64> },
        Remove,
        Flush,
    }

    fn change() -> impl Strategy<Value = (u8, Change)> {
        let deadline =
            || prop_oneof![Just(None), (0..2i64).prop_map(|n| Some(NOW_MS - 1 + n * 1000))];
        let change = prop_oneof![
            4 => (0..3000usize, deadline()).prop_map(|(bytes, deadline)| Change::Put { bytes, deadline }),
            4 => (1..300usize).prop_map(|elements| Change::Push { elements }),
            2 => deadline().prop_map(|deadline| Change::Expire { deadline }),
            2 => Just(Change::Remove),
            1 => Just(Change::Flush),
        ];
        (0..40u8, change)
    }

    fn apply(keyspace: &Keyspace, number: u8, change: Change) {
        let (db, name) = (usize::from(number % 2), format!("key:{number}"));
        with(keyspace, db, name.as_bytes(), |view, key| match change {
            Change::Put { bytes, deadline } => {
                let value = Value::string(vec![b'x'; bytes]);
                view.put_entry(key, Entry { value: OwnedValue::Object(value), deadline });
                if bytes % 3 == 0 {
                    let deadline = deadline.map_or(Deadline::Keep, Deadline::At);
                    view.put_string(key, string_ref(&vec![b'y'; bytes]), deadline, event::SET);
                }
            }
            Change::Push { elements } => {
                let limits = ListLimits::new(-2);
                let _ = view.edit::<List, _>(key, |list, change| {
                    list.push_all(
                        End::Right,
                        vec![&b"an element"[..]; elements].into_iter(),
                        &limits,
                    );
                    change.silently();
                });
            }
            Change::Expire { deadline } => {
                view.set_deadline(key, deadline, event::EXPIRE);
            }
            Change::Remove => {
                view.remove(key, event::DEL);
            }
            Change::Flush => {}
        });
        if let Change::Flush = change {
            view(keyspace, NOW_MS).flush([db], &keyspace.world());
        }
    }

    /// All live objects, by looking at all of them.
    fn all(keyspace: &Keyspace, measure: Measure) -> Vec<usize> {
        let mut sizes = Vec::new();
        for db in 0..keyspace.databases() {
            let mut view = View { db, ..view(keyspace, NOW_MS) };
            let visit = |entry: crate::store::EntryRef<'_>| {
                if let ValueRef::Object(value) = entry.value() {
                    sizes.push(match measure {
                        Measure::Bytes => entry.memory_bytes(),
                        Measure::Elements => value.elements(),
                    });
                }
            };
            view.for_each(visit).expect("nothing is poisoned");
        }
        sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
        sizes
    }

    proptest! {
        #[test]
        fn the_largest_are_found_whatever_happened(changes in prop::collection::vec(change(), 1..120)) {
            let keyspace = Keyspace::new(2, 4, 2, [7; 16]);
            for (number, change) in changes {
                apply(&keyspace, number, change);
            }
            (0..2).flat_map(|db| keyspace.shards_if_used(db)).for_each(|cell| cell.lock.read().check());
            for measure in [Measure::Bytes, Measure::Elements] {
                let expected = all(&keyspace, measure);
                for wanted in [1, 2, 5, 100] {
                    let found = view(&keyspace, NOW_MS).biggest(measure, wanted).expect("all is sound");
                    let by = |key: &BigKey| if measure == Measure::Bytes { key.bytes } else { key.elements };
                    let sizes: Vec<usize> = found.keys.iter().map(by).collect();
                    prop_assert_eq!(&sizes[..], &expected[..wanted.min(expected.len())]);
                    prop_assert!(expected.get(wanted).is_none_or(|size| *size <= found.unlisted_max));
                    prop_assert!(wanted <= expected.len() || found.unlisted_max == 0);
                }
            }
        }
    }

    #[test]
    fn databases_that_were_swapped_since_the_work_began_are_searched_once_each() {
        let keyspace = Keyspace::new(2, 4, 2, [7; 16]);
        for (db, name) in ["a", "b"].into_iter().enumerate() {
            let value = OwnedValue::Object(Value::string(vec![b'x'; 5000]));
            with(&keyspace, db, name.as_bytes(), |view, key| {
                view.put_entry(key, Entry { value, deadline: None });
            });
        }
        let gate = keyspace.gate();
        let mut searching = view(&keyspace, NOW_MS);
        searching.stride_behind(&gate);
        view(&keyspace, NOW_MS).swap(0, 1, &keyspace.world());
        let found = searching.biggest(Measure::Bytes, 10).expect("all is sound");
        let mut found: Vec<_> = found.keys.iter().map(|it| (it.db, &it.key.shown[..])).collect();
        found.sort_unstable();
        assert_eq!(found, [(0, &b"b"[..]), (1, &b"a"[..])]);
    }

    #[test]
    fn a_search_among_very_many_of_one_size_ends_and_tells_what_it_may_have_missed() {
        let keyspace = Keyspace::new(1, 4, 2, [7; 16]);
        let count = LOOKED_AT_MAX / 100;
        for number in 0..count {
            let value = OwnedValue::Object(Value::string(vec![b'x'; 10 + number % 2]));
            with(&keyspace, 0, format!("key:{number:07}").as_bytes(), |view, key| {
                view.put_entry(key, Entry { value, deadline: None });
            });
        }
        let mut totals = [0; CLASSES];
        let mut view = view(&keyspace, NOW_MS);
        let shards = view.occupied(Measure::Bytes, &mut totals).expect("all is sound");
        assert_eq!(totals.iter().sum::<u64>(), count as u64);
        let mut found = Found::new(Measure::Bytes, 3, lowest_class(&totals, 3));
        found.looked_at = LOOKED_AT_MAX - SLICE;
        let missed = view.look_through(&shards, &mut found).expect("all is sound");
        assert!(found.looked_at < LOOKED_AT_MAX + SLICE, "{}", found.looked_at);
        let told = conclude(found, missed);
        assert_eq!(told.keys.len(), 3);
        assert!(told.unlisted_max >= told.keys[0].bytes);
        assert!(told.unlisted_max <= told.keys[0].bytes * 5 / 4, "{}", told.unlisted_max);
    }
}
