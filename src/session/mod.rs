//! A client's state: what its connection owns, and what others may see of it.
//!
//! A [`Session`] belongs to one worker and is changed without locks. Its [`Client`] is the part that
//! others read (`CLIENT LIST`) or reach (`CLIENT KILL`): a few relaxed atomics that the worker keeps up
//! to date, and a mailbox to the worker.

mod allowance;
mod caching;
mod client;
mod client_memory;
mod clients;
mod inbox;
mod subscriptions;
mod transaction;

pub use allowance::OutputAllowance;
pub use caching::{CacheFlags, CacheState};
pub use client::{Client, ClientTexts, ClientType, Endpoint, Message, NO_COMMAND, Postbox};
pub use client_memory::{ClientMemory, Footprint};
pub use clients::Clients;
pub use inbox::Inbox;
pub use subscriptions::{Name, SubscriptionKind, Subscriptions};
pub use transaction::{Transaction, Watches};

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::resp::{Protocol, ReplyMark};

/// How many arguments [`Session::secret_args`] tells apart.
pub const SECRET_ARGS_MAX: usize = u64::BITS as usize;

/// Whether replies are sent (`CLIENT REPLY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The reply of the next command is not sent ...
    SkipNext,
    /// ... and this is the next command.
    Skip,
}

/// Why a session that waits is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    /// For a moment: the reply is ready and sent then (`DEBUG SLEEP`).
    Time,
    /// For a job of another thread, which sends the reply (`SAVE`).
    Job,
    /// Until the slow lane has executed the command.
    SlowLane,
    /// Until the log is durable up to a position (`WAITAOF`), if `is_local`; `replicas` of them are waited
    /// for in vain.
    Durable { position: u64, is_local: bool, replicas: i64 },
    /// Until a key changes; the number is that under which the client is registered as waiting.
    Keys { ticket: u64 },
}

impl WaitKind {
    /// Whether `CLIENT UNBLOCK` may end it. A job is not undone by sending another reply.
    pub fn may_unblock(self) -> bool {
        !matches!(self, WaitKind::Job | WaitKind::SlowLane)
    }
}

/// A command whose reply comes later. Until then the session's next requests stay where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub kind: WaitKind,
    /// Unix milliseconds; then `on_deadline` is sent.
    pub deadline_ms: Option<i64>,
    /// An encoded reply.
    pub on_deadline: Vec<u8>,
}

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Network,
    /// The server itself: what it repeats of a snapshot, a log or an imported file. Trusted, and not a change.
    Replay,
}

/// See the module's description. What [`Client`] repeats is changed through the methods only.
pub struct Session {
    pub client: Arc<Client>,
    pub origin: Origin,
    pub protocol: Protocol,
    /// The selected database.
    pub db: usize,
    pub authenticated: bool,
    /// Since when (Unix milliseconds) it owes the password, as far as its worker has noticed.
    pub unauthenticated_since_ms: Option<i64>,
    pub reply_mode: ReplyMode,
    /// `CLIENT NO-TOUCH`
    pub no_touch: bool,
    pub subscriptions: Subscriptions,
    pub waiting: Option<Waiting>,
    pub transaction: Transaction,
    /// What is in here is registered with the store, and must be taken out there before it is dropped.
    pub watches: Watches,
    /// Where the running command's reply begins, if what others sent was taken over before it. That is sent even
    /// if the reply is taken back.
    pub reply_began: Option<ReplyMark>,
    /// The log's position behind the last change that this session made.
    pub logged: u64,
    /// Bit `n`: argument `n` of the command that runs is a secret, which nothing may show or keep.
    pub secret_args: u64,
    /// The connection closes when what it was told is sent.
    pub closing: bool,
}

impl Session {
    pub fn new(client: Arc<Client>, origin: Origin, authenticated: bool) -> Session {
        Session {
            client,
            origin,
            protocol: Protocol::default(),
            db: 0,
            authenticated,
            unauthenticated_since_ms: None,
            reply_mode: ReplyMode::default(),
            no_touch: false,
            subscriptions: Subscriptions::default(),
            waiting: None,
            transaction: Transaction::default(),
            watches: Watches::default(),
            reply_began: None,
            logged: 0,
            secret_args: 0,
            closing: false,
        }
    }

