//! Checking a data directory without a server: what is there, and what a start would make of it.
//!
//! Everything that the manifest names is read to its end: snapshots section by section, segments block by
//! block, each checksum, and whether what they hold are commands. The decisions are those of recovery,
//! which asks the same functions ([`SegmentReader::ending`], [`Manifest::bases`]). What the manifest does
//! not name is listed and not looked into, since no start would.
//!
//! Limits: commands are parsed, not executed, so a command that this version does not know is not
//! noticed. A directory that a server uses may be checked; if the server replaces files meanwhile, the
//! check begins again.
//!
//! [`SegmentReader::ending`]: super::log::SegmentReader::ending

mod files;
mod report;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::directory::{
    self, DirectoryError, Listing, manifest_of_snapshots, read_manifest, segment_path,
    snapshot_path,
};
use super::disk::{Disk, SystemDisk};
use super::log::SegmentReader;
use super::manifest::{self, Manifest, SegmentEntry};
pub(super) use files::verify_snapshot;
pub use report::{FileReport, Report, State, Verdict};

/// How often a check begins again when a server replaces files under it.
const ATTEMPTS: usize = 5;

/// Why nothing can be said; one line.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("cannot write {}: {error}", path.display())]
    Unwritable { path: PathBuf, error: io::Error },
    #[error("{} is in use by a server; stop it before --repair", .0.display())]
    InUse(PathBuf),
    #[error("there is no data set in {}; name the directory that --data-dir names", .0.display())]
    Nothing(PathBuf),
    #[error("a server replaces files in {} faster than they can be read; stop it, or check a copy", .0.display())]
    Changing(PathBuf),
}

/// Checks a directory. Changes nothing.
pub fn check(path: &Path) -> Result<Report, CheckError> {
    let is_in_use = directory::is_in_use(path);
    let is_in_use =
        is_in_use.map_err(|error| CheckError::Unreadable { path: path.to_owned(), error })?;
    examine(path, is_in_use)
}

/// Checks a directory and cuts off a torn end, if that is all that is wrong. A server may not start
/// meanwhile.
pub fn repair(path: &Path) -> Result<Report, CheckError> {
    let report = check(path)?;
    if report.is_in_use {
        return Err(CheckError::InUse(path.to_owned()));
    }
    if report.verdict != Verdict::Torn {
        return Ok(report);
    }
    let _lock = directory::lock(path).map_err(|error| match error {
        fs::TryLockError::WouldBlock => CheckError::InUse(path.to_owned()),
        fs::TryLockError::Error(error) => CheckError::Unwritable { path: path.to_owned(), error },
    })?;
    // A server may have come and gone before the lock was taken.
    let before = examine(path, false)?;
    let (Verdict::Torn, Some((number, offset))) = (before.verdict, before.torn_end()) else {
        return Ok(before);
    };
    let segment = segment_path(path, number);
    SystemDisk
        .truncate(&segment, offset)
        .map_err(|error| CheckError::Unwritable { path: segment, error })?;
    let mut repaired = examine(path, false)?;
    repaired.note_repair(number, &before);
    Ok(repaired)
}

/// Checks until the manifest stays the same meanwhile.
fn examine(path: &Path, is_in_use: bool) -> Result<Report, CheckError> {
    for _ in 0..ATTEMPTS {
        let before = manifest_bytes(path)?;
        let examined = examine_once(path, is_in_use);
        if manifest_bytes(path)? == before {
            return examined;
        }
    }
    Err(CheckError::Changing(path.to_owned()))
}

/// What the manifest consists of; `None` if there is none.
fn manifest_bytes(path: &Path) -> Result<Option<Vec<u8>>, CheckError> {
    let file = path.join(manifest::NAME);
    match fs::read(&file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CheckError::Unreadable { path: file, error }),
    }
}

fn examine_once(path: &Path, is_in_use: bool) -> Result<Report, CheckError> {
    let unreadable = |error| CheckError::Unreadable { path: path.to_owned(), error };
    let listing = directory::list(path).map_err(unreadable)?;
    let mut report = Report::new(is_in_use);
    let manifest = match read_manifest(path) {
        Ok(manifest) => {
            if listing.has_manifest {
                report.files.push(report::of_manifest(&manifest));
            }
            manifest
        }
        Err(DirectoryError::Unusable { error, .. }) => return Err(unreadable(error)),
        Err(error) => {
            report.files.push(report::of_bad_manifest(&error));
            made_up(path, &listing).map_err(unreadable)?
        }
    };
    let is_empty = listing.snapshots.is_empty() && listing.segments.is_empty();
    if is_empty && !listing.has_manifest {
        return Err(CheckError::Nothing(path.to_owned()));
    }
    check_files(path, &manifest, &mut report)?;
    report.files.extend(files::leftovers(path, &manifest).map_err(unreadable)?);
    report.conclude(&manifest);
    Ok(report)
}

/// A manifest of everything that lies there, as the files themselves say: without a usable one, they can
/// still be checked.
fn made_up(path: &Path, listing: &Listing) -> io::Result<Manifest> {
    let mut segments = Vec::new();
    for number in &listing.segments {
        let opened = SegmentReader::open_alone(&segment_path(path, *number))?;
        let lsn = opened.map_or(0, |reader| reader.entry().lsn);
        segments.push(SegmentEntry { number: *number, lsn });
    }
    Ok(Manifest { segments, ..manifest_of_snapshots(listing) })
}

/// Everything that the manifest names.
fn check_files(path: &Path, manifest: &Manifest, report: &mut Report) -> Result<(), CheckError> {
    for entry in &manifest.snapshots {
        let file = snapshot_path(path, entry.number);
        let checked = files::check_snapshot(&file, entry.number);
        report.files.push(checked.map_err(|error| CheckError::Unreadable { path: file, error })?);
    }
    for entry in &manifest.segments {
        let file = segment_path(path, entry.number);
        let checked = files::check_segment(&file, *entry, manifest.end_of(entry));
        report.files.push(checked.map_err(|error| CheckError::Unreadable { path: file, error })?);
    }
    Ok(())
}
