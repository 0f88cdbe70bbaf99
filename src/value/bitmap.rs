//! Strings as arrays of bits and of small integers. Bit 0 is the highest bit of the first byte, so that the
//! bits read from left to right as the bytes do; beyond the last byte there are only zeros.
//!
//! Whole bitmaps are counted, searched and combined by words. A field ([`Field`]) is an integer of 1 to 64
//! bits at any bit; it spans at most nine bytes, which are read into one 128-bit number.

use std::ops::Range;

use crate::base::number::parse_i64;

/// The bit at `offset`.
pub fn get_bit(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset / 8).ok().and_then(|at| bytes.get(at));
    byte.is_some_and(|byte| byte & mask_of(offset) != 0)
}

/// Sets the bit at `offset`, which must lie inside.
pub fn set_bit(bytes: &mut [u8], offset: u64, bit: bool) {
    let byte = &mut bytes[(offset / 8) as usize];
    if bit {
        *byte |= mask_of(offset);
    } else {
        *byte &= !mask_of(offset);
    }
}

fn mask_of(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// Appends zero bytes until there are `bits` bits; tells whether there were fewer.
pub fn grow(bytes: &mut Vec<u8>, bits: u64) -> bool {
    let len = bits.div_ceil(8) as usize;
    let is_short = bytes.len() < len;
    if is_short {
        bytes.resize(len, 0);
    }
    is_short
}

/// What a range's ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Byte,
    Bit,
}

/// The bits from `start` to `end`, both included and counted in `unit`; negative numbers count from the end.
/// What lies outside the string is cut off.
pub fn bit_range(len: usize, unit: Unit, start: i64, end: i64) -> Range<u64> {
    let width = if unit == Unit::Byte { 8 } else { 1 };
    let total = len as i64 * (8 / width);
    let from_front =
        |index: i64| if index < 0 { total.saturating_add(index).max(0) } else { index };
    let (start, end) = (from_front(start), from_front(end).min(total - 1));
    if start > end { 0..0 } else { (start * width) as u64..((end + 1) * width) as u64 }
}

/// A range of bits that is not empty, by bytes: the first and the last with the bits of them that belong to
/// it, and the whole ones between.
struct Edges {
    first: (usize, u8),
    body: Range<usize>,
    last: Option<(usize, u8)>,
}

impl Edges {
    fn of(range: &Range<u64>) -> Edges {
        let (first, last) = ((range.start / 8) as usize, ((range.end - 1) / 8) as usize);
        let head = 0xff_u8 >> (range.start % 8);
        let tail = 0xff_u8 << (7 - (range.end - 1) % 8);
        if first == last {
            return Edges { first: (first, head & tail), body: 0..0, last: None };
        }
        Edges { first: (first, head), body: first + 1..last, last: Some((last, tail)) }
    }
}

/// How many bits of the range, which lies inside, are set.
pub fn count(bytes: &[u8], range: Range<u64>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let edges = Edges::of(&range);
    let of_edge = |(at, mask): (usize, u8)| u64::from((bytes[at] & mask).count_ones());
    of_edge(edges.first) + count_all(&bytes[edges.body]) + edges.last.map_or(0, of_edge)
}

fn count_all(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let of_words: u64 =
        words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    of_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// The first bit of the range, which lies inside, that is `bit`.
pub fn find(bytes: &[u8], bit: bool, range: Range<u64>) -> Option<u64> {
    if range.is_empty() {
        return None;
    }
    let in_byte = |at: usize, mask: u8| {
        let wanted = if bit { bytes[at] } else { !bytes[at] } & mask;
        (wanted != 0).then(|| at as u64 * 8 + u64::from(wanted.leading_zeros()))
    };
    let edges = Edges::of(&range);
    in_byte(edges.first.0, edges.first.1)
        .or_else(|| {
            let body = &bytes[edges.body.clone()];
            let at = first_other(body, if bit { 0 } else { 0xff })?;
            in_byte(edges.body.start + at, 0xff)
        })
        .or_else(|| edges.last.and_then(|(at, mask)| in_byte(at, mask)))
}

/// The first byte that is not `filler`.
fn first_other(bytes: &[u8], filler: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let skipped = words.iter().take_while(|word| **word == [filler; 8]).count() * 8;
    bytes[skipped..].iter().position(|byte| *byte != filler).map(|at| skipped + at)
}

/// An operation of `BITOP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
    Not,
}

