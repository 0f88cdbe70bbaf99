//! Starting when something is wrong: damaged snapshots, directories and ports that are taken, mistakes
//! on the command line. The server refuses with one line that says what to do.

use crate::support::ask::Ask;
use crate::support::data::{digest, position, snapshots};
use crate::support::process::{self, Ended, Process, free_port};
use crate::support::sanderling::Sanderling;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

/// Enough for several sections.
const KEYS: usize = 10_000;

/// A data directory with one snapshot of several sections.
fn saved() -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let flags = ["--save", "", "--enable-debug-command", "yes"];
    let server = Sanderling::start_in(directory.path(), &flags);
    let mut client = server.client();
    assert_eq!(client.say(&format!("DEBUG POPULATE {KEYS} key 100")), "+OK");
    assert_eq!(client.say("SAVE"), "+OK");
    let file = snapshots(directory.path()).pop().expect("it was saved");
    (directory, file)
}

/// Starts a server that is to end by itself.
fn start(directory: &Path, flags: &[&str]) -> Ended {
    let port = free_port().to_string();
    let mut args = vec!["--port", &port, "--data-dir", directory.to_str().unwrap()];
    args.extend_from_slice(flags);
    process::run(&args)
}

/// What it said last, without the log before it.
fn last_line(ended: &Ended) -> &str {
    ended.stderr.lines().last().unwrap_or_default()
}

fn assert_refused(directory: &Path, file: &Path) -> String {
    let before = fs::read(file).unwrap();
    let ended = start(directory, &[]);
    let line = last_line(&ended).to_owned();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(line.starts_with("sanderling: "), "{line}");
    assert!(line.contains(file.to_str().unwrap()), "the file is named: {line}");
    if !line.contains("newer than this server") {
        assert!(line.contains("--recover-anyway"), "the way out is named: {line}");
        assert!(line.contains("line "), "the line is named: {line}");
    }
    assert_eq!(fs::read(file).unwrap(), before, "nothing is changed by refusing");
    assert_eq!(snapshots(directory), [file]);
    line
}

#[test]
fn a_snapshot_that_was_cut_off_is_refused() {
    let (directory, file) = saved();
    let whole = fs::read(&file).unwrap();
    let at_boundary = position(&whole, "# section 3");
    for len in [0, 5, whole.len() / 2, at_boundary, whole.len() - 20] {
        fs::write(&file, &whole[..len]).unwrap();
        assert_refused(directory.path(), &file);
    }
}

#[test]
fn an_altered_snapshot_is_refused_and_the_place_named() {
    let (directory, file) = saved();
    let whole = fs::read(&file).unwrap();
    let section = position(&whole, "# section 2 ");
    // A byte of a value, of a section's first line, of the last line, of the first.
    for (at, named) in [
        (section + 200, "section 2, line "),
        (section + 4, "line "),
        (whole.len() - 4, "line "),
        (3, "line 1:"),
    ] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&file, &altered).unwrap();
        let line = assert_refused(directory.path(), &file);
        assert!(line.contains(named), "{line}");
    }
}

#[test]
fn something_behind_the_end_of_a_snapshot_is_refused() {
    let (directory, file) = saved();
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(b"SET injected 1\n");
    fs::write(&file, &bytes).unwrap();
    assert_refused(directory.path(), &file);
}

#[test]
fn a_file_that_is_no_snapshot_or_of_a_later_version_is_refused() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("snapshot-000001.txt");
    fs::write(&file, "SET k v\n").unwrap();
    assert!(assert_refused(directory.path(), &file).contains("this is no snapshot"));
    fs::write(&file, "# sanderling snapshot 2\n# end\n").unwrap();
    assert!(assert_refused(directory.path(), &file).contains("newer than this server"));
}

#[test]
fn recovering_anyway_loads_what_is_sound_and_sets_the_file_aside() {
    let (directory, file) = saved();
    let mut bytes = fs::read(&file).unwrap();
    let lost = position(&bytes, "# section 3 ") - position(&bytes, "# section 2 ");
    let at = position(&bytes, "# section 2 ") + 300;
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_refused(directory.path(), &file);

    let flags = ["--enable-debug-command", "yes", "--recover-anyway"];
    let server = Process::start(directory.path(), &flags);
    let mut client = server.client();
    let size = client.say("DBSIZE")[1..].parse::<usize>().unwrap();
    let per_key = bytes.len() / KEYS;
    assert!(size < KEYS && size > KEYS - lost / per_key * 2, "{size} keys of {KEYS}");
    let found = digest(&mut client);
    assert!(server.log().contains("left out: section 2, line "), "{}", server.log());
    // The start has saved anew, and that is over.
    assert_eq!(client.info("rdb_bgsave_in_progress"), "0");
    assert_eq!(client.say("SAVE"), "+OK");
    server.kill();

    assert!(file.with_extension("damaged").exists());
    let server = Process::start(directory.path(), &["--enable-debug-command", "yes"]);
    assert_eq!(digest(&mut server.client()), found, "what was sound is saved anew");
}

