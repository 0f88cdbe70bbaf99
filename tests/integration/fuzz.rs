//! Damaged input: valid streams and files with bits turned over, pieces removed, repeated or exchanged.
//! Nothing may panic, hang, or be accepted although it is damaged.
//!
//! `FUZZ_ROUNDS=1000000 cargo test fuzz` runs long; a failure prints the seed of its round.

use sanderling::base::random::Random;
use sanderling::persist::snapshot::{SnapshotReader, SnapshotWriter};
use sanderling::resp::{Limits, ParseState, RequestParser};
use sanderling::store::ValueRef;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

const ROUNDS: u64 = 20_000;

/// Runs a target once per seed and says which seed was the last.
fn rounds(target: impl Fn(&mut Random)) {
    let rounds = std::env::var("FUZZ_ROUNDS").map_or(ROUNDS, |n| n.parse().expect("a number"));
    for seed in 0..rounds {
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&mut Random::seeded(seed))));
        assert!(outcome.is_ok(), "the round with seed {seed} fails");
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    (random.next_u64() % bound.max(1) as u64) as usize
}

/// Bytes that mean something to one format or the other.
const TOKENS: &[&[u8]] = &[
    b"*",
    b"$",
    b"\r\n",
    b"\n",
    b"\r",
    b"*-1\r\n",
    b"$-1\r\n",
    b"*3\r\n",
    b"$0\r\n\r\n",
    b"\"",
    b"'",
    b"\\x",
    b"#",
    b"# section 2 ",
    b"# end ",
    " · ".as_bytes(),
    b"keys ",
    b"\x00",
    b"\xff",
    b"0",
    b"-",
    b"99999999999999999999",
    b"1048577",
    b" ",
];

/// Changes the bytes in one to four places.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + below(random, 4) {
        let at = below(random, bytes.len());
        let end = (at + 1 + below(random, 20)).min(bytes.len());
        match below(random, 6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << below(random, 8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = below(random, bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => {
                let token = TOKENS[below(random, TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            _ if !bytes.is_empty() => bytes[at] = random.next_u64() as u8,
            _ => {}
        }
    }
}

const LIMITS: Limits = Limits { bulk_bytes_max: 1 << 20, authenticated: true };

/// What a stream means, fed in pieces of at most `piece` bytes: its requests, and whether it ends badly.
fn parse(stream: &[u8], piece: usize) -> (Vec<Vec<Vec<u8>>>, bool) {
    let mut parser = RequestParser::default();
    let (mut requests, mut buffer) = (Vec::new(), Vec::new());
    for piece in stream.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            let taken = match parser.parse(&buffer, &LIMITS) {
                Ok(ParseState::Incomplete(wanted)) => {
                    assert!(wanted > buffer.len(), "more is wanted than is there");
                    break;
                }
                Ok(ParseState::Nothing(taken)) => taken,
                Ok(ParseState::Complete(taken)) => {
                    let args = parser.request().args(&buffer);
                    assert!(!args.is_empty(), "a request has a name");
                    requests.push(args.iter().map(<[u8]>::to_vec).collect());
                    taken
                }
                Err(error) => {
                    assert!(!error.0.is_empty());
                    return (requests, true);
                }
            };
            assert!(taken > 0 && taken <= buffer.len(), "parsing goes forward");
            buffer.drain(..taken);
        }
    }
    (requests, false)
}

const STREAM: &[u8] =
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n*1\r\n$4\r\nPING\r\nGET \"k\\x41\"\r\n# comment\n\
*0\r\n\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\nset 'a b' \"c\\nd\"\nPING\n*1\r\n$4\r\nQUIT\r\n";

#[test]
fn damaged_requests_mean_the_same_however_they_arrive() {
    rounds(|random| {
        let mut stream = STREAM.to_vec();
        damage(&mut stream, random);
        let whole = parse(&stream, usize::MAX);
        assert_eq!(parse(&stream, 1), whole, "{}", stream.escape_ascii());
        let piece = 1 + below(random, 30);
        assert_eq!(parse(&stream, piece), whole, "{}", stream.escape_ascii());
    });
}

/// A snapshot of two sections and what its sections hold.
fn snapshot() -> (Vec<u8>, BTreeSet<Vec<u8>>) {
    let mut file = Vec::new();
    let mut writer = SnapshotWriter::new(&mut file).expect("a vector takes everything");
    for n in 0..3 {
        let long = vec![b'0' + n as u8; 262_144 / (n + 1)];
        for (key, bytes) in [("text", b"hello \"world\"\r\n" as &[u8]), ("long", &long)] {
            let value = ValueRef::Short { bytes, edited: false };
            writer.add(n, format!("{key}:{n}").as_bytes(), value, Some(1_790_000_000_000));
        }
        writer.flush_if_large().expect("a vector takes everything");
    }
    writer.finish().expect("a vector takes everything");
    let (sections, sound) = read(&file);
    assert!(sound && sections.len() >= 2, "{} sections", sections.len());
    (file, sections.into_iter().collect())
}

/// The sections of a file whose checksums hold, and whether all of it is sound.
fn read(file: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let (mut sections, mut sound) = (Vec::new(), true);
    let Ok(mut reader) = SnapshotReader::new(file).expect("a slice can be read") else {
        return (sections, false);
    };
    loop {
        match reader.next_section().expect("a slice can be read") {
            Ok(Some(section)) if section.check().is_ok() => sections.push(section.body),
            Ok(Some(_)) => sound = false,
            Ok(None) => return (sections, sound),
            Err(damage) => {
                assert!(damage.line > 0 && !damage.what.is_empty());
                sound = false;
                if !reader.resynchronise().expect("a slice can be read") {
                    return (sections, sound);
                }
            }
        }
    }
}

/// Where two files begin to differ, and how they go on.
fn difference(whole: &[u8], damaged: &[u8]) -> String {
    let at = whole.iter().zip(damaged).take_while(|(a, b)| a == b).count();
    let shown = |file: &[u8]| file[at..file.len().min(at + 80)].escape_ascii().to_string();
    format!("at {at}, {:?} became {:?}", shown(whole), shown(damaged))
}

#[test]
fn a_damaged_snapshot_is_never_taken_for_a_sound_one() {
    let (whole, known) = snapshot();
    rounds(|random| {
        // Most damage falls among the first bytes and the last; both are mostly headers.
        let mut file = whole.clone();
        let at = below(random, file.len());
        let window = match below(random, 3) {
            0 => at..file.len().min(at + 2_000),
            1 => 0..2_000,
            _ => file.len() - 2_000..file.len(),
        };
        let mut part = file[window.clone()].to_vec();
        damage(&mut part, random);
        file.splice(window, part);
        // Without its last line end, a file still says everything.
        if file == whole || file == whole[..whole.len() - 1] {
            return;
        }
        let (sections, sound) = read(&file);
        assert!(!sound, "goes unnoticed: {}", difference(&whole, &file));
        // What is loaded in spite of the damage is what was saved.
        assert!(sections.iter().all(|section| known.contains(section)), "a section was made up");
    });
}
