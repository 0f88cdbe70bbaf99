//! A sequence of short byte strings in one allocation: small collections, and the blocks of large ones.
//!
//! Elements lie one behind the other, each in the encoding of Redis's listpack (specified in
//! `antirez/listpack`; see `encoding`), so that `DUMP` and `RESTORE` take them over as they are. What looks
//! like an integer is kept as one, and every element in the shortest encoding, so that equal ones are equal bytes. How
//! many there are and how long they are lies in front of them (`piece`).
//!
//! A place is the byte offset of an element. Any change makes the places behind it invalid.
//! Limits: finding and inserting is linear in the bytes. The caller bounds them and changes over to a
//! structure for many elements.

mod encoding;
mod piece;
#[cfg(test)]
mod tests;

pub use encoding::{END, Element, element, encoded_size};
use encoding::{Encoded, checked_size};
pub(super) use encoding::{decode, encode, previous, size_at};
use piece::{COUNT_MAX, Piece};

/// A small collection is not kept in one piece that is larger than this, whatever its limits: it is copied as a whole, with
/// its shard locked. Redis's defaults stay below. (Redis itself allows a gigabyte.)
pub const COLLECTION_BYTES_MAX: usize = 128 * 1024;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Listpack(Piece);

/// If they hold the same elements.
impl PartialEq for Listpack {
    fn eq(&self, other: &Listpack) -> bool {
        self.encoded() == other.encoded()
    }
}

impl Eq for Listpack {}

impl Listpack {
    pub fn new() -> Listpack {
        Listpack::default()
    }

    pub fn len(&self) -> usize {
        self.0.count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all elements.
    pub fn byte_len(&self) -> usize {
        self.0.used()
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// Gives back memory that growing reserved.
    pub fn shrink(&mut self) {
        self.0.shrink();
    }

    /// The elements as Redis would have them between a listpack's header and its last byte.
    #[inline]
    pub fn encoded(&self) -> &[u8] {
        self.0.bytes()
    }

    /// A copy of elements as Redis encodes them; `None` if they are damaged. What could be encoded in a shorter way,
    /// and is found only if it is, is encoded anew.
    pub fn from_encoded(bytes: &[u8]) -> Option<Listpack> {
        let (mut at, mut len, mut is_shortest) = (0, 0, true);
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += checked_size(rest)?;
            len += 1;
            is_shortest &= decode(rest).with_bytes(|it| Encoded::of(element(it)).is_at(rest));
        }
        match len {
            0..=COUNT_MAX if is_shortest => Some(Listpack(Piece::holding(bytes, len))),
            0..=COUNT_MAX => {
                let mut copy = Listpack::new();
                let elements = Iter { bytes };
                elements.for_each(|element| element.with_bytes(|it| copy.push_back(it)));
                Some(copy)
            }
            _ => None,
        }
    }

    /// All elements, from either end.
    pub fn iter(&self) -> Iter<'_> {
        Iter { bytes: self.encoded() }
    }

