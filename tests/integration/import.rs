//! `sanderling import`: from append-only files to a directory that a server starts on.

use crate::support::ask::Ask;
use crate::support::data::{snapshots, state};
use crate::support::process::{self, Ended, Process};
use crate::support::resp;
use crate::support::sanderling::{START_MS, Sanderling};
use sanderling::persist::directory;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

/// Runs an import of files into a directory.
fn import(files: &[&Path], flags: &[&str], data: &Path) -> Ended {
    let mut args = vec!["import"];
    args.extend(files.iter().map(|file| file.to_str().unwrap()));
    args.extend(["--data-dir", data.to_str().unwrap()]);
    args.extend(flags);
    process::run(&args)
}

/// Commands as Redis writes them. A line that begins with `#` stays one.
fn log_of(lines: &[&str]) -> Vec<u8> {
    let encode = |line: &&str| match line.strip_prefix('#') {
        Some(comment) => format!("#{comment}\r\n").into_bytes(),
        None => resp::encode(&line.split(' ').collect::<Vec<_>>()),
    };
    lines.iter().flat_map(encode).collect()
}

/// A folder with one file in it.
fn file_of(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let file = folder.path().join("appendonly.aof");
    fs::write(&file, bytes).unwrap();
    (folder, file)
}

/// What a server has that is started on a directory.
fn started(data: &Path) -> Vec<String> {
    let server = Sanderling::start_in(data, &["--save", ""]);
    state(&mut server.client())
}

/// An import must have ended with this code and one line, and left nothing.
fn assert_failed(ended: &Ended, code: i32, data: &Path, said: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{said}: {ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.starts_with("sanderling: ") && ended.stderr.contains(said), "{ended:?}");
    let left = directory::list(data).unwrap_or_default();
    assert_eq!(left, directory::Listing::default(), "nothing is written");
}

const LINES: [&str; 12] = [
    "SELECT 0",
    "SET a 1",
    "#TS:1790000000",
    "INCR a",
    "MULTI",
    "MSET b 2 c 3",
    "SELECT 3",
    "SET d 4 PXAT 1790000500000",
    "EXEC",
    "SET e 5",
    "SELECT 0",
    "DEL c",
];

#[test]
fn a_log_of_redis_becomes_a_directory_that_a_server_starts_on() {
    let (_folder, file) = file_of(&log_of(&LINES));
    let data = tempdir().unwrap();
    let ended = import(&[&file], &[], data.path());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let snapshot = data.path().canonicalize().unwrap().join("snapshot-000001.txt");
    let expected =
        format!("imported 9 commands from 1 files: 4 keys are in {}\n", snapshot.display());
    assert_eq!(ended.stdout, expected);
    assert_eq!(process::run(&["check", data.path().to_str().unwrap()]).code, Some(0));
    let expected = ["0 a \"2\" :-1", "0 b \"2\" :-1", "3 d \"4\" :1790000500000", "3 e \"5\" :-1"];
    assert_eq!(started(data.path()), expected);
    // The log goes on from there.
    let server = Sanderling::start_in(data.path(), &["--save", ""]);
    server.client().say("SET later x");
    drop(server);
    assert_eq!(started(data.path()).len(), 5);
}

#[test]
fn wherever_a_file_ends_only_what_is_whole_is_imported_and_only_if_that_is_wanted() {
    let whole = log_of(&LINES);
    let ends = ends_of(&LINES);
    for len in (0..=whole.len()).step_by(5) {
        let (_folder, file) = file_of(&whole[..len]);
        let data = tempdir().unwrap();
        let ended = import(&[&file], &[], data.path());
        let last = ends.iter().copied().filter(|end| *end <= len).max().unwrap_or(0);
        if last == len {
            assert_eq!(ended.code, Some(0), "{len}: {ended:?}");
            continue;
        }
        assert_failed(&ended, 2, data.path(), &format!("offset {last}: the file ends"));
        assert!(ended.stderr.contains("--truncate"), "{ended:?}");
        let ended = import(&[&file], &["--truncate"], data.path());
        assert_eq!(ended.code, Some(0), "{len}: {ended:?}");
        let said = format!("left out: the last {} bytes of ", len - last);
        assert!(ended.stdout.starts_with(&said), "{ended:?}");
        assert!(ended.stdout.contains(&format!("from offset {last} on")), "{ended:?}");
        let (_folder, file) = file_of(&whole[..last]);
        let expected = tempdir().unwrap();
        assert_eq!(import(&[&file], &[], expected.path()).code, Some(0));
        let lines = |data: &Path| fs::read_to_string(&snapshots(data)[0]).unwrap();
        let sorted = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.retain(|line| !line.starts_with("# section"));
            lines.sort();
            lines
        };
        assert_eq!(sorted(lines(data.path())), sorted(lines(expected.path())), "cut at {len}");
    }
}

