//! Starting and stopping, step by step.
//!
//! Order matters: the data directory and the listening sockets are taken first, so that an operator's
//! mistake is noticed before anything is loaded; then clients are served (with `LOADING`) while the
//! newest snapshot is loaded.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::control::ServerControl;
use super::info::Rates;
use super::loading::{self, LoadError};
use super::reaper::{Reaper, ReaperHandle};
use super::shutdown::{Request, ShutdownDesk};
use super::signals;
use super::snapshotter::Snapshotter;
use crate::base::allocator;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::commands;
use crate::config::{Config, params};
use crate::exec::{CommandError, Engine, Shutdown};
use crate::net::{Admission, ListenAddress, Listener, Mailbox, Worker};
use crate::persist::{DataDirectory, DirectoryError};
use crate::store::{Keyspace, SHARDS_DEFAULT};

/// Descriptors needed besides those of clients.
const DESCRIPTORS_RESERVED: u64 = 32;

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
    #[error("cannot start a thread or watch signals: {0}")]
    System(#[from] io::Error),
}

impl From<LoadError> for StartupError {
    fn from(error: LoadError) -> StartupError {
        StartupError::Load(error.to_string())
    }
}

/// A running server. Dropping it without [`Server::wait`] leaves its threads running.
pub struct Server {
    engine: Arc<Engine>,
    control: Arc<ServerControl>,
    listeners: Vec<Arc<Listener>>,
    mailboxes: Vec<Arc<Mailbox>>,
    reaper: ReaperHandle,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens, starts and loads everything. On return the data set is loaded and clients are served.
    pub fn start(config: Config, clock: Clock) -> Result<Server, StartupError> {
        let (config, clock) = (Arc::new(config), Arc::new(clock));
        let memory_at_start = allocator::allocated_bytes();
        let directory = DataDirectory::open(Path::new(&*config.text(params::DIR)))?;
        let listeners = open_listeners(&config)?;
        limit_clients(&config);
        let workers = worker_count(&config);
        let mut random = Random::from_entropy();
        let keyspace = new_keyspace(&config, workers, &mut random);
        let engine = Arc::new(Engine::new(commands::registry(), keyspace, config, clock));
        let snapshotter = Snapshotter::new(&engine, directory);
        let rates = Arc::new(Rates::default());
        let control = Arc::new(ServerControl {
            engine: Arc::clone(&engine),
            snapshotter,
            desk: Arc::new(ShutdownDesk::default()),
            rates: Arc::clone(&rates),
            run_id: random.hex(40),
            started_ms: engine.clock.unix_millis(),
            workers,
            memory_at_start,
            memory_peak: AtomicU64::new(memory_at_start),
            keys_loaded: AtomicU64::new(0),
        });
        engine.install_control(Arc::clone(&control) as Arc<_>);
        control.put_all_into_effect();
        engine.health.set_loading(true);
        let (reaper, reaper_handle) = Reaper::new(&engine, rates);
        let mut server = Server {
            engine,
            control,
            listeners,
            mailboxes: Vec::new(),
            reaper: reaper_handle,
            threads: Vec::new(),
        };
        server.spawn("reaper", move || reaper.run())?;
        server.start_serving(workers)?;
        server.load()?;
        Ok(server)
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
                });
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(watched)?;
        self.threads.push(thread);
        Ok(())
    }

    fn start_serving(&mut self, workers: usize) -> io::Result<()> {
        for number in 0..workers {
            let worker = Worker::new(&self.engine, Random::from_entropy())?;
            self.mailboxes.push(Arc::clone(worker.mailbox()));
            self.spawn(&format!("worker-{number}"), move || {
                worker.run().expect("polling a valid descriptor works");
            })?;
        }
        let admission = Arc::new(Admission {
            engine: Arc::clone(&self.engine),
            workers: self.mailboxes.clone(),
        });
        for listener in self.listeners.clone() {
            log::info!("listening on {}", listener.address());
            let admission = Arc::clone(&admission);
            self.spawn("listener", move || listener.run(&admission))?;
        }
        Ok(())
    }

    /// Loads the newest snapshot, then lets everybody work and the snapshotter begin.
    fn load(&mut self) -> Result<(), StartupError> {
        let directory = self.control.snapshotter.directory();
        let newest = directory.snapshots()?.pop();
        if let Some(file) = newest {
            let began_ms = self.engine.clock.unix_millis();
            let accept_damage = self.engine.config.flag(params::RECOVER_ANYWAY);
            let loaded = loading::load(&self.engine, &file, accept_damage)?;
            let millis = self.engine.clock.unix_millis() - began_ms;
            self.control.keys_loaded.store(loaded.keys, Ordering::Relaxed);
            log::info!("loaded {} keys from {} in {millis} ms", loaded.keys, file.path.display());
            if !loaded.damages.is_empty() {
                loaded.damages.iter().for_each(|damage| log::warn!("left out: {damage}"));
                let lane = self.engine.keyspace.lane();
                self.control.snapshotter.save(&lane)?;
                let aside = directory.set_aside(&file)?;
                log::warn!(
                    "what was sound is saved anew; the damaged file is kept as {}",
                    aside.display()
                );
            }
        }
        self.engine.health.set_loading(false);
        let snapshotter = Arc::clone(&self.control.snapshotter);
        self.spawn("snapshotter", move || snapshotter.run())?;
        log::info!("ready to serve, with {} workers", self.mailboxes.len());
        Ok(())
    }

    /// Lets signals stop the server. For the binary: tests share their process.
    pub fn watch_signals(&self) -> io::Result<()> {
        signals::watch(&self.engine.config, &self.control.desk).map(drop)
    }

    /// The shared state, for tests.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Serves until a shutdown succeeds.
    pub fn wait(mut self) {
        loop {
            let request = self.control.desk.wait();
            match self.prepare_to_stop(&request) {
                Ok(()) => break,
                Err(error) => {
                    self.engine.pause.freeze(false);
                    self.control.desk.give_up();
                    self.engine.clients.resume_all();
                    if let Some(client) = request.client {
                        super::snapshotter::send_reply(&client, Err(error));
                    }
                }
            }
        }
        self.stop_threads();
        log::info!("stopped");
    }

    /// Holds everybody back and saves, if that is wanted.
    fn prepare_to_stop(&self, request: &Request) -> Result<(), CommandError> {
        let Shutdown { save, force, .. } = request.how;
        let saves = save.unwrap_or_else(|| !self.engine.config.save_points().is_empty());
        {
            let _world = self.engine.keyspace.world();
            self.engine.pause.freeze(true);
        }
        log::info!("stopping{}", if saves { "; saving first" } else { "" });
        if saves && !self.engine.health.is_loading() {
            let lane = self.engine.keyspace.lane();
            let saved = self.control.snapshotter.save(&lane);
            if saved.is_err() && !force {
                log::error!("not stopping, because the data set could not be saved");
                return Err(CommandError::text("ERR Errors trying to SHUTDOWN. Check logs."));
            }
        }
        if self.control.desk.is_aborted() {
            return Err(CommandError::text("ERR Errors trying to SHUTDOWN. Check logs."));
        }
        Ok(())
    }

    fn stop_threads(&mut self) {
        self.listeners.iter().for_each(|listener| listener.stop());
        self.mailboxes.iter().for_each(|mailbox| mailbox.stop());
        self.control.snapshotter.stop();
        self.reaper.stop();
        for thread in self.threads.drain(..) {
            thread.join().expect("panics are caught in the thread");
        }
        // Whoever holds the engine may outlive the server, in a test or a program that embeds it.
        if let Err(error) = self.control.snapshotter.directory().release() {
            log::warn!("cannot unlock the data directory: {error}");
        }
    }

    /// What makes [`Server::wait`] return without saving, as if by `SHUTDOWN NOSAVE`.
    pub fn stopper(&self) -> impl Fn() + Send + 'static {
        let desk = Arc::clone(&self.control.desk);
        move || {
            let how = Shutdown { save: Some(false), ..Shutdown::default() };
            desk.ask(Request { how, client: None });
        }
    }
}

