//! One thread of publishers and subscribers of one channel.
//!
//! A publisher sends its next pipeline when the last one was answered, and when the subscribers of its
//! thread have received, on average, all but a pipeline of each publisher: they set the pace, so nothing
//! piles up in the server that would later count as delivered by it. In the end every subscriber must have
//! every message, and every `PUBLISH` must have been answered with the number of all subscribers.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use crate::Result;
use crate::generator::{Connection, EVENTS_MAX, READ_BYTES, SILENCE_MAX, Signals, Tally, WAKE};
use crate::load::Load;
use crate::subscribers::{Frame, Interest, Subscriber};
use crate::throughput::PHASES;
use crate::workload::{Mix, Ranges, Requests};

pub const CHANNEL: &str = "news";
const PUBLISH: Mix = Mix { name: "PUBLISH", requests: &["PUBLISH news {v}"] };

/// Who publishes what to whom.
#[derive(Clone, Copy, Debug)]
pub struct CrowdSpec {
    pub interest: Interest,
    pub subscribers: usize,
    pub publishers: usize,
    pub pipeline: usize,
    pub payload_bytes: usize,
    /// Of the generator; no thread is without a publisher and a subscriber.
    pub threads: usize,
}

impl CrowdSpec {
    /// How many threads there really are.
    pub fn threads(&self) -> usize {
        self.threads.min(self.publishers).min(self.subscribers).max(1)
    }

    /// Connects everybody, and lets the publishers begin when all subscribers listen. An operation of this
    /// load is one message that one subscriber has received.
    pub fn start(&self, address: SocketAddr) -> Result<Load> {
        let threads = self.threads();
        let common = Arc::new(Common { published: AtomicU64::new(0), publishing: threads.into() });
        let mut crowds = Vec::with_capacity(threads);
        for thread in 0..threads {
            crowds.push(Crowd::new(self, address, thread, &common)?);
        }
        let run = |crowd: Crowd| move |signals: &Signals| crowd.run(signals);
        Ok(Load::of(crowds.into_iter().map(run).collect(), PHASES))
    }
}

/// What the threads know of each other.
struct Common {
    /// Messages that were sent, or are about to be.
    published: AtomicU64,
    /// Threads that have not published their last message.
    publishing: AtomicUsize,
}

struct Publisher {
    connection: Connection,
    /// Bytes of replies that have come, and that will have come when all is answered.
    received: usize,
    expected: usize,
}

/// See the module's description.
struct Crowd {
    epoll: OwnedFd,
    /// Their places are their numbers in the epoll; those of the subscribers follow.
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    frame: Frame,
    /// What each `PUBLISH` is answered.
    reply: Vec<u8>,
    requests: Requests,
    pipeline: usize,
    /// How far the subscribers may be behind when a publisher begins to send.
    lag_max: u64,
    /// Messages, of all subscribers of this thread together.
    delivered: u64,
    common: Arc<Common>,
    scratch: Vec<u8>,
}

