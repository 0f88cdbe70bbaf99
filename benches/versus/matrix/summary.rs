//! What more than a thousand cells say together: the spread of the ratios of each command.

use std::collections::BTreeMap;

use crate::markdown::print_table;
use crate::report::median;
use crate::server::Program;
use crate::sheet::{Line, Sheet};

use super::cells::command_names;

/// Figures that are compared, and whether more of it is better.
const COMPARED: [(&str, &str, bool); 3] = [
    ("Throughput", "operations_per_second", true),
    ("CPU time per operation", "cpu_micros_per_operation", false),
    ("p99", "p99_ms", false),
];

/// Prints a table for each figure, of the ratios of the first program to the second.
pub fn print(sheet: &Sheet, programs: &[Program]) {
    let [ours, theirs] = programs else { return };
    for (title, column, more_is_better) in COMPARED {
        let ratios = ratios(sheet, column, [&ours.name, &theirs.name]);
        let wish = if more_is_better { "more" } else { "less" };
        println!("\n### Matrix: {title}, ratio to {} ({wish} is better)\n", theirs.name);
        print_table(&lines(&ratios, more_is_better));
    }
}

/// By log and command, the ratio of each cell: the median of its rounds.
type Ratios = BTreeMap<(String, String), Vec<f64>>;

fn ratios(sheet: &Sheet, column: &str, servers: [&str; 2]) -> Ratios {
    let text = |line: &Line, column| sheet.text(line, column).to_owned();
    let mut rounds: BTreeMap<_, [Vec<(String, f64)>; 2]> = BTreeMap::new();
    for line in sheet.lines() {
        let server = servers.iter().position(|name| *name == sheet.text(line, "server"));
        let Some(server) = server else { continue };
        let shape = ["value_bytes", "clients", "pipeline"].map(|column| text(line, column));
        let cell = (text(line, "log"), text(line, "command"), shape);
        let figure = (text(line, "round"), sheet.figure(line, column));
        rounds.entry(cell).or_default()[server].push(figure);
    }
    let mut ratios = Ratios::new();
    for ((log, command, _), [ours, theirs]) in rounds {
        let of_round = |(round, figure): &(String, f64)| {
            let other = theirs.iter().find(|(other, _)| other == round)?;
            Some(figure / other.1).filter(|ratio| ratio.is_finite())
        };
        let of_cell: Vec<f64> = ours.iter().filter_map(of_round).collect();
        if !of_cell.is_empty() {
            ratios.entry((log, command)).or_default().push(median(of_cell));
        }
    }
    ratios
}

fn lines(ratios: &Ratios, more_is_better: bool) -> Vec<Vec<String>> {
    let mut lines = vec![
        ["command, log", "cells", "worst", "median", "best", "lost"].map(str::to_owned).to_vec(),
    ];
    for command in command_names() {
        for ((log, _), cells) in ratios.iter().filter(|((_, name), _)| name == command) {
            let mut sorted = cells.clone();
            sorted.sort_by(f64::total_cmp);
            if !more_is_better {
                sorted.reverse();
            }
            let is_lost = |ratio: &&f64| if more_is_better { **ratio < 1.0 } else { **ratio > 1.0 };
            let lost = sorted.iter().filter(is_lost).count();
            let print = |ratio: f64| format!("{ratio:.2}");
            lines.push(vec![
                format!("{command}, {log}"),
                cells.len().to_string(),
                print(sorted[0]),
                print(median(cells.clone())),
                print(sorted[sorted.len() - 1]),
                lost.to_string(),
            ]);
        }
    }
    lines
}
