//! The same traces against both servers, beside the exact policies.

use crate::chart::Series;
use crate::markdown::print_table;
use crate::options::Options;
use crate::policies::{Dice, ExactLfu, ExactLru, Policy, Random, Sampled, hit_ratio};
use crate::replay::{Outcome, Setting, capacity, replay};
use crate::server::Program;
use crate::traces::{Kind, Size, Trace};
use crate::{Result, percent, plot};

/// The loop is longer than what the roomier server holds by a fifth.
const LOOP_PERCENT: usize = 120;

/// What one server did with one trace under one policy.
struct Cell {
    outcome: Outcome,
    /// The hit ratio of the exact policy with as many keys.
    exact: f64,
}

/// All traces under one policy: by trace, then by server.
struct Chapter<'a> {
    policy: &'a str,
    rows: Vec<(Kind, Vec<Cell>)>,
}

pub fn run(options: &Options) -> Result<()> {
    let programs = programs(options)?;
    let size = size(options, &programs)?;
    print_head(options, size);
    let mut chapters: Vec<Chapter<'_>> =
        options.policies.iter().map(|policy| Chapter { policy, rows: Vec::new() }).collect();
    for kind in &options.traces {
        let trace = Trace::generate(*kind, size);
        for chapter in &mut chapters {
            let measure = |program| measure(program, &trace, chapter.policy, options);
            let cells: Result<Vec<Cell>> = programs.iter().map(measure).collect();
            chapter.rows.push((*kind, cells?));
        }
    }
    chapters.iter().for_each(|chapter| chapter.print(&programs));
    draw(options, &programs, &chapters)
}

/// This server first, then the one it is compared with.
fn programs(options: &Options) -> Result<Vec<Program>> {
    let ours = Program::sanderling(&options.ours, None, "off");
    if options.alone {
        return Ok(vec![ours]);
    }
    Ok(vec![ours, Program::redis(&options.against, "off")?])
}

fn size(options: &Options, programs: &[Program]) -> Result<Size> {
    let mut most = 1;
    for program in programs {
        let keys = capacity(&program.start()?, options.maxmemory)?;
        most = most.max(keys);
    }
    Ok(Size {
        universe: options.universe,
        requests: options.requests,
        loop_keys: most * LOOP_PERCENT / 100,
        seed: options.seed,
    })
}

fn measure(program: &Program, trace: &Trace, policy: &str, options: &Options) -> Result<Cell> {
    let server = program.start()?;
    let setting = Setting { maxmemory: options.maxmemory, policy, rate: options.rate };
    let outcome = replay(&server, trace, options.warm_up, setting)?;
    eprintln!(
        "{}, {policy}, {}: {} of hits, {} keys, {:.0?}, {} refused",
        trace.kind.name(),
        program.name,
        percent(outcome.hit_ratio()),
        outcome.resident,
        outcome.elapsed,
        outcome.refused
    );
    let keys = outcome.resident.max(1);
    let mut exact: Box<dyn Policy> = match policy {
        "allkeys-lru" => Box::new(ExactLru::new(keys, trace.bound)),
        "allkeys-lfu" => Box::new(ExactLfu::new(keys, trace.bound)),
        _ => Box::new(Sampled::new(Random(Dice::new()), 1, keys, trace.bound)),
    };
    let exact = hit_ratio(exact.as_mut(), trace, options.warm_up);
    Ok(Cell { outcome, exact })
}

fn print_head(options: &Options, size: Size) {
    let rate = options.rate.map_or("as fast as possible".to_owned(), |rate| format!("{rate}/s"));
    println!(
        "maxmemory {} MiB, values of {} bytes; {} keys, {} requests, {rate}, counted after {}; loop of {} keys.",
        options.maxmemory >> 20,
        crate::replay::VALUE_BYTES,
        size.universe,
        size.requests,
        options.warm_up,
        size.loop_keys
    );
}

impl Chapter<'_> {
    fn print(&self, programs: &[Program]) {
        println!("\n### {}: hits in percent\n", self.policy);
        let mut head = vec!["trace".to_owned()];
        for program in programs {
            let name = &program.name;
            head.extend([name.clone(), "− exact".to_owned(), format!("keys of {name}")]);
        }
        let mut lines = vec![head];
        for (kind, cells) in &self.rows {
            let mut line = vec![kind.name().to_owned()];
            cells.iter().for_each(|cell| line.extend(cell.columns()));
            lines.push(line);
        }
        print_table(&lines);
        self.print_refused(programs);
    }

    /// A server that refuses to store measures nothing.
    fn print_refused(&self, programs: &[Program]) {
        for (index, program) in programs.iter().enumerate() {
            let refused: u64 =
                self.rows.iter().map(|(_, cells)| cells[index].outcome.refused).sum();
            if refused > 0 {
                println!("\n{} refused {refused} SETs.", program.name);
            }
        }
    }
}

impl Cell {
    fn columns(&self) -> [String; 3] {
        let ratio = self.outcome.hit_ratio();
        let distance = format!("{:+.2}", (ratio - self.exact) * 100.0);
        [percent(ratio), distance, self.outcome.resident.to_string()]
    }
}

fn draw(options: &Options, programs: &[Program], chapters: &[Chapter<'_>]) -> Result<()> {
    let mut series = Vec::new();
    for chapter in chapters {
        for (index, program) in programs.iter().enumerate() {
            let ratio = |(_, cells): &(Kind, Vec<Cell>)| cells[index].outcome.hit_ratio();
            let name =
                format!("{} {}", program.name, chapter.policy.trim_start_matches("allkeys-"));
            series.push(Series { name, figures: chapter.rows.iter().map(ratio).collect() });
        }
    }
    let title = format!("Hits with maxmemory of {} MiB", options.maxmemory >> 20);
    plot(options, "hit-ratio.svg", &title, &series)
}
