//! Ten thousand connections that want nothing but memory, while others want to be served.
//!
//! First each of them sends half a frame; then each asks for large values and reads nothing. Both servers have the
//! same limit of what clients may take together. Measured is what the others see meanwhile, how large the server's
//! process has grown, and how much of that it has given back some seconds after the crowd has gone.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::load::{Load, LoadSpec, Phase};
use crate::options::Options;
use crate::process;
use crate::report::{Table, Unit, progress};
use crate::server::{Program, Server};
use crate::workload::load_keys;

/// Descriptors that this process and the servers need besides.
const RESERVED_DESCRIPTORS: usize = 200;
/// Who is served all the time.
const CLIENTS: usize = 50;
/// `maxmemory-clients` of both servers.
const CLIENT_MEMORY: &str = "256mb";
const HALF_FRAME_BYTES: usize = 8 * 1024;
const VALUE_BYTES: usize = 50 * 1024;
/// How many of these values each asks for.
const VALUES: usize = 20;

/// What one kind of crowd does to a server.
struct Figures {
    meanwhile: Phase,
    grown_bytes: f64,
    kept_bytes: f64,
    sent_away: f64,
}

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let allowed = process::descriptor_limit().saturating_sub(RESERVED_DESCRIPTORS);
    let size = options.idle_connections.min(allowed);
    let half_frame = half_frame();
    let requests = b"GET large\r\n".repeat(VALUES);
    for (what, bytes) in
        [("send half a frame", &half_frame), ("read none of their replies", &requests)]
    {
        let title = format!("{size} connections {what}; clients may take {CLIENT_MEMORY} together");
        let mut table = Table::new(title, "", programs);
        for round in 0..options.rounds {
            progress(round, what);
            for index in Options::order(round, programs.len()) {
                let figures = measure(&programs[index], size, bytes, options)?;
                let latency = [0.5, 0.99].map(|quantile| figures.meanwhile.latency_ms(quantile));
                table.record("the others, p50 / p99", Unit::Millis, index, &latency);
                let mut record =
                    |label: &str, unit, value| table.record(label, unit, index, &[value]);
                record("largest growth of the process", Unit::Megabytes, figures.grown_bytes);
                record("still there when they are gone", Unit::Megabytes, figures.kept_bytes);
                record("sent away", Unit::Count, figures.sent_away);
            }
        }
        table.print();
    }
    Ok(())
}

fn half_frame() -> Vec<u8> {
    let mut bytes = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n".to_vec();
    bytes.resize(HALF_FRAME_BYTES, b'x');
    bytes
}

fn measure(program: &Program, size: usize, bytes: &[u8], options: &Options) -> Result<Figures> {
    let server = program.start()?;
    load_keys(&server, options.keys, options.value_bytes)?;
    let mut control = server.control()?;
    redis::cmd("CLIENT").arg("NO-EVICT").arg("ON").exec(&mut control)?;
    let value = vec![b'x'; VALUE_BYTES];
    redis::cmd("SET").arg("large").arg(value).exec(&mut control)?;
    let limit = ["SET", "maxmemory-clients", CLIENT_MEMORY];
    redis::cmd("CONFIG").arg(&limit).exec(&mut control)?;
    let spec = LoadSpec::mixed(options, CLIENTS);
    let mut load = Load::start(server.address(), &spec, 3)?;
    load.wait_for_anything();
    let before = server.resident_bytes()?;
    load.next_phase();
    let (crowd, peak) = besiege(&server, size, bytes)?;
    load.wait_for_anything();
    load.next_phase();
    let sent_away = evicted_clients(&mut control)?;
    drop(crowd);
    std::thread::sleep(options.settle);
    let after = server.resident_bytes()?;
    let meanwhile = load.finish()?.into_iter().nth(1).ok_or("the second phase was measured")?;
    Ok(Figures {
        meanwhile,
        grown_bytes: peak.saturating_sub(before) as f64,
        kept_bytes: after.saturating_sub(before) as f64,
        sent_away,
    })
}

/// Lets a crowd come and send this; returns it with the largest size that the server's process was seen at.
fn besiege(server: &Server, size: usize, bytes: &[u8]) -> Result<(Vec<TcpStream>, u64)> {
    let mut crowd = Vec::with_capacity(size);
    let mut peak = 0;
    for n in 0..size {
        let mut stream = connect(server.address())?;
        // The server may have sent it away already.
        let _ = stream.write_all(bytes);
        crowd.push(stream);
        if n % 64 == 0 || n + 1 == size {
            peak = peak.max(server.resident_bytes()?);
        }
    }
    Ok((crowd, peak))
}

/// A connection for which the kernel keeps little of what it does not read.
fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

fn evicted_clients(control: &mut redis::Connection) -> Result<f64> {
    let info: String = redis::cmd("INFO").arg("stats").query(control)?;
    let line = info.lines().find_map(|line| line.strip_prefix("evicted_clients:"));
    Ok(line.ok_or("the server counts whom it sends away")?.trim().parse()?)
}
