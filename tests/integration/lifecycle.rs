//! How a server ends, and what is there when the next one begins.

use crate::support::ask::Ask;
use crate::support::data::{digest, snapshots};
use crate::support::disk::{Call, Gate, Kind, Script, ScriptedDisk, Verdict};
use crate::support::peer::Connection;
use crate::support::process::{self, Process, free_port};
use crate::support::resp;
use crate::support::sanderling::{START_MS, Sanderling, config};
use sanderling::base::clock::Clock;
use sanderling::server::{Ended, Server};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::tempdir;

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

#[test]
fn after_kill_9_without_a_log_the_last_snapshot_is_loaded() {
    let flags = [DEBUG[0], DEBUG[1], "--appendonly", "no"];
    let directory = tempdir().unwrap();
    let server = Process::start(directory.path(), &flags);
    let mut client = server.client();
    client.say("DEBUG POPULATE 1000");
    assert_eq!(client.say("SAVE"), "+OK");
    let saved = digest(&mut client);
    client.say("SET later v");
    server.kill();
    let server = Process::start(directory.path(), &flags);
    assert_eq!(digest(&mut server.client()), saved);
    assert!(server.log().contains("loaded 1000 keys"), "{}", server.log());
}

#[test]
fn a_server_killed_while_it_saves_has_the_old_snapshot_or_the_new_one() {
    let directory = tempdir().unwrap();
    let mut server = Process::start(directory.path(), &DEBUG);
    let mut client = server.client();
    client.say("DEBUG POPULATE 50000 key 100");
    assert_eq!(client.say("SAVE"), "+OK");
    for round in 0..6 {
        let old = digest(&mut client);
        client.say(&format!("SET round {round}"));
        let new = digest(&mut client);
        client.say("BGSAVE");
        // Later in each round, so that different moments of saving are met.
        for _ in 0..round * 40 {
            client.say("PING");
        }
        server.kill();
        server = Process::start(directory.path(), &DEBUG);
        client = server.client();
        let found = digest(&mut client);
        assert!(found == old || found == new, "round {round}: neither state was found");
        let unfinished = fs::read_dir(directory.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "tmp"));
        assert_eq!(unfinished.count(), 0);
    }
}

#[test]
fn sigterm_saves_when_save_points_are_set_and_exits_with_success() {
    let directory = tempdir().unwrap();
    let flags = ["--appendonly", "no"];
    let server = Process::start(directory.path(), &flags);
    let mut client = server.client();
    client.say("SET k v");
    assert!(server.terminate().success());
    client.expect_end();
    let server = Process::start(directory.path(), &["--save", "", "--appendonly", "no"]);
    assert_eq!(server.client().say("GET k"), "\"v\"");
    // Without save points there is nothing to keep.
    server.client().say("SET k w");
    assert!(server.terminate().success());
    let server = Process::start(
        directory.path(),
        &["--shutdown-on-sigterm", "nosave", "--appendonly", "no"],
    );
    assert_eq!(server.client().say("GET k"), "\"v\"");
    server.client().say("SET k x");
    assert!(server.terminate().success());
    assert_eq!(Process::start(directory.path(), &flags).client().say("GET k"), "\"v\"");
}

#[test]
fn a_signal_does_not_stop_a_server_that_cannot_save() {
    let parent = tempdir().unwrap();
    let (directory, gone) = (parent.path().join("data"), parent.path().join("gone"));
    let server = Process::start(&directory, &[]);
    let mut client = server.client();
    client.say("SET k v");
    fs::rename(&directory, &gone).unwrap();
    server.signal_term();
    client.say_until("INFO persistence", |info| info.contains("rdb_last_bgsave_status:err"));
    client.say_until("GET k", |reply| reply == "\"v\"");
    fs::rename(&gone, &directory).unwrap();
    assert!(server.terminate().success());
    assert_eq!(Process::start(&directory, &[]).client().say("GET k"), "\"v\"");
}

