//! Commands that change a database slice by slice, each of which is a command of its own for everybody else.
//!
//! A slice is what happens under one shard's lock: its record is in the log before the lock is released, and caches and
//! subscribers hear of it before the next slice. In a transaction, or where the world is held, nobody could come
//! in between anyhow; there all slices together are logged like any command.

use crate::exec::context::Context;
use crate::exec::engine::Engine;
use crate::exec::error::CommandError;
use crate::session::Session;
use crate::store::{GateGuard, Slice, View};

const STOPPING: CommandError =
    CommandError::text("ERR the server is stopping or loading; some of the keys may be left");
const SWAPPED: CommandError =
    CommandError::text("ERR the database was swapped meanwhile; some of the keys may be left");

impl<'a> Context<'a> {
    /// Removes at most `limit` keys that are wanted, of those in the slice behind the cursor.
    pub fn remove_slice(
        &mut self,
        cursor: u64,
        limit: usize,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Slice, CommandError> {
        let guard = self.enter_slice()?;
        let is_unit = self.world.is_some();
        let Context { keys, session, engine, .. } = self;
        let log = |keys: &mut View<'_>| {
            if !is_unit {
                log_slice(engine, keys, session);
            }
        };
        let slice = keys.remove_slice(cursor, limit, is_wanted, log)?;
        drop(guard);
        if !is_unit {
            let effects = &mut keys.effects;
            engine.tell_caches(effects, Some(session.client.id));
            engine.hooks.drain(effects);
            effects.events.clear();
            effects.touched = engine.waiters.awaited(&effects.touched);
        }
        Ok(slice)
    }

    /// Steps behind the gate, as soon as changes may be made and the log is not far behind.
    fn enter_slice(&self) -> Result<Option<GateGuard<'a>>, CommandError> {
        loop {
            let Some(guard) = self.keys.step() else { return Ok(None) };
            if self.engine.health.is_loading() {
                return Err(STOPPING);
            }
            if self.keys.is_swapped() {
                return Err(SWAPPED);
            }
            let clock = &self.engine.clock;
            let is_paused = self.engine.pause.holds(true, clock.unix_millis()).is_some();
            let log = self.engine.hooks.log();
            if !is_paused && !log.is_some_and(|log| log.is_behind(clock.monotonic_nanos())) {
                return Ok(Some(guard));
            }
            drop(guard);
            if !self.engine.slow_lane.rest() {
                return Err(STOPPING);
            }
        }
    }
}

/// Logs what was done so far as a unit of its own. What was changed is still locked.
fn log_slice(engine: &Engine, keys: &mut View<'_>, session: &mut Session) {
    let nothing = crate::resp::ArgList::new(&[], &[]);
    if let Some(record) = keys.effects.take_record(keys.db, nothing) {
        session.logged = engine.hooks.append_log(&[record.borrow()]);
        engine.hooks.log().into_iter().for_each(|log| log.commit());
    }
}
