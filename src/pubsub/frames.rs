//! One message as the bytes that subscribers get: encoded when the first of them needs it, at most once per
//! protocol version, and shared by all.

use std::sync::atomic::Ordering::Relaxed;

use crate::base::bytes::Bytes;
use crate::resp::{Protocol, Reply};
use crate::session::Client;

/// A message that is encoded by `write`.
pub(super) struct Frames<W> {
    write: W,
    resp2: Option<Bytes>,
    resp3: Option<Bytes>,
}

impl<W: Fn(&mut Reply<'_>)> Frames<W> {
    pub(super) fn new(write: W) -> Frames<W> {
        Frames { write, resp2: None, resp3: None }
    }

    /// Puts the message into a client's inbox. False if the client is about to be disconnected.
    pub(super) fn send(&mut self, client: &Client) -> bool {
        let (protocol, encoded) = if client.protocol.load(Relaxed) == Protocol::Resp3.version() {
            (Protocol::Resp3, &mut self.resp3)
        } else {
            (Protocol::Resp2, &mut self.resp2)
        };
        client.push(encoded.get_or_insert_with(|| Reply::frame(protocol, &self.write)))
    }
}

/// `["message", channel, payload]`, or `smessage`.
pub(super) fn message(kind: &str, channel: &[u8], payload: &[u8]) -> impl Fn(&mut Reply<'_>) {
    move |reply| {
        reply.push(3);
        reply.bulk(kind);
        reply.bulk(channel);
        reply.bulk(payload);
    }
}

/// `["message.from", channel, number, payload]`
pub(super) fn numbered_message(
    channel: &[u8],
    number: i64,
    payload: &[u8],
) -> impl Fn(&mut Reply<'_>) {
    move |reply| {
        reply.push(4);
        reply.bulk("message.from");
        reply.bulk(channel);
        reply.integer(number);
        reply.bulk(payload);
    }
}

/// `["pmessage", pattern, channel, payload]`
pub(super) fn pattern_message(
    pattern: &[u8],
    channel: &[u8],
    payload: &[u8],
) -> impl Fn(&mut Reply<'_>) {
    move |reply| {
        reply.push(4);
        reply.bulk("pmessage");
        reply.bulk(pattern);
        reply.bulk(channel);
        reply.bulk(payload);
    }
}
