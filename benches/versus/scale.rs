//! One million keys, ten, fifty: what an operation, a key, a save and a start cost at each size, and how they grow.
//!
//! One server at a time has its data, since both would not fit into the machine at the largest size. It is filled by one
//! client in short pipelines while ten others overwrite a few keys a thousand times a second: slow enough not to count in
//! the CPU time of the fill, often enough to meet its longest pause. Then come `GET` and `SET` at full load, and a
//! snapshot while 50 clients read and write all over the keys at a fixed rate. The server is stopped, and
//! started again from its snapshot; at sizes that are not too large another one is filled, and started from its log.
//!
//! A size of which a forked child could need more memory than is left is not measured, and that is said.

use std::time::{Duration, Instant};

use crate::Result;
use crate::growth::{self, PACED_KEYS};
use crate::load::{Load, LoadSpec, Pace};
use crate::options::Options;
use crate::process;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::sheet::Sheet;
use crate::snapshot::watch_save;
use crate::throughput::measure;
use crate::workload::{Mix, Ranges};

/// Requests per second beside the fill.
const FILL_RATE: u64 = 1000;
const CLIENTS: usize = 50;
/// At full load: alone, where system calls weigh most, and so many at a time, where memory does.
const PIPELINES: [usize; 2] = [1, 16];
/// A log of more keys takes minutes to fill and to load.
const LOG_KEYS_MAX: usize = 10_000_000;
/// What a key may cost besides its value in either server.
const KEY_BYTES_MAX: usize = 128;

const KEY_COLUMNS: usize = 4;
const HEADER: &str = "keys,value_bytes,round,server,\
fill_keys_per_second,fill_cpu_micros_per_key,fill_p99_ms,fill_longest_wait_ms,bytes_per_key,\
get_1_operations_per_second,get_1_cpu_micros,get_1_p99_ms,\
set_1_operations_per_second,set_1_cpu_micros,set_1_p99_ms,\
get_16_operations_per_second,get_16_cpu_micros,get_16_p99_ms,\
set_16_operations_per_second,set_16_cpu_micros,set_16_p99_ms,\
save_seconds,save_p99_ms,save_longest_wait_ms,save_peak_bytes,file_bytes,\
load_snapshot_seconds,load_log_seconds,others_percent";

/// What the tables say: a column, in words.
const ROWS: [(&str, &str, Unit); 25] = [
    ("fill_keys_per_second", "filled by one client, keys per second", Unit::Count),
    ("fill_cpu_micros_per_key", "filled, CPU per key", Unit::Micros),
    ("fill_p99_ms", "SET of others meanwhile, p99", Unit::Millis),
    ("fill_longest_wait_ms", "SET of others meanwhile, longest wait", Unit::Millis),
    ("bytes_per_key", "memory per key, bytes", Unit::Bytes),
    ("get_1_operations_per_second", "GET, 50 × 1, per second", Unit::Count),
    ("get_1_cpu_micros", "GET, 50 × 1, CPU", Unit::Micros),
    ("get_1_p99_ms", "GET, 50 × 1, p99", Unit::Millis),
    ("set_1_operations_per_second", "SET, 50 × 1, per second", Unit::Count),
    ("set_1_cpu_micros", "SET, 50 × 1, CPU", Unit::Micros),
    ("set_1_p99_ms", "SET, 50 × 1, p99", Unit::Millis),
    ("get_16_operations_per_second", "GET, 50 × 16, per second", Unit::Count),
    ("get_16_cpu_micros", "GET, 50 × 16, CPU", Unit::Micros),
    ("get_16_p99_ms", "GET, 50 × 16, p99", Unit::Millis),
    ("set_16_operations_per_second", "SET, 50 × 16, per second", Unit::Count),
    ("set_16_cpu_micros", "SET, 50 × 16, CPU", Unit::Micros),
    ("set_16_p99_ms", "SET, 50 × 16, p99", Unit::Millis),
    ("save_seconds", "BGSAVE", Unit::Seconds),
    ("save_p99_ms", "GET+SET meanwhile, p99", Unit::Millis),
    ("save_longest_wait_ms", "GET+SET meanwhile, longest wait", Unit::Millis),
    ("save_peak_bytes", "memory at its peak meanwhile", Unit::Megabytes),
    ("file_bytes", "size of the snapshot", Unit::Megabytes),
    ("load_snapshot_seconds", "start from the snapshot", Unit::Seconds),
    ("load_log_seconds", "start from the log", Unit::Seconds),
    ("others_percent", "CPU that others used", Unit::Percent),
];

/// So many keys with values of this length.
#[derive(Clone, Copy, Debug)]
struct Size {
    keys: usize,
    value_bytes: usize,
}

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let mut sheet = Sheet::open(options.csv.as_deref(), HEADER, KEY_COLUMNS)?;
    let sizes: Vec<Size> = (options.scale.keys.iter())
        .flat_map(|&keys| options.scale.values.iter().map(move |&bytes| (keys, bytes)))
        .map(|(keys, value_bytes)| Size { keys, value_bytes })
        .collect();
    for round in 0..options.scale.rounds {
        for (number, size) in sizes.iter().enumerate() {
            for index in Options::order(round + number, programs.len()) {
                let program = &programs[index];
                let key = size.key(round, program);
                if sheet.has(&key) {
                    continue;
                }
                let Size { keys, value_bytes } = size;
                let what = format!("{keys} keys with values of {value_bytes} bytes");
                if !size.fits()? {
                    println!(
                        "\nLeft out, since memory might not suffice: {what}, {}.",
                        program.name
                    );
                    continue;
                }
                progress(round, &format!("{what}, {}", program.name));
                sheet.append(&key, &measure_size(program, *size, options)?)?;
            }
        }
    }
    print(&sheet, options, programs);
    Ok(())
}

