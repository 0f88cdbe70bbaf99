//! `docs/FORMATS.md`: what it shows are sound files, which are read and written as it says.

use crate::support::ask::Ask;
use crate::support::data::state;
use crate::support::log;
use crate::support::process;
use crate::support::resp;
use crate::support::sanderling::Sanderling;
use sanderling::persist::manifest::Manifest;
use sanderling::persist::snapshot::SnapshotWriter;
use sanderling::store::ValueRef;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::{TempDir, tempdir};

const FILES: [&str; 3] = ["log-000002.aof", "manifest", "snapshot-000001.txt"];
const DEADLINE: i64 = 4_102_444_800_000;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMATS.md");
    fs::read_to_string(path).expect("the page is there")
}

/// What stands between fences, by what stands behind the first fence.
fn blocks(page: &str) -> BTreeMap<String, String> {
    let mut blocks = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.insert(label.to_owned(), body.join("\n") + "\n");
    }
    blocks
}

/// The bytes of a dump as `hexdump -C` prints it.
fn bytes_of(dump: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in dump.lines() {
        let (offset, rest) = line.split_at(8);
        assert_eq!(usize::from_str_radix(offset, 16).unwrap(), bytes.len(), "{line}");
        let (hex, shown) = rest.split_once('|').unwrap_or((rest, ""));
        let start = bytes.len();
        bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        let printable = |byte: &u8| if (32..127).contains(byte) { char::from(*byte) } else { '.' };
        let expected: String = bytes[start..].iter().map(printable).collect();
        assert_eq!(shown.trim_end_matches('|'), expected, "{line}");
    }
    bytes
}

/// A directory with the files of the page.
fn directory() -> TempDir {
    let (directory, blocks) = (tempdir().unwrap(), blocks(&page()));
    for name in FILES {
        let bytes = bytes_of(&blocks[&format!("hexdump {name}")]);
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

#[test]
fn the_files_of_the_page_are_sound_and_a_server_loads_them() {
    let directory = directory();
    let ended = process::run(&["check", directory.path().to_str().unwrap()]);
    assert_eq!((ended.code, ended.stdout), (Some(0), blocks(&page())["text check"].clone()));
    let server = Sanderling::start_in(directory.path(), &["--save", ""]);
    let expected = [
        "0 counter \"18\" :-1",
        "0 greeting \"hello world\" :4102444800000",
        "1 born \"1815\" :-1",
        "1 name \"Ada L.\" :-1",
    ];
    assert_eq!(state(&mut server.client()), expected);
}

#[test]
fn the_manifest_and_the_snapshot_of_the_page_are_written_like_that() {
    let (directory, blocks) = (directory(), blocks(&page()));
    let text = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let manifest = text("manifest");
    assert_eq!(manifest, blocks["text manifest"]);
    assert_eq!(Manifest::parse(&manifest).unwrap().print(), manifest);
    assert_eq!(text("snapshot-000001.txt"), blocks["text snapshot-000001.txt"]);
    let mut file = Vec::new();
    let mut writer = SnapshotWriter::new(&mut file).unwrap();
    let greeting = ValueRef::Short { bytes: b"hello world", edited: false };
    writer.add(0, b"greeting", greeting, Some(DEADLINE));
    writer.add(0, b"counter", ValueRef::Integer(17), None);
    writer.add(1, b"name", ValueRef::Short { bytes: b"Ada", edited: false }, None);
    writer.finish().unwrap();
    assert_eq!(String::from_utf8(file).unwrap(), text("snapshot-000001.txt"));
}

#[test]
fn the_commands_of_the_page_are_logged_like_that() {
    let own = tempdir().unwrap();
    let server = Sanderling::start_in(own.path(), &["--save", ""]);
    let mut client = server.client();
    let page = page();
    let session = &blocks(&page)[""];
    for line in session.lines() {
        assert!(!client.say(line).starts_with('-'), "{line}");
    }
    drop(server);
    assert_eq!(log::commands(own.path()), log::commands(directory().path()));
}

/// What stands in backquotes, with `\r` and `\n` for line ends.
fn code(cell: &str) -> Option<Vec<u8>> {
    let code = cell.trim().strip_prefix('`')?.strip_suffix('`')?;
    Some(code.replace("\\r", "\r").replace("\\n", "\n").into_bytes())
}

#[test]
fn what_the_tables_say_of_offsets_is_so() {
    let directory = directory();
    let (mut file, mut rows) = (Vec::new(), 0);
    for line in page().lines() {
        if let Some(name) = line.strip_prefix("```hexdump ") {
            file = fs::read(directory.path().join(name)).unwrap();
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        let [offset, len, text, ..] = cells[..] else { continue };
        let Ok(offset) = offset.trim_start_matches("| ").parse::<usize>() else { continue };
        let len: usize = len.parse().unwrap();
        assert_eq!(Some(file[offset..offset + len].to_vec()), code(text), "{line}");
        rows += 1;
    }
    assert_eq!(rows, 10);
}

#[test]
fn the_script_of_the_page_reads_a_segment_and_notices_every_altered_byte() {
    let Some(python) = process::installed("python3") else { return };
    let (directory, blocks) = (directory(), blocks(&page()));
    let script = directory.path().join("read.py");
    fs::write(&script, &blocks["python"]).unwrap();
    let segment = directory.path().join("log-000002.aof");
    let run = || process::finish(Command::new(&python).arg(&script).arg(&segment), b"");
    let commands = log::commands(directory.path());
    let expected: Vec<u8> = commands.iter().flat_map(|words| resp::encode(words)).collect();
    let ended = run();
    assert_eq!((ended.code, ended.stdout.into_bytes()), (Some(0), expected), "{}", ended.stderr);
    let whole = fs::read(&segment).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&segment, altered).unwrap();
        assert_ne!(run().code, Some(0), "byte {at}");
    }
}
