//! How often a cache has what it is asked for: this server, `redis-server`, and policies in a simulation.
//!
//! ```text
//! cargo bench --bench hit_ratio -- [TRACE]... [--quick] [--policy NAME] [--rate N] [--plots docs]
//! cargo bench --bench hit_ratio -- --simulate [TRACE]... [--plots docs]
//! ```
//!
//! **Replay.** Both servers get the same `maxmemory` and the same requests, those of a read-through cache.
//! They hold different numbers of keys then, so two figures are of interest: the ratio of hits, and its
//! distance from what the exact policy reaches with as many keys, which is simulated.
//!
//! **Simulation** (`--simulate`). Known policies and candidates for the server, all with a capacity in keys.
//! What a candidate may use is what the server has: 32 bits for each key and victims from random buckets.
//!
//! The rate of requests matters to policies that know the time in seconds or minutes: as fast as servers answer,
//! a cache is filled anew every second, and the clock of `redis-server`'s LRU ticks once meanwhile. `--rate`
//! sends so many requests a second instead.
//!
//! In reading order: `options` → `traces` → `replay` and `compare` (servers) → `policies` and `simulate` →
//! `chart`. Servers, replies and tables are those of the benchmark `versus`.

mod chart;
#[path = "../versus/command_line.rs"]
mod command_line;
mod compare;
#[path = "../versus/markdown.rs"]
mod markdown;
mod options;
mod policies;
#[path = "../versus/process.rs"]
#[allow(dead_code, reason = "shared with versus, which uses the rest")]
mod process;
mod replay;
#[path = "../versus/replies.rs"]
mod replies;
#[path = "../versus/server.rs"]
#[allow(dead_code, reason = "shared with versus, which uses the rest")]
mod server;
mod simulate;
mod traces;

use std::process::ExitCode;

use chart::Series;
use options::Options;

/// Whatever goes wrong ends the run; nothing here is worth recovering from.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(&Options::from_command_line()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hit_ratio: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if options.simulates {
        simulate::run(options)?;
    }
    if options.replays {
        compare::run(options)?;
    }
    Ok(())
}

/// Draws a chart with the traces as groups, if charts are wanted.
fn plot(options: &Options, file: &str, title: &str, series: &[Series]) -> Result<()> {
    let Some(folder) = &options.plots else { return Ok(()) };
    let groups: Vec<String> = options.traces.iter().map(|kind| kind.name().to_owned()).collect();
    let path = folder.join(file);
    std::fs::write(&path, chart::bars(title, &groups, series))?;
    println!("\nPlot: {}", path.display());
    Ok(())
}

/// A ratio as percent.
fn percent(ratio: f64) -> String {
    format!("{:.2}", ratio * 100.0)
}