fn worker_count(config: &Config) -> usize {
    match config.int(params::WORKERS) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count as usize,
    }
}

fn new_keyspace(config: &Config, workers: usize, random: &mut Random) -> Keyspace {
    /// The reaper, the snapshotter, and the main thread.
    const OTHER_GATES: usize = 3;
    let gates = workers + loading::loaders() + OTHER_GATES;
    let mut secret = [0; 16];
    secret[..8].copy_from_slice(&random.next_u64().to_le_bytes());
    secret[8..].copy_from_slice(&random.next_u64().to_le_bytes());
    Keyspace::new(config.int(params::DATABASES) as usize, SHARDS_DEFAULT, gates, secret)
}

/// Lowers `maxclients` to what the system allows, and says so.
fn limit_clients(config: &Config) {
    let wanted = config.int(params::MAXCLIENTS) as u64;
    let possible = allow_clients(wanted);
    if possible < wanted {
        log::warn!(
            "the system allows {possible} clients, not {wanted}; raise the limit of open files (ulimit -n) for more"
        );
        config.lower_maxclients(possible as i64);
    }
}

/// Raises the limit of open files for so many clients; returns how many are possible.
pub(super) fn allow_clients(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted + DESCRIPTORS_RESERVED;
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= needed {
        return wanted;
    }
    let reachable = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised =
        setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum: limit.maximum });
    let allowed = if raised.is_ok() { reachable } else { current };
    allowed.saturating_sub(DESCRIPTORS_RESERVED).max(1)
}

