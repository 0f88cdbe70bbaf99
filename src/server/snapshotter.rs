//! The snapshotter: the thread that writes snapshots, when asked and as `save` says.
//!
//! A snapshot needs the world for an instant, to begin the cut; then the store is read slice by slice
//! while everybody goes on. The thread yields between sections, so that on a busy machine it takes the
//! time that is left over and no client notices it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::loading;
use crate::base::sync::{Condvar, Mutex, Rank};
use crate::config::params;
use crate::exec::{CommandError, Engine};
use crate::persist::snapshot::{SnapshotWriter, Totals};
use crate::persist::{DataDirectory, SnapshotFile};
use crate::resp::{Outbox, Protocol, Reply};
use crate::session::{Client, Message};
use crate::store::{CutWalk, Lane};

/// How often save points are looked at.
const TICK: Duration = Duration::from_millis(100);
/// After a failure, automatic snapshots wait so long before they try again.
const RETRY_MS: i64 = 5_000;

/// Something to do for the snapshotter. A client that is named gets its reply when it is done.
pub(super) enum Job {
    Save(Option<Arc<Client>>),
    /// `DEBUG RELOAD`
    Reload {
        save: bool,
        client: Arc<Client>,
    },
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
        }
    }
}

/// See the module's description.
pub(super) struct Snapshotter {
    engine: Arc<Engine>,
    directory: DataDirectory,
    queue: Mutex<Queue>,
    changed: Condvar,
    pub status: SaveStatus,
}

impl Snapshotter {
    pub(super) fn new(engine: &Arc<Engine>, directory: DataDirectory) -> Arc<Snapshotter> {
        let snapshotter = Arc::new(Snapshotter {
            engine: Arc::clone(engine),
            directory,
            queue: Mutex::new(Rank::Leaf, Queue::default()),
            changed: Condvar::new(),
            status: SaveStatus::new(engine.clock.unix_millis()),
        });
        let on_advance = Arc::clone(&snapshotter);
        engine.clock.on_advance(move || on_advance.changed.notify_all());
        snapshotter
    }

    pub(super) fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    pub(super) fn submit(&self, job: Job) {
        self.queue.lock().jobs.push_back(job);
        self.changed.notify_all();
    }

    pub(super) fn is_busy(&self) -> bool {
        self.status.is_saving.load(Ordering::Relaxed) || !self.queue.lock().jobs.is_empty()
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
        let lane = engine.keyspace.lane();
        while let Some(job) = self.next_job() {
            match job {
                Job::Save(client) => {
                    let reply = self.save(&lane).map(drop).map_err(|_| save_error());
                    if let Some(client) = client {
                        send_reply(&client, reply);
                    }
                }
                Job::Reload { save, client } => {
                    let reply = self.reload(save, &lane);
                    self.status.is_saving.store(false, Ordering::Relaxed);
                    send_reply(&client, reply);
                }
            }
        }
    }

