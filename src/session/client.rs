//! The part of a session that other threads see.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering,
};

use super::Session;
use super::allowance::OutputAllowance;
use super::caching::CacheState;
use super::client_memory::Footprint;
use super::inbox::Inbox;
use super::subscriptions::{Name, SubscriptionKind};
use crate::base::bytes::Bytes;
use crate::base::sync::{Mutex, Rank};
use crate::resp::Outbox;

/// What a connection takes besides its session and its client: the socket's entry in tables, the parser, empty buffers.
const CONNECTION_BYTES: usize = 512;

/// A worker is told again of an inbox that it does not empty when so much more is in it.
const NEWS_BYTES: usize = 256 * 1024;

/// Stands for the last command of a client that sent none yet, or an unknown one.
pub const NO_COMMAND: u16 = u16::MAX;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// No connection: the server itself.
    Internal,
}

impl Endpoint {
    /// Whether the peer is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Endpoint::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Endpoint::Unix(_) | Endpoint::Internal => true,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => address.fmt(f),
            Endpoint::Unix(path) => write!(f, "{}:0", path.display()),
            Endpoint::Internal => Ok(()),
        }
    }
}

/// What a client is to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    Normal,
    /// The server that this one copies.
    Master,
    /// A server that copies this one.
    Replica,
    /// Listens to channels.
    Pubsub,
}

/// What is sent to a client's worker.
#[derive(Debug)]
pub enum Message {
    /// Close the connection; one that is about to close still gets its last words.
    Kill,
    /// Close the connection at once. Why is in the log already.
    Drop,
    /// The reply that the session waits for, and the log's position behind what it acknowledges (0 for nothing).
    Reply { reply: Outbox, logged: u64 },
    /// `CLIENT UNBLOCK`: stop waiting, with an error or as if the time had run out.
    Unblock { error: bool },
    /// What an earlier message or the clock asked for while others served this client: it waits no longer.
    WaitOver { error: bool },
}

/// A worker's mailbox.
pub trait Postbox: Send + Sync {
    /// Hands over a message for one of the worker's clients and wakes the worker.
    fn deliver(&self, client: u64, message: Message);
    /// Tells the worker that there is something in a client's inbox. `slot` is where the worker keeps it.
    fn pushed(&self, slot: usize, client: u64);
    /// Commands may have become possible again that were postponed (`CLIENT UNPAUSE`).
    fn resume(&self);
    /// More of the log is durable than before, or it failed: replies that waited for it may be due.
    fn log_advanced(&self);
}

/// Texts that a client gave itself.
#[derive(Clone, Debug, Default)]
pub struct ClientTexts {
    pub name: String,
    pub lib_name: String,
    pub lib_version: String,
}

/// See the module's description. Sizes are bytes, times Unix milliseconds.
pub struct Client {
    pub id: u64,
    pub address: Endpoint,
    pub local_address: Endpoint,
    /// The socket's number, -1 if there is none.
    pub fd: i32,
    pub created_ms: i64,
    pub last_active_ms: AtomicI64,
    pub db: AtomicU32,
    /// 2 or 3.
    pub protocol: AtomicU8,
    /// Number of the last command in the registry, or [`NO_COMMAND`].
    pub last_command: AtomicU16,
    pub query_buffer: AtomicUsize,
    pub query_buffer_capacity: AtomicUsize,
    /// Bytes that the places of a request's arguments take.
    pub args_memory: AtomicUsize,
    /// Bytes of output that wait to be sent.
    pub output_bytes: AtomicUsize,
    pub output_segments: AtomicUsize,
    pub output_memory: AtomicUsize,
    /// The same without payloads that others hold, too.
    pub output_own_memory: AtomicUsize,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    /// Its next request has to wait for something.
    pub is_waiting: AtomicBool,
    /// It waits for something that `CLIENT UNBLOCK` may end. Whoever clears this has the right to.
    pub may_unblock: AtomicBool,
    pub killed: AtomicBool,
    /// What it took when it was evicted; 0 if it was not.
    evicted_bytes: AtomicUsize,
    /// Commands queued since `MULTI`, -1 outside a transaction.
    pub multi: AtomicI64,
    /// Bytes that the queue of the transaction takes.
    pub multi_memory: AtomicUsize,
    /// Bytes that are kept of a command whose reply comes later.
    pub waiting_memory: AtomicUsize,
    /// How many channels, patterns and shard channels it listens to.
    pub(super) subscriptions: [AtomicU32; 3],
    /// Bytes of their names.
    pub(super) subscription_bytes: AtomicUsize,
    /// It is shown what others do (`MONITOR`).
    pub monitors: AtomicBool,
    /// It gets no replies at the moment (`CLIENT REPLY`).
    pub is_silent: AtomicBool,
    pub cache: CacheState,
    /// What others sent it that its worker has not taken over yet.
    pub inbox: Inbox,
    /// Where its worker keeps it.
    pub slot: AtomicUsize,
    texts: Mutex<ClientTexts>,
    /// Bytes of `texts`.
    texts_bytes: AtomicUsize,
    /// How much may wait for it.
    pub allowance: Arc<OutputAllowance>,
    postbox: Option<Arc<dyn Postbox>>,
}

