//! Whoever waits for a command that is executed elsewhere: in the slow lane, or by those who change the keys that it
//! waits for.

use std::sync::Arc;

use super::engine::Engine;
use crate::exec::table::registry::Command;
use crate::resp::{ArgList, Outbox, OwnedArgs, Protocol};
use crate::session::{Client, Message, Origin, Session};

/// A client with what it asked for, and what of its session the answer depends on.
pub struct Asker {
    pub client: Arc<Client>,
    pub db: usize,
    protocol: Protocol,
    no_touch: bool,
    args: OwnedArgs,
}

impl Asker {
    pub(super) fn new(session: &Session, args: ArgList<'_>) -> Asker {
        Asker {
            client: Arc::clone(&session.client),
            db: session.db,
            protocol: session.protocol,
            no_touch: session.no_touch,
            args: OwnedArgs::from(args),
        }
    }

    /// The command that is to be executed.
    pub fn args(&self) -> ArgList<'_> {
        self.args.list()
    }

    /// Bytes of memory besides its own.
    pub(super) fn memory_bytes(&self) -> usize {
        self.args.memory_bytes()
    }

    /// A session that stands for the one that waits.
    pub(super) fn session(&self) -> Session {
        let session = Session::new(Arc::clone(&self.client), Origin::Network, true);
        Session { db: self.db, protocol: self.protocol, no_touch: self.no_touch, ..session }
    }

    /// Sends the reply to a command that had to do with these keys. `logged` is the log's position behind what it
    /// changed.
    pub(super) fn answer(
        &self,
        engine: &Engine,
        command: Command,
        keys: Vec<&[u8]>,
        mut reply: Outbox,
        logged: u64,
    ) {
        engine.disown_read(command.spec, &self.client, self.protocol, keys, &mut reply);
        self.client.send(Message::Reply { reply, logged });
    }
}
