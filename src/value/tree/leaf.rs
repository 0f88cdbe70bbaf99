//! Leaves: entries packed into one shared piece of memory. The module `tree` draws the layout.

use crate::base::allocator::allocation_size;
use std::cmp::Ordering;
use std::ops;

use smallvec::SmallVec;
use triomphe::Arc;

use super::key::Key;

/// Bytes of a leaf that has more than one entry.
pub(super) const LEAF_MAX: usize = 4096 - REFERENCE_COUNT;
/// Below that, a leaf is merged with a neighbour if there is room.
const THIN: usize = LEAF_MAX / 4;
/// What merged leaves may have, so that they do not overflow at once.
const MERGED_MAX: usize = LEAF_MAX * 3 / 4;

/// In front of shared memory.
const REFERENCE_COUNT: usize = size_of::<usize>();
/// Bytes of entries, number of entries, shape.
const FOOTER: usize = 8;
/// A start.
const START: usize = 2;
/// The shape of a leaf whose values differ in length.
const MIXED: u16 = u16::MAX;

const _: () = assert!(LEAF_MAX < u16::MAX as usize, "starts have 16 bits");

pub(super) type Pair<'a> = (&'a [u8], &'a [u8]);

/// See the module's description.
#[derive(Clone)]
pub(super) struct Leaf(Arc<[u8]>);

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn put_u16(bytes: &mut [u8], at: usize, number: u16) {
    bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
}

/// Memory of this length, all zeros. Nearly all is copied from a static piece, which saves making it elsewhere first.
fn zeros(capacity: usize) -> Arc<[u8]> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    ZEROS.get(..capacity).map_or_else(|| Arc::from(vec![0; capacity]), Arc::from)
}

/// The bytes of memory that was just made.
fn bytes_of(memory: &mut Arc<[u8]>) -> &mut [u8] {
    Arc::get_mut(memory).expect("nobody else holds it")
}

/// Length of the memory for so many bytes.
fn capacity_for(bytes: usize) -> usize {
    allocation_size(bytes + REFERENCE_COUNT) - REFERENCE_COUNT
}

fn varint_len(number: usize) -> usize {
    (number.max(1).ilog2() as usize) / 7 + 1
}

/// Writes a number at the front; tells how many bytes it takes.
fn put_varint(out: &mut [u8], mut number: usize) -> usize {
    let mut size = 0;
    while number >= 0x80 {
        out[size] = number as u8 | 0x80;
        number >>= 7;
        size += 1;
    }
    out[size] = number as u8;
    size + 1
}

/// A number, and how many bytes it takes.
#[inline]
fn varint_at(bytes: &[u8]) -> (usize, usize) {
    let (mut number, mut size) = (0, 0);
    loop {
        let byte = bytes[size];
        number |= usize::from(byte & 0x7f) << (7 * size);
        size += 1;
        if byte & 0x80 == 0 {
            return (number, size);
        }
    }
}

/// Bytes of an entry, without its start.
fn entry_len(shape: u16, key: Key<'_>, value: &[u8]) -> usize {
    let len = key.len() + value.len();
    if shape == MIXED { len + varint_len(key.len()) } else { len }
}

/// Writes an entry, which fills `out`.
fn put_entry(out: &mut [u8], shape: u16, key: Key<'_>, value: &[u8]) {
    let size = if shape == MIXED { put_varint(out, key.len()) } else { 0 };
    let (key_part, value_part) = out[size..].split_at_mut(key.len());
    key.write(key_part);
    value_part.copy_from_slice(value);
}

