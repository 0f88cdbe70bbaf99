//! Glob patterns as in `KEYS`, `SCAN MATCH`, `PSUBSCRIBE`, `CONFIG GET` and access rules.
//!
//! `*` any bytes, `?` any one byte, `[abc]` `[a-z]` `[^x]` a class, `\x` the byte x itself. Bytes,
//! not characters: `?` matches half of a two-byte letter. The corner cases are Redis's:
//!
//! - Nothing but the empty pattern matches the empty text, not even `*` (callers of `KEYS *` treat
//!   that pattern apart anyway).
//! - A class that is not closed ends with the pattern; `[]` matches nothing, `[^]` any byte.
//! - A range may be written backwards; its bounds compare as signed bytes.
//! - An escaped byte inside a class matches its own case only, even when case is ignored.
//!
//! Every element but `*` takes exactly one byte. So only the last `*` seen needs another try on a
//! mismatch: an earlier one could only leave less text to the elements after it. That keeps the
//! time at pattern × text where a recursive matcher needs time exponential in the number of stars.

/// Whether the whole of `text` matches; `nocase` ignores the case of ASCII letters.
pub fn glob_match(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    matches_in_steps(pattern, text, nocase, || ())
}

/// The same; `step` is called whenever an element of the pattern is looked at.
fn matches_in_steps(pattern: &[u8], text: &[u8], nocase: bool, mut step: impl FnMut()) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut position) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None; // (pattern after it, text where it ends)
    while position < text.len() {
        step();
        let rest = &pattern[at..];
        if rest.first() == Some(&b'*') {
            at += count_stars(rest);
            if at == pattern.len() {
                return true;
            }
            last_star = Some((at, position));
            continue;
        }
        if let Some(length) = match_element(rest, text[position], nocase) {
            at += length;
            position += 1;
        } else if let Some((after, end)) = last_star {
            at = after;
            position = end + 1;
            last_star = Some((after, position));
        } else {
            return false;
        }
    }
    count_stars(&pattern[at..]) == pattern.len() - at
}

/// The bytes that every matching text begins with, when case counts; `None` if there are none.
pub fn literal_prefix(pattern: &[u8]) -> Option<&[u8]> {
    let end = pattern.iter().position(|byte| is_special(*byte)).unwrap_or(pattern.len());
    (end > 0).then(|| &pattern[..end])
}

/// Whether the pattern matches its own text only, when case counts.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| is_special(*byte))
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

fn count_stars(pattern: &[u8]) -> usize {
    pattern.iter().take_while(|byte| **byte == b'*').count()
}

/// Matches `byte` with the first element of `pattern`, which is not a star; returns its length.
fn match_element(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => match_class(class, byte, nocase).map(|length| length + 1),
        [b'\\', escaped, ..] => equal(*escaped, byte, nocase).then_some(2),
        [literal, ..] => equal(*literal, byte, nocase).then_some(1),
    }
}

