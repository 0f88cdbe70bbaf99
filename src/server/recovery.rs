//! Recovery: from the files of the data directory to the data set.
//!
//! 1. The newest snapshot that is sound is loaded, on all cores. If the newest is damaged and the log
//!    reaches back to an older one, that is as good.
//! 2. The segments of the log after it are repeated on all cores (see `log_replay`), each block checked.
//! 3. A torn block at the very end was never durable: it is cut off, with a warning.
//!
//! Damage anywhere else, a missing file, or a gap between segments refuses the start with file, offset
//! and what to do. With `--recover-anyway` sound sections of a damaged snapshot count (if none of the newest
//! is sound, those of an older one), and the log is repeated up to the damage. The files that were not read
//! to their end are set aside once the result is saved anew.
//!
//! Databases that this server does not have are no damage: they refuse the start whatever is accepted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::log_replay::{Dealer, Failed, Reports};
use super::replay::Replayer;
use super::snapshot_loading::{self, empty_store};
use crate::exec::Engine;
use crate::persist::DataDirectory;
use crate::persist::log::{BadSegment, Block, Ending, SegmentReader, Unsound};
use crate::persist::manifest::{Manifest, SegmentEntry, SnapshotEntry};

/// Blocks that are read ahead.
const READ_AHEAD: usize = 4;

/// Why the data set was not recovered.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecoveryError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("{path}: {what}")]
    Newer { path: String, what: String },
    #[error(
        "{path} is damaged: {what}. Restore it from a backup, or start with --recover-anyway to load what is sound \
         and set the file aside"
    )]
    Damaged { path: String, what: String },
    #[error("{path}: {what}")]
    TooFewDatabases { path: String, what: String },
    #[error("cannot cut off what was never completely written in {directory}: {error}")]
    Unwritable { directory: String, error: io::Error },
}

/// What was recovered.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub keys: u64,
    pub commands: u64,
    /// The log position behind the last command.
    pub lsn: u64,
    /// The snapshot that was loaded, and the log position that it stands for.
    pub base: Option<SnapshotEntry>,
    pub base_lsn: u64,
    /// Bytes of a torn block that were cut off.
    pub torn_bytes: u64,
    /// Files that are damaged or follow damage; the data set must be saved anew before they may go.
    pub damaged: Vec<PathBuf>,
}

/// A torn end, to be cut off.
struct Torn {
    segment: u64,
    len: u64,
    bytes: u64,
}

