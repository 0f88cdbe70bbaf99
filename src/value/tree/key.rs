//! Keys as they are looked for.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::branch::{HEAD, head};

/// A key in two parts, one behind the other: what makes a member sort in its place need not be copied together with it
/// for every look.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    front: &'a [u8],
    back: &'a [u8],
}

/// A key in one piece.
pub(super) type WholeKey = SmallVec<[u8; 64]>;

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(bytes: &'a [u8]) -> Key<'a> {
        Key { front: &[], back: bytes }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Key<'a> {
    fn from(bytes: &'a [u8; N]) -> Key<'a> {
        Key::from(&bytes[..])
    }
}

impl<'a> From<&'a Vec<u8>> for Key<'a> {
    fn from(bytes: &'a Vec<u8>) -> Key<'a> {
        Key::from(&bytes[..])
    }
}

impl<'a> Key<'a> {
    pub fn new(front: &'a [u8], back: &'a [u8]) -> Key<'a> {
        Key { front, back }
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        self.front.len() + self.back.len()
    }

    /// See [`head`].
    #[inline]
    pub(super) fn head(self) -> u64 {
        if self.front.is_empty() {
            return head(self.back);
        }
        let mut bytes = [0; HEAD];
        let front = self.front.len().min(HEAD);
        let back = self.back.len().min(HEAD - front);
        bytes[..front].copy_from_slice(&self.front[..front]);
        bytes[front..front + back].copy_from_slice(&self.back[..back]);
        u64::from_be_bytes(bytes)
    }

    #[inline]
    pub(super) fn cmp(self, other: &[u8]) -> Ordering {
        match other.split_at_checked(self.front.len()) {
            Some((front, back)) => self.front.cmp(front).then_with(|| self.back.cmp(back)),
            // What is shorter than the front can at most be its beginning, and is smaller then.
            None => self.front.cmp(other),
        }
    }

    /// Writes it to `out`, which it fills.
    #[inline]
    pub(super) fn write(self, out: &mut [u8]) {
        let (front, back) = out.split_at_mut(self.front.len());
        front.copy_from_slice(self.front);
        back.copy_from_slice(self.back);
    }

    pub(super) fn to_whole(self) -> WholeKey {
        let mut whole = WholeKey::with_capacity(self.len());
        whole.extend_from_slice(self.front);
        whole.extend_from_slice(self.back);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_in_two_parts_is_the_same_as_in_one(
            front in vec(0u8..3, 0..10), back in vec(0u8..3, 0..10), other in vec(0u8..3, 0..14)
        ) {
            let key = Key::new(&front, &back);
            let whole = [&front[..], &back].concat();
            prop_assert_eq!(&key.to_whole()[..], &whole[..]);
            prop_assert_eq!(key.len(), whole.len());
            prop_assert_eq!(key.head(), head(&whole));
            prop_assert_eq!(key.cmp(&other), whole.cmp(&other));
            prop_assert_eq!(key.cmp(&whole), Ordering::Equal);
            let mut written = vec![0; whole.len()];
            key.write(&mut written);
            prop_assert_eq!(written, whole);
        }
    }
}
