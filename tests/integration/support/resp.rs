//! A strict client side of the Redis protocol, versions 2 and 3.
//!
//! It shares no code with the server on purpose: what the server's encoder and a lenient decoder
//! would agree on by mistake is found here. Every length must be a plain decimal number, every line
//! must end with CR LF, and a frame of an unknown type is an error.
//!
//! [`render`] writes a reply on one line, the form in which transcripts state what they expect:
//!
//! | on the wire            | rendered                                     |
//! |------------------------|----------------------------------------------|
//! | `+OK`                  | `+OK`                                        |
//! | `-ERR text`            | `-ERR text`                                  |
//! | `:1`                   | `:1`                                         |
//! | `$3 abc`               | `"abc"` with `\n \r \t \\ \" \xHH`           |
//! | `$-1`, `_`             | `nil`                                        |
//! | `*-1`                  | `*nil`: clients of RESP2 can tell it apart   |
//! | `*2 …`                 | `[ "a", :1 ]`                                |
//! | `%1 …`                 | `{ "k": "v" }`                               |
//! | `~1 …`, `>1 …`         | `~[ "a" ]`, `>[ "a" ]`                       |
//! | `,1.5`, `(123`         | `,1.5`, `(123`                               |
//! | `#t`, `#f`             | `#t`, `#f`                                   |
//! | `=7 txt:abc`           | `=txt:"abc"`                                 |
//! | `\|1 …` and its reply  | `\|{ "k": "v" } "the reply"`                 |
//!
//! A blank at the end of a simple string or an error is rendered `\x20`, so that no editor eats it.

use std::io::{self, BufRead, ErrorKind};

/// Nesting beyond this is taken for a broken stream.
const DEPTH_MAX: usize = 32;

/// One reply. Numbers that are not integers stay text, because their exact spelling is the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    NilArray,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    Double(Vec<u8>),
    BigNumber(Vec<u8>),
    Boolean(bool),
    Verbatim { format: Vec<u8>, text: Vec<u8> },
    Attribute { pairs: Vec<(Reply, Reply)>, reply: Box<Reply> },
}

/// A command as clients send it: an array of bulk strings.
pub fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        frame.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        frame.extend_from_slice(word);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

/// Reads one reply; `None` when the peer has closed between replies.
///
/// `InvalidData` means that the peer broke the protocol, `UnexpectedEof` that it closed inside a
/// reply.
pub fn read_reply(source: &mut impl BufRead) -> io::Result<Option<Reply>> {
    if source.fill_buf()?.is_empty() {
        return Ok(None);
    }
    read_nested(source, 0).map(Some)
}

