//! Exchange with Redis: it loads what this server logs, and this server imports what it logs.

use crate::support::ask::Ask;
use crate::support::data::{now_ms, state, state_that_redis_logs};
use crate::support::generator::{Generator, seeds};
use crate::support::log;
use crate::support::oracle::{self, Oracle};
use crate::support::peer::{Connection, Peer, Protocol};
use crate::support::process;
use crate::support::resp;
use crate::support::sanderling::Sanderling;
use sanderling::persist::directory::{list, segment_path};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

const COMMANDS: usize = 2_000;
const FLAGS: [&str; 4] = ["--save", "", "--enable-debug-command", "yes"];

/// With `everysec`, Redis may hold back what it writes for two seconds.
const LOGGING: [&str; 8] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "no",
    "--aof-use-rdb-preamble",
    "no",
    "--aof-timestamp-enabled",
    "yes",
];

/// The time of Redis, whose clock cannot be moved. Deadlines are far from it.
/// A connection to a `redis-server` that has loaded this as its append-only file.
fn loaded_by_redis(program: &Path, bytes: &[u8]) -> Vec<String> {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("appendonly.aof"), bytes).unwrap();
    let flags = ["--appendonly", "yes", "--aof-load-truncated", "no"];
    let mut redis =
        Oracle::start_on(program, directory.path(), &flags).expect("Redis takes the file");
    state(&mut *redis.connect(Protocol::Resp2).expect("redis-server accepts"))
}

#[test]
fn redis_loads_the_segments_of_the_log_with_and_without_their_lines() {
    let Some(program) = oracle::find() else { return };
    for seed in seeds(3) {
        let directory = tempdir().unwrap();
        let now_ms = now_ms();
        let flags = [&FLAGS[..], &["--log-segment-size", "64kb"]].concat();
        let server = Sanderling::start_at(now_ms, directory.path(), &flags);
        let mut client = server.client();
        let mut generator = Generator::new(seed, now_ms);
        for _ in 0..COMMANDS {
            client.ask(&generator.command());
        }
        // So that there are several segments.
        client.ask(&[&b"SET"[..], b"long", &[b'x'; 70_000]]);
        assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
        client.say("SET last \"value with \\r\\n#9 9 9 00000000\\n in it\"");
        let expected = state(&mut client);
        drop(server);
        let numbers = list(directory.path()).unwrap().segments;
        assert!(numbers.len() > 1, "{numbers:?}");
        let files = numbers.iter().map(|number| segment_path(directory.path(), *number));
        let whole: Vec<u8> = files.flat_map(|file| fs::read(file).unwrap()).collect();
        assert_eq!(loaded_by_redis(&program, &whole), expected, "seed {seed}");
        let commands = log::commands(directory.path());
        let bare: Vec<u8> = commands.iter().flat_map(|words| resp::encode(words)).collect();
        assert!(bare.len() < whole.len());
        assert_eq!(loaded_by_redis(&program, &bare), expected, "seed {seed}, without lines");
        assert!(expected.len() > 2, "seed {seed} leaves nothing to compare");
    }
}

/// Sends random commands, some of them in transactions.
fn feed(client: &mut dyn Connection, generator: &mut Generator) {
    let mut left = 0;
    for _ in 0..COMMANDS {
        if left == 0 && generator.below(20) == 0 {
            assert_eq!(client.say("MULTI"), "+OK");
            left = 1 + generator.below(5);
        }
        client.ask(&generator.command());
        if left > 0 {
            left -= 1;
            if left == 0 {
                client.say("EXEC");
            }
        }
    }
    if left > 0 {
        client.say("EXEC");
    }
}

#[test]
fn what_redis_logs_is_imported_with_every_key_value_and_deadline() {
    let Some(program) = oracle::find() else { return };
    for seed in seeds(3) {
        let directory = tempdir().unwrap();
        let redis = Oracle::start_on(&program, directory.path(), &LOGGING);
        let mut redis = redis.expect("redis-server starts");
        let mut client = redis.connect(Protocol::Resp2).expect("redis-server accepts");
        let now_ms = now_ms();
        let mut generator = Generator::new(seed, now_ms);
        feed(&mut *client, &mut generator);
        // Half of it as a base, the other half as what follows.
        assert!(client.say("BGREWRITEAOF").starts_with('+'));
        client.say_until("INFO persistence", |info| {
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        });
        feed(&mut *client, &mut generator);
        // What Redis finds in its log itself: it forgets to log that a `BITFIELD` which fails made a string longer.
        assert_eq!(client.say("DEBUG LOADAOF"), "+OK");
        let expected = state_that_redis_logs(&mut *client);
        drop(redis);
        let data = tempdir().unwrap();
        let source = directory.path().join("appendonlydir");
        let ended = process::run(&[
            "import",
            source.to_str().unwrap(),
            "--data-dir",
            data.path().to_str().unwrap(),
        ]);
        assert_eq!(ended.code, Some(0), "seed {seed}: {ended:?}");
        let server = Sanderling::start_at(now_ms, data.path(), &FLAGS);
        assert_eq!(state_that_redis_logs(&mut server.client()), expected, "seed {seed}");
        assert!(expected.len() > 2, "seed {seed} leaves nothing to compare");
    }
}
