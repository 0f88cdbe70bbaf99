//! A trace, sent to a server as the requests of a read-through cache: GET, and SET of what is missing.
//!
//! One thread and a few connections. In turns, each connection gets the next requests of the trace in one
//! batch; when they have been answered, each sets what it has missed. Requests that are under way at the
//! same time do not know of each other, so a key may be missed twice in 256 requests. That is the same
//! for every server, and too rare to be seen in the figures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Result;
use crate::replies::next_reply;
use crate::server::Server;
use crate::traces::Trace;

const CONNECTIONS: usize = 4;
/// Requests that a connection sends at once.
const BATCH: usize = 64;
pub const VALUE_BYTES: usize = 100;
const READ_BYTES: usize = 64 * 1024;
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What a replay showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// From the end of the warm-up on.
    pub requests: u64,
    pub hits: u64,
    /// SETs that were refused for want of memory, in the whole replay.
    pub refused: u64,
    /// Keys in the server at the end.
    pub resident: usize,
    pub elapsed: Duration,
}

impl Outcome {
    pub fn hit_ratio(&self) -> f64 {
        self.hits as f64 / self.requests as f64
    }
}

/// A server's limits, and how fast it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub maxmemory: usize,
    pub policy: &'a str,
    /// Requests per second; as fast as they are answered if `None`.
    pub rate: Option<u64>,
}

impl Setting<'_> {
    fn apply(&self, control: &mut redis::Connection) -> Result<()> {
        let memory = self.maxmemory.to_string();
        for (name, value) in [("maxmemory", memory.as_str()), ("maxmemory-policy", self.policy)] {
            redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(control)?;
        }
        Ok(())
    }
}

/// Sends the trace to a server that is empty.
pub fn replay(
    server: &Server,
    trace: &Trace,
    warm_up: usize,
    setting: Setting<'_>,
) -> Result<Outcome> {
    let mut control = server.control()?;
    setting.apply(&mut control)?;
    let mut connections = connect(server.address())?;
    let mut outcome = Outcome::default();
    let began = Instant::now();
    for (round, keys) in trace.keys.chunks(CONNECTIONS * BATCH).enumerate() {
        let sent = round * CONNECTIONS * BATCH;
        pause(began, sent, setting.rate);
        let misses = serve(&mut connections, keys)?;
        outcome.refused += misses.refused;
        if sent >= warm_up {
            outcome.requests += keys.len() as u64;
            outcome.hits += keys.len() as u64 - misses.count;
        }
    }
    outcome.elapsed = began.elapsed();
    outcome.resident = redis::cmd("DBSIZE").query(&mut control)?;
    Ok(outcome)
}

/// How many keys of the size that replays use a server holds: more are added than its memory has room for.
pub fn capacity(server: &Server, maxmemory: usize) -> Result<usize> {
    let setting = Setting { maxmemory, policy: "allkeys-random", rate: None };
    let mut control = server.control()?;
    setting.apply(&mut control)?;
    let mut connections = connect(server.address())?;
    let keys: Vec<u32> = (0..(2 * maxmemory / VALUE_BYTES) as u32).collect();
    for keys in keys.chunks(CONNECTIONS * BATCH) {
        serve(&mut connections, keys)?;
    }
    Ok(redis::cmd("DBSIZE").query(&mut control)?)
}

/// Waits until it is time for the request of this number.
fn pause(began: Instant, number: usize, rate: Option<u64>) {
    let Some(rate) = rate else { return };
    let due = Duration::from_secs_f64(number as f64 / rate as f64);
    std::thread::sleep(due.saturating_sub(began.elapsed()));
}

#[derive(Default)]
struct Misses {
    count: u64,
    refused: u64,
}

/// One batch for each connection: GETs, then SETs of what they missed.
fn serve(connections: &mut [Connection], keys: &[u32]) -> Result<Misses> {
    let mut misses = Misses::default();
    for (connection, keys) in connections.iter_mut().zip(keys.chunks(BATCH)) {
        connection.send_gets(keys)?;
    }
    for connection in connections.iter_mut() {
        misses.count += connection.set_missed()?;
    }
    for connection in connections {
        misses.refused += connection.count_refused()?;
    }
    Ok(misses)
}

/// A client and what it waits for.
struct Connection {
    stream: TcpStream,
    output: Vec<u8>,
    input: Vec<u8>,
    /// Bytes of the input that were used.
    taken: usize,
    /// Keys asked for, then keys set.
    pending: Vec<u32>,
}

fn connect(address: SocketAddr) -> Result<Vec<Connection>> {
    let connect = |_| {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let (output, input, pending) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Connection { stream, output, input, taken: 0, pending })
    };
    (0..CONNECTIONS).map(connect).collect()
}

impl Connection {
    fn send_gets(&mut self, keys: &[u32]) -> Result<()> {
        for key in keys {
            write!(self.output, "*2\r\n$3\r\nGET\r\n$12\r\nkey:{key:08}\r\n")?;
        }
        self.pending = keys.to_vec();
        self.send()
    }

    /// Reads what the GETs brought and sends the SETs. Returns the number of misses.
    fn set_missed(&mut self) -> Result<u64> {
        let mut missed = Vec::new();
        for key in std::mem::take(&mut self.pending) {
            self.next(|reply| match reply {
                b"$-1\r\n" => {
                    missed.push(key);
                    Ok(())
                }
                hit => check_value(hit, key),
            })?;
        }
        for key in &missed {
            write!(
                self.output,
                "*3\r\n$3\r\nSET\r\n$12\r\nkey:{key:08}\r\n${VALUE_BYTES}\r\n{key:0VALUE_BYTES$}\r\n"
            )?;
        }
        self.pending = missed;
        self.send()?;
        Ok(self.pending.len() as u64)
    }

    fn count_refused(&mut self) -> Result<u64> {
        let mut refused = 0;
        for _ in std::mem::take(&mut self.pending) {
            self.next(|reply| {
                refused += u64::from(reply != b"+OK\r\n");
                Ok(())
            })?;
        }
        Ok(refused)
    }

    fn send(&mut self) -> Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Hands over the next reply.
    fn next(&mut self, take: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        loop {
            if let Some(bytes) = reply_bytes(&self.input[self.taken..])? {
                let reply = &self.input[self.taken..self.taken + bytes];
                self.taken += bytes;
                return take(reply);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        self.input.drain(..std::mem::take(&mut self.taken));
        let old = self.input.len();
        self.input.resize(old + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[old..])?;
        self.input.truncate(old + read);
        if read == 0 { Err("the server has closed a connection".into()) } else { Ok(()) }
    }
}

/// Bytes of the first reply, or `None` if it is not complete. Here errors are replies like others.
fn reply_bytes(input: &[u8]) -> Result<Option<usize>> {
    match input.first() {
        Some(b'-') => Ok(memchr::memchr(b'\n', input).map(|end| end + 1)),
        _ => next_reply(input, true),
    }
}

/// A hit that brings something else would be worse than a miss.
fn check_value(reply: &[u8], key: u32) -> Result<()> {
    let expected = format!("${VALUE_BYTES}\r\n{key:0VALUE_BYTES$}\r\n");
    if reply == expected.as_bytes() {
        return Ok(());
    }
    let found = String::from_utf8_lossy(reply);
    Err(format!("GET of key {key} brought {found}").into())
}
