//! Repeating recorded commands: what snapshots and the log consist of.
//!
//! They take the same road as everybody else's commands, as the session [`Origin::Replay`]: trusted,
//! not logged again, not a change, and outside time, so that a key whose deadline has passed meanwhile
//! is still there for the commands that met it alive. What has expired goes when all is loaded.

use std::ops::Range;
use std::sync::Arc;

use crate::exec::{Engine, Executor};
use crate::resp::{ArgList, Limits, Outbox, ParseState, RequestParser};
use crate::session::{Origin, Session};
use crate::store::Lane;

/// Something that cannot be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Where the command begins in the bytes.
    pub at: usize,
    pub what: String,
}

/// See the module's description.
pub(super) struct Replayer<'l> {
    executor: Executor,
    session: Session,
    parser: RequestParser,
    outbox: Outbox,
    lane: &'l Lane<'l>,
}

impl<'l> Replayer<'l> {
    pub(super) fn new(engine: &Arc<Engine>, lane: &'l Lane<'l>) -> Replayer<'l> {
        let client = engine.clients.internal(engine.clock.unix_millis());
        Replayer {
            executor: Executor::for_replay(Arc::clone(engine)),
            session: Session::new(client, Origin::Replay, true),
            parser: RequestParser::default(),
            outbox: Outbox::default(),
            lane,
        }
    }

    /// Executes all commands, beginning in database 0. Those that fail are handed to `on_failure`, which
    /// says whether to go on. Returns how many there were.
    pub(super) fn run(&mut self, bytes: &[u8], on_failure: impl FnMut(Failure) -> bool) -> u64 {
        self.session.select(0);
        self.go_on(bytes, on_failure)
    }

    /// The same in the database that was selected last.
    pub(super) fn go_on(&mut self, bytes: &[u8], on_failure: impl FnMut(Failure) -> bool) -> u64 {
        self.executor.begin_turn();
        let mut count = 0;
        self.run_range(0..bytes.len(), bytes, &mut count, on_failure);
        count
    }

    /// Executes some of the commands in `bytes`: each with its range and its database.
    pub(super) fn run_pieces(
        &mut self,
        bytes: &[u8],
        pieces: impl Iterator<Item = (Range<usize>, usize)>,
        mut on_failure: impl FnMut(Failure) -> bool,
    ) {
        self.executor.begin_turn();
        let mut count = 0;
        for (range, db) in pieces {
            self.session.select(db);
            if !self.run_range(range, bytes, &mut count, &mut on_failure) {
                return;
            }
        }
    }

    /// Executes and counts the commands in a range; tells whether to go on.
    fn run_range(
        &mut self,
        range: Range<usize>,
        bytes: &[u8],
        count: &mut u64,
        mut on_failure: impl FnMut(Failure) -> bool,
    ) -> bool {
        let mut turn = self.lane.enter();
        let mut at = range.start;
        while at < range.end {
            let rest = &bytes[at..range.end];
            let (taken, failed) = match self.parser.parse(rest, &Limits::TRUSTED) {
                Ok(ParseState::Nothing(taken)) => (taken, None),
                Ok(ParseState::Complete(taken)) => {
                    let args = self.parser.request().args(rest);
                    let (session, outbox) = (&mut self.session, &mut self.outbox);
                    let executed = self.executor.execute(session, args, outbox, &mut turn);
                    executed.expect("what is repeated is never postponed");
                    *count += 1;
                    let error = take_error(&mut self.outbox);
                    (taken, error.map(|error| format!("{} fails: {error}", shown(args))))
                }
                Ok(ParseState::Incomplete(_)) => {
                    self.parser = RequestParser::default();
                    (rest.len(), Some("a command is cut off".to_owned()))
                }
                Err(error) => {
                    self.parser = RequestParser::default();
                    (rest.len(), Some(error.to_string()))
                }
            };
            if let Some(what) = failed
                && !on_failure(Failure { at, what })
            {
                return false;
            }
            at += taken;
        }
        true
    }
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
