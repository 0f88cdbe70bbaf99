//! The manifest: which files of the data directory make up the data set, and in which order.
//!
//! ```text
//! # sanderling manifest 1
//! snapshot 11 segment 6
//! snapshot 12 segment 8
//! segment 6 lsn 1000
//! segment 7 lsn 5000
//! segment 8 lsn 9000
//! end 12345
//! # crc32c 0c9d1a2e
//! ```
//!
//! - `snapshot N segment M`: snapshot N is complete, and what happened after it is in segments M and
//!   later. `snapshot N alone`: the log was off when it was made; nothing follows it.
//! - `segment N lsn L`: a segment of the log, and the log position that it begins at. All but the last end
//!   where the next one begins.
//! - `end L`: the log ends exactly here; there after an orderly stop. Without it, a torn end is possible.
//! - The last line is the CRC32C of everything before it.
//!
//! The present is the newest snapshot and all segments from the one that it names on. Without snapshots
//! it is all segments, on top of nothing. The file is replaced as a whole, never changed.

use std::fmt::Write;

/// The name of the file.
pub const NAME: &str = "manifest";
const MAGIC: &str = "# sanderling manifest ";
const VERSION: u64 = 1;

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("its format, version {0}, is newer than this server; use the version that wrote it")]
    Newer(u64),
    #[error("line {line}: {what}")]
    Damaged { line: usize, what: String },
}

/// A snapshot, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    pub number: u64,
    /// The first segment that is not part of it; `None` if the log was off.
    pub segment: Option<u64>,
}

/// A segment of the log, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    pub number: u64,
    /// The log position of its first block.
    pub lsn: u64,
}

/// See the module's description. Entries are in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub snapshots: Vec<SnapshotEntry>,
    pub segments: Vec<SegmentEntry>,
    /// Where the log ends, if it was closed in order.
    pub end: Option<u64>,
}

impl Manifest {
    /// The text of the file.
    pub fn print(&self) -> String {
        let mut text = format!("{MAGIC}{VERSION}\n");
        let written = "writing to a string succeeds";
        for SnapshotEntry { number, segment } in &self.snapshots {
            match segment {
                Some(segment) => writeln!(text, "snapshot {number} segment {segment}"),
                None => writeln!(text, "snapshot {number} alone"),
            }
            .expect(written);
        }
        for SegmentEntry { number, lsn } in &self.segments {
            writeln!(text, "segment {number} lsn {lsn}").expect(written);
        }
        if let Some(end) = self.end {
            writeln!(text, "end {end}").expect(written);
        }
        let crc = crc32c::crc32c(text.as_bytes());
        writeln!(text, "# crc32c {crc:08x}").expect(written);
        text
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let version = text.lines().next().and_then(|line| line.strip_prefix(MAGIC));
        match version.and_then(|version| version.parse().ok()) {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => return Err(ManifestError::Newer(newer)),
            _ => return Err(damaged(1, format!("it does not begin with \"{MAGIC}{VERSION}\""))),
        }
        let last = text.lines().count();
        let body_len = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
        let (body, crc) = text.split_at(body_len);
        if crc != format!("# crc32c {:08x}\n", crc32c::crc32c(body.as_bytes())) {
            return Err(damaged(last, "the checksum is wrong: the file was altered or cut off"));
        }
        let mut manifest = Manifest::default();
        for (index, line) in body.lines().enumerate().skip(1) {
            let known = manifest.add(line);
            known.ok_or_else(|| damaged(index + 1, format!("{line:?} is not understood")))?;
        }
        manifest.check()?;
        Ok(manifest)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().ok();
        match words[..] {
            ["snapshot", n, "segment", segment] => self
                .snapshots
                .push(SnapshotEntry { number: number(n)?, segment: Some(number(segment)?) }),
            ["snapshot", n, "alone"] => {
                self.snapshots.push(SnapshotEntry { number: number(n)?, segment: None });
            }
            ["segment", n, "lsn", lsn] => {
                self.segments.push(SegmentEntry { number: number(n)?, lsn: number(lsn)? });
            }
            ["end", lsn] => self.end = Some(number(lsn)?),
            _ => return None,
        }
        Some(())
    }

