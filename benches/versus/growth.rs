//! What a table's growth costs those who write meanwhile: the longest waits of a `SET` while keys become ten times as
//! many as other parts have.
//!
//! One client loads new keys in short pipelines, as fast as it is answered. Others overwrite a few keys at a fixed rate,
//! whether or not earlier requests were answered, and their latency counts from the moment at which they were due.

use crate::Result;
use crate::load::{Load, LoadSpec, Pace, Phase};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Fast, Mix, Ranges, Values};

/// Keys that are loaded, for each key of other parts.
const FACTOR: usize = 10;
/// New keys are sent so many at a time. What is in front of a `SET` in a queue is no pause of the server.
const BATCH: usize = 50;
const VALUE_BYTES: usize = 8;
const CLIENTS: usize = 10;
const PACED_KEYS: usize = 1000;
const PACED: Mix = Mix { name: "SET", requests: &["SET paced:{} {v}"] };

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let keys = options.keys * FACTOR;
    let title = format!(
        "SET at {} requests per second while the keys become {keys} (less is better)",
        options.rate
    );
    let mut table = Table::new(title, "", programs);
    for round in 0..options.rounds {
        for index in Options::order(round, programs.len()) {
            progress(round, &format!("growth of {}", programs[index].name));
            let server = programs[index].start()?;
            let phase = measure(&server, keys, options)?;
            for (label, quantile) in
                [("p50", 0.5), ("p99", 0.99), ("p99.99", 0.9999), ("longest wait", 1.0)]
            {
                table.record(label, Unit::Millis, index, &[phase.latency_ms(quantile)]);
            }
            let per_second = keys as f64 / phase.elapsed.as_secs_f64();
            table.record("keys loaded per second", Unit::Count, index, &[per_second]);
            let resident = server.resident_bytes()? as f64;
            table.record("memory afterwards", Unit::Megabytes, index, &[resident]);
        }
    }
    table.print();
    Ok(())
}

/// What the paced clients met while the keys were loaded.
fn measure(server: &Server, keys: usize, options: &Options) -> Result<Phase> {
    let spec = LoadSpec {
        mix: PACED,
        ranges: Ranges::keys(PACED_KEYS),
        value_bytes: VALUE_BYTES,
        clients: CLIENTS,
        threads: options.threads,
        pace: Pace::per_second(options.rate),
    };
    let mut load = Load::start(server.address(), &spec, 3)?;
    load.wait_for_anything();
    load.next_phase();
    grow(server, keys)?;
    load.wait_for_anything();
    load.next_phase();
    Ok(load.finish()?.into_iter().nth(1).expect("the second phase was measured"))
}

fn grow(server: &Server, keys: usize) -> Result<()> {
    let (values, mut random) = (Values::new(VALUE_BYTES), Fast::seeded(2));
    let mut control = server.control()?;
    let mut pipeline = redis::pipe();
    for first in (0..keys).step_by(BATCH) {
        pipeline.clear();
        for number in first..keys.min(first + BATCH) {
            pipeline.cmd("SET").arg(format!("key:{number}")).arg(values.any(&mut random)).ignore();
        }
        pipeline.exec(&mut control)?;
    }
    Ok(())
}