/// `class` begins behind the bracket; the length returned includes the closing one.
fn match_class(class: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [start, b'-', end, ..] => {
                found |= in_range(*start, *end, byte, nocase);
                at += 3;
            }
            [member, ..] => {
                found |= equal(*member, byte, nocase);
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

fn in_range(start: u8, end: u8, byte: u8, nocase: bool) -> bool {
    let fold = |byte: i8| if nocase { (byte as u8).to_ascii_lowercase() as i8 } else { byte };
    // The bounds are put in order before their case is folded.
    let (low, high) = ((start as i8).min(end as i8), (start as i8).max(end as i8));
    (fold(low)..=fold(high)).contains(&fold(byte as i8))
}

fn equal(a: u8, b: u8, nocase: bool) -> bool {
    a == b || nocase && a.eq_ignore_ascii_case(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        glob_match(pattern.as_bytes(), text.as_bytes(), false)
    }

    /// The definition, without a thought for time: a star takes any number of bytes.
    fn reference(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        match (pattern, text) {
            (_, []) => pattern.iter().all(|byte| *byte == b'*'),
            ([b'*', rest @ ..], [_, text_rest @ ..]) => {
                reference(rest, text, nocase) || reference(pattern, text_rest, nocase)
            }
            (_, [byte, text_rest @ ..]) => match_element(pattern, *byte, nocase)
                .is_some_and(|length| reference(&pattern[length..], text_rest, nocase)),
        }
    }

    #[test]
    fn stars_take_any_number_of_bytes() {
        for (pattern, text) in [
            ("*", "a"),
            ("a*", "a"),
            ("*a", "a"),
            ("a**c", "abbc"),
            ("*b*", "abc"),
            ("h*llo", "heeello"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        assert!(!matches("h*llo", "hellx"));
        assert!(!matches("*ab", "aba"));
    }

    #[test]
    fn the_empty_text_matches_the_empty_pattern_only() {
        assert!(matches("", ""));
        assert!(!matches("*", ""));
        assert!(!matches("", "a"));
    }

    #[test]
    fn classes_hold_members_ranges_and_escapes() {
        assert!(matches("h[ae]llo", "hello"));
        assert!(!matches("h[ae]llo", "hillo"));
        assert!(matches("h[^e]llo", "hallo"));
        assert!(!matches("h[^e]llo", "hello"));
        assert!(matches("[a-c]", "b") && matches("[c-a]", "b") && !matches("[a-c]", "d"));
        assert!(matches("[\\]]", "]") && matches("[\\-x]", "-"));
        assert!(matches("[-a]", "-") && matches("[a\\-c]", "-") && !matches("[a\\-c]", "b"));
    }

    #[test]
    fn odd_classes_are_read_as_redis_does() {
        assert!(matches("[abc", "b") && !matches("[abc", "d"));
        assert!(!matches("[]", "a") && !matches("[]a", "a") && matches("[^]", "a"));
        assert!(!matches("[", "[") && matches("[^", "x"));
        assert!(matches("[a-]", "^") && !matches("[a-]", "-"), "a range from a down to ]");
        assert!(matches("[\\", "\\"));
    }

    #[test]
    fn a_range_over_high_bytes_compares_signed() {
        let pattern = b"[a-\xff]"; // from -1 to 97
        assert!(glob_match(pattern, b"A", false) && glob_match(pattern, b"\xff", false));
        assert!(!glob_match(pattern, b"b", false) && !glob_match(pattern, b"\xfe", false));
    }

    #[test]
    fn case_is_ignored_on_request() {
        assert!(glob_match(b"HeLLo*", b"hEllO!", true));
        assert!(glob_match(b"[A-C]x", b"bX", true));
        assert!(!glob_match(b"[\\A]", b"a", true), "an escape in a class is exact");
        assert!(glob_match(b"\\A", b"a", true));
    }

    #[test]
    fn escapes_make_bytes_literal() {
        assert!(matches("\\*", "*") && !matches("\\*", "a"));
        assert!(matches("a\\", "a\\"), "a last backslash stands for itself");
    }

    /// How many elements are looked at to find out that this does not match.
    fn steps(pattern: &str, text: &str) -> usize {
        let mut steps = 0;
        let found = matches_in_steps(pattern.as_bytes(), text.as_bytes(), false, || steps += 1);
        assert!(!found, "{pattern:.20} does not match");
        steps
    }

    #[test]
    fn however_nasty_a_pattern_is_it_is_looked_at_once_for_each_byte_of_the_text() {
        for (pattern, text) in [
            ("a*".repeat(500) + "b", "a".repeat(5000)),
            ("*a*a*a*a*a*a*a*a*b".to_owned(), "a".repeat(5000)),
            ("*?".repeat(3000) + "b", "a".repeat(5000)),
            ("*".to_owned() + &"a".repeat(2000) + "b", "a".repeat(5000)),
            ("*[ab]?*\\a[^b]*".repeat(100) + "c", "ab".repeat(2500)),
            ("*".repeat(5000) + "b", "a".repeat(5000)),
        ] {
            let steps = steps(&pattern, &text);
            assert!(steps <= pattern.len() * text.len(), "{steps} for {pattern:.20}");
        }
        // Stars alone cost next to nothing, because only the last of them is tried again.
        assert!(steps(&("a*".repeat(500) + "b"), &"a".repeat(5000)) <= 4 * 5000);
    }

    #[test]
    fn literals_are_recognised() {
        assert_eq!(literal_prefix(b"user:*"), Some(&b"user:"[..]));
        assert_eq!(literal_prefix(b"*"), None);
        assert_eq!(literal_prefix(b"plain"), Some(&b"plain"[..]));
        assert!(is_literal(b"plain") && !is_literal(b"pl\\ain"));
    }

    proptest! {
        #[test]
        fn backtracking_to_the_last_star_is_enough(
            pattern in "[ab*?\\[\\]^\\\\-]{0,10}", text in "[ab^\\]-]{1,10}", nocase: bool,
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(glob_match(pattern, text, nocase), reference(pattern, text, nocase));
        }

        #[test]
        fn matching_texts_begin_with_the_literal_prefix(
            pattern in "[ab*?\\\\]{0,6}", text in "[ab]{0,6}",
        ) {
            if let Some(prefix) = literal_prefix(pattern.as_bytes())
                && matches(&pattern, &text)
            {
                prop_assert!(text.as_bytes().starts_with(prefix));
            }
        }
    }
}
