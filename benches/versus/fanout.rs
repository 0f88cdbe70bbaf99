//! One message to many: how many messages a second reach their subscribers, and what one delivery costs.
//!
//! An operation is a message that one subscriber has received: with a thousand subscribers, one `PUBLISH`
//! is a thousand operations. Subscribers and publishers are clients of the same load generator (see
//! `crowd`), whose own share is printed: where its threads are busy all the time, they are the limit.

use crate::Result;
use crate::crowd::{CHANNEL, CrowdSpec};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::subscribers::Interest;
use crate::throughput::measure_load;

const PUBLISHERS: usize = 8;
/// Matches the channel.
const PATTERN: &str = "new?";

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let bytes = options.value_bytes;
    let new_table = |title| Table::new(title, "subscribers, publishers × pipeline", programs);
    let title =
        format!("Fan-out of messages of {bytes} bytes: deliveries per second (more is better)");
    let mut throughput = new_table(title);
    let title = "Fan-out: CPU time of the server per delivery (less is better)";
    let mut cpu = new_table(title.to_owned());
    let mut generator =
        new_table("Fan-out: CPU time of the load generator per delivery".to_owned());
    let mut busy = new_table("Fan-out: how busy the threads of the load generator are".to_owned());
    for round in 0..options.rounds {
        let servers: Vec<Server> = programs.iter().map(Program::start).collect::<Result<_>>()?;
        for (label, spec) in specs(options) {
            progress(round, &format!("fan-out to {label}"));
            for index in Options::order(round, programs.len()) {
                let server = &servers[index];
                let load = spec.start(server.address())?;
                let figures = measure_load(server, load, options.duration)?;
                throughput.record(&label, Unit::Count, index, &[figures.measured.per_second()]);
                let nanos = |time| [figures.micros_per_operation(time) * 1e3];
                cpu.record(&label, Unit::Nanos, index, &nanos(figures.server_cpu));
                generator.record(&label, Unit::Nanos, index, &nanos(figures.generator_cpu));
                let percent = figures.generator_percent(spec.threads());
                busy.record(&label, Unit::Percent, index, &[percent]);
            }
        }
    }
    [throughput, cpu, generator, busy].iter().for_each(Table::print);
    Ok(())
}

fn specs(options: &Options) -> Vec<(String, CrowdSpec)> {
    let spec = |interest, subscribers, pipeline| CrowdSpec {
        interest,
        subscribers,
        publishers: PUBLISHERS,
        pipeline,
        payload_bytes: options.value_bytes,
        threads: options.threads,
    };
    let mut specs = Vec::new();
    for &pipeline in &options.pipelines {
        for &count in &options.subscribers {
            let label = format!("{count}, {PUBLISHERS} × {pipeline}");
            specs.push((label, spec(Interest::Channel(CHANNEL), count, pipeline)));
        }
        if let Some(&most) = options.subscribers.iter().max() {
            let label = format!("{most} by pattern, {PUBLISHERS} × {pipeline}");
            specs.push((label, spec(Interest::Pattern(PATTERN), most, pipeline)));
        }
    }
    specs
}