/// Without a log, nothing leads from an older snapshot to the present, so it is no ordinary base. Such a start
/// used to load nothing, save that, and remove the only sound snapshot.
#[test]
fn recovering_anyway_loads_an_older_snapshot_if_nothing_of_the_newest_is_left() {
    for is_missing in [true, false] {
        let directory = tempdir().unwrap();
        let flags = ["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"];
        let server = Process::start(directory.path(), &flags);
        let mut client = server.client();
        client.say("DEBUG POPULATE 100");
        assert_eq!(client.say("SAVE"), "+OK");
        let sound = digest(&mut client);
        client.say("SET later x");
        assert_eq!(client.say("SAVE"), "+OK");
        server.kill();
        let [older, newest] = &snapshots(directory.path())[..] else { panic!("two snapshots") };
        if is_missing {
            fs::remove_file(newest).unwrap();
        } else {
            fs::write(newest, "# something else\n").unwrap();
        }
        assert_eq!(start(directory.path(), &flags).code, Some(1));

        let recovering = [&flags[..], &["--recover-anyway"]].concat();
        let server = Process::start(directory.path(), &recovering);
        let mut client = server.client();
        assert_eq!(digest(&mut client), sound, "is missing: {is_missing}");
        assert!(older.exists(), "what was loaded stays until the next snapshot");
        server.kill();
        let server = Process::start(directory.path(), &flags);
        let mut client = server.client();
        assert_eq!(digest(&mut client), sound);
        assert_eq!(client.say("SAVE"), "+OK");
        assert_eq!(digest(&mut client), sound);
    }
}

/// It used to be called damage, with the advice to recover anyway, which loses the database.
#[test]
fn too_few_databases_are_no_damage() {
    for appendonly in ["yes", "no"] {
        let directory = tempdir().unwrap();
        let flags = ["--save", "", "--appendonly", appendonly];
        let server =
            Process::start(directory.path(), &[&flags[..], &["--databases", "32"]].concat());
        let mut client = server.client();
        client.say("SET a 1");
        client.say("SELECT 20");
        client.say("SET b 2");
        if appendonly == "no" {
            assert_eq!(client.say("SAVE"), "+OK");
        }
        assert!(server.terminate().success());
        for recovering in [&[][..], &["--recover-anyway"]] {
            let ended = start(directory.path(), &[&flags[..], recovering].concat());
            let line = last_line(&ended);
            assert_eq!(ended.code, Some(1), "{}", ended.stderr);
            assert!(line.contains("database 20") && line.contains("--databases"), "{line}");
            assert!(!line.contains("damaged") && !line.contains("--recover-anyway"), "{line}");
        }
        let server =
            Process::start(directory.path(), &[&flags[..], &["--databases", "21"]].concat());
        let mut client = server.client();
        client.say("SELECT 20");
        assert_eq!(client.say("GET b"), "\"2\"");
    }
}

#[test]
fn a_torn_snapshot_under_a_temporary_name_is_removed_and_the_last_whole_one_loaded() {
    let (directory, _) = saved();
    let torn = directory.path().join("snapshot-000002.tmp");
    fs::write(&torn, "# sanderling snapshot 1\n# sec").unwrap();
    let server = Process::start(directory.path(), &[]);
    assert_eq!(server.client().say("DBSIZE"), format!(":{KEYS}"));
    assert!(!torn.exists());
}

#[test]
fn a_directory_that_another_server_uses_is_refused_in_one_line() {
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &["--save", ""]);
    let ended = start(directory.path(), &[]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("in use by another server") && ended.stderr.contains("--data-dir")
    );
    assert_eq!(server.client().say("PING"), "+PONG");
}

#[test]
fn a_directory_that_cannot_be_used_is_refused_in_one_line() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let ended = start(&file, &[]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("--data-dir"), "{}", ended.stderr);
}

#[test]
fn a_port_that_is_taken_is_refused_in_one_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempdir().unwrap();
    let ended = process::run(&["--port", &port, "--data-dir", directory.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains(&port) && ended.stderr.contains("--port"), "{}", ended.stderr);
}

#[test]
fn mistakes_on_the_command_line_and_in_the_file_have_an_exit_code_of_their_own() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("a.conf");
    fs::write(&file, "timeout 5\nmaxclients many\n").unwrap();
    let file = file.to_str().unwrap();
    let cases = [
        (vec!["--nope"], "--nope"),
        (vec!["--port", "70000"], "--port"),
        (vec!["--appendfsync"], "--appendfsync"),
        (vec!["/no/such/file.conf"], "/no/such/file.conf"),
        (vec![file], "a.conf:2: "),
    ];
    for (args, named) in cases {
        let ended = process::run(&args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(named), "{}", ended.stderr);
    }
}

#[test]
fn help_and_version_are_printed_and_nothing_starts() {
    let help = process::run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("--data-dir"));
    let version = process::run(&["--version"]);
    assert_eq!(version.stdout.trim(), concat!("sanderling ", env!("CARGO_PKG_VERSION")));
}
