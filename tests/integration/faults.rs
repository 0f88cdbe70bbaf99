//! A disk that fails, at every call of a scripted run in turn: the server never claims what is not true.
//!
//! Whatever fails, a restart finds everything that was acknowledged; while the log has failed, writes are
//! refused and reads go on; on a mended disk the log begins anew with everything that is in memory.

use crate::support::ask::Ask;
use crate::support::data::{copy, digest, files_with, segments};
use crate::support::disk::{Call, Kind, Script, ScriptedDisk, Verdict};
use crate::support::peer::Connection;
use crate::support::resp;
use crate::support::sanderling::{START_MS, Sanderling};
use sanderling::persist::disk::Disk;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::tempdir;

const FLAGS: [&str; 12] = [
    "--save",
    "",
    "--enable-debug-command",
    "yes",
    "--workers",
    "1",
    "--log-segment-size",
    "64kb",
    "--snapshot-keep",
    "1",
    "--stop-writes-on-bgsave-error",
    "no",
];

fn always() -> Vec<&'static str> {
    [&FLAGS[..], &["--appendfsync", "always"]].concat()
}

/// Syncs before it make the manifest, the segment, and the manifest that names it.
const FIRST_SYNC_OF_THE_LOG: usize = 4;

/// How a disk is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The call fails once.
    Once(io::ErrorKind),
    /// It and all others of its kind fail until somebody mends the disk.
    Until(io::ErrorKind),
    /// A write takes less than it was given; nothing is wrong.
    Short,
    /// A write takes a part, and then the disk is full until somebody makes room.
    ShortThenFull,
}

/// The n-th call of a kind.
#[derive(Debug)]
struct Faults {
    kind: Kind,
    at: usize,
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    is_mended: bool,
}

impl Faults {
    fn has_happened(&self) -> bool {
        self.state.lock().unwrap().calls >= self.at
    }

    fn mend(&self) {
        self.state.lock().unwrap().is_mended = true;
    }
}

impl Script for Faults {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.kind != self.kind {
            return Verdict::Go;
        }
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        let (is_first, is_later) = (state.calls == self.at, state.calls > self.at);
        match self.fault {
            _ if state.is_mended || !is_first && !is_later => Verdict::Go,
            Fault::Once(error) if is_first => Verdict::Fail(error.into()),
            Fault::Until(error) => Verdict::Fail(error.into()),
            Fault::Short | Fault::ShortThenFull if is_first => {
                Verdict::TakeOnly(call.bytes.len() / 2 + 1)
            }
            Fault::ShortThenFull => Verdict::Fail(io::ErrorKind::StorageFull.into()),
            Fault::Once(_) | Fault::Short => Verdict::Go,
        }
    }
}

/// A disk that nobody will mend.
fn disk_that_fails(kind: Kind, at: usize, fault: Fault) -> Arc<dyn Disk> {
    let faults = Faults { kind, at, fault, state: Mutex::default() };
    Arc::new(ScriptedDisk(Arc::new(faults)))
}

