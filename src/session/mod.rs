//! A client's state: what its connection owns, and what others may see of it.
//!
//! A [`Session`] belongs to one worker and is changed without locks. Its [`Client`] is the part that
//! others read (`CLIENT LIST`) or reach (`CLIENT KILL`): a few relaxed atomics that the worker keeps up
//! to date, and a mailbox to the worker.

mod client;
mod clients;

pub use client::{Client, ClientTexts, Endpoint, Message, Postbox};
pub use clients::Clients;

use std::sync::Arc;

use crate::resp::Protocol;

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
    /// The server itself: loading a snapshot. Trusted, and not a change.
    Replay,
}

/// See the module's description.
pub struct Session {
    pub client: Arc<Client>,
    pub origin: Origin,
    pub protocol: Protocol,
    /// The selected database.
    pub db: usize,
    pub authenticated: bool,
    pub reply_mode: ReplyMode,
    /// `CLIENT NO-TOUCH`
    pub no_touch: bool,
    /// `CLIENT NO-EVICT`
    pub no_evict: bool,
    pub waiting: Option<Waiting>,
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
            reply_mode: ReplyMode::default(),
            no_touch: false,
            no_evict: false,
            waiting: None,
            closing: false,
        }
    }

    /// `RESET`: as if just connected.
    pub fn reset(&mut self, authenticated: bool) {
        let fresh = Session::new(Arc::clone(&self.client), self.origin, authenticated);
        *self = fresh;
        self.client.with_texts(|texts| texts.name.clear());
    }
}
