//! What commands may ask of the server (see `exec::Control`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::backups::Backups;
use super::config_effects;
use super::defragmenter::DefragFigures;
use super::rates::Rates;
use super::shutdown::{Request, ShutdownDesk};
use super::snapshotter::{Asker, Job, Snapshotter};
use crate::config::rewrite;
use crate::exec::{
    BackgroundSave, CommandError, Control, Engine, InfoLines, Reload, ServerMemory, Shutdown,
};
use crate::persist::log::Log;
use crate::resp::{Outbox, Protocol, Reply};
use crate::session::{Client, Message};

/// The server's side of [`Control`].
pub(super) struct ServerControl {
    pub engine: Arc<Engine>,
    pub log: Arc<Log>,
    pub snapshotter: Arc<Snapshotter>,
    pub backups: Arc<Backups>,
    pub desk: Arc<ShutdownDesk>,
    pub rates: Arc<Rates>,
    pub run_id: String,
    pub started_ms: i64,
    pub workers: usize,
    pub defrag: Arc<DefragFigures>,
    /// What the server takes without any data: noted when its threads have begun, before it loads.
    pub memory_at_start: AtomicU64,
    pub memory_peak: AtomicU64,
    pub keys_loaded: AtomicU64,
    /// Bytes of a torn block that recovery cut off.
    pub torn_bytes: AtomicU64,
}

impl Control for ServerControl {
    fn save(&self, client: &Arc<Client>) -> Result<(), CommandError> {
        if self.snapshotter.is_busy() {
            return Err(CommandError::text("ERR Background save already in progress"));
        }
        self.snapshotter.submit(Job::Save(Asker::Client(Arc::clone(client))));
        Ok(())
    }

    fn background_save(&self, may_schedule: bool) -> Result<BackgroundSave, CommandError> {
        let is_busy = self.snapshotter.is_busy();
        if is_busy && !may_schedule {
            return Err(CommandError::text("ERR Background save already in progress"));
        }
        self.snapshotter.submit(Job::Save(Asker::Nobody));
        Ok(if is_busy { BackgroundSave::Scheduled } else { BackgroundSave::Started })
    }

    fn last_save_unix_s(&self) -> i64 {
        self.snapshotter.status.last_save_ms.load(Ordering::Relaxed) / 1000
    }

    fn shutdown(&self, how: Shutdown, client: &Arc<Client>) -> Result<(), CommandError> {
        self.desk.ask(Request { how, client: Some(Arc::clone(client)), is_broken: false });
        Ok(())
    }

    fn abort_shutdown(&self) -> bool {
        self.desk.abort()
    }

    fn reload(&self, how: Reload, client: &Arc<Client>) -> Result<(), CommandError> {
        self.snapshotter.submit(Job::Reload { how, client: Arc::clone(client) });
        Ok(())
    }

    fn backup(&self, directory: Option<PathBuf>, client: &Arc<Client>) -> Result<(), CommandError> {
        let directory = directory.or_else(|| self.backups.directory()).ok_or(
            CommandError::text("ERR No backup-dir is configured; name a directory with BACKUP TO"),
        )?;
        let client = Some(Arc::clone(client));
        self.snapshotter.submit(Job::Backup { directory, client });
        Ok(())
    }

    fn rewrite_log(&self) -> Result<BackgroundSave, CommandError> {
        if self.snapshotter.is_rewriting() {
            return Err(CommandError::text(
                "ERR Background append only file rewriting already in progress",
            ));
        }
        let is_busy = self.snapshotter.is_busy();
        self.snapshotter.submit(Job::Rewrite);
        Ok(if is_busy { BackgroundSave::Scheduled } else { BackgroundSave::Started })
    }

    fn apply_config(&self, names: &[&'static str]) -> Result<(), (&'static str, String)> {
        config_effects::follow(self, names)
    }

    fn rewrite_config(&self) -> Result<(), CommandError> {
        let Some(path) = self.engine.config.file() else {
            return Err(CommandError::text("ERR The server is running without a config file"));
        };
        let failed = |error: io::Error| {
            log::error!("cannot rewrite {}: {error}", path.display());
            CommandError::err(format!("Rewriting config file: {error}"))
        };
        let old = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        let new = rewrite::rewrite(&old, &self.engine.config);
        rewrite::replace_file(path, &new).map_err(failed)?;
        log::info!("rewrote {}", path.display());
        Ok(())
    }

    fn info(&self, section: &str) -> InfoLines {
        match section {
            "server" => self.server_lines(),
            "memory" => self.memory_lines(),
            "persistence" => self.persistence_lines(),
            "cpu" => self.cpu_lines(),
            _ => Vec::new(),
        }
    }

    fn memory(&self, used: u64) -> ServerMemory {
        ServerMemory {
            peak: self.memory_peak.fetch_max(used, Ordering::Relaxed).max(used),
            startup: self.memory_at_start.load(Ordering::Relaxed),
            log: self.log.buffer_bytes(),
        }
    }

    fn run_id(&self) -> &str {
        &self.run_id
    }

    fn rates(&self) -> [f64; 3] {
        self.rates.per_second()
    }
}

/// Sends the reply that a client waits for.
pub(super) fn send_reply(client: &Client, result: Result<(), CommandError>) {
    send(client, |reply| match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error.to_string().as_bytes()),
    });
}

/// Tells a client where its backup is.
pub(super) fn send_path(client: &Client, made: io::Result<PathBuf>) {
    send(client, |reply| match made {
        Ok(path) => reply.bulk(path.display().to_string()),
        Err(error) => reply.error(format!("ERR The backup failed: {error}").as_bytes()),
    });
}

fn send(client: &Client, write: impl FnOnce(&mut Reply<'_>)) {
    let mut outbox = Outbox::default();
    // These replies look the same in both protocols.
    write(&mut Reply::new(&mut outbox, Protocol::Resp2));
    client.send(Message::Reply { reply: outbox, logged: 0 });
}
