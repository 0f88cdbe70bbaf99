//! Transactions: what is queued between `MULTI` and `EXEC` is executed as one command.
//!
//! `EXEC` locks the shards of all keys that the queued commands declare, and of those that its client watches,
//! in ascending order, and executes the commands one after the other under these locks. So nobody sees
//! half of a transaction, and other clients' commands on other shards go on meanwhile. If one of the commands
//! reaches more than the keys that it declares (`KEYS`, `FLUSHALL`, `SORT ... BY pattern`, or `SELECT`, which
//! decides where the keys of the others are), everybody else stands still instead, and each command locks
//! its keys as if it came alone.
//!
//! What the commands change is one unit in the log. A command that fails does not undo the others, as in Redis.
//! A panic poisons all shards that are locked for writing then; those of earlier commands are among them
//! unless everybody stood still.

use std::sync::Arc;

use super::call::Call;
use super::context::Context;
use super::error::CommandError;
use super::executor::{Executor, declare, lock_keys, lock_mode, view};
use crate::base::clock::Reader;
use crate::config::params::{MULTI_QUEUE_LIMIT, MULTI_QUEUE_MEMORY};
use crate::exec::table::registry::Command;
use crate::exec::table::spec::{Outcome, Spec};
use crate::exec::telemetry::account::Executed;
use crate::resp::{ArgList, Outbox, Reply};
use crate::session::{Session, Transaction};
use crate::store::{GateGuard, LogRecord, Mode, OwnedRecord, View, World};

impl Executor {
    /// Queues a command for `EXEC`, unless there are too many or they take too much memory. Behind a refusal nothing
    /// is queued any more, because `EXEC` is going to refuse all of it.
    pub(super) fn enqueue(
        &self,
        command: Command,
        session: &mut Session,
        args: ArgList<'_>,
    ) -> Outcome {
        let transaction = &mut session.transaction;
        if transaction.is_doomed() {
            return Ok(());
        }
        let (count, bytes) = (transaction.len() + 1, transaction.bytes_with(args));
        self.engine.check_limit(MULTI_QUEUE_LIMIT, count, "the commands of the transaction")?;
        self.engine.check_limit(MULTI_QUEUE_MEMORY, bytes, "the bytes of the transaction")?;
        transaction.push(command.number, args);
        Ok(())
    }

    /// `EXEC` in an open transaction, which it ends in any case.
    pub(super) fn execute_transaction(
        &mut self,
        exec: Call<'_>,
        session: &mut Session,
        outbox: &mut Outbox,
        guard: &mut GateGuard<'_>,
    ) -> Outcome {
        let mut transaction = std::mem::take(&mut session.transaction);
        session.client.show_transaction(Some(transaction.len()), transaction.memory_bytes());
        let outcome = self.execute_queue(exec, session, &transaction, outbox, guard);
        transaction.close();
        session.client.show_transaction(None, transaction.memory_bytes());
        session.transaction = transaction;
        outcome
    }

    fn execute_queue(
        &mut self,
        exec: Call<'_>,
        session: &mut Session,
        transaction: &Transaction,
        outbox: &mut Outbox,
        guard: &mut GateGuard<'_>,
    ) -> Outcome {
        if transaction.is_doomed() {
            self.unwatch(session);
            return Err(CommandError::TransactionDoomed);
        }
        if session.watches.is_raised() {
            self.unwatch(session);
            Reply::new(outbox, session.protocol).null_array();
            return Ok(());
        }
        let mut commands = transaction.commands().map(|(number, _)| self.command(number));
        if commands.any(|command| command.spec.needs_world()) {
            guard.exclusively(|world| {
                self.execute_locked(exec, session, transaction, outbox, Some(world))
            })
        } else {
            self.execute_locked(exec, session, transaction, outbox, None)
        }
    }

    fn command(&self, number: u16) -> Command {
        self.engine.registry.get(number).expect("what is queued is a command")
    }

