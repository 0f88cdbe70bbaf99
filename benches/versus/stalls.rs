//! One client says something that takes long, over and over; what does everybody else notice?
//!
//! The others read short strings at a fixed rate, whether or not earlier requests were answered, so a server that stands
//! still is charged for everything that would have been sent meanwhile. The one client reads its replies as fast
//! as it can. It takes CPU time from both servers alike.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::Result;
use crate::load::{Load, LoadSpec, Pace};
use crate::options::Options;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::{Mix, Ranges, load, load_keys};

const READERS: usize = 50;
/// Elements added per command.
const BATCH: usize = 500;
/// Behind the reply that is to be read comes this one.
const MARK: &[u8] = b"$8\r\nthat-was\r\n";

/// What is said. The last one leaves nothing to read.
const COMMANDS: [&str; 12] = [
    "PING",
    "DBSIZE",
    "KEYS *",
    "SCAN 0 COUNT 1000000",
    "LRANGE list 0 -1",
    "SMEMBERS set",
    "SORT list LIMIT 0 10",
    "LREM list 0 nothing",
    "SUNIONSTORE union half1 half2",
    "ZUNIONSTORE scores 2 half1 half2",
    "DEBUG SLEEP 1",
    "FLUSHALL",
];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let title = format!(
        "GET p50 / p99 / p99.9 / max at {} requests per second while one client loops ({} keys and elements)",
        options.rate, options.keys
    );
    let mut waits = Table::new(title, "the client says", programs);
    let mut repeats =
        Table::new("How often it is answered per second", "the client says", programs);
    for round in 0..options.rounds {
        for index in Options::order(round, programs.len()) {
            let server = programs[index].start()?;
            fill(&server, options)?;
            for command in COMMANDS {
                progress(round, &format!("{command} on {}", programs[index].name));
                let (figures, per_second) = measure(&server, command, options)?;
                waits.record(command, Unit::Millis, index, &figures);
                repeats.record(command, Unit::Count, index, &[per_second]);
            }
        }
    }
    [waits, repeats].iter().for_each(Table::print);
    Ok(())
}

fn fill(server: &Server, options: &Options) -> Result<()> {
    load_keys(server, options.keys, options.value_bytes)?;
    let half = options.keys / 2;
    for (command, key, from, count) in [
        ("RPUSH", "list", 0, options.keys),
        ("SADD", "set", 0, options.keys),
        ("SADD", "half1", 0, half),
        ("SADD", "half2", half / 2, half),
    ] {
        load(server, count / BATCH, |pipeline, number| {
            let mut add = redis::cmd(command);
            add.arg(key);
            (0..BATCH).for_each(|element| {
                add.arg(from + number * BATCH + element);
            });
            pipeline.add_command(add).ignore();
        })?;
    }
    Ok(())
}

/// The latencies of the others in milliseconds, and how often the one was answered per second.
fn measure(server: &Server, command: &str, options: &Options) -> Result<([f64; 4], f64)> {
    let spec = LoadSpec {
        mix: Mix::GET,
        // There may be nothing left to read: a load on collections expects that.
        ranges: Ranges { keys: options.keys, collections: 1, members: 2 },
        value_bytes: options.value_bytes,
        clients: READERS,
        threads: options.threads,
        pace: Pace::per_second(options.rate),
    };
    let mut load = Load::start(server.address(), &spec, 3)?;
    std::thread::sleep(options.duration / 4);
    let looping = Looping::start(TcpStream::connect(server.address())?, command);
    load.next_phase();
    std::thread::sleep(options.duration);
    load.next_phase();
    let answered = looping.stop()?;
    let phase = load.finish()?.into_iter().nth(1).expect("the second phase was measured");
    let per_second = answered as f64 / phase.elapsed.as_secs_f64();
    Ok(([0.5, 0.99, 0.999, 1.0].map(|quantile| phase.latency_ms(quantile)), per_second))
}

/// The client that loops.
struct Looping {
    stopping: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Looping {
    fn start(mut stream: TcpStream, command: &str) -> Looping {
        let (stopping, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let request = format!("{command}\r\nECHO that-was\r\n");
        let (stop, count) = (Arc::clone(&stopping), Arc::clone(&answered));
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                stream.write_all(request.as_bytes())?;
                read_to_mark(&mut stream)?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Looping { stopping, answered, thread }
    }

    /// How often it was answered until now.
    fn stop(self) -> Result<u64> {
        let answered = self.answered.load(Ordering::Relaxed);
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the client that loops panicked")??;
        Ok(answered)
    }
}

/// Nothing comes behind the mark, so it is at the end of what was read.
fn read_to_mark(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut held = 0;
    loop {
        let count = stream.read(&mut buffer[held..])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let end = held + count;
        if buffer[..end].ends_with(MARK) {
            return Ok(());
        }
        held = end.min(MARK.len());
        buffer.copy_within(end - held..end, 0);
    }
}
