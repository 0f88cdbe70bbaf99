//! The same load in variants, one right after the other on the same server: what is the difference?
//!
//! Besides the usual figures, this prints the CPU time per operation of each variant as a share of that of
//! the first one, which is the plain one: both servers against themselves, before they are against each
//! other.

use crate::Result;
use crate::load::{LoadSpec, Pace};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::throughput::measure;
use crate::workload::{Mix, Ranges};

const CLIENTS: usize = 50;

/// Undoes what was prepared for a variant, after its load has ended.
pub type Ending = Box<dyn FnOnce() -> Result<()>>;

/// One of several loads that are compared.
pub struct Variant {
    pub label: &'static str,
    pub mix: Mix,
    /// How many replies make one operation.
    pub replies: u32,
    /// Brings the server into the state in which this is measured.
    pub prepare: fn(&Server) -> Result<Ending>,
}

/// Nothing is to be prepared.
pub fn as_it_is(_: &Server) -> Result<Ending> {
    Ok(Box::new(|| Ok(())))
}

/// Measures groups of variants, each at all depths of pipelines, on servers that `load` has filled.
pub fn run(
    title: &str,
    groups: &[&[Variant]],
    options: &Options,
    programs: &[Program],
    load: fn(&Server, &Options) -> Result<()>,
) -> Result<()> {
    let mut chapter = Chapter::new(title, programs);
    for round in 0..options.rounds {
        let servers: Vec<Server> = programs.iter().map(Program::start).collect::<Result<_>>()?;
        servers.iter().try_for_each(|server| load(server, options))?;
        for (group, &pipeline) in all_with(groups, &options.pipelines) {
            // Of the first variant, by server.
            let mut plain = vec![f64::NAN; programs.len()];
            for (number, variant) in group.iter().enumerate() {
                let label = format!("{}, {CLIENTS} × {pipeline}", variant.label);
                progress(round, &label);
                for index in Options::order(round, programs.len()) {
                    let figures = measure_one(variant, pipeline, &servers[index], options)?;
                    chapter.record(&label, index, &figures);
                    if number == 0 {
                        plain[index] = figures.micros;
                    } else {
                        let label = format!("{label}, beside {}", group[0].label);
                        chapter.record_share(&label, index, figures.micros / plain[index]);
                    }
                }
            }
        }
    }
    chapter.print();
    Ok(())
}

/// What is said of a variant.
struct Summary {
    per_second: f64,
    /// CPU time of the server per operation.
    micros: f64,
    generator_percent: f64,
}

fn measure_one(
    variant: &Variant,
    pipeline: usize,
    server: &Server,
    options: &Options,
) -> Result<Summary> {
    let ending = (variant.prepare)(server)?;
    let figures = measure(server, &spec(variant, pipeline, options), options.duration)?;
    ending()?;
    let replies = f64::from(variant.replies);
    Ok(Summary {
        per_second: figures.measured.per_second() / replies,
        micros: figures.micros_per_operation(figures.server_cpu) * replies,
        generator_percent: figures.generator_percent(options.threads),
    })
}

/// The tables of one part.
struct Chapter {
    throughput: Table,
    cpu: Table,
    share: Table,
    busy: Table,
}

impl Chapter {
    fn new(title: &str, programs: &[Program]) -> Chapter {
        let new_table =
            |what| Table::new(format!("{title}: {what}"), "load, clients × pipeline", programs);
        Chapter {
            throughput: new_table("operations per second (more is better)"),
            cpu: new_table("CPU time of the server per operation (less is better)"),
            share: new_table("CPU time of the server, as a share of what the plain load takes"),
            busy: new_table("how busy the threads of the load generator are"),
        }
    }

    fn record(&mut self, label: &str, server: usize, figures: &Summary) {
        self.throughput.record(label, Unit::Count, server, &[figures.per_second]);
        self.cpu.record(label, Unit::Micros, server, &[figures.micros]);
        self.busy.record(label, Unit::Percent, server, &[figures.generator_percent]);
    }

    fn record_share(&mut self, label: &str, server: usize, share: f64) {
        self.share.record(label, Unit::Percent, server, &[share * 100.0]);
    }

    fn print(&self) {
        [&self.throughput, &self.cpu, &self.share, &self.busy].into_iter().for_each(Table::print);
    }
}

fn all_with<'a, A: ?Sized, B>(
    groups: &'a [&'a A],
    pipelines: &'a [B],
) -> impl Iterator<Item = (&'a A, &'a B)> {
    groups.iter().flat_map(|group| pipelines.iter().map(move |pipeline| (*group, pipeline)))
}

fn spec(variant: &Variant, pipeline: usize, options: &Options) -> LoadSpec {
    LoadSpec {
        mix: variant.mix,
        ranges: Ranges::keys(options.keys),
        value_bytes: options.value_bytes,
        clients: CLIENTS,
        threads: options.threads,
        pace: Pace::Closed { pipeline },
    }
}
