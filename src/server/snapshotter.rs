//! The snapshotter: the thread that writes snapshots, when asked, as `save` says, and when the log has
//! grown.
//!
//! A snapshot needs the world for an instant, to begin the cut of the store and, at the same instant, a
//! new segment of the log; then the store is read slice by slice while everybody goes on. The thread
//! yields between sections, so that on a busy machine it takes the time that is left over and no client
//! notices it. Once the manifest names the snapshot, older segments of the log are of no use: this is how
//! the log is compacted.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::backups::Backups;
use super::control::{send_path, send_reply};
use super::snapshot_schedule::{self, Due, Standing};
use super::snapshot_writing;
use crate::base::sync::{Condvar, Mutex, Rank};
use crate::config::params;
use crate::exec::{CommandError, Engine, Reload};
use crate::persist::DataDirectory;
use crate::persist::log::{CutTicket, Log, Phase};
use crate::persist::manifest::{SegmentEntry, SnapshotEntry};
use crate::persist::snapshot::Totals;
use crate::session::Client;
use crate::store::Gate;

/// How often it is looked at what it is time for.
const TICK: Duration = Duration::from_millis(100);

/// Who asked for a snapshot, and is told when it is done.
pub(super) enum Asker {
    Nobody,
    Client(Arc<Client>),
    /// The thread that stops the server.
    Stopper(Sender<bool>),
}

/// Something to do for the snapshotter.
pub(super) enum Job {
    Save(Asker),
    /// `BGREWRITEAOF`, or the log has grown: the same, counted apart.
    Rewrite,
    /// `DEBUG RELOAD` and `DEBUG LOADAOF`
    Reload {
        how: Reload,
        client: Arc<Client>,
    },
    /// `BACKUP`, or it is time for one.
    Backup {
        directory: PathBuf,
        client: Option<Arc<Client>>,
    },
    /// `CONFIG SET appendonly`: begin to log, begin anew or end, as the parameter says when its turn comes.
    FollowAppendonly,
}

impl Job {
    /// Whether nobody would notice if this were done in the place of both.
    fn is_as_good_as(&self, other: &Job) -> bool {
        matches!(
            (self, other),
            (Job::Save(Asker::Nobody), Job::Save(Asker::Nobody))
                | (Job::Rewrite, Job::Rewrite)
                | (Job::FollowAppendonly, Job::FollowAppendonly)
        )
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    stopping: bool,
}

/// How the last snapshots went, for `INFO`. Times are Unix milliseconds, -1 for never.
pub(super) struct SaveStatus {
    pub is_saving: AtomicBool,
    pub saving_since_ms: AtomicI64,
    pub last_save_ms: AtomicI64,
    pub last_try_ms: AtomicI64,
    pub last_duration_ms: AtomicI64,
    pub last_ok: AtomicBool,
    pub saves: AtomicU64,
    pub last_keys: AtomicU64,
    pub last_bytes: AtomicU64,
    pub last_error: Mutex<String>,
    /// The snapshot that is being written was asked for as a rewrite of the log.
    pub is_rewriting: AtomicBool,
    pub rewrites: AtomicU64,
    pub rewrites_failed_in_a_row: AtomicU64,
    pub last_rewrite_ok: AtomicBool,
    pub last_rewrite_ms: AtomicI64,
}

impl SaveStatus {
    fn new(now_ms: i64) -> SaveStatus {
        SaveStatus {
            is_saving: AtomicBool::new(false),
            saving_since_ms: AtomicI64::new(-1),
            last_save_ms: AtomicI64::new(now_ms),
            last_try_ms: AtomicI64::new(-1),
            last_duration_ms: AtomicI64::new(-1),
            last_ok: AtomicBool::new(true),
            saves: AtomicU64::new(0),
            last_keys: AtomicU64::new(0),
            last_bytes: AtomicU64::new(0),
            last_error: Mutex::new(Rank::Leaf, String::new()),
            is_rewriting: AtomicBool::new(false),
            rewrites: AtomicU64::new(0),
            rewrites_failed_in_a_row: AtomicU64::new(0),
            last_rewrite_ok: AtomicBool::new(true),
            last_rewrite_ms: AtomicI64::new(-1),
        }
    }
}

/// See the module's description.
pub(super) struct Snapshotter {
    pub(super) engine: Arc<Engine>,
    pub(super) directory: Arc<DataDirectory>,
    pub(super) log: Arc<Log>,
    backups: Arc<Backups>,
    queue: Mutex<Queue>,
    changed: Condvar,
    pub status: SaveStatus,
}

impl Snapshotter {
    pub(super) fn new(
        engine: &Arc<Engine>,
        directory: &Arc<DataDirectory>,
        log: &Arc<Log>,
        backups: &Arc<Backups>,
    ) -> Arc<Snapshotter> {
        let snapshotter = Arc::new(Snapshotter {
            engine: Arc::clone(engine),
            directory: Arc::clone(directory),
            log: Arc::clone(log),
            backups: Arc::clone(backups),
            queue: Mutex::new(Rank::Leaf, Queue::default()),
            changed: Condvar::new(),
            status: SaveStatus::new(engine.clock.unix_millis()),
        });
        engine.clock.on_advance_for(&snapshotter, |snapshotter| snapshotter.changed.notify_all());
        snapshotter
    }

