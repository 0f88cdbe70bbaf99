//! Repeating the log on all cores.
//!
//! What the log's order must keep is the order of commands that concern the same key. Almost all concern
//! one shard, so they are dealt out by shard to several threads, each of which repeats its own in order.
//! A command that concerns several shards, or everything (`FLUSHALL`), waits until all threads have
//! caught up and runs alone; a block with many such commands runs alone as a whole, because waiting costs
//! more than it gains.
//!
//! Invariant: two commands that touch the same key never change places.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::replay::{Failure, Replayer};
use crate::base::sync::{Mutex, Rank};
use crate::exec::Engine;
use crate::persist::log::Block;
use crate::resp::{ArgList, Limits, ParseState, RequestParser};

/// Batches that may wait for a thread.
const QUEUE: usize = 4;
/// A block with more commands than this that must run alone runs alone.
const ALONE_MAX: usize = 8;

/// A command of a block.
struct Piece {
    range: Range<usize>,
    db: usize,
    /// The only shard that it concerns.
    shard: Option<usize>,
}

struct Batch {
    block: Arc<Block>,
    pieces: Vec<Piece>,
}

enum Work {
    Batch(Batch),
    /// Answer when everything before is done.
    CatchUp(SyncSender<()>),
}

/// A command that could not be repeated, and where its segment has it.
pub(super) struct Failed {
    pub offset: u64,
    pub what: String,
}

/// What the threads report.
pub(super) struct Reports {
    failed: Mutex<Option<Failed>>,
    accept: bool,
}

impl Reports {
    /// With `accept`, commands that fail are left out and logged.
    pub(super) fn new(accept: bool) -> Reports {
        Reports { failed: Mutex::new(Rank::Leaf, None), accept }
    }

    /// Takes a failure down; tells whether to go on.
    fn note(&self, block: &Block, failure: Failure) -> bool {
        let offset = block.offset + block.line_len + failure.at as u64;
        if self.accept {
            log::warn!("left out: offset {offset}: {}", failure.what);
        } else {
            self.failed.lock().get_or_insert(Failed { offset, what: failure.what });
        }
        self.accept
    }

    /// The first failure, if it is not accepted.
    pub(super) fn take(&self) -> Option<Failed> {
        self.failed.lock().take()
    }

    fn is_over(&self) -> bool {
        self.failed.lock().is_some()
    }
}

/// Deals out commands to threads. See the module's description.
pub(super) struct Dealer<'r, 'l> {
    engine: &'r Arc<Engine>,
    reports: &'r Reports,
    /// For what runs alone.
    replayer: Replayer<'l>,
    threads: Vec<SyncSender<Work>>,
    parser: RequestParser,
    /// Commands dealt out.
    pub commands: u64,
}

