//! Serving clients that wait for keys.
//!
//! After a command that changed keys somebody waits for, and before its reply is sent, the thread that
//! executed it executes the commands of those who wait, longest waiting first, and mails them their
//! replies. It locks each one's keys like any command's; only then, with the keys locked, is it decided
//! whether that client is still waiting and still the next. So the order of service is the order of
//! arrival, and what is taken on somebody's behalf reaches him or stays.
//!
//! A client that waits may be overtaken by one command at most: one of another client that is executed
//! between the change and the serving. It cannot have been sent in reply to the change, whose own reply
//! goes out after the serving.
//!
//! What a served command changes (`BLMOVE`) may be what others wait for: these come next.

use std::sync::Arc;

use super::waiters::{AwaitedKey, Ending, Ticket, Waiter};
use crate::exec::admission::{self, Refusal};
use crate::exec::call::{Call, catching};
use crate::exec::context::{Context, Patience, Wanted};
use crate::exec::executor::{Executor, lock_keys, view};
use crate::exec::table::registry::Lookup;
use crate::exec::table::spec::Outcome;
use crate::resp::{Outbox, Reply};
use crate::session::{Message, Session};
use crate::store::{ValueRef, View};
use crate::value::Value;

/// What became of an attempt to serve a waiter.
enum Attempt {
    /// Its command was executed, or refused.
    Served(Outcome),
    /// It is not waiting any more, or somebody else serves it.
    Missed,
    /// There is nothing for it.
    InVain,
}

impl Wanted {
    /// Whether a waiter may find something in a value of this type.
    fn fits(self, value: Option<ValueRef<'_>>) -> bool {
        match (self, value) {
            (Wanted::List, Some(ValueRef::Object(Value::List(_)))) => true,
            (Wanted::SortedSet, Some(ValueRef::Object(Value::SortedSet(_)))) => true,
            (Wanted::Stream, Some(ValueRef::Object(Value::Stream(_)))) => true,
            // Readers of groups are told when the group is gone, whatever is there instead.
            (Wanted::Group, _) => true,
            _ => false,
        }
    }

    /// Whether one waiter's finding nothing does not mean that those behind it find nothing either.
    fn is_selective(self) -> bool {
        matches!(self, Wanted::Stream | Wanted::Group)
    }
}

impl Executor {
    /// Serves those who wait for keys that this thread changed otherwise than by a command.
    pub fn serve_noted(&mut self) {
        if !self.pending.ready.is_empty() {
            self.begin_turn();
            self.serve_waiters();
            self.end_turn();
        }
    }

    /// Serves those who wait for the keys that were noted.
    pub(in crate::exec) fn serve_waiters(&mut self) {
        while let Some(key) = self.pending.ready.pop_front() {
            for wanted in Wanted::ALL {
                self.serve_queue(&key, wanted);
            }
        }
    }

    fn serve_queue(&mut self, key: &AwaitedKey, wanted: Wanted) {
        let mut behind: Ticket = 0;
        while let Some(waiter) = self.engine.waiters.next(key, wanted, behind) {
            behind = waiter.ticket;
            if !self.serve(&waiter, key) && !wanted.is_selective() {
                return;
            }
        }
    }

    /// Serves one waiter, if there is something for it. False if there is not.
    fn serve(&mut self, waiter: &Waiter, key: &AwaitedKey) -> bool {
        let Lookup::Found(command) = self.engine.registry.lookup(waiter.asker.args()) else {
            unreachable!("a command that waits was found before");
        };
        let mut session = waiter.asker.session();
        let mut outbox = Outbox::default();
        let began = self.reader.now(&self.engine.clock);
        let call = Call { command, args: waiter.asker.args(), db: waiter.asker.db, began };
        let work = || self.attempt(call, &mut session, waiter, key, &mut outbox);
        let attempt = catching(command.spec, work).unwrap_or_else(|| {
            self.engine.waiters.finish(waiter, &self.engine.keyspace);
            waiter.asker.client.kill();
            Attempt::Missed
        });
        let outcome = match attempt {
            Attempt::Served(outcome) => outcome,
            Attempt::Missed => return true,
            Attempt::InVain => return false,
        };
        if let Err(error) = outcome {
            outbox = Outbox::default();
            error.reply(&mut Reply::new(&mut outbox, session.protocol));
            self.count_failure(command, &error);
        }
        if self.sampler.is_due() {
            self.note_keys(call, outbox.len(), began);
        }
        let keys = waiter.keys().collect();
        waiter.asker.answer(&self.engine, command, keys, outbox, session.logged);
        true
    }

    fn attempt(
        &mut self,
        call: Call<'_>,
        session: &mut Session,
        waiter: &Waiter,
        key: &AwaitedKey,
        outbox: &mut Outbox,
    ) -> Attempt {
        let engine = Arc::clone(&self.engine);
        let request = admission::Request::new(call.spec(), session, &engine, call.began, call.args);
        match admission::admit(&request) {
            // To serve is part of the change that made it possible, which was admitted and whose turn still lasts. A log
            // that fell behind by it, or a pause that began meanwhile, must not hold this back: nobody would come
            // back to it.
            Ok(()) | Err(Refusal::Postpone(_) | Refusal::LacksRoom) => {}
            Err(Refusal::Error(error)) if engine.waiters.begin(waiter) => {
                engine.waiters.finish(waiter, &engine.keyspace);
                return Attempt::Served(Err(error));
            }
            Err(Refusal::Error(_)) => return Attempt::Missed,
        }
        let mut keys = view(&engine, session, call.began);
        if let Err(poisoned) = lock_keys(&mut keys, call.spec(), call.args) {
            drop(keys);
            return match engine.waiters.begin(waiter) {
                true => {
                    engine.waiters.finish(waiter, &engine.keyspace);
                    Attempt::Served(Err(poisoned.into()))
                }
                false => Attempt::Missed,
            };
        }
        if !is_ready(&keys, waiter, key) {
            return Attempt::InVain;
        }
        if !engine.waiters.begin(waiter) {
            return Attempt::Missed;
        }
        let mut ctx = call.context(&engine, &mut self.random, session, keys, outbox);
        ctx.patience = Patience::Again { found_nothing: false };
        let outcome = call.handle(&mut ctx);
        let Context { keys, session, patience, .. } = ctx;
        if let (Patience::Again { found_nothing: true }, Ok(())) = (patience, &outcome) {
            let ending = engine.waiters.put_back(waiter, &engine.keyspace);
            drop(keys);
            tell_ending(waiter, ending);
            return Attempt::InVain;
        }
        engine.waiters.finish(waiter, &engine.keyspace);
        self.pending.settle(&engine, &self.stats, keys, session, call);
        Attempt::Served(outcome)
    }
}

/// Passes on what was noted while the attempt was made: the worker left the answer to this thread.
fn tell_ending(waiter: &Waiter, ending: Option<Ending>) {
    match ending {
        None | Some(Ending::Gone) => {}
        Some(Ending::TimeOut) => waiter.asker.client.send(Message::WaitOver { error: false }),
        Some(Ending::Error) => waiter.asker.client.send(Message::WaitOver { error: true }),
    }
}

/// Whether the key that was changed may hold something for the waiter.
fn is_ready(keys: &View<'_>, waiter: &Waiter, (db, bytes): &AwaitedKey) -> bool {
    let key = keys.declared_key(*db, bytes).expect("a waiter declares what it waits for");
    waiter.wanted.fits(keys.peek(&key).map(|entry| entry.value()))
}
