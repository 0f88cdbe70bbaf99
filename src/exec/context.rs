//! What a handler gets: its locked keys, its reply, its session, the time; and the engine, for commands *about* the
//! server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::asker::Asker;
use super::engine::Engine;
use super::transaction::end_watch;
use crate::base::bytes::KeyBytes;
use crate::base::clock::Moment;
use crate::base::random::Random;
use crate::resp::{ArgList, OwnedArgs, Protocol, Reply};
use crate::session::{Client, Session, WaitKind, Waiting};
use crate::store::{Key, Text, View, World};
use crate::value::listpack::Element;

/// What a client that found nothing waits for.
pub struct KeyWait<'k, 'a> {
    pub keys: &'k [Key<'a>],
    pub wanted: Wanted,
    /// Unix milliseconds; `None` waits forever.
    pub deadline_ms: Option<i64>,
    /// The command to execute then, if it is not the one that came (`XREAD` with `$`).
    pub args: Option<Vec<Vec<u8>>>,
}

/// What a waiting client waits for: a value of a type, or a change of a group of consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    List,
    SortedSet,
    Stream,
    /// The same, but that the stream or the group is gone ends the wait as well.
    Group,
}

impl Wanted {
    pub(super) const ALL: [Wanted; 4] =
        [Wanted::List, Wanted::SortedSet, Wanted::Stream, Wanted::Group];
    pub(super) const COUNT: usize = Wanted::ALL.len();
}

/// See the module's description.
pub struct Context<'a> {
    /// The declared keys, locked.
    pub keys: View<'a>,
    pub reply: Reply<'a>,
    pub session: &'a mut Session,
    /// When the command began.
    pub now: Moment,
    pub random: &'a mut Random,
    /// What commands about the server ask. Through it lead ways to the clock, the log and the whole keyspace, so a handler
    /// that works on keys has no business there.
    pub engine: &'a Engine,
    /// Witness that everybody else stands still; there for rows flagged `EXCLUSIVE`.
    pub world: Option<&'a World<'a>>,
    /// The request as a whole.
    pub(super) request: ArgList<'a>,
    pub(super) patience: Patience,
}

/// Whether a command that finds nothing may let its client wait for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Waits,
    /// It is told at once that there was nothing (in a transaction, while loading).
    Never,
    /// It waits already, and this was the attempt to serve it.
    Again {
        found_nothing: bool,
    },
}

impl<'a> Context<'a> {
    pub fn client(&self) -> &Arc<Client> {
        &self.session.client
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.now.unix_millis()
    }

    /// # Panics
    /// If the command's row is not flagged `EXCLUSIVE`.
    pub fn world(&self) -> &'a World<'a> {
        self.world.expect("the row is flagged EXCLUSIVE")
    }

    /// Switches the protocol of this reply and all later ones.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.session.set_protocol(protocol);
        self.reply.set_protocol(protocol);
    }

    /// Takes over what others sent the client so far, so that it stands before what is written next; to be called
    /// before the reply begins. In a transaction it waits until the replies of all commands are written, because
    /// in the middle of their array it would be taken for one of them.
    pub fn take_pushes(&mut self) {
        if self.may_wait() {
            self.session.client.inbox.take_into(self.reply.outbox(), usize::MAX);
            self.reply_is_push();
        }
    }

    /// What was written so far is sent even if the client wants no replies (`CLIENT REPLY`): it is no reply.
    pub fn reply_is_push(&mut self) {
        if self.may_wait() {
            self.session.reply_began = Some(self.reply.mark());
        }
    }

    /// Whether a command that finds nothing may let its client wait. In a transaction it may not.
    pub fn may_wait(&self) -> bool {
        self.patience != Patience::Never
    }

    /// The client waits until one of the keys changes so that its command can be answered: then the command
    /// is executed again as `args` (or as it came), on behalf of the client that has waited longest. At the
    /// deadline (Unix milliseconds) it gets the null of an array, and so it does at once if it may not wait
    /// (in a transaction). To be called when nothing was changed yet.
    pub fn wait_for_keys(&mut self, wait: KeyWait<'_, 'a>) {
        match &mut self.patience {
            Patience::Never => self.reply.null_array(),
            Patience::Again { found_nothing } => *found_nothing = true,
            Patience::Waits => self.register(wait),
        }
    }

    /// Whether the client waits already, and this is an attempt to serve it. One that finds nothing must
    /// leave no trace: what it changes is not logged.
    pub fn is_served(&self) -> bool {
        matches!(self.patience, Patience::Again { .. })
    }

    fn register(&mut self, wait: KeyWait<'_, 'a>) {
        let replaced = wait.args.as_deref().map(OwnedArgs::from);
        let args = replaced.as_ref().map_or(self.request, OwnedArgs::list);
        debug_assert_eq!(self.keys.db, self.session.db, "in a transaction nobody waits");
        let asker = Asker::new(self.session, args);
        let key = |key: &Key<'_>| (key.db, KeyBytes::from_slice(key.bytes));
        let keys = wait.keys.iter().map(key).collect();
        let engine = self.engine;
        let (ticket, bytes) = engine.waiters.register(asker, wait.wanted, keys, &engine.keyspace);
        self.session.client.waiting_memory.store(bytes, Ordering::Relaxed);
        let on_deadline = Reply::encoded_null_array(self.session.protocol);
        self.wait(WaitKind::Keys { ticket }, wait.deadline_ms, on_deadline);
    }

    /// The session watches no key any longer.
    pub fn unwatch(&mut self) {
        end_watch(&mut self.keys, self.session);
    }

    /// The reply comes later: at the deadline as given here, or from another thread before.
    pub fn wait(&mut self, kind: WaitKind, deadline_ms: Option<i64>, on_deadline: &[u8]) {
        self.session.waiting =
            Some(Waiting { kind, deadline_ms, on_deadline: on_deadline.to_vec() });
    }
}

/// Replies with a string as the store keeps it, or null.
pub fn reply_text(reply: &mut Reply<'_>, text: Option<Text<'_>>) {
    match text {
        None => reply.null(),
        Some(Text::Integer(number)) => reply.bulk_integer(number),
        Some(Text::Short(bytes)) => reply.bulk(bytes),
        Some(Text::Long(bytes)) => reply.shared_bulk(bytes),
    }
}

/// The reply to `WAITAOF`: on how many disks changes are durable, here and on replicas.
pub fn reply_durability(reply: &mut Reply<'_>, is_durable_here: bool) {
    reply.array(2);
    reply.integer(i64::from(is_durable_here));
    reply.integer(0);
}

/// Replies with an element of a collection as a bulk string.
pub fn reply_element(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Integer(number) => reply.bulk_integer(number),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}
