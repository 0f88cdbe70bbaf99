//! Checking one file after the other.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::report::{FileKind, FileReport, State};
use crate::persist::directory::{LOCK, is_unfinished, segment_path, snapshot_path};
use crate::persist::log::{BadSegment, Ending, SegmentReader, Unsound};
use crate::persist::manifest::{self, Manifest, SegmentEntry};
use crate::persist::snapshot::{Damage, Section, SnapshotReader};
use crate::resp::{Limits, ParseState, RequestParser};

const MISSING: &str = "it is missing";

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// How many commands these bytes are; or where one begins that is none, and why.
fn count_commands(bytes: &[u8]) -> Result<u64, (usize, String)> {
    let mut parser = RequestParser::default();
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        at += match parser.parse(&bytes[at..], &Limits::TRUSTED) {
            Ok(ParseState::Nothing(taken)) => taken,
            Ok(ParseState::Complete(taken)) => {
                count += 1;
                taken
            }
            Ok(ParseState::Incomplete(_)) => return Err((at, "a command is cut off".to_owned())),
            Err(error) => return Err((at, error.to_string())),
        };
    }
    Ok(count)
}

/// What a snapshot turned out to hold.
#[derive(Default)]
pub(in crate::persist) struct SnapshotTotals {
    sections: u64,
    keys: u64,
}

pub(super) fn check_snapshot(path: &Path, number: u64) -> io::Result<FileReport> {
    let mut report = FileReport {
        name: name(path),
        kind: FileKind::Snapshot(number),
        about: format!("snapshot {number}"),
        count: 0,
        state: State::Damaged(MISSING.to_owned()),
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(report),
        opened => opened?,
    };
    let bytes = file.metadata()?.len();
    let (SnapshotTotals { sections, keys }, damage) = verify_snapshot(file)?;
    report.state = match damage {
        None => State::Sound,
        Some(damage) if damage.is_newer => State::Newer(damage.what),
        Some(damage) => State::Damaged(damage.to_string()),
    };
    report.count = keys;
    report.about = format!("snapshot {number}, {bytes} bytes, {sections} sections, {keys} keys");
    Ok(report)
}

/// Reads a snapshot from its first line to its last, or as far as it is sound.
pub(in crate::persist) fn verify_snapshot(
    file: File,
) -> io::Result<(SnapshotTotals, Option<Damage>)> {
    let mut totals = SnapshotTotals::default();
    let mut reader = match SnapshotReader::new(file)? {
        Ok(reader) => reader,
        Err(damage) => return Ok((totals, Some(damage))),
    };
    loop {
        let section = reader.next_section()?;
        match section.and_then(|section| section.map(check_section).transpose()) {
            Ok(Some(section)) => {
                totals.sections += 1;
                totals.keys += section.keys;
            }
            Ok(None) => return Ok((totals, None)),
            Err(damage) => return Ok((totals, Some(damage))),
        }
    }
}

fn check_section(section: Section) -> Result<Section, Damage> {
    section.check()?;
    match count_commands(&section.body) {
        Ok(_) => Ok(section),
        Err((at, what)) => {
            let line = memchr::memchr_iter(b'\n', &section.body[..at]).count() as u64;
            Err(section.damage(section.line + line, what))
        }
    }
}

/// What a segment turned out to hold.
#[derive(Default)]
struct SegmentTotals {
    blocks: u64,
    commands: u64,
}

/// Checks a segment, which must end at the log position `end` if that is known.
pub(super) fn check_segment(
    path: &Path,
    entry: SegmentEntry,
    end: Option<u64>,
) -> io::Result<FileReport> {
    let SegmentEntry { number, lsn } = entry;
    let mut report = FileReport {
        name: name(path),
        kind: FileKind::Segment(number),
        about: format!("segment {number}"),
        count: 0,
        state: State::Damaged(MISSING.to_owned()),
    };
    let mut reader = match SegmentReader::open(path, entry) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(report),
        opened => match opened? {
            Ok(reader) => reader,
            Err(error) => {
                report.state = match error {
                    BadSegment::Newer(_) => State::Newer(error.to_string()),
                    BadSegment::Damaged(_) => State::Damaged(error.to_string()),
                };
                return Ok(report);
            }
        },
    };
    let mut totals = SegmentTotals::default();
    report.state = match read_segment(&mut reader, &mut totals)? {
        Err(what) => State::Damaged(what),
        Ok(unsound) => match reader.ending(unsound.as_ref(), end) {
            Ending::Whole => State::Sound,
            Ending::Torn { offset, bytes } => State::Torn { offset, bytes },
            Ending::Damaged(what) => State::Damaged(what),
        },
    };
    let SegmentTotals { blocks, commands } = totals;
    report.count = commands;
    report.about = format!(
        "segment {number}, {} bytes, {blocks} blocks, {commands} commands, lsn {lsn} to {}",
        reader.file_len(),
        reader.lsn()
    );
    Ok(report)
}

/// Reads as far as possible. An error is about a block that is sound and yet holds something else than
/// commands.
fn read_segment(
    reader: &mut SegmentReader,
    totals: &mut SegmentTotals,
) -> io::Result<Result<Option<Unsound>, String>> {
    loop {
        let block = match reader.next_block()? {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(Ok(None)),
            Err(unsound) => return Ok(Ok(Some(unsound))),
        };
        match count_commands(&block.body) {
            Ok(commands) => totals.commands += commands,
            Err((at, what)) => {
                let offset = block.offset + block.line_len + at as u64;
                return Ok(Err(format!("offset {offset}: {what}")));
            }
        }
        totals.blocks += 1;
    }
}

/// Files that no start reads, by name.
pub(super) fn leftovers(path: &Path, manifest: &Manifest) -> io::Result<Vec<FileReport>> {
    let snapshots = manifest.snapshots.iter().map(|entry| snapshot_path(path, entry.number));
    let segments = manifest.segments.iter().map(|entry| segment_path(path, entry.number));
    let mut known: Vec<String> = snapshots.chain(segments).map(|path| name(&path)).collect();
    known.extend([LOCK.to_owned(), manifest::NAME.to_owned()]);
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = name(&entry.path());
        if known.contains(&name) {
            continue;
        }
        let about = match entry.metadata() {
            Ok(metadata) => format!("{} bytes", metadata.len()),
            // A server has just removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let why = why_left_over(&name);
        found.push(FileReport {
            name,
            kind: FileKind::Other,
            about,
            count: 0,
            state: State::Leftover(why),
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn why_left_over(name: &str) -> &'static str {
    if is_unfinished(name) {
        "a file that was not finished; a start removes it"
    } else if name.ends_with(".damaged") {
        "set aside by --recover-anyway; nothing reads it"
    } else {
        "the manifest does not name it; nothing reads it"
    }
}
