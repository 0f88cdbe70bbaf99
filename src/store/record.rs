//! A compact entry: key, short string value and deadline in one run of bytes.
//!
//! ```text
//! flags  key length  value length  [deadline]  key  value
//!   1        1            2         0 or 8      k     v      bytes, little-endian
//! ```
//!
//! `flags`: bits 0-1 the value's form ([`Form`]), bit 2 whether a deadline (Unix milliseconds) is there.
//! A value of form `Integer` is eight bytes, an `i64`. What does not fit (key over 255 bytes, record over
//! [`RECORD_MAX`], or a value that is no string) is an object instead (see `store::storage`).

use super::entry::ValueRef;

/// The longest record. What is longer is shared with replies and snapshots instead of copied, which costs one allocation
/// for the key and two for the value.
pub(super) const RECORD_MAX: usize = 2048;
const HEADER: usize = 4;
const DEADLINE: usize = 8;
const KEY_MAX: usize = u8::MAX as usize;
const FORM_MASK: u8 = 0b011;
const HAS_DEADLINE: u8 = 0b100;

/// How a short string is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Bytes as they were set: `OBJECT ENCODING` says `embstr`, or `raw` beyond 44 bytes.
    Plain = 0,
    /// An `i64`.
    Integer = 1,
    /// Bytes that were edited in place (`APPEND`, `SETRANGE`): always `raw`.
    Edited = 2,
    /// No value at all: a key that did not exist at the time of a cut. Never in a slab.
    Absent = 3,
}

/// The parts of a record, to be written.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub key: &'a [u8],
    pub form: Form,
    pub value: &'a [u8],
    pub deadline: Option<i64>,
}

impl Parts<'_> {
    /// Bytes that the record takes, or `None` if it must be an object.
    #[inline]
    pub(super) fn size(&self) -> Option<usize> {
        let deadline = if self.deadline.is_some() { DEADLINE } else { 0 };
        let size = HEADER + deadline + self.key.len() + self.value.len();
        (self.key.len() <= KEY_MAX && size <= RECORD_MAX).then_some(size)
    }

    /// Writes the record to the front of `out`, which is at least [`Parts::size`] long.
    #[inline]
    pub(super) fn write(&self, out: &mut [u8]) {
        let has_deadline = if self.deadline.is_some() { HAS_DEADLINE } else { 0 };
        let value_len = (self.value.len() as u16).to_le_bytes();
        out[..HEADER].copy_from_slice(&[
            self.form as u8 | has_deadline,
            self.key.len() as u8,
            value_len[0],
            value_len[1],
        ]);
        let mut at = HEADER;
        if let Some(deadline) = self.deadline {
            out[at..at + DEADLINE].copy_from_slice(&deadline.to_le_bytes());
            at += DEADLINE;
        }
        out[at..at + self.key.len()].copy_from_slice(self.key);
        at += self.key.len();
        out[at..at + self.value.len()].copy_from_slice(self.value);
    }
}

/// A record in its slab (or a copy of one).
#[derive(Clone, Copy)]
pub(super) struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// `bytes` begins with a record; what follows it is ignored.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Record<'a> {
        Record(bytes)
    }

    #[inline]
    fn key_start(&self) -> usize {
        if self.0[0] & HAS_DEADLINE != 0 { HEADER + DEADLINE } else { HEADER }
    }

    #[inline]
    fn value_len(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[2], self.0[3]]))
    }

    #[inline]
    pub(super) fn key(&self) -> &'a [u8] {
        let start = self.key_start();
        &self.0[start..start + usize::from(self.0[1])]
    }

    #[inline]
    pub(super) fn value(&self) -> &'a [u8] {
        let start = self.key_start() + usize::from(self.0[1]);
        &self.0[start..start + self.value_len()]
    }

    #[inline]
    pub(super) fn form(&self) -> Form {
        match self.0[0] & FORM_MASK {
            0 => Form::Plain,
            1 => Form::Integer,
            2 => Form::Edited,
            _ => Form::Absent,
        }
    }

    /// The value as others read it. There must be one.
    #[inline]
    pub(super) fn value_ref(&self) -> ValueRef<'a> {
        match self.form() {
            Form::Integer => {
                let bytes = self.value().try_into().expect("an integer is eight bytes");
                ValueRef::Integer(i64::from_le_bytes(bytes))
            }
            form => ValueRef::Short { bytes: self.value(), edited: form == Form::Edited },
        }
    }

    #[inline]
    pub(super) fn deadline(&self) -> Option<i64> {
        if self.0[0] & HAS_DEADLINE == 0 {
            return None;
        }
        let bytes =
            self.0[HEADER..HEADER + DEADLINE].try_into().expect("a deadline is eight bytes");
        Some(i64::from_le_bytes(bytes))
    }

    /// The bytes of the record itself.
    pub(super) fn bytes(&self) -> &'a [u8] {
        &self.0[..self.key_start() + usize::from(self.0[1]) + self.value_len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        for deadline in [None, Some(1_790_000_000_000)] {
            let parts = Parts { key: b"user:1", form: Form::Edited, value: b"Ada\0", deadline };
            let mut bytes = vec![0xff; RECORD_MAX];
            parts.write(&mut bytes);
            let record = Record::new(&bytes);
            assert_eq!(record.key(), b"user:1");
            assert_eq!(record.value(), b"Ada\0");
            assert_eq!(record.form(), Form::Edited);
            assert_eq!(record.deadline(), deadline);
            assert_eq!(Some(record.bytes().len()), parts.size());
        }
    }

    #[test]
    fn long_keys_and_values_are_no_records() {
        let long = [b'k'; 2100];
        let parts = |key, value| Parts { key, form: Form::Plain, value, deadline: None };
        assert_eq!(parts(&long[..255], b"").size(), Some(259));
        assert_eq!(parts(&long[..256], b"").size(), None);
        assert_eq!(parts(b"k", &long[..2043]).size(), Some(2048));
        assert_eq!(parts(b"k", &long[..2044]).size(), None);
    }
}
