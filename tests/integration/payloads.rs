//! Damaged payloads of `RESTORE`: each is refused or holds a sound value, and costs no more than it weighs.
//!
//! `FUZZ_ROUNDS=1000000 cargo test payloads` damages many; a failure is shrunk to a small one.

use crate::support::ask::Ask;
use crate::support::contents::contents;
use crate::support::oracle::{self, Oracle};
use crate::support::payloads::{COMMON_MAX, PAYLOADS};
use crate::support::peer::{Connection, Peer, Protocol};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::Sanderling;
use crc::{CRC_64_REDIS, Crc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sanderling::persist::rdb::{self, Limits, PayloadError};
use sanderling::store::OwnedValue;
use sanderling::value::hash::HashLimits;
use sanderling::value::list::ListLimits;
use sanderling::value::set::SetLimits;
use sanderling::value::sorted_set::SortedSetLimits;
use sanderling::value::stream::NodeLimits;

const FLAGS: [&str; 2] = ["--save", ""];
const ROUNDS: u32 = 30_000;
/// Version and checksum behind the content.
const FOOTER: usize = 10;

/// The usual ones, and such that nearly everything is large.
fn limits() -> [Limits; 2] {
    [(128, 64, -2), (2, 10, 2)].map(|(entries, value, list)| Limits {
        list: ListLimits::new(list),
        set: SetLimits {
            intset_entries: entries,
            listpack_entries: entries,
            listpack_value: value,
        },
        sorted_set: SortedSetLimits { entries, value },
        hash: HashLimits { entries, value },
        stream: NodeLimits { bytes: 4096, entries: entries as u64 },
    })
}

/// A payload of this content.
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

fn rounds() -> ProptestConfig {
    let rounds = std::env::var("FUZZ_ROUNDS").map_or(ROUNDS, |n| n.parse().expect("a number"));
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(rounds) }
}

proptest! {
    #![proptest_config(rounds())]

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

/// So many damaged payloads, always the same.
fn samples(count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let contents = damaged();
    (0..count).map(move |_| {
        let tree = contents.new_tree(&mut runner).expect("nothing is filtered");
        sealed(tree.current(), 10)
    })
}

fn restore_in(client: &mut dyn Connection, payload: &[u8]) -> String {
    resp::render(&client.ask(&[&b"RESTORE"[..], b"k", b"0", payload, b"REPLACE"]))
}

#[test]
fn a_server_survives_damaged_payloads_and_can_use_what_it_takes() {
    let server = Sanderling::start(&FLAGS);
    let mut client = server.client();
    let mut taken = 0;
    for payload in samples(4_000) {
        match &restore_in(&mut client, &payload)[..] {
            "+OK" => {
                let before = contents(&mut client, b"k");
                // A hash whose fields have all expired is not there.
                let Reply::Bulk(again) = client.ask(&["DUMP", "k"]) else { continue };
                assert_eq!(restore_in(&mut client, &again), "+OK");
                assert_eq!(contents(&mut client, b"k"), before, "{}", payload.escape_ascii());
                taken += 1;
            }
            "-ERR Bad data format" => {}
            other => panic!("{other}: {}", payload.escape_ascii()),
        }
    }
    assert!(taken > 100, "only {taken} were taken");
    assert_eq!(client.say("PING"), "+PONG");
}

/// Redis is less strict, but what is taken here it takes, too, and understands in the same way. It leaves sorted
/// sets out of order that are so, and believes what a stream says of its first entry.
#[test]
fn what_is_taken_here_is_the_same_in_redis() {
    let Some(program) = oracle::find() else { return };
    let mut oracle = Oracle::start(&program).expect("redis-server starts");
    let mut theirs = oracle.connect(Protocol::Resp2).expect("redis-server accepts");
    let server = Sanderling::start(&FLAGS);
    let mut ours = server.client();
    assert_eq!(theirs.say("CONFIG SET sanitize-dump-payload yes"), "+OK");
    let mut taken = 0;
    for payload in samples(10_000) {
        if payload[0] > COMMON_MAX || restore_in(&mut ours, &payload) != "+OK" {
            continue;
        }
        assert_eq!(restore_in(&mut *theirs, &payload), "+OK", "{}", payload.escape_ascii());
        taken += 1;
        if !["+zset", "+stream"].contains(&&theirs.say("TYPE k")[..]) {
            let expected = contents(&mut *theirs, b"k");
            assert_eq!(contents(&mut ours, b"k"), expected, "{}", payload.escape_ascii());
        }
    }
    assert!(taken > 100, "only {taken} were taken");
}
