//! Backups: `BACKUP`, `backup-interval`, and shipping them elsewhere with `backup-command`.
//!
//! The snapshotter writes a backup as it writes a snapshot, from a consistent cut beside the running
//! server; the data directory does not change. A thread of its own then runs the command, because nobody
//! knows how long it takes, and repeats it when it fails, until it succeeds or there is a newer backup.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::info_persistence::{outcome, seconds};
use super::snapshot_writing;
use crate::base::sync::{Condvar, Mutex, Rank};
use crate::base::words::split_words;
use crate::config::params;
use crate::exec::{Engine, InfoLines};
use crate::persist::backup;
use crate::persist::disk::Disk;
use crate::store::Gate;

/// After the command has failed, it is run again after so long.
const RETRY_MS: i64 = 30_000;
/// After a backup has failed, the next is tried after so long.
const BACKUP_RETRY_MS: i64 = 60_000;
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How the last backups went. Times are Unix milliseconds, -1 for never.
struct Status {
    backups: AtomicU64,
    /// Of those in the configured directory alone: that is what the interval counts from.
    scheduled_ok: AtomicBool,
    scheduled_ms: AtomicI64,
    scheduled_try_ms: AtomicI64,
    /// Of all.
    last_ok: AtomicBool,
    last_ms: AtomicI64,
    last_file: Mutex<String>,
    last_error: Mutex<String>,
    shipped: AtomicU64,
    ship_failures: AtomicU64,
    ship_ok: AtomicBool,
    ship_error: Mutex<String>,
}

impl Default for Status {
    fn default() -> Status {
        let text = || Mutex::new(Rank::Leaf, String::new());
        Status {
            backups: AtomicU64::new(0),
            last_ok: AtomicBool::new(true),
            last_ms: AtomicI64::new(-1),
            scheduled_ok: AtomicBool::new(true),
            scheduled_ms: AtomicI64::new(-1),
            scheduled_try_ms: AtomicI64::new(-1),
            last_file: text(),
            last_error: text(),
            shipped: AtomicU64::new(0),
            ship_failures: AtomicU64::new(0),
            ship_ok: AtomicBool::new(true),
            ship_error: text(),
        }
    }
}

#[derive(Default)]
struct Shipping {
    /// The newest backup that was not shipped yet, and when to try (Unix milliseconds).
    next: Option<(PathBuf, i64)>,
    stopping: bool,
}

/// See the module's description.
pub(super) struct Backups {
    engine: Arc<Engine>,
    disk: Arc<dyn Disk>,
    status: Status,
    shipping: Mutex<Shipping>,
    changed: Condvar,
}

impl Backups {
    pub(super) fn new(engine: &Arc<Engine>, disk: Arc<dyn Disk>) -> Arc<Backups> {
        let backups = Arc::new(Backups {
            engine: Arc::clone(engine),
            disk,
            status: Status::default(),
            shipping: Mutex::new(Rank::Leaf, Shipping::default()),
            changed: Condvar::new(),
        });
        backups.find_last();
        engine.clock.on_advance_for(&backups, |backups| backups.changed.notify_all());
        backups
    }

