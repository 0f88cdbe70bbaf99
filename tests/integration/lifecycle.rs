//! How a server ends, and what is there when the next one begins.

use crate::support::ask::Ask;
use crate::support::data::{copy, digest, files_with, snapshots};
use crate::support::disk::{Call, Gate, Kind};
use crate::support::peer::Connection;
use crate::support::process::Process;
use crate::support::resp;
use crate::support::sanderling::{START_MS, Sanderling};
use std::fs;
use std::sync::Arc;
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

/// Without a log, so that only a snapshot can tell what there was. At each step of saving the server is held up, and
/// what a kill would leave then is started.
#[test]
fn a_server_killed_while_it_saves_has_the_old_snapshot_or_the_new_one() {
    const FLAGS: [&str; 6] = ["--appendonly", "no", "--save", "", DEBUG[0], DEBUG[1]];
    fn is_of_snapshot(call: &Call<'_>) -> bool {
        call.path.ends_with("snapshot-000002.tmp")
    }
    fn is_of_manifest(call: &Call<'_>) -> bool {
        call.path.ends_with("manifest.tmp")
    }
    let steps: [(Kind, fn(&Call<'_>) -> bool, bool); 6] = [
        (Kind::Create, is_of_snapshot, false),
        (Kind::Write, is_of_snapshot, false),
        (Kind::Sync, is_of_snapshot, false),
        (Kind::Rename, is_of_snapshot, false),
        // What the manifest does not name does not count.
        (Kind::Rename, is_of_manifest, false),
        (Kind::Remove, |call| call.path.ends_with("snapshot-000001.txt"), true),
    ];
    for (kind, is_held, is_new) in steps {
        let directory = tempdir().unwrap();
        let (gate, disk) = Gate::of(kind, is_held);
        let flags = [&FLAGS[..], &["--snapshot-keep", "1"]].concat();
        let server = Sanderling::start_on(disk, START_MS, directory.path(), &flags);
        let mut client = server.client();
        client.say("DEBUG POPULATE 1000 key 100");
        assert_eq!(client.say("SAVE"), "+OK");
        let old = digest(&mut client);
        client.say("SET later v");
        let new = digest(&mut client);
        gate.close();
        assert!(client.say("BGSAVE").starts_with('+'));
        gate.wait_for_somebody();
        let left = copy(directory.path());
        gate.open();
        let again = Sanderling::start_in(left.path(), &flags);
        let found = digest(&mut again.client());
        assert_eq!(found, if is_new { new } else { old }, "{kind:?}");
        assert!(files_with(left.path(), "tmp").is_empty(), "{kind:?}");
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