/// Combines bitmaps, as long as the longest of them; `Not` is of the first. The loops over bytes are of the
/// form that the compiler turns into vector instructions.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    if operation == Operation::Not {
        return first.iter().map(|byte| !byte).collect();
    }
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = Vec::with_capacity(len);
    result.extend_from_slice(first);
    result.resize(len, 0);
    for source in others {
        let pairs = result.iter_mut().zip(*source);
        match operation {
            Operation::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                result[source.len()..].fill(0);
            }
            Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
            Operation::Not => unreachable!("it was dealt with above"),
        }
    }
    result
}

/// The type of a field: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    pub signed: bool,
    pub bits: u32,
}

/// What becomes of a number that does not fit its field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    #[default]
    Wrap,
    Saturate,
    Fail,
}

impl FieldType {
    /// As `BITFIELD` reads it.
    pub fn parse(text: &[u8]) -> Option<FieldType> {
        let (signed, bits_max) = match text.first()? {
            b'i' => (true, 64),
            b'u' => (false, 63),
            _ => return None,
        };
        let bits = parse_i64(&text[1..]).filter(|bits| (1..=bits_max).contains(bits))?;
        Some(FieldType { signed, bits: bits as u32 })
    }

    fn min(self) -> i128 {
        if self.signed { -(1 << (self.bits - 1)) } else { 0 }
    }

    fn max(self) -> i128 {
        (1 << (self.bits - u32::from(self.signed))) - 1
    }

    /// The number that the lowest bits of `raw` stand for.
    fn number(self, raw: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed {
            ((raw << unused) as i64) >> unused
        } else {
            (raw << unused >> unused) as i64
        }
    }

    /// Makes `wide` fit, or not.
    fn fit(self, wide: i128, overflow: Overflow) -> Option<i64> {
        if (self.min()..=self.max()).contains(&wide) {
            return Some(wide as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.number(wide as u64)),
            Overflow::Saturate => Some(wide.clamp(self.min(), self.max()) as i64),
            Overflow::Fail => None,
        }
    }

    /// What `SET` takes `number` for before it is made to fit. In an unsigned field a negative number is a
    /// very large one. In a signed field a number so far below the least one that its distance from the
    /// largest overflows counts as too large, which shows when it saturates; so it is in Redis.
    fn widened(self, number: i64) -> i128 {
        if !self.signed {
            return i128::from(number as u64);
        }
        let wide = i128::from(number);
        let is_far_below = self.bits < 64 && self.max() - wide > i128::from(i64::MAX);
        if is_far_below { wide + (1 << 64) } else { wide }
    }
}

/// What to do with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

/// One subcommand of `BITFIELD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub kind: FieldType,
    /// Where its highest bit is.
    pub offset: u64,
    pub action: Action,
    pub overflow: Overflow,
}

/// What an action did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number to tell; `None` if it did not fit.
    pub reply: Option<i64>,
    pub written: bool,
    /// Whether the field has another number than before.
    pub changed: bool,
}

