//! Snapshots of a running server: what is saved comes back, whatever it is and whenever it was saved.

use crate::support::ask::Ask;
use crate::support::data::{awkward_pairs, check_pairs, digest, set_pairs, snapshots, state};
use crate::support::disk::{Gate, Kind};
use crate::support::generator::{Generator, seeds};
use crate::support::patience::Finally;
use crate::support::peer::Connection;
use crate::support::resp::{self, Reply};
use crate::support::sanderling::{START_MS, Sanderling};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::{TempDir, tempdir};

const FLAGS: [&str; 4] = ["--enable-debug-command", "yes", "--workers", "2"];

/// A server that saves only when it is told to.
fn start_in(directory: &Path) -> Sanderling {
    start_with(directory, &["--save", ""])
}

fn start_with(directory: &Path, flags: &[&str]) -> Sanderling {
    let mut all = FLAGS.to_vec();
    all.extend_from_slice(flags);
    Sanderling::start_in(directory, &all)
}

/// A server with the newest snapshot of another, and the directory it is in.
fn start_copy(directory: &Path) -> (Sanderling, TempDir) {
    let copy = tempdir().unwrap();
    let newest = snapshots(directory).pop().expect("there is a snapshot");
    fs::copy(&newest, copy.path().join(newest.file_name().unwrap())).unwrap();
    (start_in(copy.path()), copy)
}

#[test]
fn every_key_and_value_comes_back_as_it_was() {
    let directory = tempdir().unwrap();
    let pairs = awkward_pairs();
    let saved = {
        let server = start_in(directory.path());
        let mut client = server.client();
        set_pairs(&mut client, &pairs);
        // Values that were made in place are kept in another form than those that were set.
        client.say("APPEND made piece");
        client.say("SETRANGE made 3 '\\x00\\r\\n\"'");
        client.say("INCRBYFLOAT made:float 10.5");
        client.say("INCRBY made:number -7");
        assert_eq!(client.say("SAVE"), "+OK");
        digest(&mut client)
    };
    let server = start_in(directory.path());
    let mut client = server.client();
    assert_eq!(digest(&mut client), saved);
    check_pairs(&mut client, &pairs);
    assert_eq!(client.say("OBJECT ENCODING byte:48"), "\"int\"");
    assert_eq!(client.info("rdb_last_load_keys_loaded"), (pairs.len() + 3).to_string());
}

