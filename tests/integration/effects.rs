//! What commands leave behind for others: the log repeats to the same state, and events are those of
//! Redis.

use crate::support::ask::Ask;
use crate::support::data::{DATABASES, state};
use crate::support::generator::{Generator, seeds, shown};
use crate::support::log;
use crate::support::oracle::{self, Oracle};
use crate::support::peer::{Connection, Peer, Protocol};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::{START_MS, Sanderling};
use sanderling::exec::EventHook;
use sanderling::store::Event;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FLAGS: [&str; 6] = ["--save", "", "--enable-debug-command", "yes", "--workers", "1"];

/// Waits until everything that has expired is removed, and so in the log.
fn wait_for_the_reaper(client: &mut impl Connection) {
    for db in 0..DATABASES {
        client.say(&format!("SELECT {db}"));
        let Reply::Array(keys) = client.ask(&["KEYS", "*"]) else { panic!("KEYS has an array") };
        client.say_until("DBSIZE", |size| size == format!(":{}", keys.len()));
    }
}

#[test]
fn repeating_the_log_gives_the_same_state_whatever_the_time() {
    for seed in seeds(6) {
        let logged = tempfile::tempdir().unwrap();
        let server = Sanderling::start_at(START_MS, logged.path(), &FLAGS);
        let mut client = server.client();
        let mut generator = Generator::new(seed, START_MS);
        generator.near_deadlines = true;
        for _ in 0..1_500 {
            let words = generator.command();
            client.ask(&words);
            if generator.below(8) == 0 {
                let step = Duration::from_millis(generator.below(900) as u64);
                server.engine().clock.advance(step);
                generator.now_ms += step.as_millis() as i64;
            }
        }
        wait_for_the_reaper(&mut client);
        // What a client waits for is its own last change; everything else is before it.
        assert_eq!(client.say("SET last x"), "+OK");
        let expected = state(&mut client);
        assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
        // A day before: what has expired goes because the log says so, not because it is time.
        let directory = tempfile::tempdir().unwrap();
        let other = Sanderling::start_at(START_MS - 86_400_000, directory.path(), &FLAGS);
        let mut client = other.client();
        repeat(&log::commands(logged.path()), &mut client, seed);
        assert_eq!(state(&mut client), expected, "seed {seed}");
        assert!(!expected.is_empty(), "seed {seed} leaves nothing to compare");
    }
}

fn repeat(commands: &[Vec<Vec<u8>>], client: &mut impl Connection, seed: u64) {
    for command in commands {
        let reply = client.ask(command);
        let is_error = matches!(reply, Reply::Error(_));
        assert!(!is_error, "seed {seed}: {}: {}", shown(command), resp::render(&reply));
    }
}

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl EventHook for Events {
    fn publish(&self, event: &Event) {
        let line = format!("{} {} {}", event.db, event.kind.name, event.key.escape_ascii());
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn a_key_that_comes_from_elsewhere_is_new_and_looking_inside_is_no_miss() {
    let server = Sanderling::start(&FLAGS);
    let events = Events::default();
    server.engine().hooks.install_events(Box::new(events.clone()));
    let mut client = server.client();
    client.say("MSET a 1 b 2");
    events.0.lock().unwrap().clear();
    // The first two replace keys, which makes no difference.
    for (line, expected) in [
        ("COPY a b REPLACE", &["0 new b", "0 copy_to b"][..]),
        ("RENAME a b", &["0 new b", "0 rename_from a", "0 rename_to b"]),
        ("MOVE b 3", &["3 new b", "0 move_from b", "3 move_to b"]),
        ("COPY nosuch b", &["0 keymiss nosuch"]),
        ("OBJECT ENCODING nosuch", &[]),
        ("RENAME nosuch b", &[]),
        ("MOVE nosuch 3", &[]),
    ] {
        client.say(line);
        assert_eq!(std::mem::take(&mut *events.0.lock().unwrap()), expected, "{line}");
    }
}

/// The events that `redis-server` published since the last call, by way of a mark that follows them.
fn published(control: &mut dyn Connection, subscriber: &mut dyn Connection) -> Vec<String> {
    assert_eq!(control.say("PUBLISH mark -"), ":1");
    let mut lines = Vec::new();
    loop {
        let Some(Reply::Array(message)) = subscriber.receive().unwrap() else {
            panic!("a subscriber receives arrays");
        };
        let [.., Reply::Bulk(channel), Reply::Bulk(key)] = &message[..] else {
            panic!("a message ends with its channel and its text");
        };
        let channel = String::from_utf8_lossy(channel).into_owned();
        if channel == "mark" {
            return lines;
        }
        let (db, name) = channel.strip_prefix("__keyevent@").unwrap().split_once("__:").unwrap();
        lines.push(format!("{db} {name} {}", key.escape_ascii()));
    }
}

#[test]
fn events_are_those_of_redis() {
    let Some(program) = oracle::find() else {
        eprintln!("skipped: redis-server is not installed");
        return;
    };
    let mut oracle = Oracle::start(&program).expect("redis-server starts");
    let [mut theirs, mut control, mut subscriber] =
        [(); 3].map(|()| oracle.connect(Protocol::Resp2).expect("redis-server accepts"));
    assert_eq!(control.say("CONFIG SET notify-keyspace-events AEnm"), "+OK");
    for pattern in ["__keyevent@*", "mark"] {
        assert!(subscriber.say(&format!("PSUBSCRIBE {pattern}")).contains("psubscribe"));
    }
    let server = Sanderling::start(&FLAGS);
    let events = Events::default();
    server.engine().hooks.install_events(Box::new(events.clone()));
    let mut ours = server.client();
    for seed in seeds(3) {
        theirs.say("FLUSHALL");
        ours.say("FLUSHALL");
        // Absolute deadlines lie in the past of one clock or the future of both.
        let mut generator = Generator::new(seed, START_MS + 1_000_000_000_000);
        for _ in 0..1_000 {
            let words = generator.command();
            theirs.ask(&words);
            ours.ask(&words);
            let expected = published(&mut *control, &mut *subscriber);
            let got = std::mem::take(&mut *events.0.lock().unwrap());
            assert_eq!(got, expected, "seed {seed}: {}", shown(&words));
        }
    }
}