/// See the module's description. The store must be empty.
pub(super) struct Recovery<'a> {
    engine: &'a Arc<Engine>,
    directory: &'a DataDirectory,
    manifest: Manifest,
    accept_damage: bool,
    recovered: Recovered,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(
        engine: &'a Arc<Engine>,
        directory: &'a DataDirectory,
        accept_damage: bool,
    ) -> Recovery<'a> {
        let manifest = directory.manifest();
        let recovered = Recovered::default();
        Recovery { engine, directory, manifest, accept_damage, recovered }
    }

    pub(super) fn run(mut self) -> Result<Recovered, RecoveryError> {
        self.announce();
        let base = self.load_base()?;
        let segments = self.manifest.segments_after(base.as_ref()).to_vec();
        self.recovered.base = base;
        self.recovered.lsn = segments.first().map_or(0, |first| first.lsn);
        self.recovered.base_lsn = self.recovered.lsn;
        let torn = self.replay_all(&segments)?;
        if let Some(Torn { segment, len, bytes }) = torn {
            let path = self.directory.segment_path(segment);
            let cut_off = self.directory.truncate_segment(segment, len);
            cut_off.map_err(|error| RecoveryError::Unwritable {
                directory: self.directory.path().display().to_string(),
                error,
            })?;
            log::warn!(
                "{}: the last {bytes} bytes were never completely written; they are cut off",
                path.display()
            );
            self.recovered.torn_bytes = bytes;
        }
        Ok(self.recovered)
    }

    /// Says how much there is to load.
    fn announce(&self) {
        let newest = self.manifest.snapshots.last();
        let snapshot = newest.map(|entry| self.directory.snapshot_path(entry.number));
        let segments = self.manifest.segments_after(newest);
        let segments = segments.iter().map(|entry| self.directory.segment_path(entry.number));
        let len = |path: PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        let total = snapshot.into_iter().chain(segments).map(len).sum();
        self.engine.health.progress.begin(total, self.engine.clock.unix_millis());
    }

    /// Loads the snapshot that everything else follows. If a newer one is damaged, an older one is as good
    /// when the log reaches back to it.
    fn load_base(&mut self) -> Result<Option<SnapshotEntry>, RecoveryError> {
        let mut first_error = None;
        for entry in self.manifest.bases() {
            match self.load_snapshot(entry, false)? {
                Ok(()) => return Ok(Some(entry)),
                Err(error) => {
                    log::warn!("{error}");
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            None => Ok(None),
            Some(error) if !self.accept_damage => Err(error),
            Some(_) => self.load_what_is_sound(),
        }
    }

    /// Loads the newest snapshot of which something is sound, whether or not the log leads on from there.
    fn load_what_is_sound(&mut self) -> Result<Option<SnapshotEntry>, RecoveryError> {
        self.recovered.damaged.clear();
        let snapshots = self.manifest.snapshots.clone();
        for entry in snapshots.iter().rev() {
            if self.load_snapshot(*entry, true)?.is_ok() {
                let path = self.directory.snapshot_path(entry.number);
                log::warn!("loaded what is sound of {}", path.display());
                return Ok(Some(*entry));
            }
        }
        // Nothing is left of any; the log may still have something.
        Ok(snapshots.last().copied())
    }

    /// Loads a snapshot into the empty store. If it is damaged, takes that down and leaves the store empty, or
    /// with what is sound of it.
    fn load_snapshot(
        &mut self,
        entry: SnapshotEntry,
        accept_damage: bool,
    ) -> Result<Result<(), RecoveryError>, RecoveryError> {
        let path = self.directory.snapshot_path(entry.number);
        let shown = path.display().to_string();
        let what = match snapshot_loading::load(self.engine, &path, accept_damage) {
            Ok(loaded) => {
                self.recovered.keys = loaded.keys;
                if let Some(damage) = loaded.beyond_databases {
                    let what = damage.to_string();
                    return Err(RecoveryError::TooFewDatabases { path: shown, what });
                }
                match loaded.damages.first() {
                    None => return Ok(Ok(())),
                    Some(damage) if damage.is_newer => {
                        let what = damage.what.clone();
                        return Err(RecoveryError::Newer { path: shown, what });
                    }
                    Some(_) if accept_damage && loaded.sections > 0 => {
                        let damages = loaded.damages.iter();
                        damages.for_each(|damage| log::warn!("left out: {damage}"));
                        self.recovered.damaged.push(path);
                        return Ok(Ok(()));
                    }
                    Some(damage) => damage.to_string(),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => "it is missing".to_owned(),
            Err(error) => return Err(unreadable(&path, error)),
        };
        empty_store(self.engine);
        let error = damaged(&path, what);
        self.recovered.damaged.push(path);
        Ok(Err(error))
    }

    /// Repeats segments in order. Returns a torn end.
    fn replay_all(&mut self, segments: &[SegmentEntry]) -> Result<Option<Torn>, RecoveryError> {
        let engine = self.engine;
        let gate = engine.keyspace.gate();
        let reports = Reports::default();
        std::thread::scope(|scope| {
            let replayer = Replayer::new(engine, &gate);
            let threads = snapshot_loading::loaders();
            let mut dealer = Dealer::start(scope, engine, &reports, replayer, threads);
            let replayed = self.replay_with(segments, &mut dealer, &reports);
            dealer.catch_up();
            self.recovered.commands = dealer.commands;
            replayed
        })
    }

    fn replay_with(
        &mut self,
        segments: &[SegmentEntry],
        dealer: &mut Dealer<'_, '_>,
        reports: &Reports,
    ) -> Result<Option<Torn>, RecoveryError> {
        for (index, entry) in segments.iter().enumerate() {
            let end = self.manifest.end_of(entry);
            match self.replay(*entry, end, dealer, reports) {
                Ok(None) => {}
                Ok(torn) => return Ok(torn),
                Err(error @ RecoveryError::Damaged { .. }) if self.accept_damage => {
                    log::warn!("{error}");
                    log::warn!("what was logged from there on is left out");
                    let rest = segments[index..].iter();
                    let paths = rest.map(|entry| self.directory.segment_path(entry.number));
                    self.recovered.damaged.extend(paths);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Repeats a segment, which must end at the log position `end` if that is known.
    fn replay(
        &mut self,
        entry: SegmentEntry,
        end: Option<u64>,
        dealer: &mut Dealer<'_, '_>,
        reports: &Reports,
    ) -> Result<Option<Torn>, RecoveryError> {
        let path = self.directory.segment_path(entry.number);
        let mut reader = open_segment(&path, entry)?;
        let (sender, receiver) = sync_channel(READ_AHEAD);
        let stop = std::thread::scope(|scope| {
            let reading = scope.spawn(|| read_blocks(&mut reader, sender));
            self.repeat_blocks(receiver, dealer);
            reading.join().expect("reading does not panic")
        });
        let stop = stop.map_err(|error| unreadable(&path, error))?;
        dealer.catch_up();
        if let Some(Failed { offset, failure }) = reports.take() {
            let what = format!("offset {offset}: {}", failure.what);
            let path = path.display().to_string();
            return Err(if failure.is_beyond_databases {
                RecoveryError::TooFewDatabases { path, what }
            } else {
                RecoveryError::Damaged { path, what }
            });
        }
        match reader.ending(stop.as_ref(), end) {
            Ending::Whole => Ok(None),
            Ending::Torn { offset, bytes } => {
                Ok(Some(Torn { segment: entry.number, len: offset, bytes }))
            }
            Ending::Damaged(what) => Err(damaged(&path, what)),
        }
    }

    fn repeat_blocks(&mut self, blocks: Receiver<Block>, dealer: &mut Dealer<'_, '_>) {
        for block in blocks {
            let end = block.lsn + block.body.len() as u64;
            self.engine.health.progress.add(block.line_len + block.body.len() as u64);
            if !dealer.deal(block) {
                return;
            }
            self.recovered.lsn = end;
        }
    }
}

fn open_segment(path: &Path, entry: SegmentEntry) -> Result<SegmentReader, RecoveryError> {
    match SegmentReader::open(path, entry) {
        Ok(Ok(reader)) => Ok(reader),
        Ok(Err(error @ BadSegment::Newer(_))) => {
            let what = error.to_string();
            Err(RecoveryError::Newer { path: path.display().to_string(), what })
        }
        Ok(Err(error)) => Err(damaged(path, error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(damaged(path, "it is missing".to_owned()))
        }
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Reads blocks until the end, or until nobody wants more. Returns why it could not go on.
fn read_blocks(
    reader: &mut SegmentReader,
    blocks: SyncSender<Block>,
) -> io::Result<Option<Unsound>> {
    loop {
        match reader.next_block()? {
            Ok(Some(block)) => {
                if blocks.send(block).is_err() {
                    return Ok(None);
                }
            }
            Ok(None) => return Ok(None),
            Err(unsound) => return Ok(Some(unsound)),
        }
    }
}

fn damaged(path: &Path, what: String) -> RecoveryError {
    RecoveryError::Damaged { path: path.display().to_string(), what }
}

fn unreadable(path: &Path, error: io::Error) -> RecoveryError {
    RecoveryError::Unreadable { path: path.display().to_string(), error }
}
