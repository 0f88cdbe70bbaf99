//! Who hears of the log's progress.

use std::io;
use std::sync::Weak;

use crate::config::choice::SyncPolicy;
use crate::config::params;
use crate::exec::{Engine, Sample};
use crate::persist::log::LogObserver;

/// Passes the log's progress on. The engine has the log, so this must not keep the engine.
pub(super) struct Observer(pub Weak<Engine>);

impl Observer {
    fn with_engine(&self, work: impl FnOnce(&Engine)) {
        if let Some(engine) = self.0.upgrade() {
            work(&engine);
        }
    }
}

impl LogObserver for Observer {
    fn advanced(&self) {
        self.with_engine(|engine| engine.clients.log_advanced());
    }

    fn caught_up(&self) {
        self.with_engine(|engine| engine.clients.resume_all());
    }

    fn failed(&self, error: &io::Error) {
        log::error!(
            "cannot write the log: {error}. Writes are refused from now on, since they would not survive a \
             restart. Mend the cause, then say CONFIG SET appendonly yes: the log begins anew."
        );
    }

    fn synced(&self, millis: u64) {
        self.with_engine(|engine| {
            if engine.config.choice(params::APPENDFSYNC) == SyncPolicy::Always {
                let sample = Sample { unix_s: engine.clock.unix_millis() / 1000, millis };
                engine.note_latency("aof-fsync-always", sample);
            }
        });
    }
}
