//! The log as its users see it: append, wait, cut, begin, end.
//!
//! Whoever changes the store appends under the locks of what it changed, so the log has the order of
//! effect; appending only copies bytes. One thread ([`Log::run`]) writes and syncs. Invariant: nobody
//! holds the log's lock during I/O.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use super::buffer::Buffer;
use super::status::{LogStatus, Phase};
use super::writer::{REST, SYNC_EVERY_MS, Writer};
use crate::base::clock::Clock;
use crate::base::sync::{Condvar, Mutex, MutexGuard, Rank};
use crate::config::choice::SyncPolicy;
use crate::config::{Config, params};
use crate::persist::DataDirectory;
use crate::persist::manifest::{SegmentEntry, SnapshotEntry};
use crate::store::LogRecord;

/// What is appended while the log has failed is never durable: nothing reaches this position.
pub const NEVER: u64 = u64::MAX;
/// `everysec`: writers wait while something has been waiting for so long to become durable.
const UNSYNCED_MS_MAX: i64 = 2 * SYNC_EVERY_MS;

/// Who hears of the log's progress. Called without locks.
pub trait LogObserver: Send + Sync {
    /// More is durable than before: replies that waited may go.
    fn advanced(&self);
    /// Writers that had to wait may go on.
    fn caught_up(&self);
    fn failed(&self, error: &io::Error);
    fn synced(&self, millis: u64);
}

/// Where a log begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Number of the first segment.
    pub segment: u64,
    pub lsn: u64,
    /// Nothing before it belongs to it: it counts once the snapshot of its cut is complete.
    pub is_anew: bool,
    /// The position of the snapshot that the log follows.
    pub base_lsn: u64,
    /// The snapshot that this segment is the first after, if the manifest does not say so yet.
    pub follows: Option<u64>,
}

/// A cut that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutTicket(u64);

/// What the writer is to do besides writing.
#[derive(Clone, Copy, Debug)]
enum Order {
    Start(Start),
    /// The manifest names the new log now.
    Listed,
    /// The new log came to nothing.
    Abandon,
    Close,
    Stop,
}

struct Shared {
    buffer: Buffer,
    /// The position behind what was appended.
    lsn: u64,
    orders: Vec<Order>,
    /// The writer waits for work.
    is_asleep: bool,
    /// The writer works on something that it took out of here.
    is_busy: bool,
    /// The writer has panicked: nobody will write any more.
    is_orphaned: bool,
    /// Somebody waits until this position is durable, whatever the policy.
    wanted: u64,
    cuts_asked: u64,
    /// The last cut that was made, and the segment that begins with it.
    cut_made: Option<(u64, SegmentEntry)>,
}

/// See the module's description.
pub struct Log {
    pub(super) directory: Arc<DataDirectory>,
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<Clock>,
    pub(super) status: LogStatus,
    observer: OnceLock<Box<dyn LogObserver>>,
    shared: Mutex<Shared>,
    /// What the buffer takes that the writer has: there are two, and they change places.
    other_buffer_bytes: AtomicUsize,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes who waits for the writer.
    progress: Condvar,
}

