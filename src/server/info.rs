//! The sections of `INFO` that only the server can fill.

use std::sync::atomic::Ordering;

use super::control::ServerControl;
use crate::base::allocator;
use crate::base::process_memory::{resident_bytes, system_bytes};
use crate::base::version::{REDIS_VERSION, VERSION};
use crate::config::params;
use crate::exec::{Control, InfoLines, ServerMemory};

impl ServerControl {
    pub(super) fn server_lines(&self) -> InfoLines {
        let engine = &self.engine;
        let uptime_s = (engine.clock.unix_millis() - self.started_ms) / 1000;
        let config = &engine.config;
        vec![
            ("redis_version", REDIS_VERSION.to_owned()),
            ("sanderling_version", VERSION.to_owned()),
            ("redis_git_sha1", "00000000".to_owned()),
            ("redis_git_dirty", "0".to_owned()),
            ("redis_build_id", "0000000000000000".to_owned()),
            ("redis_mode", "standalone".to_owned()),
            ("os", os_name()),
            ("arch_bits", usize::BITS.to_string()),
            ("monotonic_clock", "POSIX clock_gettime".to_owned()),
            ("multiplexing_api", "epoll".to_owned()),
            ("process_id", std::process::id().to_string()),
            ("process_supervised", "no".to_owned()),
            ("run_id", self.run_id.clone()),
            ("tcp_port", config.int(params::PORT).to_string()),
            ("server_time_usec", engine.clock.unix_micros().to_string()),
            ("uptime_in_seconds", uptime_s.to_string()),
            ("uptime_in_days", (uptime_s / 86_400).to_string()),
            ("hz", "10".to_owned()),
            ("configured_hz", "10".to_owned()),
            ("worker_threads", self.workers.to_string()),
            (
                "executable",
                std::env::current_exe().map_or(String::new(), |path| path.display().to_string()),
            ),
            ("config_file", config.file().map_or(String::new(), |path| path.display().to_string())),
        ]
    }

    pub(super) fn memory_lines(&self) -> InfoLines {
        let figures = allocator::figures();
        let used = figures.allocated;
        let ServerMemory { peak, startup, log } = self.memory(used);
        let resident = resident_bytes().unwrap_or(figures.resident);
        let limit = self.engine.config.int(params::MAXMEMORY) as u64;
        let policy = self.engine.config.choice(params::MAXMEMORY_POLICY);
        let clients = self.engine.clients.memory.own_bytes() as u64;
        let overhead = startup + clients + log + self.index_bytes();
        let dataset = used.saturating_sub(overhead);
        let mut lines = vec![
            ("used_memory", used.to_string()),
            ("used_memory_human", human(used)),
            ("used_memory_rss", resident.to_string()),
            ("used_memory_rss_human", human(resident)),
            ("used_memory_peak", peak.to_string()),
            ("used_memory_peak_human", human(peak)),
            ("used_memory_peak_perc", percent(used, peak)),
            ("used_memory_overhead", overhead.to_string()),
            ("used_memory_startup", startup.to_string()),
            ("used_memory_dataset", dataset.to_string()),
            ("used_memory_dataset_perc", percent(dataset, used.saturating_sub(startup))),
            ("mem_pubsub_history", self.engine.pubsub.history_bytes().to_string()),
            ("total_system_memory", system_bytes().to_string()),
            ("total_system_memory_human", human(system_bytes())),
            ("maxmemory", limit.to_string()),
            ("maxmemory_human", human(limit)),
            ("maxmemory_policy", policy_name(policy).to_owned()),
        ];
        lines.extend(fragmentation_lines(&figures, resident));
        lines.extend([
            ("mem_not_counted_for_evict", self.engine.uncounted_bytes().to_string()),
            ("mem_clients_slaves", "0".to_owned()),
            ("mem_clients_normal", clients.to_string()),
            ("mem_aof_buffer", log.to_string()),
            ("mem_allocator", "jemalloc-5.3.0".to_owned()),
        ]);
        lines.extend(self.tidying_lines());
        lines
    }

