//! One thread of load: many connections, one epoll.
//!
//! On a small machine the generator takes CPU time from the server that it measures, so it does little
//! per request: one `read` and one `write` per batch, one reading of the clock per batch of replies,
//! requests built in place, replies only skipped over. What it costs is printed beside the results.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::Result;
use crate::load::Pace;
use crate::replies::next_reply;
use crate::workload::Requests;

pub const EVENTS_MAX: usize = 256;
pub const READ_BYTES: usize = 64 * 1024;
/// How often a silent generator looks whether it should stop.
pub const WAKE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The server is considered dead when nothing comes back for so long.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The longest latency that is told apart from longer ones, in nanoseconds.
const LATENCY_NANOS_MAX: u64 = 120_000_000_000;
/// Requests of an open load are sent in bursts, one per tick.
pub const TICK: Duration = Duration::from_millis(1);
/// The timer's number among the connections.
const TIMER: u64 = u64::MAX;

/// What all generators are told while they run.
#[derive(Debug, Default)]
pub struct Signals {
    pub phase: AtomicUsize,
    pub stop: AtomicBool,
    /// The last phase in which something has happened, and one.
    reached: AtomicUsize,
}

impl Signals {
    /// Called now and then with what has happened in a phase so far.
    pub fn note(&self, phase: usize, tally: &Tally) {
        if tally.operations > 0 && self.reached.load(Ordering::Relaxed) <= phase {
            self.reached.fetch_max(phase + 1, Ordering::Relaxed);
        }
    }

    /// Whether something has happened in the present phase.
    pub fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed) > self.phase.load(Ordering::Relaxed)
    }
}

/// What happened in one phase.
#[derive(Clone)]
pub struct Tally {
    pub operations: u64,
    /// How many of the replies were null.
    pub nulls: u64,
    /// Nanoseconds.
    pub latencies: Histogram<u64>,
}

impl Tally {
    pub fn new() -> Tally {
        let latencies = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, 3);
        Tally { operations: 0, nulls: 0, latencies: latencies.expect("these bounds are valid") }
    }

    pub fn merge(&mut self, other: &Tally) {
        self.operations += other.operations;
        self.nulls += other.nulls;
        self.latencies.add(&other.latencies).expect("all histograms have the same bounds");
    }
}

/// Requests that were due at the same time.
struct Batch {
    due: Instant,
    unanswered: usize,
}

/// A client that sends requests.
pub struct Connection {
    pub stream: TcpStream,
    /// What was not written yet.
    pub output: Vec<u8>,
    /// The beginning of a reply that has not come completely.
    partial: Vec<u8>,
    unanswered: VecDeque<Batch>,
    /// Whether the epoll reports room in the socket, too.
    wants_room: bool,
}

/// See the module's description.
pub struct Generator {
    epoll: OwnedFd,
    timer: Option<OwnedFd>,
    connections: Vec<Connection>,
    requests: Requests,
    pace: Pace,
    tallies: Vec<Tally>,
    scratch: Vec<u8>,
    started: Instant,
    ticks: u32,
    /// The connection that sends the next request of an open load.
    next: usize,
}