/// Where a file of these lines may end: behind each, but not in the middle of a unit.
fn ends_of(lines: &[&str]) -> Vec<usize> {
    let (mut ends, mut is_in_unit) = (Vec::new(), false);
    for count in 1..=lines.len() {
        match lines[count - 1] {
            "MULTI" => is_in_unit = true,
            "EXEC" => is_in_unit = false,
            _ => {}
        }
        if !is_in_unit {
            ends.push(log_of(&lines[..count]).len());
        }
    }
    ends
}

#[test]
fn what_is_no_log_or_cannot_be_repeated_is_named_with_its_offset() {
    let before = log_of(&["SELECT 0", "SET a 1"]);
    let at = before.len();
    let cases: [(Vec<u8>, &str); 22] = [
        (b"hello\n".to_vec(), "this is no command"),
        (b"SET a 1\r\n".to_vec(), "this is no command"),
        (b"\r\n".to_vec(), "this is no command"),
        (b"*0\r\n".to_vec(), "this command has no words"),
        (b"*1\r\n:5\r\n".to_vec(), "expected '$', got ':'"),
        (b"*x\r\n".to_vec(), "invalid multibulk length"),
        (b"*2\r\n$4\r\nINCR\r\n$1\r\nabc".to_vec(), "the file is damaged"),
        (b"*2\r\n$4\r\nINCR\r\n$01\r\na\r\n".to_vec(), "invalid bulk length"),
        (log_of(&["EVALX list 1"]), "EVALX is a command that this version does not have"),
        (log_of(&["config set a b"]), "CONFIG changes nothing"),
        (log_of(&["GET a"]), "GET changes nothing"),
        (log_of(&["SHUTDOWN"]), "SHUTDOWN changes nothing"),
        (log_of(&["EXPIRE a 100"]), "EXPIRE counts time from now"),
        (log_of(&["SET a 1 ex 100"]), "SET counts time from now"),
        (log_of(&["HEXPIRE h 100 FIELDS 1 f"]), "HEXPIRE counts time from now"),
        (log_of(&["HPEXPIRE h 100 FIELDS 1 f"]), "HPEXPIRE counts time from now"),
        (log_of(&["HSETEX h px 100 FIELDS 1 f v"]), "HSETEX counts time from now"),
        (log_of(&["HGETEX h EX 100 FIELDS 1 f"]), "HGETEX counts time from now"),
        (log_of(&["RESTORE a 100 x"]), "RESTORE counts time from now"),
        (log_of(&["EXEC"]), "EXEC stands without a MULTI"),
        (log_of(&["SELECT 16"]), "--databases"),
        (log_of(&["SET a"]), "wrong number of arguments"),
    ];
    for (bytes, said) in cases {
        let (_folder, file) = file_of(&[&before[..], &bytes].concat());
        let data = tempdir().unwrap();
        let ended = import(&[&file], &["--truncate"], data.path());
        assert_failed(&ended, 2, data.path(), said);
        let place = format!("{}: offset {at}: ", file.display());
        assert!(ended.stderr.contains(&place), "{}", ended.stderr);
    }
    let unit = log_of(&["MULTI", "SET a 1", "MULTI"]);
    let (_folder, file) = file_of(&unit);
    let data = tempdir().unwrap();
    let said = format!("offset {}: MULTI stands within a MULTI", unit.len() - 15);
    assert_failed(&import(&[&file], &[], data.path()), 2, data.path(), &said);
    let (_folder, file) = file_of(&log_of(&["MULTI", "SET a x", "INCR a", "EXEC"]));
    let at = log_of(&["MULTI", "SET a x"]).len();
    let said = format!("offset {at}: INCR fails: ");
    assert_failed(&import(&[&file], &[], data.path()), 2, data.path(), &said);
}

#[test]
fn more_databases_can_be_allowed() {
    let (_folder, file) = file_of(&log_of(&["SELECT 31", "SET a 1"]));
    let data = tempdir().unwrap();
    assert_eq!(import(&[&file], &["--databases", "32"], data.path()).code, Some(0));
    let server = Sanderling::start_in(data.path(), &["--save", "", "--databases", "32"]);
    let mut client = server.client();
    client.say("SELECT 31");
    assert_eq!(client.say("GET a"), "\"1\"");
}

