//! Idle connections: what they cost while nobody says anything.
//!
//! Measured when all have connected and said nothing yet, and again some seconds after each has sent one
//! command, because servers give buffers back only after a while. Sockets are the kernel's memory and not
//! counted here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Result;
use crate::options::Options;
use crate::process;
use crate::report::{Table, Unit, progress};
use crate::server::Program;

/// Descriptors that this process and the servers need besides.
const RESERVED_DESCRIPTORS: usize = 100;
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

struct Figures {
    silent_bytes: f64,
    used_bytes: f64,
    cpu_percent: f64,
}

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let allowed = process::descriptor_limit().saturating_sub(RESERVED_DESCRIPTORS);
    let count = options.idle_connections.min(allowed);
    let mut table = Table::new(format!("{count} idle connections (less is better)"), "", programs);
    for round in 0..options.rounds {
        progress(round, "idle connections");
        for index in Options::order(round, programs.len()) {
            let figures = measure(&programs[index], count, options.settle)?;
            let mut record =
                |label: &str, unit, figure| table.record(label, unit, index, &[figure]);
            record("bytes per connection, never used", Unit::Bytes, figures.silent_bytes);
            record("bytes per connection, used once", Unit::Bytes, figures.used_bytes);
            record("CPU of the server, of one core", Unit::Percent, figures.cpu_percent);
        }
    }
    table.print();
    Ok(())
}

fn measure(program: &Program, count: usize, settle: Duration) -> Result<Figures> {
    let server = program.start()?;
    let before = server.resident_bytes()?;
    let mut streams: Vec<TcpStream> = Vec::with_capacity(count);
    for _ in 0..count {
        streams.push(TcpStream::connect(server.address())?);
    }
    // The last one is answered when all were accepted.
    streams.last_mut().map(ping).transpose()?;
    let silent = server.resident_bytes()?;
    streams.iter_mut().try_for_each(ping)?;
    let cpu_before = server.cpu_time()?;
    std::thread::sleep(settle);
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    let used = server.resident_bytes()?;
    let per_connection = |bytes: u64| bytes.saturating_sub(before) as f64 / count as f64;
    Ok(Figures {
        silent_bytes: per_connection(silent),
        used_bytes: per_connection(used),
        cpu_percent: cpu.as_secs_f64() / settle.as_secs_f64() * 100.0,
    })
}

fn ping(stream: &mut TcpStream) -> Result<()> {
    let mut reply = [0; 7];
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream.write_all(b"PING\r\n")?;
    stream.read_exact(&mut reply)?;
    if &reply != b"+PONG\r\n" {
        return Err(format!("unexpected reply: {}", String::from_utf8_lossy(&reply)).into());
    }
    Ok(())
}
