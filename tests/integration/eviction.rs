//! `maxmemory`: what goes, what stays, what is refused, and who hears of it. The binary is a process here: what
//! counts is what its allocator handed out.

use crate::support::ask::Ask;
use crate::support::patience::eventually;
use crate::support::peer::{Connection, SocketConnection};
use crate::support::process::Process;
use crate::support::resp::{self, Reply};
use std::net::TcpStream;
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

type Client = SocketConnection<TcpStream>;

fn start(flags: &[&str]) -> (Process, TempDir) {
    let data = tempdir().expect("a directory can be made");
    let all = [&["--save", "", "--workers", "2"], flags].concat();
    (Process::start(data.path(), &all), data)
}

/// Sends commands in batches and returns how many were refused for want of memory.
fn send_all(client: &mut Client, commands: impl Iterator<Item = Vec<Vec<u8>>>) -> usize {
    let mut refused = 0;
    let commands: Vec<_> = commands.collect();
    for batch in commands.chunks(100) {
        let encoded: Vec<u8> = batch.iter().flat_map(|words| resp::encode(words)).collect();
        client.send(&encoded).expect("the server takes the batch");
        for _ in batch {
            match client.receive().expect("a reply comes").expect("the connection is open") {
                Reply::Error(text) => {
                    assert!(text.starts_with(b"OOM command not allowed"), "{text:?}");
                    refused += 1;
                }
                reply => assert_eq!(resp::render(&reply), "+OK"),
            }
        }
    }
    refused
}

fn set(key: String, bytes: usize) -> Vec<Vec<u8>> {
    vec![b"SET".to_vec(), key.into_bytes(), vec![b'v'; bytes]]
}

/// Sizes from a few bytes to some kilobytes, the same in every run.
fn mixed_size(n: usize) -> usize {
    const SIZES: [usize; 8] = [8, 64, 100, 300, 700, 1_500, 4_000, 20];
    SIZES[n.wrapping_mul(0x9e37_79b9) >> 7 & 7] + n % 13
}

/// Bytes that count towards the limit.
fn counted(client: &mut Client) -> u64 {
    let figure = |client: &mut Client, name: &str| client.info(name).parse::<u64>().expect(name);
    let used = figure(client, "used_memory");
    used.saturating_sub(figure(client, "mem_not_counted_for_evict"))
}

fn number(client: &mut Client, line: &str) -> u64 {
    client.say(line).trim_start_matches(':').parse().expect("the reply is a number")
}

#[test]
fn the_data_stays_within_its_limit_whatever_is_written() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let (server, _data) =
            start(&["--maxmemory", "24mb", "--maxmemory-policy", policy, "--appendonly", "no"]);
        let mut client = server.client();
        for round in 0..12 {
            let keys = round * 5_000..(round + 1) * 5_000;
            let refused =
                send_all(&mut client, keys.map(|n| set(format!("key:{n}"), mixed_size(n))));
            assert_eq!(refused, 0, "{policy}: there is always something to evict");
            // Of so small a limit, what the allocator has added in the last second is a large share.
            let used = counted(&mut client);
            assert!(used * 100 <= 24 * MIB * 106, "{policy}: {used} bytes in round {round}");
        }
        let used = counted(&mut client);
        assert!(used * 100 >= 24 * MIB * 90, "{policy}: only {used} bytes are used");
        stop_evicting(&mut client, 60_000);
    }
}

/// Lifts the limit, and waits until of so many keys each is there or counted as evicted. How many are there then.
fn stop_evicting(client: &mut Client, keys: usize) -> usize {
    assert_eq!(client.say("CONFIG SET maxmemory 0"), "+OK");
    let mut held = 0;
    // The reaper may be in the middle of making room ahead of need. It counts what it has evicted behind that.
    eventually("the evicted and the others are all", || {
        held = number(client, "DBSIZE") as usize;
        held + client.info("evicted_keys").parse::<usize>().expect("it is a number") == keys
    });
    held
}

#[test]
fn without_eviction_writes_are_refused_and_everything_else_goes_on() {
    let (server, _data) = start(&["--maxmemory", "6mb", "--appendonly", "no"]);
    let mut client = server.client();
    let refused = send_all(&mut client, (0..20_000).map(|n| set(format!("k{n}"), 1_000)));
    let held = number(&mut client, "DBSIZE");
    assert!(refused > 0 && held > 1_000);
    assert_eq!(held + refused as u64, 20_000, "what was accepted is there");
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.";
    let large = "x".repeat(1 << 20);
    for line in ["SET more", "LPUSH l", "APPEND k1"] {
        assert_eq!(client.say(&format!("{line} {large}")), oom, "{line}");
    }
    assert_eq!(client.info("evicted_keys"), "0");
    assert_eq!(client.say("DEL k1 k2 k3 k4 k5 k6 k7 k8 k9 k10"), ":10");
    assert_eq!(client.say("CONFIG SET maxmemory 0"), "+OK");
    assert_eq!(client.say("SET more x"), "+OK");
}

