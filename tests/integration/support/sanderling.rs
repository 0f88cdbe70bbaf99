//! This server as a peer: started in the test's process, with a clock that the test moves.

use super::patience::PATIENCE;
use super::peer::{Connection, Need, Peer, Protocol, SocketConnection};
use super::process::{connect, free_port};
use super::resp::Reply;
use sanderling::base::clock::Clock;
use sanderling::config::flags::{self, CommandLine};
use sanderling::config::{Config, password};
use sanderling::exec::Engine;
use sanderling::persist::disk::{Disk, SystemDisk};
use sanderling::server::{Ended, Server, StartupError, Surroundings};
use std::ffi::OsString;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where a manual clock begins: some day in 2026, in Unix milliseconds.
pub const START_MS: i64 = 1_790_000_000_000;
const PORT_ATTEMPTS: usize = 20;

/// A configuration as the command line would give it.
pub fn config(flags: &[&str]) -> Config {
    let words = ["sanderling"].iter().chain(flags).map(OsString::from);
    let CommandLine::Run(flags) = flags::parse(words).expect("the flags are valid") else {
        panic!("these flags only print something");
    };
    let mut random = sanderling::base::random::Random::seeded(1);
    let secret = password::find(&flags.password, &mut random).expect("a password is found");
    let (config, _) = Config::load(&flags, secret.as_ref().map(|found| found.secret.as_str()))
        .expect("the configuration loads");
    config
}

/// A running server; stops without saving when dropped.
pub struct Sanderling {
    engine: Arc<Engine>,
    stopping: Option<Box<dyn FnOnce()>>,
    pub port: u16,
    /// What it keeps on disk, unless the test keeps it.
    _directory: Option<TempDir>,
}

impl Sanderling {
    /// With default settings but for `flags`, in a directory of its own.
    pub fn start(flags: &[&str]) -> Self {
        let directory =
            TempDir::with_prefix("sanderling-").expect("a temporary directory can be made");
        let mut server = Self::start_in(directory.path(), flags);
        server._directory = Some(directory);
        server
    }

    /// In a directory that outlives the server.
    pub fn start_in(directory: &Path, flags: &[&str]) -> Self {
        Self::start_at(START_MS, directory, flags)
    }

    /// The same at another time than [`START_MS`].
    pub fn start_at(unix_ms: i64, directory: &Path, flags: &[&str]) -> Self {
        Self::start_on(Arc::new(SystemDisk), unix_ms, directory, flags)
    }

    /// The same on another disk than the machine's.
    pub fn start_on(disk: Arc<dyn Disk>, unix_ms: i64, directory: &Path, flags: &[&str]) -> Self {
        Self::try_start_on(disk, unix_ms, directory, flags)
            .unwrap_or_else(|problem| panic!("the server does not start: {problem}"))
    }

    /// The same, or why it does not start.
    pub fn try_start_on(
        disk: Arc<dyn Disk>,
        unix_ms: i64,
        directory: &Path,
        flags: &[&str],
    ) -> Result<Self, String> {
        Self::start_by(directory, flags, |config| {
            let surroundings = Surroundings::with_clock(Clock::manual(unix_ms));
            Server::start(config, Surroundings { disk: Arc::clone(&disk), ..surroundings })
        })
    }

    /// Starts it in this way, on a port that is free.
    pub fn start_by(
        directory: &Path,
        flags: &[&str],
        start: impl Fn(Config) -> Result<Server, StartupError>,
    ) -> Result<Self, String> {
        let dir = directory.to_str().expect("temporary paths are UTF-8");
        let mut problem = String::new();
        for _ in 0..PORT_ATTEMPTS {
            let text = free_port().to_string();
            let mut all = vec!["--port", &text, "--data-dir", dir];
            all.extend_from_slice(flags);
            // Somebody else may take the port in between; then another one is tried.
            match start(config(&all)) {
                Ok(server) => return Ok(Self::wrap(server, text.parse().expect("it was a port"))),
                Err(StartupError::Listen { error, .. }) => problem = error.to_string(),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(problem)
    }

    fn wrap(server: Server, port: u16) -> Self {
        let engine = Arc::clone(server.engine());
        let stop = server.stopper();
        let thread: JoinHandle<Ended> = std::thread::spawn(move || server.wait());
        let stopping = Box::new(move || {
            stop();
            thread.join().expect("the server stops in order");
        });
        Self { engine, stopping: Some(stopping), port, _directory: None }
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub fn connect_tcp(&self) -> io::Result<TcpStream> {
        connect(self.port)
    }

    /// A connection that speaks RESP2.
    pub fn client(&self) -> SocketConnection<TcpStream> {
        self.client_with(Protocol::Resp2)
    }

    pub fn client_with(&self, protocol: Protocol) -> SocketConnection<TcpStream> {
        let stream = self.connect_tcp().expect("the server accepts");
        SocketConnection::open(stream, protocol).expect("the server answers")
    }
}

impl Drop for Sanderling {
    fn drop(&mut self) {
        if let Some(stop) = self.stopping.take() {
            stop();
        }
    }
}

/// A connection during whose `DEBUG SLEEP` the clock goes on.
struct Ticking {
    inner: SocketConnection<TcpStream>,
    stream: TcpStream,
    engine: Arc<Engine>,
    sleeping: bool,
}

impl Ticking {
    /// Moves the clock until there is something to read.
    fn tick(&mut self) -> io::Result<()> {
        const STEP: Duration = Duration::from_millis(5);
        self.stream.set_read_timeout(Some(STEP))?;
        let give_up = Instant::now() + PATIENCE;
        while self.stream.peek(&mut [0]).is_err() && Instant::now() < give_up {
            self.engine.clock.advance(STEP);
        }
        self.stream.set_read_timeout(Some(PATIENCE))
    }
}

impl Connection for Ticking {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sleeping = bytes.to_ascii_uppercase().windows(5).any(|word| word == b"SLEEP");
        self.inner.send(bytes)
    }

    fn close_sending(&mut self) -> io::Result<()> {
        self.inner.close_sending()
    }

    fn receive(&mut self) -> io::Result<Option<Reply>> {
        if std::mem::take(&mut self.sleeping) {
            self.tick()?;
        }
        self.inner.receive()
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<Reply>> {
        Box::new(self.inner).finish()
    }
}

impl Peer for Sanderling {
    fn connect(&mut self, protocol: Protocol) -> io::Result<Box<dyn Connection>> {
        let stream = self.connect_tcp()?;
        let inner = SocketConnection::open(stream.try_clone()?, protocol)?;
        Ok(Box::new(Ticking { inner, stream, engine: Arc::clone(&self.engine), sleeping: false }))
    }

    fn advance(&mut self, by: Duration) -> bool {
        self.engine.clock.advance(by);
        true
    }

    fn has(&self, need: &Need) -> bool {
        match need {
            // Of later versions, transcripts have what is implemented.
            Need::Since { .. } | Need::Sanderling => true,
        }
    }
}