    /// What is done about memory in the background.
    fn tidying_lines(&self) -> InfoLines {
        let defrag = &self.defrag;
        let is_running = u8::from(defrag.is_running.load(Ordering::Relaxed));
        let (pending, freed) = self.engine.hooks.garbage_waiting.objects();
        vec![
            ("active_defrag_running", is_running.to_string()),
            ("active_defrag_rounds", defrag.rounds.load(Ordering::Relaxed).to_string()),
            ("active_defrag_bytes_moved", defrag.bytes_moved.load(Ordering::Relaxed).to_string()),
            ("lazyfree_pending_objects", pending.to_string()),
            ("lazyfreed_objects", freed.to_string()),
        ]
    }

    /// What all databases take besides keys and values.
    fn index_bytes(&self) -> u64 {
        let keyspace = &self.engine.keyspace;
        (0..keyspace.databases()).map(|db| keyspace.index_bytes(db).total()).sum::<usize>() as u64
    }

    pub(super) fn cpu_lines(&self) -> InfoLines {
        let usage = cpu_seconds().unwrap_or_default();
        let text = |seconds: f64| format!("{seconds:.6}");
        vec![
            ("used_cpu_sys", text(usage.1)),
            ("used_cpu_user", text(usage.0)),
            ("used_cpu_sys_children", text(0.0)),
            ("used_cpu_user_children", text(0.0)),
        ]
    }
}

fn os_name() -> String {
    let name = rustix::system::uname();
    let part = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    format!("{} {} {}", part(name.sysname()), part(name.release()), part(name.machine()))
}

fn policy_name(policy: crate::config::choice::EvictionPolicy) -> &'static str {
    use crate::config::choice::{EvictionPolicy, Options};
    let position = EvictionPolicy::ALL.iter().position(|other| *other == policy);
    EvictionPolicy::NAMES[position.expect("every policy is among all policies")]
}

/// As Redis prints amounts: `1.50M`.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = (bytes.ilog2() / 10).min(UNITS.len() as u32) as usize;
    format!("{:.2}{}", bytes as f64 / 1024f64.powi(power as i32), UNITS[power - 1])
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", part as f64 / whole.max(1) as f64 * 100.0)
}

fn ratio(a: u64, b: u64) -> String {
    format!("{:.2}", a as f64 / b.max(1) as f64)
}

/// How much more the allocator's pages take than what it handed out, and the process than those.
fn fragmentation_lines(figures: &allocator::Figures, resident: u64) -> InfoLines {
    let allocator::Figures { allocated, active, resident: mapped, .. } = *figures;
    // The kernel counts what the allocator does not know of, and not what it has swapped out.
    let difference = |more: u64, less: u64| (more as i64 - less as i64).to_string();
    vec![
        ("allocator_allocated", allocated.to_string()),
        ("allocator_active", active.to_string()),
        ("allocator_resident", mapped.to_string()),
        ("allocator_frag_ratio", ratio(active, allocated)),
        ("allocator_frag_bytes", difference(active, allocated)),
        ("allocator_rss_ratio", ratio(mapped, active)),
        ("allocator_rss_bytes", difference(mapped, active)),
        ("rss_overhead_ratio", ratio(resident, mapped)),
        ("rss_overhead_bytes", difference(resident, mapped)),
        ("mem_fragmentation_ratio", ratio(resident, allocated)),
        ("mem_fragmentation_bytes", difference(resident, allocated)),
    ]
}

/// User and system seconds of this process.
fn cpu_seconds() -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let seconds = |field: usize| Some(fields.get(field)?.parse::<f64>().ok()? / ticks);
    Some((seconds(11)?, seconds(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_printed_as_redis_prints_them() {
        for (bytes, text) in
            [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_572_864, "1.50M"), (5 << 30, "5.00G")]
        {
            assert_eq!(human(bytes), text);
        }
    }
}
