//! Writing the pieces that values are serialised in, each in the shortest form, as Redis does.

use super::lzf::Compressor;
use super::numbers::{BITS_14, BITS_32, BITS_64, COMPRESSED_MAX, INT8, INT16, INT32, LZF};
use crate::base::number::parse_i64;

/// Strings up to this length may be written as integers.
const INTEGER_LEN_MAX: usize = 11;
/// Shorter strings are not worth compressing.
const COMPRESSED_MIN: usize = 21;
/// What compressing has to save, in bytes.
const SAVED_MIN: usize = 4;

/// What has been written.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    compressor: Compressor,
}

impl Output {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Bytes as they are, without their length.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn number(&mut self, number: u64) {
        if number < 1 << 6 {
            self.byte(number as u8);
        } else if number < 1 << 14 {
            self.raw(&[BITS_14 | (number >> 8) as u8, number as u8]);
        } else if let Ok(number) = u32::try_from(number) {
            self.byte(BITS_32);
            self.raw(&number.to_be_bytes());
        } else {
            self.byte(BITS_64);
            self.raw(&number.to_be_bytes());
        }
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(super) fn millis(&mut self, unix_ms: i64) {
        self.raw(&unix_ms.to_le_bytes());
    }

    pub(super) fn binary_score(&mut self, score: f64) {
        self.raw(&score.to_le_bytes());
    }

    pub(super) fn string(&mut self, bytes: &[u8]) {
        let integer = (bytes.len() <= INTEGER_LEN_MAX).then(|| parse_i64(bytes)).flatten();
        if integer.is_some_and(|integer| self.short_integer(integer)) {
            return;
        }
        if (COMPRESSED_MIN..=COMPRESSED_MAX).contains(&bytes.len())
            && let Some(compressed) = self.compressor.compress(bytes, bytes.len() - SAVED_MIN)
        {
            self.byte(LZF);
            self.count(compressed.len());
            self.count(bytes.len());
            self.raw(&compressed);
            return;
        }
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// The string that an integer is printed as.
    pub(super) fn integer(&mut self, integer: i64) {
        self.string(itoa::Buffer::new().format(integer).as_bytes());
    }

    /// Writes an integer of at most 32 bits; false if it has more.
    fn short_integer(&mut self, integer: i64) -> bool {
        if let Ok(integer) = i8::try_from(integer) {
            self.byte(INT8);
            self.raw(&integer.to_le_bytes());
        } else if let Ok(integer) = i16::try_from(integer) {
            self.byte(INT16);
            self.raw(&integer.to_le_bytes());
        } else if let Ok(integer) = i32::try_from(integer) {
            self.byte(INT32);
            self.raw(&integer.to_le_bytes());
        } else {
            return false;
        }
        true
    }
}
