//! The servers: children of this process, each in a directory of its own, on a loopback port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::process;

/// To be connected, and asked something by a server that is idle.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Tens of millions of keys are loaded before a server is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(900);
/// Somebody else may take a port between its choice and its use.
const START_ATTEMPTS: usize = 5;
const RETRY: Duration = Duration::from_millis(5);
/// No answer to a control command takes longer than this.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sanderling,
    Redis,
}

/// A server that can be started.
pub struct Program {
    /// For headings: name and version.
    pub name: String,
    kind: Kind,
    path: PathBuf,
    workers: Option<usize>,
    /// `appendfsync`, or `off`.
    log: String,
}

impl Program {
    pub fn sanderling(path: &Path, workers: Option<usize>, log: &str) -> Program {
        let name = match workers {
            None => "sanderling".to_owned(),
            Some(count) => format!("sanderling --workers {count}"),
        };
        let (path, log) = (path.to_owned(), log.to_owned());
        Program { name, kind: Kind::Sanderling, path, workers, log }
    }

    /// Fails if it is not installed.
    pub fn redis(path: &Path, log: &str) -> Result<Program> {
        let output = Command::new(path)
            .arg("--version")
            .output()
            .map_err(|error| format!("cannot run {}: {error}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
        let name = format!("redis {}", version.unwrap_or("of unknown version"));
        let (path, log) = (path.to_owned(), log.to_owned());
        Ok(Program { name, kind: Kind::Redis, path, workers: None, log })
    }

    /// The same program with another log policy.
    pub fn with_log(&self, log: &str) -> Program {
        let (name, path) = (self.name.clone(), self.path.clone());
        Program { name, kind: self.kind, path, workers: self.workers, log: log.to_owned() }
    }

    /// Starts it, without save points, and returns when it answers.
    pub fn start(&self) -> Result<Server> {
        self.start_in(Arc::new(TempDir::with_prefix("versus-")?))
    }

    /// The same in a directory that another server used before, and left.
    pub fn start_in(&self, directory: Arc<TempDir>) -> Result<Server> {
        let mut last_error = None;
        for _ in 0..START_ATTEMPTS {
            match self.start_on(free_port()?, &directory) {
                Ok(server) => return Ok(server),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.expect("there was at least one attempt"))
    }

    fn start_on(&self, port: u16, directory: &Arc<TempDir>) -> Result<Server> {
        let child = self.command(port, directory.path()).spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let directory = Arc::clone(directory);
        let mut server = Server { child, address, kind: self.kind, directory };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn command(&self, port: u16, directory: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        // One part lets a client sleep.
        command.args(["--enable-debug-command", "yes"]);
        // The idle part needs one connection more than its own.
        command.args(["--maxclients", "10100"]);
        if self.log == "off" {
            command.args(["--appendonly", "no"]);
        } else {
            command.args(["--appendonly", "yes", "--appendfsync", &self.log]);
            // Neither rewrites the log in the middle of a measurement.
            command.args(["--auto-aof-rewrite-percentage", "0"]);
        }
        if self.kind == Kind::Redis {
            command.args(["--daemonize", "no"]);
        }
        command.arg("--dir").arg(directory);
        if let Some(workers) = self.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A running server; dropping it ends it.
pub struct Server {
    child: Child,
    address: SocketAddr,
    kind: Kind,
    /// Removed after the last server in it has ended.
    directory: Arc<TempDir>,
}

impl Server {
    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let answers = self
                .control()
                .and_then(|mut control| Ok(redis::cmd("PING").query::<String>(&mut control)?));
            let Err(error) = answers else { return Ok(()) };
            if let Some(status) = self.child.try_wait()? {
                return Err(
                    format!("the server on port {} ended: {status}", self.address.port()).into()
                );
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "the server on port {} does not answer: {error}",
                    self.address.port()
                )
                .into());
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Stops the server in order, without a snapshot. Returns what it leaves behind.
    pub fn stop(mut self) -> Result<Arc<TempDir>> {
        // The connection ends instead of a reply.
        let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").exec(&mut self.control()?);
        self.child.wait()?;
        Ok(Arc::clone(&self.directory))
    }

    /// A connection for commands that steer the measurement.
    pub fn control(&self) -> Result<redis::Connection> {
        let client = redis::Client::open(format!("redis://{}/", self.address))?;
        let connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
        connection.set_read_timeout(Some(CONTROL_TIMEOUT))?;
        connection.set_write_timeout(Some(CONTROL_TIMEOUT))?;
        Ok(connection)
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn cpu_time(&self) -> io::Result<Duration> {
        process::cpu_time(self.child.id())
    }

    /// With what children have used that have ended, which is what Redis forks for a snapshot.
    pub fn cpu_time_with_children(&self) -> io::Result<Duration> {
        process::cpu_time_with_children(self.child.id())
    }

    /// See [`process::cpu_time_of_threads`].
    pub fn cpu_time_of_threads(&self) -> io::Result<Duration> {
        process::cpu_time_of_threads(self.child.id())
    }

    /// A line of `INFO`.
    pub fn info_figure(&self, name: &str) -> Result<f64> {
        let text: String = redis::cmd("INFO").arg("everything").query(&mut self.control()?)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.ok_or("INFO lacks a line")?.parse()?)
    }

    pub fn resident_bytes(&self) -> io::Result<u64> {
        process::resident_bytes(self.child.id())
    }

    pub fn peak_resident_bytes(&self) -> io::Result<u64> {
        process::peak_resident_bytes(self.child.id())
    }

    pub fn reset_peak_resident_bytes(&self) -> io::Result<()> {
        process::reset_peak_resident_bytes(self.child.id())
    }

    /// Processes that the server forked.
    pub fn children(&self) -> io::Result<Vec<u32>> {
        process::children(self.child.id())
    }

    /// The snapshot, once it is complete. Both servers write it under another name first.
    pub fn snapshot_file(&self) -> io::Result<Option<PathBuf>> {
        for entry in std::fs::read_dir(self.directory.path())? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let complete = match self.kind {
                Kind::Redis => name == "dump.rdb",
                Kind::Sanderling => name.starts_with("snapshot-") && name.ends_with(".txt"),
            };
            if complete {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

impl Drop for Server {
    /// Also on the way out of a panic. An error means that the server has ended by itself.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
