//! What `SCAN` and the commands that scan a collection (`SSCAN`, `HSCAN`, `ZSCAN`) have in common: the
//! cursor, the options, the shape of the reply.

use crate::base::glob::glob_match;
use crate::base::number::parse_u64;
use crate::exec::{Args, CommandError};
use crate::resp::Reply;

/// Elements visited per call if the client does not say.
const COUNT_DEFAULT: usize = 10;

/// What is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Scanned {
    /// The option `TYPE` exists.
    Keys,
    Elements,
    /// The option `NOVALUES` exists.
    Fields,
}

/// See the module's description.
pub(in crate::commands) struct ScanOptions<'a> {
    pattern: &'a [u8],
    pub(in crate::commands) count: usize,
    pub(in crate::commands) type_name: Option<&'a [u8]>,
    pub(in crate::commands) no_values: bool,
}

impl<'a> ScanOptions<'a> {
    /// Reads all arguments that are left.
    pub(in crate::commands) fn parse(
        args: &mut Args<'a>,
        scanned: Scanned,
    ) -> Result<ScanOptions<'a>, CommandError> {
        let mut options =
            ScanOptions { pattern: b"*", count: COUNT_DEFAULT, type_name: None, no_values: false };
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"NOVALUES" if scanned == Scanned::Fields => options.no_values = true,
                _ if args.is_empty() => return Err(CommandError::Syntax),
                b"MATCH" => options.pattern = args.pattern()?,
                b"TYPE" if scanned == Scanned::Keys => options.type_name = Some(args.bytes()?),
                b"COUNT" => {
                    let count = usize::try_from(args.integer()?).unwrap_or(0);
                    options.count =
                        Some(count).filter(|count| *count > 0).ok_or(CommandError::Syntax)?;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    /// Whether a key or an element is one that the client asked for.
    pub(in crate::commands) fn matches(&self, name: &[u8]) -> bool {
        matches(self.pattern, name)
    }
}

/// `*` matches everything, the empty string included, which the glob itself would not.
pub(in crate::commands) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    pattern == b"*" || glob_match(pattern, name, false)
}

/// The next argument as a cursor.
pub(in crate::commands) fn parse_cursor(args: &mut Args<'_>) -> Result<u64, CommandError> {
    cursor(args.bytes()?).ok_or(CommandError::InvalidCursor)
}

/// Reads what C's `strtoul` reads, and so what Redis takes: a negative number is counted down from 2^64, a zero
/// byte ends the text, and an empty one is 0.
fn cursor(text: &[u8]) -> Option<u64> {
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    match text {
        b"" => Some(0),
        [b'-', b'0'..=b'9', ..] => parse_u64(&text[1..]).map(u64::wrapping_neg),
        text => parse_u64(text),
    }
}

/// The reply: where to go on, and what was found.
pub(in crate::commands) fn reply_scan<T: AsRef<[u8]>>(
    reply: &mut Reply<'_>,
    cursor: u64,
    found: &[T],
) {
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(cursor));
    reply.bulk_array(found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_c_reads_numbers() {
        for (text, expected) in [
            (&b"0"[..], Some(0)),
            (b"", Some(0)),
            (b"+007", Some(7)),
            (b"-1", Some(u64::MAX)),
            (b"-0", Some(0)),
            (b"5\0x", Some(5)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"-18446744073709551616", None),
            (b" 1", None),
            (b"-", None),
            (b"-+1", None),
            (b"+", None),
            (b"1x", None),
        ] {
            assert_eq!(cursor(text), expected, "{}", text.escape_ascii());
        }
    }
}
