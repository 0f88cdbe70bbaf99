//! Clients that keep caches: whatever others do meanwhile, a cache that has heard all messages holds what the
//! server holds.

use crate::support::ask::Ask;
use crate::support::patience::MeetingPoint;
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::Sanderling;
use sanderling::base::random::Random;
use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const KEYS: usize = 24;
const ROUNDS: usize = 12;
const STEPS: usize = 150;
const LAST_STEPS: usize = 10;
const WRITERS: u64 = 4;

fn key(chance: &mut Random) -> String {
    format!("key:{}", chance.below(KEYS))
}

fn connect(server: &Sanderling) -> SocketConnection<TcpStream> {
    server.client_with(Protocol::Resp3)
}

/// How a caching client works.
struct Way {
    tracking: &'static [&'static str],
    /// Says `CLIENT CACHING YES` before it reads.
    opts_in: bool,
    /// Reads in transactions.
    in_transactions: bool,
    /// Changes keys itself.
    writes: bool,
}

const PLAIN: Way = Way { tracking: &[], opts_in: false, in_transactions: false, writes: false };

const WAYS: [Way; 6] = [
    PLAIN,
    Way { opts_in: true, tracking: &["OPTIN"], ..PLAIN },
    Way { tracking: &["BCAST"], ..PLAIN },
    Way { tracking: &["BCAST", "PREFIX", "key:1", "PREFIX", "key:2"], writes: true, ..PLAIN },
    Way { in_transactions: true, ..PLAIN },
    Way { writes: true, tracking: &["NOLOOP"], ..PLAIN },
];

struct Caching {
    connection: SocketConnection<TcpStream>,
    way: &'static Way,
    cache: HashMap<String, Reply>,
    /// How many messages came.
    heard: usize,
}

impl Caching {
    fn new(server: &Sanderling, way: &'static Way) -> Caching {
        let mut connection = connect(server);
        let words = [&["CLIENT", "TRACKING", "ON"], way.tracking].concat();
        assert_eq!(connection.ask(&words), Reply::Simple(b"OK".to_vec()));
        Caching { connection, way, cache: HashMap::new(), heard: 0 }
    }

    /// Whether it is told of changes of this key.
    fn may_keep(&self, key: &str) -> bool {
        let mut words = self.way.tracking.iter().filter(|word| word.starts_with("key:")).peekable();
        words.peek().is_none() || words.any(|prefix| key.starts_with(prefix))
    }

    /// The next reply; messages that come before it are obeyed.
    fn reply(&mut self) -> Reply {
        loop {
            match self.connection.receive().unwrap().expect("the connection is open") {
                Reply::Push(message) => self.forget(&message),
                reply => return reply,
            }
        }
    }

    fn forget(&mut self, message: &[Reply]) {
        assert_eq!(message[0], Reply::Bulk(b"invalidate".to_vec()));
        self.heard += 1;
        match &message[1] {
            Reply::Nil => self.cache.clear(),
            Reply::Array(keys) => keys.iter().for_each(|key| {
                let Reply::Bulk(key) = key else { panic!("{key:?} is no key") };
                self.cache.remove(std::str::from_utf8(key).unwrap());
            }),
            other => panic!("{other:?} are no keys"),
        }
    }

    fn send(&mut self, lines: &[&[&str]]) {
        let frames: Vec<u8> = lines.iter().flat_map(|words| resp::encode(words)).collect();
        self.connection.send(&frames).unwrap();
    }

    fn step(&mut self, chance: &mut Random) {
        let key = key(chance);
        if self.way.writes && chance.below(4) == 0 {
            self.send(&[&["APPEND", &key, "x"]]);
            self.cache.remove(&key);
            self.reply();
        } else if !self.cache.contains_key(&key) && self.may_keep(&key) {
            self.read(key);
        } else {
            self.send(&[&["PING"]]);
            self.reply();
        }
    }

    fn read(&mut self, key: String) {
        let mut before = 0;
        if self.way.opts_in {
            self.send(&[&["CLIENT", "CACHING", "YES"], &["GET", &key]]);
            before = 1;
        } else if self.way.in_transactions {
            self.send(&[&["MULTI"], &["GET", &key], &["EXEC"]]);
            before = 2;
        } else {
            self.send(&[&["GET", &key]]);
        }
        (0..before).for_each(|_| drop(self.reply()));
        let value = match self.reply() {
            Reply::Array(mut replies) => replies.pop().expect("one command was queued"),
            value => value,
        };
        self.cache.insert(key, value);
    }

