//! The same load against this server and against `redis-server`, in turns.
//!
//! ```text
//! cargo bench --bench versus -- [PART]... [--quick] [--keys N] [--rounds N] ...
//! ```
//!
//! Every figure is measured once per round for each server, one right after the other, and the order
//! changes from round to round; what is printed are medians, and the median of the rounds' ratios. A
//! machine that is slower for a minute is slower for both. Both servers are children of this process, in
//! temporary directories, on loopback ports of their own.
//!
//! In reading order: `options` → `server` (children) and `process` (what the kernel knows of them) →
//! `workload` and `replies` (what is sent and what comes back) → `generator` (one thread of load) →
//! `load` (all of it, in phases) → `subscribers` and `crowd` (who listens) → one file per part → `report`
//! (medians, ratios) and `markdown`. The two parts that take longest, `matrix` and `scale`, write their figures to a
//! `sheet` as well.
//!
//! Without `--bench`, which is how `cargo test --benches` starts it, or with `--test`, everything runs
//! once on a tiny data set against this server only, so that the script itself is tested.

mod churn;
mod command_line;
mod crowd;
mod events;
mod expiry;
mod fanout;
mod generator;
mod giants;
mod growth;
mod idle;
mod latency;
mod limit;
mod load;
mod loading;
mod markdown;
mod matrix;
mod memory;
mod options;
mod process;
mod publish;
mod replies;
mod report;
mod scale;
mod server;
mod sheet;
mod siege;
mod snapshot;
mod stalls;
mod storm;
mod subscribers;
mod throughput;
mod transactions;
mod types;
mod variants;
mod workload;

use std::process::ExitCode;

use options::{Options, Part};
use server::Program;

/// Whatever goes wrong ends the run; nothing here is worth recovering from.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(&Options::from_command_line()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("versus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    process::raise_descriptor_limit()?;
    let programs = programs(options)?;
    report::print_machine(options, &programs);
    for part in &options.parts {
        let before = process::MachineTime::now()?;
        match part {
            Part::Throughput => throughput::run(options, &programs)?,
            Part::Latency => latency::run(options, &programs)?,
            Part::Memory => memory::run(options, &programs)?,
            Part::Growth => growth::run(options, &programs)?,
            Part::Churn => churn::run(options, &programs)?,
            Part::Limit => limit::run(options, &programs)?,
            Part::Idle => idle::run(options, &programs)?,
            Part::Snapshot => snapshot::run(options, &programs)?,
            Part::Expiry => expiry::run(options, &programs)?,
            Part::Loading => loading::run(options, &programs)?,
            Part::Types => types::run(options, &programs)?,
            Part::Giants => giants::run(options, &programs)?,
            Part::Fanout => fanout::run(options, &programs)?,
            Part::Publish => publish::run(options, &programs)?,
            Part::Transactions => transactions::run(options, &programs)?,
            Part::Events => events::run(options, &programs)?,
            Part::Storm => storm::run(options, &programs)?,
            Part::Siege => siege::run(options, &programs)?,
            Part::Stalls => stalls::run(options, &programs)?,
            Part::Matrix => matrix::run(options, &programs)?,
            Part::Scale => scale::run(options, &programs)?,
        }
        report::print_others(process::MachineTime::now()?.share_of_others(before));
    }
    Ok(())
}

/// This server first, then the one it is compared with.
fn programs(options: &Options) -> Result<Vec<Program>> {
    let ours = Program::sanderling(&options.ours, options.workers, &options.log);
    if options.alone {
        return Ok(vec![ours]);
    }
    Ok(vec![ours, Program::redis(&options.against, &options.log)?])
}
