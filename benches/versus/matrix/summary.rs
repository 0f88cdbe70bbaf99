//! What more than a thousand cells say together: the spread of each command's ratios, and the worst cells.

use std::collections::{BTreeMap, BTreeSet};

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
        let lost = cells.iter().filter(|cell| figure.is_lost(cell)).count();
        println!("\nWorse than {} in {lost} of {} cells.", theirs.name, cells.len());
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

/// A column of the table of spreads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Column<'a> {
    log: &'a str,
    is_pipelined: bool,
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

    fn spread_of(&self, group: &mut [&Compared]) -> String {
        self.sort(group);
        let middle = median(group.iter().map(|cell| cell.ratio).collect());
        let [worst, best] = [group[0].ratio, group[group.len() - 1].ratio];
        format!("{worst:.2} / {middle:.2} / {best:.2}")
    }

    fn is_lost(&self, cell: &Compared) -> bool {
        if self.more_is_better { cell.ratio < 1.0 } else { cell.ratio > 1.0 }
    }
}

fn head<const N: usize>(columns: [&str; N]) -> Vec<String> {
    columns.map(str::to_owned).to_vec()
}

/// A line for each command, and for each policy of the log two columns: requests one at a time, and in pipelines.
fn spread(cells: &[Compared], figure: &Figure) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<(&str, Column<'_>), Vec<&Compared>> = BTreeMap::new();
    for cell in cells {
        let column = Column { log: &cell.log, is_pipelined: cell.pipeline != "1" };
        groups.entry((&cell.command, column)).or_default().push(cell);
    }
    let columns: BTreeSet<Column<'_>> = groups.keys().map(|(_, column)| *column).collect();
    let title = |column: &Column<'_>| {
        format!("{}, {}", column.log, if column.is_pipelined { "pipelined" } else { "alone" })
    };
    let titles = columns.iter().map(title);
    let mut lines: Vec<Vec<String>> =
        vec![["worst / median / best".to_owned()].into_iter().chain(titles).collect()];
    for command in command_names() {
        let mut line = vec![command.to_owned()];
        for column in &columns {
            let group = groups.get_mut(&(command, *column));
            line.push(group.map_or_else(String::new, |group| figure.spread_of(group)));
        }
        if line[1..].iter().any(|cell| !cell.is_empty()) {
            lines.push(line);
        }
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
