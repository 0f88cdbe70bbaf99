//! Words of a plain text line, as typed into `nc` or `telnet` and as written in snapshots.
//!
//! Words are split on blanks. `"..."` knows `\n \r \t \b \a \\ \" \xHH`, and a backslash before any
//! other character is that character; `'...'` knows only `\'`. A closing quote must be followed by a
//! blank or the end. These are the rules of Redis's inline commands and configuration file.

use std::ops::Range;

/// A quote that is never closed, or is followed by something other than a blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// Appends the words of `line` to `out`, unescaped, and their ranges in `out` to `words`.
pub fn split_words(
    line: &[u8],
    out: &mut Vec<u8>,
    words: &mut Vec<Range<usize>>,
) -> Result<(), UnbalancedQuotes> {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start_c();
        if rest.is_empty() {
            return Ok(());
        }
        let start = out.len();
        rest = read_word(rest, out)?;
        words.push(start..out.len());
    }
}

/// C's `isspace`, which unlike Rust's trimming counts the vertical tab.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

trait TrimBlank {
    fn trim_ascii_start_c(&self) -> &Self;
}

impl TrimBlank for [u8] {
    fn trim_ascii_start_c(&self) -> &[u8] {
        let blanks = self.iter().take_while(|byte| is_blank(**byte)).count();
        &self[blanks..]
    }
}

/// Reads one word to `out`; returns what follows it.
fn read_word<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    while let [byte, tail @ ..] = rest {
        match byte {
            b'"' => return closed(read_double_quoted(tail, out)?),
            b'\'' => return closed(read_single_quoted(tail, out)?),
            0 => return Ok(tail),
            byte if is_blank(*byte) => return Ok(rest),
            byte => out.push(*byte),
        }
        rest = tail;
    }
    Ok(rest)
}

fn closed(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(byte) if !is_blank(*byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn read_double_quoted<'a>(
    mut rest: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex_digit(*high) << 4 | hex_digit(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                out.push(unescape(*escaped));
                tail
            }
            [b'"', tail @ ..] => return Ok(tail),
            [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
            [] => return Err(UnbalancedQuotes),
        };
    }
}

fn read_single_quoted<'a>(
    mut rest: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [b'\\', b'\'', tail @ ..] => {
                out.push(b'\'');
                tail
            }
            [b'\'', tail @ ..] => return Ok(tail),
            [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
            [] => return Err(UnbalancedQuotes),
        };
    }
}

fn hex_digit(digit: u8) -> u8 {
    (digit as char).to_digit(16).expect("the caller checked that it is a digit") as u8
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Bytes that stand for themselves in a word without quotes.
const fn is_plain(byte: u8) -> bool {
    byte > b' ' && byte < 0x7f && !matches!(byte, b'"' | b'\'' | b'\\' | b'#')
}

const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_plain(byte as u8);
        byte += 1;
    }
    table
};

/// Appends a word so that [`split_words`] reads back exactly these bytes: as it is if that is possible,
/// else in double quotes. UTF-8 text stays readable; other bytes become `\xHH`.
pub fn quote_word(word: &[u8], out: &mut Vec<u8>) {
    if !word.is_empty() && word.iter().all(|byte| PLAIN[usize::from(*byte)]) {
        out.extend_from_slice(word);
        return;
    }
    out.push(b'"');
    for chunk in word.utf8_chunks() {
        for character in chunk.valid().chars() {
            quote_char(character, out);
        }
        chunk.invalid().iter().for_each(|byte| push_hex(*byte, out));
    }
    out.push(b'"');
}

fn quote_char(character: char, out: &mut Vec<u8>) {
    match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        control if control.is_control() => {
            let mut bytes = [0; 4];
            control.encode_utf8(&mut bytes).bytes().for_each(|byte| push_hex(byte, out));
        }
        other => {
            let mut bytes = [0; 4];
            out.extend_from_slice(other.encode_utf8(&mut bytes).as_bytes());
        }
    }
}

fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[
        b'\\',
        b'x',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
        let (mut out, mut ranges) = (Vec::new(), Vec::new());
        split_words(line, &mut out, &mut ranges)?;
        Ok(ranges.into_iter().map(|range| out[range].to_vec()).collect())
    }

    #[test]
    fn quotes_and_escapes_are_understood() {
        assert_eq!(words(b" set  a\t\"x y\" ").unwrap(), [&b"set"[..], b"a", b"x y"]);
        assert_eq!(
            words(br#""\x41\n\"\q\xZZ" 'it\'s \n'"#).unwrap(),
            [&b"A\n\"qxZZ"[..], b"it's \\n"]
        );
        assert_eq!(words(b"\"\" ''").unwrap(), [b"", b""]);
        assert_eq!(words(b"a\"b c\"").unwrap(), [b"ab c"]);
        assert_eq!(words(b"   ").unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn open_quotes_and_text_after_a_closing_quote_are_refused() {
        for line in [&b"\"abc"[..], b"'abc", b"\"a\"b", b"'a'b", b"\"abc\\\""] {
            assert_eq!(words(line), Err(UnbalancedQuotes), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn text_stays_readable() {
        let mut out = Vec::new();
        quote_word("Grüße, Welt\u{85}\n\x07".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#""Grüße, Welt\xc2\x85\n\x07""#);
    }

    proptest! {
        #[test]
        fn quoted_words_read_back_as_they_were(list in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut line = Vec::new();
            for word in &list {
                quote_word(word, &mut line);
                line.push(b' ');
            }
            prop_assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
            prop_assert_eq!(words(&line).unwrap(), list);
        }

        #[test]
        fn no_line_panics(line in any::<Vec<u8>>()) {
            let _ = words(&line);
        }
    }
}
