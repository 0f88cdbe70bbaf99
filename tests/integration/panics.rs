//! What a panic leads to. Panics are bugs, so this server has commands with bugs of their own, and a disk with one.

use crate::support::ask::Ask;
use crate::support::data::{digest, snapshots};
use crate::support::disk::{Call, Kind, Script, ScriptedDisk, Verdict};
use crate::support::patience::eventually;
use crate::support::peer::Connection;
use crate::support::process::{self, free_port};
use crate::support::resp;
use crate::support::sanderling::{START_MS, Sanderling, config};
use sanderling::base::clock::Clock;
use sanderling::exec::keyspec::{RO, RW, key};
use sanderling::exec::spec::{BLOCKING, READ, WRITE};
use sanderling::exec::{Args, Context, KeyWait, Outcome, Spec, Wanted, cmd};
use sanderling::server::{Ended, Server, Surroundings};
use sanderling::store::{Deadline, event, string_ref};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::tempdir;

const FLAGS: [&str; 6] = ["--save", "", "--workers", "2", "--enable-debug-command", "yes"];

static BUGS: &[Spec] = &[
    cmd("BUG", 2, &[key(RW)], WRITE, bug),
    cmd("BUG.READING", 2, &[key(RO)], READ, bug_in_reading),
    cmd("BUG.LONG", 2, &[key(RW)], WRITE, bug).work(|_, _| usize::MAX),
    cmd("BUG.WAITING", 2, &[key(RW)], WRITE | BLOCKING, bug_when_served),
];

/// Panics in the middle of a change.
fn bug<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    ctx.keys.put_string(&key, string_ref(b"half of it"), Deadline::Clear, event::SET);
    panic!("this is the bug");
}

fn bug_in_reading<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    panic!("this is the bug, whether {}", ctx.keys.exists(&key));
}

/// Waits for a list, and panics when there is one.
fn bug_when_served<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    assert!(!ctx.is_served(), "this is the bug");
    let keys = &[key][..];
    ctx.wait_for_keys(KeyWait { keys, wanted: Wanted::List, deadline_ms: None, args: None });
    Ok(())
}

fn start(directory: &Path) -> Sanderling {
    let start = |config| {
        let surroundings = Surroundings::with_clock(Clock::manual(START_MS));
        Server::start(config, Surroundings { more_commands: BUGS, ..surroundings })
    };
    Sanderling::start_by(directory, &FLAGS, start).expect("the server starts")
}

const TOLD: &str = "-ERR internal error, see the server's log";
const DAMAGED: &str = "-ERR an internal error damaged the part of the data set";

/// Says something that panics: the client is told, and disconnected.
fn run_into(server: &Sanderling, line: &str) {
    let mut client = server.client();
    assert_eq!(client.say(line), TOLD, "{line}");
    client.expect_end();
}

#[test]
fn whose_command_panics_is_told_and_disconnected_and_what_it_was_changing_is_not_served() {
    let directory = tempdir().unwrap();
    let server = start(directory.path());
    let mut other = server.client();
    other.say("MSET {a}1 v {a}2 v {b}1 v");
    run_into(&server, "BUG {a}1");
    for line in ["GET {a}1", "GET {a}2", "SET {a}new x", "MGET {b}1 {a}2", "DEL {a}1"] {
        let reply = other.say(line);
        assert!(reply.starts_with(DAMAGED), "{line}: {reply}");
    }
    assert_eq!(other.say("GET {b}1"), "\"v\"");
    assert_eq!(other.say("SET {b}2 w"), "+OK");
    // Who only reads damages nothing.
    run_into(&server, "BUG.READING {b}1");
    assert_eq!(other.say("GET {b}1"), "\"v\"");
    other.await_clients(1);
}

#[test]
fn deleting_everything_heals_and_so_does_a_restart() {
    let directory = tempdir().unwrap();
    let server = start(directory.path());
    let mut client = server.client();
    client.say("SET {a}1 before");
    run_into(&server, "BUG {a}1");
    drop(server);
    // Nothing of it is in the log.
    let server = start(directory.path());
    let mut client = server.client();
    assert_eq!(client.say("GET {a}1"), "\"before\"");
    run_into(&server, "BUG {a}1");
    assert_eq!(client.say("FLUSHALL"), "+OK");
    assert_eq!(client.say("GET {a}1"), "nil");
    assert_eq!(client.say("SET {a}1 after"), "+OK");
    assert_eq!(client.say("SAVE"), "+OK");
    drop(server);
    let server = start(directory.path());
    assert_eq!(server.client().say("GET {a}1"), "\"after\"");
}

#[test]
fn while_something_is_damaged_no_snapshot_takes_the_place_of_the_last_good_one() {
    let directory = tempdir().unwrap();
    let server = start(directory.path());
    let mut client = server.client();
    client.say("MSET {a}1 v {b}1 v");
    assert_eq!(client.say("SAVE"), "+OK");
    let state = digest(&mut client);
    let good = snapshots(directory.path()).pop().expect("there is one");
    let bytes = fs::read(&good).unwrap();
    run_into(&server, "BUG {a}1");
    for line in ["SAVE", "SAVE"] {
        let reply = client.say(line);
        assert!(reply.starts_with("-ERR"), "{line}: {reply}");
    }
    client.say("BGSAVE");
    client.say_until("INFO persistence", |info| info.contains("rdb_last_bgsave_status:err"));
    assert_eq!(snapshots(directory.path()), [good.clone()]);
    assert_eq!(fs::read(&good).unwrap(), bytes);
    drop(server);
    assert_eq!(digest(&mut start(directory.path()).client()), state);
}

