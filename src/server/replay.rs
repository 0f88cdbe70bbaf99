//! Repeating recorded commands: what snapshots and the log consist of.
//!
//! They take the same road as everybody else's commands, as the session [`Origin::Replay`]: trusted,
//! not logged again, not a change, and outside time, so that a key whose deadline has passed meanwhile
//! is still there for the commands that met it alive. What has expired goes when all is loaded.

use std::ops::Range;
use std::sync::Arc;

use crate::exec::{CommandError, Engine, Executor};
use crate::resp::{ArgList, Limits, Outbox, ParseState, RequestParser};
use crate::session::{Origin, Session};
use crate::store::Gate;

/// Something that cannot be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Where the command begins in the bytes.
    pub at: usize,
    pub what: String,
    /// It is about a database that this server does not have: nothing is wrong with the file.
    pub is_beyond_databases: bool,
}

impl Failure {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Failure {
        Failure { at, what: what.into(), is_beyond_databases: false }
    }

    /// A command that names a database which this server does not have.
    pub(super) fn beyond_databases(at: usize, args: ArgList<'_>) -> Failure {
        let what = match (shown(args), args.get(1)) {
            (name, Some(number)) if name == "SELECT" => {
                format!("database {} is used, but there are fewer", number.escape_ascii())
            }
            (name, _) => format!("{name} is about a database, but there are fewer"),
        };
        let what = format!("{what}; allow more with --databases");
        Failure { at, what, is_beyond_databases: true }
    }
}

/// See the module's description.
pub(super) struct Replayer<'l> {
    executor: Executor,
    session: Session,
    parser: RequestParser,
    outbox: Outbox,
    gate: &'l Gate<'l>,
}

impl<'l> Replayer<'l> {
    pub(super) fn new(engine: &Arc<Engine>, gate: &'l Gate<'l>) -> Replayer<'l> {
        let client = engine.clients.internal(engine.clock.unix_millis());
        Replayer {
            executor: Executor::for_replay(Arc::clone(engine)),
            session: Session::new(client, Origin::Replay, true),
            parser: RequestParser::default(),
            outbox: Outbox::default(),
            gate,
        }
    }

    /// Executes commands until one fails, beginning in database 0. Returns how many there were.
    pub(super) fn run(&mut self, bytes: &[u8]) -> Result<u64, Failure> {
        self.session.select(0);
        self.go_on(bytes)
    }

    /// The same in the database that was selected last.
    pub(super) fn go_on(&mut self, bytes: &[u8]) -> Result<u64, Failure> {
        self.executor.begin_turn();
        self.run_range(0..bytes.len(), bytes)
    }

    /// Executes some of the commands in `bytes`: each with its range and its database.
    pub(super) fn run_pieces(
        &mut self,
        bytes: &[u8],
        pieces: impl IntoIterator<Item = (Range<usize>, usize)>,
    ) -> Result<(), Failure> {
        self.executor.begin_turn();
        for (range, db) in pieces {
            self.session.select(db);
            self.run_range(range, bytes)?;
        }
        Ok(())
    }

    /// Executes and counts the commands in a range.
    fn run_range(&mut self, range: Range<usize>, bytes: &[u8]) -> Result<u64, Failure> {
        let mut guard = self.gate.enter();
        let (mut at, mut count) = (range.start, 0);
        while at < range.end {
            let rest = &bytes[at..range.end];
            at += match self.parser.parse(rest, &Limits::TRUSTED) {
                Ok(ParseState::Nothing(taken)) => taken,
                Ok(ParseState::Complete(taken)) => {
                    let args = self.parser.request().args(rest);
                    let (session, outbox) = (&mut self.session, &mut self.outbox);
                    let executed = self.executor.execute(session, args, outbox, &mut guard);
                    executed.expect("what is repeated is never postponed");
                    count += 1;
                    if let Some(error) = take_error(&mut self.outbox) {
                        return Err(failed(at, args, &error));
                    }
                    taken
                }
                Ok(ParseState::Incomplete(_)) => {
                    self.parser = RequestParser::default();
                    return Err(Failure::new(at, "a command is cut off"));
                }
                Err(error) => {
                    self.parser = RequestParser::default();
                    return Err(Failure::new(at, error.to_string()));
                }
            };
        }
        Ok(count)
    }
}

fn failed(at: usize, args: ArgList<'_>, error: &str) -> Failure {
    if error == CommandError::DatabaseOutOfRange.to_string() {
        return Failure::beyond_databases(at, args);
    }
    Failure::new(at, format!("{} fails: {error}", shown(args)))
}

/// The command's name; what it is about is nobody's business.
fn shown(args: ArgList<'_>) -> String {
    String::from_utf8_lossy(args.get(0).unwrap_or_default()).to_uppercase()
}

/// The error that a reply is, if it is one. Empties the outbox.
fn take_error(outbox: &mut Outbox) -> Option<String> {
    if outbox.tail().first() != Some(&b'-') {
        outbox.tail().clear();
        return None;
    }
    let reply = outbox.take_all();
    Some(String::from_utf8_lossy(&reply[1..]).trim_end().to_owned())
}
