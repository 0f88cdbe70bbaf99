//! Damaged input: valid streams and files with bits turned over, pieces removed, repeated or exchanged.
//! Nothing may panic, hang, or be accepted although it is damaged.
//!
//! `FUZZ_ROUNDS=1000000 cargo test fuzz` runs long; a failure prints the seed of its round.

use crate::support::ask::Ask;
use crate::support::sanderling::Sanderling;
use sanderling::base::random::Random;
use sanderling::persist::directory;
use sanderling::persist::log::{Ending, SegmentReader};
use sanderling::persist::manifest::{Manifest, SegmentEntry, SnapshotEntry};
use sanderling::persist::snapshot::{SnapshotReader, SnapshotWriter};
use sanderling::resp::{Limits, ParseState, RequestParser};
use sanderling::store::ValueRef;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tempfile::tempdir;

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

/// A segment of several blocks as a server writes it, and what the manifest says of it.
fn segment() -> (Vec<u8>, SegmentEntry) {
    let directory = tempdir().expect("a directory can be made");
    let server = Sanderling::start_in(directory.path(), &["--save", ""]);
    let mut client = server.client();
    for n in 0..8 {
        client.say(&format!("SET key{n} \"value\\r\\n#{n}00 5 900 00000000\\n*1\\r\\n\""));
        client.say(&format!("APPEND long {}", "x".repeat(100 * n)));
        assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    }
    drop(server);
    let manifest = directory::read_manifest(directory.path()).expect("the manifest is sound");
    let entry = manifest.segments[0];
    let path = directory::segment_path(directory.path(), entry.number);
    (fs::read(path).expect("the segment can be read"), entry)
}

/// The blocks of a segment as far as they are sound, where they end, and how the segment ends if it must
/// end at `end`. `None` if its beginning is not sound.
fn read_segment(
    path: &Path,
    entry: SegmentEntry,
    end: Option<u64>,
) -> Option<(Vec<Vec<u8>>, u64, Ending)> {
    let mut reader = SegmentReader::open(path, entry).expect("the file can be read").ok()?;
    let file_len = reader.file_len();
    let mut blocks = Vec::new();
    let unsound = loop {
        match reader.next_block().expect("the file can be read") {
            Ok(Some(block)) => {
                assert!(block.body.capacity() as u64 <= file_len, "more is taken than is there");
                blocks.push(block.body);
            }
            Ok(None) => break None,
            Err(unsound) => break Some(unsound),
        }
    };
    Some((blocks, reader.lsn(), reader.ending(unsound.as_ref(), end)))
}

#[test]
fn a_damaged_segment_never_gives_what_was_not_logged() {
    let (whole, entry) = segment();
    let folder = tempdir().expect("a directory can be made");
    let path = folder.path().join("segment");
    fs::write(&path, &whole).expect("a file can be written");
    let (known, end, ending) = read_segment(&path, entry, None).expect("it is sound");
    assert!(known.len() >= 8 && ending == Ending::Whole, "{} blocks, {ending:?}", known.len());
    rounds(|random| {
        let mut file = whole.clone();
        damage(&mut file, random);
        if file == whole {
            return;
        }
        fs::write(&path, &file).expect("a file can be written");
        let Some((blocks, lsn, ending)) = read_segment(&path, entry, None) else { return };
        assert!(known.starts_with(&blocks), "a block was made up: {}", difference(&whole, &file));
        if let Ending::Torn { offset, bytes } = ending {
            assert_eq!(offset + bytes, file.len() as u64, "everything behind it is torn");
        }
        // Where the log is known to have ended, no loss goes unnoticed.
        let (_, _, ending) = read_segment(&path, entry, Some(end)).expect("its beginning is sound");
        let is_complete = lsn == end && blocks.len() == known.len();
        assert!(matches!(ending, Ending::Damaged(_)) || is_complete && ending == Ending::Whole);
        assert!(ending != Ending::Whole, "goes unnoticed: {}", difference(&whole, &file));
    });
}

#[test]
fn a_damaged_manifest_is_never_taken_for_a_sound_one() {
    let snapshot = |number, segment| SnapshotEntry { number, segment };
    let entry = |number, lsn| SegmentEntry { number, lsn };
    let manifest = Manifest {
        snapshots: vec![snapshot(3, None), snapshot(11, Some(6)), snapshot(12, Some(8))],
        segments: vec![entry(6, 1000), entry(7, 5000), entry(8, 9000)],
        end: Some(12_345),
    };
    let whole = manifest.print();
    rounds(|random| {
        let mut bytes = whole.clone().into_bytes();
        damage(&mut bytes, random);
        if bytes != whole.as_bytes() {
            let text = String::from_utf8_lossy(&bytes);
            assert!(Manifest::parse(&text).is_err(), "goes unnoticed: {text}");
        }
    });
}
