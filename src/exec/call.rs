//! A command that somebody has asked for, and calling its handler: what all who execute commands have in common.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::args::Args;
use super::context::{Context, Patience};
use super::engine::Engine;
use super::error::{CommandError, excerpt};
use crate::base::clock::Moment;
use crate::base::random::Random;
use crate::exec::table::registry::Command;
use crate::exec::table::spec::{Outcome, Spec};
use crate::resp::{ArgList, Outbox, Reply};
use crate::session::Session;
use crate::store::View;

/// See the module's description.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub command: Command,
    pub args: ArgList<'a>,
    /// The database in which its keys are.
    pub db: usize,
    pub began: Moment,
}

impl<'a> Call<'a> {
    pub(super) fn spec(&self) -> &'static Spec {
        self.command.spec
    }

    /// What the handler gets. It is executed like a command of a transaction, which may not wait, and nobody stands
    /// still for it, unless that is changed.
    pub(super) fn context(
        &self,
        engine: &'a Engine,
        random: &'a mut Random,
        session: &'a mut Session,
        keys: View<'a>,
        outbox: &'a mut Outbox,
    ) -> Context<'a> {
        let reply = Reply::new(outbox, session.protocol);
        Context {
            keys,
            reply,
            session,
            now: self.began,
            random,
            engine,
            world: None,
            request: self.args,
            patience: Patience::Never,
        }
    }

    /// Lets the handler work.
    pub(super) fn handle(&self, ctx: &mut Context<'a>) -> Outcome {
        let outcome = (self.spec().handler)(ctx, Args::new(self.args, self.spec().words()));
        outcome.map_err(|error| match error {
            CommandError::ArgumentCount => self.wrong_argument_count(),
            CommandError::ExpireTime => CommandError::InvalidExpireTime(self.spec().full_name()),
            error => error,
        })
    }

    fn wrong_argument_count(&self) -> CommandError {
        match self.spec().name.split_once(' ') {
            None => CommandError::WrongArity(self.spec().full_name()),
            Some((command, _)) => {
                let given = excerpt(self.args.get(1).unwrap_or_default(), 128);
                CommandError::WrongSubcommand { given, command }
            }
        }
    }
}

/// Does the work of a command; `None` if a handler panicked. What it had locked for writing is poisoned then (see
/// `store::view`). Its client is to be told [`PANICKED`] and disconnected; everybody else goes on.
pub(super) fn catching<R>(spec: &Spec, work: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(work));
    if result.is_err() {
        log::error!("{} panicked; this is a bug. The client is disconnected.", spec.name);
    }
    result.ok()
}

/// What a client is told whose command panicked.
pub(super) const PANICKED: CommandError =
    CommandError::text("ERR internal error, see the server's log");