/// What all these values have in common.
fn shape_of(pairs: &[Pair<'_>]) -> u16 {
    let Some((_, first)) = pairs.first() else { return 0 };
    let is_even = pairs.iter().all(|(_, value)| value.len() == first.len());
    if is_even && first.len() < usize::from(MIXED) { first.len() as u16 } else { MIXED }
}

impl Leaf {
    pub(super) fn is_same(&self, other: &Leaf) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A leaf of these entries, whose keys rise.
    pub(super) fn build(pairs: &[Pair<'_>]) -> Leaf {
        let shape = shape_of(pairs);
        let len_of = |(key, value): &Pair<'_>| entry_len(shape, Key::from(*key), value);
        let used: usize = pairs.iter().map(len_of).sum();
        let capacity = capacity_for(used + pairs.len() * START + FOOTER);
        let mut memory = zeros(capacity);
        let bytes = bytes_of(&mut memory);
        let mut start = 0;
        for (index, pair) in pairs.iter().enumerate() {
            debug_assert!(start <= LEAF_MAX, "only the first of many entries may be a large one");
            let end = start + len_of(pair);
            put_entry(&mut bytes[start..end], shape, Key::from(pair.0), pair.1);
            put_u16(bytes, capacity - FOOTER - START * (index + 1), start as u16);
            start = end;
        }
        put_footer(bytes, used, pairs.len(), shape);
        Leaf(memory)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        allocation_size(self.0.len() + REFERENCE_COUNT)
    }

    /// Number of entries.
    #[inline]
    pub(super) fn count(&self) -> usize {
        usize::from(u16_at(&self.0, self.0.len() - 4))
    }

    #[inline]
    fn shape(&self) -> u16 {
        u16_at(&self.0, self.0.len() - 2)
    }

    /// Bytes of entries.
    fn used(&self) -> usize {
        let at = self.0.len() - FOOTER;
        let used = self.0[at..at + 4].try_into().expect("the slice has four bytes");
        u32::from_le_bytes(used) as usize
    }

    /// Bytes that are not unused.
    pub(super) fn needed(&self) -> usize {
        self.used() + self.count() * START + FOOTER
    }

    /// Where the entry starts, or the last one ends.
    #[inline]
    fn start(&self, index: usize) -> usize {
        if index == self.count() {
            return self.used();
        }
        usize::from(u16_at(&self.0, self.0.len() - FOOTER - START * (index + 1)))
    }

    #[inline]
    pub(super) fn pair(&self, index: usize) -> Pair<'_> {
        let entry = &self.0[self.start(index)..self.start(index + 1)];
        match self.shape() {
            MIXED => {
                let (key_len, size) = varint_at(entry);
                entry[size..].split_at(key_len)
            }
            value_len => entry.split_at(entry.len() - usize::from(value_len)),
        }
    }

    #[inline]
    pub(super) fn key(&self, index: usize) -> &[u8] {
        self.pair(index).0
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        (0..self.count()).map(|index| self.pair(index))
    }

    /// Where the key is, or would have to be inserted. Keys' heads are between the `bounds`.
    #[inline]
    pub(super) fn search(
        &self,
        key: Key<'_>,
        head: u64,
        bounds: (u64, u64),
    ) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count());
        let share = (head - bounds.0) as f64 / (bounds.1 - bounds.0).max(1) as f64;
        let mut at = ((high as f64 * share) as usize).min(high.saturating_sub(1));
        let (mut is_below, mut is_above) = (false, false);
        let mut step = 2;
        while low < high {
            match key.cmp(self.key(at)) {
                Ordering::Equal => return Ok(at),
                Ordering::Greater => (low, is_below) = (at + 1, true),
                Ordering::Less => (high, is_above) = (at, true),
            }
            // Gallop until there is a bound on either side.
            at = match (is_below, is_above) {
                (true, false) => (low + step).min(high.saturating_sub(1)),
                (false, true) => high.saturating_sub(step),
                _ => low + (high - low) / 2,
            };
            step *= 2;
        }
        Err(low)
    }

    pub(super) fn is_thin(&self) -> bool {
        self.needed() < THIN
    }

    /// Both leaves in one, if that leaves room.
    pub(super) fn merged(&self, next: &Leaf) -> Option<Leaf> {
        let needed = self.needed() + next.needed() - FOOTER;
        // Values that differ between the leaves cost an entry some more bytes.
        let max = if self.shape() == next.shape() { MERGED_MAX } else { LEAF_MAX / 2 };
        if needed > max {
            return None;
        }
        let pairs: SmallVec<[Pair<'_>; 256]> = self.pairs().chain(next.pairs()).collect();
        Some(Leaf::build(&pairs))
    }

    /// The bytes, in memory of this length that nobody else holds.
    fn unshared(&mut self, capacity: usize) -> &mut [u8] {
        if self.0.len() != capacity || !self.0.is_unique() {
            let (used, behind) = (self.used(), self.count() * START + FOOTER);
            let mut memory = zeros(capacity);
            let bytes = bytes_of(&mut memory);
            bytes[..used].copy_from_slice(&self.0[..used]);
            bytes[capacity - behind..].copy_from_slice(&self.0[self.0.len() - behind..]);
            self.0 = memory;
        }
        bytes_of(&mut self.0)
    }

    /// Inserts an entry before number `at`, if it fits as it is.
    pub(super) fn insert(&mut self, at: usize, key: Key<'_>, value: &[u8]) -> bool {
        let (count, used, shape) = (self.count(), self.used(), self.shape());
        let is_fit = shape == MIXED || value.len() == usize::from(shape);
        let len = entry_len(shape, key, value);
        let needed = self.needed() + len + START;
        if count == 0 || !is_fit || needed > LEAF_MAX {
            return false;
        }
        let start = self.start(at);
        let old = self.0.len();
        let bytes = self.unshared(if needed > old { capacity_for(needed) } else { old });
        let first_start = bytes.len() - FOOTER;
        bytes.copy_within(start..used, start + len);
        put_entry(&mut bytes[start..start + len], shape, key, value);
        let behind = first_start - START * count..first_start - START * at;
        bytes.copy_within(behind.clone(), behind.start - START);
        shift(&mut bytes[behind.start - START..behind.end - START], len as u16);
        put_u16(bytes, behind.end - START, start as u16);
        put_footer(bytes, used + len, count + 1, shape);
        true
    }

    /// Exchanges the value of entry number `at`, if the new one is as long.
    pub(super) fn set_value(&mut self, at: usize, value: &[u8]) -> bool {
        if self.pair(at).1.len() != value.len() {
            return false;
        }
        let end = self.start(at + 1);
        let capacity = self.0.len();
        self.unshared(capacity)[end - value.len()..end].copy_from_slice(value);
        true
    }

    /// Removes entries by their numbers.
    pub(super) fn remove(&mut self, range: ops::Range<usize>) {
        let (count, used, shape) = (self.count(), self.used(), self.shape());
        let (start, end) = (self.start(range.start), self.start(range.end));
        let removed = end - start;
        let capacity = self.0.len();
        let bytes = self.unshared(capacity);
        let first_start = capacity - FOOTER;
        bytes.copy_within(end..used, start);
        let behind = first_start - START * count..first_start - START * range.end;
        let up = START * range.len();
        bytes.copy_within(behind.clone(), behind.start + up);
        // An entry that is larger than a leaf is alone, so nothing is behind it.
        shift(&mut bytes[behind.start + up..behind.end + up], (removed as u16).wrapping_neg());
        put_footer(bytes, used - removed, count - range.len(), shape);
        self.shrink();
    }

    /// Gives memory back, but not so much that the next insertion asks for it again.
    fn shrink(&mut self) {
        let needed = self.needed();
        let capacity = capacity_for(needed);
        if needed + needed / 4 < self.0.len() && capacity < self.0.len() {
            self.unshared(capacity);
        }
    }
}

/// Adds to starts.
fn shift(starts: &mut [u8], by: u16) {
    for start in starts.chunks_exact_mut(START) {
        put_u16(start, 0, u16_at(start, 0).wrapping_add(by));
    }
}

fn put_footer(bytes: &mut [u8], used: usize, count: usize, shape: u16) {
    let at = bytes.len() - FOOTER;
    let used = u32::try_from(used)
        .expect("keys and values are arguments, and bounded like these (base::limits)");
    bytes[at..at + 4].copy_from_slice(&used.to_le_bytes());
    put_u16(bytes, at + 4, count as u16);
    put_u16(bytes, at + 6, shape);
}
