//! Splitting a line into words, and writing a word so that it is read back as it was.
//!
//! One syntax serves inline commands, the configuration file and snapshots:
//!
//! ```text
//! plain          up to the next blank
//! "a b\n\x00"    escapes: \n \r \t \b \a \xHH; a backslash before any other byte stands for that byte
//! 'a b'          everything literal, except \' for a quote
//! ```
//!
//! Quotes may begin inside a word (`foo"b ar"` is `foob ar`), but behind a closing quote a blank or
//! the end must follow.

use std::ops::Range;

/// Splits at blanks. `None` when quotes are not closed, or closed inside a word.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
    split_into(line, &mut bytes, &mut ranges)?;
    Some(ranges.into_iter().map(|range| bytes[range].to_vec()).collect())
}

/// The same without an allocation per word: appends the words to `bytes` and where each is to `ranges`.
pub fn split_into(line: &[u8], bytes: &mut Vec<u8>, ranges: &mut Vec<Range<usize>>) -> Option<()> {
    let mut rest = line;
    loop {
        rest = trim_blanks(rest);
        if rest.is_empty() {
            return Some(());
        }
        let start = bytes.len();
        rest = read_word(rest, bytes)?;
        ranges.push(start..bytes.len());
    }
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_blank(*byte)).unwrap_or(text.len());
    &text[start..]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
}

/// Reads one word from the beginning of `text` and returns what follows it.
fn read_word<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match text {
            [] | [b' ' | b'\n' | b'\r' | b'\t' | 0, ..] => {
                return Some(text.get(1..).unwrap_or(&[]));
            }
            [b'"', rest @ ..] => return end_of_quotes(read_double_quoted(rest, word)?),
            [b'\'', rest @ ..] => return end_of_quotes(read_single_quoted(rest, word)?),
            [byte, rest @ ..] => {
                word.push(*byte);
                text = rest;
            }
        }
    }
}

fn end_of_quotes(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|byte| is_blank(*byte)).then_some(rest)
}

fn read_double_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, rest) = match text {
            [] => return None,
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'x', high, low, rest @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_value(*high) << 4 | hex_value(*low), rest)
            }
            [b'\\', escaped, rest @ ..] => (unescape(*escaped), rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        word.push(byte);
        text = rest;
    }
}

fn read_single_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, rest) = match text {
            [] => return None,
            [b'\'', rest @ ..] => return Some(rest),
            [b'\\', b'\'', rest @ ..] => (b'\'', rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        word.push(byte);
        text = rest;
    }
}

fn hex_value(digit: u8) -> u8 {
    char::from(digit).to_digit(16).expect("checked to be a hex digit") as u8
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Appends `word` so that [`split_words`] gives it back: plain if possible, else in double quotes
/// with every byte that is not printable ASCII escaped.
pub fn write_word(out: &mut Vec<u8>, word: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    // A word that begins with # would make a comment of its line.
    if !word.is_empty() && word[0] != b'#' && word.iter().all(is_plain) {
        out.extend_from_slice(word);
    } else {
        write_quoted(out, word);
    }
}

/// Like [`write_word`], but text in UTF-8 stays readable: only control characters and bytes that are no
/// UTF-8 are escaped.
pub fn write_readable_word(out: &mut Vec<u8>, word: &[u8]) {
    if word.is_ascii() {
        return write_word(out, word);
    }
    out.push(b'"');
    for chunk in word.utf8_chunks() {
        for character in chunk.valid().chars() {
            let bytes = &mut [0; 4];
            let bytes = character.encode_utf8(bytes).as_bytes();
            if bytes.len() == 1 || character.is_control() {
                write_escaped(out, bytes);
            } else {
                out.extend_from_slice(bytes);
            }
        }
        write_escaped(out, chunk.invalid());
    }
    out.push(b'"');
}

/// Appends `word` in double quotes.
pub fn write_quoted(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b'"');
    write_escaped(out, word);
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, word: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in word {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x07 => out.extend_from_slice(b"\\a"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let words = split_words(line.as_bytes())?;
        Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    fn words(expected: &[&str]) -> Option<Vec<String>> {
        Some(expected.iter().map(|word| word.to_string()).collect())
    }

    #[test]
    fn blanks_separate_words() {
        assert_eq!(split("  set  key\tvalue \r\n"), words(&["set", "key", "value"]));
        assert_eq!(split(" \t "), words(&[]));
        assert_eq!(split(""), words(&[]));
    }

    #[test]
    fn quotes_hold_blanks_and_escapes() {
        assert_eq!(split(r#""a b" 'c d' """#), words(&["a b", "c d", ""]));
        assert_eq!(split(r#""\x41\n\"\q\x4""#), words(&["A\n\"qx4"]));
        assert_eq!(split(r"'it\'s \n'"), words(&["it's \\n"]));
        assert_eq!(split(r#"foo"b ar""#), words(&["foob ar"]));
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in ["\"a", "'a", "\"a\"b", "'a'b", "\"a\\\"", "x \""] {
            assert_eq!(split(line), None, "{line}");
        }
    }

    #[test]
    fn only_what_needs_quotes_gets_them() {
        for (word, written) in [
            ("plain", "plain"),
            ("a b", "\"a b\""),
            ("", "\"\""),
            ("#1", "\"#1\""),
            ("é", "\"\\xc3\\xa9\""),
        ] {
            let mut out = Vec::new();
            write_word(&mut out, word.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    #[test]
    fn text_stays_readable() {
        let mut out = Vec::new();
        write_readable_word(&mut out, b"Gr\xc3\xbc\xc3\x9fe \xc2\x85\xff\n");
        assert_eq!(String::from_utf8(out).unwrap(), "\"Grüße \\xc2\\x85\\xff\\n\"");
    }

    proptest! {
        #[test]
        fn every_readable_word_reads_back(list: Vec<Vec<u8>>) {
            let mut line = Vec::new();
            for word in &list {
                write_readable_word(&mut line, word);
                line.push(b' ');
            }
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(split_words(&line), Some(list));
        }

        #[test]
        fn no_line_panics(line: Vec<u8>) {
            let _ = split_words(&line);
        }

        #[test]
        fn every_word_reads_back(list: Vec<Vec<u8>>) {
            let mut line = Vec::new();
            for word in &list {
                write_word(&mut line, word);
                line.push(b' ');
            }
            prop_assert_eq!(split_words(&line), Some(list));
        }
    }
}
