//! Loss of power at any moment: a start needs no help, and finds everything that was said to be durable.
//!
//! A server runs on a disk that writes down every call; then, for moments of that run, directories are
//! made as the power could have left them (`support/power.rs`), and servers started in them. In some, the
//! process is killed first and another one goes on before the power fails.
//!
//! `SEEDS=0-100 cargo test power` runs many; a failure prints its seed and moment.

use crate::support::crash::{Promise, Stream, check_all};
use crate::support::data::files_with;
use crate::support::disk::ScriptedDisk;
use crate::support::generator::seeds;
use crate::support::power::{Event, Recorder, State};
use crate::support::sanderling::{START_MS, Sanderling};
use sanderling::base::random::Random;
use std::path::Path;
use std::sync::Arc;
use tempfile::tempdir;

const CONNECTIONS: usize = 2;
const COMMANDS: usize = 20;
const FLAGS: [&str; 8] =
    ["--save", "", "--workers", "2", "--log-segment-size", "64kb", "--enable-debug-command", "yes"];

/// One server's life: what was sent to it, and every call to its disk with what was acknowledged before.
struct Life {
    streams: Vec<Stream>,
    events: Vec<(Event, Vec<usize>)>,
}

impl Life {
    fn live(directory: &Path, policy: &str, seed: u64, first: usize) -> Life {
        let recorder = Arc::new(Recorder::default());
        let mut streams: Vec<Stream> = (first..first + CONNECTIONS)
            .map(|n| Stream::new(n, seed, COMMANDS, START_MS))
            .collect();
        recorder.watch(streams.iter().map(Stream::progress).collect());
        let promise = if policy == "always" { Promise::Every } else { Promise::WaitAof };
        let flags = [&FLAGS[..], &["--appendfsync", policy]].concat();
        let disk = Arc::new(ScriptedDisk(Arc::clone(&recorder)));
        let server = Sanderling::start_on(disk, START_MS, directory, &flags);
        std::thread::scope(|scope| {
            for stream in &mut streams {
                let mut client = server.client();
                scope.spawn(move || stream.run(&mut client, promise));
            }
        });
        drop(server);
        assert!(streams.iter().all(Stream::is_done));
        Life { streams, events: recorder.events() }
    }

    /// What was acknowledged before the `moment`-th call.
    fn acknowledged(&self, moment: usize) -> Vec<usize> {
        match self.events.get(moment) {
            Some((_, acknowledged)) => acknowledged.clone(),
            None => self.streams.iter().map(Stream::acknowledged).collect(),
        }
    }
}

/// Starts in what the power has left, twice.
fn check_left(state: &State, random: &mut Random, check: impl Fn(&Sanderling)) {
    let left = state.lose_power(random);
    for _ in 0..2 {
        check(&Sanderling::start_in(left.path(), &FLAGS));
    }
    assert_eq!(files_with(left.path(), "damaged").len(), 0);
}

fn check(policy: &str, seed: u64, reference: &Sanderling) {
    let directory = tempdir().unwrap();
    let life = Life::live(directory.path(), policy, seed, 0);
    let mut random = Random::seeded(seed);
    let mut state = State::default();
    for moment in 0..=life.events.len() {
        let place = format!("{policy}, seed {seed}, moment {moment} of {}", life.events.len());
        let acknowledged = life.acknowledged(moment);
        check_left(&state, &mut random, |found| {
            check_all(&life.streams, &acknowledged, found, reference, &place);
        });
        if moment % 16 == 5 {
            check_another_life(&state, &life.streams, policy, seed + 1000, reference, &place);
        }
        if let Some((event, _)) = life.events.get(moment) {
            state.apply(event);
        }
    }
}

/// The process is killed, another one goes on where it was, and then the power fails.
fn check_another_life(
    state: &State,
    earlier: &[Stream],
    policy: &str,
    seed: u64,
    reference: &Sanderling,
    place: &str,
) {
    let directory = state.lose_process();
    let recovered = {
        let server = Sanderling::start_in(directory.path(), &["--appendonly", "no"]);
        let mut client = server.client();
        earlier.iter().map(|stream| stream.state(&mut client)).collect::<Vec<_>>()
    };
    let life = Life::live(directory.path(), policy, seed, CONNECTIONS);
    let (mut state, mut random) = (state.clone(), Random::seeded(seed));
    for moment in 0..=life.events.len() {
        let acknowledged = life.acknowledged(moment);
        let is_promised = acknowledged.iter().any(|count| *count > 0);
        if moment % 7 == 0 || moment == life.events.len() {
            let place = format!("{place}, then moment {moment} of {}", life.events.len());
            check_left(&state, &mut random, |found| {
                check_all(&life.streams, &acknowledged, found, reference, &place);
                let mut client = found.client();
                for (stream, state) in earlier.iter().zip(&recovered) {
                    // What is promised later stands on what was there before.
                    assert!(!is_promised || stream.state(&mut client) == *state, "{place}");
                }
            });
        }
        if let Some((event, _)) = life.events.get(moment) {
            state.apply(event);
        }
    }
}

fn check_seeds(policy: &str) {
    let reference = Sanderling::start(&["--appendonly", "no", "--save", ""]);
    for seed in seeds(1) {
        check(policy, seed, &reference);
    }
}

#[test]
fn after_a_loss_of_power_everything_acknowledged_under_always_is_there() {
    check_seeds("always");
}

#[test]
fn after_a_loss_of_power_everything_that_waitaof_promised_is_there() {
    check_seeds("everysec");
}