#[test]
fn volatile_policies_take_only_keys_that_expire() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let (server, _data) =
            start(&["--maxmemory", "8mb", "--maxmemory-policy", policy, "--appendonly", "no"]);
        let mut client = server.client();
        assert_eq!(send_all(&mut client, (0..1_500).map(|n| set(format!("stays:{n}"), 1_000))), 0);
        let volatile = (0..15_000).map(|n| {
            let mut words = set(format!("goes:{n}"), 1_000);
            words.extend([b"EX".to_vec(), (100_000 - n).to_string().into_bytes()]);
            words
        });
        assert_eq!(send_all(&mut client, volatile), 0, "{policy}");
        let kept = (0..1_500).filter(|n| client.say(&format!("EXISTS stays:{n}")) == ":1").count();
        assert_eq!(kept, 1_500, "{policy}");
        if policy == "volatile-ttl" {
            assert_eq!(client.say("EXISTS goes:0 goes:100"), ":2", "they expire last");
        }
        // With nothing left that may go, writes are refused.
        let refused = send_all(&mut client, (0..15_000).map(|n| set(format!("more:{n}"), 1_000)));
        assert!(refused > 0, "{policy}");
        assert_eq!(number(&mut client, "DBSIZE") as usize, 1_500 + 15_000 - refused, "{policy}");
    }
}

#[test]
fn a_large_value_gets_its_room_and_one_that_never_fits_costs_nothing() {
    let (server, _data) =
        start(&["--maxmemory", "16mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "no"]);
    let mut client = server.client();
    assert_eq!(send_all(&mut client, (0..100_000).map(|n| set(format!("k{n}"), 100))), 0);
    let before = number(&mut client, "DBSIZE");
    let huge = client.ask(&[&b"SET"[..], b"huge", &vec![b'x'; 17 << 20]]);
    assert!(resp::render(&huge).starts_with("-OOM"), "17 MB never fit into 16");
    // The request itself is the client's memory, not data.
    assert!(number(&mut client, "DBSIZE") > before - 5_000);
    let large = client.ask(&[&b"SET"[..], b"large", &vec![b'x'; 5 << 20]]);
    assert_eq!(resp::render(&large), "+OK");
    assert!(number(&mut client, "DBSIZE") < before - 10_000);
    assert_eq!(client.say("STRLEN large"), format!(":{}", 5 << 20));
    let used = counted(&mut client);
    assert!(used * 100 <= 16 * MIB * 102, "{used} bytes");
}

#[test]
fn a_limit_that_is_lowered_is_reached_without_any_write() {
    let (server, _data) = start(&["--maxmemory-policy", "allkeys-random", "--appendonly", "no"]);
    let mut client = server.client();
    assert_eq!(send_all(&mut client, (0..50_000).map(|n| set(format!("k{n}"), 200))), 0);
    assert_eq!(client.say("CONFIG SET maxmemory 6mb"), "+OK");
    client.say_until("INFO memory", |info| {
        let used = info.split("used_memory:").nth(1).and_then(|rest| rest.split("\\r").next());
        used.and_then(|used| used.parse::<u64>().ok()).is_some_and(|used| used <= 6 * MIB)
    });
    assert!(number(&mut client, "DBSIZE") < 40_000);
}

#[test]
fn evictions_are_in_the_log() {
    const KEYS: usize = 30_000;
    let (server, data) = start(&["--maxmemory", "6mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.client();
    assert_eq!(send_all(&mut client, (0..KEYS).map(|n| set(format!("k{n}"), 300))), 0);
    let held = stop_evicting(&mut client, KEYS);
    assert!(held < KEYS - 5_000, "{held} keys are left");
    assert_eq!(client.say("CONFIG SET appendfsync always"), "+OK");
    assert_eq!(client.say("SET last one"), "+OK");
    server.kill();
    let again = Process::start(data.path(), &["--save", ""]);
    assert_eq!(again.client().say("DBSIZE"), format!(":{}", held + 1));
}

/// Keys that two threads evict before either tells of them.
const ABREAST: usize = 200;

#[test]
fn evictions_are_told_to_whoever_hears_of_changes() {
    let (server, _data) = start(&[
        "--maxmemory",
        "6mb",
        "--maxmemory-policy",
        "volatile-ttl",
        "--notify-keyspace-events",
        "Ee",
        "--appendonly",
        "no",
    ]);
    let mut writer = server.client();
    assert_eq!(writer.say("SET first v EX 1000"), "+OK");
    let mut watcher = server.client();
    for (line, reply) in [("WATCH first", "+OK"), ("MULTI", "+OK"), ("PING", "+QUEUED")] {
        assert_eq!(watcher.say(line), reply);
    }
    let mut listener = server.client();
    assert!(listener.say("SUBSCRIBE __keyevent@0__:evicted").starts_with("[ \"subscribe\""));
    let volatile = (0..10_000).map(|n| {
        let mut words = set(format!("k{n}"), 1_000);
        words.extend([b"EX".to_vec(), b"5000".to_vec()]);
        words
    });
    assert_eq!(send_all(&mut writer, volatile), 0);
    // The writer and the reaper evict at the same time, so those next in line may be told before the first.
    let mut told = (0..ABREAST).map(|_| {
        let message = listener.receive().expect("a message comes");
        resp::render(&message.expect("the connection is open"))
    });
    assert!(told.any(|text| text == r#"[ "message", "__keyevent@0__:evicted", "first" ]"#));
    assert_eq!(watcher.say("EXEC"), "*nil");
}