    /// Puts a job into the queue, unless one waits there that does the same.
    pub(super) fn submit(&self, job: Job) {
        let mut queue = self.queue.lock();
        if !queue.jobs.iter().any(|waiting| waiting.is_as_good_as(&job)) {
            queue.jobs.push_back(job);
        }
        drop(queue);
        self.changed.notify_all();
    }

    pub(super) fn is_busy(&self) -> bool {
        self.status.is_saving.load(Ordering::Relaxed) || !self.queue.lock().jobs.is_empty()
    }

    /// Whether a rewrite of the log waits for its turn.
    pub(super) fn is_rewrite_scheduled(&self) -> bool {
        self.queue.lock().jobs.iter().any(|job| matches!(job, Job::Rewrite))
    }

    pub(super) fn is_rewriting(&self) -> bool {
        self.status.is_rewriting.load(Ordering::Relaxed)
    }

    /// Ends [`Snapshotter::run`] after the job that it is working on.
    pub(super) fn stop(&self) {
        self.queue.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Works until told to stop.
    pub(super) fn run(&self) {
        // Not by much: the longer a save takes, the more entries change under it and must be kept.
        super::yield_to_workers();
        let engine = Arc::clone(&self.engine);
        let gate = engine.keyspace.gate();
        while let Some(job) = self.next_job() {
            self.work_on(job, &gate);
            self.end_job();
        }
    }

    /// Called before the reply to a job is sent: whoever gets it may ask for the next.
    fn end_job(&self) {
        self.status.is_saving.store(false, Ordering::Relaxed);
    }

    fn work_on(&self, job: Job, gate: &Gate<'_>) {
        match job {
            Job::Save(asker) => {
                let saved = self.save(gate, Begin::Cut);
                self.end_job();
                match asker {
                    Asker::Nobody => {}
                    Asker::Client(client) => {
                        send_reply(&client, saved.map_err(|_| save_error()));
                    }
                    // Whoever asked may have given up.
                    Asker::Stopper(stopper) => drop(stopper.send(saved.is_ok())),
                }
            }
            Job::Rewrite => self.rewrite(gate),
            Job::Reload { how, client } => {
                let reloaded = self.reload(how, gate);
                self.end_job();
                send_reply(&client, reloaded);
            }
            Job::Backup { directory, client } => {
                let made = self.backups.make(gate, &directory);
                self.end_job();
                if let Some(client) = client {
                    send_path(&client, made);
                }
            }
            Job::FollowAppendonly => self.follow_appendonly(gate),
        }
    }

    /// Waits for a job; if there is none, what it is time for is one. `None` to stop.
    fn next_job(&self) -> Option<Job> {
        loop {
            if let Some(next) = self.take_job() {
                return next;
            }
            if let Some(job) = self.due_job() {
                self.submit(job);
                continue;
            }
            let mut queue = self.queue.lock();
            if queue.jobs.is_empty() && !queue.stopping {
                self.changed.wait_for(&mut queue, TICK);
            }
        }
    }

    /// The next in the queue; `Some(None)` to stop.
    fn take_job(&self) -> Option<Option<Job>> {
        let mut queue = self.queue.lock();
        if queue.stopping {
            return Some(None);
        }
        let job = queue.jobs.pop_front()?;
        // Before the queue is unlocked, so that nobody sees the thread idle in between.
        self.status.is_saving.store(true, Ordering::Relaxed);
        Some(Some(job))
    }

    /// What it is time for by itself.
    fn due_job(&self) -> Option<Job> {
        if self.engine.health.is_loading() {
            return None;
        }
        let now_ms = self.engine.clock.unix_millis();
        if self.backups.is_due(now_ms) {
            let directory = self.backups.directory()?;
            return Some(Job::Backup { directory, client: None });
        }
        let due = snapshot_schedule::due(&self.standing(now_ms), &self.engine.config)?;
        log::info!("{due}: saving");
        Some(match due {
            Due::SavePoint { .. } => Job::Save(Asker::Nobody),
            Due::Growth { .. } => Job::Rewrite,
        })
    }

    fn standing(&self, now_ms: i64) -> Standing {
        let (status, log) = (&self.status, self.log.status());
        let grown = (log.phase() == Phase::On).then(|| log.bytes_since_base());
        Standing {
            since_save_ms: now_ms - status.last_save_ms.load(Ordering::Relaxed),
            since_try_ms: now_ms - status.last_try_ms.load(Ordering::Relaxed),
            last_ok: status.last_ok.load(Ordering::Relaxed),
            changes: self.engine.stats.unsaved_changes(),
            base_bytes: status.last_bytes.load(Ordering::Relaxed),
            log_bytes: grown,
        }
    }

    /// Writes a snapshot of this instant, makes it the newest, and removes what it makes superfluous.
    pub(super) fn save(&self, gate: &Gate<'_>, begin: Begin) -> io::Result<()> {
        let keep = self.engine.config.int(params::SNAPSHOT_KEEP) as usize;
        self.save_beside(gate, begin, keep)?;
        if let Err(error) = self.directory.remove_superseded() {
            log::warn!("cannot remove old snapshots and segments: {error}");
        }
        Ok(())
    }

    /// Writes a snapshot of this instant and makes it the newest of `keep`.
    pub(super) fn save_beside(&self, gate: &Gate<'_>, begin: Begin, keep: usize) -> io::Result<()> {
        let began_ms = self.engine.clock.unix_millis();
        self.status.saving_since_ms.store(began_ms, Ordering::Relaxed);
        let result = self.write_and_publish(gate, begin, keep);
        if let (Begin::Anew, Err(error)) = (begin, &result) {
            self.log.give_up(error);
        }
        let ended_ms = self.engine.clock.unix_millis();
        self.status.last_try_ms.store(ended_ms, Ordering::Relaxed);
        self.status.last_duration_ms.store(ended_ms - began_ms, Ordering::Relaxed);
        self.status.last_ok.store(result.is_ok(), Ordering::Relaxed);
        self.engine.health.set_save_failed(result.is_err());
        match &result {
            Ok((path, totals)) => {
                self.status.last_save_ms.store(ended_ms, Ordering::Relaxed);
                if !self.is_rewriting() {
                    self.status.saves.fetch_add(1, Ordering::Relaxed);
                }
                self.status.last_keys.store(totals.keys, Ordering::Relaxed);
                self.set_base_bytes(totals.bytes);
                self.status.last_error.lock().clear();
                log::info!(
                    "saved {} keys, {} bytes to {} in {} ms",
                    totals.keys,
                    totals.bytes,
                    path.display(),
                    ended_ms - began_ms
                );
            }
            Err(error) => {
                *self.status.last_error.lock() = error.to_string();
                log::error!("saving failed: {error}; the last snapshot stays valid");
            }
        }
        result.map(drop)
    }

    /// How large the snapshot is that the log's growth is compared with.
    pub(super) fn set_base_bytes(&self, bytes: u64) {
        self.status.last_bytes.store(bytes, Ordering::Relaxed);
    }

    fn write_and_publish(
        &self,
        gate: &Gate<'_>,
        begin: Begin,
        keep: usize,
    ) -> io::Result<(PathBuf, Totals)> {
        let mut changes = 0;
        let mut ticket = None;
        let (number, totals) = self.directory.create_snapshot(|file| {
            snapshot_writing::write(&self.engine, gate, file, || {
                changes = self.engine.stats.changes();
                ticket = self.cut_log(begin);
            })
        })?;
        let path = self.directory.snapshot_path(number);
        let segment = ticket.and_then(|ticket| self.log.wait_for_cut(ticket));
        let published = self.publish(number, segment, begin, keep);
        if let Err(error) = published {
            self.directory.remove_unpublished(number);
            return Err(error);
        }
        self.engine.stats.set_changes_saved(changes);
        Ok((path, totals))
    }

    fn cut_log(&self, begin: Begin) -> Option<CutTicket> {
        match begin {
            Begin::Cut if self.log.status().phase() == Phase::On => Some(self.log.cut()),
            Begin::Cut => None,
            Begin::Anew => {
                let ticket = self.log.begin_anew();
                self.engine.hooks.set_log_wanted(true);
                Some(ticket)
            }
        }
    }

    /// Makes a complete snapshot part of the data set. `segment` begins at its cut.
    fn publish(
        &self,
        number: u64,
        segment: Option<SegmentEntry>,
        begin: Begin,
        keep: usize,
    ) -> io::Result<()> {
        let entry = SnapshotEntry { number, segment: segment.map(|segment| segment.number) };
        match (begin, segment) {
            (Begin::Cut, _) => {
                self.directory.update_manifest(|manifest| manifest.add_snapshot(entry, keep))?;
            }
            (Begin::Anew, Some(segment)) => {
                self.directory
                    .update_manifest(|manifest| manifest.begin_anew(entry, segment, keep))?;
                self.log.note_listed();
            }
            (Begin::Anew, None) => return Err(io::Error::other(self.log.status().last_error())),
        }
        if let Some(segment) = segment {
            self.log.compacted_to(segment.lsn);
        }
        Ok(())
    }

    fn rewrite(&self, gate: &Gate<'_>) {
        self.status.is_rewriting.store(true, Ordering::Relaxed);
        let is_ok = self.save(gate, Begin::Cut).is_ok();
        let status = &self.status;
        status.is_rewriting.store(false, Ordering::Relaxed);
        status.last_rewrite_ok.store(is_ok, Ordering::Relaxed);
        status
            .last_rewrite_ms
            .store(status.last_duration_ms.load(Ordering::Relaxed), Ordering::Relaxed);
        if is_ok {
            status.rewrites.fetch_add(1, Ordering::Relaxed);
            status.rewrites_failed_in_a_row.store(0, Ordering::Relaxed);
        } else {
            status.rewrites_failed_in_a_row.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The phase changes nowhere else, but for a failure.
    fn follow_appendonly(&self, gate: &Gate<'_>) {
        let is_wanted = self.engine.config.flag(params::APPENDONLY);
        match (is_wanted, self.log.status().phase()) {
            (true, Phase::Off | Phase::Failed) => {
                if self.save(gate, Begin::Anew).is_ok() {
                    log::info!("every change is logged from now on");
                }
            }
            (false, Phase::On | Phase::Starting | Phase::Failed) => self.stop_log(),
            (true, Phase::On | Phase::Starting) | (false, Phase::Off) => {}
        }
    }

    fn stop_log(&self) {
        {
            let _world = self.engine.keyspace.world();
            self.engine.hooks.set_log_wanted(false);
        }
        let flushed = self.log.flush();
        self.log.turn_off();
        match flushed.and_then(|()| self.log.flush()) {
            Ok(()) => log::info!("changes are not logged any more"),
            Err(error) => {
                log::error!("the log was not closed in order: {error}");
                // Closing it may be what has failed; it is off all the same.
                self.log.turn_off();
            }
        }
    }
}

/// What the log does at a snapshot's cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// If it is on, a new segment.
    Cut,
    /// It was off or had failed: it begins anew.
    Anew,
}

pub(super) fn save_error() -> CommandError {
    CommandError::text(
        "ERR Saving failed, see the server's log and INFO persistence for the reason",
    )
}
