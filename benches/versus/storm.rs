//! A storm of connections: many clients a second connect, give the password, ask once and leave, while others, who
//! are there all the time, want to be served as ever.
//!
//! Connections of the storm are due at fixed times, whether or not earlier ones are done, and what they take counts from
//! then on: from before the connection is made to the answer. Who is there all the time came before there was a
//! password, and asks at a fixed rate as well.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Result;
use crate::load::{Load, LoadSpec, Phase};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::Program;
use crate::workload::load_keys;

/// Who is there all the time.
const CLIENTS: usize = 50;
/// Connections of the storm per second.
const RATE: u32 = 1_000;
/// Threads that make them, so that one that has to wait does not hold up the others.
const THREADS: u32 = 2;
const PASSWORD: &str = "storm";
const REQUEST: &[u8] = b"AUTH storm\r\nPING\r\n";
const REPLY: &[u8] = b"+OK\r\n+PONG\r\n";
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// The length of each phase, in measurements.
const MEASURED: u32 = 2;

struct Figures {
    calm: Phase,
    stormy: Phase,
    /// Nanoseconds.
    reconnections: Histogram<u64>,
    cpu_calm: f64,
    cpu_stormy: f64,
}

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let title = format!(
        "{RATE} clients a second connect, AUTH, PING and leave; {CLIENTS} others send {} requests per second",
        options.rate
    );
    let mut table = Table::new(title, "p50 / p99 / p99.9", programs);
    for round in 0..options.rounds {
        progress(round, "storm");
        for index in Options::order(round, programs.len()) {
            let figures = measure(&programs[index], options)?;
            let millis = |phase: &Phase| [0.5, 0.99, 0.999].map(|q| phase.latency_ms(q));
            table.record(
                "the others, without the storm",
                Unit::Millis,
                index,
                &millis(&figures.calm),
            );
            table.record("the others, in the storm", Unit::Millis, index, &millis(&figures.stormy));
            let nanos = |q| figures.reconnections.value_at_quantile(q) as f64 / 1e6;
            let reconnections = [nanos(0.5), nanos(0.99), nanos(0.999)];
            table.record("connecting until the answer", Unit::Millis, index, &reconnections);
            let mut cpu = |label: &str, share: f64| {
                table.record(label, Unit::Percent, index, &[share * 100.0]);
            };
            cpu("CPU of the server without the storm", figures.cpu_calm);
            cpu("CPU of the server in the storm", figures.cpu_stormy);
        }
    }
    table.print();
    Ok(())
}

fn measure(program: &Program, options: &Options) -> Result<Figures> {
    let server = program.start()?;
    load_keys(&server, options.keys, options.value_bytes)?;
    let spec = LoadSpec::mixed(options, CLIENTS);
    let mut load = Load::start(server.address(), &spec, 3)?;
    load.wait_for_anything();
    let mut control = server.control()?;
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg(PASSWORD).exec(&mut control)?;
    std::thread::sleep(options.duration / 2);
    let phase = |load: &mut Load| -> Result<f64> {
        let (began, cpu_before) = (Instant::now(), server.cpu_time()?);
        load.next_phase();
        std::thread::sleep(options.duration * MEASURED);
        load.wait_for_anything();
        let cpu = server.cpu_time()?.saturating_sub(cpu_before);
        Ok(cpu.as_secs_f64() / began.elapsed().as_secs_f64())
    };
    let cpu_calm = phase(&mut load)?;
    let storm = Storm::begin(server.address());
    let cpu_stormy = phase(&mut load)?;
    let reconnections = storm.end()?;
    let mut phases = load.finish()?.into_iter().skip(1);
    let mut next = || phases.next().ok_or("both phases were measured");
    Ok(Figures { calm: next()?, stormy: next()?, reconnections, cpu_calm, cpu_stormy })
}

/// Threads that connect and leave.
struct Storm {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Histogram<u64>>>>,
}

impl Storm {
    fn begin(address: SocketAddr) -> Storm {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || reconnect(address, &stop))
        };
        let threads = (0..THREADS).map(start).collect();
        Storm { stop, threads }
    }

    /// How long each connection took, in nanoseconds.
    fn end(self) -> Result<Histogram<u64>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Histogram::new(3)?;
        for thread in self.threads {
            all.add(thread.join().map_err(|_| "the storm panicked")??)?;
        }
        Ok(all)
    }
}

/// Connects again and again, when it is due, until it is told to stop.
fn reconnect(address: SocketAddr, stop: &AtomicBool) -> Result<Histogram<u64>> {
    let mut durations = Histogram::new(3)?;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        visit(address)?;
        durations.record(due.elapsed().as_nanos() as u64)?;
        due += Duration::from_secs(1) * THREADS / RATE;
    }
    Ok(durations)
}

fn visit(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream.write_all(REQUEST)?;
    let mut reply = [0; REPLY.len()];
    stream.read_exact(&mut reply)?;
    if reply != REPLY {
        return Err(format!("unexpected reply: {}", String::from_utf8_lossy(&reply)).into());
    }
    Ok(())
}
