//! A real `redis-server` as the judge of what transcripts claim.
//!
//! Every instance lives in a temporary directory and is reached over its unix socket until it has
//! found a free port on the loopback interface; from then on clients use TCP, because some replies
//! tell addresses. Its clock cannot be moved, so what comes after an `@advance` is skipped.

use super::patience::PATIENCE;
use super::peer::{Connection, Need, Peer, Protocol, SocketConnection};
use super::process;
use super::resp::{self, Reply};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PORT_ATTEMPTS: usize = 20;

/// A running `redis-server`, ended when dropped.
pub struct Oracle {
    server: Child,
    port: u16,
    version: (u32, u32),
    /// Holds the socket and whatever the server writes; removed after the server has ended.
    _directory: TempDir,
}

/// Where `redis-server` is; if it is not installed, what compares with it is skipped.
pub fn find() -> Option<PathBuf> {
    process::installed("redis-server")
}

impl Oracle {
    /// Starts `program` and returns when it answers.
    pub fn start(program: &Path) -> io::Result<Self> {
        let directory = TempDir::with_prefix("oracle-")?;
        let data = directory.path().to_owned();
        Self::start_in(program, &data, &["--appendonly", "no"], directory)
    }

    /// The same with these flags, on what is stored in a directory that the caller keeps; returns when that
    /// is loaded.
    pub fn start_on(program: &Path, data: &Path, flags: &[&str]) -> io::Result<Self> {
        Self::start_in(program, data, flags, TempDir::with_prefix("oracle-")?)
    }

    /// Where it listens on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn start_in(
        program: &Path,
        data: &Path,
        flags: &[&str],
        directory: TempDir,
    ) -> io::Result<Self> {
        let socket = directory.path().join("redis.sock");
        let server = Command::new(program)
            .args(["--port", "0", "--bind", "127.0.0.1", "--save", ""])
            .args(flags)
            .args(["--enable-debug-command", "yes", "--daemonize", "no"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut oracle = Self { server, port: 0, version: (0, 0), _directory: directory };
        let mut control = oracle.wait_until_ready(&socket)?;
        oracle.wait_until_loaded(&mut control)?;
        oracle.version = version(&mut control)?;
        oracle.port = listen_on_loopback(&mut control)?;
        // Otherwise it might still be counted when the first section looks who is connected.
        Box::new(control).finish()?;
        Ok(oracle)
    }

    fn wait_until_ready(&mut self, socket: &Path) -> io::Result<SocketConnection<UnixStream>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(stream) = UnixStream::connect(socket) {
                return SocketConnection::open(stream, Protocol::Resp2);
            }
            if let Some(status) = self.server.try_wait()? {
                return Err(io::Error::other(format!("redis-server ended at once: {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("redis-server does not answer"));
            }
            std::thread::yield_now();
        }
    }

    fn wait_until_loaded(&mut self, control: &mut dyn Connection) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while ask(control, &["PING"])? != Reply::Simple(b"PONG".to_vec()) {
            if Instant::now() > deadline {
                return Err(io::Error::other("redis-server does not finish loading"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Peer for Oracle {
    fn connect(&mut self, protocol: Protocol) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        Ok(Box::new(SocketConnection::open(stream, protocol)?))
    }

    fn advance(&mut self, _by: Duration) -> bool {
        false
    }

    fn has(&self, need: &Need) -> bool {
        match need {
            Need::Since { major, minor } => self.version >= (*major, *minor),
            Need::Sanderling => false,
        }
    }
}

fn ask(control: &mut dyn Connection, words: &[&str]) -> io::Result<Reply> {
    control.send(&resp::encode(words))?;
    control.receive()?.ok_or_else(|| io::Error::other("redis-server closed the connection"))
}

/// Major and minor version from `INFO server`.
fn version(control: &mut dyn Connection) -> io::Result<(u32, u32)> {
    let unknown = || io::Error::other("redis-server does not tell its version");
    let Reply::Bulk(info) = ask(control, &["INFO", "server"])? else { return Err(unknown()) };
    let info = String::from_utf8_lossy(&info).into_owned();
    let text = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    let mut numbers = text.ok_or_else(unknown)?.split('.').map_while(|part| part.parse().ok());
    numbers.next().zip(numbers.next()).ok_or_else(unknown)
}

/// Lets the server listen on a port that nobody uses. Another process may take the port between
/// the choice and its use, which the server reports as an error; then another one is tried.
fn listen_on_loopback(control: &mut dyn Connection) -> io::Result<u16> {
    for _ in 0..PORT_ATTEMPTS {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let reply = ask(control, &["CONFIG", "SET", "port", &port.to_string()])?;
        if reply == Reply::Simple(b"OK".to_vec()) {
            return Ok(port);
        }
    }
    Err(io::Error::other("redis-server found no free port"))
}
