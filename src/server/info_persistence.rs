//! The section `persistence` of `INFO`: loading, snapshots, and the log, which stands under Redis's names
//! for its append-only file.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::control::ServerControl;
use crate::base::histogram::Counts;
use crate::exec::InfoLines;
use crate::persist::log::{LogStatus, Phase};

impl ServerControl {
    pub(super) fn persistence_lines(&self) -> InfoLines {
        let is_loading = self.engine.health.is_loading();
        let mut lines =
            vec![("loading", u8::from(is_loading).to_string()), ("async_loading", "0".to_owned())];
        if is_loading {
            lines.extend(self.loading_lines());
        }
        lines.extend(self.snapshot_lines());
        lines.extend(self.rewrite_lines());
        lines.extend(self.log_lines());
        lines.extend(self.backups.lines());
        lines
    }

    fn loading_lines(&self) -> InfoLines {
        let (total, done, began_ms) = self.engine.health.progress.get();
        let done = done.min(total);
        let elapsed_s = (self.engine.clock.unix_millis() - began_ms).max(0) as f64 / 1000.0;
        let eta_s = elapsed_s * (total - done) as f64 / done.max(1) as f64;
        vec![
            ("loading_start_time", (began_ms / 1000).to_string()),
            ("loading_total_bytes", total.to_string()),
            ("loading_loaded_bytes", done.to_string()),
            ("loading_loaded_perc", format!("{:.2}", done as f64 / total.max(1) as f64 * 100.0)),
            ("loading_eta_seconds", format!("{eta_s:.0}")),
        ]
    }

    fn snapshot_lines(&self) -> InfoLines {
        let status = &self.snapshotter.status;
        vec![
            ("rdb_changes_since_last_save", self.engine.stats.unsaved_changes().to_string()),
            ("rdb_bgsave_in_progress", u8::from(self.snapshotter.is_busy()).to_string()),
            ("rdb_last_save_time", seconds(&status.last_save_ms)),
            ("rdb_last_bgsave_status", outcome(status.last_ok.load(Relaxed))),
            ("rdb_last_bgsave_time_sec", seconds(&status.last_duration_ms)),
            ("rdb_current_bgsave_time_sec", self.current_save_s()),
            ("rdb_saves", status.saves.load(Relaxed).to_string()),
            ("rdb_last_cow_size", "0".to_owned()),
            ("rdb_last_load_keys_expired", "0".to_owned()),
            ("rdb_last_load_keys_loaded", self.keys_loaded.load(Relaxed).to_string()),
            ("snapshot_last_keys", status.last_keys.load(Relaxed).to_string()),
            ("snapshot_last_bytes", status.last_bytes.load(Relaxed).to_string()),
            ("snapshot_last_error", status.last_error.lock().clone()),
        ]
    }

    /// Seconds that the save in progress has taken, -1 if there is none.
    fn current_save_s(&self) -> String {
        let status = &self.snapshotter.status;
        if !status.is_saving.load(Relaxed) {
            return "-1".to_owned();
        }
        let since_ms = status.saving_since_ms.load(Relaxed);
        ((self.engine.clock.unix_millis() - since_ms) / 1000).to_string()
    }

    fn rewrite_lines(&self) -> InfoLines {
        let status = &self.snapshotter.status;
        let is_rewriting = self.snapshotter.is_rewriting();
        let is_scheduled = self.snapshotter.is_rewrite_scheduled();
        let current_s = if is_rewriting { self.current_save_s() } else { "-1".to_owned() };
        let failed = status.rewrites_failed_in_a_row.load(Relaxed);
        vec![
            ("aof_rewrite_in_progress", u8::from(is_rewriting).to_string()),
            ("aof_rewrite_scheduled", u8::from(is_scheduled).to_string()),
            ("aof_last_rewrite_time_sec", seconds(&status.last_rewrite_ms)),
            ("aof_current_rewrite_time_sec", current_s),
            ("aof_last_bgrewrite_status", outcome(status.last_rewrite_ok.load(Relaxed))),
            ("aof_rewrites", status.rewrites.load(Relaxed).to_string()),
            ("aof_rewrites_consecutive_failures", failed.to_string()),
        ]
    }

    fn log_lines(&self) -> InfoLines {
        let log = self.log.status();
        let phase = log.phase();
        let base = self.snapshotter.status.last_bytes.load(Relaxed);
        let syncs = log.sync_times();
        let mut lines = vec![
            ("aof_enabled", u8::from(phase != Phase::Off).to_string()),
            ("aof_last_write_status", outcome(phase != Phase::Failed)),
            ("aof_last_cow_size", "0".to_owned()),
            ("aof_current_size", (base + log.bytes_since_base()).to_string()),
            ("aof_base_size", base.to_string()),
            ("aof_pending_rewrite", "0".to_owned()),
            ("aof_buffer_length", self.log.backlog_bytes().to_string()),
            ("aof_pending_bio_fsync", u8::from(log.durable() < log.written()).to_string()),
            ("aof_delayed_fsync", log.times_behind().to_string()),
            ("log_state", state(log).to_owned()),
            ("log_last_error", log.last_error()),
            ("log_segment", log.segment().to_string()),
            ("log_segment_bytes", log.segment_bytes().to_string()),
            ("log_position", self.log.position().to_string()),
            ("log_durable_position", log.durable().to_string()),
            ("log_writes", log.writes().to_string()),
            ("log_fsyncs", log.syncs().to_string()),
        ];
        lines.extend(percentiles(&syncs));
        let is_behind = self.log.is_behind(self.engine.clock.monotonic_nanos());
        lines.push(("log_is_behind", u8::from(is_behind).to_string()));
        lines.push(("log_torn_bytes_cut", self.torn_bytes.load(Relaxed).to_string()));
        lines
    }
}

/// How long syncs took, in microseconds.
fn percentiles(syncs: &Counts) -> InfoLines {
    let micros = |percent| match syncs.total() {
        0 => "0".to_owned(),
        _ => (syncs.percentile(percent) / 1000).to_string(),
    };
    vec![
        ("log_fsync_usec_p50", micros(50.0)),
        ("log_fsync_usec_p99", micros(99.0)),
        ("log_fsync_usec_p99.9", micros(99.9)),
        ("log_fsync_usec_max", micros(100.0)),
    ]
}

fn state(log: &LogStatus) -> &'static str {
    match log.phase() {
        Phase::Off => "off",
        Phase::Starting => "starting",
        Phase::On => "on",
        Phase::Failed => "failed",
    }
}

pub(super) fn outcome(is_ok: bool) -> String {
    if is_ok { "ok" } else { "err" }.to_owned()
}

/// Milliseconds as seconds, -1 for never.
pub(super) fn seconds(millis: &AtomicI64) -> String {
    match millis.load(Relaxed) {
        millis if millis < 0 => "-1".to_owned(),
        millis => (millis / 1000).to_string(),
    }
}
