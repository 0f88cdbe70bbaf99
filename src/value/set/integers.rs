//! Integers in a sorted array, all with as many bytes as the largest needs: small sets of integers.
//!
//! The bytes are those of Redis's intset behind its header (little-endian, two's complement), so that
//! `DUMP` takes them over. The width grows when it must and never shrinks.
//! Limits: inserting and removing moves what is behind.

use crate::value::roomy::RoomyBytes;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Integers {
    memory: RoomyBytes,
    len: u32,
    width: Width,
}

/// Bytes of an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    #[default]
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    /// What an integer needs.
    fn of(value: i64) -> Width {
        if i16::try_from(value).is_ok() {
            Width::Two
        } else if i32::try_from(value).is_ok() {
            Width::Four
        } else {
            Width::Eight
        }
    }

    #[inline]
    fn bytes(self) -> usize {
        self as usize
    }
}

impl PartialEq for Integers {
    fn eq(&self, other: &Integers) -> bool {
        self.encoded() == other.encoded()
    }
}

impl Eq for Integers {}

impl Integers {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.memory.heap_bytes()
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[..self.len() * self.width.bytes()]
    }

    /// Bytes of one integer, and all of them as Redis would have them behind an intset's header.
    pub fn encoded(&self) -> (usize, &[u8]) {
        (self.width.bytes(), self.bytes())
    }

    /// The integer at an index.
    pub fn get(&self, index: usize) -> Option<i64> {
        let width = self.width.bytes();
        let bytes = self.bytes().get(index * width..)?.get(..width)?;
        // Sign-extended: the bytes are put at the top and shifted down.
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(bytes);
        Some(i64::from_le_bytes(wide) >> (64 - 8 * width))
    }

    /// All, rising.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i64> + Clone + '_ {
        (0..self.len()).map(|index| self.get(index).expect("the index is inside"))
    }

    /// Where the integer is, or would have to be inserted.
    pub fn find(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let other = self.get(middle).expect("the index is inside");
            match other.cmp(&value) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    pub fn contains(&self, value: i64) -> bool {
        Width::of(value) <= self.width && self.find(value).is_ok()
    }

    /// Adds an integer; true if it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        if Width::of(value) > self.width {
            self.widen(Width::of(value));
        }
        let Err(index) = self.find(value) else { return false };
        let width = self.width.bytes();
        let (place, end) = (index * width, self.bytes().len());
        self.memory.grow(end + width);
        self.memory.copy_within(place..end, place + width);
        self.memory[place..place + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.len += 1;
        true
    }

    /// Makes room for one of the new width, too.
    fn widen(&mut self, width: Width) {
        let mut wider = Integers { memory: RoomyBytes::default(), len: self.len, width };
        wider.memory.grow((self.len() + 1) * width.bytes());
        for (bytes, value) in wider.memory.chunks_exact_mut(width.bytes()).zip(self.iter()) {
            bytes.copy_from_slice(&value.to_le_bytes()[..width.bytes()]);
        }
        *self = wider;
    }

    /// Removes an integer; true if it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.find(value) else { return false };
        let (place, end) = (index * self.width.bytes(), self.bytes().len());
        self.memory.copy_within(place + self.width.bytes()..end, place);
        self.len -= 1;
        self.memory.trim(self.bytes().len());
        true
    }
}

impl FromIterator<i64> for Integers {
    fn from_iter<T: IntoIterator<Item = i64>>(values: T) -> Integers {
        let mut integers = Integers::default();
        for value in values {
            integers.insert(value);
        }
        integers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn redis_encodes_these_integers_as_these_bytes() {
        let mut integers = Integers::default();
        assert!(integers.insert(2) && integers.insert(-1) && !integers.insert(2));
        assert_eq!(integers.encoded(), (2, &b"\xff\xff\x02\x00"[..]));
        assert!(integers.insert(70_000));
        assert_eq!(integers.encoded(), (4, &b"\xff\xff\xff\xff\x02\0\0\0\x70\x11\x01\0"[..]));
        assert!(integers.remove(70_000));
        assert_eq!(integers.encoded().0, 4);
    }

    fn values() -> impl Strategy<Value = i64> {
        prop_oneof![
            -5i64..5,
            (0u32..64, any::<bool>()).prop_map(|(bits, up)| if up {
                i64::MAX >> bits
            } else {
                i64::MIN >> bits
            })
        ]
    }

    proptest! {
        #[test]
        fn changes_are_those_of_a_set(steps in prop::collection::vec((any::<bool>(), values()), 1..100)) {
            let (mut integers, mut model) = (Integers::default(), BTreeSet::new());
            for (adds, value) in steps {
                if adds {
                    prop_assert_eq!(integers.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(integers.remove(value), model.remove(&value));
                }
                prop_assert_eq!(integers.contains(value), adds);
                prop_assert!(integers.iter().eq(model.iter().copied()));
                prop_assert_eq!(integers.encoded().1.len(), model.len() * integers.encoded().0);
                prop_assert!(integers.heap_bytes() <= 32 + 2 * integers.encoded().1.len());
            }
        }
    }
}
