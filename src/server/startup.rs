//! Starting and stopping, step by step.
//!
//! Order matters: the data directory and the listening sockets are taken first, so that an operator's
//! mistake is noticed before anything is loaded; then clients are served (with `LOADING`) while the
//! newest snapshot is loaded.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::backups::Backups;
use super::config_effects;
use super::control::ServerControl;
use super::defragmenter::Defragmenter;
use super::descriptors::limit_clients;
use super::listening::open_listeners;
use super::log_observer::Observer;
use super::reaper::{Reaper, ReaperHandle};
use super::recovery::{Recovered, Recovery, RecoveryError};
use super::shutdown::{Attempt, Request, ShutdownDesk, refusal};
use super::signals;
use super::snapshot_loading;
use super::snapshotter::{Asker, Begin, Job, Snapshotter};
use crate::base::allocator;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::commands;
use crate::config::{Config, params};
use crate::exec::{CommandError, Engine, Executor, Shutdown, Spec};
use crate::net::{Admission, Listener, Mailbox, Worker};
use crate::persist::disk::{Disk, SystemDisk};
use crate::persist::log::Log;
use crate::persist::{DataDirectory, DirectoryError};
use crate::store::{Keyspace, SHARDS_DEFAULT};

/// Why the server does not start; one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot listen on {address}: {error}; {advice}")]
    Listen { address: String, error: io::Error, advice: &'static str },
    #[error("{0:?} is not an address to listen on; give an IP address or a host name with --bind")]
    BadAddress(String),
    #[error("{0}")]
    Load(String),
    #[error(
        "cannot write to the data directory {path}: {error}; make room, or make it writable, or choose another \
         with --data-dir"
    )]
    Write { path: String, error: io::Error },
    #[error("cannot start a thread or watch signals: {0}")]
    System(#[from] io::Error),
}

impl From<RecoveryError> for StartupError {
    fn from(error: RecoveryError) -> StartupError {
        match error {
            RecoveryError::Unwritable { directory: path, error } => {
                StartupError::Write { path, error }
            }
            error => StartupError::Load(error.to_string()),
        }
    }
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked for it.
    Asked,
    /// It could not go on, because of a bug.
    Broken,
}

/// A running server. Dropping it without [`Server::wait`] leaves its threads running.
pub struct Server {
    engine: Arc<Engine>,
    directory: Arc<DataDirectory>,
    log: Arc<Log>,
    control: Arc<ServerControl>,
    listeners: Vec<Arc<Listener>>,
    mailboxes: Vec<Arc<Mailbox>>,
    reaper: ReaperHandle,
    /// Dropped to stop the defragmenter.
    defragmenter: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    /// Where in `threads` the snapshotter is, once it has begun.
    snapshotter: Option<usize>,
}

/// What a server finds around it, and where tests provide something else.
pub struct Surroundings {
    pub clock: Clock,
    pub disk: Arc<dyn Disk>,
    /// Besides all others.
    pub more_commands: &'static [Spec],
    /// Whether signals stop the server, from the moment on at which there is something to lose. (Tests share their process.)
    pub heeds_signals: bool,
}

impl Surroundings {
    /// Those of the binary.
    pub fn of_a_process() -> Surroundings {
        let (clock, disk) = (Clock::system(), Arc::new(SystemDisk));
        Surroundings { clock, disk, more_commands: &[], heeds_signals: true }
    }

    /// Those of a server beside others in one process: with a clock of its own, and signals are for nobody.
    pub fn with_clock(clock: Clock) -> Surroundings {
        Surroundings { clock, heeds_signals: false, ..Surroundings::of_a_process() }
    }
}

