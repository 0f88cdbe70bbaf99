//! What an object is found by: its key, and the deadline if it has one.
//!
//! Most keys are short and most objects have no deadline, so both share three words:
//!
//! ```text
//! inline:  key (up to 22 bytes)   or   key (up to 14 bytes) · deadline (8)
//! boxed:   key                    or   deadline (8) · key, in an allocation of their own
//! ```
//!
//! A deadline is a little-endian number, in Unix milliseconds.

use crate::base::allocator::allocation_size;

const DEADLINE: usize = 8;
/// The longest keys that lie in the label itself, without and with a deadline.
const INLINE_MAX: usize = 22;
const INLINE_VOLATILE_MAX: usize = INLINE_MAX - DEADLINE;

/// See the module's description.
#[derive(Clone, Debug)]
pub(super) struct Label(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Inline { len: u8, key: [u8; INLINE_MAX] },
    InlineVolatile { len: u8, key: [u8; INLINE_VOLATILE_MAX], deadline: [u8; DEADLINE] },
    Boxed(Box<[u8]>),
    BoxedVolatile(Box<[u8]>),
}

const _: () = assert!(size_of::<Label>() == 24);

impl Label {
    pub(super) fn new(key: &[u8], deadline: Option<i64>) -> Label {
        let len = key.len() as u8;
        Label(match deadline.map(i64::to_le_bytes) {
            None if key.len() <= INLINE_MAX => Repr::Inline { len, key: padded(key) },
            Some(deadline) if key.len() <= INLINE_VOLATILE_MAX => {
                Repr::InlineVolatile { len, key: padded(key), deadline }
            }
            None => Repr::Boxed(key.into()),
            Some(deadline) => Repr::BoxedVolatile([&deadline, key].concat().into()),
        })
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, key } => &key[..usize::from(*len)],
            Repr::InlineVolatile { len, key, .. } => &key[..usize::from(*len)],
            Repr::Boxed(key) => key,
            Repr::BoxedVolatile(bytes) => &bytes[DEADLINE..],
        }
    }

    /// Unix milliseconds.
    #[inline]
    pub(super) fn deadline(&self) -> Option<i64> {
        let deadline = match &self.0 {
            Repr::Inline { .. } | Repr::Boxed(_) => return None,
            Repr::InlineVolatile { deadline, .. } => deadline,
            Repr::BoxedVolatile(bytes) => bytes.first_chunk().expect("a deadline is in front"),
        };
        Some(i64::from_le_bytes(*deadline))
    }

    /// Bytes taken from the allocator.
    #[inline]
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } | Repr::InlineVolatile { .. } => 0,
            Repr::Boxed(bytes) | Repr::BoxedVolatile(bytes) => allocation_size(bytes.len()),
        }
    }
}

fn padded<const N: usize>(key: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..key.len()].copy_from_slice(key);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_read_back_with_and_without_deadlines() {
        let long: Vec<u8> = (0..=255).collect();
        for len in 0..=long.len() {
            for deadline in [None, Some(i64::MIN), Some(1_790_000_000_000), Some(i64::MAX)] {
                let label = Label::new(&long[..len], deadline);
                assert_eq!((label.key(), label.deadline()), (&long[..len], deadline));
                let inline_max = if deadline.is_some() { 14 } else { 22 };
                assert_eq!(label.heap_bytes() == 0, len <= inline_max, "{len} {deadline:?}");
            }
        }
    }
}
