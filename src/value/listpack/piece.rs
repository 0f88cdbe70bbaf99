//! The memory of a listpack: one allocation, in a size that the allocator has.
//!
//! ```text
//! number of elements (31 bits) · bytes in use (33 bits)   as one little-endian number of 8 bytes
//! elements · unused
//! ```
//!
//! Lengths lie with the elements, so that a listpack is two words wherever it is kept, and an empty one takes
//! nothing besides.

use crate::value::roomy::RoomyBytes;

const HEAD: usize = 8;
const USED_BITS: u32 = 33;
const USED_MAX: u64 = (1 << USED_BITS) - 1;
/// Elements at most.
pub(super) const COUNT_MAX: usize = (1 << (64 - USED_BITS)) - 1;

/// See the module's description. Nothing at all, or a head and what follows.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece(RoomyBytes);

impl Piece {
    /// A piece that holds these elements, of which there are `count`.
    pub(super) fn holding(bytes: &[u8], count: usize) -> Piece {
        let mut piece = Piece::default();
        if !bytes.is_empty() {
            piece.splice(0, 0, bytes.len(), count).copy_from_slice(bytes);
        }
        piece
    }

    #[inline]
    fn head(&self) -> u64 {
        self.0.first_chunk::<HEAD>().map_or(0, |head| u64::from_le_bytes(*head))
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        (self.head() >> USED_BITS) as usize
    }

    #[inline]
    pub(super) fn used(&self) -> usize {
        (self.head() & USED_MAX) as usize
    }

    /// The elements.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        let used = self.used();
        self.0.split_first_chunk::<HEAD>().map_or(&[], |(_, behind)| &behind[..used])
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let used = self.used();
        self.0.split_first_chunk_mut::<HEAD>().map_or(&mut [], |(_, behind)| &mut behind[..used])
    }

    /// Bytes taken from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// Makes `added` bytes of the `removed` ones at `start` and moves what is behind; `count` elements there will be.
    /// The bytes are the caller's to fill.
    pub(super) fn splice(
        &mut self,
        start: usize,
        removed: usize,
        added: usize,
        count: usize,
    ) -> &mut [u8] {
        let old = self.used();
        let new = old - removed + added;
        self.0.grow(HEAD + new);
        self.0.copy_within(HEAD + start + removed..HEAD + old, HEAD + start + added);
        self.set_head(new, count);
        &mut self.0[HEAD + start..][..added]
    }

    fn set_head(&mut self, used: usize, count: usize) {
        assert!(used as u64 <= USED_MAX && count <= COUNT_MAX, "a listpack has a limit");
        let head = (count as u64) << USED_BITS | used as u64;
        self.0[..HEAD].copy_from_slice(&head.to_le_bytes());
    }

    /// Gives back memory if less than half of it is used.
    pub(super) fn trim(&mut self) {
        self.0.trim(self.taken());
    }

    /// Gives back all memory that is unused.
    pub(super) fn shrink(&mut self) {
        self.0.shrink(self.taken());
    }

    /// Without elements, no head is needed.
    fn taken(&self) -> usize {
        match self.used() {
            0 => 0,
            used => HEAD + used,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::allocator::growing_size;

    #[test]
    fn memory_is_of_a_size_that_the_allocator_has_and_at_least_half_used() {
        let mut piece = Piece::default();
        assert_eq!((piece.heap_bytes(), piece.bytes(), piece.count()), (0, &[][..], 0));
        for len in 1..5_000 {
            piece.splice(piece.used(), 0, 1, len).fill(7);
            assert_eq!(piece.heap_bytes(), growing_size(HEAD + len));
        }
        for len in (0..4_999).rev() {
            piece.splice(0, 1, 0, len);
            piece.trim();
            assert_eq!((piece.bytes().len(), piece.count()), (len, len));
            assert!(piece.bytes().iter().all(|byte| *byte == 7));
            assert!(piece.heap_bytes() <= 2 * (HEAD + len), "{len}");
            assert_eq!(piece.heap_bytes(), growing_size(piece.heap_bytes()));
        }
        piece.shrink();
        assert_eq!(piece.heap_bytes(), 0);
    }

    #[test]
    fn the_middle_is_exchanged_for_something_longer_or_shorter() {
        let mut piece = Piece::holding(b"abcdef", 6);
        piece.splice(2, 2, 5, 9).copy_from_slice(b"-----");
        assert_eq!((piece.bytes(), piece.count()), (&b"ab-----ef"[..], 9));
        piece.splice(1, 7, 1, 3).copy_from_slice(b".");
        assert_eq!((piece.bytes(), piece.count()), (&b"a.f"[..], 3));
    }
}
