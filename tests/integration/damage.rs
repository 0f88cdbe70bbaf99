//! Starting on a log that is torn or damaged. A torn end was never acknowledged as durable, so it is cut
//! off with a warning; anything else refuses the start with file, place and way out, and changes nothing.

use crate::support::ask::Ask;
use crate::support::data::{copy, digest, files_with, flip, name, segments, snapshots};
use crate::support::process::{self, Ended, Process, free_port};
use crate::support::resp;
use crate::support::sanderling::Sanderling;
use sanderling::persist::directory::read_manifest;
use sanderling::persist::log::SegmentReader;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

const FLAGS: [&str; 6] = ["--save", "", "--enable-debug-command", "yes", "--appendfsync", "always"];

/// Everything in a directory but for the lock.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.ends_with("lock"))
        .map(|p| (p.clone(), fs::read(p).unwrap()))
        .collect()
}

fn start(directory: &Path, flags: &[&str]) -> Ended {
    let port = free_port().to_string();
    let args = ["--port", &port, "--data-dir", directory.to_str().unwrap()];
    process::run(&[&args[..], &FLAGS[..], flags].concat())
}

/// The start is refused with one line that names the file and what was said, and nothing is changed.
fn assert_refused(directory: &Path, file: &str, said: &[&str]) {
    let before = contents(directory);
    let ended = start(directory, &[]);
    let line = ended.stderr.lines().last().unwrap_or_default();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(line.starts_with("sanderling: "), "{line}");
    for text in [&[file], said].concat() {
        assert!(line.contains(text), "{text:?} is missing in {line}");
    }
    assert!(contents(directory) == before, "refusing changes nothing: {line}");
}

/// A directory as `kill -9` leaves it: a snapshot, two whole segments after it and an open one, each with
/// some blocks. Also the digest of what is in it.
fn killed() -> (TempDir, String) {
    let directory = tempdir().unwrap();
    let flags = [&FLAGS[..], &["--log-segment-size", "64kb", "--snapshot-keep", "1"]].concat();
    let server = Sanderling::start_in(directory.path(), &flags);
    let mut client = server.client();
    client.say("SET before snapshot");
    assert_eq!(client.say("SAVE"), "+OK");
    let value = "v".repeat(30_000);
    for n in 0..8 {
        client.ask(&["SET", &format!("key:{n}"), &value]);
        client.say(&format!("SET small:{n} {n}"));
    }
    assert_eq!(segments(directory.path()).len(), 3);
    (copy(directory.path()), digest(&mut client))
}

/// Where the blocks of a segment begin in the file, and where it ends.
fn blocks(directory: &Path, index: usize) -> Vec<u64> {
    let entry = read_manifest(directory).unwrap().segments[index];
    let path = &segments(directory)[index];
    let mut reader = SegmentReader::open(path, entry).unwrap().unwrap();
    let (mut offsets, mut end) = (Vec::new(), 0);
    while let Some(block) = reader.next_block().unwrap().unwrap() {
        offsets.push(block.offset);
        end = block.offset + block.line_len + block.body.len() as u64;
    }
    offsets.push(end);
    offsets
}

fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[test]
fn a_torn_block_at_the_end_is_cut_off_wherever_it_is_torn() {
    let directory = tempdir().unwrap();
    let (server, mut states) = (Sanderling::start_in(directory.path(), &FLAGS), Vec::new());
    let mut client = server.client();
    for line in ["SET a 1", "MSET a 2 b 2", "MSET a 3 b 3"] {
        assert_eq!(client.say(line), "+OK");
        states.push(digest(&mut client));
    }
    let offsets = blocks(directory.path(), 0);
    let [.., last, end] = offsets[..] else { panic!("three blocks and an end") };
    for len in last..end {
        let copy = copy(directory.path());
        cut(&segments(copy.path())[0], len);
        let server = Sanderling::start_in(copy.path(), &FLAGS);
        let mut client = server.client();
        assert_eq!(digest(&mut client), states[1], "cut off at {len}");
        assert_eq!(client.info("log_torn_bytes_cut"), (len - last).to_string());
        assert_eq!(segments(copy.path())[0].metadata().unwrap().len(), last);
        assert_eq!(client.say("MSET a 3 b 3"), "+OK");
        drop(server);
        let server = Sanderling::start_in(copy.path(), &FLAGS);
        let mut client = server.client();
        assert_eq!(digest(&mut client), states[2], "cut off at {len}");
        assert_eq!(client.info("log_torn_bytes_cut"), "0");
    }
}