#[test]
fn commands_and_values_may_be_larger_than_what_is_read_at_a_time() {
    let long = vec![b'x'; 3_000_000];
    let mut bytes = Vec::new();
    for n in 0..20_000 {
        bytes.extend(resp::encode(&["SET".to_owned(), format!("key{n}"), "v".repeat(n % 200)]));
        if n % 9_000 == 0 {
            bytes.extend(resp::encode(&[b"SET", format!("long{n}").as_bytes(), &long]));
        }
        if n % 5_000 == 0 {
            bytes.extend(log_of(&["MULTI"]));
            bytes.extend(resp::encode(&[b"APPEND", format!("unit{n}").as_bytes(), &long]));
            bytes.extend(log_of(&["INCR units", "EXEC"]));
        }
    }
    let (_folder, file) = file_of(&bytes);
    let data = tempdir().unwrap();
    let ended = import(&[&file], &[], data.path());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("imported 20011 commands"), "{ended:?}");
    let server = Sanderling::start_in(data.path(), &["--save", ""]);
    let mut client = server.client();
    assert_eq!(client.say("DBSIZE"), ":20008");
    assert_eq!(client.say("STRLEN key199"), ":199");
    assert_eq!(client.say("STRLEN long18000"), ":3000000");
    assert_eq!(client.say("STRLEN unit15000"), ":3000000");
    assert_eq!(client.say("GET units"), "\"4\"");
}

#[test]
fn what_has_expired_meanwhile_was_there_for_the_commands_that_met_it() {
    let past = START_MS - 1_000;
    let set = format!("SET counter 5 PXAT {past}");
    let lines = [set.as_str(), "INCR counter", "SET gone 1", "PEXPIREAT gone 1", "SET other 1"];
    let (_folder, file) = file_of(&log_of(&lines));
    let data = tempdir().unwrap();
    assert_eq!(import(&[&file], &[], data.path()).code, Some(0));
    assert_eq!(started(data.path()), ["0 other \"1\" :-1"]);
}

/// Redis's directory of a base, files that follow it and one that is not needed any more.
fn appendonlydir(folder: &Path) {
    let manifest = "file appendonly.aof.2.base.aof seq 2 type b\n\
                    file appendonly.aof.1.incr.aof seq 1 type h\n\
                    file appendonly.aof.2.incr.aof seq 2 type i\n\
                    file appendonly.aof.3.incr.aof seq 3 type i\n";
    fs::write(folder.join("appendonly.aof.manifest"), manifest).unwrap();
    for (name, lines) in [
        ("2.base", &["SELECT 1", "SET a base"][..]),
        ("1.incr", &["SELECT 0", "SET a history"]),
        ("2.incr", &["SELECT 1", "APPEND a +second"]),
        ("3.incr", &["SELECT 1", "APPEND a +third"]),
    ] {
        fs::write(folder.join(format!("appendonly.aof.{name}.aof")), log_of(lines)).unwrap();
    }
}

#[test]
fn the_files_that_redis_lists_are_imported_in_their_order() {
    let folder = tempdir().unwrap();
    appendonlydir(folder.path());
    let data = tempdir().unwrap();
    let ended = import(&[folder.path()], &[], data.path());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("imported 6 commands from 3 files: 1 keys"), "{ended:?}");
    assert_eq!(started(data.path()), ["1 a \"base+second+third\" :-1"]);
}