impl Generator {
    /// `streams` are connected; `phases` is how many phases there will be.
    pub fn new(
        streams: Vec<TcpStream>,
        requests: Requests,
        pace: Pace,
        phases: usize,
    ) -> io::Result<Generator> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(streams.len());
        for (index, stream) in streams.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            connections.push(Connection::new(stream));
        }
        Ok(Generator {
            epoll,
            timer: None,
            connections,
            requests,
            pace,
            tallies: vec![Tally::new(); phases],
            scratch: vec![0; READ_BYTES],
            started: Instant::now(),
            ticks: 0,
            next: 0,
        })
    }

    /// Sends and receives until told to stop. Returns what happened, by phase.
    pub fn run(mut self, signals: &Signals) -> Result<Vec<Tally>> {
        self.begin()?;
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut last_answer = Instant::now();
        while !signals.stop.load(Ordering::Relaxed) {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&WAKE)) {
                Err(Errno::INTR) => continue,
                result => result?,
            };
            let phase = signals.phase.load(Ordering::Relaxed);
            for event in events.drain(..) {
                match event.data.u64() {
                    TIMER => self.tick()?,
                    index => {
                        let flags = event.flags;
                        last_answer = self.serve(index as usize, flags, phase)?;
                    }
                }
            }
            signals.note(phase, &self.tallies[phase]);
            if last_answer.elapsed() > SILENCE_MAX {
                return Err("the server has stopped answering".into());
            }
        }
        Ok(self.tallies)
    }

    fn begin(&mut self) -> Result<()> {
        self.started = Instant::now();
        match self.pace {
            Pace::Closed { pipeline } => {
                for index in 0..self.connections.len() {
                    self.submit(index, pipeline, self.started)?;
                }
            }
            Pace::Open { .. } => {
                let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
                let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
                let every_tick = Itimerspec { it_interval: tick, it_value: tick };
                timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every_tick)?;
                epoll::add(&self.epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
                self.timer = Some(timer);
            }
        }
        Ok(())
    }

    /// Sends what is due. Latency counts from when a request was due, not from when it was sent: a
    /// server that stalls is charged for everything that would have been sent meanwhile.
    fn tick(&mut self) -> Result<()> {
        let Pace::Open { per_tick } = self.pace else { return Ok(()) };
        let mut expirations = [0; 8];
        let timer = self.timer.as_ref().expect("the timer has rung");
        match rustix::io::read(timer, &mut expirations) {
            Err(Errno::AGAIN) => return Ok(()),
            result => result?,
        };
        for _ in 0..u64::from_ne_bytes(expirations) {
            self.ticks += 1;
            let due = self.started + TICK * self.ticks;
            for _ in 0..per_tick {
                self.next = (self.next + 1) % self.connections.len();
                self.submit(self.next, 1, due)?;
            }
        }
        Ok(())
    }

    fn submit(&mut self, index: usize, count: usize, due: Instant) -> Result<()> {
        let connection = &mut self.connections[index];
        let commands = (0..count).map(|_| self.requests.append(&mut connection.output)).sum();
        connection.unanswered.push_back(Batch { due, unanswered: commands });
        connection.send(&self.epoll, index)
    }

    /// Reads replies, and sends the next batch once all of the last one are there. Returns the time.
    fn serve(&mut self, index: usize, flags: EventFlags, phase: usize) -> Result<Instant> {
        let connection = &mut self.connections[index];
        if flags.contains(EventFlags::OUT) {
            connection.send(&self.epoll, index)?;
        }
        let count = connection.receive(&mut self.scratch)?;
        let now = Instant::now();
        let tally = &mut self.tallies[phase];
        let mut rest = &self.scratch[..count];
        while let Some(bytes) = next_reply(rest, self.requests.may_be_null())? {
            tally.nulls += u64::from(is_null(rest));
            rest = &rest[bytes..];
            let latency = now.saturating_duration_since(connection.answered()?);
            tally.operations += 1;
            tally.latencies.saturating_record(latency.as_nanos() as u64);
        }
        connection.partial.extend_from_slice(rest);
        if let (Pace::Closed { pipeline }, true) = (self.pace, connection.unanswered.is_empty()) {
            self.submit(index, pipeline, now)?;
        }
        Ok(now)
    }
}

impl Connection {
    pub fn new(stream: TcpStream) -> Connection {
        Connection {
            stream,
            output: Vec::new(),
            partial: Vec::new(),
            unanswered: VecDeque::new(),
            wants_room: false,
        }
    }

    /// Writes as much as the socket takes; the epoll tells when it takes more.
    pub fn send(&mut self, epoll: &OwnedFd, index: usize) -> Result<()> {
        let mut written = 0;
        while written < self.output.len() {
            match self.stream.write(&self.output[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.output.drain(..written);
        let wants_room = !self.output.is_empty();
        if wants_room != self.wants_room {
            let interest =
                if wants_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.stream, EventData::new_u64(index as u64), interest)?;
            self.wants_room = wants_room;
        }
        Ok(())
    }

    /// Reads once, behind what was left over, and returns how many bytes are there now.
    pub fn receive(&mut self, scratch: &mut Vec<u8>) -> Result<usize> {
        let held = self.partial.len();
        if scratch.len() < held + READ_BYTES {
            scratch.resize(held + READ_BYTES, 0);
        }
        scratch[..held].copy_from_slice(&self.partial);
        self.partial.clear();
        match self.stream.read(&mut scratch[held..]) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(count) => Ok(held + count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(held),
            Err(error) => Err(error.into()),
        }
    }

    /// A reply has come; when was its request due?
    fn answered(&mut self) -> Result<Instant> {
        let batch = self.unanswered.front_mut().ok_or("a reply without a request")?;
        let due = batch.due;
        batch.unanswered -= 1;
        if batch.unanswered == 0 {
            self.unanswered.pop_front();
        }
        Ok(due)
    }
}

/// Whether a reply is a null, of either kind.
fn is_null(reply: &[u8]) -> bool {
    matches!(reply, [b'$' | b'*', b'-', ..])
}
