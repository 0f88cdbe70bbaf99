//! `DUMP` and `RESTORE`: values of all forms travel to Redis and back unharmed.

use crate::support::ask::Ask;
use crate::support::contents::contents;
use crate::support::data::{DATABASES, now_ms};
use crate::support::generator::{Generator, seeds};
use crate::support::oracle::{self, Oracle};
use crate::support::peer::{Connection, Peer, Protocol};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::Sanderling;
use std::path::Path;
use tempfile::tempdir;

const FLAGS: [&str; 4] = ["--save", "", "--enable-debug-command", "yes"];

/// Redis's clock cannot be moved.
/// Both servers, each with a connection.
struct Servers {
    _oracle: Oracle,
    _directory: tempfile::TempDir,
    server: Sanderling,
    theirs: Box<dyn Connection>,
}

fn start(program: &Path) -> Servers {
    let mut oracle = Oracle::start(program).expect("redis-server starts");
    let theirs = oracle.connect(Protocol::Resp2).expect("redis-server accepts");
    let directory = tempdir().unwrap();
    let server = Sanderling::start_at(now_ms(), directory.path(), &FLAGS);
    Servers { _oracle: oracle, _directory: directory, server, theirs }
}

fn keys(client: &mut (impl Connection + ?Sized)) -> Vec<Vec<u8>> {
    let Reply::Array(keys) = resp::sorted(client.ask(&["KEYS", "*"])) else {
        panic!("KEYS has an array");
    };
    let bytes = |key| match key {
        Reply::Bulk(bytes) => bytes,
        other => panic!("{other:?} is no key"),
    };
    keys.into_iter().map(bytes).collect()
}

/// Restores what one server dumps in the other one, under another name, and compares.
fn carry(from: &mut dyn Connection, to: &mut dyn Connection, key: &[u8], what: &str) {
    let Reply::Bulk(payload) = from.ask(&[b"DUMP", key]) else {
        panic!("{what}: {} is not there", key.escape_ascii());
    };
    let reply = to.ask(&[&b"RESTORE"[..], b"carried", b"0", &payload, b"REPLACE"]);
    let place = format!("{what}: {}", key.escape_ascii());
    assert_eq!(resp::render(&reply), "+OK", "{place}: {}", payload.escape_ascii());
    assert_eq!(contents(to, b"carried"), contents(from, key), "{place}");
    assert_eq!(to.say("DEL carried"), ":1");
}

/// Sends commands of which none may fail.
fn fill(client: &mut dyn Connection) {
    for line in LINES.lines().filter(|line| !line.trim().is_empty()) {
        let reply = client.say(line.trim());
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    let mut tell = |words: &[String]| {
        let reply = client.ask(words);
        assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
    };
    let mut many = |line: &str, word: fn(usize) -> String, count: usize| {
        let words = line.split(' ').map(str::to_owned);
        tell(&words.chain((0..count).map(word)).collect::<Vec<_>>());
    };
    many("RPUSH list:long", |n| format!("element {n}"), 3_000);
    many("RPUSH list:numbers", |n| (n * n * n).to_string(), 3_000);
    many("RPUSH list:large", |n| "x".repeat(n * 1_000), 12);
    many("SADD set:integers:large", |n| (n * 7).to_string(), 900);
    many("SADD set:large", |n| format!("member {n}"), 400);
    many("SADD set:long", |n| "m".repeat(n * 30), 6);
    many(
        "ZADD zset:large",
        |n| if n % 2 == 0 { (n / 3).to_string() } else { format!("m{n}") },
        600,
    );
    many("HSET hash:large", |n| if n % 2 == 0 { format!("f{n}") } else { n.to_string() }, 600);
    many("HSET hash:long", |n| "v".repeat(n * 40), 8);
    many("PFADD hll", |n| n.to_string(), 2_000);
    for number in 1..=350 {
        many(&format!("XADD stream:large {number}-1 f {number} g"), |_| "x".to_owned(), 1);
    }
}

/// One value of each kind; large ones are made by [`fill`].
const LINES: &str = r#"
    SET string:empty ""
    SET string:short "a\r\nb\x00\xff"
    SET string:zero 0
    SET string:small -128
    SET string:middle 32768
    SET string:wide -2147483649
    SET string:widest 9223372036854775807
    SET string:text 007
    INCRBYFLOAT string:float 0.1
    APPEND string:appended 12
    APPEND string:appended 34
    SETBIT string:bits 80001 1
    SETRANGE string:long 30000 end
    RPUSH list:one ""
    RPUSH list:mixed a 1 -1 "" 9223372036854775807 -9223372036854775808 4095 -4096 1e5 007
    SADD set:integers:small 1 -2 3
    SADD set:integers:middle 1 70000
    SADD set:integers:wide 1 -5000000000
    SADD set:mixed 1 a "" 007 "\x00\xff"
    SADD set:one x
    ZADD zset:mixed 1 a 1 b -1 c 0.1 d inf e -inf f 1e300 g 1234567890123456 i 5e-324 j
    ZADD zset:one 17.25 ""
    ZADD zset:integers 3 1 2 2 1 3
    HSET hash:mixed f v n 7 "" "" 7 -7 "\x00" "\xff"
    HSET hash:one f v
    XADD stream:mixed 1-1 f v
    XADD stream:mixed 1-2 f w
    XADD stream:mixed 2-0 g 1 h 2
    XADD stream:mixed 18446744073709551615-1 f ""
    XDEL stream:mixed 1-2
    XGROUP CREATE stream:empty g $ MKSTREAM
    XADD stream:gone 5-5 f v
    XDEL stream:gone 5-5
    XADD stream:groups 1-1 f v
    XADD stream:groups 1-2 f v
    XADD stream:groups 1-3 f v
    XADD stream:groups 1-4 f v
    XGROUP CREATE stream:groups g 0
    XGROUP CREATE stream:groups "" 1-2
    XGROUP CREATE stream:groups last $
    XGROUP CREATECONSUMER stream:groups g idle
    XREADGROUP GROUP g alice COUNT 2 STREAMS stream:groups >
    XREADGROUP GROUP g "bob \x00" COUNT 1 STREAMS stream:groups >
    XREADGROUP GROUP "" c STREAMS stream:groups >
    XCLAIM stream:groups g carol 0 1-2 RETRYCOUNT 99
    XACK stream:groups g 1-1
    XDEL stream:groups 1-2
    XTRIM stream:groups MAXLEN 3
"#;

/// Parameters that choose the forms of collections.
const SETTINGS: &[&[(&str, &str)]] = &[
    &[],
    &[
        ("list-max-listpack-size", "1"),
        ("hash-max-listpack-entries", "0"),
        ("zset-max-listpack-entries", "0"),
        ("set-max-intset-entries", "0"),
        ("stream-node-max-entries", "1"),
    ],
    &[
        ("list-max-listpack-size", "-1"),
        ("hash-max-listpack-entries", "10000"),
        ("hash-max-listpack-value", "10000"),
        ("zset-max-listpack-entries", "10000"),
        ("set-max-intset-entries", "10000"),
        ("stream-node-max-entries", "0"),
        ("stream-node-max-bytes", "0"),
    ],
    &[
        ("list-max-listpack-size", "-5"),
        ("list-compress-depth", "1"),
        ("hash-max-listpack-value", "1"),
        ("zset-max-listpack-value", "1"),
        ("stream-node-max-entries", "7"),
    ],
];

fn set(client: &mut dyn Connection, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        assert_eq!(client.say(&format!("CONFIG SET {name} {value}")), "+OK", "{name}");
    }
}