impl Server {
    /// Opens, starts and loads everything. On return the data set is loaded and clients are served.
    pub fn start(config: Config, surroundings: Surroundings) -> Result<Server, StartupError> {
        let Surroundings { clock, disk, more_commands, heeds_signals } = surroundings;
        let registry = commands::registry_with(more_commands);
        let (config, clock) = (Arc::new(config), Arc::new(clock));
        let path = config.text(params::DIR);
        let accept_damage = config.flag(params::RECOVER_ANYWAY);
        let directory = Arc::new(DataDirectory::open(Path::new(&*path), disk, accept_damage)?);
        let listeners = open_listeners(&config)?;
        limit_clients(&config);
        let mut random = Random::from_entropy();
        let keyspace = new_keyspace(&config, &mut random);
        let engine = Arc::new(Engine::new(registry, keyspace, config, clock));
        let log = new_log(&engine, &directory);
        let (reaper, reaper_handle) = Reaper::new(&engine);
        let (defragmenter, defragmenter_stop) = Defragmenter::new(&engine);
        let backups = Backups::new(&engine, Arc::clone(directory.disk()));
        let snapshotter = Snapshotter::new(&engine, &directory, &log, &backups);
        let control = Arc::new(ServerControl {
            engine: Arc::clone(&engine),
            log: Arc::clone(&log),
            snapshotter,
            backups,
            desk: Arc::new(ShutdownDesk::default()),
            rates: Arc::clone(reaper.rates()),
            defrag: Arc::clone(defragmenter.figures()),
            run_id: random.hex(40),
            started_ms: engine.clock.unix_millis(),
            workers: worker_count(&engine.config),
            memory_at_start: AtomicU64::new(0),
            memory_peak: AtomicU64::new(0),
            keys_loaded: AtomicU64::new(0),
            torn_bytes: AtomicU64::new(0),
        });
        let (mailboxes, threads) = (Vec::new(), Vec::new());
        let server = Server {
            engine,
            directory,
            log,
            control,
            listeners,
            mailboxes,
            reaper: reaper_handle,
            defragmenter: Some(defragmenter_stop),
            threads,
            snapshotter: None,
        };
        server.begin(reaper, defragmenter, heeds_signals)
    }

    /// Starts all threads and loads.
    fn begin(
        mut self,
        reaper: Reaper,
        defragmenter: Defragmenter,
        heeds_signals: bool,
    ) -> Result<Server, StartupError> {
        let control = Arc::downgrade(&self.control);
        self.engine.install_control(control);
        config_effects::begin(&self.control);
        self.engine.health.set_loading(true);
        let begun = self
            .start_threads(reaper, defragmenter)
            .map_err(StartupError::from)
            .and_then(|()| {
                let bytes = allocator::allocated_bytes();
                self.control.memory_at_start.store(bytes, Ordering::Relaxed);
                self.load()
            })
            .and_then(|()| {
                if heeds_signals {
                    self.watch_signals();
                }
                self.open().map_err(StartupError::from)
            });
        match begun {
            Ok(()) => Ok(self),
            Err(error) => {
                // Who embeds the server can mend the cause and try again.
                self.stop_threads();
                Err(error)
            }
        }
    }

    /// Starts a thread without which the server cannot do its work. If it panics, a bug, the server stops
    /// in order instead of going on without it.
    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let desk = Arc::clone(&self.control.desk);
        let watched = move || {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
                let thread = std::thread::current();
                log::error!(
                    "{} panicked; this is a bug; stopping the server",
                    thread.name().unwrap_or("a thread")
                );
                desk.ask(Request {
                    how: Shutdown { force: true, ..Shutdown::default() },
                    client: None,
                    is_broken: true,
                });
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(watched)?;
        self.threads.push(thread);
        Ok(())
    }

    fn start_threads(&mut self, reaper: Reaper, defragmenter: Defragmenter) -> io::Result<()> {
        self.spawn("reaper", move || reaper.run())?;
        self.spawn("defragmenter", move || defragmenter.run())?;
        let log = Arc::clone(&self.log);
        self.spawn("log-writer", move || log.run())?;
        self.start_serving()
    }

    fn start_serving(&mut self) -> io::Result<()> {
        let mut slow = Executor::new(Arc::clone(&self.engine), Random::from_entropy());
        self.engine.slow_lane.open();
        self.spawn("slow-lane", move || {
            super::yield_to_workers();
            slow.work_in_slow_lane();
        })?;
        for number in 0..self.control.workers {
            let worker = Worker::new(&self.engine, Random::from_entropy())?;
            self.mailboxes.push(Arc::clone(worker.mailbox()));
            self.spawn(&format!("worker-{number}"), move || {
                worker.run().expect("polling a valid descriptor works");
            })?;
        }
        let admission = Admission::new(Arc::clone(&self.engine), self.mailboxes.clone());
        let admission = Arc::new(admission);
        for listener in self.listeners.clone() {
            log::info!("listening on {}", listener.address());
            let admission = Arc::clone(&admission);
            self.spawn("listener", move || listener.run(&admission))?;
        }
        Ok(())
    }