#[test]
fn a_last_block_that_is_not_sound_is_cut_off_as_well_with_a_warning() {
    let directory = tempdir().unwrap();
    let server = Sanderling::start_in(directory.path(), &FLAGS);
    let mut client = server.client();
    client.say("SET a 1");
    client.say("SET a 2");
    let [_, last, end] = blocks(directory.path(), 0)[..] else { panic!("two blocks and an end") };
    for at in [last, last + 5, end - 4] {
        let copy = copy(directory.path());
        flip(&segments(copy.path())[0], at);
        let server = Process::start(copy.path(), &FLAGS);
        let mut client = server.client();
        assert_eq!(client.say("GET a"), "\"1\"", "byte {at}");
        assert_eq!(client.info("log_torn_bytes_cut"), (end - last).to_string());
        let warning = format!("the last {} bytes were never completely written", end - last);
        assert!(server.log().contains(&warning), "{}", server.log());
    }
    // A file that was enlarged before it was written.
    let mut bytes = fs::read(&segments(directory.path())[0]).unwrap();
    bytes.extend_from_slice(&[0; 700]);
    fs::write(&segments(directory.path())[0], bytes).unwrap();
    let copy = copy(directory.path());
    let server = Sanderling::start_in(copy.path(), &FLAGS);
    let mut client = server.client();
    assert_eq!(client.say("GET a"), "\"2\"");
    assert_eq!(client.info("log_torn_bytes_cut"), "700");
}

#[test]
fn damage_before_the_end_is_refused_with_file_and_offset() {
    let (directory, _) = killed();
    for (segment, block, inside) in [(0, 0, 3), (0, 2, 400), (1, 2, 25), (2, 0, 30)] {
        let copy = copy(directory.path());
        let file = &segments(copy.path())[segment];
        let offset = blocks(copy.path(), segment)[block];
        flip(file, offset + inside);
        let place = format!("offset {offset}: ");
        assert_refused(copy.path(), name(file), &["is damaged", &place, "--recover-anyway"]);
    }
}

#[test]
fn a_segment_that_ends_too_early_or_too_late_is_refused() {
    let (directory, _) = killed();
    let offsets = blocks(directory.path(), 1);
    let end = *offsets.last().unwrap();
    for len in [0, 10, offsets[0], offsets[1], offsets[1] + 7, end - 1] {
        let copy = copy(directory.path());
        let file = &segments(copy.path())[1];
        cut(file, len);
        assert_refused(copy.path(), name(file), &["is damaged", "--recover-anyway"]);
    }
    let copy = copy(directory.path());
    let file = &segments(copy.path())[1];
    let mut bytes = fs::read(file).unwrap();
    bytes.extend_from_slice(b"SET injected 1\r\n");
    fs::write(file, bytes).unwrap();
    assert_refused(copy.path(), name(file), &[&format!("offset {end}: ")]);
}

#[test]
fn segments_that_are_missing_or_exchanged_are_refused() {
    let (directory, _) = killed();
    for segment in 0..3 {
        let copy = copy(directory.path());
        let file = &segments(copy.path())[segment];
        fs::remove_file(file).unwrap();
        assert_refused(copy.path(), name(file), &["it is missing", "--recover-anyway"]);
    }
    let copy = copy(directory.path());
    let files = segments(copy.path());
    let other = fs::read(&files[1]).unwrap();
    fs::copy(&files[2], &files[1]).unwrap();
    fs::write(&files[2], other).unwrap();
    let said = ["it says that it is segment", "but the manifest says", "--recover-anyway"];
    assert_refused(copy.path(), name(&files[1]), &said);
}

#[test]
fn blocks_of_another_log_do_not_pass_for_blocks_of_this_one() {
    let (one, _) = killed();
    let (other, _) = killed();
    // The same commands at the same positions, but another salt.
    let foreign = fs::read(&segments(other.path())[0]).unwrap();
    let (file, offset) = (&segments(one.path())[0], blocks(one.path(), 0)[0] as usize);
    let mut bytes = fs::read(file).unwrap();
    assert_eq!(bytes.len(), foreign.len());
    bytes[offset..].copy_from_slice(&foreign[offset..]);
    fs::write(file, bytes).unwrap();
    assert_refused(one.path(), name(file), &["the checksum of this block is wrong"]);
}

