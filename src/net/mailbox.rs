//! How a worker is reached from other threads.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mio::{Registry, Token, Waker};

use super::stream::Stream;
use crate::base::sync::{Mutex, Rank};
use crate::session::{Endpoint, Message, Postbox};

/// A connection that a listener accepted and admitted.
#[derive(Debug)]
pub struct Accepted {
    pub stream: Stream,
    pub address: Endpoint,
    pub local_address: Endpoint,
}

/// Something for a worker to do.
#[derive(Debug)]
pub(super) enum Mail {
    Adopt(Accepted),
    Deliver { client: u64, message: Message },
    Resume,
    Stop,
}

/// A worker's mailbox: a queue, and a way to end the worker's sleep.
pub struct Mailbox {
    queue: Mutex<Vec<Mail>>,
    waker: Waker,
    /// A wake-up is under way that the worker has not answered yet, so another would be wasted.
    waking: AtomicBool,
    /// Connections that the worker has or is about to get.
    pub(super) connections: AtomicUsize,
    /// The worker holds replies back until the log is durable.
    pub(super) awaits_log: AtomicBool,
}

impl Mailbox {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Mailbox> {
        Ok(Mailbox {
            queue: Mutex::new(Rank::Leaf, Vec::new()),
            waker: Waker::new(registry, token)?,
            waking: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            awaits_log: AtomicBool::new(false),
        })
    }

    fn put(&self, mail: Mail) {
        self.queue.lock().push(mail);
        self.wake();
    }

    /// Makes the worker look at its mail and its timers.
    pub fn wake(&self) {
        if !self.waking.swap(true, Ordering::AcqRel) {
            // The eventfd behind a waker cannot fail to be written to: its counter is drained by mio.
            self.waker.wake().expect("a worker can be woken");
        }
    }

    /// The worker asks: what came since it last asked?
    pub(super) fn take(&self) -> Vec<Mail> {
        self.waking.store(false, Ordering::Release);
        std::mem::take(&mut *self.queue.lock())
    }

    /// Hands a connection over for life.
    pub(super) fn adopt(&self, accepted: Accepted) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.put(Mail::Adopt(accepted));
    }

    /// Ends the worker's loop: it finishes its turn, sends what it can at once, and closes everything.
    pub fn stop(&self) {
        self.put(Mail::Stop);
    }
}

impl Postbox for Mailbox {
    fn deliver(&self, client: u64, message: Message) {
        self.put(Mail::Deliver { client, message });
    }

    fn resume(&self) {
        self.put(Mail::Resume);
    }

    fn log_advanced(&self) {
        // Sequentially consistent, as is the log's position: either the worker that is about to sleep
        // sees the new position, or this sees that it waits.
        if self.awaits_log.load(Ordering::SeqCst) {
            self.wake();
        }
    }
}
