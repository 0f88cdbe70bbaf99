//! Repeating the log on all cores.
//!
//! What the log's order must keep is the order of commands that concern the same key. Almost all concern
//! one shard, so they are dealt out by shard to several threads, each of which repeats its own in order.
//! A command that concerns several shards, or everything (`FLUSHALL`), waits until all threads have
//! caught up and runs alone; a block with many such commands runs alone as a whole, because waiting costs
//! more than it gains.
//!
//! Invariant: two commands that touch the same key never change places.
//!
//! A command that fails ends it all: everything before it is repeated, and nothing on its keys behind it. Other
//! threads may be a few blocks ahead by then, which shows where the result counts nevertheless
//! (`--recover-anyway`).

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::replay::{Failure, Replayer};
use crate::base::sync::{Mutex, Rank};
use crate::exec::Engine;
use crate::persist::log::Block;
use crate::resp::{ArgList, Limits, ParseState, RequestParser};

/// Batches that may wait for a thread.
const QUEUE: usize = 4;
/// Threads go on after a failure.
const ENDS_LAST: &str = "a thread ends when the dealer is dropped";
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
    pub failure: Failure,
}

/// What the threads report.
pub(super) struct Reports {
    failed: Mutex<Option<Failed>>,
    /// Where the first failure is: nothing behind it counts.
    failed_at: AtomicU64,
}

impl Default for Reports {
    fn default() -> Reports {
        Reports { failed: Mutex::new(Rank::Leaf, None), failed_at: AtomicU64::new(u64::MAX) }
    }
}

impl Reports {
    /// Takes a failure down. Of several, the first in the file counts.
    fn note(&self, block: &Block, failure: Failure) {
        let offset = offset(block, failure.at);
        let mut failed = self.failed.lock();
        if failed.as_ref().is_none_or(|first| offset < first.offset) {
            *failed = Some(Failed { offset, failure });
            self.failed_at.store(offset, Relaxed);
        }
    }

    pub(super) fn take(&self) -> Option<Failed> {
        self.failed.lock().take()
    }

    fn is_over(&self) -> bool {
        self.failed_at.load(Relaxed) != u64::MAX
    }
}

/// Where a segment has what begins at this place of a block's commands.
fn offset(block: &Block, at: usize) -> u64 {
    block.offset + block.line_len + at as u64
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
            Err(failure) => {
                self.reports.note(&block, failure);
                return false;
            }
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
            match self.parser.parse(&body[at..], &Limits::TRUSTED) {
                Ok(ParseState::Nothing(taken)) => at += taken,
                Ok(ParseState::Complete(taken)) => {
                    let args = self.parser.request().args(&body[at..]);
                    match selected(args) {
                        Some(number) if number < self.engine.keyspace.databases() => db = number,
                        Some(_) => return Err(Failure::beyond_databases(at, args)),
                        None => {
                            let shard = self.engine.only_shard(args, db);
                            pieces.push(Piece { range: at..at + taken, db, shard });
                        }
                    }
                    at += taken;
                }
                Ok(ParseState::Incomplete(_)) => {
                    self.parser = RequestParser::default();
                    return Err(Failure::new(at, "a command is cut off"));
                }
                Err(error) => {
                    self.parser = RequestParser::default();
                    return Err(Failure::new(at, error.to_string()));
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
                let batch = Batch { block: Arc::clone(block), pieces };
                thread.send(Work::Batch(batch)).expect(ENDS_LAST);
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
            thread.send(Work::CatchUp(done.clone())).expect(ENDS_LAST);
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
    let gate = engine.keyspace.gate();
    let mut replayer = Replayer::new(engine, &gate);
    for work in work {
        match work {
            Work::Batch(Batch { block, pieces }) => run(&mut replayer, &block, &pieces, reports),
            // Whoever asked waits for it.
            Work::CatchUp(done) => drop(done.send(())),
        }
    }
}

/// Executes commands of a block, but for what stands behind a failure.
fn run(replayer: &mut Replayer<'_>, block: &Block, pieces: &[Piece], reports: &Reports) {
    let counts =
        |piece: &&Piece| offset(block, piece.range.start) < reports.failed_at.load(Relaxed);
    let pieces = pieces.iter().take_while(counts).map(|piece| (piece.range.clone(), piece.db));
    if let Err(failure) = replayer.run_pieces(&block.body, pieces) {
        reports.note(block, failure);
    }
}
