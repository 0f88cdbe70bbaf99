//! What a handler gets: its locked keys, its reply, its session, the time, and nothing else.

use std::sync::Arc;

use super::engine::Engine;
use crate::base::clock::Moment;
use crate::base::random::Random;
use crate::resp::{Protocol, Reply};
use crate::session::{Client, Session, WaitKind, Waiting};
use crate::store::{Key, Text, View, World};

/// What a client that found nothing waits for.
pub struct KeyWait<'k, 'a> {
    pub keys: &'k [Key<'a>],
    pub wanted: Wanted,
    /// Unix milliseconds; `None` waits forever.
    pub deadline_ms: Option<i64>,
    /// An encoded reply.
    pub on_deadline: &'k [u8],
    /// The command to execute then, if it is not the one that came (`XREAD` with `$`).
    pub args: Option<Vec<Vec<u8>>>,
}

/// The type of value that a waiting client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    List,
    SortedSet,
    Stream,
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
    /// The subsystems, each behind an interface of its own.
    pub engine: &'a Engine,
    /// Witness that everybody else stands still; there for rows flagged `EXCLUSIVE`.
    pub world: Option<&'a World<'a>>,
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

    /// The client waits until one of the keys changes so that its command can be answered: then the command
    /// is executed again as `args` (or as it came), on behalf of the client that has waited longest. At the
    /// deadline (Unix milliseconds) it is told `on_deadline`, and so it is at once if it may not wait (in a
    /// transaction). To be called when nothing was changed yet.
    pub fn wait_for_keys(&mut self, wait: KeyWait<'_, 'a>) {
        self.reply.raw(wait.on_deadline);
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
