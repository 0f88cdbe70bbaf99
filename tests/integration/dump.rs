//! `DUMP` and `RESTORE`: values travel to Redis and back unharmed, and damaged payloads do no harm.

use crate::support::ask::Ask;
use crate::support::contents::contents;
use crate::support::data::DATABASES;
use crate::support::generator::{Generator, seeds};
use crate::support::oracle::{self, Oracle};
use crate::support::payloads::PAYLOADS;
use crate::support::peer::{Connection, Peer, Protocol};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::Sanderling;
use crc::{CRC_64_REDIS, Crc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use sanderling::persist::rdb::{self, Limits, PayloadError};
use sanderling::store::OwnedValue;
use sanderling::value::list::ListLimits;
use sanderling::value::set::SetLimits;
use sanderling::value::stream::NodeLimits;
use sanderling::value::{hash, sorted_set};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::tempdir;

const FLAGS: [&str; 4] = ["--save", "", "--enable-debug-command", "yes"];
/// Version and checksum behind the content.
const FOOTER: usize = 10;

/// Redis's clock cannot be moved.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    since.as_millis() as i64
}

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
    let Some(program) = oracle::find() else {
        eprintln!("skipped: redis-server is not installed");
        return;
    };
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
    let Some(program) = oracle::find() else {
        eprintln!("skipped: redis-server is not installed");
        return;
    };
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

/// The usual ones, and such that nearly everything is large.
fn limits() -> [Limits; 2] {
    [(128, 64, -2), (2, 10, 2)].map(|(entries, value, list)| Limits {
        list: ListLimits::new(list),
        set: SetLimits {
            intset_entries: entries,
            listpack_entries: entries,
            listpack_value: value,
        },
        sorted_set: sorted_set::Thresholds { entries, value },
        hash: hash::Limits { fields: entries, bytes: value },
        stream: NodeLimits { bytes: 4096, entries: entries as u64 },
    })
}

/// A payload of this content. (The checksum of Redis's own tests tells that it is the right one: without it
/// nothing here would be accepted.)
fn sealed(mut content: Vec<u8>, version: u16) -> Vec<u8> {
    content.extend(version.to_le_bytes());
    let checksum = Crc::<u64>::new(&CRC_64_REDIS).checksum(&content);
    content.extend(checksum.to_le_bytes());
    content
}

fn content_of(payload: &[u8]) -> &[u8] {
    &payload[..payload.len() - FOOTER]
}

fn restore(payload: &[u8]) -> Result<OwnedValue, PayloadError> {
    let [first, second] = limits().map(|limits| rdb::restore(payload, &limits));
    // The form must not decide what is sound.
    assert_eq!(first.as_ref().err(), second.as_ref().err(), "{}", payload.escape_ascii());
    second.and(first)
}

#[test]
fn payloads_of_every_type_are_read_and_written_again() {
    for payload in PAYLOADS {
        assert_eq!(sealed(content_of(payload).to_vec(), version_of(payload)), *payload);
        let value = restore(payload).unwrap_or_else(|_| panic!("{}", payload.escape_ascii()));
        let written = rdb::dump(value.as_ref(), 0);
        let again = restore(&written).expect("what is written is read");
        assert_eq!(rdb::dump(again.as_ref(), 0), written);
    }
}

fn version_of(payload: &[u8]) -> u16 {
    let footer = &payload[payload.len() - FOOTER..];
    u16::from_le_bytes([footer[0], footer[1]])
}

#[test]
fn a_payload_that_is_cut_off_anywhere_is_refused() {
    for payload in PAYLOADS {
        for len in 0..payload.len() {
            assert_eq!(restore(&payload[..len]).err(), Some(PayloadError::Footer), "{len}");
        }
        let content = content_of(payload);
        for len in 0..content.len() {
            let cut = sealed(content[..len].to_vec(), version_of(payload));
            let place = format!("{len} bytes of {}", payload.escape_ascii());
            assert_eq!(restore(&cut).err(), Some(PayloadError::Content), "{place}");
        }
        let longer = sealed([content, b"\0"].concat(), version_of(payload));
        assert_eq!(restore(&longer).err(), Some(PayloadError::Content));
    }
}

#[test]
fn unknown_types_and_versions_and_wrong_checksums_are_refused() {
    let known: Vec<u8> = PAYLOADS.iter().map(|payload| payload[0]).collect();
    for payload in PAYLOADS {
        for kind in (0..=u8::MAX).filter(|kind| !known.contains(kind)) {
            let mut content = content_of(payload).to_vec();
            content[0] = kind;
            let claimed = sealed(content, 12);
            assert_eq!(restore(&claimed).err(), Some(PayloadError::Content), "type {kind}");
        }
        for version in [13, 80, 256, u16::MAX] {
            let newer = sealed(content_of(payload).to_vec(), version);
            assert_eq!(restore(&newer).err(), Some(PayloadError::Footer), "version {version}");
        }
        for bit in 0..payload.len() * 8 {
            let mut wrong = payload.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(restore(&wrong).err(), Some(PayloadError::Footer), "bit {bit}");
        }
    }
}