    /// Waits for a job; a save point that is reached is one. `None` to stop.
    fn next_job(&self) -> Option<Job> {
        loop {
            let reached = self.is_save_point_reached();
            let mut queue = self.queue.lock();
            if queue.stopping {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front().or(reached.then_some(Job::Save(None))) {
                // Before the queue is unlocked, so that nobody sees the thread idle in between.
                self.status.is_saving.store(true, Ordering::Relaxed);
                return Some(job);
            }
            self.changed.wait_for(&mut queue, TICK);
        }
    }

    fn is_save_point_reached(&self) -> bool {
        let changes = self.engine.stats.unsaved_changes();
        if changes == 0 || self.engine.health.is_loading() {
            return false;
        }
        let now_ms = self.engine.clock.unix_millis();
        let since_save = now_ms - self.status.last_save_ms.load(Ordering::Relaxed);
        let since_try = now_ms - self.status.last_try_ms.load(Ordering::Relaxed);
        if !self.status.last_ok.load(Ordering::Relaxed) && since_try < RETRY_MS {
            return false;
        }
        let points = self.engine.config.save_points();
        let reached = points
            .iter()
            .find(|point| changes >= point.changes && since_save >= point.seconds as i64 * 1000);
        if let Some(point) = reached {
            log::info!("{changes} changes in {} seconds: saving", point.seconds);
        }
        reached.is_some()
    }

    /// Writes a snapshot of this instant and removes the oldest.
    pub(super) fn save(&self, lane: &Lane<'_>) -> io::Result<SnapshotFile> {
        let began_ms = self.engine.clock.unix_millis();
        self.status.saving_since_ms.store(began_ms, Ordering::Relaxed);
        self.status.is_saving.store(true, Ordering::Relaxed);
        let result = self.write(lane);
        let ended_ms = self.engine.clock.unix_millis();
        self.status.is_saving.store(false, Ordering::Relaxed);
        self.status.last_try_ms.store(ended_ms, Ordering::Relaxed);
        self.status.last_duration_ms.store(ended_ms - began_ms, Ordering::Relaxed);
        self.status.last_ok.store(result.is_ok(), Ordering::Relaxed);
        self.engine.health.set_save_failed(result.is_err());
        match &result {
            Ok((file, totals)) => {
                self.status.last_save_ms.store(ended_ms, Ordering::Relaxed);
                self.status.saves.fetch_add(1, Ordering::Relaxed);
                self.status.last_keys.store(totals.keys, Ordering::Relaxed);
                self.status.last_bytes.store(totals.bytes, Ordering::Relaxed);
                self.status.last_error.lock().clear();
                log::info!(
                    "saved {} keys, {} bytes to {} in {} ms",
                    totals.keys,
                    totals.bytes,
                    file.path.display(),
                    ended_ms - began_ms
                );
                self.rotate();
            }
            Err(error) => {
                *self.status.last_error.lock() = error.to_string();
                log::error!("saving failed: {error}; the last snapshot stays valid");
            }
        }
        result.map(|(file, _)| file)
    }

    fn write(&self, lane: &Lane<'_>) -> io::Result<(SnapshotFile, Totals)> {
        let keyspace = &self.engine.keyspace;
        let mut changes = 0;
        let written = self.directory.create_snapshot(|file| {
            let mut writer = SnapshotWriter::new(file)?;
            let mut walk = {
                let world = keyspace.world();
                changes = self.engine.stats.changes();
                CutWalk::begin(keyspace, lane, &world)
            };
            while walk
                .slice(|db, key, value, deadline| writer.add(db, key, value, deadline))
                .map_err(io::Error::other)?
            {
                // Not oftener: on a busy machine it may take long until the thread's turn comes again.
                if writer.flush_if_large()? {
                    std::thread::yield_now();
                }
            }
            writer.finish()
        })?;
        self.engine.stats.set_changes_saved(changes);
        Ok(written)
    }

    fn rotate(&self) {
        let keep = self.engine.config.int(params::SNAPSHOT_KEEP) as usize;
        if let Err(error) = self.directory.rotate(keep) {
            log::warn!("cannot remove old snapshots: {error}");
        }
    }

    /// Saves, empties the store and loads what was saved. Clients hear `LOADING` meanwhile.
    fn reload(&self, save: bool, lane: &Lane<'_>) -> Result<(), CommandError> {
        {
            let _world = self.engine.keyspace.world();
            self.engine.health.set_loading(true);
        }
        let result = self.reload_held(save, lane);
        self.engine.health.set_loading(false);
        result
    }

    fn reload_held(&self, save: bool, lane: &Lane<'_>) -> Result<(), CommandError> {
        let failed = |error: &dyn std::fmt::Display| {
            log::error!("reloading failed: {error}");
            CommandError::text("ERR Error trying to load the snapshot, check server logs.")
        };
        if save {
            self.save(lane).map_err(|_| save_error())?;
        }
        let newest = self.directory.snapshots().map_err(|error| failed(&error))?.pop();
        let newest = newest.ok_or_else(|| failed(&"there is no snapshot"))?;
        loading::empty_store(&self.engine);
        loading::load(&self.engine, &newest, false).map_err(|error| failed(&error))?;
        Ok(())
    }
}

fn save_error() -> CommandError {
    CommandError::text(
        "ERR Saving failed, see the server's log and INFO persistence for the reason",
    )
}

/// Sends the reply that a client waits for.
pub(super) fn send_reply(client: &Client, result: Result<(), CommandError>) {
    let mut outbox = Outbox::default();
    // OK and errors look the same in both protocols.
    let mut reply = Reply::new(&mut outbox, Protocol::Resp2);
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error.to_string().as_bytes()),
    }
    client.send(Message::Reply(outbox.take_all()));
}