/// What a new client needs to be known.
pub struct ClientSetup {
    pub id: u64,
    pub address: Endpoint,
    pub local_address: Endpoint,
    pub fd: i32,
    pub created_ms: i64,
    pub allowance: Arc<OutputAllowance>,
    pub postbox: Option<Arc<dyn Postbox>>,
}

impl Client {
    pub(super) fn new(setup: ClientSetup) -> Client {
        Client {
            id: setup.id,
            address: setup.address,
            local_address: setup.local_address,
            fd: setup.fd,
            created_ms: setup.created_ms,
            last_active_ms: AtomicI64::new(setup.created_ms),
            db: AtomicU32::new(0),
            protocol: AtomicU8::new(2),
            last_command: AtomicU16::new(NO_COMMAND),
            query_buffer: AtomicUsize::new(0),
            query_buffer_capacity: AtomicUsize::new(0),
            args_memory: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            output_segments: AtomicUsize::new(0),
            output_memory: AtomicUsize::new(0),
            output_own_memory: AtomicUsize::new(0),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            may_unblock: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            evicted_bytes: AtomicUsize::new(0),
            multi: AtomicI64::new(-1),
            multi_memory: AtomicUsize::new(0),
            waiting_memory: AtomicUsize::new(0),
            subscriptions: Default::default(),
            subscription_bytes: AtomicUsize::new(0),
            monitors: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            cache: CacheState::default(),
            inbox: Inbox::default(),
            slot: AtomicUsize::new(0),
            texts: Mutex::new(Rank::Leaf, ClientTexts::default()),
            texts_bytes: AtomicUsize::new(0),
            allowance: setup.allowance,
            postbox: setup.postbox,
        }
    }

    /// Reads or changes the client's texts.
    pub fn with_texts<R>(&self, work: impl FnOnce(&mut ClientTexts) -> R) -> R {
        let mut texts = self.texts.lock();
        let result = work(&mut texts);
        let ClientTexts { name, lib_name, lib_version } = &*texts;
        let bytes = name.capacity() + lib_name.capacity() + lib_version.capacity();
        self.texts_bytes.store(bytes, Ordering::Relaxed);
        result
    }

    /// Sends a message to the client's worker, if it has one.
    pub fn send(&self, message: Message) {
        if let Some(postbox) = &self.postbox {
            postbox.deliver(self.id, message);
        }
    }

    /// Sends an encoded frame that is no reply. False if the client is about to be disconnected, perhaps because
    /// this would be more than may wait for it.
    pub fn push(&self, frame: &Bytes) -> bool {
        if self.is_killed() {
            return false;
        }
        let before = self.inbox.put(frame);
        let waiting = before + frame.len() + self.output_memory.load(Ordering::Relaxed);
        if self.allowance.is_too_much(self.output_class(), waiting) {
            self.drop_slow(waiting);
            return false;
        }
        // The worker takes over what waits when it hears of the first; of what it cannot, it hears again now and then,
        // so that it knows what the client takes.
        let is_news = before == 0 || before / NEWS_BYTES != (before + frame.len()) / NEWS_BYTES;
        if is_news && let Some(postbox) = &self.postbox {
            postbox.pushed(self.slot.load(Ordering::Relaxed), self.id);
        }
        true
    }

