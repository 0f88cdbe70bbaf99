//! Requests: RESP arrays of bulk strings, or plain text lines, decided by the first byte of each.
//!
//! The parser is incremental. It is given the bytes from the beginning of the request every time, and
//! remembers how far it came, so that a request which arrives in a thousand pieces is still read once (but for a text
//! line or a header, at most 64 KiB: these are searched from their beginning for each piece).
//! Arguments are ranges of the input; only the words of a text line are copied, because of their quotes.

use std::ops::Range;

use memchr::memchr;

use crate::base::limits::{
    INLINE_BYTES_MAX, REQUEST_ELEMENTS_MAX, UNAUTHENTICATED_BULK_BYTES_MAX,
    UNAUTHENTICATED_ELEMENTS_MAX,
};
use crate::base::number::parse_i64;
use crate::base::words::split_into;

/// Memory for the arguments of a request that is kept for the next one, in bytes.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// What a client did wrong on the wire. It is told, and the connection closes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Protocol error: {0}")]
pub struct ProtocolError(pub String);

impl ProtocolError {
    fn new(text: &str) -> ProtocolError {
        ProtocolError(text.to_owned())
    }
}

/// How large a request may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bulk_bytes_max: usize,
    /// Clients that have not authenticated yet get little.
    pub authenticated: bool,
}

impl Limits {
    /// For what the server wrote itself.
    pub const TRUSTED: Limits = Limits { bulk_bytes_max: usize::MAX, authenticated: true };
}

/// What [`RequestParser::parse`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseState {
    /// A request; it takes this many bytes of the input.
    Complete(usize),
    /// Nothing to execute (an empty line, a comment, an empty array), in this many bytes.
    Nothing(usize),
    /// More bytes are needed: at least this many in total, as far as is known.
    Incomplete(usize),
}

/// The arguments of a request, the command's name first.
#[derive(Clone, Debug, Default)]
pub struct Request {
    spans: Vec<Range<usize>>,
    /// The unescaped words, if it was a text line.
    words: Vec<u8>,
    is_inline: bool,
}

/// Borrowed arguments: of a request in its input buffer, or any list of byte strings.
#[derive(Clone, Copy, Debug)]
pub struct ArgList<'a> {
    data: &'a [u8],
    spans: &'a [Range<usize>],
}

impl<'a> ArgList<'a> {
    pub fn new(data: &'a [u8], spans: &'a [Range<usize>]) -> ArgList<'a> {
        ArgList { data, spans }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| &self.data[span.clone()])
    }

    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let data = self.data;
        self.spans.iter().map(move |span| &data[span.clone()])
    }

    /// The list without its first `count` arguments.
    pub fn skip(&self, count: usize) -> ArgList<'a> {
        ArgList { data: self.data, spans: &self.spans[count.min(self.spans.len())..] }
    }
}

impl Request {
    /// The arguments; `input` is what the parser was given.
    pub fn args<'a>(&'a self, input: &'a [u8]) -> ArgList<'a> {
        let data = if self.is_inline { &self.words } else { input };
        ArgList { data, spans: &self.spans }
    }

