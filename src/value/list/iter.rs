//! Elements of a list in order, from either end.

use super::blocks::{Blocks, Place};
use crate::value::listpack::{self, Element, Listpack};

/// See the module's description. The two ends walk independently; `left` says when they have met.
#[derive(Clone)]
pub struct Iter<'a> {
    /// What comes next within the block that the front, or the back, is in.
    front: listpack::Iter<'a>,
    back: listpack::Iter<'a>,
    left: usize,
    /// The directory, and in which of its blocks front and back are; nothing if all is in one piece.
    directory: Option<(&'a Blocks, Place, Place)>,
}

impl<'a> Iter<'a> {
    /// Elements `start..end` of a list in one piece.
    pub(super) fn of_pack(pack: &'a Listpack, start: usize, end: usize) -> Iter<'a> {
        let place = |index| pack.place(index).expect("the range is inside");
        Iter {
            front: pack.iter_from(place(start)),
            back: pack.iter_until(place(end)),
            left: end - start,
            directory: None,
        }
    }

    /// Elements `start..end` of blocks; there is one at least.
    pub(super) fn of_blocks(blocks: &'a Blocks, start: usize, end: usize) -> Iter<'a> {
        let (first, first_offset) = blocks.locate(start);
        let (last, last_offset) = blocks.locate(end - 1);
        let place = |pack: &Listpack, offset| pack.place(offset).expect("the offset is inside");
        let (front, back) = (blocks.pack(first), blocks.pack(last));
        Iter {
            front: front.iter_from(place(front, first_offset)),
            back: back.iter_until(place(back, last_offset + 1)),
            left: end - start,
            directory: Some((blocks, first, last)),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        loop {
            if let Some(element) = self.front.next() {
                return Some(element);
            }
            let (blocks, at, _) = self.directory.as_mut().expect("there is a further block");
            *at = blocks.after(*at).expect("there is a further block");
            self.front = blocks.pack(*at).iter();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        loop {
            if let Some(element) = self.back.next_back() {
                return Some(element);
            }
            let (blocks, _, at) = self.directory.as_mut().expect("there is a further block");
            *at = blocks.before(*at).expect("there is a further block");
            self.back = blocks.pack(*at).iter();
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
