//! The slow lane: a queue for commands that would keep a worker busy for long.
//!
//! A worker that finds, with a command's keys locked, that much is to be done (`Spec::work`) takes copies of the keys'
//! entries (`store::copies`), puts the command in here and turns to its other connections. One thread of low priority
//! takes the commands out, first come, first served, and executes them (`exec::slow::worker`). The client waits like one
//! that waits for keys: its next requests stay unread until its reply comes by mail.
//!
//! A client has one command in here at most, so there are never more than there are clients. What its connection's
//! end finds still in the queue is not executed; what is being executed then is executed to its end.
//!
//! Limits: one thread works for all, so a client may wait for another's long command, but only if its own is long, too.
//! Transactions, the commands of clients that waited for keys, and what the log repeats are executed where they are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::sync::{Condvar, Mutex, Rank};
use crate::exec::asker::Asker;
use crate::exec::table::registry::Command;
use crate::exec::table::spec::Spec;
use crate::resp::ArgList;
use crate::session::{Origin, Session};
use crate::store::{Copies, View};

/// More elements than this are for the slow lane: about half a millisecond of work.
const WORK_MAX: usize = 4096;
/// How soon what may not be executed yet is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// A command that a client waits for.
pub(in crate::exec) struct Job {
    pub command: Command,
    pub asker: Asker,
    /// Of what it declares; `None` if it declares nothing.
    pub copies: Option<Copies>,
    /// It may not be executed now (`CLIENT PAUSE`).
    is_postponed: bool,
}

impl Job {
    pub(in crate::exec) fn new(
        command: Command,
        session: &Session,
        args: ArgList<'_>,
        copies: Option<Copies>,
    ) -> Job {
        Job { command, asker: Asker::new(session, args), copies, is_postponed: false }
    }

    /// What it takes; copies of entries are references to what the store holds.
    fn memory_bytes(&self) -> usize {
        size_of::<Job>() + self.asker.memory_bytes()
    }
}

/// See the module's description.
pub struct SlowLane {
    queue: Mutex<VecDeque<Job>>,
    changed: Condvar,
    is_open: AtomicBool,
    work_max: AtomicUsize,
    taken: AtomicU64,
}

impl Default for SlowLane {
    fn default() -> SlowLane {
        SlowLane {
            queue: Mutex::new(Rank::Leaf, VecDeque::new()),
            changed: Condvar::new(),
            is_open: AtomicBool::new(false),
            work_max: AtomicUsize::new(WORK_MAX),
            taken: AtomicU64::new(0),
        }
    }
}

impl SlowLane {
    /// Somebody is going to work here.
    pub fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    /// Whoever works here stops after the command that he is at. What is in the queue is not executed any more.
    pub fn close(&self) {
        let queue = self.queue.lock();
        self.is_open.store(false, Ordering::Relaxed);
        drop(queue);
        self.changed.notify_all();
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Commands that look at more elements than this go here. For tests.
    pub fn set_work_max(&self, elements: usize) {
        self.work_max.store(elements, Ordering::Relaxed);
    }

    /// Whether a command is to be executed here. Its keys are locked.
    #[inline]
    pub(in crate::exec) fn takes(
        &self,
        spec: &Spec,
        session: &Session,
        args: ArgList<'_>,
        keys: &View<'_>,
    ) -> bool {
        spec.work.is_some_and(|work| {
            session.origin == Origin::Network
                && self.is_open()
                && work(args, keys) > self.work_max.load(Ordering::Relaxed)
        })
    }

    pub(in crate::exec) fn submit(&self, job: Job) {
        job.asker.client.waiting_memory.store(job.memory_bytes(), Ordering::Relaxed);
        self.queue.lock().push_back(job);
        self.changed.notify_all();
    }

    /// The next command, as soon as there is one; `None` once the lane is closed.
    pub(in crate::exec) fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        if !queue.is_empty() && queue.iter().all(|job| job.is_postponed) {
            self.changed.wait_for(&mut queue, RETRY_AFTER);
        }
        while self.is_open() {
            match queue.pop_front() {
                Some(job) => {
                    self.taken.fetch_add(u64::from(!job.is_postponed), Ordering::Relaxed);
                    return Some(job);
                }
                None => self.changed.wait(&mut queue),
            }
        }
        None
    }

    /// A command may not be executed now. It is tried again behind those that came meanwhile.
    pub(in crate::exec) fn postpone(&self, mut job: Job) {
        job.is_postponed = true;
        self.queue.lock().push_back(job);
    }

    /// Waits a moment, because the command that is being executed may not go on. False once the lane is closed.
    pub(in crate::exec) fn rest(&self) -> bool {
        let mut queue = self.queue.lock();
        if self.is_open() {
            self.changed.wait_for(&mut queue, RETRY_AFTER);
        }
        self.is_open()
    }

    /// How many commands were taken out to be executed.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many commands wait to be executed.
    pub fn len(&self) -> usize {
        self.queue.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
