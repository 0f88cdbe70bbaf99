//! Everything at once, against the real process: clients of all kinds, deadlines, eviction, snapshots, compaction of the
//! log, subscribers, clients that wait, connections that come and go, and `kill -9` now and then. No reply differs from
//! what a model says, nothing acknowledged under `always` is lost, and in the end memory, threads, descriptors and files
//! are back where they were.
//!
//! The run consists of epochs, each of which ends with the process: killed, stopped, or, the last one, in order.
//! [`epoch`] is what all who work on the server see of one. They are [`epoch::Member`]s, each in a thread of its own:
//!
//! - [`private_keys`]: random commands on keys of its own, each reply compared with a [`model`];
//! - [`queues`]: what is put into queues comes out once, whoever waits for it;
//! - [`shared`]: counters, and transfers between accounts;
//! - [`pubsub`]: messages and events arrive, all and in order;
//! - [`volatile`]: keys that may go at any time, but never come back or change;
//! - [`chaos`]: snapshots, parameters, whole databases; and strangers who behave badly.
//!
//! `SOAK_SECONDS=1800 SEED=7 cargo test --release --test integration soak -- --nocapture` is the long form. The seed decides
//! what everybody sends; what the threads make of it in which order is chance.

mod chaos;
mod choices;
mod epoch;
mod footprint;
mod model;
mod private_keys;
mod pubsub;
mod queues;
mod shared;
mod volatile;

use crate::support::ask::Ask;
use crate::support::patience::PATIENCE;
use crate::support::process::{Process, run};
pub use crate::support::resp::Reply;
use epoch::{Epoch, Member, Tally};
use footprint::Footprint;
use sanderling::base::random::Random;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Databases of clients with keys of their own; others have theirs further up.
const DATABASES: usize = 2;

/// Without `SOAK_SECONDS`: so short that it can run every time.
const SECONDS: u64 = 6;
/// Of the server's log, when something is wrong.
const LOG_LINES: usize = 60;
const EPOCHS_MIN: u64 = 4;
const EPOCH_MAX: Duration = Duration::from_secs(60);

const FLAGS: [&str; 10] = [
    "--save",
    "",
    "--appendfsync",
    "always",
    "--workers",
    "3",
    "--maxmemory-policy",
    "volatile-lru",
    "--auto-aof-rewrite-min-size",
    "4mb",
];

/// What must have happened, or nothing was shown.
const INGREDIENTS: [&str; 12] = [
    "kills",
    "stops",
    "snapshots",
    "expired",
    "evicted",
    "waits served",
    "events",
    "messages",
    "transactions",
    "transfers",
    "strangers",
    "keys deleted by pattern",
];

/// How long, and from which seed.
struct Plan {
    seed: u64,
    epochs: u64,
    /// Of an epoch, on average.
    length: Duration,
    /// Clients with keys of their own.
    owners: usize,
}

impl Plan {
    fn from_environment() -> Plan {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number")))
        };
        let seconds = number("SOAK_SECONDS").unwrap_or(SECONDS);
        let epochs = (seconds / EPOCH_MAX.as_secs()).max(EPOCHS_MIN);
        let length = Duration::from_secs(seconds) / epochs as u32;
        Plan { seed: number("SEED").unwrap_or(1), epochs, length, owners: 3 }
    }
}

/// How an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Kill,
    Stop,
    /// The load ends, and the process goes on.
    Last,
}

fn members(plan: &Plan) -> Vec<Box<dyn Member>> {
    let mut members: Vec<Box<dyn Member>> = Vec::new();
    for number in 0..plan.owners {
        members.push(Box::new(private_keys::Owner::new(number, plan.seed)));
    }
    members.extend(queues::members());
    members.extend(shared::members());
    members.push(Box::new(pubsub::PubSub::default()));
    members.push(Box::new(volatile::Volatile::default()));
    members.push(Box::new(chaos::Chaos));
    members.push(Box::new(chaos::Strangers));
    members
}

/// Tells what the server had to say, should something be wrong.
struct Witness<'a>(&'a Process);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        let log = self.0.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        if thread::panicking() {
            eprintln!("the server's log:\n{last}");
            return;
        }
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "the server's log:\n{last}");
    }
}

