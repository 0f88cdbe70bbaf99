//! Many clients at once: nothing is lost, nothing is seen half done.

use crate::support::ask::Ask;
use crate::support::peer::Connection;
use crate::support::process::{Process, announce};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::Sanderling;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const WRITERS: usize = 60;
const READERS: usize = 40;
const ROUNDS: usize = 100;
/// Pairs of keys in different shards, always written together with equal values.
const PAIRS: usize = 8;

fn pair(n: usize) -> [String; 2] {
    [format!("left:{}", n % PAIRS), format!("right:{}", n % PAIRS)]
}

#[test]
fn a_hundred_clients_lose_no_increment_and_never_see_half_a_write() {
    let server = Sanderling::start(&["--save", "", "--workers", "4"]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let done = &done;
        let readers: Vec<_> = (0..READERS)
            .map(|n| (n, server.client()))
            .map(|(n, client)| scope.spawn(move || read(client, n, done)))
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| (n, server.client()))
            .map(|(n, client)| scope.spawn(move || write(client, n)))
            .collect();
        let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|writer| writer.expect("no writer fails"));
        let reads = readers.into_iter().map(|reader| reader.join().expect("no reader fails"));
        assert!(reads.sum::<usize>() >= READERS, "every reader has read");
    });
    let mut client = server.client();
    assert_eq!(client.say("GET total"), format!("\"{}\"", WRITERS * ROUNDS));
    assert_eq!(client.say("STRLEN text"), format!(":{}", WRITERS * ROUNDS));
    assert_eq!(client.say("EXISTS taken"), ":0");
}

fn write(mut client: impl Connection, number: usize) {
    for round in 0..ROUNDS {
        let [left, right] = pair(number + round);
        let value = format!("{number}:{round}");
        let sent = [
            resp::encode(&["INCR", "total"]),
            // In both orders, so that writers meet each other from both sides.
            if round % 2 == 0 {
                resp::encode(&["MSET", &left, &value, &right, &value])
            } else {
                resp::encode(&["MSET", &right, &value, &left, &value])
            },
            resp::encode(&["APPEND", "text", "x"]),
            resp::encode(&["SET", &format!("own:{number}"), &value]),
            resp::encode(&["RENAME", &format!("own:{number}"), "taken"]),
            resp::encode(&["GET", &format!("own:{number}")]),
            resp::encode(&["DEL", "taken"]),
        ];
        client.send(&sent.concat()).expect("the server takes it");
        let replies: Vec<Reply> =
            sent.iter().map(|_| client.receive().unwrap().expect("a reply")).collect();
        assert!(matches!(replies[0], Reply::Integer(_)));
        let ok = Reply::Simple(b"OK".to_vec());
        assert!(replies[1] == ok && replies[3] == ok && replies[4] == ok);
        assert_eq!(replies[5], Reply::Nil);
    }
}

/// Looks at pairs until told to stop; returns how often.
fn read(mut client: impl Connection, number: usize, done: &AtomicBool) -> usize {
    for round in 0.. {
        let [left, right] = pair(number + round);
        let Reply::Array(values) = client.ask(&["MGET", &left, &right]) else {
            panic!("MGET replies with an array");
        };
        assert_eq!(values[0], values[1], "{left} and {right} are written together");
        if done.load(Ordering::Relaxed) {
            return round + 1;
        }
    }
    unreachable!("the loop has no end")
}

const IDLE: u64 = 5_000;
/// Files that this process needs besides.
const OTHER_FILES: u64 = 1_500;

/// Whether this process may open so many files.
fn may_open(files: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= files) {
        return true;
    }
    let raised = Rlimit { current: Some(files), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).is_ok()
}

#[test]
fn thousands_of_idle_connections_cost_no_threads_and_others_are_served() {
    if !may_open(IDLE + OTHER_FILES) {
        announce(&format!("skipped: too few open files are allowed for {IDLE} connections"));
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Process::start(data.path(), &["--save", "", "--workers", "2"]);
    let mut client = server.client();
    let idle: Vec<TcpStream> = (0..IDLE)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).expect("one more"))
        .collect();
    let wanted = (IDLE + 1).to_string();
    client.say_until("INFO clients", |info| info.contains(&format!("connected_clients:{wanted}")));
    assert_eq!(client.say("SET k v"), "+OK");
    assert_eq!(client.say("GET k"), "\"v\"");
    assert!(server.threads() < 20, "{} threads", server.threads());
    drop(idle);
    client.say_until("INFO clients", |info| info.contains("connected_clients:1\\r"));
}

/// The elements change while they are sorted, so that the names of the keys have to be made up again; and what
/// is written at once to all of these keys is seen at once.
#[test]
fn keys_that_patterns_name_are_read_at_one_instant() {
    const KEYS: usize = 12;
    let server = Sanderling::start(&["--save", "", "--workers", "4"]);
    let mset = |value: usize| {
        let pairs = (0..KEYS).map(|n| format!(" w_{n} {value}"));
        format!("MSET{}", pairs.collect::<String>())
    };
    let mut client = server.client();
    assert_eq!(client.say(&mset(0)), "+OK");
    client.say("RPUSH ids 0 1 2 3 4");
    let done = AtomicBool::new(false);
    let lines = ["SORT ids BY w_* GET w_*", "SORT ids GET w_* STORE sorted", "SORT_RO ids GET w_*"];
    let sorters = lines.map(|line| (line, server.client()));
    thread::scope(|scope| {
        let done = &done;
        for (line, mut client) in sorters {
            scope.spawn(move || {
                let words: Vec<&str> = line.split(' ').collect();
                while !done.load(Ordering::Relaxed) {
                    let Reply::Array(values) = client.ask(&words) else { continue };
                    assert!(values.len() >= 5, "{line}: {values:?}");
                    assert!(values.iter().all(|value| *value == values[0]), "{line}: {values:?}");
                }
            });
        }
        let writer = scope.spawn(move || {
            for round in 0..ROUNDS * 10 {
                assert_eq!(client.say(&mset(round)), "+OK");
                client.say(&format!("RPUSH ids {}", round % KEYS));
                client.say("LPOP ids");
            }
        });
        let ended = writer.join();
        done.store(true, Ordering::Relaxed);
        ended.expect("the writer does not fail");
    });
}