    fn memory_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Range<usize>>() + self.words.capacity()
    }

    /// Forgets the arguments, and the memory for them if they were many.
    fn clear(&mut self) {
        if self.memory_bytes() > KEPT_BYTES_MAX {
            *self = Request::default();
        }
        self.spans.clear();
        self.words.clear();
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct RequestParser {
    request: Request,
    /// Bytes of the input that are understood already.
    position: usize,
    /// Arguments of the array that are still to come; `None` before its header is read.
    missing: Option<usize>,
    /// Length of the bulk string whose header was read last.
    bulk_len: Option<usize>,
}

impl RequestParser {
    /// Reads on. `input` begins where the request begins; after `Complete` or `Nothing`, the next call
    /// must begin behind the bytes that these took.
    pub fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<ParseState, ProtocolError> {
        if self.position == 0 {
            self.request.clear();
            self.missing = None;
            self.bulk_len = None;
            match input.first() {
                None => return Ok(ParseState::Incomplete(1)),
                Some(b'*') => {}
                Some(_) => return self.parse_inline(input),
            }
        }
        let state = self.parse_array(input, limits)?;
        if !matches!(state, ParseState::Incomplete(_)) {
            self.position = 0;
        }
        Ok(state)
    }

    /// Bytes that are kept for the arguments, besides the input.
    pub fn memory_bytes(&self) -> usize {
        self.request.memory_bytes()
    }

    /// The same of a request of which more is to come.
    pub fn unfinished_bytes(&self) -> usize {
        if self.position > 0 { self.memory_bytes() } else { 0 }
    }

    /// The last complete request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    fn parse_inline(&mut self, input: &[u8]) -> Result<ParseState, ProtocolError> {
        let Some(newline) = memchr(b'\n', input) else {
            if input.len() > INLINE_BYTES_MAX {
                return Err(ProtocolError::new("too big inline request"));
            }
            return Ok(ParseState::Incomplete(input.len() + 1));
        };
        let line = input[..newline].strip_suffix(b"\r").unwrap_or(&input[..newline]);
        if line.len() > INLINE_BYTES_MAX {
            return Err(ProtocolError::new("too big inline request"));
        }
        if line.first() == Some(&b'#') {
            return Ok(ParseState::Nothing(newline + 1));
        }
        let Request { spans, words, is_inline } = &mut self.request;
        *is_inline = true;
        split_into(line, words, spans)
            .ok_or_else(|| ProtocolError::new("unbalanced quotes in request"))?;
        Ok(if spans.is_empty() {
            ParseState::Nothing(newline + 1)
        } else {
            ParseState::Complete(newline + 1)
        })
    }

    fn parse_array(&mut self, input: &[u8], limits: &Limits) -> Result<ParseState, ProtocolError> {
        let mut missing = match self.missing {
            Some(missing) => missing,
            None => match self.array_header(input, limits)? {
                None => return Ok(ParseState::Incomplete(input.len() + 1)),
                Some(0) => return Ok(ParseState::Nothing(self.position)),
                Some(count) => count,
            },
        };
        while missing > 0 {
            let len = match self.bulk_len {
                Some(len) => len,
                None => match self.bulk_header(input, limits)? {
                    None => {
                        self.missing = Some(missing);
                        return Ok(ParseState::Incomplete(input.len() + 1));
                    }
                    Some(len) => len,
                },
            };
            let end = self.position + len;
            if input.len() < end + 2 {
                self.missing = Some(missing);
                self.bulk_len = Some(len);
                return Ok(ParseState::Incomplete(end + 2));
            }
            self.request.spans.push(self.position..end);
            self.position = end + 2;
            self.bulk_len = None;
            missing -= 1;
        }
        Ok(ParseState::Complete(self.position))
    }

    /// Reads `*<count>`; zero and negative counts mean an empty request.
    fn array_header(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, ProtocolError> {
        self.request.is_inline = false;
        let Some(text) = self.header_line(input, "too big mbulk count string")? else {
            return Ok(None);
        };
        let count = parse_i64(&text[1..]).filter(|count| *count <= REQUEST_ELEMENTS_MAX as i64);
        let count = count.ok_or_else(|| ProtocolError::new("invalid multibulk length"))?;
        if count > UNAUTHENTICATED_ELEMENTS_MAX as i64 && !limits.authenticated {
            return Err(ProtocolError::new("unauthenticated multibulk length"));
        }
        let count = usize::try_from(count).unwrap_or(0);
        self.request.spans.reserve(count.min(64));
        Ok(Some(count))
    }

    /// Reads `$<length>`.
    fn bulk_header(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, ProtocolError> {
        let start = self.position;
        let Some(text) = self.header_line(input, "too big bulk count string")? else {
            return Ok(None);
        };
        if text.first() != Some(&b'$') {
            let got = input.get(start).map_or(' ', |byte| char::from(*byte));
            return Err(ProtocolError(format!("expected '$', got '{got}'")));
        }
        let len = parse_i64(&text[1..]).and_then(|len| usize::try_from(len).ok());
        let len = len.filter(|len| *len <= limits.bulk_bytes_max);
        let len = len.ok_or_else(|| ProtocolError::new("invalid bulk length"))?;
        if len as u64 > UNAUTHENTICATED_BULK_BYTES_MAX && !limits.authenticated {
            return Err(ProtocolError::new("unauthenticated bulk length"));
        }
        Ok(Some(len))
    }

    /// The line at the position without its end, and moves behind it. `None` while it is incomplete.
    /// As in Redis, a carriage return ends the line and one more byte, whatever it is, belongs to it.
    fn header_line<'a>(
        &mut self,
        input: &'a [u8],
        too_long: &str,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = &input[self.position..];
        let end = match short_line_end(rest) {
            Some(end) => end,
            None if rest.len() > INLINE_BYTES_MAX => return Err(ProtocolError::new(too_long)),
            None => return Ok(None),
        };
        if rest.len() < end + 2 {
            return Ok(None);
        }
        self.position += end + 2;
        Ok(Some(&rest[..end]))
    }
}

/// Position of the first carriage return. Headers are a few bytes, so looking at each beats `memchr`.
fn short_line_end(rest: &[u8]) -> Option<usize> {
    const SHORT: usize = 16;
    let near = rest.iter().take(SHORT).position(|byte| *byte == b'\r');
    near.or_else(|| memchr(b'\r', rest.get(SHORT..)?).map(|at| at + SHORT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { bulk_bytes_max: 1 << 20, authenticated: true };

    /// All requests of a stream, fed in pieces of the given sizes.
    fn parse_all(stream: &[u8], pieces: &[usize]) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let mut parser = RequestParser::default();
        let (mut requests, mut buffer, mut fed) = (Vec::new(), Vec::new(), 0);
        let mut sizes = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
        while fed < stream.len() {
            let piece = sizes.next().unwrap().clamp(1, stream.len() - fed);
            buffer.extend_from_slice(&stream[fed..fed + piece]);
            fed += piece;
            loop {
                let taken = match parser.parse(&buffer, &LIMITS)? {
                    ParseState::Incomplete(_) => break,
                    ParseState::Nothing(taken) => taken,
                    ParseState::Complete(taken) => {
                        let args = parser.request().args(&buffer);
                        requests.push(args.iter().map(<[u8]>::to_vec).collect());
                        taken
                    }
                };
                buffer.drain(..taken);
            }
        }
        Ok(requests)
    }

    fn error(stream: &[u8]) -> String {
        parse_all(stream, &[]).unwrap_err().0
    }

    #[test]
    fn arrays_lines_comments_and_empty_requests_may_alternate() {
        let stream = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n\r\n# a comment\n*0\r\n*-1\r\nset a 'b c'\n*1\r\n$0\r\n\r\n";
        let requests = parse_all(stream, &[]).unwrap();
        let expected: Vec<Vec<&[u8]>> =
            vec![vec![b"GET", b"a"], vec![b"PING"], vec![b"set", b"a", b"b c"], vec![b""]];
        assert_eq!(requests, expected);
    }

    #[test]
    fn every_split_of_a_stream_gives_the_same_requests() {
        let stream =
            b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\n\r\n$9\n\r\nping \"x\"\n*1\r\n$4\r\nPING\r\n";
        let whole = parse_all(stream, &[]).unwrap();
        assert_eq!(whole.len(), 3);
        for split in 1..stream.len() {
            assert_eq!(parse_all(stream, &[split]).unwrap(), whole, "split at {split}");
        }
        assert_eq!(parse_all(stream, &vec![1; stream.len()]).unwrap(), whole);
    }

    #[test]
    fn malformed_frames_are_named() {
        assert_eq!(error(b"*a\r\n"), "invalid multibulk length");
        assert_eq!(error(b"*2147483648\r\n"), "invalid multibulk length");
        assert_eq!(error(b"*1\r\n:5\r\n"), "expected '$', got ':'");
        assert_eq!(error(b"*1\r\n$-1\r\n"), "invalid bulk length");
        assert_eq!(error(b"*1\r\n$1048577\r\n"), "invalid bulk length");
        assert_eq!(error(b"get \"a\n"), "unbalanced quotes in request");
        assert_eq!(error(&[b'x'; 70_000]), "too big inline request");
        assert_eq!(
            error(&[b"*".as_slice(), &[b'1'; 70_000]].concat()),
            "too big mbulk count string"
        );
    }

    #[test]
    fn the_memory_for_many_arguments_is_given_back_when_they_were_executed() {
        let mut parser = RequestParser::default();
        let many = [&b"*100000\r\n"[..], &b"$1\r\nx\r\n".repeat(100_000)].concat();
        assert_eq!(parser.parse(&many, &LIMITS), Ok(ParseState::Complete(many.len())));
        assert!(parser.memory_bytes() >= 100_000 * size_of::<Range<usize>>());
        assert_eq!(parser.parse(b"", &LIMITS), Ok(ParseState::Incomplete(1)));
        assert_eq!(parser.memory_bytes(), 0);
        assert_eq!(parser.parse(b"PING\n", &LIMITS), Ok(ParseState::Complete(5)));
    }

    #[test]
    fn unauthenticated_clients_have_small_limits() {
        let limits = Limits { authenticated: false, ..LIMITS };
        let parse = |input: &[u8]| RequestParser::default().parse(input, &limits);
        assert_eq!(parse(b"*11\r\n").unwrap_err().0, "unauthenticated multibulk length");
        assert_eq!(parse(b"*1\r\n$16385\r\n").unwrap_err().0, "unauthenticated bulk length");
    }

    proptest! {
        #[test]
        fn any_arguments_survive_any_fragmentation(
            requests in prop::collection::vec(prop::collection::vec(any::<Vec<u8>>(), 1..5), 1..5),
            pieces in prop::collection::vec(1usize..40, 0..60),
        ) {
            let mut stream = Vec::new();
            for request in &requests {
                stream.extend_from_slice(format!("*{}\r\n", request.len()).as_bytes());
                for arg in request {
                    stream.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
                    stream.extend_from_slice(arg);
                    stream.extend_from_slice(b"\r\n");
                }
            }
            prop_assert_eq!(parse_all(&stream, &pieces).unwrap(), requests);
        }

        #[test]
        fn no_input_panics(stream in any::<Vec<u8>>(), pieces in prop::collection::vec(1usize..8, 0..20)) {
            let _ = parse_all(&stream, &pieces);
        }
    }
}
