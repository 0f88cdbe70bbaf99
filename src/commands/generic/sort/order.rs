//! The order of elements: by what they weigh, and which of those that weigh the same comes first.
//!
//! Numbers are doubles as C's `strtod` reads them; equal ones are told apart by the bytes of the elements.
//! Texts are compared by their bytes. Redis lets the C library compare those that are only returned, so
//! that they end at a zero byte, and compares whole texts if the result is stored; in the C locale, which
//! is the only one here, the order is the same otherwise. Nothing is less than any text. Texts that are
//! equal leave their elements as they came.
//!
//! If only a part of the result is wanted, only that part is sorted: two selections cut it out first.

use std::cmp::Ordering;
use std::ops::Range;

use smallvec::SmallVec;

use crate::base::bytes::Bytes;
use crate::base::number::{parse_f64, parse_f64_loose};
use crate::exec::quotable;
use crate::store::Text;
use crate::value::listpack::Element;

/// What an element is sorted by.
#[derive(Clone, Debug)]
pub(super) enum Weight {
    Number(f64),
    /// The element's own bytes.
    Own,
    /// There is no such key.
    Missing,
    Short(SmallVec<[u8; 24]>),
    Long(Bytes),
}

impl Weight {
    /// A copy of a text; a long one is shared.
    pub(super) fn of_text(text: Option<Text<'_>>) -> Weight {
        match text {
            None => Weight::Missing,
            Some(Text::Long(bytes)) => Weight::Long(bytes.clone()),
            Some(text) => Weight::Short(text.with_bytes(SmallVec::from_slice)),
        }
    }

    /// The number that a text stands for; no text is 0, and a text that is no number is `None`.
    pub(super) fn of_number(text: Option<Text<'_>>) -> Option<Weight> {
        let number = match text {
            None => 0.0,
            Some(Text::Integer(number)) => number as f64,
            Some(Text::Short(bytes)) => parse_number(bytes)?,
            Some(Text::Long(bytes)) => parse_number(bytes)?,
        };
        Some(Weight::Number(number))
    }

    fn text(&self) -> Option<&[u8]> {
        match self {
            Weight::Short(bytes) => Some(bytes),
            Weight::Long(bytes) => Some(bytes),
            Weight::Number(_) | Weight::Own | Weight::Missing => None,
        }
    }
}

/// Reads a text as `strtod` does and refuses what it says is out of range: infinities that were not written
/// as such, and numbers too small to be kept exactly.
fn parse_number(text: &[u8]) -> Option<f64> {
    let number = parse_f64_loose(text)?;
    if number.is_normal() {
        return Some(number);
    }
    let text = quotable(text, usize::MAX);
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let Some(start) = text.iter().position(|byte| !is_blank(byte)) else { return Some(number) };
    let number = parse_f64(&text[start..])?;
    // No decimal of a reasonable length is exactly a number that small; a hexadecimal one is.
    let is_hexadecimal = text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'x'));
    (!number.is_subnormal() || is_hexadecimal).then_some(number)
}

/// An element on its way to its place.
#[derive(Clone, Debug)]
pub(super) struct Item<'v> {
    pub(super) element: Element<'v>,
    pub(super) weight: Weight,
    /// Where it was.
    position: usize,
}

impl<'v> Item<'v> {
    pub(super) fn new(element: Element<'v>, weight: Weight, position: usize) -> Item<'v> {
        Item { element, weight, position }
    }
}

/// How items are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) descending: bool,
    /// Texts end at a zero byte.
    pub(super) c_strings: bool,
}

impl Order {
    fn compare(self, a: &Item<'_>, b: &Item<'_>) -> Ordering {
        let order = match (&a.weight, &b.weight) {
            (Weight::Number(x), Weight::Number(y)) => {
                let order = x.partial_cmp(y).expect("weights are numbers");
                order.then_with(|| compare_elements(a.element, b.element, <[u8]>::cmp))
            }
            (Weight::Own, Weight::Own) => {
                compare_elements(a.element, b.element, |x, y| self.compare_texts(x, y))
            }
            (x, y) => match (x.text(), y.text()) {
                (Some(x), Some(y)) => self.compare_texts(x, y),
                (x, y) => x.is_some().cmp(&y.is_some()),
            },
        };
        let order = if self.descending { order.reverse() } else { order };
        order.then(a.position.cmp(&b.position))
    }

    fn compare_texts(self, a: &[u8], b: &[u8]) -> Ordering {
        if self.c_strings { quotable(a, usize::MAX).cmp(quotable(b, usize::MAX)) } else { a.cmp(b) }
    }

