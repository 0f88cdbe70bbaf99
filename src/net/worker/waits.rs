//! Connections that wait: for a reply that comes by mail, for a moment in time, or until their next command may be
//! executed.
//!
//! Whatever ends a wait only lets the connection go (`let_go`). Its requests are executed where everybody's are, in
//! this turn or, if others have taken what one turn allows, in the next.

use std::collections::BTreeSet;

use super::Worker;
use crate::exec::{CommandError, Ending, reply_durability};
use crate::resp::{Outbox, Reply};
use crate::session::{Message, WaitKind, Waiting};

/// When something is to be done for connections: at one time at most for each, so that there are never more entries than
/// connections, however often these wait.
#[derive(Default)]
pub(super) struct Timers {
    /// Unix milliseconds, and the connection's slot.
    due: BTreeSet<(i64, usize)>,
}

impl Timers {
    /// Sets a connection's time anew; `current` is what it was.
    pub(super) fn set(&mut self, slot: usize, current: &mut Option<i64>, at_ms: Option<i64>) {
        if *current == at_ms {
            return;
        }
        if let Some(before_ms) = *current {
            self.due.remove(&(before_ms, slot));
        }
        if let Some(at_ms) = at_ms {
            self.due.insert((at_ms, slot));
        }
        *current = at_ms;
    }

    pub(super) fn first_ms(&self) -> Option<i64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes out a connection whose time has come.
    fn take_due(&mut self, now_ms: i64) -> Option<usize> {
        let (_, slot) = self.due.first().filter(|(at_ms, _)| *at_ms <= now_ms).copied()?;
        self.due.pop_first();
        Some(slot)
    }
}

impl Worker {
    pub(super) fn deliver(&mut self, slot: usize, message: Message) {
        let connection = &mut self.connections[slot];
        match message {
            // One that is about to close still gets its last words.
            Message::Kill => {
                if !connection.session.closing {
                    log::info!("client {} is disconnected: killed", connection.session.client.id);
                    self.close(slot);
                }
            }
            Message::Drop => self.close(slot),
            Message::Reply { reply, logged } => {
                connection.session.logged = connection.session.logged.max(logged);
                self.answer(slot, |outbox| outbox.append(reply));
            }
            Message::Unblock { error } => {
                let ending = if error { Ending::Error } else { Ending::TimeOut };
                // What it was sent for may be over, and the client may wait for something else by now.
                let waiting = connection.session.waiting.as_ref();
                let may_end = waiting.is_some_and(|waiting| waiting.kind.may_unblock());
                if may_end && self.withdraw(slot, ending) {
                    self.end_wait(slot, error);
                }
            }
            Message::WaitOver { error } => self.end_wait(slot, error),
        }
    }

    /// Takes a session that waits for keys out of their queues. False if somebody serves it just now: that
    /// one sends the reply, or word that there is none.
    pub(super) fn withdraw(&self, slot: usize, ending: Ending) -> bool {
        let engine = self.executor.engine();
        match self.connections[slot].session.waiting {
            Some(Waiting { kind: WaitKind::Keys { ticket }, .. }) => {
                engine.waiters.withdraw(ticket, ending, &engine.keyspace)
            }
            _ => true,
        }
    }

    /// Ends a session's wait without what it waited for.
    fn end_wait(&mut self, slot: usize, error: bool) {
        match error {
            true => self.fail(slot, CommandError::Unblocked),
            false => self.answer_at_deadline(slot),
        }
    }

    /// Ends a session's wait with the reply that it gets when its time has run out.
    pub(super) fn answer_at_deadline(&mut self, slot: usize) {
        let session = &self.connections[slot].session;
        let Some(waiting) = &session.waiting else { return };
        if let WaitKind::Durable { position, .. } = waiting.kind {
            let (protocol, is_durable) = (session.protocol, self.durable() >= position);
            return self.answer(slot, |outbox| {
                reply_durability(&mut Reply::new(outbox, protocol), is_durable);
            });
        }
        let encoded = waiting.on_deadline.clone();
        self.answer(slot, |outbox| outbox.tail().extend_from_slice(&encoded));
    }

