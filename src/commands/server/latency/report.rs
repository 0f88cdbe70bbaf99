//! The texts of `LATENCY GRAPH` and `LATENCY DOCTOR`.

use std::fmt::Write;

use crate::exec::{Sample, Series};

/// Columns of a graph: the newest samples.
const COLUMNS: usize = 80;
/// Lines of a graph, its labels apart.
const ROWS: usize = 4;
/// The top of a column within its line, from low to high, and what fills the lines below.
const TOPS: [char; 3] = ['_', 'o', '#'];
const FILL: char = '|';

/// Draws the newest samples as columns between the lowest and the highest of them. Below each column
/// stands, downwards, how long ago that was: `12s`, `5m`.
pub(super) fn graph(kind: &str, series: &Series, now_s: i64) -> String {
    let skipped = series.samples.len().saturating_sub(COLUMNS);
    let samples: Vec<Sample> = series.samples.iter().skip(skipped).copied().collect();
    let low = samples.iter().map(|sample| sample.millis).min().unwrap_or(0);
    let high = samples.iter().map(|sample| sample.millis).max().unwrap_or(0);
    let mut text = format!(
        "{kind} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        series.max_millis,
        "-".repeat(COLUMNS)
    );
    for row in (0..ROWS).rev() {
        text.extend(samples.iter().map(|sample| cell(sample.millis, low, high, row)));
        text.push('\n');
    }
    text.push('\n');
    let ages: Vec<Vec<char>> =
        samples.iter().map(|sample| age(now_s - sample.unix_s).chars().collect()).collect();
    for line in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.get(line).copied().unwrap_or(' ')));
        text.push('\n');
    }
    text
}

/// What a column shows in one line; line 0 is the lowest.
fn cell(millis: u64, low: u64, high: u64, row: usize) -> char {
    let steps = (ROWS * TOPS.len() - 1) as u64;
    let height = ((millis - low) * steps).checked_div(high - low).unwrap_or(0) as usize;
    match row.cmp(&(height / TOPS.len())) {
        std::cmp::Ordering::Less => FILL,
        std::cmp::Ordering::Equal => TOPS[height % TOPS.len()],
        std::cmp::Ordering::Greater => ' ',
    }
}

fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Describes the spikes and says where to look next.
pub(super) fn advice(all: &[(&str, Series)], threshold_millis: i64, slowlog_micros: i64) -> String {
    if threshold_millis == 0 {
        return "Spikes are not being recorded. CONFIG SET latency-monitor-threshold <milliseconds> \
                begins to record what takes at least that long.\n"
            .to_owned();
    }
    if all.is_empty() {
        return format!(
            "Nothing has taken {threshold_millis} ms or longer since recording began.\n"
        );
    }
    let mut text = format!("Events that took {threshold_millis} ms or longer:\n\n");
    for (number, (kind, series)) in all.iter().enumerate() {
        let _ = writeln!(text, "{}. {kind}: {}", number + 1, describe(series));
    }
    text.push('\n');
    if all.iter().any(|(kind, _)| kind.ends_with("command")) {
        text.push_str(&advice_on_commands(threshold_millis, slowlog_micros));
    }
    text
}

/// Count, average, how far the samples lie from it on average, and the worst.
fn describe(series: &Series) -> String {
    let count = series.samples.len().max(1) as u64;
    let average = series.samples.iter().map(|sample| sample.millis).sum::<u64>() / count;
    let deviations = series.samples.iter().map(|sample| sample.millis.abs_diff(average));
    let deviation = deviations.sum::<u64>() / count;
    let span = match (series.samples.front(), series.samples.back()) {
        (Some(first), Some(last)) => last.unix_s - first.unix_s,
        _ => 0,
    };
    format!(
        "{count} samples within {span} s, average {average} ms, mean deviation {deviation} ms, worst ever {} ms.",
        series.max_millis
    )
}

fn advice_on_commands(threshold_millis: i64, slowlog_micros: i64) -> String {
    let threshold_micros = threshold_millis.saturating_mul(1000);
    let mut text = String::from(
        "- SLOWLOG GET shows which commands they were; LATENCY HISTOGRAM how long each command usually takes.\n",
    );
    if slowlog_micros < 0 || slowlog_micros > threshold_micros {
        let _ = writeln!(
            text,
            "- The slow log misses some of them: CONFIG SET slowlog-log-slower-than {threshold_micros} lets it \
             keep all."
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(millis: &[u64]) -> Series {
        let samples = millis.iter().enumerate();
        let samples = samples
            .map(|(n, millis)| Sample { unix_s: 1_000 + n as i64, millis: *millis })
            .collect();
        Series { samples, max_millis: *millis.iter().max().unwrap() }
    }

    #[test]
    fn columns_rise_from_the_lowest_sample_to_the_highest() {
        let text = graph("command", &series(&[10, 20, 120, 65]), 1_062);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 120 ms, low 10 ms (all time high 120 ms)");
        assert_eq!(lines[2..6], ["  # ", "  | ", "  |#", "_o||"]);
        assert_eq!(lines[7..], ["1115", "mmm9", "   s"]);
    }

    #[test]
    fn equal_samples_lie_on_the_ground() {
        let text = graph("command", &series(&[5, 5]), 1_001);
        assert_eq!(text.lines().nth(5), Some("__"));
        assert_eq!(text.lines().nth(7), Some("10"));
    }

    #[test]
    fn old_samples_beyond_the_width_are_not_drawn() {
        let text = graph("command", &series(&[3; 100]), 1_100);
        assert!(text.lines().all(|line| line.len() <= COLUMNS));
    }

    #[test]
    fn the_slow_log_is_mentioned_only_when_it_misses_spikes() {
        let all = [("command", series(&[20, 30]))];
        assert!(advice(&all, 10, 20_000).contains("slowlog-log-slower-than 10000"));
        assert!(advice(&all, 10, -1).contains("slowlog-log-slower-than 10000"));
        assert!(!advice(&all, 10, 5_000).contains("slowlog-log-slower-than"));
        assert!(
            advice(&all, 10, 5_000)
                .contains("2 samples within 1 s, average 25 ms, mean deviation 5 ms")
        );
        assert!(advice(&[], 10, 0).contains("Nothing has taken 10 ms"));
        assert!(advice(&all, 0, 0).contains("latency-monitor-threshold"));
    }
}
