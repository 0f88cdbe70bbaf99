//! A snapshot under full load: what it costs those who work meanwhile, and how much memory it takes.
//!
//! Memory is the server's resident memory, sampled every 10 ms, and what a forked child holds for itself
//! alone: pages that parent and child share are counted once, as the machine has them once.

use std::time::{Duration, Instant};

use crate::Result;
use crate::load::{Load, LoadSpec, Pace, Phase};
use crate::options::Options;
use crate::process;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Ranges, load_keys};

const SAMPLE: Duration = Duration::from_millis(10);
/// Looking for the child walks all processes, and summing up its pages takes a while: the more, the larger it is, and
/// at most this share of the time.
const CHILD_SAMPLE: Duration = Duration::from_millis(50);
const CHILD_SAMPLE_SHARE: u32 = 20;
const SAVE_TIMEOUT: Duration = Duration::from_secs(900);
const CLIENTS: usize = 50;
/// The undisturbed phase, in measurements.
const BEFORE: u32 = 2;

struct Figures {
    before: Phase,
    during: Phase,
    save: Duration,
    memory_before: u64,
    memory_peak: u64,
    file_bytes: u64,
}

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let keys = options.snapshot_keys;
    let title = format!("BGSAVE of {keys} keys under full load (GET+SET, {CLIENTS} clients)");
    let mut table = Table::new(title, "", programs);
    for round in 0..options.rounds {
        progress(round, "snapshot");
        for index in Options::order(round, programs.len()) {
            let figures = measure(&programs[index], options)?;
            record(&mut table, index, &figures);
        }
    }
    table.print();
    Ok(())
}

fn record(table: &mut Table, index: usize, figures: &Figures) {
    let Figures { before, during, .. } = figures;
    let mut record = |label: &str, unit, value| table.record(label, unit, index, &[value]);
    record("operations per second before", Unit::Count, before.per_second());
    record("operations per second during the save", Unit::Count, during.per_second());
    let share = during.per_second() / before.per_second() * 100.0;
    record("throughput that remains", Unit::Percent, share);
    record("p99.9 before", Unit::Millis, before.latency_ms(0.999));
    record("p99.9 during the save", Unit::Millis, during.latency_ms(0.999));
    record("longest wait before", Unit::Millis, before.latency_ms(1.0));
    record("longest wait during the save", Unit::Millis, during.latency_ms(1.0));
    record("duration of the save", Unit::Seconds, figures.save.as_secs_f64());
    record("memory before", Unit::Megabytes, figures.memory_before as f64);
    record("memory peak", Unit::Megabytes, figures.memory_peak as f64);
    let growth = (figures.memory_peak as f64 / figures.memory_before as f64 - 1.0) * 100.0;
    record("growth at the peak", Unit::Percent, growth);
    record("size of the file", Unit::Megabytes, figures.file_bytes as f64);
}

fn measure(program: &Program, options: &Options) -> Result<Figures> {
    let server = program.start()?;
    load_keys(&server, options.snapshot_keys, options.value_bytes)?;
    let spec = LoadSpec {
        ranges: Ranges::keys(options.snapshot_keys),
        pace: Pace::Closed { pipeline: 1 },
        ..LoadSpec::mixed(options, CLIENTS)
    };
    let mut control = server.control()?;
    let mut load = Load::start(server.address(), &spec, 4)?;
    std::thread::sleep(options.duration);
    load.next_phase();
    std::thread::sleep(options.duration * BEFORE);
    let memory_before = server.resident_bytes()?;
    load.next_phase();
    let began = Instant::now();
    redis::cmd("BGSAVE").exec(&mut control)?;
    let (memory_peak, file_bytes) = watch_save(&server, began)?;
    let save = began.elapsed();
    load.next_phase();
    let mut phases = load.finish()?.into_iter().skip(1);
    let mut phase = || phases.next().expect("all phases were entered");
    let (before, during) = (phase(), phase());
    Ok(Figures { before, during, save, memory_before, memory_peak, file_bytes })
}

/// Returns the memory peak and the size of the file, once that is complete.
pub fn watch_save(server: &Server, began: Instant) -> Result<(u64, u64)> {
    let (mut peak, mut in_children, mut next_sample) = (0, 0, began);
    loop {
        let now = Instant::now();
        if now >= next_sample {
            // A child that has just ended holds nothing.
            let children = server.children()?.into_iter();
            in_children = children.map(|pid| process::private_bytes(pid).unwrap_or(0)).sum();
            next_sample = now + CHILD_SAMPLE.max(now.elapsed() * CHILD_SAMPLE_SHARE);
        }
        peak = peak.max(server.resident_bytes()? + in_children);
        if let Some(file) = server.snapshot_file()? {
            // Between two samples the server itself may have been larger than it looked.
            return Ok((peak.max(server.peak_resident_bytes()?), std::fs::metadata(file)?.len()));
        }
        if began.elapsed() > SAVE_TIMEOUT {
            return Err("the snapshot does not come to an end".into());
        }
        std::thread::sleep(SAMPLE);
    }
}