    /// Disconnects a client that does not read what is sent to it. What waits for it is freed by its worker.
    pub fn drop_slow(&self, waiting_bytes: usize) {
        if !self.killed.swap(true, Ordering::Relaxed) {
            self.allowance.disconnections.fetch_add(1, Ordering::Relaxed);
            log::warn!(
                "client {} at {} is disconnected: {waiting_bytes} bytes of output it did not read",
                self.id,
                self.address
            );
            self.send(Message::Drop);
        }
    }

    /// Ends its life because clients take too much together. False if somebody did so before. Who does sends word.
    pub(super) fn mark_evicted(&self, bytes: usize) -> bool {
        let was_alive = !self.killed.swap(true, Ordering::Relaxed);
        if was_alive {
            self.evicted_bytes.store(bytes, Ordering::Relaxed);
        }
        was_alive
    }

    /// What it took when it was evicted; 0 if it was not.
    pub(super) fn evicted_bytes(&self) -> usize {
        self.evicted_bytes.load(Ordering::Relaxed)
    }

    /// Closes the connection after the command that is running. False if somebody did so before.
    pub fn kill(&self) -> bool {
        let was_alive = !self.killed.swap(true, Ordering::Relaxed);
        if was_alive {
            self.send(Message::Kill);
        }
        was_alive
    }

    /// Whether it listens to anything.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// How many names of this kind it listens to.
    pub fn subscriptions(&self, kind: SubscriptionKind) -> u32 {
        self.subscriptions[kind as usize].load(Ordering::Relaxed)
    }

    /// The other types come with replication.
    pub fn client_type(&self) -> ClientType {
        if self.is_subscribed() { ClientType::Pubsub } else { ClientType::Normal }
    }

    /// Shows others how long the queue of the transaction is, if one is open, and the bytes that it takes.
    pub fn show_transaction(&self, queued: Option<usize>, memory: usize) {
        self.multi.store(queued.map_or(-1, |count| count as i64), Ordering::Relaxed);
        self.multi_memory.store(memory, Ordering::Relaxed);
    }

    /// Bytes that its connection and its state take.
    pub fn footprint(&self) -> Footprint {
        let load = |part: &AtomicUsize| part.load(Ordering::Relaxed);
        let names = SubscriptionKind::ALL.map(|kind| self.subscriptions(kind) as usize);
        let own = size_of::<Client>()
            + size_of::<Session>()
            + CONNECTION_BYTES
            + load(&self.query_buffer_capacity)
            + load(&self.args_memory)
            + load(&self.output_own_memory)
            + load(&self.multi_memory)
            + load(&self.waiting_memory)
            + load(&self.texts_bytes)
            + names.iter().sum::<usize>() * size_of::<Name>();
        let shared_output = load(&self.output_memory).saturating_sub(load(&self.output_own_memory));
        let shared = shared_output + self.inbox.bytes() + load(&self.subscription_bytes);
        Footprint { own, total: own + shared }
    }

    /// As what `client-output-buffer-limit` sees it. Who monitors asks for nothing that could be large, but is
    /// sent whatever others do; without a limit of its own it could fill the memory, as it can in Redis.
    pub fn output_class(&self) -> ClientType {
        match self.monitors.load(Ordering::Relaxed) {
            true => ClientType::Pubsub,
            false => self.client_type(),
        }
    }

    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// Ends its waiting, with an error or as if the time had run out. False if it does not wait, or not
    /// for something that others may end.
    pub fn unblock(&self, error: bool) -> bool {
        let may = self.may_unblock.swap(false, Ordering::Acquire);
        if may {
            self.send(Message::Unblock { error });
        }
        may
    }
}