#[test]
fn a_panic_in_the_slow_lane_ends_the_client_and_not_the_lane() {
    let directory = tempdir().unwrap();
    let server = start(directory.path());
    let mut client = server.client();
    client.say("SET k before");
    let before = server.engine().slow_lane.taken();
    let mut slow = server.client();
    slow.send(&resp::encode(&["BUG.LONG", "k"])).unwrap();
    // Whether it is told before it is disconnected is chance.
    if let Some(reply) = slow.receive().unwrap() {
        assert_eq!(resp::render(&reply), TOLD);
        slow.expect_end();
    }
    assert_eq!(server.engine().slow_lane.taken(), before + 1);
    // It worked on copies.
    assert_eq!(client.say("GET k"), "\"before\"");
    client.say("RPUSH list b a");
    server.engine().slow_lane.set_work_max(0);
    assert_eq!(client.say("SORT list ALPHA"), "[ \"a\", \"b\" ]");
    assert!(server.engine().slow_lane.taken() > before + 1, "the lane goes on");
}

#[test]
fn a_panic_while_somebody_is_served_ends_who_waited_and_not_who_brought_something() {
    let directory = tempdir().unwrap();
    let server = start(directory.path());
    let (mut client, mut waiting) = (server.client(), server.client());
    waiting.send(&resp::encode(&["BUG.WAITING", "{a}list"])).unwrap();
    eventually("it waits", || server.engine().waiters.len() == 1);
    assert_eq!(client.say("RPUSH {a}list x"), ":1");
    waiting.expect_end();
    assert_eq!(server.engine().waiters.len(), 0);
    assert_eq!(client.say("SET {b} v"), "+OK");
    let reply = client.say("LLEN {a}list");
    assert!(reply.starts_with(DAMAGED), "{reply}");
}

#[test]
fn in_a_transaction_everything_that_was_locked_for_writing_is_damaged() {
    let directory = tempdir().unwrap();
    let server = start(directory.path());
    let (mut client, mut other) = (server.client(), server.client());
    client.say("MULTI");
    for line in ["SET {a} 1", "GET {b}", "BUG {c}", "SET {d} 1"] {
        assert_eq!(client.say(line), "+QUEUED");
    }
    assert_eq!(client.say("EXEC"), TOLD);
    client.expect_end();
    for (key, is_damaged) in [("{a}", true), ("{b}", false), ("{c}", true), ("{d}", true)] {
        let reply = other.say(&format!("GET {key}"));
        assert_eq!(reply.starts_with(DAMAGED), is_damaged, "{key}: {reply}");
    }
    drop(server);
    assert_eq!(start(directory.path()).client().say("DBSIZE"), ":0", "nothing of it was logged");
}

/// A disk whose code has a bug: it panics at a call of this kind, once it is told to.
struct Buggy {
    is_due: AtomicBool,
    is_it: fn(&Call<'_>) -> bool,
}

impl Script for Buggy {
    fn before(&self, call: &Call<'_>) -> Verdict {
        assert!(!(self.is_due.load(Ordering::SeqCst) && (self.is_it)(call)), "this is the bug");
        Verdict::Go
    }
}

/// The ordered stop once waited for the thread that was gone, and the process ended as if it had been asked to.
#[test]
fn a_server_one_of_whose_threads_panics_stops_in_order_and_says_that_it_is_broken() {
    let is_of_log: fn(&Call<'_>) -> bool = |call| call.kind == Kind::Sync && call.is_of_log();
    let is_of_snapshot: fn(&Call<'_>) -> bool =
        |call| call.kind == Kind::Write && call.path.ends_with("snapshot-000001.tmp");
    for (what, is_it, line) in
        [("the log writer", is_of_log, "SET k w"), ("the snapshotter", is_of_snapshot, "BGSAVE")]
    {
        let script = Arc::new(Buggy { is_due: AtomicBool::new(false), is_it });
        let directory = tempdir().unwrap();
        let dir = directory.path().to_str().unwrap();
        let port = free_port();
        let flags = ["--port", &port.to_string(), "--data-dir", dir, "--appendfsync", "always"];
        let disk = Arc::new(ScriptedDisk(Arc::clone(&script)));
        let surroundings = Surroundings::with_clock(Clock::manual(START_MS));
        let server = Server::start(config(&flags), Surroundings { disk, ..surroundings }).unwrap();
        let waiting = std::thread::spawn(move || server.wait());
        let mut client = process::client(port);
        assert_eq!(client.say("SET k v"), "+OK");
        script.is_due.store(true, Ordering::SeqCst);
        client.send(format!("{line}\r\n").as_bytes()).unwrap();
        eventually("the server stops", || waiting.is_finished());
        assert_eq!(waiting.join().unwrap(), Ended::Broken, "{what}");
        // What was acknowledged is there.
        let server = Sanderling::start_in(directory.path(), &[]);
        assert_ne!(server.client().say("GET k"), "nil", "{what}");
    }
}
