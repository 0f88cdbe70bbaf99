//! What comes back: just enough of RESP2 to see where a reply ends and whether it is the right one.

use memchr::memchr;

use crate::Result;

/// Bytes of the first reply of `input`, or `None` if it is not complete. An error reply is an error: a load
/// of errors would measure nothing. So is a null, unless `may_be_null`, as in loads that remove elements.
pub fn next_reply(input: &[u8], may_be_null: bool) -> Result<Option<usize>> {
    let Some(line_end) = memchr(b'\n', input) else { return Ok(None) };
    let line = &input[..line_end];
    let next = line_end + 1;
    match line[0] {
        b'+' | b':' => Ok(Some(next)),
        b'$' | b'*' if line[1] == b'-' && may_be_null => Ok(Some(next)),
        b'$' if line[1] != b'-' => {
            let end = next + number(line) + 2;
            Ok((input.len() >= end).then_some(end))
        }
        b'*' if line[1] != b'-' => {
            let mut end = next;
            for _ in 0..number(line) {
                let Some(bytes) = next_reply(&input[end..], may_be_null)? else { return Ok(None) };
                end += bytes;
            }
            Ok(Some(end))
        }
        _ => Err(format!("unexpected reply: {}", String::from_utf8_lossy(line)).into()),
    }
}

/// The number behind a line's first byte.
fn number(line: &[u8]) -> usize {
    let digits = line[1..line.len() - 1].iter();
    digits.fold(0, |sum, digit| sum * 10 + usize::from(digit & 0x0F))
}
