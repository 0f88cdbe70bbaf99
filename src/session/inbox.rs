//! What others send a client besides its replies: published messages, invalidations, lines of `MONITOR`.
//!
//! A frame is encoded once and shared by all who get it. It waits here, not in the outbox, until the client's
//! worker takes it over, and the worker takes no more than the socket can be expected to take: so for clients
//! that read slowly, too, a message is in memory once.
//!
//! Frames arrive in the order in which they were put. Who puts them under a lock that also guards whether
//! the client gets them at all (a registry of subscriptions) knows that the client gets all that it was
//! counted for, and nothing after it has left: on leaving, the client itself takes what came before.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::bytes::Bytes;
use crate::base::sync::{Mutex, Rank};
use crate::resp::Outbox;

/// See the module's description.
pub struct Inbox {
    frames: Mutex<VecDeque<Bytes>>,
    /// Bytes in `frames`. Changed while they are locked.
    bytes: AtomicUsize,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox { frames: Mutex::new(Rank::Inbox, VecDeque::new()), bytes: AtomicUsize::new(0) }
    }
}

impl Inbox {
    /// Bytes that wait to be taken over.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Adds an encoded frame; returns how many bytes were there before it.
    pub(super) fn put(&self, frame: &Bytes) -> usize {
        debug_assert!(!frame.is_empty(), "a frame has bytes");
        let mut frames = self.frames.lock();
        frames.push_back(Bytes::clone(frame));
        self.bytes.fetch_add(frame.len(), Ordering::Relaxed)
    }

    /// Throws everything away.
    pub fn clear(&self) {
        let mut frames = self.frames.lock();
        self.bytes.store(0, Ordering::Relaxed);
        let thrown_away = std::mem::take(&mut *frames);
        drop(frames);
        drop(thrown_away);
    }

    /// How many frames wait.
    pub fn frames(&self) -> usize {
        if self.is_empty() { 0 } else { self.frames.lock().len() }
    }

    /// Moves frames to the outbox until that holds `outbox_bytes_max`.
    pub fn take_into(&self, outbox: &mut Outbox, outbox_bytes_max: usize) {
        let mut frames = self.frames.lock();
        while outbox.len() < outbox_bytes_max {
            let Some(frame) = frames.pop_front() else { break };
            self.bytes.fetch_sub(frame.len(), Ordering::Relaxed);
            outbox.push(&frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_in_order_and_no_more_than_fit() {
        let inbox = Inbox::default();
        let frame = |text: &str| Bytes::new(text.as_bytes().to_vec());
        assert_eq!(inbox.put(&frame("one")), 0);
        assert_eq!(inbox.put(&frame("two")), 3);
        assert_eq!(inbox.put(&frame("three")), 6);
        assert_eq!((inbox.bytes(), inbox.frames()), (11, 3));
        let mut outbox = Outbox::default();
        inbox.take_into(&mut outbox, 4);
        assert_eq!((&outbox.tail()[..], inbox.bytes()), (&b"onetwo"[..], 5));
        inbox.take_into(&mut outbox, usize::MAX);
        assert_eq!(outbox.tail(), b"onetwothree");
        assert!(inbox.is_empty() && inbox.put(&frame("four")) == 0);
        inbox.clear();
        assert_eq!((inbox.bytes(), inbox.frames()), (0, 0));
    }
}
