//! What a server takes: memory, threads, descriptors and files.

use crate::support::ask::Ask;
use crate::support::peer::Connection;
use crate::support::process::Process;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// What may be left of used memory. A database that was used keeps about 0.7 MB for its shards, and there are seven of
/// them; threads keep a little in store.
const USED_MORE: u64 = 8 << 20;
/// And of resident memory: pages that the allocator has not given back yet.
const RESIDENT_MORE: u64 = 48 << 20;
const CLIENTS: &str = "connected_clients:1\\r";

/// See the module's description.
#[derive(Debug)]
pub struct Footprint {
    used: u64,
    resident: u64,
    threads: usize,
    descriptors: usize,
    /// By extension.
    files: BTreeMap<String, usize>,
}

impl Footprint {
    /// Of a server without data, with one client, that has just taken a snapshot.
    pub fn at_rest(process: &Process, data: &Path) -> Footprint {
        let mut client = process.client();
        client.say_until("INFO clients", |info| info.contains(CLIENTS));
        client.say_until("BGSAVE", |reply| reply.starts_with('+'));
        client.say_until("INFO persistence", |info| info.contains("rdb_bgsave_in_progress:0"));
        Self::now(process, &mut client, data)
    }

    fn now(process: &Process, client: &mut impl Connection, data: &Path) -> Footprint {
        let mut figure = |name: &str| client.info(name).parse().expect("it is a number");
        let (used, resident) = (figure("used_memory"), figure("used_memory_rss"));
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(data).expect("the data directory can be listed") {
            let path = entry.expect("it can be listed").path();
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            *files.entry(extension).or_default() += 1;
        }
        let (threads, descriptors) = (process.threads(), process.descriptors());
        Footprint { used, resident, threads, descriptors, files }
    }

    /// Waits until a server whose data was deleted is as this one was.
    pub fn wait_for(&self, process: &Process, data: &Path, patience: Duration) -> Footprint {
        let mut client = process.client();
        client.say_until("INFO clients", |info| info.contains(CLIENTS));
        let deadline = Instant::now() + patience;
        loop {
            // Two snapshots, so that nothing is left of what was before.
            client.say_until("BGSAVE", |reply| reply.starts_with('+'));
            client.say_until("INFO persistence", |info| info.contains("rdb_bgsave_in_progress:0"));
            let now = Self::now(process, &mut client, data);
            let differences = self.differences(&now);
            if differences.is_empty() {
                return now;
            }
            assert!(
                Instant::now() < deadline,
                "what the server takes is more than in the beginning: {differences:?}\nbefore: {self:?}\nnow: {now:?}"
            );
        }
    }

    fn differences(&self, now: &Footprint) -> Vec<&'static str> {
        let has_more_files = now.files.keys().any(|kind| !self.files.contains_key(kind))
            // One snapshot more is kept than there was in the beginning, with what was logged since then.
            || now.files.iter().any(|(kind, count)| *count > self.files[kind] + 1);
        let differences = [
            ("used memory", now.used > self.used + USED_MORE),
            ("resident memory", now.resident > self.resident + RESIDENT_MORE),
            ("threads", now.threads != self.threads),
            ("descriptors", now.descriptors != self.descriptors),
            ("files", has_more_files),
        ];
        differences.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
    }
}