#[test]
fn only_the_last_of_several_files_may_be_cut_off() {
    for (name, code) in [("appendonly.aof.2.incr.aof", 2), ("appendonly.aof.3.incr.aof", 0)] {
        let folder = tempdir().unwrap();
        appendonlydir(folder.path());
        let file = folder.path().join(name);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        let data = tempdir().unwrap();
        let ended = import(&[folder.path()], &["--truncate"], data.path());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let said = if code == 0 { &ended.stdout } else { &ended.stderr };
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_binary_file_of_redis_is_refused_with_what_to_do() {
    let rdb = [b"REDIS0010\xfa\x09redis-ver".as_slice(), &[0; 50]].concat();
    let data = tempdir().unwrap();
    let folder = tempdir().unwrap();
    appendonlydir(folder.path());
    let base = folder.path().join("appendonly.aof.2.base.aof");
    fs::write(&base, &rdb).unwrap();
    for path in [&base, folder.path()] {
        let ended = import(&[path], &[], data.path());
        assert_failed(&ended, 2, data.path(), "CONFIG SET aof-use-rdb-preamble no");
        assert!(ended.stderr.contains("BGREWRITEAOF"), "{ended:?}");
        assert!(ended.stderr.contains("appendonly.aof.2.base.aof: "), "{ended:?}");
    }
}

#[test]
fn snapshots_and_segments_of_this_server_are_imported_one_after_the_other() {
    let old = tempdir().unwrap();
    let expected = {
        let server = Sanderling::start_in(old.path(), &["--save", ""]);
        let mut client = server.client();
        client.say("MSET a 1 b 2");
        assert_eq!(client.say("SAVE"), "+OK");
        client.say("SELECT 2");
        client.say("SET c 3 PX 100000");
        client.say("INCR c");
        client.say("SWAPDB 0 2");
        state(&mut client)
    };
    let segments = directory::list(old.path()).unwrap().segments;
    let segment = directory::segment_path(old.path(), *segments.last().unwrap());
    let snapshot = snapshots(old.path()).pop().unwrap();
    let data = tempdir().unwrap();
    let ended = import(&[&snapshot, &segment], &[], data.path());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(started(data.path()), expected);

    for (file, at, said) in [(&snapshot, 80, "section 1, line 3: "), (&segment, 100, "offset ")] {
        let data = tempdir().unwrap();
        let whole = fs::read(file).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
        assert_failed(&import(&[&snapshot, &segment], &[], data.path()), 2, data.path(), said);
        fs::write(file, whole).unwrap();
    }
    let data = tempdir().unwrap();
    let said = "start it with --data-dir";
    assert_failed(&import(&[old.path()], &[], data.path()), 2, data.path(), said);
}

/// A segment says where it begins in the log, but nobody looked.
#[test]
fn a_segment_that_is_missing_in_between_is_noticed() {
    let old = tempdir().unwrap();
    let flags = ["--save", "", "--appendfsync", "always", "--log-segment-size", "64kb"];
    {
        let server = Sanderling::start_in(old.path(), &flags);
        let mut client = server.client();
        for n in 0..9 {
            client.ask(&["SET", &format!("key:{n}"), &"v".repeat(30_000)]);
        }
    }
    let numbers = directory::list(old.path()).unwrap().segments;
    let paths: Vec<PathBuf> =
        numbers.iter().map(|number| directory::segment_path(old.path(), *number)).collect();
    let [first, second, third, ..] = &paths[..] else { panic!("three segments") };
    for (files, problem) in [(vec![first, third], third), (vec![second, first], first)] {
        let data = tempdir().unwrap();
        let files: Vec<&Path> = files.into_iter().map(PathBuf::as_path).collect();
        let ended = import(&files, &[], data.path());
        assert_failed(&ended, 2, data.path(), "name all segments in order");
        assert!(ended.stderr.contains(problem.to_str().unwrap()), "{}", ended.stderr);
    }
    let data = tempdir().unwrap();
    assert_eq!(import(&[second, third], &[], data.path()).code, Some(0));
}

#[test]
fn a_directory_with_data_or_with_a_server_is_left_alone() {
    let (_folder, file) = file_of(&log_of(&LINES));
    let data = tempdir().unwrap();
    assert_eq!(import(&[&file], &[], data.path()).code, Some(0));
    let before = fs::read(&snapshots(data.path())[0]).unwrap();
    let ended = import(&[&file], &[], data.path());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("there is a data set in "), "{ended:?}");
    assert_eq!(fs::read(&snapshots(data.path())[0]).unwrap(), before);

    let server = Process::start(data.path(), &["--save", ""]);
    let ended = import(&[&file], &[], data.path());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("in use by another server"), "{ended:?}");
    assert_eq!(server.client().say("DBSIZE"), ":2");
}

#[test]
fn what_cannot_be_read_or_is_asked_for_wrongly_has_an_exit_code_of_its_own() {
    let folder = tempdir().unwrap();
    let (_own, file) = file_of(&log_of(&LINES));
    let data = folder.path().join("data");
    let manifest = tempdir().unwrap();
    let line = "file nosuch.aof seq 1 type b\n";
    fs::write(manifest.path().join("appendonly.aof.manifest"), line).unwrap();
    let cases: [(&Path, &[&str], &str); 4] = [
        (Path::new("/no/such/file"), &[], "cannot read /no/such/file"),
        (manifest.path(), &[], "nosuch.aof"),
        (&file, &["--port", "1"], "--port"),
        (&file, &["--databases", "none"], "--databases"),
    ];
    for (path, flags, said) in cases {
        assert_failed(&import(&[path], flags, &data), 3, &data, said);
    }
    assert_failed(&process::run(&["import"]), 3, &data, "<FILE>");
    assert_failed(&import(&[folder.path()], &[], &data), 2, &data, "there is no manifest");
    assert!(process::run(&["import", "--help"]).stdout.contains("Exit codes: 0 imported"));
}