/// Decodes the first reply of `bytes` and tells its length; `None` while it is incomplete.
pub fn decode(bytes: &[u8]) -> io::Result<Option<(Reply, usize)>> {
    let mut rest = bytes;
    match read_reply(&mut rest) {
        Ok(Some(reply)) => Ok(Some((reply, bytes.len() - rest.len()))),
        Ok(None) => Ok(None),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_nested(source: &mut impl BufRead, depth: usize) -> io::Result<Reply> {
    if depth > DEPTH_MAX {
        return Err(broken("a reply nested too deeply"));
    }
    let line = read_line(source)?;
    let Some((&kind, text)) = line.split_first() else {
        return Err(broken("an empty line where a reply begins"));
    };
    Ok(match kind {
        b'+' => Reply::Simple(text.to_vec()),
        b'-' => Reply::Error(text.to_vec()),
        b':' => Reply::Integer(integer(text)?),
        b',' => Reply::Double(text.to_vec()),
        b'(' => Reply::BigNumber(text.to_vec()),
        b'_' if text.is_empty() => Reply::Nil,
        b'#' if text == b"t" => Reply::Boolean(true),
        b'#' if text == b"f" => Reply::Boolean(false),
        b'$' if text == b"-1" => Reply::Nil,
        b'$' => Reply::Bulk(read_blob(source, length(text)?)?),
        b'=' => verbatim(read_blob(source, length(text)?)?)?,
        b'*' if text == b"-1" => Reply::NilArray,
        b'*' => Reply::Array(read_items(source, length(text)?, depth)?),
        b'~' => Reply::Set(read_items(source, length(text)?, depth)?),
        b'>' => Reply::Push(read_items(source, length(text)?, depth)?),
        b'%' => Reply::Map(read_pairs(source, length(text)?, depth)?),
        b'|' => Reply::Attribute {
            pairs: read_pairs(source, length(text)?, depth)?,
            reply: Box::new(read_nested(source, depth + 1)?),
        },
        _ => return Err(broken(&format!("a reply that begins with {}", line.escape_ascii()))),
    })
}

fn read_items(source: &mut impl BufRead, count: usize, depth: usize) -> io::Result<Vec<Reply>> {
    (0..count).map(|_| read_nested(source, depth + 1)).collect()
}

fn read_pairs(
    source: &mut impl BufRead,
    count: usize,
    depth: usize,
) -> io::Result<Vec<(Reply, Reply)>> {
    (0..count)
        .map(|_| Ok((read_nested(source, depth + 1)?, read_nested(source, depth + 1)?)))
        .collect()
}

/// A line without its CR LF.
fn read_line(source: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    source.read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    line.pop();
    if line.pop() != Some(b'\r') || line.contains(&b'\r') {
        return Err(broken("a line that does not end with CR LF"));
    }
    Ok(line)
}

fn read_blob(source: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut blob = vec![0; length + 2];
    source.read_exact(&mut blob)?;
    if !blob.ends_with(b"\r\n") {
        return Err(broken("a bulk string whose length is wrong"));
    }
    blob.truncate(length);
    Ok(blob)
}

fn verbatim(blob: Vec<u8>) -> io::Result<Reply> {
    match blob.get(3) {
        Some(b':') => Ok(Reply::Verbatim { format: blob[..3].to_vec(), text: blob[4..].to_vec() }),
        _ => Err(broken("a verbatim string without its format")),
    }
}

fn integer(text: &[u8]) -> io::Result<i64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    match number {
        Some(number) if number.to_string().as_bytes() == text => Ok(number),
        _ => Err(broken(&format!("the number {}", text.escape_ascii()))),
    }
}

fn length(text: &[u8]) -> io::Result<usize> {
    usize::try_from(integer(text)?).map_err(|_| broken("a negative length"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("protocol violated by the server: {what}"))
}

/// A reply on one line, as the table above says.
pub fn render(reply: &Reply) -> String {
    match reply {
        Reply::Simple(text) => format!("+{}", line_text(text)),
        Reply::Error(text) => format!("-{}", line_text(text)),
        Reply::Integer(number) => format!(":{number}"),
        Reply::Bulk(text) => quoted(text),
        Reply::Nil => "nil".to_owned(),
        Reply::NilArray => "*nil".to_owned(),
        Reply::Array(items) => list("[", items),
        Reply::Set(items) => list("~[", items),
        Reply::Push(items) => list(">[", items),
        Reply::Map(pairs) => map(pairs),
        Reply::Double(text) => format!(",{}", line_text(text)),
        Reply::BigNumber(text) => format!("({}", line_text(text)),
        Reply::Boolean(true) => "#t".to_owned(),
        Reply::Boolean(false) => "#f".to_owned(),
        Reply::Verbatim { format, text } => format!("={}:{}", line_text(format), quoted(text)),
        Reply::Attribute { pairs, reply } => format!("|{} {}", map(pairs), render(reply)),
    }
}

/// The same reply with the elements of every array, set and map in the order of their rendering,
/// for replies whose order the protocol leaves open.
pub fn sorted(reply: Reply) -> Reply {
    match reply {
        Reply::Array(items) => Reply::Array(sorted_items(items)),
        Reply::Set(items) => Reply::Set(sorted_items(items)),
        Reply::Map(pairs) => {
            let mut pairs: Vec<_> =
                pairs.into_iter().map(|(key, value)| (sorted(key), sorted(value))).collect();
            pairs.sort_by_cached_key(|(key, _)| render(key));
            Reply::Map(pairs)
        }
        other => other,
    }
}

fn sorted_items(items: Vec<Reply>) -> Vec<Reply> {
    let mut items: Vec<_> = items.into_iter().map(sorted).collect();
    items.sort_by_cached_key(render);
    items
}

fn list(open: &str, items: &[Reply]) -> String {
    if items.is_empty() {
        return format!("{open}]");
    }
    let items: Vec<_> = items.iter().map(render).collect();
    format!("{open} {} ]", items.join(", "))
}

fn map(pairs: &[(Reply, Reply)]) -> String {
    if pairs.is_empty() {
        return "{}".to_owned();
    }
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{}: {}", render(key), render(value))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", escaped(bytes, true))
}

fn line_text(bytes: &[u8]) -> String {
    match bytes.strip_suffix(b" ") {
        Some(front) => escaped(front, false) + "\\x20",
        None => escaped(bytes, false),
    }
}

fn escaped(bytes: &[u8], quotes: bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b'"' if quotes => text.push_str("\\\""),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rendering of what must be exactly one reply.
    fn rendered(bytes: &[u8]) -> String {
        let (reply, used) = decode(bytes).expect("valid").expect("complete");
        assert_eq!(used, bytes.len());
        render(&reply)
    }

    fn refused(bytes: &[u8]) -> bool {
        decode(bytes).is_err_and(|error| error.kind() == ErrorKind::InvalidData)
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        assert_eq!(encode(&["SET", "k", ""]), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
    }

    #[test]
    fn each_type_of_both_versions_has_its_rendering() {
        assert_eq!(rendered(b"+OK\r\n"), "+OK");
        assert_eq!(rendered(b"-ERR no\r\n"), "-ERR no");
        assert_eq!(rendered(b":-7\r\n"), ":-7");
        assert_eq!(rendered(b"$3\r\nabc\r\n"), "\"abc\"");
        assert_eq!(rendered(b"$-1\r\n"), "nil");
        assert_eq!(rendered(b"_\r\n"), "nil");
        assert_eq!(rendered(b"*-1\r\n"), "*nil");
        assert_eq!(rendered(b"*0\r\n"), "[]");
        assert_eq!(rendered(b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n"), "[ \"a\", [ :1 ] ]");
        assert_eq!(rendered(b"%1\r\n+k\r\n$1\r\nv\r\n"), "{ +k: \"v\" }");
        assert_eq!(rendered(b"~1\r\n:1\r\n"), "~[ :1 ]");
        assert_eq!(rendered(b">1\r\n:1\r\n"), ">[ :1 ]");
        assert_eq!(rendered(b",1.50\r\n"), ",1.50");
        assert_eq!(rendered(b"(12345678901234567890\r\n"), "(12345678901234567890");
        assert_eq!(rendered(b"#t\r\n"), "#t");
        assert_eq!(rendered(b"#f\r\n"), "#f");
        assert_eq!(rendered(b"=5\r\ntxt:a\r\n"), "=txt:\"a\"");
        assert_eq!(rendered(b"|1\r\n+ttl\r\n:1\r\n+OK\r\n"), "|{ +ttl: :1 } +OK");
    }

    #[test]
    fn bytes_outside_printable_ascii_are_escaped() {
        assert_eq!(rendered(b"$6\r\n\"\\\r\n\x00\xff\r\n"), r#""\"\\\r\n\x00\xff""#);
        assert_eq!(rendered(b"-ERR 'a' \r\n"), r"-ERR 'a'\x20");
    }

    #[test]
    fn an_incomplete_reply_is_waited_for_and_what_follows_is_left() {
        let frame = b"*2\r\n$1\r\na\r\n:1\r\n";
        for end in 0..frame.len() {
            assert_eq!(decode(&frame[..end]).expect("a valid beginning"), None);
        }
        assert_eq!(decode(b"+A\r\n+B\r\n").expect("valid").expect("complete").1, 4);
    }

    #[test]
    fn violations_of_the_protocol_are_refused() {
        assert!(refused(b"OK\r\n"));
        assert!(refused(b"\r\n"));
        assert!(refused(b"+OK\n"));
        assert!(refused(b":01\r\n"));
        assert!(refused(b":+1\r\n"));
        assert!(refused(b":\r\n"));
        assert!(refused(b"$-2\r\n"));
        assert!(refused(b"$2\r\nabc\r\n"));
        assert!(refused(b"#x\r\n"));
        assert!(refused(b"=1\r\na\r\n"));
        assert!(refused("*1\r\n".repeat(40).as_bytes()));
    }

    #[test]
    fn sorting_reaches_nested_arrays_and_keeps_pairs_together() {
        let (reply, _) = decode(b"*2\r\n$1\r\n0\r\n%2\r\n+b\r\n:1\r\n+a\r\n:2\r\n")
            .expect("valid")
            .expect("all");
        assert_eq!(render(&sorted(reply)), "[ \"0\", { +a: :2, +b: :1 } ]");
    }
}
