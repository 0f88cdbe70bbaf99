//! Importing: from files that consist of commands to a data directory with one snapshot.
//!
//! An append-only file of Redis, a snapshot and a segment of the log speak the same language, so they
//! take the road of recovery: an engine without a server repeats the commands, then the result is saved as
//! a server saves it. A start on that directory loads it like any other.
//!
//! - Whatever is not understood ends the import with file, offset and reason: a command that this version
//!   does not have, one that counts time from now, a file that was cut off. No data was written then.
//! - Files are read piece by piece; what must fit into memory is the data set.
//! - Deadlines are absolute in such files. What has expired meanwhile is in the snapshot, and goes when a
//!   server loads it.

mod commands;
mod source;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::replay::Replayer;
use super::snapshot_loading;
use super::snapshot_writing;
use super::startup::new_keyspace;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::commands as table;
use crate::config::{Config, params};
use crate::exec::Engine;
use crate::persist::disk::SystemDisk;
use crate::persist::log::{Ending, SegmentReader};
use crate::persist::manifest::SnapshotEntry;
use crate::persist::{DataDirectory, DirectoryError};
use source::Part;

/// Why nothing was imported; one line.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// The file is damaged, or holds what cannot be imported.
    #[error("{}: {what}", path.display())]
    Unusable { path: PathBuf, what: String },
    #[error(
        "there is a data set in {} already; choose an empty directory with --data-dir",
        .0.display()
    )]
    NotEmpty(PathBuf),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot save what was imported: {0}")]
    Unsaved(io::Error),
}

impl ImportError {
    /// Whether the fault is in what is imported.
    pub(super) fn is_of_source(&self) -> bool {
        matches!(self, ImportError::Unusable { .. })
    }
}

/// The end of a file that was left out because it was not completely written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub path: PathBuf,
    pub offset: u64,
    pub bytes: u64,
}

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Imported {
    pub files: usize,
    /// Commands that were repeated, those of snapshots apart.
    pub commands: u64,
    /// Keys that there are in the end.
    pub keys: u64,
    pub left_out: Option<LeftOut>,
    /// What was written.
    pub snapshot: PathBuf,
    /// Number of the last file, if it was a segment, and the log position at which it ends.
    segment_end: Option<(u64, u64)>,
}

/// Imports files in this order. With `truncate`, what was not completely written at the end of the last
/// one is left out; otherwise that is an error.
pub(super) fn import(
    files: &[PathBuf],
    truncate: bool,
    config: Config,
) -> Result<Imported, ImportError> {
    let mut parts = Vec::new();
    for path in files {
        parts.extend(source::parts(path)?);
    }
    let directory = open_empty(Path::new(&*config.text(params::DIR)))?;
    let (config, clock) = (Arc::new(config), Arc::new(Clock::system()));
    let keyspace = new_keyspace(&config, &mut Random::from_entropy());
    let engine = Arc::new(Engine::new(table::registry(), keyspace, config, clock));
    let mut imported = Imported { files: parts.len(), ..Imported::default() };
    for (number, part) in parts.iter().enumerate() {
        let may_be_cut = truncate && number + 1 == parts.len();
        import_part(&engine, part, may_be_cut, &mut imported)?;
    }
    save(&engine, &directory, &mut imported).map_err(ImportError::Unsaved)?;
    Ok(imported)
}

/// Takes possession of a directory in which nothing is stored.
fn open_empty(path: &Path) -> Result<DataDirectory, ImportError> {
    let directory = DataDirectory::open(path, Arc::new(SystemDisk), false)?;
    let is_empty = directory
        .is_empty()
        .map_err(|error| ImportError::Unreadable { path: path.to_owned(), error })?;
    if is_empty { Ok(directory) } else { Err(ImportError::NotEmpty(path.to_owned())) }
}

