//! A million keys expire within one second: who notices, and when is their memory back?
//!
//! `GET`s of other keys come at a fixed rate, whether or not earlier ones were answered, and their latency
//! counts from the moment at which they were due: a server that stalls cannot hide it by getting fewer
//! requests.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Result;
use crate::load::{Load, LoadSpec, Pace, Phase};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Mix, Ranges, load, load_keys};

const CLIENTS: usize = 50;
/// The deadlines are spread evenly over this many milliseconds.
const SPREAD_MS: u64 = 1000;
/// Storing keys that expire may take this many times as long as storing those that stay, and then some.
const LOAD_SLACK: u32 = 3;
const LOAD_RESERVE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(120);
/// The undisturbed phase, in measurements.
const BEFORE: u32 = 2;

struct Figures {
    before: Phase,
    during: Phase,
    /// From the last deadline until all expired keys were removed.
    removal: Duration,
}

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let keys = options.keys;
    let title = format!("{keys} keys expire within a second, {} GET/s meanwhile", options.rate);
    let mut table = Table::new(title, "", programs);
    for round in 0..options.rounds {
        progress(round, "expiry");
        for index in Options::order(round, programs.len()) {
            let figures = measure(&programs[index], options)?;
            let mut record = |label: &str, unit, value| table.record(label, unit, index, &[value]);
            record("p50 before", Unit::Millis, figures.before.latency_ms(0.5));
            record("p50 while they go", Unit::Millis, figures.during.latency_ms(0.5));
            record("p99 before", Unit::Millis, figures.before.latency_ms(0.99));
            record("p99 while they go", Unit::Millis, figures.during.latency_ms(0.99));
            record("longest wait before", Unit::Millis, figures.before.latency_ms(1.0));
            record("longest wait while they go", Unit::Millis, figures.during.latency_ms(1.0));
            let removal = figures.removal.as_secs_f64();
            record("removed after the last deadline", Unit::Seconds, removal);
        }
    }
    table.print();
    Ok(())
}

fn measure(program: &Program, options: &Options) -> Result<Figures> {
    let server = program.start()?;
    let began = Instant::now();
    load_keys(&server, options.keys, options.value_bytes)?;
    let load_time = began.elapsed() * LOAD_SLACK + LOAD_RESERVE;
    let warm_up = options.duration;
    let quiet = warm_up + options.duration * BEFORE;
    let first_deadline = unix_time() + load_time + quiet;
    load_expiring(&server, options.keys, first_deadline)?;
    let spec = LoadSpec {
        mix: Mix::GET,
        ranges: Ranges::keys(options.keys),
        value_bytes: options.value_bytes,
        clients: CLIENTS,
        threads: options.threads,
        pace: Pace::per_second(options.rate),
    };
    if unix_time() + quiet > first_deadline {
        return Err("loading took so long that keys have begun to expire".into());
    }
    let mut load = Load::start(server.address(), &spec, 4)?;
    std::thread::sleep(warm_up);
    load.next_phase();
    std::thread::sleep(first_deadline.saturating_sub(unix_time()));
    load.next_phase();
    let removed = wait_for_removal(&server, options.keys)?;
    let last_deadline = first_deadline + Duration::from_millis(SPREAD_MS);
    load.next_phase();
    let mut phases = load.finish()?.into_iter().skip(1);
    let mut phase = || phases.next().expect("all phases were entered");
    let (before, during) = (phase(), phase());
    Ok(Figures { before, during, removal: removed.saturating_sub(last_deadline) })
}

fn load_expiring(server: &Server, keys: usize, first_deadline: Duration) -> Result<()> {
    let first_ms = first_deadline.as_millis() as u64;
    load(server, keys, |pipeline, number| {
        let deadline = first_ms + number as u64 % SPREAD_MS;
        let key = format!("session:{number}");
        pipeline.cmd("SET").arg(key).arg("expires").arg("PXAT").arg(deadline).ignore();
    })
}

/// Returns the time at which the server had only those keys left that do not expire.
fn wait_for_removal(server: &Server, keys: usize) -> Result<Duration> {
    let mut control = server.control()?;
    let began = Instant::now();
    loop {
        let left: usize = redis::cmd("DBSIZE").query(&mut control)?;
        if left <= keys {
            return Ok(unix_time());
        }
        if began.elapsed() > REMOVAL_TIMEOUT {
            return Err(format!("{} expired keys are never removed", left - keys).into());
        }
        std::thread::sleep(POLL);
    }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}
