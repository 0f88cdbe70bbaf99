//! What a client leaves behind: everywhere it is registered, it is taken out.
//!
//! One place for both ways of leaving: its connection closes, or `RESET` makes it a new client.

use super::engine::Engine;
use crate::session::Session;

/// Takes a client out of every registry but that of connected clients.
pub fn depart(engine: &Engine, session: &mut Session) {
    engine.pubsub.depart(session);
    engine.monitors.remove(&session.client);
    engine.caches.end(&session.client, &engine.keyspace);
}
