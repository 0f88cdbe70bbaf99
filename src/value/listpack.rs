//! A sequence of short byte strings in one allocation: small collections, and the blocks of large ones.
//!
//! Elements lie one behind the other, each in the encoding of Redis's listpack (specified in
//! `antirez/listpack`), so that `DUMP` and `RESTORE` take them over as they are. What looks like an
//! integer is kept as one.
//!
//! ```text
//! element:   encoding and data · length of these, readable backwards
//!
//! 0xxxxxxx                    0..=127                    11110001 + 2 bytes    i16
//! 10xxxxxx + data             up to 63 bytes             11110010 + 3 bytes    i24
//! 110xxxxx + 1 byte           i13                        11110011 + 4 bytes    i32
//! 1110xxxx + 1 byte + data    up to 4095 bytes           11110100 + 8 bytes    i64
//! 11110000 + 4 bytes + data   up to 4 GiB
//! ```
//!
//! Data and multi-byte numbers are little-endian, except the lengths of 12 and the integers of 13 bits,
//! whose high bits are in the first byte. The length behind an element has 7 bits per byte, the most
//! significant first; all its bytes but the first have their high bit set.
//!
//! A place is the byte offset of an element. Any change makes the places behind it invalid.
//! Limits: finding and inserting is linear in the bytes. The caller bounds them and changes over to a
//! structure for many elements.

use crate::base::allocator::allocation_size;
use crate::base::number::parse_i64;

/// See the module's description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listpack {
    bytes: Vec<u8>,
    len: u32,
}

/// An element as it is kept. Displays as the bytes that were put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
}

impl Element<'_> {
    /// Calls `read` with the bytes of the element.
    #[inline]
    pub fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Element::Integer(number) => read(itoa::Buffer::new().format(*number).as_bytes()),
            Element::Bytes(bytes) => read(bytes),
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// How many bytes it stands for.
    pub fn byte_len(&self) -> usize {
        match self {
            Element::Integer(_) => self.with_bytes(<[u8]>::len),
            Element::Bytes(bytes) => bytes.len(),
        }
    }

    /// The integer that it is.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Element::Integer(number) => Some(*number),
            Element::Bytes(_) => None,
        }
    }
}

/// The element that bytes are kept as.
#[inline]
pub fn element(bytes: &[u8]) -> Element<'_> {
    /// No `i64` has more characters.
    const INTEGER_LEN_MAX: usize = 20;
    match bytes {
        [b'0'..=b'9' | b'-', ..] if bytes.len() <= INTEGER_LEN_MAX => {
            parse_i64(bytes).map_or(Element::Bytes(bytes), Element::Integer)
        }
        _ => Element::Bytes(bytes),
    }
}

const LONG_STRING: u8 = 0xf0;
const INT16: u8 = 0xf1;
const INT24: u8 = 0xf2;
const INT32: u8 = 0xf3;
const INT64: u8 = 0xf4;
/// Ends a listpack of Redis; never begins an element.
pub const END: u8 = 0xff;