    /// Where backups go that name no directory.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        let directory = self.engine.config.text(params::BACKUP_DIR);
        (!directory.is_empty()).then(|| PathBuf::from(&*directory))
    }

    /// The interval counts from the last backup, also over a restart.
    fn find_last(&self) {
        let newest = self.directory().and_then(|directory| backup::list(&directory).ok()?.pop());
        if let Some(unix_s) = newest.and_then(|path| backup::time_of(&path)) {
            self.status.last_ms.store(unix_s * 1000, Relaxed);
            self.status.scheduled_ms.store(unix_s * 1000, Relaxed);
        }
    }

    /// Whether it is time for the next one.
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        let interval_ms = self.engine.config.int(params::BACKUP_INTERVAL) * 1000;
        interval_ms > 0
            && self.directory().is_some()
            && now_ms - self.status.scheduled_ms.load(Relaxed) >= interval_ms
            && (self.status.scheduled_ok.load(Relaxed)
                || now_ms - self.status.scheduled_try_ms.load(Relaxed) >= BACKUP_RETRY_MS)
    }

    /// Whether this is where the server puts backups by itself.
    fn is_scheduled_place(&self, directory: &Path) -> bool {
        self.directory().as_deref() == Some(directory)
    }

    /// Writes a backup of this instant to a directory.
    pub(super) fn make(&self, gate: &Gate<'_>, directory: &Path) -> io::Result<PathBuf> {
        let now_ms = self.engine.clock.unix_millis();
        let made = backup::create(&self.disk, directory, now_ms, |file| {
            snapshot_writing::write(&self.engine, gate, file, || {})
        });
        self.status.last_ok.store(made.is_ok(), Relaxed);
        if self.is_scheduled_place(directory) {
            self.status.scheduled_try_ms.store(now_ms, Relaxed);
            self.status.scheduled_ok.store(made.is_ok(), Relaxed);
            if made.is_ok() {
                self.status.scheduled_ms.store(now_ms, Relaxed);
            }
        }
        match made {
            Ok((path, totals)) => {
                log::info!("backed up {} keys to {}", totals.keys, path.display());
                self.tidy(directory);
                self.status.backups.fetch_add(1, Relaxed);
                self.status.last_ms.store(now_ms, Relaxed);
                *self.status.last_file.lock() = path.display().to_string();
                self.status.last_error.lock().clear();
                self.ship(path.clone(), now_ms);
                Ok(path)
            }
            Err(error) => {
                log::error!("cannot back up to {}: {error}", directory.display());
                *self.status.last_error.lock() = error.to_string();
                Err(error)
            }
        }
    }

    /// Removes old backups, but only where this server is known to put them.
    fn tidy(&self, directory: &Path) {
        if !self.is_scheduled_place(directory) {
            return;
        }
        let keep = self.engine.config.int(params::BACKUP_KEEP) as usize;
        if let Err(error) = backup::rotate(&*self.disk, directory, keep) {
            log::warn!("cannot remove old backups: {error}");
        }
    }

    fn ship(&self, path: PathBuf, now_ms: i64) {
        if !self.engine.config.text(params::BACKUP_COMMAND).is_empty() {
            self.shipping.lock().next = Some((path, now_ms));
            self.changed.notify_all();
        }
    }

    /// The shipping thread's work, until [`Backups::stop`].
    pub(super) fn run(&self) {
        super::yield_to_workers();
        while let Some(path) = self.next_to_ship() {
            match self.run_command(&path) {
                Ok(()) => {
                    log::info!("backup-command succeeded for {}", path.display());
                    self.status.shipped.fetch_add(1, Relaxed);
                    self.status.ship_ok.store(true, Relaxed);
                    self.status.ship_error.lock().clear();
                }
                Err(what) => self.try_again(path, &what),
            }
        }
    }

    pub(super) fn stop(&self) {
        self.shipping.lock().stopping = true;
        self.changed.notify_all();
    }

    fn is_stopping(&self) -> bool {
        self.shipping.lock().stopping
    }

    fn next_to_ship(&self) -> Option<PathBuf> {
        const TICK: Duration = Duration::from_secs(1);
        let mut shipping = self.shipping.lock();
        loop {
            if shipping.stopping {
                return None;
            }
            let now_ms = self.engine.clock.unix_millis();
            match shipping.next.take() {
                Some((path, at_ms)) if at_ms <= now_ms => return Some(path),
                None => self.changed.wait(&mut shipping),
                later => {
                    shipping.next = later;
                    self.changed.wait_for(&mut shipping, TICK);
                }
            }
        }
    }

    fn try_again(&self, path: PathBuf, what: &str) {
        log::error!("backup-command failed for {}: {what}; it will be repeated", path.display());
        self.status.ship_failures.fetch_add(1, Relaxed);
        self.status.ship_ok.store(false, Relaxed);
        *self.status.ship_error.lock() = what.to_owned();
        let at_ms = self.engine.clock.unix_millis() + RETRY_MS;
        let mut shipping = self.shipping.lock();
        if shipping.next.is_none() {
            shipping.next = Some((path, at_ms));
        }
    }

    fn run_command(&self, path: &Path) -> Result<(), String> {
        let mut child = self.start_command(path)?;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(status.to_string()),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            if self.is_stopping() {
                // It may have ended by itself meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Err("the server stops".to_owned());
            }
            let mut shipping = self.shipping.lock();
            self.changed.wait_for(&mut shipping, LOOK);
        }
    }

    fn start_command(&self, path: &Path) -> Result<Child, String> {
        let text = self.engine.config.text(params::BACKUP_COMMAND);
        let words = split_words(text.as_bytes()).ok_or("unbalanced quotes in backup-command")?;
        let mut words = words.iter().map(|word| String::from_utf8_lossy(word).into_owned());
        let program = words.next().ok_or("backup-command is empty")?;
        let started = Command::new(&program).args(words).arg(path).stdin(Stdio::null()).spawn();
        started.map_err(|error| format!("cannot run {program}: {error}"))
    }

    pub(super) fn lines(&self) -> InfoLines {
        let status = &self.status;
        // Each is let go before the next is locked.
        let text = |text: &Mutex<String>| text.lock().clone();
        vec![
            ("backups", status.backups.load(Relaxed).to_string()),
            ("backup_last_time", seconds(&status.last_ms)),
            ("backup_last_status", outcome(status.last_ok.load(Relaxed))),
            ("backup_last_file", text(&status.last_file)),
            ("backup_last_error", text(&status.last_error)),
            ("backup_commands", status.shipped.load(Relaxed).to_string()),
            ("backup_command_failures", status.ship_failures.load(Relaxed).to_string()),
            ("backup_command_last_status", outcome(status.ship_ok.load(Relaxed))),
            ("backup_command_last_error", text(&status.ship_error)),
        ]
    }
}