    fn execute_locked(
        &mut self,
        exec: Call<'_>,
        session: &mut Session,
        transaction: &Transaction,
        outbox: &mut Outbox,
        world: Option<&World<'_>>,
    ) -> Outcome {
        let engine = Arc::clone(&self.engine);
        let mut keys = view(&engine, session, exec.began);
        if world.is_none()
            && let Err(damaged) = self.lock_all(&mut keys, session, transaction)
        {
            drop(keys);
            self.unwatch(session);
            return Err(damaged);
        }
        if end_watch(&mut keys, session) {
            Reply::new(outbox, session.protocol).null_array();
            return Ok(());
        }
        let executed = {
            let mut ctx = exec.context(&engine, &mut self.random, session, keys, outbox);
            ctx.world = world;
            let (executed, records) = execute_all(&mut ctx, transaction, &self.reader);
            let unit: Vec<LogRecord<'_>> = records.iter().map(OwnedRecord::borrow).collect();
            let Context { keys, session, .. } = ctx;
            self.pending.settle_unit(&engine, &self.stats, keys, session, &unit);
            executed
        };
        executed.iter().for_each(|one| self.account(&session.client, one));
        session.secret_args = 0;
        Ok(())
    }

    /// Locks what the queued commands and the end of watching need.
    fn lock_all<'a>(
        &self,
        keys: &mut View<'a>,
        session: &Session,
        transaction: &'a Transaction,
    ) -> Outcome {
        let mut shards = Vec::with_capacity(transaction.len() + session.watches.len());
        for (number, args) in transaction.commands() {
            let spec = self.command(number).spec;
            if spec.keys.is_empty() {
                continue;
            }
            let mode = lock_mode(spec);
            for key in declare(spec, args, session.db, keys.databases()) {
                shards.push((keys.ordinal(key.db, key.bytes), mode));
            }
        }
        for (db, key) in session.watches.keys() {
            shards.push((keys.ordinal(*db, key), Mode::Write));
        }
        Ok(keys.lock_shards(&mut shards)?)
    }

    /// Watches nothing any more. Damage is no reason to go on watching.
    pub fn unwatch(&mut self, session: &mut Session) {
        if !session.watches.is_empty() {
            let engine = Arc::clone(&self.engine);
            let now = self.reader.now(&engine.clock);
            end_watch(&mut view(&engine, session, now), session);
        }
    }
}

/// Ends the session's watching; tells whether what it watched has changed.
pub(super) fn end_watch(keys: &mut View<'_>, session: &mut Session) -> bool {
    let Some(alarm) = session.watches.alarm() else { return false };
    // In a damaged shard nothing is as it was.
    let has_changed = keys.end_watch(session.watches.keys(), alarm).unwrap_or(true);
    session.watches.clear();
    has_changed
}

/// Executes the queued commands, writes the array of their replies, and returns how each went and what the
/// log must repeat.
fn execute_all<'a, 't: 'a>(
    ctx: &mut Context<'a>,
    transaction: &'t Transaction,
    reader: &Reader,
) -> (Vec<Executed<'t>>, Vec<OwnedRecord<'t>>) {
    let mut records = Vec::new();
    let mut executed = Vec::with_capacity(transaction.len());
    let mut began = ctx.now;
    ctx.reply.array(transaction.len());
    for (number, args) in transaction.commands() {
        let command = ctx.engine.registry.get(number).expect("what is queued is a command");
        let call = Call { command, args, db: ctx.session.db, began };
        let before = ctx.reply.outbox().len();
        let outcome = execute_one(ctx, call);
        records.extend(ctx.keys.effects.take_record(call.db, args));
        let ended = reader.now(&ctx.engine.clock);
        let reply_bytes = ctx.reply.outbox().len() - before;
        executed.push(Executed::new(call, outcome, ctx.session, ended, reply_bytes));
        began = ended;
    }
    (executed, records)
}

/// Executes one command of a transaction and writes its reply, be it an error.
fn execute_one<'a>(ctx: &mut Context<'a>, call: Call<'a>) -> Outcome {
    ctx.request = call.args;
    ctx.session.secret_args = 0;
    ctx.keys.db = call.db;
    let mark = ctx.reply.mark();
    let outcome = declare_or_lock(ctx, call.spec(), call.args).and_then(|()| call.handle(ctx));
    ctx.engine.remember_read(call.spec(), &ctx.keys, &ctx.session.client);
    if ctx.world.is_some() {
        ctx.keys.unlock();
    }
    if let Err(error) = &outcome {
        ctx.reply.rewind(mark);
        error.reply(&mut ctx.reply);
    }
    outcome
}

fn declare_or_lock<'a>(ctx: &mut Context<'a>, spec: &Spec, args: ArgList<'a>) -> Outcome {
    if ctx.world.is_some() {
        return Ok(lock_keys(&mut ctx.keys, spec, args)?);
    }
    let declared = declare(spec, args, ctx.keys.db, ctx.keys.databases());
    ctx.keys.declare(&declared);
    if lock_mode(spec) == Mode::Write {
        ctx.keys.expire_declared();
    }
    Ok(())
}
