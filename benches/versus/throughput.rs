//! Throughput, CPU time per operation and latency under full load.
//!
//! Clients send as fast as they are answered (a closed loop), so that latency here means "under
//! saturation": with more clients it grows by itself. CPU time per operation is what the server's threads
//! used, system calls included, and depends least on what else the machine does.

use std::time::Duration;

use crate::Result;
use crate::load::{Load, LoadSpec, Pace, Phase};
use crate::options::Options;
use crate::process::{self, MachineTime};
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Mix, Ranges, load_counters, load_keys};

/// Connections, caches and branch predictors settle before figures count.
const WARM_UP_SHARE: u32 = 4;

/// Before, during and after what is measured.
pub const PHASES: usize = 3;

/// What one measurement gives.
pub struct Figures {
    pub measured: Phase,
    pub server_cpu: Duration,
    pub generator_cpu: Duration,
    /// Of the machine's CPU time, from 0 to 1: what neither this server nor the generator used.
    pub others_share: f64,
}

impl Figures {
    /// How busy so many threads of the generator were, in percent. At 100 the generator is the limit.
    pub fn generator_percent(&self, threads: usize) -> f64 {
        let available = self.measured.elapsed.as_secs_f64() * threads as f64;
        self.generator_cpu.as_secs_f64() / available * 100.0
    }

    pub fn micros_per_operation(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.measured.operations as f64
    }
}

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let subject = "load, clients × pipeline";
    let new_table = |title| Table::new(title, subject, programs);
    let mut throughput = new_table("Throughput: operations per second (more is better)");
    let mut cpu = new_table("CPU time of the server per operation (less is better)");
    let mut latency = new_table("Latency p50 / p99 / p99.9 at full load (less is better)");
    let mut generator = new_table("CPU time of the load generator per operation");
    for round in 0..options.rounds {
        let servers: Vec<Server> =
            programs.iter().map(|program| loaded(program, options)).collect::<Result<_>>()?;
        for (label, spec) in specs(options) {
            progress(round, &label);
            for index in Options::order(round, programs.len()) {
                let figures = measure(&servers[index], &spec, options.duration)?;
                let per_operation = |time| [figures.micros_per_operation(time)];
                throughput.record(&label, Unit::Count, index, &[figures.measured.per_second()]);
                cpu.record(&label, Unit::Micros, index, &per_operation(figures.server_cpu));
                let quantiles = [0.5, 0.99, 0.999].map(|q| figures.measured.latency_ms(q));
                latency.record(&label, Unit::Millis, index, &quantiles);
                generator.record(
                    &label,
                    Unit::Micros,
                    index,
                    &per_operation(figures.generator_cpu),
                );
            }
        }
    }
    [throughput, cpu, latency, generator].iter().for_each(Table::print);
    Ok(())
}

fn loaded(program: &Program, options: &Options) -> Result<Server> {
    let server = program.start()?;
    load_keys(&server, options.keys, options.value_bytes)?;
    load_counters(&server, options.keys)?;
    Ok(server)
}

fn specs(options: &Options) -> Vec<(String, LoadSpec)> {
    let mut specs = Vec::new();
    for &pipeline in &options.pipelines {
        for &clients in &options.clients {
            for mix in Mix::STRINGS {
                let label = format!("{}, {clients} × {pipeline}", mix.name);
                let spec = LoadSpec {
                    mix,
                    ranges: Ranges::keys(options.keys),
                    value_bytes: options.value_bytes,
                    clients,
                    threads: options.threads,
                    pace: Pace::Closed { pipeline },
                };
                specs.push((label, spec));
            }
        }
    }
    specs
}

/// Measures one load on a server that has what the load needs.
pub fn measure(server: &Server, spec: &LoadSpec, duration: Duration) -> Result<Figures> {
    measure_load(server, Load::start(server.address(), spec, PHASES)?, duration)
}

/// Measures the middle one of the three phases of a load that has just been started.
pub fn measure_load(server: &Server, mut load: Load, duration: Duration) -> Result<Figures> {
    let generator = std::process::id();
    let times = || -> Result<_> {
        let of_threads = process::cpu_time_of_threads(generator)?;
        Ok((server.cpu_time_of_threads()?, of_threads, MachineTime::now()?))
    };
    // Many clients with long requests take a while to send their first ones.
    load.wait_for_anything();
    std::thread::sleep(duration / WARM_UP_SHARE);
    let before = times()?;
    load.next_phase();
    std::thread::sleep(duration);
    load.wait_for_anything();
    let after = times()?;
    load.next_phase();
    let measured = load.finish()?.into_iter().nth(1).expect("the second phase was measured");
    if measured.operations == 0 {
        return Err("nothing was answered while it was measured".into());
    }
    let server_cpu = after.0.saturating_sub(before.0);
    Ok(Figures {
        measured,
        server_cpu,
        generator_cpu: after.1.saturating_sub(before.1),
        others_share: after.2.share_of_others_beside(server_cpu, before.2),
    })
}
