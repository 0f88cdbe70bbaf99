//! `kill -9` at every call to the disk: nothing that was acknowledged is lost, nothing is done by halves,
//! and no start is refused.
//!
//! The server runs in a child, this binary again, on a disk that kills its own process before, after or in
//! the middle of the n-th call, for n = 1, 2, 3, … until a run ends before it. Afterwards a server in this
//! process recovers, and is compared with what was acknowledged.
//!
//! `SEEDS=0-100 cargo test crash` runs many; a failure prints its seed and n.

use crate::support::crash::{Promise, Stream, check_all};
use crate::support::data::{files_with, now_ms};
use crate::support::disk::{Call, Kind, Script, ScriptedDisk, Verdict};
use crate::support::generator::seeds;
use crate::support::patience::PATIENCE;
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::process::{connect, free_port};
use crate::support::resp;
use crate::support::sanderling::{Sanderling, config};
use rustix::process::{Signal, getpid, kill_process};
use sanderling::base::clock::Clock;
use sanderling::server::{Server, Surroundings};
use std::env;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::tempdir;

const CONNECTIONS: usize = 3;
const COMMANDS: usize = 24;
const FLAGS: [&str; 8] =
    ["--save", "", "--workers", "2", "--log-segment-size", "64kb", "--enable-debug-command", "yes"];

/// When a process kills itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Before,
    After,
    /// Of a write, when a part is done; else before.
    Middle,
}

const HOWS: [How; 3] = [How::Before, How::After, How::Middle];

/// Kills its process at the n-th call.
struct Killer {
    at: usize,
    how: How,
    calls: AtomicUsize,
    is_due: AtomicBool,
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("a process can kill itself");
    loop {
        std::thread::park();
    }
}

impl Script for Killer {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if self.calls.fetch_add(1, Ordering::SeqCst) + 1 != self.at {
            return Verdict::Go;
        }
        let is_part = self.how == How::Middle && call.kind == Kind::Write && call.bytes.len() > 1;
        if self.how != How::After && !is_part {
            die();
        }
        self.is_due.store(true, Ordering::SeqCst);
        // Somewhere within, and not always at the same place.
        let len = call.bytes.len().max(1);
        if is_part { Verdict::TakeOnly(1 + self.at * 7919 % len) } else { Verdict::Go }
    }

    fn after(&self, _: &Call<'_>) {
        if self.is_due.load(Ordering::SeqCst) {
            die();
        }
    }
}

/// Not a test: the server that is to be killed, with its parameters in the environment.
#[test]
#[ignore = "run by the tests of this file, in a process of its own"]
fn the_process_that_is_killed() {
    let Ok(parameters) = env::var("CRASH_CHILD") else { return };
    let words: Vec<&str> = parameters.split('\n').collect();
    let [directory, port, policy, at, how] = words[..] else { panic!("five parameters") };
    let how = HOWS.into_iter().find(|known| format!("{known:?}") == how).unwrap();
    let killer = Killer {
        at: at.parse().unwrap(),
        how,
        calls: AtomicUsize::new(0),
        is_due: AtomicBool::new(false),
    };
    let flags = ["--port", port, "--data-dir", directory, "--appendfsync", policy];
    let disk = Arc::new(ScriptedDisk(Arc::new(killer)));
    let config = config(&[&FLAGS[..], &flags].concat());
    let surroundings = Surroundings::with_clock(Clock::system());
    Server::start(config, Surroundings { disk, ..surroundings }).unwrap().wait();
}

/// A child that serves, or has killed itself before it could.
struct Victim {
    child: Child,
    port: u16,
}