#[test]
fn shutdown_saves_or_not_as_it_is_told() {
    for (flags, line, saves) in [
        (&[][..], "SHUTDOWN", true),
        (&["--save", ""], "SHUTDOWN", false),
        (&["--save", ""], "SHUTDOWN SAVE", true),
        (&[], "SHUTDOWN NOSAVE", false),
        (&[], "shutdown nosave now force", false),
    ] {
        let directory = tempdir().unwrap();
        let server = Process::start(directory.path(), flags);
        let mut client = server.client();
        client.say("SET k v");
        client.send(format!("{line}\r\nSET k late\r\n").as_bytes()).unwrap();
        client.expect_end();
        assert!(server.wait().success(), "{line}");
        assert_eq!(snapshots(directory.path()).len(), usize::from(saves), "{line} {flags:?}");
        if saves {
            let server = Process::start(directory.path(), &[]);
            assert_eq!(server.client().say("GET k"), "\"v\"");
        }
    }
}

#[test]
fn shutdown_fails_when_saving_fails_unless_it_is_forced() {
    let parent = tempdir().unwrap();
    let (directory, gone) = (parent.path().join("data"), parent.path().join("gone"));
    let server = Process::start(&directory, &[]);
    let mut client = server.client();
    client.say("SET k v");
    fs::rename(&directory, &gone).unwrap();
    assert_eq!(client.say("SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(client.say("GET k"), "\"v\"");
    assert_eq!(client.say("SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
    client.send(b"SHUTDOWN FORCE\r\n").unwrap();
    client.expect_end();
    assert!(server.wait().success());
}

#[test]
fn a_server_that_stopped_leaves_nothing_behind_in_the_process() {
    let server = Sanderling::start(&[]);
    server.client().say("SET k v");
    let engine = Arc::downgrade(server.engine());
    drop(server);
    assert!(engine.upgrade().is_none(), "somebody still holds the engine, and with it all data");
}

/// A request took the place of one that nobody had looked at yet, whose client then waited for ever.
#[test]
fn everybody_who_asked_for_a_shutdown_that_fails_is_told() {
    let (gate, disk) = Gate::of(Kind::Create, |call| call.path.ends_with("snapshot-000001.tmp"));
    let parent = tempdir().unwrap();
    let (directory, gone) = (parent.path().join("data"), parent.path().join("gone"));
    let flags = ["--save", "3600 1", "--workers", "2"];
    let server = Sanderling::start_on(disk, START_MS, &directory, &flags);
    fs::rename(&directory, &gone).unwrap();
    gate.close();
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    clients[0].send(b"SHUTDOWN\r\n").unwrap();
    gate.wait_for_somebody();
    for client in &mut clients[1..] {
        client.send(b"SHUTDOWN SAVE\r\n").unwrap();
    }
    gate.open();
    for client in &mut clients {
        let reply = client.receive().unwrap().map(|reply| resp::render(&reply));
        assert_eq!(reply.as_deref(), Some("-ERR Errors trying to SHUTDOWN. Check logs."));
    }
    fs::rename(&gone, &directory).unwrap();
}

/// A disk whose code has a bug: it panics when a segment is synced, once it is told to.
struct Buggy(AtomicBool);

impl Script for Buggy {
    fn before(&self, call: &Call<'_>) -> Verdict {
        let is_due = call.kind == Kind::Sync && call.is_of_log() && self.0.load(Ordering::SeqCst);
        assert!(!is_due, "this is the bug");
        Verdict::Go
    }
}

/// The ordered stop waited for the thread that was gone; and the process ended as if it had been asked to.
#[test]
fn a_server_whose_log_writer_panics_stops_and_says_that_it_is_broken() {
    let script = Arc::new(Buggy(AtomicBool::new(false)));
    let directory = tempdir().unwrap();
    let dir = directory.path().to_str().unwrap();
    let port = free_port();
    let flags = ["--port", &port.to_string(), "--data-dir", dir, "--appendfsync", "always"];
    let disk = Arc::new(ScriptedDisk(Arc::clone(&script)));
    let server = Server::start_on(config(&flags), Clock::manual(START_MS), disk).unwrap();
    let waiting = std::thread::spawn(move || server.wait());
    let mut client = process::client(port);
    assert_eq!(client.say("SET k v"), "+OK");
    script.0.store(true, Ordering::SeqCst);
    client.send(b"SET k w\r\n").unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !waiting.is_finished() {
        assert!(Instant::now() < deadline, "the server does not stop");
        std::thread::yield_now();
    }
    assert_eq!(waiting.join().unwrap(), Ended::Broken);
    // It saves as it stops, if it can: what was acknowledged is there.
    let server = Sanderling::start_in(directory.path(), &[]);
    assert_ne!(server.client().say("GET k"), "nil");
}