impl Size {
    fn key(self, round: usize, program: &Program) -> Vec<String> {
        let numbers = [self.keys, self.value_bytes, round + 1].map(|number| number.to_string());
        numbers.into_iter().chain([program.name.clone()]).collect()
    }

    /// Whether there is memory for the data, and as much again for a child that shares none of it any more.
    fn fits(self) -> Result<bool> {
        let bytes = self.keys as u64 * (self.value_bytes + KEY_BYTES_MAX) as u64;
        Ok(bytes * 2 <= process::available_bytes()?)
    }
}

/// The figures of a line, in the order of the columns.
fn measure_size(program: &Program, size: Size, options: &Options) -> Result<Vec<f64>> {
    let Size { keys, .. } = size;
    let server = program.with_log("off").start()?;
    let machine = process::MachineTime::now()?;
    let mut figures = fill(&server, size, options.settle)?;
    for pipeline in PIPELINES {
        for mix in [Mix::GET, Mix::SET] {
            figures.extend(full_load(&server, size, mix, pipeline, options)?);
        }
    }
    figures.extend(save(&server, size, options)?);
    let now = process::MachineTime::now()?;
    let others = now.share_of_others_beside(server.cpu_time_with_children()?, machine) * 100.0;
    figures.push(start_again(&program.with_log("off"), server)?);
    figures.push(if keys > LOG_KEYS_MAX { f64::NAN } else { load_log(program, size)? });
    figures.push(others);
    Ok(figures)
}

fn fill(server: &Server, Size { keys, value_bytes }: Size, settle: Duration) -> Result<Vec<f64>> {
    let resident_before = server.resident_bytes()?;
    let cpu_before = server.cpu_time()?;
    let phase = growth::measure(server, keys, value_bytes, Pace::per_second(FILL_RATE))?;
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    let found = count_keys(server)?;
    if !(keys..=keys + PACED_KEYS).contains(&found) {
        return Err(format!("{found} keys are there, and {keys} were written").into());
    }
    // The allocator takes about ten seconds to give back pages that growing has left empty.
    std::thread::sleep(settle);
    let resident = server.resident_bytes()?.saturating_sub(resident_before);
    Ok(vec![
        keys as f64 / phase.elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / keys as f64,
        phase.latency_ms(0.99),
        phase.latency_ms(1.0),
        resident as f64 / keys as f64,
    ])
}

fn load_spec(
    Size { keys, value_bytes }: Size,
    mix: Mix,
    pace: Pace,
    options: &Options,
) -> LoadSpec {
    let (clients, threads) = (CLIENTS, options.threads);
    LoadSpec { mix, ranges: Ranges::keys(keys), value_bytes, clients, threads, pace }
}

fn full_load(
    server: &Server,
    size: Size,
    mix: Mix,
    pipeline: usize,
    options: &Options,
) -> Result<[f64; 3]> {
    let spec = load_spec(size, mix, Pace::Closed { pipeline }, options);
    let figures = measure(server, &spec, options.duration)?;
    let micros = figures.micros_per_operation(figures.server_cpu);
    Ok([figures.measured.per_second(), micros, figures.measured.latency_ms(0.99)])
}

fn save(server: &Server, size: Size, options: &Options) -> Result<[f64; 5]> {
    let spec = load_spec(size, Mix::MIXED, Pace::per_second(options.rate), options);
    let mut control = server.control()?;
    let mut load = Load::start(server.address(), &spec, 3)?;
    load.wait_for_anything();
    server.reset_peak_resident_bytes()?;
    load.next_phase();
    let began = Instant::now();
    redis::cmd("BGSAVE").exec(&mut control)?;
    let (peak, file_bytes) = watch_save(server, began)?;
    let seconds = began.elapsed().as_secs_f64();
    load.wait_for_anything();
    load.next_phase();
    let phase = load.finish()?.into_iter().nth(1).expect("the second phase was measured");
    let [p99, longest] = [0.99, 1.0].map(|quantile| phase.latency_ms(quantile));
    Ok([seconds, p99, longest, peak as f64, file_bytes as f64])
}

fn load_log(program: &Program, Size { keys, value_bytes }: Size) -> Result<f64> {
    let program = program.with_log("everysec");
    let server = program.start()?;
    growth::grow(&server, keys, value_bytes)?;
    start_again(&program, server)
}

/// Seconds from the start of the process until it answers, with all keys.
fn start_again(program: &Program, server: Server) -> Result<f64> {
    let expected = count_keys(&server)?;
    let directory = server.stop()?;
    let began = Instant::now();
    let server = program.start_in(directory)?;
    let seconds = began.elapsed().as_secs_f64();
    let found = count_keys(&server)?;
    if found != expected {
        return Err(format!("{} found {found} of {expected} keys", program.name).into());
    }
    Ok(seconds)
}

fn count_keys(server: &Server) -> Result<usize> {
    Ok(redis::cmd("DBSIZE").query(&mut server.control()?)?)
}

/// A table for each length of values: what is measured, and below it the sizes.
fn print(sheet: &Sheet, options: &Options, programs: &[Program]) {
    for value_bytes in &options.scale.values {
        let title = format!("Scale: values of {value_bytes} bytes");
        let mut table = Table::new(title, "", programs);
        for (column, words, unit) in ROWS {
            for line in sheet.lines() {
                let server = sheet.text(line, "server");
                let index = programs.iter().position(|program| program.name == server);
                let (Some(index), true) =
                    (index, sheet.text(line, "value_bytes") == value_bytes.to_string())
                else {
                    continue;
                };
                let label = format!("{words}, {} keys", sheet.text(line, "keys"));
                table.record(&label, unit, index, &[sheet.figure(line, column)]);
            }
        }
        table.print();
    }
}
