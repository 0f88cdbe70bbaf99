//! What comes back: just enough of RESP2 to see where a reply ends and whether it is the right one.

use memchr::memchr;

use crate::Result;

/// Bytes of the first reply of `input`, or `None` if it is not complete. An error reply is an error, and
/// so is a null: all keys that are asked for exist, and a load of errors would measure nothing.
pub fn next_reply(input: &[u8]) -> Result<Option<usize>> {
    let Some(line_end) = memchr(b'\n', input) else { return Ok(None) };
    let line = &input[..line_end];
    let next = line_end + 1;
    match line[0] {
        b'+' | b':' => Ok(Some(next)),
        b'$' if line[1] != b'-' => {
            let digits = line[1..line.len() - 1].iter();
            let bytes = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit & 0x0F));
            let end = next + bytes + 2;
            Ok((input.len() >= end).then_some(end))
        }
        _ => Err(format!("unexpected reply: {}", String::from_utf8_lossy(line)).into()),
    }
}