#[test]
fn values_of_all_forms_travel_to_redis_and_back() {
    let Some(program) = oracle::find() else { return };
    for settings in SETTINGS {
        let Servers { server, mut theirs, _oracle, _directory } = start(&program);
        let mut ours = server.client();
        for client in [&mut ours as &mut dyn Connection, &mut *theirs] {
            set(client, settings);
            fill(client);
        }
        // What is carried takes the form that is usual here.
        let others = start(&program);
        let (mut our_other, mut their_other) = (others.server.client(), others.theirs);
        let keys = keys(&mut ours);
        assert!(keys.len() > 35, "only {} keys", keys.len());
        for key in &keys {
            let what = format!("with {settings:?}");
            carry(&mut ours, &mut *theirs, key, &format!("to Redis {what}"));
            carry(&mut ours, &mut *their_other, key, &format!("to another Redis {what}"));
            carry(&mut *theirs, &mut ours, key, &format!("from Redis {what}"));
            carry(&mut *theirs, &mut our_other, key, &format!("from another Redis {what}"));
            assert_eq!(contents(&mut ours, key), contents(&mut *theirs, key), "{what}");
        }
    }
}

#[test]
fn random_values_travel_to_redis_and_back() {
    let Some(program) = oracle::find() else { return };
    let Servers { server, mut theirs, _oracle, _directory } = start(&program);
    let mut ours = server.client();
    let mut carried = 0;
    for seed in seeds(8) {
        ours.say("FLUSHALL");
        let mut generator = Generator::new(seed, now_ms());
        for _ in 0..1_500 {
            ours.ask(&generator.command());
        }
        for db in 0..DATABASES {
            ours.say(&format!("SELECT {db}"));
            for key in keys(&mut ours) {
                carry(&mut ours, &mut *theirs, &key, &format!("seed {seed}, to Redis"));
                let Reply::Bulk(payload) = ours.ask(&[&b"DUMP"[..], &key]) else {
                    panic!("it is still there");
                };
                theirs.ask(&[&b"RESTORE"[..], b"visitor", b"0", &payload, b"REPLACE"]);
                carry(&mut *theirs, &mut ours, b"visitor", &format!("seed {seed}, from Redis"));
                carried += 1;
            }
        }
    }
    assert!(carried > 20, "only {carried} values were there");
}

#[test]
fn hashes_with_deadlines_come_back_with_them() {
    let server = Sanderling::start(&FLAGS);
    let mut client = server.client();
    for entries in ["128", "0"] {
        client.say(&format!("CONFIG SET hash-max-listpack-entries {entries}"));
        client.say("DEL h");
        client.say("HSET h f v g w h x i y");
        client.say("HPEXPIREAT h 33177117420000 FIELDS 2 f g");
        client.say("HPEXPIREAT h 33177117420001 FIELDS 1 h");
        let Reply::Bulk(payload) = client.ask(&["DUMP", "h"]) else { panic!("it is there") };
        assert_eq!(payload[0], 24);
        client.ask(&[&b"RESTORE"[..], b"other", b"0", &payload, b"REPLACE"]);
        assert_eq!(contents(&mut client, b"other"), contents(&mut client, b"h"));
    }
}
