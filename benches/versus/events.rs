//! Keyspace events: what `SET` costs when they are off, when they are on and nobody listens, and when
//! somebody does.
//!
//! Nobody listening should make them as cheap as if they were off. With a listener each `SET` is two
//! messages, and the listener must get all of them: limits of its output buffer are switched off, since it
//! runs on the same machine as server and load, and may fall behind.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memchr::memchr_iter;

use crate::Result;
use crate::options::Options;
use crate::server::{Program, Server};
use crate::subscribers::Interest;
use crate::variants::{self, Ending, Variant};
use crate::workload::{Mix, load_keys};

const ALL: Interest = Interest::Pattern("__key*__:*");
/// A message that came by a pattern is an array of four bulk strings. Neither keys nor names of events
/// contain line ends, so counting lines counts messages.
const LINES_PER_MESSAGE: u64 = 9;
/// One for the key, one for the event.
const MESSAGES_PER_SET: u64 = 2;
const READ_BYTES: usize = 256 * 1024;
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

const VARIANTS: &[Variant] = &[
    Variant {
        label: "SET, events off",
        mix: Mix::SET,
        replies: 1,
        prepare: |server| events(server, ""),
    },
    Variant {
        label: "SET, all events, nobody listens",
        mix: Mix::SET,
        replies: 1,
        prepare: |server| events(server, "AKE"),
    },
    Variant { label: "SET, all events, one listener", mix: Mix::SET, replies: 1, prepare: listen },
];

pub fn run(options: &Options, programs: &[Program]) -> Result<()> {
    let load =
        |server: &Server, options: &Options| load_keys(server, options.keys, options.value_bytes);
    variants::run("Keyspace events", &[VARIANTS], options, programs, load)
}

fn events(server: &Server, which: &str) -> Result<Ending> {
    let mut control = server.control()?;
    redis::cmd("CONFIG").arg(&["SET", "notify-keyspace-events", which]).exec(&mut control)?;
    Ok(Box::new(|| Ok(())))
}

fn listen(server: &Server) -> Result<Ending> {
    let mut control = server.control()?;
    let no_limit = ["SET", "client-output-buffer-limit", "pubsub 0 0 0"];
    redis::cmd("CONFIG").arg(&no_limit).exec(&mut control)?;
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut control)?;
    let listener = Listener::start(ALL.connect(server.address())?)?;
    let _ = events(server, "AKE")?;
    Ok(Box::new(move || listener.finish(&mut control)))
}

/// A client that reads whatever comes, on a thread of its own.
struct Listener {
    stream: TcpStream,
    lines: Arc<AtomicU64>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Listener {
    fn start(stream: TcpStream) -> Result<Listener> {
        let lines = Arc::new(AtomicU64::new(0));
        let (mut source, counter) = (stream.try_clone()?, Arc::clone(&lines));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; READ_BYTES];
            loop {
                match source.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => {
                        let ends = memchr_iter(b'\n', &buffer[..count]).count();
                        counter.fetch_add(ends as u64, Ordering::Relaxed);
                    }
                }
            }
        });
        Ok(Listener { stream, lines, thread })
    }

    /// Waits until it has heard of every `SET` that the server has executed.
    fn finish(self, control: &mut redis::Connection) -> Result<()> {
        let began = Instant::now();
        loop {
            let expected = calls_of_set(control)? * MESSAGES_PER_SET * LINES_PER_MESSAGE;
            let lines = self.lines.load(Ordering::Relaxed);
            if lines == expected {
                break;
            }
            if self.thread.is_finished() || began.elapsed() > CATCH_UP_TIMEOUT {
                let (heard, all) = (lines / LINES_PER_MESSAGE, expected / LINES_PER_MESSAGE);
                return Err(format!("the listener heard of {heard} of {all} events").into());
            }
            std::thread::sleep(POLL);
        }
        self.stream.shutdown(Shutdown::Both)?;
        Ok(self.thread.join().map_err(|_| "the listener panicked")??)
    }
}

/// Since the statistics were reset.
fn calls_of_set(control: &mut redis::Connection) -> Result<u64> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(control)?;
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_set:calls="));
    let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
    Ok(calls.ok_or("the server does not count its commands")?)
}