impl Log {
    /// A log that is off.
    pub fn new(directory: Arc<DataDirectory>, config: Arc<Config>, clock: Arc<Clock>) -> Arc<Log> {
        let shared = Shared {
            buffer: Buffer::default(),
            lsn: 0,
            orders: Vec::new(),
            is_asleep: false,
            is_busy: false,
            is_orphaned: false,
            wanted: 0,
            cuts_asked: 0,
            cut_made: None,
        };
        let log = Arc::new(Log {
            directory,
            config,
            clock,
            status: LogStatus::default(),
            observer: OnceLock::new(),
            shared: Mutex::new(Rank::Log, shared),
            other_buffer_bytes: AtomicUsize::new(0),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        log.clock.on_advance_for(&log, Log::wake_writer);
        log
    }

    /// Says who hears of progress, before the writer runs.
    pub fn observe(&self, observer: Box<dyn LogObserver>) {
        assert!(self.observer.set(observer).is_ok(), "the log has one observer");
    }

    pub(super) fn observer(&self) -> &dyn LogObserver {
        &**self.observer.get().expect("the observer is there before the writer runs")
    }

    pub fn status(&self) -> &LogStatus {
        &self.status
    }

    /// Nothing is logged because the disk failed.
    pub fn has_failed(&self) -> bool {
        self.status.phase() == Phase::Failed
    }

    /// Whether changes are refused because they would not be logged: from a failure on until a log that begins anew
    /// counts, or nobody wants one any more.
    pub fn refuses_changes(&self) -> bool {
        self.status.refuses_changes.load(Relaxed)
    }

    /// Everything before this position would survive a loss of power; `None` while nothing is logged.
    pub fn durable(&self) -> Option<u64> {
        (self.status.phase() == Phase::On).then(|| self.status.durable())
    }

    /// Bytes that were appended and not written yet.
    pub fn backlog_bytes(&self) -> u64 {
        self.shared.lock().lsn.saturating_sub(self.status.written())
    }

    /// What the buffers take, the one that is being written or kept for later included.
    pub fn buffer_bytes(&self) -> u64 {
        let filling = self.shared.lock().buffer.heap_bytes();
        (filling + self.other_buffer_bytes.load(Relaxed)) as u64
    }

    /// The position behind everything that was appended.
    pub fn position(&self) -> u64 {
        self.shared.lock().lsn
    }

    fn policy(&self) -> SyncPolicy {
        self.config.choice(params::APPENDFSYNC)
    }

    /// Appends a unit: all of it is found after a crash, or nothing. Returns the position behind it. To
    /// be called while what it changed is locked.
    pub fn append(&self, unit: &[LogRecord<'_>]) -> u64 {
        let mut shared = self.shared.lock();
        match self.status.phase() {
            Phase::Starting | Phase::On => {}
            Phase::Off => return 0,
            Phase::Failed => return NEVER,
        }
        let before = shared.buffer.len();
        shared.buffer.add(unit);
        shared.lsn += (shared.buffer.len() - before) as u64;
        let backlog = shared.lsn - self.status.written();
        if backlog > self.config.int(params::LOG_BACKLOG_LIMIT) as u64 {
            self.fall_behind();
        }
        shared.lsn
    }

    /// A batch of work is done: what it appended may be written. Wakes the writer if it sleeps.
    pub fn commit(&self) {
        let shared = self.shared.lock();
        if shared.is_asleep && !shared.buffer.is_empty() {
            self.work.notify_all();
        }
    }

    /// Replies to changes before this position may be sent.
    pub fn released(&self) -> u64 {
        match (self.policy(), self.status.phase()) {
            (SyncPolicy::Always, Phase::On | Phase::Failed) => self.status.durable(),
            // Replies promise nothing, but what was not even logged is not acknowledged.
            _ => NEVER - 1,
        }
    }

    /// Whether changes up to this position can never be acknowledged, because the log failed before they
    /// were durable, or was not there any more.
    pub fn is_lost(&self, position: u64) -> bool {
        position == NEVER || self.policy() == SyncPolicy::Always && self.status.is_lost(position)
    }

    /// Asks for durability up to a position, whatever the policy.
    pub fn want_durable(&self, lsn: u64) {
        let mut shared = self.shared.lock();
        shared.wanted = shared.wanted.max(lsn);
        self.work.notify_all();
    }

    /// Everybody who waits looks again.
    pub fn settings_changed(&self) {
        self.wake_writer();
        self.observer().caught_up();
        self.observer().advanced();
    }

    /// Lets the writer look again at what it waits for.
    fn wake_writer(&self) {
        // Locked once, so that the writer either has not looked yet or is asleep already.
        drop(self.shared.lock());
        self.work.notify_all();
    }

    /// Whether writers must wait because the disk does not follow. `now_ns` is the monotonic clock's.
    pub fn is_behind(&self, now_ns: i64) -> bool {
        if self.status.is_behind.load(Relaxed) {
            return true;
        }
        if !self.is_late(now_ns) {
            return false;
        }
        // The writer may have finished in between, and if it sleeps nobody would take the mark away again:
        // see `work_on`.
        let _shared = self.shared.lock();
        let is_late = self.is_late(now_ns);
        if is_late {
            self.fall_behind();
        }
        is_late
    }

    /// Whether something has been waiting for too long to become durable.
    fn is_late(&self, now_ns: i64) -> bool {
        let since_ms = self.status.unsynced_since_ms.load(Relaxed);
        since_ms > 0
            && self.policy() == SyncPolicy::Everysec
            && millis(now_ns) - since_ms > UNSYNCED_MS_MAX
    }

    fn fall_behind(&self) {
        if !self.status.is_behind.swap(true, Relaxed) {
            self.status.times_behind.fetch_add(1, Relaxed);
        }
    }

    fn now_ms(&self) -> i64 {
        millis(self.clock.monotonic_nanos())
    }

    /// What was appended so far ends a segment, what follows begins one. Nothing is written yet: the
    /// caller stands in the way of everybody else.
    pub fn cut(&self) -> CutTicket {
        let mut shared = self.shared.lock();
        shared.cuts_asked += 1;
        let number = shared.cuts_asked;
        if matches!(self.status.phase(), Phase::Starting | Phase::On) {
            shared.buffer.cut(number);
        }
        self.work.notify_all();
        CutTicket(number)
    }

    /// Waits until a cut is made. Returns the segment that begins with it; `None` if the log failed.
    pub fn wait_for_cut(&self, ticket: CutTicket) -> Option<SegmentEntry> {
        let mut shared = self.shared.lock();
        loop {
            match shared.cut_made {
                Some((number, segment)) if number >= ticket.0 => return Some(segment),
                _ if matches!(self.status.phase(), Phase::Failed | Phase::Off) => return None,
                _ => self.progress.wait(&mut shared),
            }
        }
    }

    pub(super) fn note_cut(&self, number: u64, segment: SegmentEntry) {
        self.shared.lock().cut_made = Some((number, segment));
        self.progress.notify_all();
    }

    /// Begins to log, where recovery ended: in a new segment at this position. `base` is the snapshot that
    /// recovery began with, and the position that it stands for.
    pub fn resume(&self, lsn: u64, base: (Option<SnapshotEntry>, u64)) {
        // Never one that the manifest names: if the server died while it began that anew, nobody could tell
        // this from damage.
        let segment = self.directory.next_segment();
        let follows = base.0.filter(|base| base.segment.is_none()).map(|base| base.number);
        let base_lsn = base.1;
        self.begin(Start { segment, lsn, is_anew: false, base_lsn, follows }, Phase::On);
    }

    /// Says where the log will begin anew, before anything is logged.
    pub fn set_position(&self, lsn: u64) {
        debug_assert_eq!(self.status.phase(), Phase::Off);
        self.set_lsn(&mut self.shared.lock(), lsn);
    }

    /// Nothing was appended before this position that is not written.
    fn set_lsn(&self, shared: &mut Shared, lsn: u64) {
        shared.lsn = lsn;
        self.status.written.store(lsn, Relaxed);
    }

    /// Begins to log from nothing, or after a failure. The caller holds the world and begins a cut of the
    /// store at the same instant. What is logged counts once [`Log::note_listed`] is called.
    pub fn begin_anew(&self) -> CutTicket {
        let segment = self.directory.next_segment();
        let lsn = self.shared.lock().lsn;
        let start = Start { segment, lsn, is_anew: true, base_lsn: lsn, follows: None };
        self.begin(start, Phase::Starting);
        self.cut()
    }

    fn begin(&self, start: Start, phase: Phase) {
        let mut shared = self.shared.lock();
        if shared.is_orphaned {
            return;
        }
        shared.buffer.clear();
        self.set_lsn(&mut shared, start.lsn);
        shared.orders.push(Order::Start(start));
        self.status.set_phase(phase);
        self.work.notify_all();
    }

    /// The snapshot that a new log follows is complete, and the manifest names both.
    pub fn note_listed(&self) {
        let mut shared = self.shared.lock();
        if self.status.phase() == Phase::Starting {
            self.status.set_phase(Phase::On);
            self.status.refuses_changes.store(false, Relaxed);
            self.status.last_error.lock().clear();
            shared.orders.push(Order::Listed);
            self.work.notify_all();
        }
    }

    /// The snapshot that a log was to begin with was not made. What was logged since does not count, so from now
    /// on nothing pretends to be logged.
    pub fn give_up(&self, error: &io::Error) {
        {
            let mut shared = self.shared.lock();
            // The writer may have given up before.
            if !matches!(self.status.phase(), Phase::Off | Phase::Starting) {
                return;
            }
            shared.orders.push(Order::Abandon);
            self.set_failed(&mut shared, error);
            self.work.notify_all();
        }
        self.tell_of_failure(error);
    }

    /// A snapshot is published that makes everything before this position superfluous.
    pub fn compacted_to(&self, lsn: u64) {
        self.status.base_lsn.store(lsn, Relaxed);
    }

    /// Nothing more is logged, and the manifest will say where the log ends; [`Log::flush`] waits for that,
    /// and should be called before as well, so that nobody is told of what is not durable.
    pub fn turn_off(&self) {
        {
            let mut shared = self.shared.lock();
            if self.status.phase() == Phase::Off {
                return;
            }
            self.status.set_phase(Phase::Off);
            self.status.refuses_changes.store(false, Relaxed);
            shared.orders.push(Order::Close);
            self.work.notify_all();
        }
        // Who waits for durability waits in vain from now on.
        self.observer().advanced();
    }

    /// Waits until the writer has nothing left to do, and everything is durable.
    pub fn flush(&self) -> io::Result<()> {
        let mut shared = self.shared.lock();
        shared.wanted = shared.lsn;
        self.work.notify_all();
        loop {
            if self.status.phase() == Phase::Failed || shared.is_orphaned {
                return Err(io::Error::other(self.status.last_error()));
            }
            let is_done = shared.buffer.is_empty() && shared.orders.is_empty() && !shared.is_busy;
            if is_done && self.status.durable() >= shared.wanted || self.is_off(&shared) {
                return Ok(());
            }
            self.progress.wait(&mut shared);
        }
    }

    fn is_off(&self, shared: &MutexGuard<'_, Shared>) -> bool {
        self.status.phase() == Phase::Off && shared.orders.is_empty() && !shared.is_busy
    }

    /// Ends [`Log::run`] when everything before is done.
    pub fn stop(&self) {
        self.shared.lock().orders.push(Order::Stop);
        self.work.notify_all();
    }

    /// The writer's work, until [`Log::stop`].
    pub fn run(&self) {
        let _watch = Watch(self);
        let mut writer = Writer::new(self);
        let mut spare = Buffer::default();
        loop {
            let (orders, batch) = self.next_work(&writer, std::mem::take(&mut spare));
            self.other_buffer_bytes.store(batch.heap_bytes(), Relaxed);
            let done = self.work_on(&mut writer, &orders, &batch);
            if let Err(error) = &done {
                self.fail(&mut writer, error);
            }
            spare = batch;
            spare.clear();
            self.other_buffer_bytes.store(spare.heap_bytes(), Relaxed);
            self.shared.lock().is_busy = false;
            self.progress.notify_all();
            if orders.iter().any(|order| matches!(order, Order::Stop)) {
                return;
            }
            self.after_work();
            self.rest();
        }
    }

    /// Waits until there is something to do.
    fn next_work(&self, writer: &Writer<'_>, spare: Buffer) -> (Vec<Order>, Buffer) {
        let mut shared = self.shared.lock();
        while shared.orders.is_empty()
            && shared.buffer.is_empty()
            && !self.must_sync(writer, &shared)
        {
            shared.is_asleep = true;
            let pause_ms = if writer.is_unsynced() { self.until_sync_ms() } else { i64::MAX };
            if pause_ms == i64::MAX {
                self.work.wait(&mut shared);
            } else {
                let pause = std::time::Duration::from_millis(pause_ms.max(1) as u64);
                self.work.wait_for(&mut shared, pause);
            }
            shared.is_asleep = false;
        }
        shared.is_busy = true;
        (std::mem::take(&mut shared.orders), shared.buffer.take(spare))
    }

    /// Milliseconds until `everysec` asks for a sync.
    fn until_sync_ms(&self) -> i64 {
        match self.policy() {
            SyncPolicy::No => i64::MAX,
            SyncPolicy::Always | SyncPolicy::Everysec => {
                SYNC_EVERY_MS - self.unsynced_ms().min(SYNC_EVERY_MS)
            }
        }
    }

    fn unsynced_ms(&self) -> i64 {
        match self.status.unsynced_since_ms.load(Relaxed) {
            0 => 0,
            since_ms => self.now_ms() - since_ms,
        }
    }

    fn must_sync(&self, writer: &Writer<'_>, shared: &MutexGuard<'_, Shared>) -> bool {
        writer.is_sync_due(self.policy(), self.unsynced_ms())
            || writer.is_unsynced() && self.status.durable() < shared.wanted.min(shared.lsn)
    }

    fn work_on(&self, writer: &mut Writer<'_>, orders: &[Order], batch: &Buffer) -> io::Result<()> {
        let began_ms = self.now_ms();
        let durable = self.status.durable();
        for order in orders {
            match order {
                Order::Start(start) => writer.start(*start)?,
                Order::Listed => writer.note_listed(),
                Order::Abandon => writer.abandon(),
                Order::Close | Order::Stop => {}
            }
        }
        if !batch.is_empty() && self.status.phase() != Phase::Failed {
            // An error only says that something has been waiting for longer.
            let unsynced = &self.status.unsynced_since_ms;
            let _ = unsynced.compare_exchange(0, began_ms, Relaxed, Relaxed);
            writer.write(batch)?;
        }
        let closes = orders.iter().any(|order| matches!(order, Order::Close));
        let must_sync = closes || self.must_sync(writer, &self.shared.lock());
        if must_sync {
            writer.sync()?;
        }
        if !writer.is_unsynced() {
            let shared = self.shared.lock();
            // Something may have been appended meanwhile.
            let since_ms = if shared.buffer.is_empty() { 0 } else { began_ms };
            // Under the lock: who marks the log as late has either seen this, or is seen by `after_work`.
            self.status.unsynced_since_ms.store(since_ms, Relaxed);
        }
        if self.status.durable() != durable {
            self.observer().advanced();
        }
        if closes {
            writer.close()?;
        }
        Ok(())
    }

    /// Lets writers go on that had to wait.
    fn after_work(&self) {
        if !self.status.is_behind.load(Relaxed) {
            return;
        }
        let limit = self.config.int(params::LOG_BACKLOG_LIMIT) as u64;
        if self.backlog_bytes() <= limit / 2 && self.unsynced_ms() <= UNSYNCED_MS_MAX {
            self.status.is_behind.store(false, Relaxed);
            self.observer().caught_up();
        }
    }

    /// Gives others time to append, so that the next write is worth it.
    fn rest(&self) {
        let mut shared = self.shared.lock();
        let somebody_waits = shared.wanted > self.status.durable();
        if self.policy() == SyncPolicy::Always || somebody_waits || !shared.orders.is_empty() {
            drop(shared);
            self.linger();
        } else {
            self.work.wait_for(&mut shared, REST);
        }
    }

    /// Those who were just released will soon append again. Looking for that costs less than falling
    /// asleep and being woken, and whoever else wants this core gets it.
    fn linger(&self) {
        const LOOKS: usize = 30;
        for _ in 0..LOOKS {
            std::thread::yield_now();
            if !self.shared.lock().buffer.is_empty() {
                return;
            }
        }
    }

    /// From now on nothing pretends to be durable.
    fn fail(&self, writer: &mut Writer<'_>, error: &io::Error) {
        writer.abandon();
        self.set_failed(&mut self.shared.lock(), error);
        self.tell_of_failure(error);
    }

    fn set_failed(&self, shared: &mut Shared, error: &io::Error) {
        *self.status.last_error.lock() = error.to_string();
        self.status.set_lost(shared.lsn);
        self.status.set_phase(Phase::Failed);
        self.status.refuses_changes.store(true, Relaxed);
        shared.buffer.clear();
    }

    fn tell_of_failure(&self, error: &io::Error) {
        self.status.unsynced_since_ms.store(0, Relaxed);
        self.status.is_behind.store(false, Relaxed);
        self.progress.notify_all();
        self.observer().failed(error);
        self.observer().caught_up();
        self.observer().advanced();
    }

    /// The writer has panicked. Whoever waits for it would wait for ever.
    fn lose_writer(&self) {
        let error = io::Error::other("the thread that writes it has panicked");
        {
            let mut shared = self.shared.lock();
            shared.is_orphaned = true;
            shared.is_busy = false;
            shared.orders.clear();
            self.set_failed(&mut shared, &error);
        }
        self.tell_of_failure(&error);
    }
}

/// Notices that the writer's thread unwinds.
struct Watch<'l>(&'l Log);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lose_writer();
        }
    }
}

/// Milliseconds of the monotonic clock; never 0, which stands for never.
fn millis(nanos: i64) -> i64 {
    nanos / 1_000_000 + 1
}