fn open_listeners(config: &Config) -> Result<Vec<Arc<Listener>>, StartupError> {
    let backlog = config.int(params::TCP_BACKLOG) as i32;
    let mut listeners = Vec::new();
    for (address, optional) in listen_addresses(config)? {
        match Listener::open(&address, backlog) {
            Ok(listener) => listeners.push(Arc::new(listener)),
            Err(error) if optional => log::warn!("not listening on {address:?}: {error}"),
            Err(error) => return Err(listen_error(&address, error)),
        }
    }
    Ok(listeners)
}

fn listen_error(address: &ListenAddress, error: io::Error) -> StartupError {
    let shown = match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix { path, .. } => path.display().to_string(),
    };
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program uses it: stop that program or choose another with --port"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port above 1023, or a path that may be written to"
        }
        _ => "check --bind, --port and --unixsocket",
    };
    StartupError::Listen { address: shown, error, advice }
}

/// The addresses to listen on, and whether each may be missing.
fn listen_addresses(config: &Config) -> Result<Vec<(ListenAddress, bool)>, StartupError> {
    let mut addresses = Vec::new();
    let port = config.int(params::PORT) as u16;
    if port != 0 {
        for text in config.bind_addresses() {
            let optional = text.starts_with('-');
            let host = text.trim_start_matches('-');
            let found = resolve(host, port).filter(|found| !found.is_empty());
            let found = found.ok_or_else(|| StartupError::BadAddress(text.clone()))?;
            addresses
                .extend(found.into_iter().map(|address| (ListenAddress::Tcp(address), optional)));
        }
    }
    let path = config.text(params::UNIXSOCKET);
    if !path.is_empty() {
        let mode = config.int(params::UNIXSOCKETPERM) as u32;
        let permissions = (mode != 0).then_some(mode);
        addresses
            .push((ListenAddress::Unix { path: Path::new(&*path).to_owned(), permissions }, false));
    }
    Ok(addresses)
}

fn resolve(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let host = match host {
        "*" => "0.0.0.0",
        "::*" => "::",
        host => host,
    };
    (host, port).to_socket_addrs().ok().map(Iterator::collect)
}