#[test]
fn a_snapshot_is_text_and_its_last_line_counts_what_is_in_it() {
    let directory = tempdir().unwrap();
    let server = start_in(directory.path());
    let mut client = server.client();
    client.say("SET greeting \"hello world\" PXAT 1790000060000");
    client.say("SET counter 17");
    client.say("SELECT 3");
    client.say("SET naïve café");
    assert_eq!(client.say("SAVE"), "+OK");
    let text = fs::read_to_string(&snapshots(directory.path())[0]).unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(text.starts_with("# sanderling snapshot 1\n"));
    assert!(text.ends_with("# end · sections 1 · keys 3\n"), "{text}");
    lines.sort_unstable();
    let expected = [
        "SELECT 0",
        "SELECT 3",
        "SET \"naïve\" \"café\"",
        "SET counter 17",
        "SET greeting \"hello world\" PXAT 1790000060000",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn deadlines_survive_and_what_expired_meanwhile_stays_away() {
    let directory = tempdir().unwrap();
    let long = "x".repeat(100_000);
    {
        let server = start_in(directory.path());
        let mut client = server.client();
        for (key, millis) in [("soon", 1_000), ("later", 100_000)] {
            client.say(&format!("SET {key} v PX {millis}"));
            client.ask(&["SET", &format!("long:{key}"), &long, "PX", &millis.to_string()]);
        }
        client.say("SET forever v");
        assert_eq!(client.say("SAVE"), "+OK");
    }
    let flags = ["--save", "", "--enable-debug-command", "yes"];
    let server = Sanderling::start_at(START_MS + 2_000, directory.path(), &flags);
    let mut client = server.client();
    assert_eq!(client.say("MGET soon later forever"), "[ nil, \"v\", \"v\" ]");
    assert_eq!(client.say("EXISTS long:soon long:later"), ":1");
    assert_eq!(client.say("PTTL later"), ":98000");
    assert_eq!(client.say("PEXPIRETIME long:later"), format!(":{}", START_MS + 100_000));
    assert_eq!(client.say("TTL forever"), ":-1");
}

#[test]
fn databases_keep_their_numbers_even_after_they_were_exchanged() {
    let directory = tempdir().unwrap();
    let saved = {
        let server = start_in(directory.path());
        let mut client = server.client();
        for db in [0, 1, 7, 15] {
            client.say(&format!("SELECT {db}"));
            client.say(&format!("SET db {db}"));
            client.say(&format!("SET only:{db} x"));
        }
        assert_eq!(client.say("SWAPDB 1 15"), "+OK");
        assert_eq!(client.say("SAVE"), "+OK");
        digest(&mut client)
    };
    let server = start_in(directory.path());
    let mut client = server.client();
    assert_eq!(digest(&mut client), saved);
    for (db, value) in [(0, "\"0\""), (1, "\"15\""), (7, "\"7\""), (15, "\"1\""), (2, "nil")] {
        client.say(&format!("SELECT {db}"));
        assert_eq!(client.say("GET db"), value);
    }
}

#[test]
fn a_save_point_needs_both_its_time_and_its_changes() {
    let directory = tempdir().unwrap();
    let server = start_with(directory.path(), &["--save", "60 2"]);
    let mut client = server.client();
    client.say("SET a 1");
    server.engine().clock.advance(Duration::from_secs(61));
    assert_eq!(client.say("LASTSAVE"), format!(":{}", START_MS / 1000));
    client.say("SET b 2");
    client.say_until("INFO persistence", |info| info.contains("rdb_saves:1"));
    assert_eq!(client.info("snapshot_last_keys"), "2");
    assert_eq!(client.info("rdb_changes_since_last_save"), "0");
    assert_eq!(client.say("LASTSAVE"), format!(":{}", START_MS / 1000 + 61));
    // Changes alone are not enough either.
    client.say("MSET a 1 b 2 c 3");
    assert_eq!(client.info("rdb_changes_since_last_save"), "3");
    assert_eq!(client.info("rdb_saves"), "1");
    server.engine().clock.advance(Duration::from_secs(60));
    client.say_until("INFO persistence", |info| info.contains("rdb_saves:2"));
    drop(server);
    assert_eq!(start_in(directory.path()).client().say("DBSIZE"), ":3");
}

#[test]
fn save_points_may_be_changed_while_the_server_runs() {
    let directory = tempdir().unwrap();
    let server = start_in(directory.path());
    let mut client = server.client();
    client.say("SET a 1");
    server.engine().clock.advance(Duration::from_secs(10_000));
    assert_eq!(client.info("rdb_saves"), "0");
    assert_eq!(client.say("CONFIG SET save '5 1'"), "+OK");
    client.say_until("INFO persistence", |info| info.contains("rdb_saves:1"));
}

#[test]
fn only_the_newest_snapshots_are_kept() {
    let directory = tempdir().unwrap();
    let server = start_with(directory.path(), &["--save", "", "--snapshot-keep", "2"]);
    let mut client = server.client();
    let names = || -> Vec<String> {
        let files = snapshots(directory.path());
        files.iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    for n in 1..=4 {
        client.say(&format!("SET n {n}"));
        assert_eq!(client.say("SAVE"), "+OK");
    }
    assert_eq!(names(), ["snapshot-000003.txt", "snapshot-000004.txt"]);
    client.say("CONFIG SET snapshot-keep 1");
    assert_eq!(client.say("SAVE"), "+OK");
    assert_eq!(names(), ["snapshot-000005.txt"]);
    drop(server);
    assert_eq!(start_in(directory.path()).client().say("GET n"), "\"4\"");
}

#[test]
fn bgsave_goes_on_in_the_background_and_can_be_scheduled() {
    let directory = tempdir().unwrap();
    let (gate, disk) = Gate::new(Kind::Sync);
    let server = Sanderling::start_on(disk, START_MS, directory.path(), &["--save", ""]);
    let mut client = server.client();
    client.say("SET k v");
    // A save is complete only once the log has made its cut.
    gate.close();
    assert_eq!(client.say("BGSAVE"), "+Background saving started");
    gate.wait_for_somebody();
    client.send(b"BGSAVE\r\nBGSAVE SCHEDULE\r\nSAVE\r\nPING\r\n").unwrap();
    let replies: Vec<String> =
        (0..4).map(|_| resp::render(&client.receive().unwrap().unwrap())).collect();
    let busy = "-ERR Background save already in progress";
    assert_eq!(replies, [busy, "+Background saving scheduled", busy, "+PONG"]);
    gate.open();
    client.say_until("INFO persistence", |info| {
        info.contains("rdb_saves:2") && info.contains("rdb_bgsave_in_progress:0")
    });
    assert_eq!(snapshots(directory.path()).len(), 2);
}

#[test]
fn the_lines_of_a_snapshot_restore_it_into_any_server() {
    let directory = tempdir().unwrap();
    let server = start_in(directory.path());
    let mut client = server.client();
    set_pairs(&mut client, &awkward_pairs());
    client.say("SELECT 9");
    client.say("SET with:deadline v PX 50000");
    client.ask(&["SET", "long:deadline", &"'\n".repeat(100_000), "PX", "50000"]);
    assert_eq!(client.say("SAVE"), "+OK");
    // As `nc host port < snapshot` does it.
    let other = Sanderling::start(&["--save", "", "--enable-debug-command", "yes"]);
    let mut pipe = other.client();
    let bytes = fs::read(&snapshots(directory.path())[0]).unwrap();
    thread::scope(|scope| {
        let mut sink = other.connect_tcp().unwrap();
        let mut source = std::io::BufReader::new(sink.try_clone().unwrap());
        scope.spawn(move || {
            std::io::Write::write_all(&mut sink, &bytes).unwrap();
            sink.shutdown(std::net::Shutdown::Write).unwrap();
        });
        while let Some(reply) = resp::read_reply(&mut source).unwrap() {
            assert!(!matches!(reply, Reply::Error(_)), "{}", resp::render(&reply));
        }
    });
    assert_eq!(digest(&mut pipe), digest(&mut client));
}

/// Keys that make saving take a while.
const BALLAST: &str = "DEBUG POPULATE 100000 ballast 100";
const PAIRS: usize = 64;

#[test]
fn a_snapshot_is_the_state_of_one_instant_although_writers_go_on() {
    let directory = tempdir().unwrap();
    // The writers let the log grow fast; it must not be compacted between the saves that are counted.
    let flags = ["--save", "", "--auto-aof-rewrite-percentage", "0"];
    let server = start_with(directory.path(), &flags);
    let mut client = server.client();
    client.say(BALLAST);
    for n in 0..PAIRS {
        client.say(&format!("MSET left:{n} 0 right:{n} 0"));
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..4 {
            let (client, done) = (server.client(), &done);
            scope.spawn(move || write_pairs(client, writer, done));
        }
        let _done = Finally(&done);
        for saves in 1..=3 {
            client.say("BGSAVE");
            client.say_until("INFO persistence", |i| i.contains(&format!("rdb_saves:{saves}")));
            check_cut(directory.path());
        }
    });
}

/// Raises both sides of pairs together, so that they are always equal; deletes and renames as well.
fn write_pairs(mut client: impl Connection, writer: usize, done: &AtomicBool) {
    for round in 1.. {
        let n = (round * 4 + writer) % PAIRS;
        let value = format!("{writer}:{round}");
        let set =
            resp::encode(&["MSET", &format!("left:{n}"), &value, &format!("right:{n}"), &value]);
        let moved = format!("SET from:{writer} {value}\r\nRENAME from:{writer} to:{writer}\r\n");
        client.send(&[&set, moved.as_bytes()].concat()).unwrap();
        for _ in 0..3 {
            assert_eq!(client.receive().unwrap(), Some(Reply::Simple(b"OK".to_vec())));
        }
        if done.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn check_cut(directory: &Path) {
    let (copy, kept) = start_copy(directory);
    let mut client = copy.client();
    for n in 0..PAIRS {
        let Reply::Array(pair) = client.ask(&["MGET", &format!("left:{n}"), &format!("right:{n}")])
        else {
            panic!("MGET replies with an array");
        };
        assert!(pair[0] == pair[1] && pair[0] != Reply::Nil, "pair {n} is {pair:?}");
    }
    assert_eq!(client.say("EXISTS ballast:0 ballast:50000 ballast:99999"), ":3");
    drop((copy, kept));
}

#[test]
fn reloading_changes_nothing() {
    let directory = tempdir().unwrap();
    let server = start_in(directory.path());
    let mut client = server.client();
    set_pairs(&mut client, &awkward_pairs());
    client.say("SET with:deadline v PX 5000");
    client.say("SELECT 5");
    client.say("SET other v");
    let before = digest(&mut client);
    assert_eq!(client.say("DEBUG RELOAD"), "+OK");
    assert_eq!(digest(&mut client), before);
    assert_eq!(client.say("GET other"), "\"v\"");
    client.say("SET other changed");
    assert_eq!(client.say("DEBUG RELOAD NOSAVE"), "+OK");
    assert_eq!(digest(&mut client), before);
}

#[test]
fn reloading_keeps_values_of_every_type() {
    let directory = tempdir().unwrap();
    let server = start_in(directory.path());
    let mut client = server.client();
    for seed in seeds(4) {
        let mut generator = Generator::new(seed, START_MS);
        generator.newer = true;
        generator.spoil_one_in = 0;
        for _ in 0..2_000 {
            client.ask(&generator.command());
        }
        let before = (digest(&mut client), state(&mut client));
        assert_eq!(client.say("DEBUG RELOAD"), "+OK");
        assert!((digest(&mut client), state(&mut client)) == before, "seed {seed}: {before:?}");
        client.say("FLUSHALL");
    }
}

#[test]
fn while_saving_fails_writers_are_told_and_once_it_works_they_go_on() {
    let parent = tempdir().unwrap();
    let (directory, gone) = (parent.path().join("data"), parent.path().join("gone"));
    let server = start_with(&directory, &["--save", "3600 1000"]);
    let mut client = server.client();
    client.say("SET k saved");
    assert_eq!(client.say("SAVE"), "+OK");
    client.say("SET k unsaved");
    fs::rename(&directory, &gone).unwrap();

    assert!(client.say("SAVE").starts_with("-ERR Saving failed"));
    for line in ["SET k v", "DEL k", "EXPIRE k 5", "FLUSHALL"] {
        assert!(client.say(line).starts_with("-MISCONF "), "{line}");
    }
    assert_eq!(client.say("GET k"), "\"unsaved\"");
    assert_eq!(client.info("rdb_last_bgsave_status"), "err");
    assert_ne!(client.info("snapshot_last_error"), "");
    assert_eq!(client.say("CONFIG SET stop-writes-on-bgsave-error no"), "+OK");
    assert_eq!(client.say("SET k anyway"), "+OK");
    assert_eq!(client.say("CONFIG SET stop-writes-on-bgsave-error yes"), "+OK");
    assert!(client.say("SHUTDOWN SAVE").starts_with("-ERR Errors trying to SHUTDOWN"));

    // What was saved before is as it was.
    assert_eq!(start_copy(&gone).0.client().say("GET k"), "\"saved\"");

    fs::rename(&gone, &directory).unwrap();
    assert!(client.say("SET k v").starts_with("-MISCONF "), "nobody has tried again yet");
    assert_eq!(client.say("SAVE"), "+OK");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(client.info("snapshot_last_error"), "");
    assert_eq!(client.say("SET k new"), "+OK");
    assert_eq!(start_copy(&directory).0.client().say("GET k"), "\"anyway\"");
}

#[test]
fn after_a_failure_the_save_points_try_again_by_themselves() {
    let parent = tempdir().unwrap();
    let (directory, gone) = (parent.path().join("data"), parent.path().join("gone"));
    let server = start_with(&directory, &["--save", "5 1"]);
    let mut client = server.client();
    client.say("SET k v");
    fs::rename(&directory, &gone).unwrap();
    server.engine().clock.advance(Duration::from_secs(6));
    client.say_until("INFO persistence", |info| info.contains("rdb_last_bgsave_status:err"));
    fs::rename(&gone, &directory).unwrap();
    server.engine().clock.advance(Duration::from_secs(6));
    client.say_until("INFO persistence", |info| info.contains("rdb_last_bgsave_status:ok"));
    assert_eq!(client.say("SET k w"), "+OK");
}

/// As in Redis: who has set no save points does not count on snapshots, and nothing would try again by itself.
#[test]
fn without_save_points_a_failed_save_stops_no_writers() {
    let parent = tempdir().unwrap();
    let (directory, gone) = (parent.path().join("data"), parent.path().join("gone"));
    let server = start_with(&directory, &["--save", ""]);
    let mut client = server.client();
    fs::rename(&directory, &gone).unwrap();
    assert!(client.say("SAVE").starts_with("-ERR Saving failed"));
    assert_eq!(client.say("SET k v"), "+OK");
    assert_eq!(client.say("CONFIG SET save '3600 1'"), "+OK");
    assert!(client.say("SET k v").starts_with("-MISCONF "));
}

/// Each used to be put into the queue, and a snapshot made for each.
#[test]
fn however_often_a_snapshot_is_scheduled_one_waits() {
    let (gate, disk) = Gate::of(Kind::Rename, |call| call.path.ends_with("snapshot-000001.tmp"));
    let directory = tempdir().unwrap();
    let server = Sanderling::start_on(disk, START_MS, directory.path(), &["--save", ""]);
    let mut client = server.client();
    gate.close();
    client.say("BGSAVE");
    gate.wait_for_somebody();
    for _ in 0..20 {
        assert_eq!(client.say("BGSAVE SCHEDULE"), "+Background saving scheduled");
        let reply = client.say("BGREWRITEAOF");
        assert!(reply.contains("append only file rewriting scheduled"), "{reply}");
    }
    gate.open();
    client.say_until("INFO persistence", |info| info.contains("rdb_bgsave_in_progress:0\\r"));
    assert_eq!((client.info("rdb_saves"), client.info("aof_rewrites")), ("2".into(), "1".into()));
}