fn import_part(
    engine: &Arc<Engine>,
    part: &Part,
    may_be_cut: bool,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let before = imported.segment_end.take();
    match part {
        Part::Snapshot(path) => import_snapshot(engine, path),
        Part::Segment(path) => {
            let left_out = import_segment(engine, path, before, imported)?;
            note_left_out(path, left_out, may_be_cut, imported)
        }
        Part::Commands(path) => {
            let left_out = commands::import(engine, path, &mut imported.commands)?;
            note_left_out(path, left_out, may_be_cut, imported)
        }
    }
}

/// An end that was not completely written is an error, or is left out and reported.
fn note_left_out(
    path: &Path,
    left_out: Option<(u64, u64)>,
    may_be_cut: bool,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let Some((offset, bytes)) = left_out else { return Ok(()) };
    if !may_be_cut {
        return Err(unusable(
            path,
            format!(
                "offset {offset}: the file ends in the middle of what begins here, {bytes} bytes before its end. \
                 If that is because its writer died, leave this out with --truncate"
            ),
        ));
    }
    imported.left_out = Some(LeftOut { path: path.to_owned(), offset, bytes });
    Ok(())
}

fn import_snapshot(engine: &Arc<Engine>, path: &Path) -> Result<(), ImportError> {
    let loaded = snapshot_loading::load(engine, path, false);
    let loaded =
        loaded.map_err(|error| ImportError::Unreadable { path: path.to_owned(), error })?;
    match loaded.fault() {
        None => Ok(()),
        Some(damage) => Err(unusable(path, damage.to_string())),
    }
}

/// Repeats a segment, which must go on where the one before it ended. Returns where its torn end begins, and of how many
/// bytes it is.
fn import_segment(
    engine: &Arc<Engine>,
    path: &Path,
    before: Option<(u64, u64)>,
    imported: &mut Imported,
) -> Result<Option<(u64, u64)>, ImportError> {
    let unreadable = |error| ImportError::Unreadable { path: path.to_owned(), error };
    let opened = SegmentReader::open_alone(path).map_err(unreadable)?;
    let mut reader = opened.map_err(|error| unusable(path, error.to_string()))?;
    let begin = reader.lsn();
    if let Some((number, end)) = before.filter(|(_, end)| *end != begin) {
        return Err(unusable(
            path,
            format!(
                "it begins at lsn {begin}, but segment {number} before it ends at {end}; name all segments in order"
            ),
        ));
    }
    let gate = engine.keyspace.gate();
    let mut replayer = Replayer::new(engine, &gate);
    let unsound = loop {
        let block = match reader.next_block().map_err(unreadable)? {
            Ok(Some(block)) => block,
            Ok(None) => break None,
            Err(unsound) => break Some(unsound),
        };
        imported.commands += replayer.run(&block.body).map_err(|failure| {
            let offset = block.offset + block.line_len + failure.at as u64;
            unusable(path, format!("offset {offset}: {}", failure.what))
        })?;
    };
    imported.segment_end = Some((reader.entry().number, reader.lsn()));
    match reader.ending(unsound.as_ref(), None) {
        Ending::Whole => Ok(None),
        Ending::Torn { offset, bytes } => Ok(Some((offset, bytes))),
        Ending::Damaged(what) => Err(unusable(path, what)),
    }
}

/// Saves as a server does whose log is off.
fn save(engine: &Engine, directory: &DataDirectory, imported: &mut Imported) -> io::Result<()> {
    let gate = engine.keyspace.gate();
    let (number, totals) =
        directory.create_snapshot(|file| snapshot_writing::write(engine, &gate, file, || {}))?;
    let entry = SnapshotEntry { number, segment: None };
    directory.update_manifest(|manifest| manifest.add_snapshot(entry, 1))?;
    imported.keys = totals.keys;
    imported.snapshot = directory.snapshot_path(number);
    directory.release()
}

fn unusable(path: &Path, what: impl Into<String>) -> ImportError {
    ImportError::Unusable { path: path.to_owned(), what: what.into() }
}
