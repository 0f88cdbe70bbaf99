//! What clients are told: that keys have changed, or everything.

use crate::base::bytes::Bytes;
use crate::resp::{Protocol, Reply};
use crate::session::{CacheFlags, Client, Clients};

/// The channel on which a subscriber that speaks RESP2 is told what other clients must know.
const CHANNEL: &str = "__redis__:invalidate";

/// A message, encoded once for each protocol that somebody needs it in.
pub(super) struct Invalidation<'k> {
    /// `None`: all keys.
    keys: Option<Vec<&'k [u8]>>,
    as_push: Option<Bytes>,
    as_message: Option<Bytes>,
}

impl<'k> Invalidation<'k> {
    pub(super) fn of(keys: Vec<&'k [u8]>) -> Invalidation<'k> {
        Invalidation { keys: Some(keys), as_push: None, as_message: None }
    }

    pub(super) fn of_everything() -> Invalidation<'k> {
        Invalidation { keys: None, as_push: None, as_message: None }
    }

    /// Tells a client that tracks, or the one that it said should be told instead. Nobody can be told who speaks
    /// RESP2 and does not listen to channels.
    pub(super) fn send_to(&mut self, tracker: &Client, clients: &Clients) {
        let Some(redirect) = tracker.cache.redirect() else {
            if speaks_resp3(tracker) {
                tracker.push(self.push());
            }
            return;
        };
        let Some(target) = clients.get(redirect) else {
            return tell_broken(tracker, redirect);
        };
        if speaks_resp3(&target) {
            target.push(self.push());
        } else if target.is_subscribed() {
            // To whatever it listens: Redis asks for no more.
            target.push(self.message());
        }
    }

    pub(super) fn push(&mut self) -> &Bytes {
        let keys = &self.keys;
        self.as_push.get_or_insert_with(|| {
            Reply::frame(Protocol::Resp3, |reply| {
                reply.push(2);
                reply.bulk("invalidate");
                write_keys(reply, keys);
            })
        })
    }

    /// As if published. For all keys the payload is a null in the protocol of who gets it; Redis sends one in that
    /// of who tracks, which the other need not understand.
    fn message(&mut self) -> &Bytes {
        let keys = &self.keys;
        self.as_message.get_or_insert_with(|| {
            Reply::frame(Protocol::Resp2, |reply| {
                reply.push(3);
                reply.bulk("message");
                reply.bulk(CHANNEL);
                write_keys(reply, keys);
            })
        })
    }
}

fn speaks_resp3(client: &Client) -> bool {
    client.protocol.load(std::sync::atomic::Ordering::Relaxed) == Protocol::Resp3.version()
}

/// Who was to be told instead is gone.
fn tell_broken(tracker: &Client, redirect: u64) {
    tracker.cache.set(CacheFlags::BROKEN);
    if speaks_resp3(tracker) {
        tracker.push(&Reply::frame(Protocol::Resp3, |reply| {
            reply.push(2);
            reply.bulk("tracking-redir-broken");
            reply.integer(redirect as i64);
        }));
    }
}

fn write_keys(reply: &mut Reply<'_>, keys: &Option<Vec<&[u8]>>) {
    match keys {
        Some(keys) => reply.bulk_array(keys),
        None => reply.null(),
    }
}
