//! Integers in a sorted array, all with as many bytes as the largest needs: small sets of integers.
//!
//! The bytes are those of Redis's intset behind its header (little-endian, two's complement), so that
//! `DUMP` and `RESTORE` take them over. The width grows when it must and never shrinks.
//! Limits: inserting and removing moves what is behind.

/// See the module's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integers {
    bytes: Vec<u8>,
    /// Bytes of an integer: 2, 4 or 8.
    width: u8,
}

impl Default for Integers {
    fn default() -> Integers {
        Integers { bytes: Vec::new(), width: 2 }
    }
}

/// How many bytes an integer needs.
fn width_of(value: i64) -> u8 {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

impl Integers {
    pub fn len(&self) -> usize {
        self.bytes.len() / usize::from(self.width)
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes of one integer, and all of them as Redis would have them behind an intset's header.
    pub fn encoded(&self) -> (usize, &[u8]) {
        (self.width.into(), &self.bytes)
    }

    /// Takes over integers as Redis encodes them; `None` if they are damaged.
    pub fn from_encoded(width: usize, bytes: Vec<u8>) -> Option<Integers> {
        let is_sound = matches!(width, 2 | 4 | 8) && bytes.len().is_multiple_of(width);
        let integers = Integers { bytes, width: width as u8 };
        (is_sound && integers.iter().is_sorted_by(|a, b| a < b)).then_some(integers)
    }

    /// The integer at an index.
    pub fn get(&self, index: usize) -> Option<i64> {
        let width = usize::from(self.width);
        let bytes = self.bytes.get(index * width..)?.get(..width)?;
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
        width_of(value) <= self.width && self.find(value).is_ok()
    }

    /// Adds an integer; true if it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        if width_of(value) > self.width {
            self.widen(width_of(value));
        }
        let Err(index) = self.find(value) else { return false };
        let width = usize::from(self.width);
        let (place, old_len) = (index * width, self.bytes.len());
        if old_len + width > self.bytes.capacity() {
            // In small steps: many small sets must not waste half of their memory.
            self.bytes.reserve_exact(width.max(old_len / 8));
        }
        self.bytes.resize(old_len + width, 0);
        self.bytes.copy_within(place..old_len, place + width);
        self.bytes[place..place + width].copy_from_slice(&value.to_le_bytes()[..width]);
        true
    }

    fn widen(&mut self, width: u8) {
        let mut bytes = Vec::with_capacity((self.len() + 1) * usize::from(width));
        for value in self.iter() {
            bytes.extend_from_slice(&value.to_le_bytes()[..usize::from(width)]);
        }
        *self = Integers { bytes, width };
    }

    /// Removes an integer; true if it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.find(value) else { return false };
        let place = index * usize::from(self.width);
        self.bytes.drain(place..place + usize::from(self.width));
        if self.bytes.len() * 2 < self.bytes.capacity() {
            self.bytes.shrink_to_fit();
        }
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

    #[test]
    fn damaged_integers_are_refused() {
        assert!(Integers::from_encoded(2, vec![1, 0, 2, 0]).is_some());
        assert!(Integers::from_encoded(2, vec![2, 0, 1, 0]).is_none());
        assert!(Integers::from_encoded(2, vec![1, 0, 1, 0]).is_none());
        assert!(Integers::from_encoded(2, vec![1, 0, 1]).is_none());
        assert!(Integers::from_encoded(3, vec![1, 0, 1]).is_none());
        assert!(Integers::from_encoded(0, vec![]).is_none());
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
                let (width, bytes) = integers.encoded();
                prop_assert_eq!(Integers::from_encoded(width, bytes.to_vec()), Some(integers.clone()));
            }
        }
    }
}
