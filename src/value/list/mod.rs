//! Lists: byte strings in an order that their users give them.
//!
//! A small list is one listpack. A large one is a directory of blocks, each a listpack (`blocks`), so that
//! both ends are cheap, the middle is found by counting, and a clone shares everything. Which of the two
//! forms it has, and when it changes over, is as in Redis 7.2, since `OBJECT ENCODING` tells: a list
//! grows into blocks before something is added that would make it too large ([`List::make_room`]), and
//! becomes one piece again when what was removed left one block that is half empty ([`List::shrink`]).

mod blocks;
mod iter;
mod limits;
#[cfg(test)]
mod tests;

use std::ops::Range;

use triomphe::Arc;

pub use iter::Iter;
pub use limits::ListLimits;

use self::blocks::Blocks;
use super::listpack::{Element, Listpack, element};

/// One of the two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the first element is.
    Left,
    Right,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub struct List(Form);

#[derive(Clone, Debug)]
enum Form {
    Small(Listpack),
    Large(Arc<Blocks>),
}

use Form::{Large, Small};

impl Default for List {
    fn default() -> List {
        List(Small(Listpack::new()))
    }
}

/// Looking.
impl List {
    pub fn len(&self) -> usize {
        match &self.0 {
            Small(pack) => pack.len(),
            Large(blocks) => blocks.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing has happened to one of two clones.
    pub fn is_same(&self, other: &List) -> bool {
        match (&self.0, &other.0) {
            (Small(pack), Small(other)) => pack == other,
            (Large(blocks), Large(other)) => Arc::ptr_eq(blocks, other),
            _ => false,
        }
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Small(pack) => pack.heap_bytes(),
            Large(blocks) => size_of::<Blocks>() + blocks.heap_bytes(),
        }
    }

    /// Whether it is one piece of memory.
    pub fn is_small(&self) -> bool {
        matches!(self.0, Small(_))
    }

    /// The name that `OBJECT ENCODING` prints.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Small(_) => "listpack",
            Large(_) => "quicklist",
        }
    }

    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        match &self.0 {
            Small(pack) => pack.get(index),
            Large(blocks) => blocks.get(index),
        }
    }

    /// The element at an end.
    pub fn last(&self, end: End) -> Option<Element<'_>> {
        match end {
            End::Left => self.get(0),
            End::Right => self.get(self.len().checked_sub(1)?),
        }
    }

    /// All elements, from either end.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// The elements with these numbers, from either end.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn range(&self, range: Range<usize>) -> Iter<'_> {
        match &self.0 {
            Large(blocks) if !range.is_empty() => Iter::of_blocks(blocks, range.start, range.end),
            Large(blocks) => {
                let pack = blocks.packs().next().expect("the large form has a block at least");
                Iter::of_pack(pack, 0, 0)
            }
            Small(pack) => Iter::of_pack(pack, range.start, range.end),
        }
    }

    /// The number of the first element that equals these bytes.
    pub fn position(&self, value: &[u8]) -> Option<usize> {
        let wanted = element(value);
        self.iter().position(|it| it == wanted)
    }

    /// The pieces that it lies in, in order: what `DUMP` writes.
    pub fn packs(&self) -> impl Iterator<Item = &Listpack> {
        let (small, large) = match &self.0 {
            Small(pack) => (Some(pack), None),
            Large(blocks) => (None, Some(blocks.packs())),
        };
        small.into_iter().chain(large.into_iter().flatten())
    }
}

/// Changing.
impl List {
    /// Prepares for values that are about to be added (`len` of them, with so many bytes together): a list
    /// in one piece that would become too large is cut into blocks.
    pub fn make_room(&mut self, bytes: usize, len: usize, limits: &ListLimits) {
        if let Small(pack) = &mut self.0
            && limits.must_cut(pack, bytes, len)
        {
            self.0 = Large(Arc::new(Blocks::from_pack(std::mem::take(pack))));
        }
    }

    /// Follows a removal: a list of one block that is half empty becomes one piece.
    pub fn shrink(&mut self, limits: &ListLimits) {
        if let Large(blocks) = &self.0 {
            if blocks.len() == 0 {
                self.0 = Small(Listpack::new());
            } else if let Some(pack) = blocks.only().filter(|pack| limits.is_small(pack)) {
                let mut pack = pack.clone();
                pack.shrink();
                self.0 = Small(pack);
            }
        }
    }

    /// Adds one value at an end. Room was made for it.
    pub fn push(&mut self, end: End, value: &[u8], limits: &ListLimits) {
        match (&mut self.0, end) {
            (Small(pack), End::Left) => pack.push_front(value),
            (Small(pack), End::Right) => pack.push_back(value),
            (Large(blocks), _) => Arc::make_mut(blocks).push(end, value, limits),
        }
    }

    /// Adds values one after the other at an end.
    pub fn push_all<'v>(
        &mut self,
        end: End,
        values: impl Iterator<Item = &'v [u8]> + Clone,
        limits: &ListLimits,
    ) {
        let (bytes, len) = values.clone().fold((0, 0), |(b, n), value| (b + value.len(), n + 1));
        self.make_room(bytes, len, limits);
        values.for_each(|value| self.push(end, value, limits));
    }

    /// Inserts a value before element number `index`, or behind it. Room was made for it.
    pub fn insert(&mut self, index: usize, is_behind: bool, value: &[u8], limits: &ListLimits) {
        match &mut self.0 {
            Small(pack) => {
                let place = pack.place(index + usize::from(is_behind));
                pack.insert(place.expect("the index is inside"), value);
            }
            Large(blocks) => Arc::make_mut(blocks).insert(index, is_behind, value, limits),
        }
    }

    /// Exchanges element number `index`. Room was made for the value.
    pub fn replace(&mut self, index: usize, value: &[u8], limits: &ListLimits) {
        match &mut self.0 {
            Small(pack) => pack.replace(pack.place(index).expect("the index is inside"), value),
            Large(blocks) => Arc::make_mut(blocks).replace(index, value, limits),
        }
    }

    /// Removes the elements with these numbers. [`List::shrink`] may follow.
    pub fn remove(&mut self, range: Range<usize>) {
        match &mut self.0 {
            _ if range.is_empty() => {}
            Small(pack) => {
                let place = pack.place(range.start).expect("the range is inside");
                pack.remove(place, range.len());
            }
            Large(blocks) => Arc::make_mut(blocks).remove(range),
        }
    }

    /// Removes at most `limit` elements that equal these bytes, counted from an end; tells how many.
    /// [`List::shrink`] may follow.
    pub fn remove_equal(
        &mut self,
        value: &[u8],
        limit: usize,
        from: End,
        limits: &ListLimits,
    ) -> usize {
        match &mut self.0 {
            Small(pack) => blocks::remove_equal_of_pack(pack, value, limit, from),
            Large(blocks) => Arc::make_mut(blocks).remove_equal(value, limit, from, limits),
        }
    }
}

/// For tests.
#[cfg(test)]
impl List {
    /// A list of these values, in the form that its size calls for.
    fn from_values<V: AsRef<[u8]>>(
        values: impl IntoIterator<Item = V>,
        limits: &ListLimits,
    ) -> List {
        let mut list = List::default();
        for value in values {
            let value = value.as_ref();
            list.make_room(value.len(), 1, limits);
            list.push(End::Right, value, limits);
        }
        list
    }
}