#[test]
fn a_manifest_that_is_missing_or_damaged_is_refused() {
    let (directory, _) = killed();
    let removed = copy(directory.path());
    fs::remove_file(removed.path().join("manifest")).unwrap();
    assert_refused(removed.path(), "", &["no manifest", "--recover-anyway"]);
    let altered = copy(directory.path());
    flip(&altered.path().join("manifest"), 40);
    assert_refused(altered.path(), "manifest", &["is damaged", "--recover-anyway"]);
    let empty = copy(directory.path());
    fs::write(empty.path().join("manifest"), "").unwrap();
    assert_refused(empty.path(), "manifest", &["is damaged", "--recover-anyway"]);
}

#[test]
fn formats_of_later_versions_are_refused_without_calling_them_damaged() {
    let (directory, _) = killed();
    let rewrite = |path: &Path, from: &str, to: &str| {
        let bytes = fs::read(path).unwrap();
        assert!(bytes.starts_with(from.as_bytes()));
        fs::write(path, [to.as_bytes(), &bytes[from.len()..]].concat()).unwrap();
    };
    let newer = ["is newer than this server", "use the version that wrote it"];
    for flags in [&[][..], &["--recover-anyway"]] {
        let copied = copy(directory.path());
        let manifest = copied.path().join("manifest");
        rewrite(&manifest, "# sanderling manifest 1", "# sanderling manifest 2");
        assert_refused(copied.path(), "manifest", &newer);
        assert_eq!(start(copied.path(), flags).code, Some(1));
        let copied = copy(directory.path());
        let segment = segments(copied.path())[2].clone();
        rewrite(&segment, "# sanderling log 1", "# sanderling log 2");
        assert_refused(copied.path(), name(&segment), &newer);
        let before = contents(copied.path());
        assert_eq!(start(copied.path(), flags).code, Some(1));
        assert!(contents(copied.path()) == before);
    }
}

#[test]
fn a_log_that_was_closed_in_order_cannot_be_torn() {
    let directory = tempdir().unwrap();
    {
        let server = Sanderling::start_in(directory.path(), &FLAGS);
        let mut client = server.client();
        client.say("SET a 1");
        client.say("SET a 2");
    }
    let offsets = blocks(directory.path(), 0);
    let [_, last, end] = offsets[..] else { panic!("two blocks and an end") };
    assert!(read_manifest(directory.path()).unwrap().end.is_some());
    for len in [last, last + 3, end - 1] {
        let copy = copy(directory.path());
        let file = &segments(copy.path())[0];
        cut(file, len);
        assert_refused(copy.path(), name(file), &["is damaged", "--recover-anyway"]);
    }
}

/// Starts with the flag, then without: both must find this. Returns the names of the files set aside.
fn assert_recovered(
    directory: &Path,
    expected: impl Fn(&mut dyn FnMut(&str) -> String),
) -> Vec<String> {
    let server = Process::start(directory, &[&FLAGS[..], &["--recover-anyway"]].concat());
    let mut client = server.client();
    expected(&mut |line| client.say(line));
    assert_eq!(client.say("SET afterwards x"), "+OK");
    server.kill();
    let server = Process::start(directory, &FLAGS);
    let mut client = server.client();
    expected(&mut |line| client.say(line));
    assert_eq!(client.say("GET afterwards"), "\"x\"");
    files_with(directory, "damaged").iter().map(|path| name(path).to_owned()).collect()
}

#[test]
fn recovering_anyway_gives_the_state_at_the_damage_and_keeps_what_was_damaged() {
    let (directory, _) = killed();
    // The second segment's third block: what was before is there, nothing of what came later.
    let file = segments(directory.path())[1].clone();
    flip(&file, blocks(directory.path(), 1)[2] + 60);
    let damaged = fs::read(&file).unwrap();
    assert_refused(directory.path(), name(&file), &["--recover-anyway"]);
    let aside = assert_recovered(directory.path(), |say| {
        assert_eq!(say("MGET before small:0 small:2"), "[ \"snapshot\", \"0\", \"2\" ]");
        assert_eq!(say("STRLEN key:2"), ":30000");
        assert_eq!(say("EXISTS key:5 small:5 key:7"), ":0");
    });
    assert_eq!(aside, ["log-000003.damaged", "log-000004.damaged"]);
    assert_eq!(fs::read(file.with_extension("damaged")).unwrap(), damaged);
}

