//! The memory of a listpack: one allocation, in a size that the allocator has.
//!
//! ```text
//! number of elements (30 bits) · is there a gap? (1 bit) · bytes in use (33 bits)   one little-endian number of 8 bytes
//! gap, whose first 2 bytes tell its length · elements · unused
//! ```
//!
//! Lengths lie with the elements, so that a listpack is two words wherever it is kept, and an empty one takes
//! nothing besides.
//!
//! A gap is what removing elements at the front leaves, or what adding some there makes, so that queues need not move
//! all others for each. It goes as soon as the memory is needed or given back. Short pieces have none: moving them is
//! cheap.

use crate::value::roomy::RoomyBytes;

const HEAD: usize = 8;
const USED_BITS: u32 = 33;
const USED_MAX: u64 = (1 << USED_BITS) - 1;
const HAS_GAP: u64 = 1 << USED_BITS;
const COUNT_SHIFT: u32 = USED_BITS + 1;
/// Elements at most.
pub(super) const COUNT_MAX: usize = (1 << (64 - COUNT_SHIFT)) - 1;

/// Below that, elements are moved.
const GAP_USED_MIN: usize = 256;
const GAP_MAX: usize = u16::MAX as usize;
/// A gap that is made for what comes next takes this share of the bytes in use.
const GAP_SHARE: usize = 8;

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
        (self.head() >> COUNT_SHIFT) as usize
    }

    #[inline]
    pub(super) fn used(&self) -> usize {
        (self.head() & USED_MAX) as usize
    }

    /// Where the elements begin.
    #[inline]
    fn front(&self) -> usize {
        match self.head() & HAS_GAP {
            0 => HEAD.min(self.0.len()),
            _ => HEAD + usize::from(u16::from_le_bytes([self.0[HEAD], self.0[HEAD + 1]])),
        }
    }

    /// The elements.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[self.front()..][..self.used()]
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let (front, used) = (self.front(), self.used());
        &mut self.0[front..][..used]
    }

    /// Bytes taken from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// Makes `added` bytes of the `removed` ones at `start` and moves what is before or behind; `count` elements there
    /// will be. The bytes are the caller's to fill.
    #[inline]
    pub(super) fn splice(
        &mut self,
        start: usize,
        removed: usize,
        added: usize,
        count: usize,
    ) -> &mut [u8] {
        let (old, front) = (self.used(), self.front().max(HEAD));
        let new = old - removed + added;
        let front = match start {
            0 if old >= GAP_USED_MIN => self.move_front(front, removed, added),
            _ => self.move_back(front, start, removed, added),
        };
        self.set_head(new, count, front);
        &mut self.0[front + start..][..added]
    }

    /// Exchanges bytes at the front for a gap, or the other way round. Returns where the elements begin then.
    fn move_front(&mut self, front: usize, removed: usize, added: usize) -> usize {
        let behind = front + removed..front + self.used();
        // Where the elements would begin if what is behind stayed where it is.
        let in_place = behind.start.checked_sub(HEAD + added);
        if let Some(gap) = in_place.filter(|gap| *gap != 1 && *gap <= GAP_MAX) {
            return HEAD + gap;
        }
        let left = behind.len();
        let gap = if removed < added { (left / GAP_SHARE).clamp(2, GAP_MAX) } else { 0 };
        self.0.grow(HEAD + gap + added + left);
        self.0.copy_within(behind, HEAD + gap + added);
        HEAD + gap
    }

    /// Moves what is behind the exchanged bytes. A gap goes if there is no room otherwise.
    fn move_back(&mut self, front: usize, start: usize, removed: usize, added: usize) -> usize {
        let old = self.used();
        let new = old - removed + added;
        let to = if front + new <= self.0.len() { front } else { HEAD };
        self.0.grow(to + new);
        if to != front {
            self.0.copy_within(front..front + start, to);
        }
        self.0.copy_within(front + start + removed..front + old, to + start + added);
        to
    }

    fn set_head(&mut self, used: usize, count: usize, front: usize) {
        assert!(used as u64 <= USED_MAX && count <= COUNT_MAX, "a listpack has a limit");
        let gap = front - HEAD;
        let has_gap = if gap > 0 { HAS_GAP } else { 0 };
        let head = (count as u64) << COUNT_SHIFT | has_gap | used as u64;
        self.0[..HEAD].copy_from_slice(&head.to_le_bytes());
        if gap > 0 {
            let gap = u16::try_from(gap).expect("a gap is bounded");
            self.0[HEAD..HEAD + 2].copy_from_slice(&gap.to_le_bytes());
        }
    }

    /// Gives back memory if less than half of it is used.
    pub(super) fn trim(&mut self) {
        if self.0.wastes_half(self.taken()) {
            self.shrink();
        }
    }

    /// Gives back all memory that is unused.
    pub(super) fn shrink(&mut self) {
        let (front, used, taken) = (self.front(), self.used(), self.taken());
        if front > HEAD {
            self.0.copy_within(front..front + used, HEAD);
            self.set_head(used, self.count(), HEAD);
        }
        self.0.shrink(taken);
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
    use proptest::prelude::*;

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
    fn queues_hardly_move_anything() {
        let element = |number: u16| [number.to_le_bytes(), number.to_le_bytes()].concat();
        let (mut piece, mut fronts) = (Piece::default(), std::collections::BTreeSet::new());
        for number in 0..1000 {
            piece.splice(0, 0, 4, number + 1).copy_from_slice(&element(number as u16));
            fronts.insert(piece.front());
        }
        // Where they begin differs, so not all were moved each time.
        assert!(fronts.len() > 50, "{}", fronts.len());
        assert!(piece.heap_bytes() <= 4000 * 3 / 2, "{}", piece.heap_bytes());
        for number in (0..1000).rev() {
            assert_eq!(piece.bytes()[..4], element(number as u16));
            piece.splice(0, 4, 0, number);
            piece.trim();
        }
        assert_eq!((piece.heap_bytes(), piece.front()), (0, 0));
    }

    proptest! {
        #[test]
        fn a_piece_holds_what_a_vector_would(
            steps in prop::collection::vec((0usize..4, 0usize..600, 0usize..70, 0usize..90), 1..200)
        ) {
            let (mut piece, mut expected) = (Piece::default(), Vec::new());
            for (number, (kind, at, removed, added)) in steps.into_iter().enumerate() {
                let start = match kind {
                    0 | 1 => 0,
                    2 => expected.len(),
                    _ => at.min(expected.len()),
                };
                let removed = removed.min(expected.len() - start);
                let bytes = vec![number as u8; added];
                piece.splice(start, removed, added, number).copy_from_slice(&bytes);
                expected.splice(start..start + removed, bytes);
                prop_assert_eq!((piece.bytes(), piece.count()), (&expected[..], number));
                match number % 8 {
                    3 => piece.trim(),
                    7 => piece.shrink(),
                    _ => {}
                }
                prop_assert_eq!(piece.bytes(), &expected[..]);
                prop_assert!(piece.clone().bytes() == &expected[..]);
            }
        }
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
