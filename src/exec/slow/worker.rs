//! Executing what is in the slow lane.
//!
//! A command with keys works on copies of their entries and holds no lock meanwhile. One that reads saw the instant at
//! which its worker took the copies. What one that writes has made is put in place at once, if nothing of what it
//! declared has changed since (`store::copies`); otherwise it is done again on newer copies, and at last with its
//! keys locked all the time, so that it comes to an end however busy its keys are.
//!
//! A command without keys (`KEYS`) walks, behind the gate only while it has a shard locked.
//!
//! Everything else is as if the worker had executed it: admission, log, events, caches, waiting clients, statistics. The
//! reply goes to the worker by mail, and is held back there until what it acknowledges is durable.

use std::sync::Arc;

use super::lane::Job;
use crate::base::clock::Moment;
use crate::exec::admission::{self, Refusal};
use crate::exec::call::{Call, PANICKED, catching};
use crate::exec::context::Context;
use crate::exec::engine::Engine;
use crate::exec::executor::{Executor, declare, lock_keys, lock_mode, view};
use crate::exec::table::spec::Outcome;
use crate::exec::telemetry::account::Executed;
use crate::resp::{Outbox, Reply};
use crate::session::Session;
use crate::store::{Copies, Gate, GateGuard, Mode, Poisoned, View};

/// How often a command works on copies before it locks its keys for as long as it takes.
const ATTEMPTS: usize = 3;

/// What a command works on.
#[derive(Clone, Copy)]
enum Ground<'a> {
    Copies(&'a Copies, &'a Gate<'a>),
    /// It declares no keys, and takes one shard after the other.
    Walk(&'a Gate<'a>),
    /// The keys themselves. The gate is held.
    Locked,
}

impl<'a> Ground<'a> {
    fn prepare(self, keys: &mut View<'a>, job: &'a Job) -> Result<(), Poisoned> {
        let (spec, args) = (job.command.spec, job.asker.args());
        match self {
            Ground::Copies(copies, gate) => {
                keys.adopt(&declare(spec, args, job.asker.db, keys.databases()), copies);
                keys.stride_behind(gate);
            }
            Ground::Walk(gate) => keys.stride_behind(gate),
            Ground::Locked => lock_keys(keys, spec, args)?,
        }
        Ok(())
    }
}

impl Job {
    fn call(&self, began: Moment) -> Call<'_> {
        Call { command: self.command, args: self.asker.args(), db: self.asker.db, began }
    }
}

/// What became of an attempt to execute a command.
enum Attempt {
    Done(Outcome),
    /// What it worked on is not what is there any more. This is.
    Overtaken(Copies),
}

impl Executor {
    /// Executes what comes into the slow lane, until it is closed.
    pub fn work_in_slow_lane(&mut self) {
        let engine = Arc::clone(&self.engine);
        let gate = engine.keyspace.gate();
        while let Some(mut job) = engine.slow_lane.next() {
            // Whoever is gone does not wait for it any more.
            if engine.clients.get(job.asker.client.id).is_some() && !self.work_off(&mut job, &gate)
            {
                engine.slow_lane.postpone(job);
            }
        }
    }