/// Appends a block to a segment, sound but for what its commands say.
fn append_block(path: &Path, commands: &[&str]) {
    let mut bytes = fs::read(path).unwrap();
    let first =
        String::from_utf8(bytes[..bytes.iter().position(|b| *b == b'\n').unwrap()].to_vec())
            .unwrap();
    let salt = first.split("salt ").nth(1).unwrap().split(' ').next().unwrap();
    let salt = u32::from_str_radix(salt, 16).unwrap();
    let mut reader = SegmentReader::open_alone(path).unwrap().unwrap();
    while reader.next_block().unwrap().unwrap().is_some() {}
    let lines = commands.iter().map(|line| line.split(' ').collect::<Vec<_>>());
    let body = lines.flat_map(|words| resp::encode(&words)).collect::<Vec<u8>>();
    let fields = format!("#{} {} 0 ", reader.lsn(), body.len());
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(salt, fields.as_bytes()), &body);
    bytes.extend_from_slice(format!("{fields}{crc:08x}\n").as_bytes());
    bytes.extend_from_slice(&body);
    fs::write(path, bytes).unwrap();
}

/// Such a command used to be left out alone, so that the result was a state which the data set never had; and since
/// nothing was saved anew, the next start refused again.
#[test]
fn recovering_anyway_ends_at_a_command_that_cannot_be_repeated() {
    let (directory, _) = killed();
    let file = segments(directory.path()).pop().unwrap();
    append_block(&file, &["SELECT 0", "SET last sound"]);
    append_block(&file, &["SELECT 0", "INCR last"]);
    append_block(&file, &["SELECT 0", "SET last unreachable"]);
    assert_refused(directory.path(), name(&file), &["INCR fails", "--recover-anyway"]);
    let aside = assert_recovered(directory.path(), |say| {
        assert_eq!(say("MGET small:7 last"), "[ \"7\", \"sound\" ]");
    });
    assert_eq!(aside, ["log-000004.damaged"]);
}

#[test]
fn recovering_anyway_does_without_a_missing_segment() {
    let (directory, _) = killed();
    fs::remove_file(&segments(directory.path())[1]).unwrap();
    assert_recovered(directory.path(), |say| {
        assert_eq!(say("EXISTS before key:0 small:0"), ":3");
        assert_eq!(say("EXISTS key:5 key:7"), ":0");
    });
}

#[test]
fn recovering_anyway_without_a_manifest_loads_the_newest_snapshot_alone() {
    for is_damaged in [true, false] {
        let (directory, _) = killed();
        let manifest = directory.path().join("manifest");
        if is_damaged {
            flip(&manifest, 30)
        } else {
            fs::remove_file(&manifest).unwrap()
        }
        let mut aside = assert_recovered(directory.path(), |say| {
            assert_eq!(say("GET before"), "\"snapshot\"");
            assert_eq!(say("EXISTS key:0 small:0"), ":0");
        });
        aside.retain(|name| name != "manifest.damaged");
        assert_eq!(aside, ["log-000002.damaged", "log-000003.damaged", "log-000004.damaged"]);
    }
}

#[test]
fn recovering_anyway_on_a_sound_directory_is_an_ordinary_start() {
    let (directory, expected) = killed();
    let names = |directory: &Path| contents(directory).into_keys().collect::<Vec<_>>();
    let before = names(directory.path());
    let server = Process::start(directory.path(), &[&FLAGS[..], &["--recover-anyway"]].concat());
    assert_eq!(digest(&mut server.client()), expected);
    server.kill();
    let added: Vec<PathBuf> =
        names(directory.path()).into_iter().filter(|path| !before.contains(path)).collect();
    assert_eq!(added.len(), 1, "only the next segment: {added:?}");
    assert_eq!(snapshots(directory.path()).len(), 1);
}