/// Bytes of an element without its length at the end, by its first bytes. `None`: this is no element.
#[inline]
fn body_len(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    Some(match first {
        0..=0x7f => 1,
        0x80..=0xbf => 1 + usize::from(first & 0x3f),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 2 + (usize::from(first & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        LONG_STRING => {
            let len = bytes.get(1..5)?.try_into().expect("the slice has four bytes");
            5usize.checked_add(u32::from_le_bytes(len) as usize)?
        }
        INT16 => 3,
        INT24 => 4,
        INT32 => 5,
        INT64 => 9,
        _ => return None,
    })
}

/// How many bytes the length at the end takes.
#[inline]
fn back_len_size(body: usize) -> usize {
    match body {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        0x20_0000..=0x0fff_ffff => 4,
        _ => 5,
    }
}

fn push_back_len(out: &mut Vec<u8>, body: usize) {
    let size = back_len_size(body);
    for n in (0..size).rev() {
        let more = if n + 1 == size { 0 } else { 0x80 };
        out.push((body >> (7 * n) & 0x7f) as u8 | more);
    }
}

/// Appends an element.
pub(super) fn encode(out: &mut Vec<u8>, element: Element<'_>) {
    let start = out.len();
    match element {
        Element::Integer(number) => encode_integer(out, number),
        Element::Bytes(bytes) => {
            match bytes.len() {
                len @ 0..=0x3f => out.push(0x80 | len as u8),
                len @ 0x40..=0xfff => out.extend([0xe0 | (len >> 8) as u8, len as u8]),
                len => {
                    let len = u32::try_from(len).expect("strings are shorter than 4 GiB");
                    out.push(LONG_STRING);
                    out.extend(len.to_le_bytes());
                }
            }
            out.extend_from_slice(bytes);
        }
    }
    push_back_len(out, out.len() - start);
}

fn encode_integer(out: &mut Vec<u8>, number: i64) {
    const INT24_RANGE: std::ops::RangeInclusive<i64> = -(1 << 23)..=(1 << 23) - 1;
    if (0..=0x7f).contains(&number) {
        out.push(number as u8);
    } else if (-4096..=4095).contains(&number) {
        let bits = (number & 0x1fff) as u16;
        out.extend([0xc0 | (bits >> 8) as u8, bits as u8]);
    } else if let Ok(number) = i16::try_from(number) {
        out.push(INT16);
        out.extend(number.to_le_bytes());
    } else if INT24_RANGE.contains(&number) {
        out.push(INT24);
        out.extend(&(number as i32).to_le_bytes()[..3]);
    } else if let Ok(number) = i32::try_from(number) {
        out.push(INT32);
        out.extend(number.to_le_bytes());
    } else {
        out.push(INT64);
        out.extend(number.to_le_bytes());
    }
}

/// The element at the front of `bytes`, which begin with a whole one.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Element<'_> {
    let little = |size: usize| {
        // Sign-extended: the bytes are put at the top and shifted down.
        let mut wide = [0; 8];
        wide[8 - size..].copy_from_slice(&bytes[1..1 + size]);
        i64::from_le_bytes(wide) >> (64 - 8 * size)
    };
    let first = bytes[0];
    match first {
        0..=0x7f => Element::Integer(i64::from(first)),
        0x80..=0xbf => Element::Bytes(&bytes[1..1 + usize::from(first & 0x3f)]),
        0xc0..=0xdf => {
            let bits = i64::from(first & 0x1f) << 8 | i64::from(bytes[1]);
            Element::Integer(bits << 51 >> 51)
        }
        0xe0..=0xef => {
            let len = usize::from(first & 0x0f) << 8 | usize::from(bytes[1]);
            Element::Bytes(&bytes[2..2 + len])
        }
        LONG_STRING => {
            let len = bytes[1..5].try_into().expect("the slice has four bytes");
            Element::Bytes(&bytes[5..5 + u32::from_le_bytes(len) as usize])
        }
        INT16 => Element::Integer(little(2)),
        INT24 => Element::Integer(little(3)),
        INT32 => Element::Integer(little(4)),
        INT64 => Element::Integer(little(8)),
        _ => unreachable!("elements were checked when they came in"),
    }
}

/// Bytes that an element takes.
#[inline]
pub(super) fn size_at(bytes: &[u8]) -> usize {
    let body = body_len(bytes).expect("elements were checked when they came in");
    body + back_len_size(body)
}

/// Bytes that these bytes would take as an element.
pub fn encoded_size(bytes: &[u8]) -> usize {
    let body = match element(bytes) {
        Element::Integer(number) => match number {
            0..=0x7f => 1,
            -4096..=4095 => 2,
            -0x8000..=0x7fff => 3,
            -0x80_0000..=0x7f_ffff => 4,
            -0x8000_0000..=0x7fff_ffff => 5,
            _ => 9,
        },
        Element::Bytes(bytes) => match bytes.len() {
            len @ 0..=0x3f => 1 + len,
            len @ 0x40..=0xfff => 2 + len,
            len => 5 + len,
        },
    };
    body + back_len_size(body)
}

impl Listpack {
    pub fn new() -> Listpack {
        Listpack::default()
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of all elements.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back memory that growing reserved.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The elements as Redis would have them between a listpack's header and its last byte.
    pub fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes over elements as Redis encodes them; `None` if they are damaged.
    pub fn from_encoded(bytes: Vec<u8>) -> Option<Listpack> {
        let mut len = 0u32;
        let mut at = 0;
        let mut back = Vec::new();
        while at < bytes.len() {
            let body = body_len(&bytes[at..])?;
            let behind = at.checked_add(body)?;
            let end = behind.checked_add(back_len_size(body))?;
            back.clear();
            push_back_len(&mut back, body);
            if bytes.get(behind..end)? != back {
                return None;
            }
            at = end;
            len = len.checked_add(1)?;
        }
        Some(Listpack { bytes, len })
    }

    /// All elements, from either end.
    pub fn iter(&self) -> Iter<'_> {
        Iter { bytes: &self.bytes }
    }

    /// The elements from a place on.
    pub fn iter_from(&self, place: usize) -> Iter<'_> {
        Iter { bytes: &self.bytes[place..] }
    }

    /// The elements before a place.
    pub fn iter_until(&self, place: usize) -> Iter<'_> {
        Iter { bytes: &self.bytes[..place] }
    }

    /// The element at a place.
    #[inline]
    pub fn at(&self, place: usize) -> Element<'_> {
        decode(&self.bytes[place..])
    }

    /// The place behind the element at `place`; the end of the bytes if it is the last.
    #[inline]
    pub fn next(&self, place: usize) -> usize {
        place + size_at(&self.bytes[place..])
    }

    /// The place of element number `index`, or the end of the bytes if there are just as many. Searched
    /// from the nearer end.
    pub fn place(&self, index: usize) -> Option<usize> {
        if index > self.len() {
            return None;
        }
        if index <= self.len() / 2 {
            return Some((0..index).fold(0, |place, _| self.next(place)));
        }
        let back = self.len() - index;
        Some((0..back).fold(self.bytes.len(), |place, _| previous(&self.bytes[..place])))
    }

    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        (index < self.len()).then(|| self.at(self.place(index).expect("the index is inside")))
    }

    /// Number and place of the first element, from `from` on, that equals these bytes; only every
    /// `step`th is looked at, and numbers count these.
    pub fn find(&self, value: &[u8], from: usize, step: usize) -> Option<(usize, usize)> {
        let wanted = element(value);
        let mut place = from;
        let mut number = 0;
        while place < self.bytes.len() {
            if self.at(place) == wanted {
                return Some((number, place));
            }
            for _ in 0..step {
                if place < self.bytes.len() {
                    place = self.next(place);
                }
            }
            number += 1;
        }
        None
    }

    pub fn push_back(&mut self, value: &[u8]) {
        self.reserve(value.len() + 8);
        encode(&mut self.bytes, element(value));
        self.len += 1;
    }

    pub fn push_front(&mut self, value: &[u8]) {
        self.insert(0, value);
    }

    /// Puts an element before the one at `place`.
    pub fn insert(&mut self, place: usize, value: &[u8]) {
        self.splice(place, place, value);
        self.len += 1;
    }

    /// Exchanges the element at `place`.
    pub fn replace(&mut self, place: usize, value: &[u8]) {
        let end = self.next(place);
        self.splice(place, end, value);
    }

    fn splice(&mut self, start: usize, end: usize, value: &[u8]) {
        let mut encoded = Vec::with_capacity(value.len() + 16);
        encode(&mut encoded, element(value));
        let removed = end - start;
        if encoded.len() > removed {
            let more = encoded.len() - removed;
            self.reserve(more);
            let old_len = self.bytes.len();
            self.bytes.resize(old_len + more, 0);
            self.bytes.copy_within(end..old_len, end + more);
        } else {
            self.bytes.copy_within(end.., start + encoded.len());
            self.bytes.truncate(self.bytes.len() - (removed - encoded.len()));
        }
        self.bytes[start..start + encoded.len()].copy_from_slice(&encoded);
    }

    /// Removes `count` elements from `place` on, or as many as there are; tells how many.
    pub fn remove(&mut self, place: usize, count: usize) -> usize {
        let mut end = place;
        let mut removed = 0;
        while removed < count && end < self.bytes.len() {
            end = self.next(end);
            removed += 1;
        }
        self.bytes.drain(place..end);
        self.len -= removed as u32;
        removed
    }

    /// Removes the elements for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(Element<'_>) -> bool) {
        let (mut from, mut to) = (0, 0);
        while from < self.bytes.len() {
            let end = self.next(from);
            if keep(self.at(from)) {
                self.bytes.copy_within(from..end, to);
                to += end - from;
            } else {
                self.len -= 1;
            }
            from = end;
        }
        self.bytes.truncate(to);
    }

    /// Cuts the sequence in two before the element at `place`, which is number `index`.
    pub fn split_off(&mut self, place: usize, index: usize) -> Listpack {
        let len = self.len - index as u32;
        self.len = index as u32;
        Listpack { bytes: self.bytes.split_off(place), len }
    }

    /// Adds the elements of another.
    pub fn append(&mut self, other: &Listpack) {
        self.bytes.extend_from_slice(&other.bytes);
        self.len += other.len;
    }

    /// Grows to the next size that the allocator has, a quarter at most: many small collections must not waste half of
    /// their memory.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(allocation_size(needed) - self.bytes.len());
        }
    }
}

