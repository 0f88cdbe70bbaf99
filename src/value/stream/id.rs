//! IDs of entries: milliseconds and a sequence number, in this order.

use std::fmt;

use crate::base::number::parse_u64;

/// Longer texts are no IDs.
const TEXT_MAX: usize = 127;

/// Displays as `ms-seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

/// An ID as clients write it: `ms-seq`, `ms` or `ms-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdText {
    pub ms: u64,
    pub seq: Seq,
}

/// What follows the milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seq {
    Given(u64),
    Missing,
    /// `*`: to be chosen.
    Any,
}

impl StreamId {
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The smallest ID that is greater, if there is one.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The greatest ID that is smaller, if there is one.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Calls `read` with the ID as clients are told it.
    pub fn with_text<R>(self, read: impl FnOnce(&[u8]) -> R) -> R {
        /// Twice as many digits as a number can have, and the dash.
        const LEN_MAX: usize = 41;
        let (mut text, mut digits) = ([0; LEN_MAX], itoa::Buffer::new());
        let ms = digits.format(self.ms).as_bytes();
        text[..ms.len()].copy_from_slice(ms);
        text[ms.len()] = b'-';
        let behind = ms.len() + 1;
        let seq = digits.format(self.seq).as_bytes();
        text[behind..behind + seq.len()].copy_from_slice(seq);
        read(&text[..behind + seq.len()])
    }

    /// 16 bytes whose order is that of IDs.
    pub(super) fn to_key(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    pub(super) fn from_key(key: &[u8]) -> StreamId {
        let number = u128::from_be_bytes(key.try_into().expect("a key has sixteen bytes"));
        StreamId { ms: (number >> 64) as u64, seq: number as u64 }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(std::str::from_utf8(text).expect("digits and a dash")))
    }
}

impl IdText {
    /// `None` if this is no ID. `-` and `+` are none.
    pub fn parse(text: &[u8]) -> Option<IdText> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let Some(dash) = memchr::memchr(b'-', text) else {
            return Some(IdText { ms: parse_part(text)?, seq: Seq::Missing });
        };
        let seq = match &text[dash + 1..] {
            b"*" => Seq::Any,
            digits => Seq::Given(parse_part(digits)?),
        };
        Some(IdText { ms: parse_part(&text[..dash])?, seq })
    }
}

/// Blanks in front are accepted, as C's `strtoull` does.
fn parse_part(text: &[u8]) -> Option<u64> {
    let is_digit = |byte: &u8| !matches!(byte, b' ' | b'\t'..=b'\r');
    parse_u64(&text[text.iter().position(is_digit)?..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_cross_the_milliseconds() {
        let id = StreamId::new;
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(id(2, 0).previous(), Some(id(1, u64::MAX)));
        assert_eq!(id(2, 5).next().and_then(StreamId::previous), Some(id(2, 5)));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
    }

    #[test]
    fn keys_read_back_and_have_the_order_of_ids() {
        let ids = [(0, 0), (0, u64::MAX), (1, 0), (256, 1), (u64::MAX, 0), (u64::MAX, u64::MAX)];
        let ids = ids.map(|(ms, seq)| StreamId::new(ms, seq));
        assert!(ids.is_sorted() && ids.map(StreamId::to_key).is_sorted());
        assert_eq!(ids.map(|id| StreamId::from_key(&id.to_key())), ids);
    }

    #[test]
    fn texts_are_read_as_redis_reads_them() {
        for (text, expected) in [
            ("5", Some((5, Seq::Missing))),
            ("5-7", Some((5, Seq::Given(7)))),
            ("5-*", Some((5, Seq::Any))),
            (" +5-\t007", Some((5, Seq::Given(7)))),
            ("18446744073709551615-0", Some((u64::MAX, Seq::Given(0)))),
            ("18446744073709551616-0", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("*", None),
            ("5-", None),
            ("-5", None),
            ("5-**", None),
            ("5 -1", None),
            ("5-1-1", None),
        ] {
            let expected = expected.map(|(ms, seq)| IdText { ms, seq });
            assert_eq!(IdText::parse(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(IdText::parse(&[b'0'; TEXT_MAX + 1]), None);
    }
}