    /// Executes a command and sends its reply. False if it may not be executed now.
    fn work_off(&mut self, job: &mut Job, gate: &Gate<'_>) -> bool {
        let began = self.begin_turn();
        let mut session = job.asker.session();
        let mut outbox = Outbox::default();
        let command = job.command;
        let work = || self.execute_job(job, &mut session, &mut outbox, gate);
        let result = catching(command.spec, work).unwrap_or_else(|| {
            session.client.kill();
            Ok(Err(PANICKED))
        });
        self.end_turn();
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::Postpone(_) | Refusal::LacksRoom) => return false,
        };
        let call = job.call(began);
        let ended = self.reader.now(&self.engine.clock);
        let executed = Executed::new(call, outcome, &session, ended, outbox.len());
        self.account(&session.client, &executed);
        if let Err(error) = &executed.outcome {
            outbox = Outbox::default();
            error.reply(&mut Reply::new(&mut outbox, session.protocol));
        }
        let declared = declare(call.spec(), call.args, call.db, self.engine.keyspace.databases());
        let keys = declared.iter().map(|key| key.bytes).collect();
        job.asker.answer(&self.engine, command, keys, outbox, session.logged);
        true
    }

    fn execute_job(
        &mut self,
        job: &mut Job,
        session: &mut Session,
        outbox: &mut Outbox,
        gate: &Gate<'_>,
    ) -> Result<Outcome, Refusal> {
        let engine = Arc::clone(&self.engine);
        admit(job, session, &engine, self.now())?;
        if job.copies.is_none() {
            return self.execute_at_last(job, session, outbox, Ground::Walk(gate));
        }
        for _ in 0..ATTEMPTS {
            let copies = job.copies.as_ref().expect("newer copies replace the old ones");
            match self.try_on(job, session, outbox, Ground::Copies(copies, gate))? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Overtaken(newer) => {
                    job.copies = Some(newer);
                    *outbox = Outbox::default();
                }
            }
        }
        let _guard = gate.enter();
        admit(job, session, &engine, self.now())?;
        self.execute_at_last(job, session, outbox, Ground::Locked)
    }

    fn now(&self) -> Moment {
        self.reader.now(&self.engine.clock)
    }

    /// An attempt on what nobody can change meanwhile.
    fn execute_at_last(
        &mut self,
        job: &Job,
        session: &mut Session,
        outbox: &mut Outbox,
        ground: Ground<'_>,
    ) -> Result<Outcome, Refusal> {
        match self.try_on(job, session, outbox, ground)? {
            Attempt::Done(outcome) => Ok(outcome),
            Attempt::Overtaken(_) => unreachable!("only copies are overtaken"),
        }
    }

    /// One attempt. Whoever waited for what it changed is served before the gate is left.
    fn try_on(
        &mut self,
        job: &Job,
        session: &mut Session,
        outbox: &mut Outbox,
        ground: Ground<'_>,
    ) -> Result<Attempt, Refusal> {
        let mut guard = None;
        let attempt = self.handle(job, session, outbox, ground, &mut guard);
        if let Ground::Walk(gate) = ground {
            guard = Some(gate.enter());
        }
        self.serve_waiters();
        drop(guard);
        attempt
    }

    /// Lets the handler work. What it did on copies is put in place, behind a gate which is entered for that; then it
    /// may turn out that it has to be done again.
    fn handle<'a>(
        &mut self,
        job: &'a Job,
        session: &mut Session,
        outbox: &mut Outbox,
        ground: Ground<'a>,
        guard: &mut Option<GateGuard<'a>>,
    ) -> Result<Attempt, Refusal> {
        let engine = Arc::clone(&self.engine);
        let call = job.call(self.now());
        let mut keys = view(&engine, session, call.began);
        if let Err(poisoned) = ground.prepare(&mut keys, job) {
            return Ok(Attempt::Done(Err(poisoned.into())));
        }
        let mut ctx = call.context(&engine, &mut self.random, session, keys, outbox);
        let outcome = call.handle(&mut ctx);
        let Context { mut keys, session, .. } = ctx;
        let mut newer = None;
        if let Ground::Copies(copies, gate) = ground
            && lock_mode(call.spec()) == Mode::Write
            && (keys.effects.has_outcome() || keys.has_changed(copies))
        {
            *guard = Some(gate.enter());
            let now = self.reader.now(&engine.clock);
            admit(job, session, &engine, now)?;
            match keys.install(copies, now.unix_millis()) {
                Ok(true) => {}
                Ok(false) => newer = Some(keys.copy_declared(Mode::Write)),
                Err(poisoned) => return Ok(Attempt::Done(Err(poisoned.into()))),
            }
        }
        self.pending.settle(&engine, &self.stats, keys, session, call);
        Ok(newer.map_or(Attempt::Done(outcome), Attempt::Overtaken))
    }
}

/// Whether a command may be executed. Looked at again behind the gate before anything is changed: nobody changes anything
/// once the server has begun to stop, or while it loads.
fn admit(job: &Job, session: &Session, engine: &Engine, now: Moment) -> Result<(), Refusal> {
    admission::admit(&admission::Request::new(
        job.command.spec,
        session,
        engine,
        now,
        job.asker.args(),
    ))
}
