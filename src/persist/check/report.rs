//! What a check found: a line per file, and a verdict.

use std::fmt;

use crate::persist::DirectoryError;
use crate::persist::manifest::{self, Manifest};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Manifest,
    Snapshot(u64),
    Segment(u64),
    /// The manifest does not name it.
    Other,
}

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Sound,
    /// What follows the offset was never completely written.
    Torn {
        offset: u64,
        bytes: u64,
    },
    /// Where, and what.
    Damaged(String),
    /// A newer version wrote it, so it cannot be checked.
    Newer(String),
    /// No start reads it.
    Leftover(&'static str),
}

/// A file and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    pub name: String,
    pub kind: FileKind,
    /// What it holds, as far as it could be read.
    pub about: String,
    /// Keys of a snapshot, commands of a segment.
    pub count: u64,
    pub state: State,
}

/// What to make of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Sound,
    /// A start would cut off the end.
    Torn,
    /// Something is damaged; `refused` if a start would refuse for it.
    Damaged {
        refused: bool,
    },
    /// Something is of a newer version.
    Newer,
}

/// See the module's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub files: Vec<FileReport>,
    pub verdict: Verdict,
    /// A server uses the directory.
    pub is_in_use: bool,
    /// The sentence that the verdict is told with.
    summary: String,
}

impl Report {
    pub(super) fn new(is_in_use: bool) -> Report {
        Report { files: Vec::new(), verdict: Verdict::Sound, is_in_use, summary: String::new() }
    }

    /// The segment that has a torn end, and where that begins.
    pub(super) fn torn_end(&self) -> Option<(u64, u64)> {
        self.files.iter().find_map(|file| match (file.kind, &file.state) {
            (FileKind::Segment(number), State::Torn { offset, .. }) => Some((number, *offset)),
            _ => None,
        })
    }

    fn is_usable(&self, kind: FileKind) -> bool {
        let found = self.files.iter().find(|file| file.kind == kind);
        found.is_some_and(|file| matches!(file.state, State::Sound | State::Torn { .. }))
    }

    /// The verdict, once all files are looked at.
    pub(super) fn conclude(&mut self, manifest: &Manifest) {
        let has = |wanted: fn(&State) -> bool| self.files.iter().any(|file| wanted(&file.state));
        self.verdict = if has(|state| matches!(state, State::Newer(_))) {
            Verdict::Newer
        } else if has(|state| matches!(state, State::Damaged(_))) {
            Verdict::Damaged { refused: !self.would_start(manifest) }
        } else if has(|state| matches!(state, State::Torn { .. })) && !self.is_in_use {
            Verdict::Torn
        } else {
            Verdict::Sound
        };
        self.summary = self.summarise(manifest);
    }

    /// Whether a start would load the present, because what is damaged is not needed for it.
    fn would_start(&self, manifest: &Manifest) -> bool {
        let is_damaged =
            |file: &FileReport| matches!(file.state, State::Damaged(_) | State::Newer(_));
        if self.files.iter().any(|file| file.kind == FileKind::Manifest && is_damaged(file)) {
            return false;
        }
        let bases = manifest.bases();
        let base = bases.iter().find(|base| self.is_usable(FileKind::Snapshot(base.number)));
        if base.is_none() && !bases.is_empty() {
            return false;
        }
        let mut segments = manifest.segments_after(base).iter();
        segments.all(|segment| self.is_usable(FileKind::Segment(segment.number)))
    }

    fn summarise(&self, manifest: &Manifest) -> String {
        match self.verdict {
            Verdict::Sound => format!("sound: {}", self.contents(manifest)),
            Verdict::Torn => "torn: the log ends in the middle of a write, as after a crash; a start cuts that \
                 end off, and so does --repair"
                .to_owned(),
            Verdict::Damaged { refused: true } => {
                "damaged: a start would refuse. Restore the directory from a backup, or start with \
                 --recover-anyway to load what is sound"
                    .to_owned()
            }
            Verdict::Damaged { refused: false } => {
                "damaged, but a start does not need what is damaged; a new snapshot (SAVE) replaces it"
                    .to_owned()
            }
            Verdict::Newer => {
                "not checked: a newer version wrote this; check it with that version".to_owned()
            }
        }
    }

    /// What a start would load.
    fn contents(&self, manifest: &Manifest) -> String {
        let count = |kind| {
            let found = self.files.iter().find(|file| file.kind == kind);
            found.map_or(0, |file| file.count)
        };
        let base = manifest.snapshots.last();
        let segments = manifest.segments_after(base).iter();
        let commands: u64 = segments.map(|entry| count(FileKind::Segment(entry.number))).sum();
        match base {
            None => format!("no snapshot, and {commands} commands in the log"),
            Some(base) => {
                let keys = count(FileKind::Snapshot(base.number));
                format!(
                    "{keys} keys in the newest snapshot, and {commands} commands logged after it"
                )
            }
        }
    }

    /// Says what a repair did: `before` is what was found before it.
    pub(super) fn note_repair(&mut self, number: u64, before: &Report) {
        let is_it = |file: &&FileReport| file.kind == FileKind::Segment(number);
        let Some(FileReport { name, state: State::Torn { offset, bytes }, .. }) =
            before.files.iter().find(is_it)
        else {
            return;
        };
        self.summary = format!(
            "repaired: {bytes} bytes were cut off {name} at offset {offset}; {}",
            self.summary
        );
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20} ", self.name)?;
        if !self.about.is_empty() {
            write!(f, "{}: ", self.about)?;
        }
        match &self.state {
            State::Sound => f.write_str("sound"),
            State::Torn { offset, bytes } => {
                write!(
                    f,
                    "torn at offset {offset}: the last {bytes} bytes were never completely written"
                )
            }
            State::Damaged(what) => write!(f, "DAMAGED: {what}"),
            State::Newer(what) => write!(f, "not checked: {what}"),
            State::Leftover(why) => write!(f, "left over: {why}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_in_use {
            writeln!(
                f,
                "a server uses this directory: the end of its log may be just being written"
            )?;
        }
        self.files.iter().try_for_each(|file| writeln!(f, "{file}"))?;
        write!(f, "{}", self.summary)
    }
}

pub(super) fn of_manifest(manifest: &Manifest) -> FileReport {
    let log = match (manifest.segments.is_empty(), manifest.end) {
        (true, _) => "no log".to_owned(),
        (false, None) => "the log is open".to_owned(),
        (false, Some(end)) => format!("the log ends at lsn {end}"),
    };
    FileReport {
        name: manifest::NAME.to_owned(),
        kind: FileKind::Manifest,
        about: format!(
            "manifest, {} snapshots, {} segments, {log}",
            manifest.snapshots.len(),
            manifest.segments.len()
        ),
        count: 0,
        state: State::Sound,
    }
}

/// A manifest that is no use, or missing.
pub(super) fn of_bad_manifest(error: &DirectoryError) -> FileReport {
    let state = match error {
        DirectoryError::NewerManifest { error, .. } => State::Newer(error.to_string()),
        DirectoryError::DamagedManifest { error, .. } => State::Damaged(error.to_string()),
        _ => {
            State::Damaged("it is missing, and nothing else says what the segments are".to_owned())
        }
    };
    FileReport {
        name: manifest::NAME.to_owned(),
        kind: FileKind::Manifest,
        about: "manifest".to_owned(),
        count: 0,
        state,
    }
}