impl Crowd {
    fn new(
        spec: &CrowdSpec,
        address: SocketAddr,
        thread: usize,
        common: &Arc<Common>,
    ) -> Result<Crowd> {
        let threads = spec.threads();
        let share = |all: usize| all / threads + usize::from(thread < all % threads);
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut publishers = Vec::new();
        for index in 0..share(spec.publishers) {
            let stream = TcpStream::connect(address)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            let connection = Connection::new(stream);
            publishers.push(Publisher { connection, received: 0, expected: 0 });
        }
        let mut subscribers = Vec::new();
        for index in 0..share(spec.subscribers) {
            let subscriber = Subscriber::new(address, spec.interest)?;
            let data = EventData::new_u64((publishers.len() + index) as u64);
            epoll::add(&epoll, &subscriber.stream, data, EventFlags::IN)?;
            subscribers.push(subscriber);
        }
        let seed = 1000 + thread as u64;
        Ok(Crowd {
            epoll,
            publishers,
            subscribers,
            frame: Frame::new(spec.interest, CHANNEL, spec.payload_bytes),
            reply: format!(":{}\r\n", spec.subscribers).into_bytes(),
            requests: Requests::new(PUBLISH, Ranges::keys(1), spec.payload_bytes, seed),
            pipeline: spec.pipeline,
            lag_max: (spec.publishers * spec.pipeline) as u64,
            delivered: 0,
            common: Arc::clone(common),
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Publishes until told to stop, and receives until everybody has everything. Returns what was
    /// delivered, by phase.
    fn run(mut self, signals: &Signals) -> Result<Vec<Tally>> {
        let mut tallies = vec![Tally::new(); PHASES];
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut last_event = Instant::now();
        let mut publishing = true;
        while publishing || !self.is_complete() {
            if signals.stop.load(Ordering::Relaxed) {
                if publishing && self.publishers.iter().all(Publisher::is_answered) {
                    publishing = false;
                    self.common.publishing.fetch_sub(1, Ordering::Release);
                    continue;
                }
            } else {
                self.publish()?;
            }
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&WAKE)) {
                Err(Errno::INTR) => continue,
                result => result?,
            };
            let phase = signals.phase.load(Ordering::Relaxed);
            let before = self.delivered;
            if !events.is_empty() {
                last_event = Instant::now();
            }
            events.drain(..).try_for_each(|event| self.serve(event))?;
            tallies[phase].operations += self.delivered - before;
            signals.note(phase, &tallies[phase]);
            if last_event.elapsed() > SILENCE_MAX {
                return Err("messages or replies are missing, and none comes any more".into());
            }
        }
        Ok(tallies)
    }

    /// Whether nobody publishes any more, and all of it has come.
    fn is_complete(&self) -> bool {
        if self.common.publishing.load(Ordering::Acquire) > 0 {
            return false;
        }
        let published = self.common.published.load(Ordering::Relaxed);
        self.subscribers.iter().all(|subscriber| subscriber.has(&self.frame, published))
    }

    /// Lets those publish whose turn it is. If none may, messages are on their way, and their arrival is
    /// the next occasion.
    fn publish(&mut self) -> Result<()> {
        let received = self.delivered / self.subscribers.len() as u64;
        for index in 0..self.publishers.len() {
            let publisher = &mut self.publishers[index];
            let published = self.common.published.load(Ordering::Relaxed);
            if !publisher.is_answered() || published - received > self.lag_max {
                continue;
            }
            self.common.published.fetch_add(self.pipeline as u64, Ordering::Relaxed);
            for _ in 0..self.pipeline {
                self.requests.append(&mut publisher.connection.output);
            }
            publisher.expected += self.pipeline * self.reply.len();
            publisher.connection.send(&self.epoll, index)?;
        }
        Ok(())
    }

    fn serve(&mut self, event: Event) -> Result<()> {
        let index = event.data.u64() as usize;
        let Some(publisher) = self.publishers.get_mut(index) else {
            let subscriber = &mut self.subscribers[index - self.publishers.len()];
            self.delivered += subscriber.receive(&self.frame, &mut self.scratch)?;
            return Ok(());
        };
        let flags = event.flags;
        if flags.contains(EventFlags::OUT) {
            publisher.connection.send(&self.epoll, index)?;
        }
        publisher.receive(&self.reply, &mut self.scratch)
    }
}

impl Publisher {
    fn is_answered(&self) -> bool {
        self.received == self.expected
    }

    /// Reads once; whatever comes must be the same reply over and over.
    fn receive(&mut self, reply: &[u8], scratch: &mut [u8]) -> Result<()> {
        let count = match self.connection.stream.read(scratch) {
            Ok(0) => return Err("the server closed the connection of a publisher".into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let must_be = reply.iter().cycle().skip(self.received % reply.len());
        if !scratch[..count].iter().zip(must_be).all(|(is, must)| is == must) {
            let is = String::from_utf8_lossy(&scratch[..count]).into_owned();
            let must = String::from_utf8_lossy(reply);
            return Err(format!("PUBLISH was not always answered {must:?}, but {is:?}").into());
        }
        self.received += count;
        Ok(())
    }
}