    /// Ends a session's wait with an error, which counts as its command's failure.
    pub(super) fn fail(&mut self, slot: usize, error: CommandError) {
        let session = &self.connections[slot].session;
        if session.waiting.is_none() {
            return;
        }
        self.executor.count_failed_wait(&session.client, &error);
        let protocol = session.protocol;
        self.answer(slot, |outbox| error.reply(&mut Reply::new(outbox, protocol)));
    }

    /// Ends a session's wait, if it still waits, with the reply that `write` puts into the outbox.
    fn answer(&mut self, slot: usize, write: impl FnOnce(&mut Outbox)) {
        let connection = &mut self.connections[slot];
        if connection.session.waiting.is_some() {
            if connection.session.end_wait() {
                write(&mut connection.outbox);
            }
            self.let_go(slot);
        }
    }

    /// Something that a connection waited for is over: gives it a turn, unless it waits for something else, too.
    fn let_go(&mut self, slot: usize) {
        self.connections[slot].go_on();
        self.after_execution(slot);
    }

    /// Notes what a connection waits for now, and until when.
    pub(super) fn note_wait(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        let waiting = connection.session.waiting.as_ref();
        let at_ms = waiting.and_then(|waiting| waiting.deadline_ms);
        let at_ms = at_ms.or(connection.postponed_until_ms);
        self.timers.set(slot, &mut connection.timer_ms, at_ms);
        if let Some(Waiting { kind: WaitKind::Durable { .. }, .. }) = waiting {
            self.durability.waiters.insert(slot);
        }
        if connection.postponed_until_ms.is_some() {
            self.postponed.insert(slot);
        }
    }

    /// A connection is about to be closed.
    pub(super) fn forget_wait(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        self.timers.set(slot, &mut connection.timer_ms, None);
        self.durability.forget(slot);
        self.postponed.remove(&slot);
    }

    /// Commands may have become possible that were not.
    pub(super) fn resume_postponed(&mut self) {
        while let Some(slot) = self.postponed.pop_first() {
            self.resume(slot);
        }
    }

    fn resume(&mut self, slot: usize) {
        self.connections[slot].postponed_until_ms = None;
        self.let_go(slot);
    }

    pub(super) fn run_timers(&mut self) {
        let now_ms = self.now.unix_millis();
        while let Some(slot) = self.timers.take_due(now_ms) {
            self.connections[slot].timer_ms = None;
            self.on_timer(slot, now_ms);
        }
    }

    fn on_timer(&mut self, slot: usize, now_ms: i64) {
        let connection = &mut self.connections[slot];
        let is_due = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if is_due(connection.postponed_until_ms) {
            self.postponed.remove(&slot);
            self.resume(slot);
        } else if let Some(waiting) = &connection.session.waiting
            && is_due(waiting.deadline_ms)
            && self.withdraw(slot, Ending::TimeOut)
        {
            self.end_wait(slot, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each wait once left a timer until its deadline, long after it had ended.
    #[test]
    fn a_connection_has_one_timer_however_often_it_waits() {
        let mut timers = Timers::default();
        let (mut one, mut two) = (None, None);
        for round in 0..1_000 {
            timers.set(1, &mut one, Some(5_000 + round));
            timers.set(1, &mut one, Some(5_000 + round));
            timers.set(2, &mut two, Some(9_000));
            timers.set(2, &mut two, None);
        }
        assert_eq!((timers.due.len(), timers.first_ms()), (1, Some(5_999)));
        timers.set(2, &mut two, Some(5_999));
        assert_eq!(timers.take_due(5_998), None);
        assert_eq!([timers.take_due(5_999), timers.take_due(5_999)], [Some(1), Some(2)]);
        assert_eq!((timers.take_due(i64::MAX), timers.first_ms()), (None, None));
    }
}
