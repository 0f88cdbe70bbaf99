//! What commands may ask of the server as a whole. The server implements it; handlers see only this.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::CommandError;
use crate::session::Client;

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Shutdown {
    /// `SAVE` or `NOSAVE`; `None`: as the configuration says.
    pub save: Option<bool>,
    /// Do not wait for anybody.
    pub now: bool,
    /// Stop even if saving fails.
    pub force: bool,
}

/// What `BGSAVE` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackgroundSave {
    Started,
    /// One was under way; another follows it.
    Scheduled,
}

/// What is loaded in the place of what is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// A snapshot of this instant.
    Saved,
    /// The newest snapshot that there is.
    Unsaved,
    /// The newest snapshot and the log since then.
    Log,
}

/// A section of `INFO` that only the server can fill: lines `name:value`.
pub type InfoLines = Vec<(&'static str, String)>;

/// Memory of which only the server knows, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct ServerMemory {
    /// The most that was ever allocated.
    pub peak: u64,
    /// What was allocated before there was any data.
    pub startup: u64,
    /// What waits to be written to the log.
    pub log: u64,
}

/// See the module's description.
pub trait Control: Send + Sync {
    /// Writes a snapshot; the client gets its reply when that is done.
    fn save(&self, client: &Arc<Client>) -> Result<(), CommandError>;
    fn background_save(&self, may_schedule: bool) -> Result<BackgroundSave, CommandError>;
    /// Unix seconds of the last successful snapshot (of the start, before the first).
    fn last_save_unix_s(&self) -> i64;
    /// Begins to stop. The client hears an error if that fails, else its connection just ends.
    fn shutdown(&self, how: Shutdown, client: &Arc<Client>) -> Result<(), CommandError>;
    /// Whether there was a shutdown to abort.
    fn abort_shutdown(&self) -> bool;
    /// `DEBUG RELOAD` and `LOADAOF`: empties the store and loads; the client gets its reply then.
    fn reload(&self, how: Reload, client: &Arc<Client>) -> Result<(), CommandError>;
    /// Writes a backup to a directory (`None`: as configured); the client gets its path then.
    fn backup(&self, directory: Option<PathBuf>, client: &Arc<Client>) -> Result<(), CommandError>;
    /// Compacts the log by a new snapshot.
    fn rewrite_log(&self) -> Result<BackgroundSave, CommandError>;
    /// Puts changed parameters into effect, all of them or none; an error, with the name of the parameter that it
    /// is about, undoes the `CONFIG SET`.
    fn apply_config(&self, names: &[&'static str]) -> Result<(), (&'static str, String)>;
    fn rewrite_config(&self) -> Result<(), CommandError>;
    /// Lines of the sections `server`, `memory`, `persistence` and `cpu`.
    fn info(&self, section: &str) -> InfoLines;
    /// `used`: what is allocated now, which may be the most so far.
    fn memory(&self, used: u64) -> ServerMemory;
    /// 40 hexadecimal digits that differ from start to start.
    fn run_id(&self) -> &str;
    /// Operations per second and bytes per second in and out, over the last moments.
    fn rates(&self) -> [f64; 3];
}
