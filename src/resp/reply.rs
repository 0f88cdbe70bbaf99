//! Replies, in RESP2 or RESP3.
//!
//! A handler writes its reply through [`Reply`] without asking which protocol the client speaks: types
//! that RESP2 lacks fall back to what Redis sends there (a map becomes a flat array, a double a bulk
//! string, a null `$-1` or `*-1`).

use super::outbox::{Mark, Outbox};
use crate::base::bytes::Bytes;
use crate::base::number::{write_f64, write_i64};

/// The protocol version that a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

impl Protocol {
    /// The number by which `HELLO` names it.
    pub fn version(self) -> u8 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}

/// Writes one client's replies to its outbox.
pub struct Reply<'a> {
    outbox: &'a mut Outbox,
    protocol: Protocol,
}

/// Where a reply began.
#[derive(Clone, Copy, Debug)]
pub struct ReplyMark(Mark);

impl<'a> Reply<'a> {
    pub fn new(outbox: &'a mut Outbox, protocol: Protocol) -> Reply<'a> {
        Reply { outbox, protocol }
    }

    /// Bytes of their own, for whoever gets them: a frame that is no reply.
    pub fn frame(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> Bytes {
        let mut outbox = Outbox::default();
        write(&mut Reply::new(&mut outbox, protocol));
        debug_assert_eq!(outbox.segments(), 0, "a frame is written in one piece");
        Bytes::new(std::mem::take(outbox.tail()))
    }

    /// Where it is written to.
    pub fn outbox(&mut self) -> &mut Outbox {
        self.outbox
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The rest of the reply is in another protocol (`HELLO`).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    pub fn mark(&self) -> ReplyMark {
        ReplyMark(self.outbox.mark())
    }

    /// Forgets what was written since the mark.
    pub fn rewind(&mut self, mark: ReplyMark) {
        self.outbox.rewind(mark.0);
    }

    pub fn has_grown(&self, mark: ReplyMark) -> bool {
        self.outbox.has_grown(mark.0)
    }

    fn header(&mut self, kind: u8, number: i64) {
        let tail = self.outbox.tail();
        tail.push(kind);
        write_i64(tail, number);
        tail.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        let tail = self.outbox.tail();
        tail.push(kind);
        tail.extend_from_slice(text);
        tail.extend_from_slice(b"\r\n");
    }

    /// `+text`. The text has no line breaks.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    pub fn ok(&mut self) {
        self.outbox.tail().extend_from_slice(b"+OK\r\n");
    }

    /// `-text`, where the text begins with its code (`ERR`, `WRONGTYPE`). Line breaks become blanks.
    pub fn error(&mut self, text: &[u8]) {
        let tail = self.outbox.tail();
        tail.push(b'-');
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        let text = &text[..end.map_or(0, |last| last + 1)];
        tail.extend(
            text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }),
        );
        tail.extend_from_slice(b"\r\n");
    }

    pub fn integer(&mut self, number: i64) {
        match number {
            0 => self.outbox.tail().extend_from_slice(b":0\r\n"),
            1 => self.outbox.tail().extend_from_slice(b":1\r\n"),
            _ => self.header(b':', number),
        }
    }

    /// A count of things; counts fit a signed integer.
    pub fn count(&mut self, count: usize) {
        self.integer(count as i64);
    }

    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.header(b'$', bytes.len() as i64);
        let tail = self.outbox.tail();
        tail.extend_from_slice(bytes);
        tail.extend_from_slice(b"\r\n");
    }

    /// A payload that is sent from where it lies if it is large.
    pub fn shared_bulk(&mut self, bytes: &Bytes) {
        self.header(b'$', bytes.len() as i64);
        self.outbox.push(bytes);
        self.outbox.tail().extend_from_slice(b"\r\n");
    }

    pub fn bulk_integer(&mut self, number: i64) {
        self.bulk(itoa::Buffer::new().format(number));
    }

    /// The null of a missing string.
    pub fn null(&mut self) {
        let text: &[u8] = if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" };
        self.outbox.tail().extend_from_slice(text);
    }

    /// The null of a missing array.
    pub fn null_array(&mut self) {
        self.outbox.tail().extend_from_slice(Reply::encoded_null_array(self.protocol));
    }

    /// The same for whoever sends it later.
    pub fn encoded_null_array(protocol: Protocol) -> &'static [u8] {
        match protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        }
    }

    /// Begins an array; `len` replies follow.
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// Begins a map; `pairs` keys and values follow in turn.
    pub fn map(&mut self, pairs: usize) {
        if self.is_resp3() {
            self.header(b'%', pairs as i64);
        } else {
            self.header(b'*', pairs as i64 * 2);
        }
    }

    /// Begins a set; `len` replies follow.
    pub fn set(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'~' } else { b'*' }, len as i64);
    }

    /// Begins an out-of-band message.
    pub fn push(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'>' } else { b'*' }, len as i64);
    }

    /// Begins attributes of the next reply. RESP3 only.
    pub fn attribute(&mut self, pairs: usize) {
        debug_assert!(self.is_resp3(), "RESP2 has no attributes");
        self.header(b'|', pairs as i64);
    }

    pub fn boolean(&mut self, value: bool) {
        if self.is_resp3() {
            self.line(b'#', if value { b"t" } else { b"f" });
        } else {
            self.integer(i64::from(value));
        }
    }

    pub fn double(&mut self, value: f64) {
        let mut text = Vec::with_capacity(24);
        write_f64(&mut text, value);
        self.written_double(&text);
    }

    /// A double whose digits are written already.
    pub fn written_double(&mut self, text: &[u8]) {
        if self.is_resp3() {
            self.line(b',', text);
        } else {
            self.bulk(text);
        }
    }

    /// A number too large for an integer, as decimal digits.
    pub fn big_number(&mut self, digits: &str) {
        if self.is_resp3() {
            self.line(b'(', digits.as_bytes());
        } else {
            self.bulk(digits);
        }
    }

    /// Text with a three-letter format (`txt`, `mkd`).
    pub fn verbatim(&mut self, format: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if !self.is_resp3() {
            return self.bulk(text);
        }
        debug_assert_eq!(format.len(), 3, "a verbatim format has three letters");
        self.header(b'=', text.len() as i64 + 4);
        let tail = self.outbox.tail();
        tail.extend_from_slice(format.as_bytes());
        tail.push(b':');
        tail.extend_from_slice(text);
        tail.extend_from_slice(b"\r\n");
    }

    pub fn bulk_array<T: AsRef<[u8]>>(&mut self, items: &[T]) {
        self.array(items.len());
        items.iter().for_each(|item| self.bulk(item));
    }

    /// Replies that were encoded elsewhere.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.outbox.tail().extend_from_slice(encoded);
    }
}