    /// Waits until everything is here that was sent before: a command takes along what came until then, and the next
    /// one shows that there is no more.
    fn catch_up(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let before = self.heard;
            self.send(&[&["PING"]]);
            assert_eq!(self.reply(), Reply::Simple(b"PONG".to_vec()));
            quiet = if self.heard == before { quiet + 1 } else { 0 };
        }
    }

    /// What in the cache is not as it is in the server.
    fn differences(&self, control: &mut impl Connection) -> Vec<String> {
        let mut differs = |key: &String, value: &Reply| control.ask(&["GET", key]) != *value;
        let wrong = self.cache.iter().filter(|(key, value)| differs(key, value));
        wrong.map(|(key, value)| format!("{key}: {value:?} with {:?}", self.way.tracking)).collect()
    }
}

fn write(connection: &mut impl Connection, chance: &mut Random) {
    let (a, b, value) = (key(chance), key(chance), chance.below(1000).to_string());
    let words: Vec<&str> = match chance.below(200) {
        0 => vec!["FLUSHALL"],
        1 => vec!["SWAPDB", "0", "1"],
        2..=30 => vec!["DEL", &a, &b],
        31..=60 => vec!["RENAME", &a, &b],
        61..=90 => vec!["MSET", &a, &value, &b, &value],
        91..=110 => vec!["MULTI"],
        _ => vec!["SET", &a, &value],
    };
    connection.ask(&words);
    if words == ["MULTI"] {
        connection.ask(&["SET", &a, &value]);
        connection.ask(&["APPEND", &b, &value]);
        connection.ask(&["EXEC"]);
    }
}

#[test]
fn a_cache_that_has_heard_everything_equals_the_server() {
    let flags = ["--save", "", "--workers", "3", "--tracking-table-max-keys", "16"];
    let server = Sanderling::start(&flags);
    let point = MeetingPoint::new(WAYS.len() + WRITERS as usize);
    let (kept, heard) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (done, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let (point, done, wrong) = (&point, &done, &wrong);
        let (kept, heard) = (&kept, &heard);
        for (number, way) in WAYS.iter().enumerate() {
            let (mut client, mut control) = (Caching::new(&server, way), connect(&server));
            scope.spawn(move || {
                let participant = point.join();
                let mut chance = Random::seeded(number as u64);
                for round in 1..=ROUNDS {
                    while done.load(Ordering::Relaxed) < round * WRITERS as usize {
                        participant.check();
                        client.step(&mut chance);
                    }
                    // So that there is something to compare that was not invalidated by the last changes.
                    (0..LAST_STEPS).for_each(|_| client.step(&mut chance));
                    participant.meet();
                    client.catch_up();
                    kept.fetch_add(client.cache.len(), Ordering::Relaxed);
                    wrong.lock().unwrap().extend(client.differences(&mut control));
                    // Nothing may change while others still compare.
                    participant.meet();
                }
                heard.fetch_add(client.heard, Ordering::Relaxed);
            });
        }
        for number in 0..WRITERS {
            let mut client = connect(&server);
            scope.spawn(move || {
                let participant = point.join();
                let mut chance = Random::seeded(100 + number);
                for _ in 0..ROUNDS {
                    (0..STEPS).for_each(|_| write(&mut client, &mut chance));
                    done.fetch_add(1, Ordering::Relaxed);
                    participant.meet();
                    participant.meet();
                }
            });
        }
    });
    let wrong: Vec<String> = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (kept, heard) = (kept.into_inner(), heard.into_inner());
    assert!(kept > ROUNDS * WAYS.len() && heard > 500, "{kept} values compared, {heard} messages");
    let mut control = server.client();
    control.await_clients(1);
    for name in ["tracking_clients", "tracking_total_keys", "tracking_total_items"] {
        assert_eq!(control.info(name), "0", "{name}");
    }
}

