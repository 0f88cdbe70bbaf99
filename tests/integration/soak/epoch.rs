//! An epoch: one run of the server process between two ends, as those who work on it see it; and a count of what really
//! happened.

use super::Reply;
use crate::support::patience::PATIENCE;
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::process::connect;
use crate::support::resp;
use crate::support::words;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The server is gone because its time was over.
#[derive(Debug)]
pub struct Gone;

pub type Run = Result<(), Gone>;

#[derive(Default)]
struct State {
    /// Nothing new is begun.
    is_over: bool,
    /// From now on connections may break.
    is_doomed: bool,
    /// Somebody has found a defect.
    is_failed: bool,
}

/// How often each ingredient of the soak has occurred.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    pub fn add(&self, what: &'static str, count: u64) {
        *self.0.lock().unwrap().entry(what).or_default() += count;
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }

    pub fn shown(&self) -> String {
        let counts = self.0.lock().unwrap();
        let shown: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        shown.join(", ")
    }
}

/// See the module's description.
pub struct Epoch<'a> {
    pub port: u16,
    pub seed: u64,
    /// Rises by one with each start of the server.
    pub number: u64,
    /// Whether there is a limit of memory, so that keys with a deadline may be evicted.
    pub is_tight: bool,
    pub tally: &'a Tally,
    state: Mutex<State>,
    changed: Condvar,
}

impl<'a> Epoch<'a> {
    pub fn new(port: u16, seed: u64, number: u64, is_tight: bool, tally: &'a Tally) -> Epoch<'a> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Epoch { port, seed, number, is_tight, tally, state, changed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What says where a defect was found.
    pub fn place(&self) -> String {
        format!(
            "SEED={} epoch {}{}",
            self.seed,
            self.number,
            if self.is_tight { " (tight)" } else { "" }
        )
    }

    /// A number for whoever needs a seed of its own.
    pub fn seed_of(&self, number: usize) -> u64 {
        (self.seed * 1_000 + self.number) * 1_000 + number as u64
    }

    pub fn is_over(&self) -> bool {
        self.state().is_over
    }

    pub fn is_failed(&self) -> bool {
        self.state().is_failed
    }

    pub fn end(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }

    /// To be called before the process is ended.
    pub fn doom(&self) {
        self.state().is_doomed = true;
        self.changed.notify_all();
    }

    pub fn fail(&self) {
        *self.state() = State { is_over: true, is_doomed: true, is_failed: true };
        self.changed.notify_all();
    }

    /// Waits for so long, or until the end.
    pub fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.state();
        while !state.is_over && !state.is_doomed {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// A connection has ended: that is in order if the process has.
    #[track_caller]
    fn gone(&self, why: &str) -> Gone {
        assert!(self.state().is_doomed, "{}: a connection has ended: {why}", self.place());
        Gone
    }

    /// The same for who has found that out by itself.
    #[track_caller]
    pub fn lost(&self) -> Gone {
        self.gone("no reply")
    }

    pub fn connect(&self, protocol: Protocol) -> Result<Line<'_>, Gone> {
        let open = || {
            let stream = connect(self.port)?;
            stream.set_nodelay(true)?;
            let connection = SocketConnection::open(stream.try_clone()?, protocol)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(Line { epoch: self, connection })
        };
        open().map_err(|error: std::io::Error| self.gone(&error.to_string()))
    }
}

/// A connection to the server of this epoch.
pub struct Line<'a> {
    epoch: &'a Epoch<'a>,
    pub connection: SocketConnection<TcpStream>,
}

impl Line<'_> {
    pub fn send(&mut self, bytes: &[u8]) -> Run {
        self.connection.send(bytes).map_err(|error| self.epoch.gone(&error.to_string()))
    }

    #[track_caller]
    pub fn receive(&mut self) -> Result<Reply, Gone> {
        match self.connection.receive() {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(self.epoch.gone("closed")),
            Err(error) => Err(self.epoch.gone(&error.to_string())),
        }
    }

    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Reply, Gone> {
        self.send(&resp::encode(words))?;
        self.receive()
    }

    /// A line as people type it, and its reply as transcripts show it.
    pub fn say(&mut self, line: &str) -> Result<String, Gone> {
        let words = words::split(line).expect("the line is well formed");
        Ok(resp::render(&self.ask(&words)?))
    }

    /// The reply must be this.
    #[track_caller]
    pub fn expect(&mut self, line: &str, wanted: &str) -> Run {
        let got = self.say(line)?;
        assert_eq!(got, wanted, "{}: {line}", self.epoch.place());
        Ok(())
    }

    /// Repeats a line until its reply is as wanted.
    #[track_caller]
    pub fn say_until(&mut self, line: &str, wanted: impl Fn(&str) -> bool) -> Result<String, Gone> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.say(line)?;
            if wanted(&reply) {
                return Ok(reply);
            }
            let place = self.epoch.place();
            assert!(
                Instant::now() < deadline,
                "{place}: {line} is not as wanted in the end: {reply}"
            );
            self.epoch.rest(Duration::from_millis(1));
        }
    }

    /// A figure of `INFO`.
    pub fn info(&mut self, name: &str) -> Result<u64, Gone> {
        let (Reply::Bulk(text) | Reply::Verbatim { text, .. }) =
            self.ask(&["INFO", "everything"])?
        else {
            panic!("INFO replies with a string");
        };
        let text = String::from_utf8(text).expect("INFO is UTF-8");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("INFO has no {name}")))
    }
}

/// Somebody who works on the server, epoch after epoch.
pub trait Member: Send {
    /// After each start, while nobody else works: what is there must be what was promised.
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run;

    /// Until the epoch is over, or the server gone.
    fn work(&mut self, epoch: &Epoch<'_>) -> Run;

    /// At the very end, when nobody works any more and the server is still there.
    fn conclude(&mut self, epoch: &Epoch<'_>) -> Run {
        self.recover(epoch)
    }
}