    /// The elements from a place on.
    pub fn iter_from(&self, place: usize) -> Iter<'_> {
        Iter { bytes: &self.encoded()[place..] }
    }

    /// The elements before a place.
    pub fn iter_until(&self, place: usize) -> Iter<'_> {
        Iter { bytes: &self.encoded()[..place] }
    }

    /// The element at a place.
    #[inline]
    pub fn at(&self, place: usize) -> Element<'_> {
        decode(&self.encoded()[place..])
    }

    /// The place behind the element at `place`; the end of the bytes if it is the last.
    #[inline]
    pub fn next(&self, place: usize) -> usize {
        place + size_at(&self.encoded()[place..])
    }

    /// The place of element number `index`, or the end of the bytes if there are just as many. Searched
    /// from the nearer end.
    pub fn place(&self, index: usize) -> Option<usize> {
        let (bytes, len) = (self.encoded(), self.len());
        if index > len {
            return None;
        }
        if index <= len / 2 {
            return Some((0..index).fold(0, |place, _| place + size_at(&bytes[place..])));
        }
        Some((index..len).fold(bytes.len(), |place, _| previous(&bytes[..place])))
    }

    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        (index < self.len()).then(|| self.at(self.place(index).expect("the index is inside")))
    }

    /// Number and place of the first element, from `from` on, that equals these bytes; only every
    /// `step`th is looked at, and numbers count these.
    pub fn find(&self, value: &[u8], from: usize, step: usize) -> Option<(usize, usize)> {
        let (bytes, wanted) = (self.encoded(), Encoded::of(element(value)));
        let mut place = from;
        let mut number = 0;
        while place < bytes.len() {
            if wanted.is_at(&bytes[place..]) {
                return Some((number, place));
            }
            for _ in 0..step {
                if place < bytes.len() {
                    place += size_at(&bytes[place..]);
                }
            }
            number += 1;
        }
        None
    }

    pub fn push_back(&mut self, value: &[u8]) {
        self.insert(self.byte_len(), value);
    }

    pub fn push_front(&mut self, value: &[u8]) {
        self.insert(0, value);
    }

    /// Puts an element before the one at `place`.
    pub fn insert(&mut self, place: usize, value: &[u8]) {
        self.put(place, 0, value, self.len() + 1);
    }

    /// Exchanges the element at `place`.
    pub fn replace(&mut self, place: usize, value: &[u8]) {
        self.put(place, self.next(place) - place, value, self.len());
        self.0.trim();
    }

    /// Writes an element over the `removed` bytes at `place`; then there are `len`.
    #[inline]
    fn put(&mut self, place: usize, removed: usize, value: &[u8], len: usize) {
        let encoded = Encoded::of(element(value));
        encoded.write(self.0.splice(place, removed, encoded.len(), len));
    }

    /// Removes `count` elements from `place` on, or as many as there are; tells how many.
    pub fn remove(&mut self, place: usize, count: usize) -> usize {
        let bytes = self.encoded();
        let mut end = place;
        let mut removed = 0;
        while removed < count && end < bytes.len() {
            end += size_at(&bytes[end..]);
            removed += 1;
        }
        self.cut_out(place, end, removed);
        removed
    }

    /// Removes the elements between two places, of which there are `count`.
    fn cut_out(&mut self, start: usize, end: usize, count: usize) {
        if start < end {
            self.0.splice(start, end - start, 0, self.len() - count);
            self.0.trim();
        }
    }

    /// Removes the elements for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(Element<'_>) -> bool) {
        let bytes = self.0.bytes_mut();
        let (mut from, mut to, mut removed) = (0, 0, 0);
        while from < bytes.len() {
            let end = from + size_at(&bytes[from..]);
            if keep(decode(&bytes[from..])) {
                bytes.copy_within(from..end, to);
                to += end - from;
            } else {
                removed += 1;
            }
            from = end;
        }
        self.cut_out(to, from, removed);
    }

    /// Cuts the sequence in two before the element at `place`, which is number `index`.
    pub fn split_off(&mut self, place: usize, index: usize) -> Listpack {
        let count = self.len() - index;
        let tail = Piece::holding(&self.encoded()[place..], count);
        self.cut_out(place, self.byte_len(), count);
        Listpack(tail)
    }

    /// Adds the elements of another.
    pub fn append(&mut self, other: &Listpack) {
        let (bytes, len) = (other.encoded(), self.len() + other.len());
        if !bytes.is_empty() {
            self.0.splice(self.byte_len(), 0, bytes.len(), len).copy_from_slice(bytes);
        }
    }
}

/// Elements from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        let element = decode(self.bytes);
        self.bytes = &self.bytes[size_at(self.bytes)..];
        Some(element)
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<Element<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        let place = previous(self.bytes);
        let element = decode(&self.bytes[place..]);
        self.bytes = &self.bytes[..place];
        Some(element)
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Element<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}
