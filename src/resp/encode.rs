//! Commands as clients send them and as they stand in the log: RESP arrays of bulk strings.

/// Appends one command.
pub fn encode_command<'a>(
    out: &mut Vec<u8>,
    args: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
) {
    let args = args.into_iter();
    header(out, b'*', args.len());
    for arg in args {
        header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

fn header(out: &mut Vec<u8>, kind: u8, count: usize) {
    // Almost all counts have one or two digits.
    if count < 10 {
        out.extend_from_slice(&[kind, b'0' + count as u8, b'\r', b'\n']);
    } else if count < 100 {
        let (tens, ones) = (count as u8 / 10, count as u8 % 10);
        out.extend_from_slice(&[kind, b'0' + tens, b'0' + ones, b'\r', b'\n']);
    } else {
        out.push(kind);
        out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_are_printed() {
        let long = vec![b'x'; 123];
        let args: [&[u8]; 3] = [b"", b"0123456789ab", &long];
        let mut out = Vec::new();
        encode_command(&mut out, args);
        let expected =
            format!("*3\r\n$0\r\n\r\n$12\r\n0123456789ab\r\n$123\r\n{}\r\n", "x".repeat(123));
        assert_eq!(out, expected.as_bytes());
    }
}
