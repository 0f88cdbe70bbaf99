//! The log and the rest of the server: who appends to it, and who hears of its progress.

use std::io;
use std::sync::{Arc, Weak};

use crate::config::choice::SyncPolicy;
use crate::config::params;
use crate::exec::{Engine, LogHook, Sample};
use crate::persist::log::{Log, LogObserver, Phase};
use crate::store::LogRecord;

/// What commands see of the log.
pub(super) struct Appender(pub Arc<Log>);

impl LogHook for Appender {
    fn append(&self, unit: &[LogRecord<'_>]) -> u64 {
        self.0.append(unit)
    }

    fn commit(&self) {
        self.0.commit();
    }

    fn released(&self) -> u64 {
        self.0.released()
    }

    fn has_failed(&self) -> bool {
        self.0.status().phase() == Phase::Failed
    }

    fn is_lost(&self, position: u64) -> bool {
        self.0.is_lost(position)
    }

    fn buffer_bytes(&self) -> u64 {
        self.0.buffer_bytes()
    }

    fn is_behind(&self, now_ns: i64) -> bool {
        self.0.is_behind(now_ns)
    }

    fn durable(&self) -> Option<u64> {
        (self.0.status().phase() == Phase::On).then(|| self.0.status().durable())
    }

    fn want_durable(&self, position: u64) {
        self.0.want_durable(position);
    }
}

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
        self.with_engine(|engine| engine.health.set_log_failed(true));
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
