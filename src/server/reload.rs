//! `DEBUG RELOAD` and `DEBUG LOADAOF`: loading again what is on disk, in the place of what is in memory.

use std::io;
use std::path::Path;

use super::recovery::Recovery;
use super::snapshot_loading::{self, empty_store};
use super::snapshotter::{Begin, Snapshotter, save_error};
use crate::exec::{CommandError, Reload};
use crate::persist::log::Phase;
use crate::store::Gate;

impl Snapshotter {
    /// Empties the store and loads what is on disk. Clients hear `LOADING` meanwhile.
    pub(super) fn reload(&self, how: Reload, gate: &Gate<'_>) -> Result<(), CommandError> {
        {
            let _world = self.engine.keyspace.world();
            self.engine.health.set_loading(true);
        }
        let result = self.reload_held(how, gate);
        self.engine.health.set_loading(false);
        result
    }

    fn reload_held(&self, how: Reload, gate: &Gate<'_>) -> Result<(), CommandError> {
        let failed = |error: &dyn std::fmt::Display| {
            log::error!("reloading failed: {error}");
            CommandError::text("ERR Error trying to load the snapshot, check server logs.")
        };
        if how == Reload::Log {
            self.log.flush().map_err(|error| failed(&error))?;
            empty_store(&self.engine);
            let recovery = Recovery::new(&self.engine, &self.directory, false);
            return recovery.run().map(drop).map_err(|error| failed(&error));
        }
        if how == Reload::Saved {
            self.save(gate, Begin::Cut).map_err(|_| save_error())?;
        }
        let newest = self.directory.manifest().snapshots.last().map(|entry| entry.number);
        let newest = newest.ok_or_else(|| failed(&"there is no snapshot"))?;
        empty_store(&self.engine);
        self.load_sound(&self.directory.snapshot_path(newest)).map_err(|error| failed(&error))?;
        if how == Reload::Unsaved && self.log.status().phase() == Phase::On {
            // What is in memory is not what the log leads to any more.
            self.save(gate, Begin::Cut).map_err(|_| save_error())?;
        }
        Ok(())
    }

    fn load_sound(&self, path: &Path) -> io::Result<()> {
        let loaded = snapshot_loading::load(&self.engine, path, false)?;
        loaded.fault().map_or(Ok(()), |damage| Err(io::Error::other(damage.clone())))
    }
}
