//! Latency at a fixed rate that both servers can bear.
//!
//! Requests come in bursts, one per millisecond, whether or not earlier ones were answered, and latency
//! counts from the moment at which a request was due. This is what clients of a server see that is not
//! overloaded; latency at full load (see `throughput`) mostly tells how long the queue is.

use crate::Result;
use crate::load::{Load, LoadSpec, Phase};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::load_keys;

/// The rarest latencies need more samples than throughput does.
const MEASURED: u32 = 2;

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let title = format!("Latency p50 / p99 / p99.9 at {} requests per second", options.rate);
    let mut latency = Table::new(title, "load, clients", programs);
    let title = format!("CPU of the server at {} requests per second, of one core", options.rate);
    let mut cpu = Table::new(title, "load, clients", programs);
    for round in 0..options.rounds {
        let servers: Vec<Server> =
            programs.iter().map(|program| loaded(program, options)).collect::<Result<_>>()?;
        for &clients in &options.clients {
            let label = format!("GET+SET, {clients}");
            progress(round, &format!("latency of {label}"));
            for index in Options::order(round, programs.len()) {
                let (phase, cpu_share) = measure(&servers[index], clients, options)?;
                let quantiles = [0.5, 0.99, 0.999].map(|quantile| phase.latency_ms(quantile));
                latency.record(&label, Unit::Millis, index, &quantiles);
                cpu.record(&label, Unit::Percent, index, &[cpu_share * 100.0]);
            }
        }
    }
    [latency, cpu].iter().for_each(Table::print);
    Ok(())
}

fn loaded(program: &Program, options: &Options) -> Result<Server> {
    let server = program.start()?;
    load_keys(&server, options.keys, options.value_bytes)?;
    Ok(server)
}

/// Returns what happened, and how much of a core the server used meanwhile.
fn measure(server: &Server, clients: usize, options: &Options) -> Result<(Phase, f64)> {
    let spec = LoadSpec::mixed(options, clients);
    let mut load = Load::start(server.address(), &spec, 3)?;
    std::thread::sleep(options.duration / 2);
    let cpu_before = server.cpu_time()?;
    load.next_phase();
    std::thread::sleep(options.duration * MEASURED);
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    load.next_phase();
    let phase = load.finish()?.into_iter().nth(1).expect("the second phase was measured");
    let cpu_share = cpu.as_secs_f64() / phase.elapsed.as_secs_f64();
    Ok((phase, cpu_share))
}