impl Field {
    /// The bit behind the last.
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.kind.bits)
    }

    pub fn writes(&self) -> bool {
        self.action != Action::Get
    }

    /// The field's number.
    pub fn read(&self, bytes: &[u8]) -> i64 {
        let start = usize::try_from(self.offset / 8).unwrap_or(usize::MAX).min(bytes.len());
        let mut span = [0; 16];
        let present = bytes[start..].len().min(9);
        span[..present].copy_from_slice(&bytes[start..start + present]);
        let after = 128 - (self.offset % 8) as u32 - self.kind.bits;
        self.kind.number((u128::from_be_bytes(span) >> after) as u64)
    }

    /// Writes a number into the field, which must lie inside.
    fn write(&self, bytes: &mut [u8], number: i64) {
        let (start, end) = ((self.offset / 8) as usize, self.end().div_ceil(8) as usize);
        let mut span = [0; 16];
        span[..end - start].copy_from_slice(&bytes[start..end]);
        let after = 128 - (self.offset % 8) as u32 - self.kind.bits;
        let ones = (1_u128 << self.kind.bits) - 1;
        let kept = u128::from_be_bytes(span) & !(ones << after);
        let span = (kept | ((number as u64 as u128 & ones) << after)).to_be_bytes();
        bytes[start..end].copy_from_slice(&span[..end - start]);
    }

    /// Carries out the action. A field that it writes must lie inside.
    pub fn apply(&self, bytes: &mut [u8]) -> Applied {
        let old = self.read(bytes);
        let wide = match self.action {
            Action::Get => return Applied { reply: Some(old), written: false, changed: false },
            Action::Set(number) => self.kind.widened(number),
            Action::Increment(by) => i128::from(old) + i128::from(by),
        };
        let Some(new) = self.kind.fit(wide, self.overflow) else {
            return Applied { reply: None, written: false, changed: false };
        };
        self.write(bytes, new);
        let reply = if matches!(self.action, Action::Set(_)) { old } else { new };
        Applied { reply: Some(reply), written: true, changed: old != new }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn bits(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() as u64 * 8).map(|offset| get_bit(bytes, offset)).collect()
    }

    fn field(kind: &str, offset: u64, action: Action, overflow: Overflow) -> Field {
        let kind = FieldType::parse(kind.as_bytes()).unwrap();
        Field { kind, offset, action, overflow }
    }

    #[test]
    fn bits_are_counted_from_the_highest_of_the_first_byte() {
        let mut bytes = vec![0];
        set_bit(&mut bytes, 1, true);
        assert_eq!(bytes, [0x40]);
        assert!(grow(&mut bytes, 16) && !grow(&mut bytes, 16));
        set_bit(&mut bytes, 15, true);
        set_bit(&mut bytes, 1, false);
        assert_eq!(bytes, [0, 1]);
        assert!(!get_bit(&bytes, u64::MAX));
    }

    #[test]
    fn ranges_are_cut_to_the_string() {
        assert_eq!(bit_range(3, Unit::Byte, 0, -1), 0..24);
        assert_eq!(bit_range(3, Unit::Byte, -2, 10), 8..24);
        assert_eq!(bit_range(3, Unit::Byte, -9, -9), 0..8);
        assert_eq!(bit_range(3, Unit::Byte, 2, 1), 0..0);
        assert_eq!(bit_range(3, Unit::Bit, 5, -3), 5..22);
        assert_eq!(bit_range(3, Unit::Bit, i64::MIN, i64::MAX), 0..24);
        assert_eq!(bit_range(0, Unit::Byte, 0, -1), 0..0);
    }

    #[test]
    fn types_of_fields_have_one_to_sixty_four_bits() {
        for text in ["i1", "i64", "u1", "u63"] {
            assert!(FieldType::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["", "i", "i0", "i65", "u64", "u0", "u-1", "I8", "x8", "i08", "i 8", "8"] {
            assert_eq!(FieldType::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_wraps_or_saturates_or_fails() {
        let set = |kind, number, overflow| {
            let mut bytes = [0; 8];
            let field = field(kind, 0, Action::Set(number), overflow);
            field.apply(&mut bytes).reply.map(|_| field.read(&bytes))
        };
        assert_eq!(set("u8", 257, Overflow::Wrap), Some(1));
        assert_eq!(set("u8", -1, Overflow::Saturate), Some(255));
        assert_eq!(set("i8", 200, Overflow::Wrap), Some(-56));
        assert_eq!(set("i8", -200, Overflow::Saturate), Some(-128));
        assert_eq!(set("i8", 200, Overflow::Fail), None);
        assert_eq!(set("i64", i64::MIN, Overflow::Fail), Some(i64::MIN));
        // Redis 7.0.15 says so.
        assert_eq!(set("i8", i64::MIN + 127, Overflow::Saturate), Some(127));
        assert_eq!(set("i8", i64::MIN + 128, Overflow::Saturate), Some(-128));
        let mut full = [0xff; 8];
        let more = field("i64", 0, Action::Increment(i64::MIN), Overflow::Saturate);
        assert_eq!(more.apply(&mut full).reply, Some(i64::MIN));
    }

    fn overflows() -> impl Strategy<Value = Overflow> {
        prop_oneof![Just(Overflow::Wrap), Just(Overflow::Saturate), Just(Overflow::Fail)]
    }

    proptest! {
        #[test]
        fn counting_and_finding_agree_with_going_bit_by_bit(
            bytes in vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..60),
            start in -500i64..500,
            end in -500i64..500,
            unit in prop_oneof![Just(Unit::Byte), Just(Unit::Bit)],
            bit: bool,
        ) {
            let range = bit_range(bytes.len(), unit, start, end);
            let all = bits(&bytes);
            let inside = &all[range.start as usize..range.end as usize];
            let ones = inside.iter().filter(|bit| **bit).count() as u64;
            prop_assert_eq!(count(&bytes, range.clone()), ones);
            let first = inside.iter().position(|it| *it == bit).map(|at| at as u64 + range.start);
            prop_assert_eq!(find(&bytes, bit, range), first);
        }

        #[test]
        fn combining_agrees_with_going_bit_by_bit(sources in vec(vec(any::<u8>(), 0..30), 1..5)) {
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let len = slices.iter().map(|source| source.len()).max().unwrap();
            let column = |offset| slices.iter().map(move |source| get_bit(source, offset));
            for offset in 0..len as u64 * 8 {
                let result = |operation| get_bit(&combine(operation, &slices), offset);
                prop_assert_eq!(result(Operation::And), column(offset).all(|bit| bit));
                prop_assert_eq!(result(Operation::Or), column(offset).any(|bit| bit));
                prop_assert_eq!(result(Operation::Xor), column(offset).fold(false, |a, b| a ^ b));
            }
            let not: Vec<u8> = slices[0].iter().map(|byte| !byte).collect();
            prop_assert_eq!(combine(Operation::Not, &slices), not);
        }

        #[test]
        fn a_field_takes_its_bits_and_no_others(
            old in vec(any::<u8>(), 20), offset in 0u64..80, number: i64, width in 1u32..=64, signed: bool,
        ) {
            let kind = FieldType { signed, bits: width.min(64 - u32::from(!signed)) };
            let mut bytes = old.clone();
            let set = Field { kind, offset, action: Action::Set(number), overflow: Overflow::Wrap };
            prop_assert_eq!(set.apply(&mut bytes).reply, Some(set.read(&old)));
            prop_assert_eq!(set.read(&bytes), kind.number(number as u64));
            let (before, after) = (bits(&old), bits(&bytes));
            for at in (0..160).filter(|at| !(offset..set.end()).contains(&(*at as u64))) {
                prop_assert_eq!(before[at], after[at]);
            }
            // What lies behind the end counts as zeros.
            let mut longer = bytes.clone();
            longer.truncate(8);
            let cut = set.read(&longer);
            longer.resize(20, 0);
            prop_assert_eq!(cut, set.read(&longer));
        }

        #[test]
        fn increments_are_those_of_wide_numbers(
            old: i64, by: i64, width in 1u32..=64, signed: bool, overflow in overflows(),
        ) {
            let kind = FieldType { signed, bits: width.min(64 - u32::from(!signed)) };
            let mut bytes = [0; 8];
            let set = Field { kind, offset: 0, action: Action::Set(old), overflow: Overflow::Wrap };
            set.apply(&mut bytes);
            let sum = i128::from(set.read(&bytes)) + i128::from(by);
            let fits = (kind.min()..=kind.max()).contains(&sum);
            let got = Field { action: Action::Increment(by), overflow, ..set }.apply(&mut bytes);
            match (fits, overflow) {
                (true, _) => prop_assert_eq!(got.reply.map(i128::from), Some(sum)),
                (false, Overflow::Fail) => prop_assert_eq!(got.reply, None),
                (false, Overflow::Saturate) => {
                    let limit = if sum < 0 { kind.min() } else { kind.max() };
                    prop_assert_eq!(got.reply.map(i128::from), Some(limit));
                }
                (false, Overflow::Wrap) => {
                    let difference = i128::from(got.reply.unwrap()) - sum;
                    prop_assert_eq!(difference.rem_euclid(1 << kind.bits), 0);
                }
            }
        }
    }
}