impl<'r, 'l> Dealer<'r, 'l> {
    /// Starts the threads. They end when the dealer is dropped.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, 'r>,
        engine: &'r Arc<Engine>,
        reports: &'r Reports,
        replayer: Replayer<'l>,
        threads: usize,
    ) -> Dealer<'r, 'l> {
        let start_one = |_| {
            let (sender, receiver) = sync_channel(QUEUE);
            scope.spawn(move || repeat(engine, reports, &receiver));
            sender
        };
        Dealer {
            engine,
            reports,
            replayer,
            threads: (0..threads).map(start_one).collect(),
            parser: RequestParser::default(),
            commands: 0,
        }
    }

    /// Takes a block; what it holds may be repeated later. False after a failure.
    pub(super) fn deal(&mut self, block: Block) -> bool {
        let block = Arc::new(block);
        let pieces = match self.cut_up(&block.body) {
            Ok(pieces) => pieces,
            Err(failure) => return self.reports.note(&block, failure),
        };
        self.commands += pieces.len() as u64;
        let alone = pieces.iter().filter(|piece| piece.shard.is_none()).count();
        if alone > ALONE_MAX {
            self.run_alone(&block, &pieces);
        } else {
            self.deal_out(&block, pieces);
        }
        !self.reports.is_over()
    }

    /// Finds the commands of a block.
    fn cut_up(&mut self, body: &[u8]) -> Result<Vec<Piece>, Failure> {
        let (mut at, mut db, mut pieces) = (0, 0, Vec::new());
        while at < body.len() {
            let failed = |what: String| Failure { at, what };
            match self.parser.parse(&body[at..], &Limits::TRUSTED) {
                Ok(ParseState::Nothing(taken)) => at += taken,
                Ok(ParseState::Complete(taken)) => {
                    let args = self.parser.request().args(&body[at..]);
                    match selected(args) {
                        Some(number) if number < self.engine.keyspace.databases() => db = number,
                        Some(_) => {
                            return Err(failed("SELECT fails: there are fewer databases".into()));
                        }
                        None => {
                            let shard = self.engine.only_shard(args, db);
                            pieces.push(Piece { range: at..at + taken, db, shard });
                        }
                    }
                    at += taken;
                }
                Ok(ParseState::Incomplete(_)) => {
                    self.parser = RequestParser::default();
                    return Err(failed("a command is cut off".into()));
                }
                Err(error) => {
                    self.parser = RequestParser::default();
                    return Err(failed(error.to_string()));
                }
            }
        }
        Ok(pieces)
    }

    fn deal_out(&mut self, block: &Arc<Block>, pieces: Vec<Piece>) {
        let mut hands: Vec<Vec<Piece>> = self.threads.iter().map(|_| Vec::new()).collect();
        for piece in pieces {
            match piece.shard {
                Some(shard) => hands[shard % self.threads.len()].push(piece),
                None => {
                    self.hand_over(block, &mut hands);
                    self.run_alone(block, &[piece]);
                }
            }
        }
        self.hand_over(block, &mut hands);
    }

    fn hand_over(&self, block: &Arc<Block>, hands: &mut [Vec<Piece>]) {
        for (thread, hand) in self.threads.iter().zip(hands) {
            let pieces = std::mem::take(hand);
            if !pieces.is_empty() {
                // A thread that is gone has reported a failure.
                let _ = thread.send(Work::Batch(Batch { block: Arc::clone(block), pieces }));
            }
        }
    }

    fn run_alone(&mut self, block: &Block, pieces: &[Piece]) {
        self.catch_up();
        run(&mut self.replayer, block, pieces, self.reports);
    }

    /// Waits until everything that was dealt out is done.
    pub(super) fn catch_up(&self) {
        let (done, answers) = sync_channel(self.threads.len());
        for thread in &self.threads {
            let _ = thread.send(Work::CatchUp(done.clone()));
        }
        drop(done);
        answers.iter().for_each(drop);
    }
}

/// The database that a `SELECT` names.
fn selected(args: ArgList<'_>) -> Option<usize> {
    let name = args.get(0)?;
    if !name.eq_ignore_ascii_case(b"SELECT") || args.len() != 2 {
        return None;
    }
    std::str::from_utf8(args.get(1)?).ok()?.parse().ok()
}

/// A thread's work.
fn repeat(engine: &Arc<Engine>, reports: &Reports, work: &Receiver<Work>) {
    let lane = engine.keyspace.lane();
    let mut replayer = Replayer::new(engine, &lane);
    for work in work {
        match work {
            Work::Batch(Batch { block, pieces }) => run(&mut replayer, &block, &pieces, reports),
            // Whoever asked waits for it.
            Work::CatchUp(done) => drop(done.send(())),
        }
    }
}

fn run(replayer: &mut Replayer<'_>, block: &Block, pieces: &[Piece], reports: &Reports) {
    let pieces = pieces.iter().map(|piece| (piece.range.clone(), piece.db));
    replayer.run_pieces(&block.body, pieces, |failure| reports.note(block, failure));
}
