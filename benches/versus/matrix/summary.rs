//! What more than a thousand cells say together: the spread of each command's ratios, and the worst cells.

use std::collections::BTreeMap;

use crate::markdown::print_table;
use crate::report::median;
use crate::server::Program;
use crate::sheet::Sheet;

use super::cells::command_names;

/// A column of the sheet, which is compared.
struct Figure {
    title: &'static str,
    column: &'static str,
    more_is_better: bool,
}

const COMPARED: [Figure; 3] = [
    Figure { title: "throughput", column: "operations_per_second", more_is_better: true },
    Figure {
        title: "CPU time per operation in µs",
        column: "cpu_micros_per_operation",
        more_is_better: false,
    },
    Figure { title: "p99 in ms", column: "p99_ms", more_is_better: false },
];
const WORST: usize = 10;

/// Prints two tables for each figure, of the first program beside the second.
pub fn print(sheet: &Sheet, programs: &[Program]) {
    let [ours, theirs] = programs else { return };
    for figure in &COMPARED {
        let cells = compared(sheet, figure.column, [&ours.name, &theirs.name]);
        let wish = if figure.more_is_better { "more" } else { "less" };
        println!("\n### Matrix: {}, ratio to {} ({wish} is better)\n", figure.title, theirs.name);
        print_table(&spread(&cells, figure));
        println!("\n### Matrix: the worst cells by {}\n", figure.title);
        print_table(&worst(&cells, figure, programs));
    }
}

/// One load, and the medians of its rounds.
struct Compared {
    log: String,
    command: String,
    value_bytes: String,
    clients: String,
    pipeline: String,
    figures: [f64; 2],
    ratio: f64,
}

/// What both servers have figures of, in at least one round. A ratio of which nothing can be said, since the other
/// server used too little CPU time to be counted, is left out.
fn compared(sheet: &Sheet, column: &str, servers: [&str; 2]) -> Vec<Compared> {
    const LOAD: [&str; 5] = ["log", "command", "value_bytes", "clients", "pipeline"];
    let mut rounds: BTreeMap<[&str; 5], BTreeMap<&str, [f64; 2]>> = BTreeMap::new();
    for line in sheet.lines() {
        let name = sheet.text(line, "server");
        let Some(server) = servers.iter().position(|server| *server == name) else { continue };
        let load = LOAD.map(|column| sheet.text(line, column));
        let rounds = rounds.entry(load).or_default();
        let round = rounds.entry(sheet.text(line, "round")).or_insert([f64::NAN; 2]);
        round[server] = sheet.figure(line, column);
    }
    let compare = |(load, rounds): ([&str; 5], BTreeMap<&str, [f64; 2]>)| {
        let is_known = |both: &[f64; 2]| (both[0] / both[1]).is_finite();
        let rounds: Vec<[f64; 2]> = rounds.into_values().filter(is_known).collect();
        let median_of =
            |figure: &dyn Fn(&[f64; 2]) -> f64| median(rounds.iter().map(figure).collect());
        let [log, command, value_bytes, clients, pipeline] = load.map(str::to_owned);
        (!rounds.is_empty()).then(|| Compared {
            log,
            command,
            value_bytes,
            clients,
            pipeline,
            figures: [median_of(&|both| both[0]), median_of(&|both| both[1])],
            ratio: median_of(&|both| both[0] / both[1]),
        })
    };
    rounds.into_iter().filter_map(compare).collect()
}

impl Figure {
    /// From the worst to the best.
    fn sort(&self, cells: &mut [&Compared]) {
        cells.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
        if !self.more_is_better {
            cells.reverse();
        }
    }

    fn is_lost(&self, cell: &Compared) -> bool {
        if self.more_is_better { cell.ratio < 1.0 } else { cell.ratio > 1.0 }
    }
}

fn head<const N: usize>(columns: [&str; N]) -> Vec<String> {
    columns.map(str::to_owned).to_vec()
}

fn spread(cells: &[Compared], figure: &Figure) -> Vec<Vec<String>> {
    let mut lines = vec![head(["command, log", "cells", "worst", "median", "best", "lost"])];
    let mut groups: BTreeMap<(usize, &str), Vec<&Compared>> = BTreeMap::new();
    for cell in cells {
        let place = command_names().position(|name| name == cell.command).unwrap_or(usize::MAX);
        groups.entry((place, &cell.log)).or_default().push(cell);
    }
    for group in groups.values_mut() {
        figure.sort(group);
        let ratios = [
            group[0].ratio,
            median(group.iter().map(|cell| cell.ratio).collect()),
            group[group.len() - 1].ratio,
        ];
        let mut line = vec![format!("{}, {}", group[0].command, group[0].log)];
        line.push(group.len().to_string());
        line.extend(ratios.map(|ratio| format!("{ratio:.2}")));
        line.push(group.iter().filter(|cell| figure.is_lost(cell)).count().to_string());
        lines.push(line);
    }
    lines
}

fn worst(cells: &[Compared], figure: &Figure, programs: &[Program]) -> Vec<Vec<String>> {
    let mut sorted: Vec<&Compared> = cells.iter().collect();
    figure.sort(&mut sorted);
    let mut lines = vec![head(["load", &programs[0].name, &programs[1].name, "ratio"])];
    for cell in sorted.iter().take(WORST) {
        let Compared { log, command, value_bytes, clients, pipeline, figures, ratio } = cell;
        let mut line =
            vec![format!("{command}, {clients} × {pipeline}, {value_bytes} bytes, log {log}")];
        let digits = if figures[0] < 100.0 { 2 } else { 0 };
        line.extend(figures.map(|figure| format!("{figure:.digits$}")));
        line.push(format!("{ratio:.2}"));
        lines.push(line);
    }
    lines
}