    /// Puts those items into place that have a place in the range.
    pub(super) fn sort(self, items: &mut [Item<'_>], range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let compare = |a: &Item<'_>, b: &Item<'_>| self.compare(a, b);
        let mut part = items;
        if range.end < part.len() {
            part.select_nth_unstable_by(range.end - 1, compare);
            part = &mut part[..range.end];
        }
        if range.start > 0 {
            part.select_nth_unstable_by(range.start, compare);
            part = &mut part[range.start..];
        }
        part.sort_unstable_by(compare);
    }
}

fn compare_elements(
    a: Element<'_>,
    b: Element<'_>,
    compare: impl Fn(&[u8], &[u8]) -> Ordering,
) -> Ordering {
    a.with_bytes(|a| b.with_bytes(|b| compare(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RISING: Order = Order { descending: false, c_strings: true };

    fn items<'v>(pairs: &[(&'v str, Weight)]) -> Vec<Item<'v>> {
        let items = pairs.iter().cloned().enumerate();
        let item = |(position, (element, weight)): (usize, (&'v str, Weight))| {
            Item::new(Element::Bytes(element.as_bytes()), weight, position)
        };
        items.map(item).collect()
    }

    fn sorted(order: Order, pairs: &[(&str, Weight)]) -> String {
        let mut items = items(pairs);
        let all = 0..items.len();
        order.sort(&mut items, all);
        let elements = items.iter().map(|item| item.element);
        let text =
            elements.map(|e| e.with_bytes(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        text.collect::<Vec<_>>().join(" ")
    }

    fn text(bytes: &'static [u8]) -> Weight {
        Weight::of_text(Some(Text::Short(bytes)))
    }

    #[test]
    fn texts_are_numbers_as_strtod_says() {
        for (text, expected) in [
            ("", 0.0),
            ("\0x", 0.0),
            (" 1", 1.0),
            ("0x10", 16.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("-0", 0.0),
            ("0e999", 0.0),
            ("0x1p-1074", 5e-324),
            ("1\0junk", 1.0),
        ] {
            assert_eq!(parse_number(text.as_bytes()), Some(expected), "{text}");
        }
        for text in [" ", "1 ", "nan", "1e5000", "1e-5000", "5e-324", "2.5e-320", "-", "1e", "x"] {
            assert_eq!(parse_number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn equal_numbers_are_told_apart_by_the_bytes_of_the_elements() {
        let one = Weight::Number(1.0);
        let pairs =
            [("b", one.clone()), ("10", one.clone()), ("9", one), ("a", Weight::Number(0.5))];
        assert_eq!(sorted(RISING, &pairs), "a 10 9 b");
        assert_eq!(sorted(Order { descending: true, ..RISING }, &pairs), "b 9 10 a");
    }

    #[test]
    fn nothing_comes_first_and_equal_texts_leave_their_elements_as_they_came() {
        let pairs =
            [("z", text(b"x")), ("y", Weight::Missing), ("a", text(b"x")), ("b", Weight::Missing)];
        assert_eq!(sorted(RISING, &pairs), "y b z a");
        assert_eq!(sorted(Order { descending: true, ..RISING }, &pairs), "z a y b");
    }

    #[test]
    fn texts_end_at_a_zero_byte_unless_they_are_compared_as_a_whole() {
        let pairs = [("1", text(b"a\0z")), ("2", text(b"a\0b")), ("3", text(b"a"))];
        assert_eq!(sorted(RISING, &pairs), "1 2 3");
        assert_eq!(sorted(Order { c_strings: false, ..RISING }, &pairs), "3 2 1");
    }

    #[test]
    fn long_texts_are_shared() {
        let long = Bytes::new(vec![b'x'; 1000]);
        let Weight::Long(shared) = Weight::of_text(Some(Text::Long(&long))) else {
            panic!("it was copied");
        };
        assert!(Bytes::ptr_eq(&long, &shared));
    }

    proptest! {
        #[test]
        fn a_part_is_what_it_is_in_the_whole(
            weights in proptest::collection::vec(0..20i32, 0..200),
            start in 0..220usize,
            count in 0..220usize,
            descending in any::<bool>(),
        ) {
            let order = Order { descending, ..RISING };
            let item = |(position, weight): (usize, &i32)| {
                let element = Element::Integer(position as i64 % 7);
                Item::new(element, Weight::Number(f64::from(*weight)), position)
            };
            let items: Vec<Item<'_>> = weights.iter().enumerate().map(item).collect();
            let mut whole = items.clone();
            whole.sort_by(|a, b| order.compare(a, b));
            let start = start.min(items.len());
            let range = start..(start + count).min(items.len());
            let mut part = items.clone();
            order.sort(&mut part, range.clone());
            let positions = |items: &[Item<'_>]| items.iter().map(|i| i.position).collect::<Vec<_>>();
            prop_assert_eq!(positions(&part[range.clone()]), positions(&whole[range]));
        }
    }
}
