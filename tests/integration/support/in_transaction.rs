//! A peer each of whose commands is executed as a transaction of its own: `MULTI`, the command, `EXEC`.
//!
//! Commands that cannot be part of a transaction, or mean something else there because they wait, go as
//! they are.

use super::peer::{Connection, Need, Peer, Protocol};
use super::resp::{self, Reply};
use sanderling::resp::{Limits, ParseState, RequestParser};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// What a transaction cannot have, or has otherwise.
const AS_THEY_ARE: [&str; 12] = [
    "multi", "exec", "discard", "watch", "unwatch", "quit", "reset", "client", "debug", "save",
    "shutdown", "waitaof",
];

/// See the module's description.
pub struct InTransactions<P>(pub P);

struct Wrapping {
    inner: Box<dyn Connection>,
    /// For each command that was sent and not answered yet, whether it is a transaction.
    sent: VecDeque<bool>,
    /// The transcript has opened a transaction itself.
    is_open: bool,
}

impl<P: Peer> Peer for InTransactions<P> {
    fn connect(&mut self, protocol: Protocol) -> io::Result<Box<dyn Connection>> {
        let inner = self.0.connect(protocol)?;
        Ok(Box::new(Wrapping { inner, sent: VecDeque::new(), is_open: false }))
    }

    fn advance(&mut self, by: Duration) -> bool {
        self.0.advance(by)
    }

    fn has(&self, need: &Need) -> bool {
        self.0.has(need)
    }
}

/// The words of a request, if the bytes are exactly one.
fn words(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut parser = RequestParser::default();
    match parser.parse(bytes, &Limits::TRUSTED) {
        Ok(ParseState::Complete(taken)) if taken == bytes.len() => {
            Some(parser.request().args(bytes).iter().map(<[u8]>::to_vec).collect())
        }
        _ => None,
    }
}

fn may_be_wrapped(words: &[Vec<u8>]) -> bool {
    let lower = |word: &Vec<u8>| String::from_utf8_lossy(word).to_ascii_lowercase();
    let Some(name) = words.first().map(lower) else { return false };
    let waits = matches!(name.as_bytes(), [b'b', b'l' | b'r' | b'z', ..])
        || words.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"));
    !waits && !AS_THEY_ARE.contains(&name.as_str())
}

impl Connection for Wrapping {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let words = words(bytes);
        let name = words.iter().flatten().next().map(|name| name.to_ascii_lowercase());
        match name.as_deref() {
            Some(b"multi") => self.is_open = true,
            Some(b"exec" | b"discard" | b"reset") => self.is_open = false,
            _ => {}
        }
        let is_wrapped = !self.is_open && words.is_some_and(|words| may_be_wrapped(&words));
        self.sent.push_back(is_wrapped);
        if !is_wrapped {
            return self.inner.send(bytes);
        }
        self.inner.send(&[&resp::encode(&["MULTI"]), bytes, &resp::encode(&["EXEC"])].concat())
    }

    fn close_sending(&mut self) -> io::Result<()> {
        self.inner.close_sending()
    }

    fn receive(&mut self) -> io::Result<Option<Reply>> {
        if self.sent.pop_front() != Some(true) {
            return self.inner.receive();
        }
        let wrong = |reply: &Option<Reply>| Err(io::Error::other(format!("unexpected: {reply:?}")));
        match self.inner.receive()? {
            Some(Reply::Simple(text)) if text == b"OK" => {}
            other => return wrong(&other),
        }
        let queued = self.inner.receive()?;
        match (queued, self.inner.receive()?) {
            (Some(Reply::Simple(text)), Some(Reply::Array(mut replies)))
                if text == b"QUEUED" && replies.len() == 1 =>
            {
                Ok(replies.pop())
            }
            (Some(refusal @ Reply::Error(_)), Some(Reply::Error(_))) => Ok(Some(refusal)),
            (_, other) => wrong(&other),
        }
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<Reply>> {
        self.inner.finish()
    }
}
