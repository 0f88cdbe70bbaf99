//! The report: medians over the rounds, ratios, Markdown.

use crate::markdown::print_table;
use crate::options::Options;
use crate::server::Program;

/// How figures of a table are printed.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// 1.33M, 155k, 42
    Count,
    Bytes,
    Megabytes,
    Nanos,
    Micros,
    Millis,
    Seconds,
    Percent,
    /// 1.35
    Factor,
}

impl Unit {
    fn print(self, figure: f64) -> String {
        match self {
            _ if !figure.is_finite() => "-".to_owned(),
            Unit::Count if figure >= 1e6 => format!("{:.2}M", figure / 1e6),
            Unit::Count if figure >= 1e3 => format!("{:.0}k", figure / 1e3),
            Unit::Count => format!("{figure:.0}"),
            Unit::Bytes => format!("{figure:.0}"),
            Unit::Megabytes => format!("{:.0} MB", figure / 1e6),
            Unit::Nanos => format!("{figure:.0} ns"),
            Unit::Micros => format!("{figure:.2} µs"),
            Unit::Millis if figure < 10.0 => format!("{figure:.2} ms"),
            Unit::Millis => format!("{figure:.0} ms"),
            Unit::Seconds => format!("{figure:.2} s"),
            Unit::Percent => format!("{figure:.1} %"),
            Unit::Factor => format!("{figure:.2}"),
        }
    }
}

/// One line: for each server, the figures of all rounds. A line may have several figures per server
/// (p50, p99, p99.9), which share a cell.
struct Row {
    label: String,
    unit: Unit,
    /// By server and round.
    rounds: Vec<Vec<Vec<f64>>>,
}

/// See the module's description.
pub struct Table {
    title: String,
    subject: &'static str,
    servers: Vec<String>,
    rows: Vec<Row>,
}

impl Table {
    /// `subject` heads the column of labels.
    pub fn new(title: impl Into<String>, subject: &'static str, programs: &[Program]) -> Table {
        let servers = programs.iter().map(|program| program.name.clone()).collect();
        Table { title: title.into(), subject, servers, rows: Vec::new() }
    }

    /// Adds the figures of one round. Rows appear in the order in which they were first recorded.
    pub fn record(&mut self, label: &str, unit: Unit, server: usize, figures: &[f64]) {
        let found = self.rows.iter().position(|row| row.label == label);
        let index = found.unwrap_or_else(|| {
            let rounds = vec![Vec::new(); self.servers.len()];
            self.rows.push(Row { label: label.to_owned(), unit, rounds });
            self.rows.len() - 1
        });
        self.rows[index].rounds[server].push(figures.to_vec());
    }

    /// Prints the table to standard output.
    pub fn print(&self) {
        let mut lines = vec![self.head()];
        lines.extend(self.rows.iter().map(Row::cells));
        println!("\n### {}\n", self.title);
        print_table(&lines);
    }

    fn head(&self) -> Vec<String> {
        let mut head = vec![self.subject.to_owned()];
        head.extend(self.servers.iter().cloned());
        if self.servers.len() == 2 {
            head.extend(["ratio", "rounds"].map(str::to_owned));
        }
        head
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.label.clone()];
        for rounds in &self.rounds {
            cells.push(join(medians(rounds).map(|figure| self.unit.print(figure))));
        }
        if let [ours, theirs] = &self.rounds[..] {
            let ratios: Vec<Vec<f64>> = ours.iter().zip(theirs).map(ratio).collect();
            cells.push(join(medians(&ratios).map(print_ratio)));
            cells.push(print_range(&ratios));
        }
        cells
    }
}

fn join(figures: impl Iterator<Item = String>) -> String {
    figures.collect::<Vec<_>>().join(" / ")
}

fn ratio((ours, theirs): (&Vec<f64>, &Vec<f64>)) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
}

fn print_ratio(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.2}") } else { "-".to_owned() }
}

/// The smallest and largest ratio of a round, of the first figure.
fn print_range(ratios: &[Vec<f64>]) -> String {
    let first = || ratios.iter().filter_map(|figures| figures.first().copied());
    let (low, high) = (first().fold(f64::NAN, f64::min), first().fold(f64::NAN, f64::max));
    if !high.is_finite() {
        return "-".to_owned();
    }
    format!("{low:.2}-{high:.2}")
}

/// The medians of each figure over the rounds.
fn medians(rounds: &[Vec<f64>]) -> impl Iterator<Item = f64> {
    let figures = rounds.first().map_or(0, Vec::len);
    (0..figures).map(|figure| median(rounds.iter().map(|round| round[figure]).collect()))
}

pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => figures[middle],
        _ => (figures[middle - 1] + figures[middle]) / 2.0,
    }
}

/// Where and how the figures came about.
pub fn print_machine(options: &Options, programs: &[Program]) {
    let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("Servers: {}.", names.join(", "));
    println!("Machine: {cores} cores, {}, Linux {}.", cpu_model(), kernel());
    println!(
        "Rounds: {}; one measurement {:?}; {} generator thread(s); values of {} bytes.",
        options.rounds, options.duration, options.threads, options.value_bytes
    );
}

/// How much of the machine was not available to what was measured.
pub fn print_others(share: f64) {
    println!("\nOther processes used {:.1} % of the machine meanwhile.", share * 100.0);
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split(": ").nth(1));
    model.unwrap_or("unknown CPU").to_owned()
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// Tells on standard error what is being done, since a full run takes minutes.
pub fn progress(round: usize, what: &str) {
    eprintln!("round {}: {what}", round + 1);
}