    /// Recovers the data set and begins to log.
    fn load(&mut self) -> Result<(), StartupError> {
        let began_ms = self.engine.clock.unix_millis();
        let accept_damage = self.engine.config.flag(params::RECOVER_ANYWAY);
        let recovered = Recovery::new(&self.engine, &self.directory, accept_damage).run()?;
        let millis = self.engine.clock.unix_millis() - began_ms;
        self.control.keys_loaded.store(recovered.keys, Ordering::Relaxed);
        self.control.torn_bytes.store(recovered.torn_bytes, Ordering::Relaxed);
        log::info!(
            "loaded {} keys from the newest snapshot and {} commands from the log in {millis} ms",
            recovered.keys,
            recovered.commands
        );
        let begun = if recovered.damaged.is_empty() {
            self.begin_log(&recovered)
        } else {
            self.save_anew(&recovered)
        };
        begun.map_err(|error| StartupError::Write {
            path: self.directory.path().display().to_string(),
            error,
        })
    }

    /// Lets everybody work, and the snapshotter begin.
    fn open(&mut self) -> io::Result<()> {
        self.engine.health.set_loading(false);
        let snapshotter = Arc::clone(&self.control.snapshotter);
        self.snapshotter = Some(self.threads.len());
        self.spawn("snapshotter", move || snapshotter.run())?;
        let backups = Arc::clone(&self.control.backups);
        self.spawn("backups", move || backups.run())?;
        log::info!("ready to serve, with {} workers", self.mailboxes.len());
        Ok(())
    }

    /// Goes on with the log where recovery ended.
    fn begin_log(&self, recovered: &Recovered) -> io::Result<()> {
        if let Some(base) = recovered.base {
            let path = self.directory.snapshot_path(base.number);
            self.control.snapshotter.set_base_bytes(path.metadata()?.len());
        }
        if !self.engine.config.flag(params::APPENDONLY) {
            self.log.set_position(recovered.lsn);
            return Ok(());
        }
        // A server that was killed may have left what only the kernel remembers. A new segment says that
        // everything before it was durable.
        if let Some(last) = self.directory.manifest().segments.last() {
            self.directory.sync_segment(last.number)?;
        }
        let base = (recovered.base, recovered.base_lsn);
        self.log.resume(recovered.lsn, base);
        self.log.flush()?;
        self.engine.hooks.set_log_wanted(true);
        Ok(())
    }

    /// Saves what could be recovered of damaged files, and only then sets these aside.
    fn save_anew(&self, recovered: &Recovered) -> io::Result<()> {
        self.log.set_position(recovered.lsn);
        let is_logged = self.engine.config.flag(params::APPENDONLY);
        let begin = if is_logged { Begin::Anew } else { Begin::Cut };
        let gate = self.engine.keyspace.gate();
        // Nothing older is given up for it: the next snapshot removes what it makes superfluous.
        self.control.snapshotter.save_beside(&gate, begin, usize::MAX)?;
        let is_damaged = |path: &Path| recovered.damaged.iter().any(|damaged| damaged == path);
        self.directory.update_manifest(|manifest| {
            manifest.snapshots.retain(|s| !is_damaged(&self.directory.snapshot_path(s.number)));
        })?;
        for path in recovered.damaged.iter().filter(|path| path.exists()) {
            let aside = self.directory.set_aside(path)?;
            log::warn!(
                "what was sound is saved anew; the damaged file is kept as {}",
                aside.display()
            );
        }
        Ok(())
    }

    fn watch_signals(&self) {
        if let Err(error) = signals::watch(&self.engine.config, &self.control.desk) {
            log::warn!("signals will not stop the server in order: {error}");
        }
    }

    /// The shared state, for tests.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Serves until a shutdown succeeds. Tells whether it was asked for.
    pub fn wait(mut self) -> Ended {
        let is_broken = loop {
            let attempt = self.control.desk.wait();
            match self.prepare_to_stop(&attempt) {
                Ok(()) => break attempt.is_broken,
                Err(error) => {
                    self.engine.pause.freeze(false);
                    self.engine.clients.resume_all();
                    self.control.desk.give_up(&attempt, &error);
                }
            }
        };
        self.stop_threads();
        log::info!("stopped");
        if is_broken { Ended::Broken } else { Ended::Asked }
    }

