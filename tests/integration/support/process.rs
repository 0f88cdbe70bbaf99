//! The binary as a child process: for what ends a process, and for exit codes.

use super::patience::PATIENCE;
use super::peer::{Connection, Protocol, SocketConnection};
use super::resp;
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const START_ATTEMPTS: usize = 20;

/// Says something that is to be seen although the test passes: the harness keeps what `eprintln!` prints.
pub fn announce(text: &str) {
    let _unseen = writeln!(io::stderr(), "{text}");
}

/// Says what a test leaves out. With `SKIP_NOTHING` in the environment, which is for machines that have everything,
/// the test fails instead.
pub fn skip(what: &str) {
    assert!(env::var_os("SKIP_NOTHING").is_none(), "nothing may be skipped: {what}");
    announce(&format!("skipped: {what}"));
}

/// Where a program is; if it is not installed, what needs it is skipped.
pub fn installed(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// A running server; killed when dropped.
pub struct Process {
    child: Child,
    pub port: u16,
    /// Where its standard error goes.
    log: PathBuf,
    _own: TempDir,
}

/// A run that ended by itself.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// In a data directory that outlives the process; returns when it answers `PING`.
    pub fn start(data: &Path, flags: &[&str]) -> Process {
        Self::start_until(data, flags, |ping| !ping.starts_with("-LOADING"))
    }

    /// The same, but returns when it says that it is loading.
    pub fn start_loading(data: &Path, flags: &[&str]) -> Process {
        Self::start_until(data, flags, |ping| ping.starts_with("-LOADING"))
    }

    fn start_until(data: &Path, flags: &[&str], is_wanted: fn(&str) -> bool) -> Process {
        for _ in 0..START_ATTEMPTS {
            let port = free_port();
            let mut process = Self::spawn(data, port, flags);
            if process.answers(is_wanted) {
                return process;
            }
            // Somebody else may have taken the port in between; then another one is tried.
            let log = process.log();
            assert!(log.contains(&format!(":{port}: ")), "the server does not start:\n{log}");
        }
        panic!("no port is free");
    }

    /// On a port where a process has ended, for clients that come back. Somebody else may have the port for a
    /// moment.
    pub fn start_again(data: &Path, port: u16, flags: &[&str]) -> Process {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut process = Self::spawn(data, port, flags);
            if process.answers(|ping| !ping.starts_with("-LOADING")) {
                return process;
            }
            assert!(Instant::now() < deadline, "the server does not start:\n{}", process.log());
        }
    }

    fn spawn(data: &Path, port: u16, flags: &[&str]) -> Process {
        let own = TempDir::with_prefix("sanderling-process-").expect("a directory can be made");
        let log = own.path().join("stderr");
        let child = Command::new(env!("CARGO_BIN_EXE_sanderling"))
            .args(["--port", &port.to_string(), "--data-dir"])
            .arg(data)
            .args(flags)
            .current_dir(own.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the log can be written"))
            .spawn()
            .expect("the binary runs");
        Process { child, port, log, _own: own }
    }

    /// Waits until the server replies to `PING` as wanted, or has ended.
    fn answers(&mut self, is_wanted: fn(&str) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait().expect("a child can be waited for").is_some() {
                return false;
            }
            if let Ok(stream) = connect(self.port) {
                let opened = SocketConnection::open(stream, Protocol::Resp2);
                let mut connection = opened.expect("the server answers");
                // A server that is just stopping on this port closes without a reply.
                let mut ask = |words: &[&str]| {
                    connection.send(&resp::encode(words)).ok()?;
                    Some(resp::render(&connection.receive().ok()??))
                };
                let replies = ask(&["INFO", "server"]).zip(ask(&["PING"]));
                if replies.is_some_and(|(info, ping)| !self.is_other(&info) && is_wanted(&ping)) {
                    return true;
                }
            }
            std::thread::yield_now();
        }
        panic!("the server neither serves nor ends:\n{}", self.log());
    }

    /// Whether the server that gave this reply to `INFO server` is another test's, which took the port
    /// before the child could. The child will notice and end.
    fn is_other(&self, info: &str) -> bool {
        info.contains("process_id:")
            && !info.contains(&format!("process_id:{}\\r", self.child.id()))
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log can be read")
    }

    /// A connection that speaks RESP2.
    pub fn client(&self) -> SocketConnection<TcpStream> {
        client(self.port)
    }

    /// How many threads it runs.
    pub fn threads(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.child.id());
        fs::read_dir(tasks).expect("a running process has threads").count()
    }

    /// How many files, sockets and so on it has open.
    pub fn descriptors(&self) -> usize {
        let open = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(open).expect("a running process has descriptors").count()
    }

    /// Sends SIGKILL.
    pub fn signal_kill(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::KILL).expect("a running child can be signalled");
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("a running child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Sends SIGTERM.
    pub fn signal_term(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("a running child can be signalled");
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(self) -> ExitStatus {
        self.signal_term();
        self.wait()
    }

    /// Waits for the end, which something else has brought about.
    pub fn wait(mut self) -> ExitStatus {
        wait_for(&mut self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary with exactly these arguments; it must end by itself.
pub fn run(args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sanderling"));
    finish(command.args(args).env_remove("RUST_LOG"), b"")
}

/// Runs any program to its end.
pub fn finish(command: &mut Command, input: &[u8]) -> Ended {
    let (status, stdout, stderr) = finish_with_bytes(command, input);
    let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// The same for a program that may print anything. Files take it, since a full pipe would stop the program.
pub fn finish_with_bytes(command: &mut Command, input: &[u8]) -> (ExitStatus, Vec<u8>, Vec<u8>) {
    let own = TempDir::with_prefix("program-").expect("a directory can be made");
    let path = |name: &str| own.path().join(name);
    let create = |name| File::create(path(name)).expect("a file can be made");
    fs::write(path("stdin"), input).expect("a file can be written");
    let mut child = command
        .stdin(File::open(path("stdin")).expect("it was just written"))
        .stdout(create("stdout"))
        .stderr(create("stderr"))
        .spawn()
        .expect("the program runs");
    let status = wait_for(&mut child);
    let read = |name| fs::read(path(name)).expect("the file is there");
    (status, read("stdout"), read("stderr"))
}

/// Where a program is, if it is installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn wait_for(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the process does not end");
        }
        std::thread::yield_now();
    }
}

/// Connects to a port on which somebody may listen. While nobody does, the system may choose the same port
/// for the near end, and the connection would be one with itself.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection to a server on this port that speaks RESP2.
pub fn client(port: u16) -> SocketConnection<TcpStream> {
    let stream = connect(port).expect("the server accepts");
    SocketConnection::open(stream, Protocol::Resp2).expect("the server answers")
}

/// A port that nobody used a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a listener has an address").port()
}
