//! Writes at a memory limit: does it hold, and what do writers pay for it?
//!
//! Values of all sizes up to 16 KiB go to random keys, of which far more exist than fit: nearly every write makes
//! another key go. The same load at the same rate is measured without a limit first. What the server says it uses, and
//! what is resident, are sampled meanwhile, as shares of the limit.

use std::time::{Duration, Instant};

use crate::Result;
use crate::load::{Load, LoadSpec, Pace, Phase};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Mix, Ranges};

const CLIENTS: usize = 50;
const VALUE_BYTES_MAX: usize = 16 * 1024;
const SETS: Mix = Mix { name: "SET of all sizes", requests: &["SET key:{} {u}"] };
const SAMPLE: Duration = Duration::from_millis(20);
/// How long filling up to the limit may take.
const FILLING: Duration = Duration::from_secs(120);

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let mib = options.limit >> 20;
    let title = format!(
        "{} with {CLIENTS} clients at {} requests per second: without a limit, and with one of {mib} MiB (allkeys-lru)",
        SETS.name, options.rate
    );
    let mut table = Table::new(title, "", programs);
    for round in 0..options.rounds {
        for index in Options::order(round, programs.len()) {
            progress(round, &format!("limit of {}", programs[index].name));
            let server = programs[index].start()?;
            measure(&server, options, |label, unit, figures| {
                table.record(label, unit, index, figures);
            })?;
        }
    }
    table.print();
    Ok(())
}

/// The largest shares of the limit that were seen.
#[derive(Default)]
struct Peaks {
    used: f64,
    resident: f64,
}

fn measure(
    server: &Server,
    options: &Options,
    mut record: impl FnMut(&str, Unit, &[f64]),
) -> Result<()> {
    let paced = Pace::per_second(options.rate);
    let free = loaded(server, options, paced, &mut Peaks::default())?;
    let mut control = server.control()?;
    let mut config = |name: &str, value: &str| {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(&mut control)
    };
    config("maxmemory-policy", "allkeys-lru")?;
    config("maxmemory", &options.limit.to_string())?;
    fill(server, options)?;
    let mut peaks = Peaks::default();
    let limited = loaded(server, options, paced, &mut peaks)?;
    let closed = loaded(server, options, Pace::Closed { pipeline: 1 }, &mut peaks)?;
    let quantiles = |phase: &Phase| [0.5, 0.99, 0.999].map(|quantile| phase.latency_ms(quantile));
    record("p50 / p99 / p99.9 without a limit", Unit::Millis, &quantiles(&free));
    record("p50 / p99 / p99.9 at the limit", Unit::Millis, &quantiles(&limited));
    let slowdown = limited.latency_ms(0.999) / free.latency_ms(0.999);
    record("p99.9 at the limit, of that without", Unit::Factor, &[slowdown]);
    record(
        "operations per second at the limit, as fast as it goes",
        Unit::Count,
        &[closed.per_second()],
    );
    record("most memory used, of the limit", Unit::Factor, &[peaks.used]);
    record("most memory resident, of the limit", Unit::Factor, &[peaks.resident]);
    Ok(())
}

/// Writes until keys are evicted.
fn fill(server: &Server, options: &Options) -> Result<()> {
    let began = Instant::now();
    while server.info_figure("evicted_keys")? == 0.0 {
        if began.elapsed() > FILLING {
            return Err("memory does not fill up".into());
        }
        loaded(server, options, Pace::Closed { pipeline: 1 }, &mut Peaks::default())?;
    }
    Ok(())
}

/// Lets the load run for a while and samples memory.
fn loaded(server: &Server, options: &Options, pace: Pace, peaks: &mut Peaks) -> Result<Phase> {
    let spec = LoadSpec {
        mix: SETS,
        // So many that memory would never do.
        ranges: Ranges::keys(options.limit / 100),
        value_bytes: VALUE_BYTES_MAX,
        clients: CLIENTS,
        threads: options.threads,
        pace,
    };
    let mut load = Load::start(server.address(), &spec, 3)?;
    std::thread::sleep(options.duration / 4);
    load.next_phase();
    let began = Instant::now();
    while began.elapsed() < options.duration {
        let limit = options.limit as f64;
        peaks.used = peaks.used.max(server.info_figure("used_memory")? / limit);
        peaks.resident = peaks.resident.max(server.resident_bytes()? as f64 / limit);
        std::thread::sleep(SAMPLE);
    }
    load.next_phase();
    Ok(load.finish()?.into_iter().nth(1).expect("the second phase was measured"))
}
