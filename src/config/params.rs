//! The table of parameters. Everything that knows a parameter derives from a row here: the flags
//! and `--help`, the configuration file, `CONFIG GET`, `SET` and `REWRITE`, and the page
//! `docs/CONFIGURATION.md`.
//!
//! A row stands here when it changes what this server does, or when clients and tools ask for it;
//! its sentence says which. The constant of a row is a typed handle: `config.int(params::TIMEOUT)`
//! compiles, `config.flag(params::TIMEOUT)` does not.

use std::marker::PhantomData;

use super::choice::{EvictionPolicy, LogFormat, LogLevel, Options, Permission, SyncPolicy};
use super::kind::Kind;
use crate::base::limits;

/// One row of the table.
#[derive(Debug)]
pub struct Param {
    /// Where it stands in [`PARAMS`].
    pub(super) index: usize,
    /// The name in the file and in `CONFIG`; Redis's where Redis has the parameter.
    pub name: &'static str,
    pub kind: Kind,
    /// As it would be written in the file.
    pub default: &'static str,
    pub mutability: Mutability,
    /// The command line flag, without dashes; the name works as a flag too. In the table, what
    /// stands behind the `/` if it is not the name.
    pub flag: &'static str,
    /// The heading it stands under in `--help` and in the documentation.
    pub group: &'static str,
    pub doc: &'static str,
}

/// Who may change a parameter while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// `CONFIG SET` may.
    Changeable,
    /// Nobody.
    Fixed,
    /// Nobody; and clients that `enable-protected-configs` does not trust are told so in the words
    /// Redis has for protected parameters.
    Protected,
}

/// Defines handles: the row's index, in a type whose accessor reads what the row's kinds store.
macro_rules! handles {
    ($($(#[$meta:meta])* $name:ident $(($generic:ident))? fits ($pattern:pat);)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub struct $name $(<$generic>)? {
            pub(super) index: usize,
            $(value: PhantomData<fn() -> $generic>,)?
        }

        impl $(<$generic>)? $name $(<$generic>)? {
            const fn at(index: usize) -> Self {
                Self { index, $(value: PhantomData::<fn() -> $generic>,)? }
            }

            /// The row.
            pub const fn param(self) -> &'static Param {
                &PARAMS[self.index]
            }

            #[cfg(test)]
            fn fits(kind: &Kind) -> bool {
                matches!(kind, $pattern)
            }
        }
    )*};
}

handles! {
    /// Handle of a number: an integer, or an amount of memory in bytes.
    Int fits (Kind::Int { .. } | Kind::Memory { .. } | Kind::MemoryOrPercent | Kind::Octal { .. });
    /// Handle of a yes/no parameter.
    Flag fits (Kind::Bool);
    /// Handle of a parameter with a fixed list of values.
    Choice (T) fits (Kind::Choice(_));
    /// Handle of a set of bits: event classes, shutdown options.
    Bits fits (Kind::Events | Kind::ShutdownOptions);
    /// Handle of a text in its canonical form.
    Text fits (Kind::Text | Kind::Secret | Kind::Save | Kind::OutputLimits | Kind::Addresses | Kind::Percentiles
        | Kind::History);
}

impl Int {
    /// The name of the parameter.
    pub fn name(self) -> &'static str {
        PARAMS[self.index].name
    }
}