/// What may happen to bytes.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Replace(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    Repeat(Index, usize, Index),
    /// The rest is that of another payload.
    Join(Index, usize, Index),
}

/// Lengths that lie, and what means something in one of the forms.
const TOKENS: &[&[u8]] = &[
    b"\x80\xff\xff\xff\xff",
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\0\0\0\x01\0\0\0\0",
    b"\x7f\xff",
    b"\xc3\x01\x81\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xc3\x03\xa0\0\0\0\x00a\xe0\xff\0",
    b"\xc0\x7f",
    b"\xc2\xff\xff\xff\x7f",
    b"\xf1\x01\0\x80",
    b"\xf4\0\0\0\0\0\0\0\x80",
    b"\xf0\xff\xff\xff\x7f",
    b"\xff",
    b"\xfe\xff\xff\xff\xff",
    b"\xff\xff",
    b"\0",
    b"\x01",
];

fn damages() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    prop_oneof![
        (index(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (index(), prop::sample::select(TOKENS)).prop_map(|(at, token)| Damage::Insert(at, token)),
        (index(), 1..9usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (index(), 1..40usize, index()).prop_map(|(at, len, to)| Damage::Repeat(at, len, to)),
        (index(), 0..PAYLOADS.len(), index())
            .prop_map(|(at, other, from)| { Damage::Join(at, other, from) }),
    ]
}

fn apply(content: &mut Vec<u8>, damage: &Damage) {
    let len = content.len();
    if len == 0 {
        return;
    }
    match damage {
        Damage::Flip(at, bit) => content[at.index(len)] ^= 1 << bit,
        Damage::Replace(at, byte) => content[at.index(len)] = *byte,
        Damage::Insert(at, token) => {
            let at = at.index(len);
            content.splice(at..at, token.iter().copied());
        }
        Damage::Remove(at, count) => {
            let at = at.index(len);
            content.drain(at..(at + count).min(len));
        }
        Damage::Repeat(at, count, to) => {
            let (at, to) = (at.index(len), to.index(len));
            let piece = content[at..(at + count).min(len)].to_vec();
            content.splice(to..to, piece);
        }
        Damage::Join(at, other, from) => {
            let other = content_of(PAYLOADS[*other]);
            content.truncate(at.index(len));
            content.extend_from_slice(&other[from.index(other.len())..]);
        }
    }
}

/// A content of any type, damaged in one to three places.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (0..PAYLOADS.len(), vec(damages(), 1..4)).prop_map(|(payload, damages)| {
        let mut content = content_of(PAYLOADS[payload]).to_vec();
        damages.iter().for_each(|damage| apply(&mut content, damage));
        content
    })
}

/// Bytes that this thread has allocated since it began, freed ones included.
fn allocated() -> u64 {
    tikv_jemalloc_ctl::thread::allocatedp::read().expect("jemalloc counts").get()
}

/// What a payload may cost: compressed strings become 88 times as long, and their elements take room of their own.
const ALLOCATED_PER_BYTE: u64 = 5_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn damaged_payloads_are_refused_or_hold_a_sound_value(content in damaged()) {
        let payload = sealed(content, 12);
        let before = allocated();
        let restored = restore(&payload);
        let cost = allocated() - before;
        let allowed = ALLOCATED_PER_BYTE * payload.len() as u64;
        prop_assert!(cost < allowed, "{} bytes for {}", cost, payload.escape_ascii());
        match restored {
            Err(error) => prop_assert_eq!(error, PayloadError::Content),
            Ok(value) => {
                let written = rdb::dump(value.as_ref(), 0);
                let again = restore(&written).expect("what is written is read");
                prop_assert_eq!(rdb::dump(again.as_ref(), 0), written);
            }
        }
    }
}

#[test]
fn a_server_survives_damaged_payloads_and_can_use_what_it_takes() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, TestRunner};
    let server = Sanderling::start(&FLAGS);
    let mut client = server.client();
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(Default::default()),
    );
    let mut taken = 0;
    for round in 0..4_000 {
        let content = damaged().new_tree(&mut runner).unwrap().current();
        let payload = sealed(content, 10);
        let reply = client.ask(&[&b"RESTORE"[..], b"k", b"0", &payload, b"REPLACE"]);
        match &resp::render(&reply)[..] {
            "+OK" => {
                let before = contents(&mut client, b"k");
                let Reply::Bulk(payload) = client.ask(&["DUMP", "k"]) else { continue };
                client.ask(&[&b"RESTORE"[..], b"k", b"0", &payload, b"REPLACE"]);
                assert_eq!(contents(&mut client, b"k"), before, "round {round}");
                taken += 1;
            }
            "-ERR Bad data format" => {}
            other => panic!("round {round}: {other}: {}", payload.escape_ascii()),
        }
    }
    assert!(taken > 100, "only {taken} were taken");
    assert_eq!(client.say("PING"), "+PONG");
}
