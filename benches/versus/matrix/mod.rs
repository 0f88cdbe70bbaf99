//! The full matrix: commands × clients × depths of pipelines × lengths of values × policies of the log.
//!
//! Throughput, CPU time per operation, latencies and memory of more than a thousand cells, each measured for half a
//! second right after the other server. Figures of single cells are rough; what is looked for are ratios that are far
//! from the others. Every figure goes to a CSV file (`--csv`) at once, and a run that was interrupted goes on.
//!
//! Cells with the same log, length of values and group of commands share servers, which are filled once. Data stays
//! below a few hundred megabytes: keys become fewer as values become longer, members of collections come out of a fixed
//! range, lists are cut or filled again and sets are deleted before each measurement. A measurement of `LPOP` that met
//! too many empty lists is repeated in half of the time, and one in which the clients got only a few batches answered
//! in more. Before each measurement both logs are written back to the disk.

pub mod cells;
mod data;
mod logs;
mod summary;

use crate::Result;
use crate::options::Options;
use crate::report::progress;
use crate::server::{Program, Server};
use crate::sheet::Sheet;
use crate::throughput::{Figures, measure};
use crate::workload::Ranges;

use cells::{Batch, Cell};

const HEADER: &str = "log,command,value_bytes,clients,pipeline,round,server,\
operations_per_second,cpu_micros_per_operation,p50_ms,p99_ms,p999_ms,\
resident_bytes,peak_resident_bytes,generator_percent,others_percent";
const KEY_COLUMNS: usize = 7;

/// More null replies than this share make a measurement worthless.
const NULLS_MAX: f64 = 0.01;
/// Each client is to be answered so many batches during a measurement: what is on its way when it begins or ends makes
/// the difference otherwise. It is repeated with more time, but at most so much longer.
const BATCHES_MIN: f64 = 4.0;
const LONGER_MAX: f64 = 8.0;
/// A measurement that took all elements is repeated in half of the time, and once more.
const ATTEMPTS: u32 = 3;

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let batches = cells::batches(&options.matrix);
    cells::check(&batches)?;
    let cells: usize = batches.iter().map(|batch| batch.cells.len()).sum();
    let left_out: usize = batches.iter().map(|batch| batch.left_out).sum();
    let (rounds, duration) = (options.matrix.rounds, options.matrix.duration);
    println!("\nMatrix: {cells} cells, {rounds} round(s), each measured for {duration:?}.");
    println!("Left out, since too many bytes would be on their way at a time: {left_out} cells.");
    let mut sheet = Sheet::open(options.csv.as_deref(), HEADER, KEY_COLUMNS)?;
    let mut without_figures = Vec::new();
    for round in 0..options.matrix.rounds {
        for batch in &batches {
            run_batch(batch, round, options, programs, &mut sheet, &mut without_figures)?;
        }
    }
    summary::print(&sheet, programs);
    for label in without_figures {
        println!("\nWithout figures, since lists were empty too soon: {label}.");
    }
    Ok(())
}

/// Measures what the sheet does not have yet.
fn run_batch(
    batch: &Batch,
    round: usize,
    options: &Options,
    programs: &[Program],
    sheet: &mut Sheet,
    without_figures: &mut Vec<String>,
) -> Result<()> {
    let is_missing = |sheet: &Sheet, cell: &Cell, program: &Program| {
        !sheet.has(&batch.key(cell, round, &program.name))
    };
    let any_missing =
        |cell: &&Cell| programs.iter().any(|program| is_missing(sheet, cell, program));
    let missing: Vec<Cell> = batch.cells.iter().filter(any_missing).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Batch { log, group, value_bytes, .. } = batch;
    progress(round, &format!("log {log}, values of {value_bytes} bytes, {group:?}"));
    let ranges = batch.ranges(options.keys);
    let started = |program: &Program| -> Result<Server> {
        let server = program.with_log(log).start()?;
        logs::relax(&server, log)?;
        data::fill(&server, batch, ranges)?;
        Ok(server)
    };
    let servers: Vec<Server> = programs.iter().map(started).collect::<Result<_>>()?;
    for (number, cell) in missing.iter().enumerate() {
        for index in Options::order(round + number, programs.len()) {
            let program = &programs[index];
            if !is_missing(sheet, cell, program) {
                continue;
            }
            let key = batch.key(cell, round, &program.name);
            match measure_cell(batch, cell, ranges, options, &servers, index)? {
                Some(figures) => sheet.append(&key, &figures)?,
                None => without_figures.push(key.join(", ")),
            }
        }
    }
    Ok(())
}

/// The figures of a line, or none if there was nothing to pop for too many requests.
fn measure_cell(
    batch: &Batch,
    cell: &Cell,
    ranges: Ranges,
    options: &Options,
    servers: &[Server],
    index: usize,
) -> Result<Option<[f64; 9]>> {
    let server = &servers[index];
    let spec = batch.spec(cell, options);
    let mut duration = options.matrix.duration;
    let mut short = None;
    for _ in 0..ATTEMPTS {
        logs::relax(server, &batch.log)?;
        data::settle(server, batch, cell, ranges)?;
        logs::begin(server, &batch.log)?;
        if batch.log != "off" {
            servers.iter().try_for_each(logs::sync)?;
        }
        server.reset_peak_resident_bytes()?;
        let figures = measure(server, &spec, duration)?;
        let has_nulls =
            figures.measured.nulls as f64 / figures.measured.operations as f64 > NULLS_MAX;
        let answered = figures.measured.operations as f64 / cell.replies_in_flight() as f64;
        match (has_nulls, short.is_some()) {
            // It was too long for the elements that there are.
            (true, true) => break,
            (true, false) => duration /= 2,
            (false, is_long) => {
                short = Some(line(&figures, cell, server, options)?);
                if is_long || answered >= BATCHES_MIN {
                    break;
                }
                duration = duration.mul_f64((BATCHES_MIN * 1.2 / answered).min(LONGER_MAX));
            }
        }
    }
    Ok(short)
}

fn line(figures: &Figures, cell: &Cell, server: &Server, options: &Options) -> Result<[f64; 9]> {
    let replies = f64::from(cell.command.replies);
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| figures.measured.latency_ms(q));
    Ok([
        figures.measured.per_second() / replies,
        figures.micros_per_operation(figures.server_cpu) * replies,
        p50,
        p99,
        p999,
        server.resident_bytes()? as f64,
        server.peak_resident_bytes()? as f64,
        figures.generator_percent(options.threads),
        figures.others_share * 100.0,
    ])
}
