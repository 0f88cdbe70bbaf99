//! Patterns of `BY` and `GET`: what to look up for an element.
//!
//! `#` is the element itself. In others the first `*` stands for the element, and what comes out is the
//! name of a key that holds a string; behind `->` comes the field, if it is a hash (`user_*->name`; an
//! empty field is none, the arrow is part of the name then). Without `*` there is nothing to look up.
//! Redis reads patterns as C strings: signs behind a zero byte mean nothing, but belong to the name.

use crate::exec::quotable;
use crate::value::listpack::Element;

/// See the module's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    Element,
    Nothing,
    Key { before: &'a [u8], behind: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(pattern: &'a [u8]) -> Pattern<'a> {
        let signs = quotable(pattern, usize::MAX);
        if signs == b"#" {
            return Pattern::Element;
        }
        let Some(star) = memchr::memchr(b'*', signs) else { return Pattern::Nothing };
        let behind = star + 1;
        let arrow = signs[behind..].windows(2).position(|pair| pair == b"->");
        let arrow = arrow.map(|at| behind + at).filter(|at| at + 2 < signs.len());
        Pattern::Key {
            before: &pattern[..star],
            behind: &pattern[behind..arrow.unwrap_or(pattern.len())],
            field: arrow.map(|at| &pattern[at + 2..]),
        }
    }

    /// Whether it makes names of keys.
    pub(super) fn names_keys(&self) -> bool {
        matches!(self, Pattern::Key { .. })
    }

    /// Writes the name of the key that belongs to the element, if it names one.
    pub(super) fn write_name(&self, element: Element<'_>, name: &mut Vec<u8>) {
        name.clear();
        if let Pattern::Key { before, behind, .. } = self {
            name.extend_from_slice(before);
            element.with_bytes(|bytes| name.extend_from_slice(bytes));
            name.extend_from_slice(behind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'a>(before: &'a str, behind: &'a str, field: Option<&'a str>) -> Pattern<'a> {
        let field = field.map(str::as_bytes);
        Pattern::Key { before: before.as_bytes(), behind: behind.as_bytes(), field }
    }

    #[test]
    fn the_first_star_is_the_element_and_the_field_stands_behind_the_first_arrow_after_it() {
        for (text, expected) in [
            ("w_*", key("w_", "", None)),
            ("*", key("", "", None)),
            ("a*b*c", key("a", "b*c", None)),
            ("h_*->f", key("h_", "", Some("f"))),
            ("a->b*c->d->e", key("a->b", "c", Some("d->e"))),
            ("h_*->", key("h_", "->", None)),
            ("h_*->->", key("h_", "", Some("->"))),
            ("h_*->*", key("h_", "", Some("*"))),
            ("#*", key("#", "", None)),
        ] {
            assert_eq!(Pattern::parse(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "nosort", "h->f", "##", "a\0*"] {
            assert_eq!(Pattern::parse(text.as_bytes()), Pattern::Nothing, "{text}");
        }
        for text in ["#", "#\0*"] {
            assert_eq!(Pattern::parse(text.as_bytes()), Pattern::Element, "{text}");
        }
    }

    #[test]
    fn a_zero_byte_hides_an_arrow_but_stays_in_the_name_and_the_field() {
        assert_eq!(Pattern::parse(b"a*\0->f"), key("a", "\0->f", None));
        assert_eq!(Pattern::parse(b"a*->\0f"), key("a", "->\0f", None));
        assert_eq!(Pattern::parse(b"a*->f\0g"), key("a", "", Some("f\0g")));
    }

    #[test]
    fn names_are_made_of_texts_and_numbers() {
        let mut name = b"left over".to_vec();
        let pattern = Pattern::parse(b"w_*_x->f");
        pattern.write_name(Element::Bytes(b"a*"), &mut name);
        assert_eq!(name, b"w_a*_x");
        pattern.write_name(Element::Integer(-7), &mut name);
        assert_eq!(name, b"w_-7_x");
        Pattern::Element.write_name(Element::Integer(1), &mut name);
        assert!(name.is_empty());
    }
}
