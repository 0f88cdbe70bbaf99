//! The thread that writes the log: group commit.
//!
//! Whatever was appended while it wrote goes to the disk with one `write`, and under `always` with one
//! `fsync`. Nobody else touches a segment.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use super::block::{BlockHeader, SegmentHeader};
use super::buffer::{Buffer, Mark};
use super::handle::{Log, Start};
use crate::base::random::Random;
use crate::config::choice::SyncPolicy;
use crate::config::params;
use crate::persist::disk::{self, DiskFile};
use crate::persist::manifest::SegmentEntry;

/// How long the writer rests after a write, unless somebody waits for it. Under load this makes a few
/// large writes of many small ones; what comes after a pause is written at once.
pub(super) const REST: Duration = Duration::from_millis(2);
/// `everysec`: what was written is synced after so long.
pub(super) const SYNC_EVERY_MS: i64 = 1000;

/// A segment that is open for writing.
struct Segment {
    entry: SegmentEntry,
    file: Box<dyn DiskFile>,
    salt: u32,
    bytes: u64,
}

/// See the module's description.
pub(super) struct Writer<'l> {
    log: &'l Log,
    segment: Option<Segment>,
    random: Random,
    /// A segment is new, and the manifest does not name it before its snapshot is complete.
    is_unlisted: bool,
    /// The position behind the last block.
    lsn: u64,
    /// The position up to which everything is durable.
    durable: u64,
}