    /// Holds everybody back and saves, if that is wanted.
    fn prepare_to_stop(&self, attempt: &Attempt) -> Result<(), CommandError> {
        let Shutdown { save, force, .. } = attempt.how;
        let saves = save.unwrap_or_else(|| !self.engine.config.save_points().is_empty());
        {
            let _world = self.engine.keyspace.world();
            self.engine.pause.freeze(true);
        }
        log::info!("stopping{}", if saves { "; saving first" } else { "" });
        let is_saved = saves && !self.engine.health.is_loading() && self.save_and_wait();
        if saves && !self.engine.health.is_loading() && !is_saved && !force {
            log::error!("not stopping, because the data set could not be saved");
            return Err(refusal());
        }
        if !self.control.desk.try_commit() {
            return Err(refusal());
        }
        self.close_log(is_saved || force)
    }

    /// Ends the log in order. If that fails, the server goes on, unless nothing depends on it.
    fn close_log(&self, is_dispensable: bool) -> Result<(), CommandError> {
        let refused = |error: io::Error| {
            log::error!("not stopping, because the log could not be written: {error}");
            refusal()
        };
        let flushed = self.log.flush();
        // A log that has failed stays so: were it off, the next attempt would succeed and lose changes.
        if let (Err(error), false) = (flushed, is_dispensable) {
            return Err(refused(error));
        }
        self.log.turn_off();
        match self.log.flush() {
            Err(error) if !is_dispensable => Err(refused(error)),
            _ => Ok(()),
        }
    }

    /// Lets the snapshotter save; tells whether that worked.
    fn save_and_wait(&self) -> bool {
        const LOOK: Duration = Duration::from_millis(100);
        let (sender, receiver) = channel();
        self.control.snapshotter.submit(Job::Save(Asker::Stopper(sender)));
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(is_saved) => return is_saved,
                Err(RecvTimeoutError::Disconnected) => return false,
                // The thread may have panicked, which is why the server stops.
                Err(RecvTimeoutError::Timeout) if self.has_snapshotter_ended() => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn has_snapshotter_ended(&self) -> bool {
        let thread = self.snapshotter.and_then(|index| self.threads.get(index));
        thread.is_none_or(JoinHandle::is_finished)
    }

    fn stop_threads(&mut self) {
        self.listeners.iter().for_each(|listener| listener.stop());
        self.mailboxes.iter().for_each(|mailbox| mailbox.stop());
        self.engine.slow_lane.close();
        self.control.snapshotter.stop();
        self.control.backups.stop();
        self.log.stop();
        self.reaper.stop();
        self.defragmenter = None;
        for thread in self.threads.drain(..) {
            thread.join().expect("panics are caught in the thread");
        }
        // Whoever holds the engine may outlive the server, in a test or a program that embeds it.
        if let Err(error) = self.directory.release() {
            log::warn!("cannot unlock the data directory: {error}");
        }
    }

    /// What makes [`Server::wait`] return without saving, as if by `SHUTDOWN NOSAVE FORCE`.
    pub fn stopper(&self) -> impl Fn() + Send + 'static {
        let desk = Arc::clone(&self.control.desk);
        move || {
            let how = Shutdown { save: Some(false), force: true, ..Shutdown::default() };
            desk.ask(Request { how, client: None, is_broken: false });
        }
    }
}

fn worker_count(config: &Config) -> usize {
    match config.int(params::WORKERS) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count as usize,
    }
}

/// The log, known to the engine and still off.
fn new_log(engine: &Arc<Engine>, directory: &Arc<DataDirectory>) -> Arc<Log> {
    let (config, clock) = (Arc::clone(&engine.config), Arc::clone(&engine.clock));
    let log = Log::new(Arc::clone(directory), config, clock);
    log.observe(Box::new(Observer(Arc::downgrade(engine))));
    engine.hooks.install_log(Arc::clone(&log));
    engine.hooks.set_log_wanted(false);
    log
}

pub(super) fn new_keyspace(config: &Config, random: &mut Random) -> Keyspace {
    /// The reaper, the snapshotter, the slow lane, the defragmenter, and who recovers.
    const OTHER_GATES: usize = 5;
    let gates = worker_count(config) + snapshot_loading::loaders() + OTHER_GATES;
    let mut secret = [0; 16];
    secret[..8].copy_from_slice(&random.next_u64().to_le_bytes());
    secret[8..].copy_from_slice(&random.next_u64().to_le_bytes());
    Keyspace::new(config.int(params::DATABASES) as usize, SHARDS_DEFAULT, gates, secret)
}
