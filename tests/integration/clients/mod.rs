//! Real clients against the binary. Those that are not installed are skipped with a word; `.ci/run`
//! installs them. `PYTHONPATH` and `NODE_PATH` say where else redis-py, ioredis and node-redis may be, and
//! `CELERY_PATH` where Celery is, which needs a redis-py of its own.
//!
//! Tests of clients that hear of each other also run against `redis-server`, where it is installed: what
//! a client is said to do here, it does there.

mod cli;
mod cli_tools;
mod lines;
mod listening;
mod metrics;
mod redis_crate;
mod scripts;

use super::support::ask::Ask;
use super::support::oracle::{self, Oracle};
use super::support::patience::PATIENCE;
use super::support::peer::SocketConnection;
use super::support::process::{self, Ended, Process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use tempfile::{NamedTempFile, TempDir, tempdir};

/// A server in the state in which people start it, and where its data are.
fn start() -> (Process, TempDir) {
    let directory = tempdir().unwrap();
    (Process::start(directory.path(), &[]), directory)
}

/// Whom a client talks to.
enum Server {
    Ours { process: Process, _data: TempDir },
    Redis(Oracle),
}

impl Server {
    fn port(&self) -> u16 {
        match self {
            Server::Ours { process, .. } => process.port,
            Server::Redis(oracle) => oracle.port(),
        }
    }

    /// A connection that speaks RESP2.
    fn client(&self) -> SocketConnection<TcpStream> {
        process::client(self.port())
    }
}

/// Runs a test with `redis-server`, if that is installed, and with this server.
fn with_each_server(test: impl Fn(&Server)) {
    if let Some(program) = oracle::find() {
        test(&Server::Redis(Oracle::start(&program).unwrap()));
    }
    let (process, _data) = start();
    test(&Server::Ours { process, _data });
}

/// A program that talks to the server; `None` (and a word) if it is not installed.
fn client(name: &str, port: u16) -> Option<Command> {
    let mut command = Command::new(process::installed(name)?);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    Some(command)
}

fn succeed(command: &mut Command, input: &[u8]) -> String {
    let Ended { code, stdout, stderr } = process::finish(command, input);
    assert_eq!(code, Some(0), "{command:?}\n{stdout}\n{stderr}");
    stdout
}

/// A program that goes on until it is stopped; dropping it stops it.
struct Running {
    child: Child,
    lines: Receiver<String>,
    /// Takes its standard error.
    errors: NamedTempFile,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let errors = NamedTempFile::new().expect("a file can be made");
        let to_file = errors.reopen().expect("it was just made");
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(to_file);
        let mut child = command.spawn().expect("the program runs");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            // The test may have seen enough before the program has said everything.
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Running { child, lines, errors }
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let errors = fs::read_to_string(self.errors.path()).unwrap_or_default();
            panic!("the program prints no other line:\n{errors}")
        })
    }

    /// The next lines that it prints.
    fn lines<const COUNT: usize>(&self) -> [String; COUNT] {
        std::array::from_fn(|_| self.line())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
