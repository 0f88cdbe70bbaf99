//! The reaper: removes what has expired on time, frees what is large, samples rates.
//!
//! It looks at the earliest deadline of every shard ten times a second and removes what is due in
//! slices, so that no shard is locked for long even when a million keys expire in the same second.
//! Between slices it frees what others detached under their locks.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::rates::Rates;
use crate::base::random::Random;
use crate::exec::{Engine, Executor, Sample};
use crate::store::{Access, Garbage, Gate, Tracking, View};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Entries removed per acquisition of a shard's lock.
const SLICE: usize = 64;

enum Mail {
    Garbage(Box<Garbage>),
    /// A manual clock was moved, or memory becomes short.
    Wake,
    Stop,
}

/// How the reaper is reached.
#[derive(Clone)]
pub(super) struct ReaperHandle(Sender<Mail>);

impl ReaperHandle {
    pub(super) fn stop(&self) {
        // It can only have stopped already.
        let _ = self.0.send(Mail::Stop);
    }
}

/// See the module's description.
pub(super) struct Reaper {
    engine: Arc<Engine>,
    rates: Arc<Rates>,
    mail: Receiver<Mail>,
    is_stopping: Cell<bool>,
}

impl Reaper {
    /// A reaper that waits to be run; from now on garbage goes to it.
    pub(super) fn new(engine: &Arc<Engine>) -> (Reaper, ReaperHandle) {
        let (sender, mail) = channel();
        let chute = sender.clone();
        engine.hooks.install_garbage(Box::new(move |garbage| {
            // A reaper that is gone leaves the garbage to whoever made it.
            drop(chute.send(Mail::Garbage(Box::new(garbage))));
        }));
        let call = sender.clone();
        engine.hooks.install_reaper(Box::new(move || drop(call.send(Mail::Wake))));
        let wake = sender.clone();
        engine.clock.on_advance(move || drop(wake.send(Mail::Wake)));
        let (rates, is_stopping) = (Arc::new(Rates::default()), Cell::new(false));
        (Reaper { engine: Arc::clone(engine), rates, mail, is_stopping }, ReaperHandle(sender))
    }

    /// What it samples.
    pub(super) fn rates(&self) -> &Arc<Rates> {
        &self.rates
    }

    /// Works until told to stop.
    pub(super) fn run(self) {
        super::yield_to_workers();
        let engine = Arc::clone(&self.engine);
        let gate = engine.keyspace.gate();
        // Serves those who wait for a key that expires.
        let mut executor = Executor::new(Arc::clone(&engine), Random::from_entropy());
        loop {
            match self.mail.recv_timeout(TICK) {
                Ok(mail) => self.take(mail),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.is_stopping.get() {
                return;
            }
            self.sample();
            while executor.evict_ahead(&gate) && !self.is_stopping.get() {
                self.free_garbage();
            }
            self.engine.pubsub.expire_history();
            let is_paused = engine.pause.holds(true, engine.clock.unix_millis()).is_some();
            let may_expire = engine.active_expire.load(Ordering::Relaxed) && !is_paused;
            if may_expire && !engine.health.is_loading() {
                self.expire(&mut executor, &gate);
            }
        }
    }

    /// Ten times a second.
    fn sample(&self) {
        if self.rates.sample(&self.engine) {
            self.engine.survey_memory();
        }
    }

    fn expire(&self, executor: &mut Executor, gate: &Gate<'_>) {
        let began_ms = self.engine.clock.unix_millis();
        let (due, _) = self.engine.keyspace.due_shards(began_ms);
        for (db, shard) in due {
            while !self.is_stopping.get() && self.expire_slice(executor, gate, db, shard) {
                // What others detached meanwhile must not pile up behind a million expiries.
                self.free_garbage();
            }
        }
        executor.end_turn();
        let now_ms = self.engine.clock.unix_millis();
        let sample = Sample { unix_s: now_ms / 1000, millis: (now_ms - began_ms).max(0) as u64 };
        self.engine.note_latency("expire-cycle", sample);
    }

    /// Removes one slice; tells whether the shard may have more.
    fn expire_slice(
        &self,
        executor: &mut Executor,
        gate: &Gate<'_>,
        db: usize,
        shard: usize,
    ) -> bool {
        let engine = &*self.engine;
        let _guard = gate.enter();
        // Looked at behind the gate: nothing may be logged while the log is read (`DEBUG LOADAOF`).
        if engine.health.is_loading() {
            return false;
        }
        let now_ms = engine.clock.unix_millis();
        let access = Access { tracking: Tracking::Lru, now_ms: 0, touches: false, random: 0 };
        let mut view = View::new(&engine.keyspace, db, now_ms, access, engine.hooks.wants());
        let log = |view: &mut View<'_>| engine.hooks.append_removals(&view.effects);
        let Ok(removed) = view.expire_due(db, shard, SLICE, log) else { return false };
        executor.hand_out_unasked(engine, &mut view);
        executor.serve_noted();
        removed == SLICE
    }

    /// Frees what others detached.
    fn free_garbage(&self) {
        while let Ok(mail) = self.mail.try_recv() {
            self.take(mail);
        }
    }

    fn take(&self, mail: Mail) {
        match mail {
            Mail::Garbage(garbage) => self.engine.hooks.garbage_waiting.free(*garbage),
            Mail::Wake => {}
            Mail::Stop => self.is_stopping.set(true),
        }
    }
}