impl Victim {
    /// `None` if it has killed itself.
    fn start(directory: &Path, policy: &str, at: usize, how: How) -> Option<Victim> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let mut victim = Victim::spawn(directory, policy, at, how);
            loop {
                if let Some(status) = victim.child.try_wait().unwrap() {
                    // With an exit code, somebody else has taken the port in between.
                    status.code()?;
                    break;
                }
                if victim.serves() {
                    return Some(victim);
                }
                assert!(Instant::now() < deadline, "the child neither serves nor dies");
                std::thread::yield_now();
            }
        }
        panic!("the child does not start")
    }

    fn spawn(directory: &Path, policy: &str, at: usize, how: How) -> Victim {
        let port = free_port();
        let directory = directory.to_str().expect("temporary paths are UTF-8");
        let parameters = format!("{directory}\n{port}\n{policy}\n{at}\n{how:?}");
        let child = Command::new(env::current_exe().expect("this binary is somewhere"))
            .args(["--ignored", "--exact", "crash::the_process_that_is_killed", "--nocapture"])
            .env("CRASH_CHILD", parameters)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this binary runs");
        Victim { child, port }
    }

    fn connect(&self) -> Option<SocketConnection<TcpStream>> {
        SocketConnection::open(connect(self.port).ok()?, Protocol::Resp2).ok()
    }

    /// Whether it serves: this child, and nobody else on its port.
    fn serves(&self) -> bool {
        let ask = |words: &[&str]| {
            let mut client = self.connect()?;
            client.send(&resp::encode(words)).ok()?;
            Some(resp::render(&client.receive().ok()??))
        };
        let is_own = |info: String| info.contains(&format!("process_id:{}\\r", self.child.id()));
        ask(&["INFO", "server"]).is_some_and(is_own)
            && ask(&["GET", "k"]).is_some_and(|reply| !reply.starts_with('-'))
    }

    /// Whether it is dead already; it is afterwards.
    fn finish(mut self) -> bool {
        let is_dead = self.child.try_wait().unwrap().is_some();
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
        is_dead
    }
}

/// One run that is killed at the n-th call. Tells whether it came so far.
fn check(policy: &str, seed: u64, at: usize, reference: &Sanderling) -> bool {
    let how = HOWS[(at + seed as usize) % HOWS.len()];
    let place = format!("{policy}, seed {seed}, {how:?} call {at}");
    let directory = tempdir().unwrap();
    let promise = if policy == "always" { Promise::Every } else { Promise::WaitAof };
    let mut streams: Vec<Stream> =
        (0..CONNECTIONS).map(|n| Stream::new(n, seed, COMMANDS, now_ms())).collect();
    let victim = Victim::start(directory.path(), policy, at, how);
    let is_killed = victim.is_none_or(|victim| {
        std::thread::scope(|scope| {
            for stream in &mut streams {
                let Some(mut client) = victim.connect() else { continue };
                scope.spawn(move || stream.run(&mut client, promise));
            }
        });
        victim.finish() || !streams.iter().all(Stream::is_done)
    });
    if at.is_multiple_of(2) {
        // It may die again while it recovers.
        let again = Victim::start(directory.path(), policy, at / 2 % 12 + 1, how);
        again.map(Victim::finish);
    }
    // Deadlines that have passed for the child have passed for everybody.
    let behind_ms = now_ms() - reference.engine().clock.unix_millis();
    reference.engine().clock.advance(Duration::from_millis(behind_ms as u64));
    let acknowledged: Vec<usize> = streams.iter().map(Stream::acknowledged).collect();
    for _ in 0..2 {
        let flags = [&FLAGS[..], &["--appendfsync", policy]].concat();
        let found = Sanderling::start_at(now_ms(), directory.path(), &flags);
        check_all(&streams, &acknowledged, &found, reference, &place);
    }
    assert_eq!(files_with(directory.path(), "damaged").len(), 0, "{place}");
    is_killed
}

fn check_everywhere(policy: &str) {
    let own = tempdir().unwrap();
    let flags = ["--appendonly", "no", "--save", ""];
    let reference = Sanderling::start_at(now_ms(), own.path(), &flags);
    for seed in seeds(4) {
        let mut at = 1;
        while check(policy, seed, at, &reference) {
            at += 1;
        }
        assert!(at > 10, "{policy}, seed {seed}: the run ended after {at} calls");
    }
}

#[test]
fn killed_at_any_call_under_always_everything_acknowledged_is_there() {
    check_everywhere("always");
}

#[test]
fn killed_at_any_call_under_everysec_what_is_there_is_a_beginning_of_what_was_sent() {
    check_everywhere("everysec");
}