impl<'l> Writer<'l> {
    pub(super) fn new(log: &'l Log) -> Writer<'l> {
        Writer {
            log,
            segment: None,
            random: Random::from_entropy(),
            is_unlisted: false,
            lsn: 0,
            durable: 0,
        }
    }

    /// Whether something was written that is not durable yet.
    pub(super) fn is_unsynced(&self) -> bool {
        self.durable < self.lsn
    }

    /// Begins the log: the first segment, where nothing was open.
    pub(super) fn start(&mut self, start: Start) -> io::Result<()> {
        (self.lsn, self.durable) = (start.lsn, start.lsn);
        self.is_unlisted = start.is_anew;
        self.segment = None;
        let status = &self.log.status;
        status.written.store(start.lsn, Relaxed);
        status.durable.store(start.lsn, SeqCst);
        status.base_lsn.store(start.base_lsn, Relaxed);
        self.begin_segment(start.segment, start.follows)
    }

    /// Writes everything that was appended.
    pub(super) fn write(&mut self, batch: &Buffer) -> io::Result<()> {
        let mut headers = Vec::new();
        let mut bodies = Vec::new();
        for (body, mark) in batch.blocks() {
            if !body.is_empty() {
                let salt = self.open().salt;
                headers.push(BlockHeader::new(self.lsn, body, self.durable, salt).print());
                bodies.push(body);
                self.lsn += body.len() as u64;
            }
            if let Mark::Cut(number) = mark {
                self.write_blocks(&headers, &bodies)?;
                headers.clear();
                bodies.clear();
                self.cut(number)?;
            }
        }
        self.write_blocks(&headers, &bodies)?;
        let bytes_max = self.log.config.int(params::LOG_SEGMENT_SIZE) as u64;
        if !self.is_unlisted && self.open().bytes > bytes_max {
            self.sync()?;
            self.begin_next_segment()?;
        }
        Ok(())
    }

    fn write_blocks(&mut self, headers: &[String], bodies: &[&[u8]]) -> io::Result<()> {
        if headers.is_empty() {
            return Ok(());
        }
        let blocks = headers.iter().zip(bodies);
        let pieces = blocks.flat_map(|(header, body)| [header.as_bytes(), body]);
        let mut pieces: Vec<IoSlice<'_>> = pieces.map(IoSlice::new).collect();
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let lsn = self.lsn;
        let segment = self.open();
        disk::write_all_pieces(&mut *segment.file, &mut pieces)?;
        segment.bytes += bytes as u64;
        let segment_bytes = segment.bytes;
        let status = &self.log.status;
        status.segment_bytes.store(segment_bytes, Relaxed);
        status.written.store(lsn, Relaxed);
        status.writes.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Makes everything durable that was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.is_unsynced() {
            return Ok(());
        }
        let began = self.log.clock.monotonic_nanos();
        self.open().file.sync()?;
        let nanos = (self.log.clock.monotonic_nanos() - began).max(0) as u64;
        self.durable = self.lsn;
        let status = &self.log.status;
        status.sync_nanos.record(nanos);
        status.syncs.fetch_add(1, Relaxed);
        // Sequentially consistent: see `net::Mailbox::log_advanced`.
        status.durable.store(self.durable, SeqCst);
        self.log.observer().synced(nanos / 1_000_000);
        Ok(())
    }

    /// A cut: what follows belongs to a new segment.
    fn cut(&mut self, number: u64) -> io::Result<()> {
        self.sync()?;
        // An empty segment is as good as a new one.
        if self.open().entry.lsn != self.lsn {
            self.begin_next_segment()?;
        }
        let entry = self.open().entry;
        self.log.note_cut(number, entry);
        Ok(())
    }

    fn begin_next_segment(&mut self) -> io::Result<()> {
        let next = self.open().entry.number + 1;
        self.begin_segment(next, None)
    }

    /// Opens a segment. The manifest names it before the first block is written to it.
    fn begin_segment(&mut self, number: u64, follows: Option<u64>) -> io::Result<()> {
        // A directory with a segment and without a manifest cannot be told from a damaged one.
        self.log.directory.ensure_manifest()?;
        let salt = self.random.next_u64() as u32;
        let entry = SegmentEntry { number, lsn: self.lsn };
        let header = SegmentHeader { number, lsn: self.lsn, salt }.print();
        let mut file = self.log.directory.create_segment(number)?;
        disk::write_all_pieces(&mut *file, &mut [IoSlice::new(header.as_bytes())])?;
        file.sync()?;
        self.log.directory.sync()?;
        if !self.is_unlisted {
            let mut replaced = Vec::new();
            self.log.directory.update_manifest(|manifest| {
                replaced = manifest.begin_segment(entry, follows);
            })?;
            for gone in replaced {
                self.log.directory.remove(&self.log.directory.segment_path(gone.number));
            }
        }
        let status = &self.log.status;
        status.segment.store(number, Relaxed);
        status.segment_bytes.store(header.len() as u64, Relaxed);
        self.segment = Some(Segment { entry, file, salt, bytes: header.len() as u64 });
        Ok(())
    }

    /// The snapshot that a new log follows is complete, and the manifest names both.
    pub(super) fn note_listed(&mut self) {
        self.is_unlisted = false;
    }

    /// Ends the log in order: everything is durable, and the manifest says where it ends.
    pub(super) fn close(&mut self) -> io::Result<()> {
        if self.segment.is_none() {
            return Ok(());
        }
        self.sync()?;
        let end = self.lsn;
        if !self.is_unlisted {
            self.log.directory.update_manifest(|manifest| manifest.end = Some(end))?;
        }
        self.segment = None;
        Ok(())
    }

    /// Lets go of a segment that cannot be written to.
    pub(super) fn abandon(&mut self) {
        self.segment = None;
        self.durable = self.lsn;
    }

    fn open(&mut self) -> &mut Segment {
        self.segment.as_mut().expect("nothing is appended before the log begins")
    }

    /// Whether the policy asks for a sync now.
    pub(super) fn is_sync_due(&self, policy: SyncPolicy, unsynced_ms: i64) -> bool {
        self.is_unsynced()
            && match policy {
                SyncPolicy::Always => true,
                SyncPolicy::Everysec => unsynced_ms >= SYNC_EVERY_MS,
                SyncPolicy::No => false,
            }
    }
}