#[test]
fn who_was_waiting_for_what_it_reads_does_not_keep_it() {
    let server = Sanderling::start(&["--save", "", "--workers", "2"]);
    let (mut reader, mut writer) = (connect(&server), connect(&server));
    reader.say("CLIENT TRACKING ON");
    reader.send(&resp::encode(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"])).unwrap();
    writer.say_until("INFO clients", |info| info.contains("blocked_clients:1"));
    writer.say("XADD s 1-1 f v");
    // The first word of the change may come before the reply or behind it; one comes behind it in any case.
    let mut frames = Vec::new();
    while !frames.iter().any(|frame| matches!(frame, Reply::Map(_))) {
        frames.push(reader.receive().unwrap().unwrap());
    }
    assert_eq!(resp::render(&reader.receive().unwrap().unwrap()), ">[ \"invalidate\", [ \"s\" ] ]");
}

#[test]
fn a_monitor_is_shown_every_command_once_and_in_the_order_of_time() {
    const CLIENTS: usize = 4;
    const COMMANDS: usize = 300;
    let server = Sanderling::start(&["--save", "", "--workers", "3"]);
    let mut monitor = server.client();
    assert_eq!(monitor.say("MONITOR"), "+OK");
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (mut client, clock) = (server.client(), server.engine().clock.clone());
            scope.spawn(move || {
                for count in 0..COMMANDS {
                    client.ask(&["SET", &format!("k{number}"), &count.to_string()]);
                    clock.advance(std::time::Duration::from_micros(1));
                }
            });
        }
        let (mut next, mut last) = ([0; CLIENTS], String::new());
        for _ in 0..CLIENTS * COMMANDS {
            let line = resp::render(&monitor.receive().unwrap().unwrap());
            let (time, command) = line.split_once(' ').unwrap();
            assert!(time >= last.as_str(), "{time} comes behind {last}");
            let words: Vec<&str> = command.split('"').collect();
            let number: usize = words[3].strip_prefix('k').unwrap().parse().unwrap();
            assert_eq!(words[5].parse(), Ok(next[number]), "{line}");
            next[number] += 1;
            last = time.to_owned();
        }
    });
}

#[test]
fn a_monitor_that_does_not_read_is_disconnected_and_stalls_nobody() {
    let flags = ["--save", "", "--workers", "2"];
    let server = Sanderling::start(&flags);
    let (mut monitor, mut client) = (server.client(), server.client());
    client.say("CONFIG SET client-output-buffer-limit \"pubsub 1mb 0 0\"");
    assert_eq!(monitor.say("MONITOR"), "+OK");
    let value = "x".repeat(64 * 1024);
    let is_shown =
        |client: &mut SocketConnection<TcpStream>| client.say("CLIENT LIST").contains("flags=O");
    for _ in 0..10_000 {
        assert_eq!(client.ask(&["SET", "k", &value]), Reply::Simple(b"OK".to_vec()));
        if !is_shown(&mut client) {
            return;
        }
    }
    panic!("640 MB wait for the monitor");
}

#[test]
fn the_memory_of_a_client_is_what_waits_and_what_it_keeps() {
    let server = Sanderling::start(&["--save", "", "--workers", "2"]);
    let (mut client, mut control) = (connect(&server), server.client());
    let id = client.say("CLIENT ID").trim_start_matches(':').to_owned();
    let field = |control: &mut SocketConnection<TcpStream>, name: &str| -> usize {
        let line = control.say(&format!("CLIENT LIST ID {id}"));
        let value = line.split_once(&format!(" {name}=")).expect("the field is there").1;
        value.split(' ').next().unwrap().parse().unwrap()
    };
    let before = field(&mut control, "tot-mem");
    client.say("MULTI");
    client.ask(&["SET", "k", &"x".repeat(100_000)]);
    let queue = field(&mut control, "multi-mem");
    assert!(queue >= 100_000 && field(&mut control, "tot-mem") >= before + queue);
    // Its worker adds it to the sum after it has answered.
    control.say_until("INFO memory", |info| {
        let value = info.split("mem_clients_normal:").nth(1).expect("the line is there");
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().is_ok_and(|bytes| bytes >= before + queue)
    });
    client.say("DISCARD");
    assert!(field(&mut control, "multi-mem") < 10_000);
    // Half of a request waits for its other half.
    client.send(b"*2\r\n$4\r\nECHO\r\n$50000\r\n").unwrap();
    client.send(&[b'x'; 30_000]).unwrap();
    let is_there = |list: &str| !list.contains(" qbuf=0 ");
    control.say_until(&format!("CLIENT LIST ID {id}"), is_there);
    client.send(&[b'x'; 20_000]).unwrap();
    client.send(b"\r\n").unwrap();
    assert_eq!(client.receive().unwrap(), Some(Reply::Bulk(vec![b'x'; 50_000])));
}