/// Ends the epoch for all when one has found a defect.
struct Alarm<'a, 'b>(&'a Epoch<'b>);

impl Drop for Alarm<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail();
        }
    }
}

#[test]
fn everything_at_once_with_kills_loses_nothing_and_leaves_nothing_behind() {
    let plan = Plan::from_environment();
    let tally = Tally::default();
    let data = TempDir::with_prefix("sanderling-soak-").expect("a directory can be made");
    let mut members = members(&plan);
    let mut random = Random::seeded(plan.seed);
    let mut process = Process::start(data.path(), &FLAGS);
    let before = Footprint::at_rest(&process, data.path());
    let began = Instant::now();
    for number in 0..plan.epochs {
        let end = match number {
            _ if number + 1 == plan.epochs => End::Last,
            _ if number % 4 == 2 => End::Stop,
            _ => End::Kill,
        };
        let is_tight = number % 2 == 1 && end != End::Last;
        let epoch = Epoch::new(process.port, plan.seed, number, is_tight, &tally);
        play(&process, &epoch, &mut members, end, plan.length.mul_f64(0.5 + random.unit_f64()));
        eprintln!("{:.1?}: {} ends, {end:?}; {}", began.elapsed(), epoch.place(), tally.shown());
        if end != End::Last {
            let status = process.wait();
            assert!(end == End::Kill || status.success(), "{}: {status}", epoch.place());
            process = Process::start_again(data.path(), epoch.port, &FLAGS);
        }
    }
    leave(process, &before, data.path());
    let missing: Vec<_> = INGREDIENTS.into_iter().filter(|what| tally.of(what) == 0).collect();
    assert!(missing.is_empty(), "SEED={}: nothing of this occurred: {missing:?}", plan.seed);
}

/// One epoch.
fn play(
    process: &Process,
    epoch: &Epoch<'_>,
    members: &mut [Box<dyn Member>],
    end: End,
    time: Duration,
) {
    let _witness = Witness(process);
    for member in members.iter_mut() {
        member.recover(epoch).expect("nobody ends the server now");
    }
    thread::scope(|scope| {
        for member in members.iter_mut() {
            scope.spawn(move || {
                let _alarm = Alarm(epoch);
                // When the server is gone, there is nothing more to do.
                let _gone = member.work(epoch);
            });
        }
        epoch.rest(time);
        wait_for_ingredients(epoch);
        match end {
            _ if epoch.is_failed() => process.signal_kill(),
            End::Kill => {
                epoch.tally.add("kills", 1);
                epoch.doom();
                process.signal_kill();
            }
            End::Stop => {
                epoch.tally.add("stops", 1);
                epoch.doom();
                process.signal_term();
            }
            End::Last => {}
        }
        epoch.end();
    });
    if end == End::Last {
        for member in members.iter_mut() {
            member.conclude(epoch).expect("nobody ends the server now");
        }
    }
}

/// Who must not be missing in a short run does first what must not be missing. A machine that has other things to do gets
/// more time for it.
fn wait_for_ingredients(epoch: &Epoch<'_>) {
    let deadline = Instant::now() + PATIENCE;
    let is_there = |what: &&str| match *what {
        "kills" | "stops" => true,
        "evicted" => !epoch.is_tight || epoch.tally.of(what) > 0,
        what => epoch.tally.of(what) > 0,
    };
    while !INGREDIENTS.iter().all(is_there) && !epoch.is_failed() && Instant::now() < deadline {
        epoch.rest(Duration::from_millis(20));
    }
}

/// When everything is deleted, the server takes what it took in the beginning, and so it does on disk.
fn leave(process: Process, before: &Footprint, data: &Path) {
    {
        let _witness = Witness(&process);
        assert_eq!(process.client().say("FLUSHALL"), "+OK");
        assert_eq!(process.client().say("CONFIG SET snapshot-keep 2"), "+OK");
        let after = before.wait_for(&process, data, PATIENCE);
        eprintln!("before: {before:?}\nafter:  {after:?}");
    }
    assert!(process.terminate().success(), "the server ends in order");
    let directory = data.to_str().expect("temporary paths are UTF-8");
    let checked = run(&["check", directory]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let again = Process::start(data, &FLAGS);
    assert!(!again.client().say("INFO keyspace").contains("db"), "nothing is left");
}
