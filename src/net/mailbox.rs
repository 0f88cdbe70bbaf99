//! How a worker is reached from other threads.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mio::{Registry, Token, Waker};

use super::seats::Seat;
use super::stream::Stream;
use crate::base::sync::{Mutex, Rank};
use crate::session::{Endpoint, Message, Postbox};

/// A connection that a listener accepted and admitted.
pub struct Accepted {
    pub stream: Stream,
    pub address: Endpoint,
    pub local_address: Endpoint,
}

/// Something for a worker to do.
pub(super) enum Mail {
    Adopt(Accepted, Seat),
    Deliver { client: u64, message: Message },
    Resume,
    Stop,
}

/// A worker's mailbox: a queue, and a way to end the worker's sleep.
pub struct Mailbox {
    queue: Mutex<Vec<Mail>>,
    /// Slots and numbers of clients with something in their inboxes.
    pushed: Mutex<Vec<(usize, u64)>>,
    waker: Waker,
    /// Somebody called the worker since it last answered.
    called: AtomicBool,
    /// The worker looks at inboxes by itself after a while, so nobody need wake it for them.
    resting: AtomicBool,
    /// The worker sleeps, or is about to, and must be woken when it is called.
    asleep: AtomicBool,
    /// Connections that the worker has or is about to get.
    pub(super) connections: AtomicUsize,
    /// The worker holds replies back until the log is durable.
    pub(super) awaits_log: AtomicBool,
}

impl Mailbox {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Mailbox> {
        Ok(Mailbox {
            queue: Mutex::new(Rank::Leaf, Vec::new()),
            pushed: Mutex::new(Rank::Leaf, Vec::new()),
            waker: Waker::new(registry, token)?,
            called: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            awaits_log: AtomicBool::new(false),
        })
    }

    fn put(&self, mail: Mail) {
        self.queue.lock().push(mail);
        self.wake();
    }

    /// Makes the worker look at its mail and its timers. One that is awake will do so before it sleeps.
    pub fn wake(&self) {
        // Sequentially consistent, as is falling asleep: either the worker sees that it was called, or
        // this sees that it sleeps.
        self.called.store(true, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            // The eventfd behind a waker cannot fail to be written to: its counter is drained by mio.
            self.waker.wake().expect("a worker can be woken");
        }
    }

    /// The worker is going to sleep. False if it must not, because it was called.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        !self.called.load(Ordering::SeqCst)
    }

    /// The worker is awake. Tells whether it was called since it last asked; then there may be mail.
    pub(super) fn answer(&self) -> bool {
        self.asleep.store(false, Ordering::SeqCst);
        self.called.load(Ordering::SeqCst) && self.called.swap(false, Ordering::SeqCst)
    }

    /// Says whether the worker wants to be woken for the sake of inboxes.
    pub(super) fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::SeqCst);
    }

    /// What came since the worker last asked.
    pub(super) fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.queue.lock())
    }

    /// Exchanges an empty list for that of the clients with something in their inboxes.
    pub(super) fn take_pushed(&self, empty: &mut Vec<(usize, u64)>) {
        std::mem::swap(&mut *self.pushed.lock(), empty);
    }

    /// Hands a connection over for life.
    pub(super) fn adopt(&self, accepted: Accepted, seat: Seat) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.put(Mail::Adopt(accepted, seat));
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

    fn pushed(&self, slot: usize, client: u64) {
        self.pushed.lock().push((slot, client));
        // Sequentially consistent: either this sees that the worker rests no more, or that one, which
        // says so before it takes the list, sees this entry.
        if !self.resting.load(Ordering::SeqCst) {
            self.wake();
        }
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
