//! One element of a listpack: what bytes are kept as, and where one ends.
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

use crate::base::number::parse_i64;

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

/// The few bytes in front of an element's data, or behind them.
struct Short {
    bytes: [u8; 9],
    len: u8,
}

impl Short {
    #[inline]
    fn of(bytes: &[u8]) -> Short {
        let mut short = Short { bytes: [0; 9], len: bytes.len() as u8 };
        short.bytes[..bytes.len()].copy_from_slice(bytes);
        short
    }

    /// A first byte and others.
    #[inline]
    fn with_first(first: u8, others: &[u8]) -> Short {
        let mut short = Short { bytes: [first; 9], len: 1 + others.len() as u8 };
        short.bytes[1..1 + others.len()].copy_from_slice(others);
        short
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// An element's bytes, to be written: how it is encoded (or all of an integer), data, the length of both.
pub(super) struct Encoded<'a> {
    front: Short,
    data: &'a [u8],
    back: Short,
}

impl<'a> Encoded<'a> {
    #[inline]
    pub(super) fn of(element: Element<'a>) -> Encoded<'a> {
        let (front, data): (Short, &[u8]) = match element {
            Element::Integer(number) => (integer(number), &[]),
            Element::Bytes(bytes) => (front_of_string(bytes.len()), bytes),
        };
        let back = back_len(usize::from(front.len) + data.len());
        Encoded { front, data, back }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.front.len) + self.data.len() + usize::from(self.back.len)
    }

    /// Whether it is the element at the front of `bytes`. Equal elements are encoded equally. Names that differ often do
    /// so at their end, so that is looked at before the rest.
    #[inline]
    pub(super) fn is_at(&self, bytes: &[u8]) -> bool {
        let front = self.front.as_slice();
        let data_end = front.len() + self.data.len();
        bytes[0] == front[0]
            && bytes.get(data_end - 1) == self.data.last().or(front.last())
            && bytes[1..front.len()] == front[1..]
            && bytes[front.len()..data_end] == *self.data
    }

    /// Fills `out`, which is as long as this.
    #[inline]
    pub(super) fn write(&self, out: &mut [u8]) {
        let (front, rest) = out.split_at_mut(self.front.len.into());
        let (data, back) = rest.split_at_mut(self.data.len());
        front.copy_from_slice(self.front.as_slice());
        data.copy_from_slice(self.data);
        back.copy_from_slice(self.back.as_slice());
    }
}

#[inline]
fn front_of_string(len: usize) -> Short {
    match len {
        0..=0x3f => Short::of(&[0x80 | len as u8]),
        0x40..=0xfff => Short::of(&[0xe0 | (len >> 8) as u8, len as u8]),
        len => {
            let len = u32::try_from(len)
                .expect("elements are arguments, and bounded like these (base::limits)");
            Short::with_first(LONG_STRING, &len.to_le_bytes())
        }
    }
}

#[inline]
fn integer(number: i64) -> Short {
    const INT24_RANGE: std::ops::RangeInclusive<i64> = -(1 << 23)..=(1 << 23) - 1;
    if (0..=0x7f).contains(&number) {
        Short::of(&[number as u8])
    } else if (-4096..=4095).contains(&number) {
        let bits = (number & 0x1fff) as u16;
        Short::of(&[0xc0 | (bits >> 8) as u8, bits as u8])
    } else if let Ok(number) = i16::try_from(number) {
        Short::with_first(INT16, &number.to_le_bytes())
    } else if INT24_RANGE.contains(&number) {
        Short::with_first(INT24, &(number as i32).to_le_bytes()[..3])
    } else if let Ok(number) = i32::try_from(number) {
        Short::with_first(INT32, &number.to_le_bytes())
    } else {
        Short::with_first(INT64, &number.to_le_bytes())
    }
}

/// The length of `body` bytes, as it stands behind them.
#[inline]
fn back_len(body: usize) -> Short {
    let mut back = Short { bytes: [0; 9], len: back_len_size(body) as u8 };
    let last = usize::from(back.len) - 1;
    for (n, byte) in back.bytes[..=last].iter_mut().enumerate() {
        let more = if n == 0 { 0 } else { 0x80 };
        *byte = (body >> (7 * (last - n)) & 0x7f) as u8 | more;
    }
    back
}

/// Appends an element.
pub(in crate::value) fn encode(out: &mut Vec<u8>, element: Element<'_>) {
    match element {
        // What streams consist of, nearly.
        Element::Integer(number @ 0..=0x7f) => out.extend_from_slice(&[number as u8, 1]),
        _ => {
            let Encoded { front, data, back } = Encoded::of(element);
            out.extend_from_slice(front.as_slice());
            out.extend_from_slice(data);
            out.extend_from_slice(back.as_slice());
        }
    }
}

/// The element at the front of `bytes`, which begin with a whole one.
#[inline]
pub(in crate::value) fn decode(bytes: &[u8]) -> Element<'_> {
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
pub(in crate::value) fn size_at(bytes: &[u8]) -> usize {
    let body = body_len(bytes).expect("elements were checked when they came in");
    body + back_len_size(body)
}

/// Bytes that these bytes would take as an element.
pub fn encoded_size(bytes: &[u8]) -> usize {
    Encoded::of(element(bytes)).len()
}

/// Bytes of the whole element at the front of bytes that nobody has checked yet; `None` if there is none.
pub(super) fn checked_size(bytes: &[u8]) -> Option<usize> {
    let body = body_len(bytes)?;
    let back = back_len(body);
    let size = body.checked_add(back.len.into())?;
    (bytes.get(body..size)? == back.as_slice()).then_some(size)
}

/// The place of the last element of `bytes`, which are not empty.
#[inline]
pub(in crate::value) fn previous(bytes: &[u8]) -> usize {
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