    /// Selects a database.
    pub fn select(&mut self, db: usize) {
        self.db = db;
        self.client.db.store(db as u32, Relaxed);
    }

    /// Lets the client in, or not any longer.
    pub fn set_authenticated(&mut self, authenticated: bool) {
        self.authenticated = authenticated;
        self.unauthenticated_since_ms = None;
    }

    /// The protocol of later replies.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.client.protocol.store(protocol.version(), Relaxed);
    }

    /// Whether its command is executed elsewhere, which is where it is counted.
    pub fn waits_in_slow_lane(&self) -> bool {
        matches!(self.waiting, Some(Waiting { kind: WaitKind::SlowLane, .. }))
    }

    /// Notes a new subscription. False if it is not new.
    pub fn subscribe(&mut self, kind: SubscriptionKind, name: Name) -> bool {
        let is_new = self.subscriptions.add(kind, name);
        self.publish_subscriptions(kind);
        is_new
    }

    /// Notes the end of a subscription. False if there was none.
    pub fn unsubscribe(&mut self, kind: SubscriptionKind, name: &[u8]) -> bool {
        let was_there = self.subscriptions.remove(kind, name);
        self.publish_subscriptions(kind);
        was_there
    }

    fn publish_subscriptions(&self, kind: SubscriptionKind) {
        let count = self.subscriptions.len(kind) as u32;
        self.client.subscriptions[kind as usize].store(count, Relaxed);
        self.client.subscription_bytes.store(self.subscriptions.name_bytes(), Relaxed);
    }

    pub fn set_reply_mode(&mut self, mode: ReplyMode) {
        self.reply_mode = mode;
        let is_silent = matches!(mode, ReplyMode::Off | ReplyMode::Skip);
        self.client.is_silent.store(is_silent, Relaxed);
    }

    /// Whether the reply of the command that has just ended is sent.
    pub fn takes_reply(&mut self) -> bool {
        match self.reply_mode {
            ReplyMode::On => true,
            ReplyMode::Off => false,
            ReplyMode::SkipNext => {
                self.set_reply_mode(ReplyMode::Skip);
                true
            }
            ReplyMode::Skip => {
                self.set_reply_mode(ReplyMode::On);
                false
            }
        }
    }

    /// What the session waited for is here, or will not come: tells whether its reply is sent.
    pub fn end_wait(&mut self) -> bool {
        self.waiting = None;
        self.client.waiting_memory.store(0, Relaxed);
        self.client.cache.clear(CacheFlags::CACHING);
        self.takes_reply()
    }

    pub fn set_no_touch(&mut self, no_touch: bool) {
        self.no_touch = no_touch;
        self.client.no_touch.store(no_touch, Relaxed);
    }

    /// `CLIENT NO-EVICT`
    pub fn set_no_evict(&self, no_evict: bool) {
        self.client.no_evict.store(no_evict, Relaxed);
    }

    /// Declares arguments of the running command secret. Beyond the 64th there are no secrets to declare:
    /// the last bit hides them all.
    pub fn hide_args(&mut self, positions: Range<usize>) {
        positions.for_each(|position| self.secret_args |= 1 << position.min(SECRET_ARGS_MAX - 1));
    }

    /// `RESET`: as if just connected. The library that the client said it is stays the same one.
    pub fn reset(&mut self, authenticated: bool) {
        debug_assert!(self.subscriptions.is_empty(), "who departs listens to nothing");
        let logged = self.logged;
        *self = Session::new(Arc::clone(&self.client), self.origin, authenticated);
        self.logged = logged;
        self.select(0);
        self.set_authenticated(authenticated);
        self.set_protocol(Protocol::default());
        self.set_reply_mode(ReplyMode::On);
        self.set_no_touch(false);
        self.set_no_evict(false);
        self.client.with_texts(|texts| texts.name.clear());
    }
}