/// The place of the last element of `bytes`, which are not empty.
#[inline]
pub(super) fn previous(bytes: &[u8]) -> usize {
    let mut body = 0;
    let mut size = 0;
    loop {
        let byte = bytes[bytes.len() - 1 - size];
        body |= usize::from(byte & 0x7f) << (7 * size);
        size += 1;
        if byte & 0x80 == 0 {
            return bytes.len() - size - body;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(pack: &Listpack) -> Vec<Vec<u8>> {
        pack.iter().map(|element| element.to_vec()).collect()
    }

    #[test]
    fn elements_of_every_encoding_read_back_from_both_ends() {
        let mut pack = Listpack::new();
        let long = [&b"x"[..]; 70_000].concat();
        let texts = ["", "a", "007", "-0", "9223372036854775808", "+1"];
        let mut expected: Vec<Vec<u8>> =
            texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        expected.extend([63, 64, 127, 128, 4095, 4096, 70_000].map(|len| long[..len].to_vec()));
        for bits in 0..64 {
            let number = i64::MIN >> bits;
            expected.extend([number, !number, number + 1].map(|n| n.to_string().into_bytes()));
        }
        for value in &expected {
            let before = pack.byte_len();
            pack.push_back(value);
            assert_eq!(pack.byte_len() - before, encoded_size(value));
        }
        assert_eq!(words(&pack), expected);
        let mut backwards: Vec<_> = pack.iter().rev().map(|element| element.to_vec()).collect();
        backwards.reverse();
        assert_eq!(backwards, expected);
        assert_eq!(Listpack::from_encoded(pack.encoded().to_vec()), Some(pack));
    }

    #[test]
    fn redis_encodes_these_elements_as_these_bytes() {
        let mut pack = Listpack::new();
        for value in ["a", "1", "-1", "4095", "32767", "8388607", "hello"] {
            pack.push_back(value.as_bytes());
        }
        let expected: &[u8] = b"\x81a\x02\x01\x01\xdf\xff\x02\xcf\xff\x02\xf1\xff\x7f\x03\
                                \xf2\xff\xff\x7f\x04\x85hello\x06";
        assert_eq!(pack.encoded(), expected);
    }

    #[test]
    fn damaged_elements_are_refused() {
        let mut pack = Listpack::new();
        pack.push_back(b"hello");
        pack.push_back(b"100000");
        let good = pack.encoded().to_vec();
        for end in (1..good.len()).filter(|end| *end != 7) {
            assert_eq!(Listpack::from_encoded(good[..end].to_vec()), None, "cut at {end}");
        }
        let mut wrong_back_len = good.clone();
        wrong_back_len[6] = 5;
        assert_eq!(Listpack::from_encoded(wrong_back_len), None);
        assert_eq!(Listpack::from_encoded(vec![0xf5, 1]), None);
        assert_eq!(Listpack::from_encoded(vec![END]), None);
    }

    #[test]
    fn finding_skips_what_is_between_steps() {
        let mut pack = Listpack::new();
        ["a", "1", "1", "2", "b", "a"].iter().for_each(|value| pack.push_back(value.as_bytes()));
        assert_eq!(pack.find(b"1", 0, 2), Some((1, pack.place(2).unwrap())));
        assert_eq!(pack.find(b"a", pack.place(1).unwrap(), 1), Some((4, pack.place(5).unwrap())));
        assert_eq!(pack.find(b"a", pack.place(2).unwrap(), 2), None);
        assert_eq!(pack.place(6), Some(pack.byte_len()));
        assert_eq!(pack.place(7), None);
    }

    proptest! {
        #[test]
        fn changes_are_those_of_a_vector(
            steps in prop::collection::vec((0u8..5, 0usize..50, "[0-9]{0,5}|[a-z]{0,80}"), 1..200)
        ) {
            let (mut pack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
            for (step, number, text) in steps {
                let value = text.into_bytes();
                let index = number % (model.len() + 1);
                let place = pack.place(index).unwrap();
                match step {
                    0 | 1 => {
                        pack.insert(place, &value);
                        model.insert(index, value);
                    }
                    2 if index < model.len() => {
                        pack.replace(place, &value);
                        model[index] = value;
                    }
                    3 => {
                        let count = number % 3;
                        let end = (index + count).min(model.len());
                        prop_assert_eq!(pack.remove(place, count), end - index);
                        model.drain(index..end);
                    }
                    4 if number % 2 == 0 => {
                        let keep = |it: &[u8]| it.len() % 3 != number % 3;
                        pack.retain(|element| element.with_bytes(keep));
                        model.retain(|value| keep(value));
                    }
                    4 => {
                        let tail = pack.split_off(place, index);
                        prop_assert_eq!(words(&tail), &model[index..]);
                        pack.append(&tail);
                    }
                    _ => pack.push_back(&value),
                }
                if step == 2 && model.len() < pack.len() {
                    model.push(pack.get(index).unwrap().to_vec());
                }
                prop_assert_eq!(pack.len(), model.len());
                prop_assert_eq!(words(&pack), model.clone());
                prop_assert!(Listpack::from_encoded(pack.encoded().to_vec()).is_some());
            }
        }
    }
}
