//! Reading the pieces that values are serialised in: lengths, numbers and strings.
//!
//! Nothing is believed: whatever is announced is compared with what is left before memory is asked for.

use std::borrow::Cow;

use super::lzf;
use super::numbers::{
    BITS_6, BITS_14, BITS_32, BITS_64, COMPRESSED_MAX, INT8, INT16, INT32, LZF, SPECIAL,
};
use crate::base::number::parse_f64;

/// The bytes are not what they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

pub(super) type Result<T> = std::result::Result<T, Damaged>;

/// What is left to be read.
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

/// What begins a string: how many bytes follow, or how they are encoded.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Damaged)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        self.fixed().map(|[byte]| byte)
    }

    /// Two bytes, the least significant first.
    pub(super) fn little_u16(&mut self) -> Result<u16> {
        self.fixed().map(u16::from_le_bytes)
    }

    /// Four bytes, the least significant first.
    pub(super) fn little_u32(&mut self) -> Result<u32> {
        self.fixed().map(u32::from_le_bytes)
    }

    /// Eight bytes, the most significant first.
    pub(super) fn big_endian(&mut self) -> Result<u64> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// A time in Unix milliseconds.
    pub(super) fn millis(&mut self) -> Result<i64> {
        self.fixed().map(i64::from_le_bytes)
    }

    fn length(&mut self) -> Result<Length> {
        let first = self.byte()?;
        Ok(match (first & 0xc0, first) {
            (BITS_6, _) => Length::Plain(u64::from(first)),
            (BITS_14, _) => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            (SPECIAL, _) => Length::Encoded(first),
            (_, BITS_32) => Length::Plain(u64::from(u32::from_be_bytes(self.fixed()?))),
            (_, BITS_64) => Length::Plain(self.big_endian()?),
            _ => return Err(Damaged),
        })
    }

    /// A number as it is written in front of strings and collections.
    pub(super) fn number(&mut self) -> Result<u64> {
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Encoded(_) => Err(Damaged),
        }
    }

    /// How many elements follow: each takes a byte at least.
    pub(super) fn count(&mut self) -> Result<usize> {
        let count = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        if count > self.rest.len() { Err(Damaged) } else { Ok(count) }
    }

    pub(super) fn string(&mut self) -> Result<Cow<'a, [u8]>> {
        let encoding = match self.length()? {
            Length::Plain(len) => {
                let len = usize::try_from(len).map_err(|_| Damaged)?;
                return Ok(Cow::Borrowed(self.take(len)?));
            }
            Length::Encoded(encoding) => encoding,
        };
        let integer = match encoding {
            INT8 => i32::from(i8::from_le_bytes(self.fixed()?)),
            INT16 => i32::from(i16::from_le_bytes(self.fixed()?)),
            INT32 => i32::from_le_bytes(self.fixed()?),
            LZF => return self.compressed().map(Cow::Owned),
            _ => return Err(Damaged),
        };
        Ok(Cow::Owned(itoa::Buffer::new().format(integer).as_bytes().to_vec()))
    }

    fn compressed(&mut self) -> Result<Vec<u8>> {
        let [compressed, len] = [self.number()?, self.number()?].map(usize::try_from);
        let compressed = self.take(compressed.map_err(|_| Damaged)?)?;
        let len = len.ok().filter(|len| *len <= COMPRESSED_MAX).ok_or(Damaged)?;
        lzf::decompress(compressed, len).ok_or(Damaged)
    }

    /// A score as eight bytes.
    pub(super) fn binary_score(&mut self) -> Result<f64> {
        let score = f64::from_le_bytes(self.fixed()?);
        if score.is_nan() { Err(Damaged) } else { Ok(score) }
    }

    /// A score as text behind its length, where the highest lengths stand for what is no number.
    pub(super) fn text_score(&mut self) -> Result<f64> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Err(Damaged),
            len => parse_f64(self.take(usize::from(len))?).ok_or(Damaged),
        }
    }
}
