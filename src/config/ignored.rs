//! Redis's parameters that a configuration file may contain and this server passes over.
//!
//! A file written for Redis should work here. These names tune machinery that this server does not
//! have (fork, Redis's file names and formats, incremental rehashing, encodings of small values) or where and how
//! it runs, so leaving them out changes no answer; each is told in a warning. A name is not here if
//! ignoring it would weaken what the operator asked for (access rules, TLS, replication, renamed
//! commands, modules): such a file is refused.

/// In alphabetical order.
const IGNORED: &[&str] = &[
    "active-defrag-cycle-min",
    "active-defrag-max-scan-fields",
    "active-defrag-threshold-upper",
    "active-expire-effort",
    "activerehashing",
    "always-show-logo",
    "aof-load-truncated",
    "aof-rewrite-cpulist",
    "aof-rewrite-incremental-fsync",
    "aof-timestamp-enabled",
    "aof-use-rdb-preamble",
    "aof_rewrite_cpulist",
    "appenddirname",
    "appendfilename",
    "bgsave-cpulist",
    "bgsave_cpulist",
    "bio-cpulist",
    "bio_cpulist",
    "crash-log-enabled",
    "crash-memcheck-enabled",
    "daemonize",
    "dbfilename",
    "disable-thp",
    "dynamic-hz",
    "hz",
    "ignore-warnings",
    "io-threads",
    "io-threads-do-reads",
    "jemalloc-bg-thread",
    "locale-collate",
    "logfile",
    "maxmemory-eviction-tenacity",
    "no-appendfsync-on-rewrite",
    "oom-score-adj",
    "oom-score-adj-values",
    "pidfile",
    "proc-title-template",
    "rdb-del-sync-files",
    "rdb-save-incremental-fsync",
    "rdbchecksum",
    "rdbcompression",
    "repl-disable-tcp-nodelay",
    "repl-diskless-load",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
    "repl-diskless-sync-max-replicas",
    "replica-lazy-flush",
    "replica-priority",
    "replica-read-only",
    "replica-serve-stale-data",
    "sanitize-dump-payload",
    "server-cpulist",
    "server_cpulist",
    "set-proc-title",
    "slave-lazy-flush",
    "slave-priority",
    "slave-read-only",
    "slave-serve-stale-data",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
];

/// Whether a line with this name, in any case, is passed over.
pub(super) fn is_ignored(name: &str) -> bool {
    IGNORED.binary_search(&name.to_ascii_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::params;

    #[test]
    fn names_are_sorted_so_that_they_are_found() {
        assert!(IGNORED.is_sorted());
        assert!(is_ignored("Daemonize") && !is_ignored("aclfile") && !is_ignored("tls-port"));
    }

    #[test]
    fn no_parameter_is_ignored() {
        for name in IGNORED {
            assert!(params::find(name.as_bytes()).is_none(), "{name} has become a parameter");
        }
    }
}