    /// What the checksum cannot tell: whether the entries fit together.
    fn check(&self) -> Result<(), ManifestError> {
        let rising = self.snapshots.is_sorted_by(|a, b| a.number < b.number)
            && self.segments.is_sorted_by(|a, b| a.number < b.number && a.lsn <= b.lsn);
        let known = |snapshot: &SnapshotEntry| {
            snapshot.segment.is_none_or(|number| self.segments.iter().any(|s| s.number == number))
        };
        if rising && self.snapshots.iter().all(known) {
            return Ok(());
        }
        Err(damaged(1, "the entries contradict each other"))
    }

    /// The segments that follow a snapshot (all of them, without one), oldest first.
    pub fn segments_after(&self, snapshot: Option<&SnapshotEntry>) -> &[SegmentEntry] {
        let first = match snapshot {
            None => return &self.segments,
            Some(SnapshotEntry { segment: None, .. }) => return &[],
            Some(SnapshotEntry { segment: Some(first), .. }) => *first,
        };
        let from = self.segments.partition_point(|segment| segment.number < first);
        &self.segments[from..]
    }

    /// A segment begins; snapshot `follows` is the one before it, if nothing else says so. Segments without
    /// blocks make room. Returns those.
    pub fn begin_segment(
        &mut self,
        segment: SegmentEntry,
        follows: Option<u64>,
    ) -> Vec<SegmentEntry> {
        let stays = |other: &SegmentEntry| other.number < segment.number && other.lsn < segment.lsn;
        let (staying, replaced): (Vec<_>, Vec<_>) = self.segments.drain(..).partition(stays);
        for snapshot in &mut self.snapshots {
            let is_replaced = replaced.iter().any(|gone| Some(gone.number) == snapshot.segment);
            if is_replaced || Some(snapshot.number) == follows {
                snapshot.segment = Some(segment.number);
            }
        }
        self.segments = staying;
        self.segments.push(segment);
        self.end = None;
        replaced
    }

    /// The log position that a segment must end at, if something says where it ends.
    pub fn end_of(&self, segment: &SegmentEntry) -> Option<u64> {
        let next = self.segments.iter().find(|other| other.number > segment.number);
        next.map(|next| next.lsn).or(self.end)
    }

    /// The snapshots from which there is a way to the present, the best first: the newest, and older ones
    /// that the log reaches back to.
    pub fn bases(&self) -> Vec<SnapshotEntry> {
        let Some((newest, older)) = self.snapshots.split_last() else { return Vec::new() };
        let mut bases = vec![*newest];
        if newest.segment.is_some() {
            bases.extend(older.iter().rev().filter(|entry| entry.segment.is_some()));
        }
        bases
    }

    /// The log begins anew with a snapshot: from older ones one cannot get to the present any more.
    pub fn begin_anew(&mut self, snapshot: SnapshotEntry, segment: SegmentEntry, keep: usize) {
        self.snapshots.iter_mut().for_each(|older| older.segment = None);
        self.segments = vec![segment];
        self.end = None;
        self.add_snapshot(snapshot, keep);
    }

    /// Adds a snapshot and forgets all but the newest `keep`, and the segments that only older ones
    /// needed.
    pub fn add_snapshot(&mut self, entry: SnapshotEntry, keep: usize) {
        self.snapshots.push(entry);
        let surplus = self.snapshots.len().saturating_sub(keep);
        self.snapshots.drain(..surplus);
        // A snapshot without a log makes everything older superfluous: one could not get from there to
        // here.
        if entry.segment.is_none() {
            self.segments.clear();
            self.end = None;
            self.snapshots.iter_mut().for_each(|snapshot| snapshot.segment = None);
            return;
        }
        let oldest = self.snapshots.iter().find_map(|snapshot| snapshot.segment);
        self.segments.retain(|segment| oldest.is_none_or(|oldest| segment.number >= oldest));
    }
}