macro_rules! params {
    ($($group:literal {
        $($id:ident: $handle:ty = $name:literal $(/ $flag:literal)?, $kind:expr, $default:literal, $mutability:ident,
            $doc:literal;)*
    })*) => {
        /// Numbers the rows.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Id { $($($id,)*)* COUNT }

        /// How many parameters there are.
        pub(super) const COUNT: usize = Id::COUNT as usize;

        $($(#[doc = $doc] pub const $id: $handle = <$handle>::at(Id::$id as usize);)*)*

        /// All parameters, in the order in which they are documented.
        pub static PARAMS: [Param; COUNT] = [$($(Param {
            index: Id::$id as usize,
            name: $name,
            kind: $kind,
            default: $default,
            mutability: Mutability::$mutability,
            flag: last(&[$name, $($flag)?]),
            group: $group,
            doc: $doc,
        },)*)*];

        #[cfg(test)]
        static FITS: [fn(&Kind) -> bool; COUNT] = [$($(<$handle>::fits,)*)*];
    };
}

/// The largest value of what Redis keeps in a C `int`.
const INT_MAX: i64 = i32::MAX as i64;
const INT_MIN: i64 = i32::MIN as i64;

/// The flag of a row: its own if it has one, else its name.
const fn last(names: &[&'static str]) -> &'static str {
    names[names.len() - 1]
}

const fn int(min: i64, max: i64) -> Kind {
    Kind::Int { min, max }
}

const fn memory(min: u64, max: i64) -> Kind {
    Kind::Memory { min: min as i64, max }
}

const fn choice<T: Options>() -> Kind {
    Kind::Choice(T::NAMES)
}

params! {
    "Network" {
        PORT: Int = "port", int(0, 65535), "6380", Fixed,
            "TCP port to listen on; 0 opens none.";
        BIND: Text = "bind", Kind::Addresses, "127.0.0.1", Fixed,
            "Addresses to listen on, `*` for all; one that begins with `-` may be missing on this machine.";
        UNIXSOCKET: Text = "unixsocket", Kind::Text, "", Fixed,
            "Path of a unix socket to listen on as well.";
        UNIXSOCKETPERM: Int = "unixsocketperm", Kind::Octal { max: 0o777 }, "0", Fixed,
            "Permissions of the unix socket, in octal; 0 leaves them to the umask.";
        WORKERS: Int = "workers", int(0, 1024), "0", Fixed,
            "Threads that serve connections; 0 takes the number of cores.";
        TCP_BACKLOG: Int = "tcp-backlog", int(0, INT_MAX), "511", Fixed,
            "Connections that may wait to be accepted; the kernel's own limit applies as well.";
        TCP_KEEPALIVE: Int = "tcp-keepalive", int(0, INT_MAX), "300", Changeable,
            "Seconds of silence after which the kernel probes a peer; 0 never probes.";
    }
    "Clients" {
        MAXCLIENTS: Int = "maxclients", int(1, u32::MAX as i64), "10000", Changeable,
            "Connections served at the same time; one more is told so and closed.";
        MAXCLIENTS_RESERVED: Int = "maxclients-reserved", int(0, 1000), "8", Changeable,
            "Connections from this machine that are served beyond maxclients, so that an operator can come in.";
        MAXCLIENTS_PER_ADDRESS: Int = "maxclients-per-address", int(0, u32::MAX as i64), "0", Changeable,
            "Connections served at the same time from one IP address, this machine's included; 0 sets no limit.";
        TIMEOUT: Int = "timeout", int(0, INT_MAX), "0", Changeable,
            "Seconds after which an idle connection is closed; 0 never closes one.";
        PROTO_MAX_BULK_LEN: Int = "proto-max-bulk-len",
            memory(limits::BULK_BYTES_MIN, limits::BULK_BYTES_MAX as i64), "512mb", Changeable,
            "The longest single argument, and so the longest string value.";
        MAX_KEY_SIZE: Int = "max-key-size", memory(0, i64::MAX), "512mb", Changeable,
            "The longest key that a command may name; 0 leaves it to proto-max-bulk-len.";
        MAX_VALUE_SIZE: Int = "max-value-size", memory(0, i64::MAX), "512mb", Changeable,
            "The longest string, and argument of a command that adds data; 0 leaves it to proto-max-bulk-len.";
        CLIENT_QUERY_BUFFER_LIMIT: Int = "client-query-buffer-limit",
            memory(1024 * 1024, limits::QUERY_BUFFER_BYTES_MAX as i64), "1gb", Changeable,
            "How much of an unfinished request is buffered before the connection is closed.";
        TURN_COMMAND_LIMIT: Int = "turn-command-limit", int(1, INT_MAX), "1000", Changeable,
            "How many commands of one client's pipeline are executed before other clients get their turn.";
        CLIENT_OUTPUT_BUFFER_LIMIT: Text = "client-output-buffer-limit",
            Kind::OutputLimits, "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60", Changeable,
            "Per class of client: output that closes the connection at once, or when it lasts for so many seconds.";
        MAXMEMORY_CLIENTS: Int = "maxmemory-clients", Kind::MemoryOrPercent, "0", Changeable,
            "What all clients may take together before those that take most are disconnected; 0 sets no limit.";
        MULTI_QUEUE_LIMIT: Int = "multi-queue-limit", int(0, i64::MAX), "100000", Changeable,
            "How many commands one transaction may queue; one more is refused, and so is EXEC; 0 sets no limit.";
        MULTI_QUEUE_MEMORY: Int = "multi-queue-memory", memory(0, i64::MAX), "64mb", Changeable,
            "What the commands that one transaction queues may take together; 0 sets no limit.";
        CLIENT_WATCH_LIMIT: Int = "client-watch-limit", int(0, i64::MAX), "10000", Changeable,
            "How many keys one client may WATCH at a time; 0 sets no limit.";
        CLIENT_SUBSCRIPTION_LIMIT: Int = "client-subscription-limit", int(0, i64::MAX), "100000", Changeable,
            "How many channels, patterns and shard channels one client may listen to, together; 0 sets no limit.";
        CLIENT_TRACKING_PREFIX_LIMIT: Int =
            "client-tracking-prefix-limit", int(0, i64::MAX), "1000", Changeable,
            "How many prefixes one client may name with CLIENT TRACKING BCAST; 0 sets no limit.";
        TRACKING_TABLE_MAX_KEYS: Int = "tracking-table-max-keys", int(0, i64::MAX), "1000000", Changeable,
            "How many keys are remembered that clients have in their caches; 0 sets no limit.";
        BUSY_REPLY_THRESHOLD: Int = "busy-reply-threshold", int(0, i64::MAX), "5000", Changeable,
            "Kept for tools that ask: there are no scripts.";
    }
    "Security" {
        REQUIREPASS: Text = "requirepass" / "password", Kind::Secret, "", Changeable,
            "Password of the default user. Without a value: from SANDERLING_PASSWORD, from the terminal, or generated.";
        UNAUTHENTICATED_TIMEOUT: Int = "unauthenticated-timeout", int(0, INT_MAX), "30", Changeable,
            "Seconds that a client has to give the password before it is disconnected; 0 waits forever.";
        PROTECTED_MODE: Flag = "protected-mode", Kind::Bool, "yes", Changeable,
            "Refuse clients from other machines while there is no password.";
        ENABLE_DEBUG_COMMAND: Choice<Permission> = "enable-debug-command", choice::<Permission>(), "no", Fixed,
            "Who may use DEBUG: nobody, clients on this machine, or everyone.";
        ENABLE_PROTECTED_CONFIGS: Choice<Permission> = "enable-protected-configs",
            choice::<Permission>(), "no", Fixed,
            "Who may try to set protected parameters; clients ask for it.";
        ACLLOG_MAX_LEN: Int = "acllog-max-len", int(0, i64::MAX), "128", Changeable,
            "Kept for tools that ask: there is no ACL LOG.";
    }
    "Memory" {
        DATABASES: Int = "databases", int(1, 65536), "16", Fixed,
            "How many databases SELECT can choose from.";
        MAXMEMORY: Int = "maxmemory", memory(0, i64::MAX), "0", Changeable,
            "Memory the data may take before keys are evicted or writes refused; 0 sets no limit.";
        MAXMEMORY_POLICY: Choice<EvictionPolicy> = "maxmemory-policy",
            choice::<EvictionPolicy>(), "noeviction", Changeable,
            "Which keys are evicted at the limit.";
        MAXMEMORY_SAMPLES: Int = "maxmemory-samples", int(1, INT_MAX), "5", Changeable,
            "How many keys are compared to find one to evict; more is more exact and slower.";
        LFU_LOG_FACTOR: Int = "lfu-log-factor", int(0, INT_MAX), "10", Changeable,
            "How much rarer the LFU counter of a key grows with each step.";
        LFU_DECAY_TIME: Int = "lfu-decay-time", int(0, INT_MAX), "1", Changeable,
            "Minutes after which an unused key's LFU counter falls by one; 0 never lets it fall.";
        ACTIVEDEFRAG: Flag = "activedefrag", Kind::Bool, "yes", Changeable,
            "Whether keys and values are moved together in memory when pages are mostly empty.";
        ACTIVE_DEFRAG_IGNORE_BYTES: Int = "active-defrag-ignore-bytes", memory(1, i64::MAX), "16mb", Changeable,
            "Less empty room than this within pages is left alone.";
        ACTIVE_DEFRAG_THRESHOLD_LOWER: Int = "active-defrag-threshold-lower", int(1, 1000), "10", Changeable,
            "Less empty room than so many percent of what is used is left alone.";
        ACTIVE_DEFRAG_CYCLE_MAX: Int = "active-defrag-cycle-max", int(1, 99), "25", Changeable,
            "The share of one core's time, in percent, that moving may take.";
        LAZYFREE_LAZY_EVICTION: Flag = "lazyfree-lazy-eviction", Kind::Bool, "yes", Changeable,
            "Kept for tools that ask: large evicted values are always freed in the background.";
        LAZYFREE_LAZY_EXPIRE: Flag = "lazyfree-lazy-expire", Kind::Bool, "yes", Changeable,
            "Kept for tools that ask: large expired values are always freed in the background.";
        LAZYFREE_LAZY_SERVER_DEL: Flag = "lazyfree-lazy-server-del", Kind::Bool, "yes", Changeable,
            "Kept for tools that ask: large overwritten values are always freed in the background.";
        LAZYFREE_LAZY_USER_DEL: Flag = "lazyfree-lazy-user-del", Kind::Bool, "yes", Changeable,
            "Kept for tools that ask: large values that DEL removes are always freed in the background.";
        LAZYFREE_LAZY_USER_FLUSH: Flag = "lazyfree-lazy-user-flush", Kind::Bool, "yes", Changeable,
            "Kept for tools that ask: what FLUSHALL and FLUSHDB remove is always freed in the background.";
    }
    "Encodings" {
        LIST_MAX_LISTPACK_SIZE: Int = "list-max-listpack-size", int(INT_MIN, INT_MAX), "-2", Changeable,
            "The largest block of a list: -1 to -5 for 4 to 64 KiB, or so many elements.";
        LIST_COMPRESS_DEPTH: Int = "list-compress-depth", int(0, INT_MAX), "0", Changeable,
            "Kept for tools that ask: blocks of lists are never compressed.";
        SET_MAX_INTSET_ENTRIES: Int = "set-max-intset-entries", int(0, i64::MAX), "512", Changeable,
            "Up to so many members, a set of integers is kept as a sorted array.";
        SET_MAX_LISTPACK_ENTRIES: Int = "set-max-listpack-entries", int(0, i64::MAX), "128", Changeable,
            "Up to so many members, a set is kept in one piece of memory.";
        SET_MAX_LISTPACK_VALUE: Int = "set-max-listpack-value", int(0, i64::MAX), "64", Changeable,
            "And as long as no member has more bytes than this.";
        HASH_MAX_LISTPACK_ENTRIES: Int = "hash-max-listpack-entries", int(0, i64::MAX), "512", Changeable,
            "Up to so many fields, a hash is kept in one piece of memory.";
        HASH_MAX_LISTPACK_VALUE: Int = "hash-max-listpack-value", int(0, i64::MAX), "64", Changeable,
            "And as long as no field or value has more bytes than this.";
        ZSET_MAX_LISTPACK_ENTRIES: Int = "zset-max-listpack-entries", int(0, i64::MAX), "128", Changeable,
            "Up to so many members, a sorted set is kept in one piece of memory.";
        ZSET_MAX_LISTPACK_VALUE: Int = "zset-max-listpack-value", int(0, i64::MAX), "64", Changeable,
            "And as long as no member has more bytes than this.";
        STREAM_NODE_MAX_BYTES: Int = "stream-node-max-bytes", memory(0, i64::MAX), "4096", Changeable,
            "Bytes of a stream that XTRIM ~ removes at a time; 0 sets no limit.";
        STREAM_NODE_MAX_ENTRIES: Int = "stream-node-max-entries", int(0, i64::MAX), "100", Changeable,
            "Entries of a stream that XTRIM ~ removes at a time; 0 sets no limit.";
        HLL_SPARSE_MAX_BYTES: Int = "hll-sparse-max-bytes", memory(0, i64::MAX), "3000", Changeable,
            "A HyperLogLog that grows beyond this many bytes takes its full 12 KiB.";
    }
    "Persistence" {
        DIR: Text = "dir" / "data-dir", Kind::Text, "data", Protected,
            "The data directory, made if it is missing: snapshots, log and lock file.";
        SAVE: Text = "save", Kind::Save, "3600 1 300 100 60 10000", Changeable,
            "Take a snapshot after so many seconds if there were so many changes; several pairs; empty takes none.";
        SNAPSHOT_KEEP: Int = "snapshot-keep", int(1, 1000), "2", Changeable,
            "How many snapshots are kept, the newest included.";
        RECOVER_ANYWAY: Flag = "recover-anyway", Kind::Bool, "no", Fixed,
            "Start although files are damaged or missing, with what is sound; damaged files are kept aside.";
        STOP_WRITES_ON_BGSAVE_ERROR: Flag = "stop-writes-on-bgsave-error", Kind::Bool, "yes", Changeable,
            "Refuse writes while the last snapshot has failed.";
        APPENDONLY: Flag = "appendonly", Kind::Bool, "yes", Changeable,
            "Keep every change in a log on disk. Setting it to yes again after a failure begins the log anew.";
        APPENDFSYNC: Choice<SyncPolicy> = "appendfsync", choice::<SyncPolicy>(), "everysec", Changeable,
            "When what is logged becomes durable: before the reply, once a second, or when the kernel likes.";
        LOG_SEGMENT_SIZE: Int = "log-segment-size", memory(64 * 1024, i64::MAX), "256mb", Changeable,
            "How large a file of the log grows before the next one begins.";
        LOG_BACKLOG_LIMIT: Int = "log-backlog-limit", memory(64 * 1024, i64::MAX), "64mb", Changeable,
            "Logged bytes that may wait for a slow disk; beyond it, writing clients wait.";
        AUTO_AOF_REWRITE_PERCENTAGE: Int = "auto-aof-rewrite-percentage", int(0, INT_MAX), "100", Changeable,
            "Take a snapshot when the log has grown to so many percent of the last one; 0 never does.";
        AUTO_AOF_REWRITE_MIN_SIZE: Int = "auto-aof-rewrite-min-size", memory(0, i64::MAX), "64mb", Changeable,
            "But not before snapshot and log together are so large.";
        BACKUP_DIR: Text = "backup-dir", Kind::Text, "", Protected,
            "Where backups go, made if it is missing; best on another disk.";
        BACKUP_INTERVAL: Int = "backup-interval", int(0, INT_MAX), "0", Changeable,
            "Seconds between backups to backup-dir; 0 makes none by itself.";
        BACKUP_KEEP: Int = "backup-keep", int(1, INT_MAX), "7", Changeable,
            "How many backups are kept in backup-dir.";
        BACKUP_COMMAND: Text = "backup-command", Kind::Text, "", Protected,
            "Program that is run after each backup, with the file's path as its last argument, until it succeeds.";
        ENABLE_BACKUP_TO: Choice<Permission> = "enable-backup-to", choice::<Permission>(), "local", Fixed,
            "Who may name a directory with BACKUP TO: nobody, clients on this machine, or everyone.";
        SHUTDOWN_TIMEOUT: Int = "shutdown-timeout", int(0, INT_MAX), "10", Changeable,
            "Kept for tools that ask: there are no replicas to wait for.";
        SHUTDOWN_ON_SIGINT: Bits = "shutdown-on-sigint", Kind::ShutdownOptions, "default", Changeable,
            "What SIGINT does: `default` (save if save points are set), or of save, nosave, now, force.";
        SHUTDOWN_ON_SIGTERM: Bits = "shutdown-on-sigterm", Kind::ShutdownOptions, "default", Changeable,
            "What SIGTERM does: `default` (save if save points are set), or of save, nosave, now, force.";
    }
    "Channels" {
        NOTIFY_KEYSPACE_EVENTS: Bits = "notify-keyspace-events", Kind::Events, "AKE", Changeable,
            "Which changes of keys are published: K and E name the channels, A or letters of g$lszhxetdmn the events.";
        PUBSUB_HISTORY: Text = "pubsub-history", Kind::History, "", Changeable,
            "Of which channels messages are kept for SUBSCRIBE.FROM: triples of pattern, how many, how many seconds.";
        PUBSUB_HISTORY_MEMORY: Int = "pubsub-history-memory", memory(64 * 1024, i64::MAX), "64mb", Changeable,
            "What all kept messages may take together; the oldest go first.";
    }
    "Observation" {
        LOGLEVEL: Choice<LogLevel> = "loglevel" / "log-level", choice::<LogLevel>(), "notice", Changeable,
            "The least important messages that are logged.";
        LOG_FORMAT: Choice<LogFormat> = "log-format", choice::<LogFormat>(), "text", Fixed,
            "Log lines as text for people or as JSON objects for machines.";
        HIDE_USER_DATA_FROM_LOG: Flag = "hide-user-data-from-log", Kind::Bool, "yes", Changeable,
            "Kept for tools that ask: the log never has keys, values or arguments.";
        SLOWLOG_LOG_SLOWER_THAN: Int = "slowlog-log-slower-than", int(-1, i64::MAX), "10000", Changeable,
            "Microseconds from which on a command enters the slow log; 0 logs all, -1 none.";
        SLOWLOG_MAX_LEN: Int = "slowlog-max-len", int(0, i64::MAX), "128", Changeable,
            "How many entries the slow log keeps.";
        HOTKEYS_SAMPLING: Int = "hotkeys-sampling", int(0, 1_000_000), "64", Changeable,
            "HOTKEYS looks at the keys of one command in so many; 0 looks at none.";
        LATENCY_MONITOR_THRESHOLD: Int = "latency-monitor-threshold", int(0, i64::MAX), "0", Changeable,
            "Milliseconds from which on LATENCY records an event; 0 records none.";
        LATENCY_TRACKING: Flag = "latency-tracking", Kind::Bool, "yes", Changeable,
            "Keep a histogram of execution times for each command.";
        LATENCY_TRACKING_INFO_PERCENTILES: Text = "latency-tracking-info-percentiles",
            Kind::Percentiles, "50 99 99.9", Changeable,
            "The percentiles that INFO latencystats shows.";
    }
}

/// Older names of parameters, which Redis still takes.
pub static ALIASES: [(&str, &str); 5] = [
    ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    ("hash-max-ziplist-value", "hash-max-listpack-value"),
    ("list-max-ziplist-size", "list-max-listpack-size"),
    ("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    ("zset-max-ziplist-value", "zset-max-listpack-value"),
];

/// The row of this name, in any case.
pub fn find(name: &[u8]) -> Option<&'static Param> {
    let alias = ALIASES.iter().find(|(alias, _)| alias.as_bytes().eq_ignore_ascii_case(name));
    let name = alias.map_or(name, |(_, name)| name.as_bytes());
    PARAMS.iter().find(|param| param.name.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_flags_are_unique_and_documented() {
        let mut seen = HashSet::new();
        for param in &PARAMS {
            assert!(seen.insert(param.name), "{} stands there twice", param.name);
            assert!(
                param.flag == param.name || seen.insert(param.flag),
                "--{} is taken",
                param.flag
            );
            assert!(
                param.doc.ends_with('.') && param.doc.len() > 20,
                "{}: {}",
                param.name,
                param.doc
            );
            assert_eq!(param.name, param.name.to_lowercase());
        }
    }

    #[test]
    fn every_handle_fits_the_kind_of_its_row() {
        for (param, fits) in PARAMS.iter().zip(FITS) {
            assert!(fits(&param.kind), "{}", param.name);
        }
    }

    #[test]
    fn rows_know_where_they_stand() {
        for (index, param) in PARAMS.iter().enumerate() {
            assert_eq!(param.index, index);
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find(b"MaxMemory").map(|param| param.name), Some("maxmemory"));
        assert!(find(b"maxmemory ").is_none());
    }
}