/// What the run does: changes, and between them what moves files about.
fn script() -> Vec<Vec<String>> {
    let value = "v".repeat(30_000);
    let mut lines = Vec::new();
    for round in 0..3 {
        for n in 0..3 {
            lines.push(format!("SET key:{round}:{n} {value}"));
            lines.push(format!("MSET a {round}:{n} b {round}:{n}"));
        }
        lines.push(["SAVE", "DEBUG LOADAOF", "SAVE"][round].to_owned());
    }
    lines.push("INCR last".to_owned());
    lines.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

fn is_change(words: &[String]) -> bool {
    !["SAVE", "DEBUG"].contains(&&*words[0])
}

/// The digests after each change of the script, beginning with that of nothing.
fn digests() -> Vec<String> {
    let server = Sanderling::start(&["--appendonly", "no", "--enable-debug-command", "yes"]);
    let mut client = server.client();
    let mut digests = vec![digest(&mut client)];
    for words in script().iter().filter(|words| is_change(words)) {
        client.ask(words);
        digests.push(digest(&mut client));
    }
    digests
}

/// What a restart finds on a sound disk.
fn digest_after_restart(directory: &Path) -> String {
    let copy = copy(directory);
    let server = Sanderling::start_in(copy.path(), &FLAGS);
    digest(&mut server.client())
}

/// Runs the script as far as it goes. Returns how many changes were acknowledged, and tried.
fn run_script(server: &Sanderling) -> (usize, usize) {
    let mut client = server.client();
    let (mut done, mut tried) = (0, 0);
    for words in script() {
        tried += usize::from(is_change(&words));
        if client.send(&resp::encode(&words)).is_err() {
            break;
        }
        match client.receive() {
            Ok(Some(reply)) if resp::render(&reply).starts_with("-MISCONF") => {
                // Nothing of it was done.
                return (done, done);
            }
            Ok(Some(_)) => done += usize::from(is_change(&words)),
            // Nobody says whether it will survive.
            Ok(None) | Err(_) => break,
        }
    }
    (done, tried)
}

fn check(kind: Kind, fault: Fault, at: usize, expected: &[String]) -> bool {
    let directory = tempdir().unwrap();
    let faults = Arc::new(Faults { kind, at, fault, state: Mutex::default() });
    let place = format!("{fault:?} at {kind:?} {at}");
    let disk = Arc::new(ScriptedDisk(Arc::clone(&faults)));
    let server = Sanderling::try_start_on(disk, START_MS, directory.path(), &always());
    let Ok(server) = server else {
        assert_eq!(digest_after_restart(directory.path()), expected[0], "{place}");
        return true;
    };
    let (done, tried) = run_script(&server);
    let found = digest_after_restart(directory.path());
    assert!(expected[done..=tried].contains(&found), "{place}: {done} of {tried} changes");
    let mut client = server.client();
    let state = client.info("log_state");
    if state == "failed" {
        check_failed(&server, &place);
        faults.mend();
        assert_eq!(client.say("CONFIG SET appendonly yes"), "+OK");
        client.say_until("INFO persistence", |info| info.contains("log_state:on\\r"));
        assert_eq!(client.info("log_last_error"), "");
    } else {
        assert_eq!((state.as_str(), done), ("on", expected.len() - 1), "{place}");
    }
    faults.mend();
    check_sound(&server, directory.path(), &place);
    faults.has_happened()
}

/// While the log has failed.
fn check_failed(server: &Sanderling, place: &str) {
    let mut client = server.client();
    assert_eq!(client.info("aof_last_write_status"), "err", "{place}");
    assert_ne!(client.info("log_last_error"), "", "{place}");
    for line in ["SET k v", "DEL a", "FLUSHALL", "EXPIRE a 100"] {
        assert!(client.say(line).starts_with("-MISCONF"), "{place}: {line}");
    }
    assert!(client.say("WAITAOF 1 0 0").starts_with('-'), "{place}");
    assert!(client.say("STRLEN key:0:0").starts_with(':'), "{place}");
}

/// On a disk that works (again).
fn check_sound(server: &Sanderling, directory: &Path, place: &str) {
    let mut client = server.client();
    // A log that begins anew counts a little before the snapshotter is done with it.
    client.say_until("INFO persistence", |info| info.contains("rdb_bgsave_in_progress:0\\r"));
    assert_eq!(client.say("SET mended x"), "+OK", "{place}");
    let expected = digest(&mut client);
    assert_eq!(digest_after_restart(directory), expected, "{place}");
    assert_eq!(client.say("SAVE"), "+OK", "{place}");
    assert_eq!(client.say("INCR mended:too"), ":1", "{place}");
    let expected = digest(&mut client);
    assert_eq!(digest_after_restart(directory), expected, "{place}");
    assert_eq!(files_with(directory, "tmp").len(), 0, "{place}");
}

/// Lets the n-th call fail for n = 1, 2, 3, … until the run is over before it.
fn check_everywhere(kind: Kind, faults: &[Fault]) {
    let expected = digests();
    for &fault in faults {
        let mut at = 1;
        while check(kind, fault, at, &expected) {
            at += 1;
        }
        assert!(at > 3, "{kind:?} was met {} times", at - 1);
    }
}

const FULL: io::ErrorKind = io::ErrorKind::StorageFull;

#[test]
fn every_write_may_fail_for_good_and_nothing_acknowledged_is_lost() {
    check_everywhere(Kind::Write, &[Fault::Until(FULL), Fault::ShortThenFull]);
}

#[test]
fn every_write_may_fail_once_and_nothing_acknowledged_is_lost() {
    check_everywhere(Kind::Write, &[Fault::Once(io::ErrorKind::Other)]);
}

#[test]
fn every_sync_may_fail_and_nothing_acknowledged_is_lost() {
    check_everywhere(Kind::Sync, &[Fault::Once(io::ErrorKind::Other), Fault::Until(FULL)]);
}

#[test]
fn every_creation_of_a_file_may_fail() {
    check_everywhere(Kind::Create, &[Fault::Once(io::ErrorKind::Other), Fault::Until(FULL)]);
}

#[test]
fn every_rename_may_fail() {
    check_everywhere(Kind::Rename, &[Fault::Once(io::ErrorKind::Other), Fault::Until(FULL)]);
}

#[test]
fn every_sync_of_a_directory_may_fail() {
    let faults = [Fault::Once(io::ErrorKind::Other), Fault::Until(FULL)];
    check_everywhere(Kind::SyncDirectory, &faults);
}

#[test]
fn files_that_cannot_be_removed_are_only_in_the_way() {
    let denied = io::ErrorKind::PermissionDenied;
    check_everywhere(Kind::Remove, &[Fault::Until(denied)]);
}

#[test]
fn writes_that_are_short_or_interrupted_lose_nothing_and_nobody_notices() {
    let expected = digests();
    for fault in [Fault::Short, Fault::Once(io::ErrorKind::Interrupted)] {
        for at in 1..=25 {
            let directory = tempdir().unwrap();
            let faults = Arc::new(Faults { kind: Kind::Write, at, fault, state: Mutex::default() });
            let disk = Arc::new(ScriptedDisk(Arc::clone(&faults)));
            let server = Sanderling::start_on(disk, START_MS, directory.path(), &always());
            let all = expected.len() - 1;
            assert_eq!(run_script(&server), (all, all), "{fault:?} at {at}");
            assert!(faults.has_happened(), "there are fewer writes than {at}");
            assert_eq!(server.client().info("log_state"), "on");
            assert_eq!(digest_after_restart(directory.path()), expected[all], "{fault:?} at {at}");
        }
    }
}

#[test]
fn under_everysec_a_failure_ends_no_connection_that_has_its_replies() {
    let directory = tempdir().unwrap();
    let fault = Fault::Until(FULL);
    let disk = disk_that_fails(Kind::Sync, FIRST_SYNC_OF_THE_LOG, fault);
    let server = Sanderling::start_on(disk, START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    assert_eq!(client.say("SET k v"), "+OK");
    client.say_until("INFO persistence", |info| info.contains("aof_buffer_length:0\\r"));
    server.engine().clock.advance(Duration::from_secs(1));
    server.client().say_until("INFO persistence", |info| info.contains("log_state:failed\\r"));
    assert_eq!(client.say("GET k"), "\"v\"");
    assert!(client.say("SET k w").starts_with("-MISCONF"));
    assert_eq!(client.say("GET k"), "\"v\"");
}

#[test]
fn who_waits_for_the_log_is_told_that_it_has_failed() {
    let directory = tempdir().unwrap();
    let fault = Fault::Until(FULL);
    let disk = disk_that_fails(Kind::Sync, FIRST_SYNC_OF_THE_LOG, fault);
    let server = Sanderling::start_on(disk, START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    assert_eq!(client.say("SET k v"), "+OK");
    assert!(client.say("WAITAOF 1 0 0").starts_with("-MISCONF"));
}

#[test]
fn a_start_on_a_full_disk_says_what_to_do_and_works_once_there_is_room() {
    let directory = tempdir().unwrap();
    // What the attempt before has managed to write need not be written again.
    for at in [1, 2, 2] {
        let fault = Fault::Until(FULL);
        let disk = disk_that_fails(Kind::Write, at, fault);
        let refused = Sanderling::try_start_on(disk, START_MS, directory.path(), &FLAGS);
        let Err(problem) = refused else { panic!("it starts on a full disk") };
        assert!(problem.contains("make room") && problem.contains("--data-dir"), "{problem}");
        assert_eq!(problem.lines().count(), 1);
    }
    let server = Sanderling::start_in(directory.path(), &FLAGS);
    assert_eq!(server.client().say("SET k v"), "+OK");
}

#[test]
fn a_server_whose_log_has_failed_stops_when_its_snapshot_has_everything() {
    let directory = tempdir().unwrap();
    let fault = Fault::Once(io::ErrorKind::Other);
    let disk = disk_that_fails(Kind::Sync, FIRST_SYNC_OF_THE_LOG, fault);
    let server = Sanderling::start_on(disk, START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    assert_eq!(client.say("SET k v"), "+OK");
    assert!(client.say("WAITAOF 1 0 0").starts_with("-MISCONF"));
    for _ in 0..2 {
        let reply = client.say("SHUTDOWN NOSAVE");
        assert_eq!(reply, "-ERR Errors trying to SHUTDOWN. Check logs.");
        assert_eq!(client.info("log_state"), "failed");
        assert!(client.say("SET k w").starts_with("-MISCONF"));
    }
    client.send(b"SHUTDOWN SAVE\r\n").unwrap();
    client.expect_end();
    drop(server);
    let server = Sanderling::start_in(directory.path(), &FLAGS);
    assert_eq!(server.client().say("GET k"), "\"v\"");
}

/// The log used to stay as if it were about to begin: every write was acknowledged, none counted, and saying
/// `CONFIG SET appendonly yes` again did nothing.
#[test]
fn a_log_whose_first_snapshot_fails_has_failed_and_can_begin_again() {
    for kind in [Kind::Create, Kind::Write, Kind::Sync, Kind::Rename] {
        for at in 1.. {
            let directory = tempdir().unwrap();
            let fault = Fault::Until(FULL);
            let faults = Arc::new(Faults { kind, at, fault, state: Mutex::default() });
            let disk = Arc::new(ScriptedDisk(Arc::clone(&faults)));
            let flags = [&always()[..], &["--appendonly", "no"]].concat();
            let server = Sanderling::start_on(disk, START_MS, directory.path(), &flags);
            let place = format!("{kind:?} {at}");
            let mut client = server.client();
            client.say("SET before v");
            assert_eq!(client.say("CONFIG SET appendonly yes"), "+OK");
            let is_settled = |info: &str| {
                info.contains("log_state:on\\r") || info.contains("log_state:failed\\r")
            };
            let info = client.say_until("INFO persistence", |info| {
                is_settled(info) && info.contains("rdb_bgsave_in_progress:0\\r")
            });
            if !faults.has_happened() {
                assert!(info.contains("log_state:on\\r") && at > 1, "{place}");
                break;
            }
            assert!(info.contains("log_state:failed\\r"), "{place}");
            check_failed(&server, &place);
            faults.mend();
            assert_eq!(client.say("CONFIG SET appendonly yes"), "+OK");
            client.say_until("INFO persistence", |info| info.contains("log_state:on\\r"));
            check_sound(&server, directory.path(), &place);
        }
    }
}

/// It used to say that the file cannot be read.
#[test]
fn a_torn_end_that_cannot_be_cut_off_is_a_disk_that_cannot_be_written() {
    let directory = tempdir().unwrap();
    let copied = {
        let server = Sanderling::start_in(directory.path(), &always());
        assert_eq!(server.client().say("SET k v"), "+OK");
        copy(directory.path())
    };
    let segment = segments(copied.path()).pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes.extend_from_slice(b"#torn");
    fs::write(&segment, bytes).unwrap();
    let disk = disk_that_fails(Kind::Truncate, 1, Fault::Until(io::ErrorKind::PermissionDenied));
    let refused = Sanderling::try_start_on(disk, START_MS, copied.path(), &FLAGS);
    let Err(problem) = refused else { panic!("it starts with a torn end") };
    assert!(problem.contains("cannot write") && problem.contains("make room"), "{problem}");
    let server = Sanderling::start_in(copied.path(), &FLAGS);
    assert_eq!(server.client().say("GET k"), "\"v\"");
}

#[test]
fn a_log_that_cannot_be_closed_in_order_is_off_all_the_same() {
    let directory = tempdir().unwrap();
    // Those before make the manifest, and the one that names the first segment.
    let disk = disk_that_fails(Kind::Rename, 3, Fault::Until(FULL));
    let server = Sanderling::start_on(disk, START_MS, directory.path(), &FLAGS);
    let mut client = server.client();
    assert_eq!(client.say("SET k v"), "+OK");
    assert_eq!(client.say("CONFIG SET appendonly no"), "+OK");
    client.say_until("INFO persistence", |info| {
        info.contains("log_state:off\\r") && info.contains("rdb_bgsave_in_progress:0\\r")
    });
    assert_eq!(client.say("SET k w"), "+OK");
    assert_eq!(client.info("aof_last_write_status"), "ok");
}