fn damaged(line: usize, what: impl Into<String>) -> ManifestError {
    ManifestError::Damaged { line, what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let snapshot = |number, segment| SnapshotEntry { number, segment };
        let segment = |number, lsn| SegmentEntry { number, lsn };
        Manifest {
            snapshots: vec![snapshot(11, Some(6)), snapshot(12, Some(8))],
            segments: vec![segment(6, 1000), segment(7, 5000), segment(8, 9000)],
            end: Some(12_345),
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for manifest in [Manifest::default(), example()] {
            assert_eq!(Manifest::parse(&manifest.print()), Ok(manifest));
        }
    }

    #[test]
    fn every_altered_or_missing_byte_is_noticed() {
        let text = example().print();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let altered = String::from_utf8(bytes).unwrap();
            assert!(Manifest::parse(&altered).is_err(), "byte {at}: {altered}");
            assert!(Manifest::parse(&text[..at]).is_err(), "cut off at {at}");
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let text = example().print().replace("manifest 1", "manifest 2");
        assert_eq!(Manifest::parse(&text), Err(ManifestError::Newer(2)));
    }

    #[test]
    fn entries_that_contradict_each_other_are_refused() {
        let mut manifest = example();
        manifest.snapshots[1].segment = Some(9);
        assert!(Manifest::parse(&manifest.print()).is_err());
        let mut manifest = example();
        manifest.segments.swap(0, 1);
        assert!(Manifest::parse(&manifest.print()).is_err());
    }

    #[test]
    fn a_segment_takes_the_place_of_those_without_blocks() {
        let mut manifest = example();
        let next = SegmentEntry { number: 9, lsn: 9000 };
        assert_eq!(manifest.begin_segment(next, None), [SegmentEntry { number: 8, lsn: 9000 }]);
        assert_eq!((manifest.segments[2], manifest.end), (next, None));
        let named: Vec<_> = manifest.snapshots.iter().map(|snapshot| snapshot.segment).collect();
        assert_eq!(named, [Some(6), Some(9)]);
        assert_eq!(Manifest::parse(&manifest.print()), Ok(manifest.clone()));
        let next = SegmentEntry { number: 10, lsn: 9001 };
        assert_eq!(manifest.begin_segment(next, Some(11)), []);
        assert_eq!(manifest.snapshots[0].segment, Some(10));
    }

    #[test]
    fn a_segment_ends_where_the_next_one_begins_and_the_last_where_the_manifest_says() {
        let mut manifest = example();
        let ends = |manifest: &Manifest| -> Vec<Option<u64>> {
            manifest.segments.iter().map(|segment| manifest.end_of(segment)).collect()
        };
        assert_eq!(ends(&manifest), [Some(5000), Some(9000), Some(12_345)]);
        manifest.end = None;
        assert_eq!(ends(&manifest), [Some(5000), Some(9000), None]);
    }

    #[test]
    fn the_present_can_be_reached_from_every_snapshot_that_the_log_follows() {
        let numbers = |manifest: &Manifest| -> Vec<u64> {
            manifest.bases().iter().map(|snapshot| snapshot.number).collect()
        };
        let mut manifest = example();
        assert_eq!(numbers(&manifest), [12, 11]);
        manifest.snapshots[0].segment = None;
        assert_eq!(numbers(&manifest), [12]);
        manifest.snapshots[0].segment = Some(6);
        manifest.snapshots[1].segment = None;
        assert_eq!(numbers(&manifest), [12]);
        assert!(numbers(&Manifest::default()).is_empty());
    }

    #[test]
    fn old_segments_go_with_the_last_snapshot_that_needs_them() {
        let mut manifest = example();
        manifest.add_snapshot(SnapshotEntry { number: 13, segment: Some(8) }, 2);
        let numbers: Vec<u64> = manifest.segments.iter().map(|segment| segment.number).collect();
        assert_eq!((manifest.snapshots.len(), &numbers[..]), (2, &[8][..]));
        assert_eq!(manifest.segments_after(manifest.snapshots.last()).len(), 1);
        manifest.add_snapshot(SnapshotEntry { number: 14, segment: None }, 2);
        assert!(manifest.segments.is_empty() && manifest.snapshots[0].segment.is_none());
    }
}
