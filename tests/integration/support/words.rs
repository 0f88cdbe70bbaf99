//! The words of a transcript's command line.
//!
//! Splitting follows the rules of inline commands: words are separated by blanks; `"…"` knows
//! `\n \r \t \b \a \\ \" \xHH`, `'…'` only `\'`; a closing quote ends its word.
//!
//! Before that, [`expand`] replaces `{c*N}` by N times the character c, and `{name}` by what
//! `@bind name` took from a reply. Other braces, such as those of hash tags, stay.

use std::collections::HashMap;
use std::iter::Peekable;
use std::slice::Iter;

/// Values that a transcript has taken from replies.
pub type Bindings = HashMap<String, String>;

/// Splits a line into words; the error says what is wrong with it.
pub fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut bytes = line.as_bytes().iter().peekable();
    let mut words = Vec::new();
    loop {
        while bytes.next_if(|byte| byte.is_ascii_whitespace()).is_some() {}
        if bytes.peek().is_none() {
            return Ok(words);
        }
        words.push(next_word(&mut bytes)?);
    }
}

fn next_word(bytes: &mut Peekable<Iter<u8>>) -> Result<Vec<u8>, String> {
    let mut word = Vec::new();
    while let Some(&byte) = bytes.next_if(|byte| !byte.is_ascii_whitespace()) {
        match byte {
            b'"' | b'\'' => {
                read_quoted(byte, bytes, &mut word)?;
                return match bytes.peek() {
                    Some(next) if !next.is_ascii_whitespace() => {
                        Err("a closing quote must end the word".to_owned())
                    }
                    _ => Ok(word),
                };
            }
            _ => word.push(byte),
        }
    }
    Ok(word)
}

fn read_quoted(
    quote: u8,
    bytes: &mut Peekable<Iter<u8>>,
    word: &mut Vec<u8>,
) -> Result<(), String> {
    while let Some(&byte) = bytes.next() {
        match byte {
            _ if byte == quote => return Ok(()),
            b'\\' if quote == b'"' => word.push(escape(bytes)?),
            b'\\' if bytes.next_if(|next| **next == b'\'').is_some() => word.push(b'\''),
            _ => word.push(byte),
        }
    }
    Err("a quote is not closed".to_owned())
}

/// The byte that an escape sequence stands for, its backslash already read.
fn escape(bytes: &mut Peekable<Iter<u8>>) -> Result<u8, String> {
    match bytes.next().ok_or("a backslash at the end")? {
        b'n' => Ok(b'\n'),
        b'r' => Ok(b'\r'),
        b't' => Ok(b'\t'),
        b'b' => Ok(8),
        b'a' => Ok(7),
        b'x' => {
            let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
            let pair = digit(bytes.next()).zip(digit(bytes.next()));
            let (high, low) = pair.ok_or("\\x needs two hexadecimal digits")?;
            Ok((high * 16 + low) as u8)
        }
        other => Ok(*other),
    }
}

/// The bytes of a line that is sent as it is written, escape sequences aside.
pub fn unescape(line: &str) -> Result<Vec<u8>, String> {
    let mut bytes = line.as_bytes().iter().peekable();
    let mut result = Vec::new();
    while let Some(&byte) = bytes.next() {
        result.push(if byte == b'\\' { escape(&mut bytes)? } else { byte });
    }
    Ok(result)
}

/// Replaces `{c*N}` and the names that are bound.
pub fn expand(line: &str, bindings: &Bindings) -> String {
    let mut result = String::new();
    let mut rest = line;
    while let Some(open) = rest.find('{') {
        let (front, braced) = rest.split_at(open);
        result.push_str(front);
        let value = braced.find('}').and_then(|close| {
            Some((replacement(&braced[1..close], bindings)?, &braced[close + 1..]))
        });
        match value {
            Some((value, after)) => {
                result.push_str(&value);
                rest = after;
            }
            None => {
                result.push('{');
                rest = &braced[1..];
            }
        }
    }
    result + rest
}

fn replacement(inside: &str, bindings: &Bindings) -> Option<String> {
    if let Some(value) = bindings.get(inside) {
        return Some(value.clone());
    }
    let mut characters = inside.chars();
    let repeated = characters.next()?;
    let count = characters.as_str().strip_prefix('*')?.parse().ok()?;
    Some(repeated.to_string().repeat(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        split(line).expect("a valid line")
    }

    #[test]
    fn blanks_separate_words_and_quotes_keep_them_together() {
        assert_eq!(words("  SET k\t\"x y\" '' "), [&b"SET"[..], b"k", b"x y", b""]);
        assert_eq!(words("a\"b c\""), [b"ab c"]);
        assert!(words(" ").is_empty());
    }

    #[test]
    fn escapes_are_known_in_double_quotes_only() {
        assert_eq!(words(r#""\n\r\t\b\a\\\"\x00\xfFq\q""#), [b"\n\r\t\x08\x07\\\"\x00\xffqq"]);
        assert_eq!(words(r"'\n\''"), [br"\n'"]);
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in ["\"a", "'a", "\"a\"b", "'a'b", "\"\\", "\"\\x0\""] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    #[test]
    fn raw_lines_know_escapes_and_keep_blanks() {
        assert_eq!(unescape(r" *1\r\n\x00 ").expect("valid"), b" *1\r\n\x00 ");
        assert!(unescape("\\").is_err());
    }

    #[test]
    fn bound_names_and_repetitions_are_replaced_and_other_braces_stay() {
        let bindings = Bindings::from([("id".to_owned(), "7".to_owned())]);
        assert_eq!(expand("KILL {id} {x*3} {tag}a {", &bindings), "KILL 7 xxx {tag}a {");
        assert_eq!(expand("{{id}} {0*2}", &bindings), "{7} 00");
    }
}
