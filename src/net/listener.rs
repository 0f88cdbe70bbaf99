//! Listening sockets: one thread each, in a blocking `accept`.
//!
//! A listener admits a connection or turns it away with a word, and hands it to the worker with the
//! fewest connections. When descriptors run out it waits a moment and says so once, instead of spinning.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::mailbox::{Accepted, Mailbox};
use super::seats::Seats;
use super::stream::Stream;
use crate::base::sync::{Condvar, Mutex, Rank};
use crate::config::params;
use crate::exec::Engine;
use crate::session::Endpoint;

/// How long a listener waits before it tries again when `accept` fails.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Connections that are turned away get at most one line of the log in this time.
const REFUSAL_LOG_REST: Duration = Duration::from_secs(1);

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Unix { path: PathBuf, permissions: Option<u32> },
}

enum ListenSocket {
    /// With the local address of all its connections, unless it listens on several.
    Tcp(TcpListener, Option<SocketAddr>),
    Unix(UnixListener, PathBuf),
}

/// Decides who may come in. Shared by all listeners.
pub struct Admission {
    engine: Arc<Engine>,
    workers: Vec<Arc<Mailbox>>,
    seats: Seats,
    refusals: Mutex<Refusals>,
}

/// What was said about connections that were turned away.
#[derive(Default)]
struct Refusals {
    /// When one was last logged, in nanoseconds of the monotonic clock.
    logged_ns: Option<i64>,
    /// How many were not, since then.
    unlogged: u64,
}

/// See the module's description.
pub struct Listener {
    socket: ListenSocket,
    stopping: AtomicBool,
    pause: Mutex<()>,
    stopped: Condvar,
}

impl Listener {
    /// Opens a listening socket.
    pub fn open(address: &ListenAddress, backlog: i32) -> io::Result<Listener> {
        let socket = match address {
            ListenAddress::Tcp(address) => {
                let socket = listen_tcp(*address, backlog)?;
                let local_address = socket.local_addr()?;
                let is_one = !local_address.ip().is_unspecified();
                ListenSocket::Tcp(socket, is_one.then_some(local_address))
            }
            ListenAddress::Unix { path, permissions } => {
                ListenSocket::Unix(listen_unix(path, *permissions, backlog)?, path.clone())
            }
        };
        Ok(Listener {
            socket,
            stopping: AtomicBool::new(false),
            pause: Mutex::new(Rank::Leaf, ()),
            stopped: Condvar::new(),
        })
    }

    /// The address that clients can connect to.
    pub fn address(&self) -> Endpoint {
        match &self.socket {
            ListenSocket::Tcp(socket, _) => {
                Endpoint::Tcp(socket.local_addr().expect("a listening socket has an address"))
            }
            ListenSocket::Unix(_, path) => Endpoint::Unix(path.clone()),
        }
    }

    /// Accepts until [`Listener::stop`].
    pub fn run(&self, admission: &Admission) {
        let mut failing = false;
        while !self.stopping.load(Ordering::Acquire) {
            match self.accept() {
                Ok(accepted) => {
                    failing = false;
                    admission.admit(accepted);
                }
                Err(error) if is_peers_fault(&error) => {}
                Err(_) if self.stopping.load(Ordering::Acquire) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        log::error!(
                            "cannot accept connections: {error}; trying again until it works"
                        );
                    }
                    self.stopped.wait_for(&mut self.pause.lock(), BACK_OFF);
                }
            }
        }
    }

    fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            ListenSocket::Tcp(socket, local_address) => {
                let (stream, peer) = socket.accept()?;
                stream.set_nonblocking(true)?;
                let local_address = match local_address {
                    Some(address) => *address,
                    None => stream.local_addr()?,
                };
                let local_address = Endpoint::Tcp(local_address);
                let stream = Stream::Tcp(mio::net::TcpStream::from_std(stream));
                Ok(Accepted { stream, address: Endpoint::Tcp(peer), local_address })
            }
            ListenSocket::Unix(socket, path) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
                let address = Endpoint::Unix(path.clone());
                Ok(Accepted { stream, local_address: address.clone(), address })
            }
        }
    }

    /// Ends [`Listener::run`]: shutting the socket down wakes the blocking `accept`.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let shut_down = match &self.socket {
            ListenSocket::Tcp(socket, _) => {
                SockRef::from(socket).shutdown(std::net::Shutdown::Both)
            }
            ListenSocket::Unix(socket, _) => {
                SockRef::from(socket).shutdown(std::net::Shutdown::Both)
            }
        };
        if let Err(error) = shut_down {
            log::warn!("cannot close the listening socket {}: {error}", self.address());
        }
        self.stopped.notify_all();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let ListenSocket::Unix(_, path) = &self.socket {
            // Somebody may have removed it already; nothing depends on it any more.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn listen_tcp(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

fn listen_unix(path: &Path, permissions: Option<u32>, backlog: i32) -> io::Result<UnixListener> {
    // A socket left behind by a process that was killed would keep the address taken; one that
    // somebody answers on must stay, and so must whatever is no socket.
    if is_socket(path) && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    socket.listen(backlog)?;
    if let Some(mode) = permissions {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    }
    Ok(OwnedFd::from(socket).into())
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// The connection failed before it was accepted; the next one may be fine.
fn is_peers_fault(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

const DENIED: &str = "-DENIED This server runs in protected mode: it has no password and was reached from \
another machine. Set a password (--password, or CONFIG SET requirepass from this machine), or bind it to \
loopback addresses only, or turn the check off with CONFIG SET protected-mode no.\r\n";

impl Refusals {
    /// Notes one more; if it is to be logged, tells how many before it were not.
    fn note(&mut self, now_ns: i64) -> Option<u64> {
        let rest_ns = REFUSAL_LOG_REST.as_nanos() as i64;
        if self.logged_ns.is_some_and(|logged_ns| now_ns - logged_ns < rest_ns) {
            self.unlogged += 1;
            return None;
        }
        self.logged_ns = Some(now_ns);
        Some(std::mem::take(&mut self.unlogged))
    }
}

impl Admission {
    pub fn new(engine: Arc<Engine>, workers: Vec<Arc<Mailbox>>) -> Admission {
        let refusals = Mutex::new(Rank::Leaf, Refusals::default());
        Admission { engine, workers, seats: Seats::default(), refusals }
    }

    fn admit(&self, accepted: Accepted) {
        let config = &self.engine.config;
        if config.flag(params::PROTECTED_MODE)
            && config.text(params::REQUIREPASS).is_empty()
            && !accepted.address.is_local()
        {
            return self.turn_away(accepted, "protected mode", DENIED);
        }
        let connected: usize =
            self.workers.iter().map(|w| w.connections.load(Ordering::Relaxed)).sum();
        // An operator can come in when everybody else has filled the server.
        let reserved = match accepted.address.is_local() {
            true => config.int(params::MAXCLIENTS_RESERVED),
            false => 0,
        };
        if connected as i64 >= config.int(params::MAXCLIENTS) + reserved {
            let why = format!("maxclients ({connected}) reached");
            return self.turn_away(accepted, &why, "-ERR max number of clients reached\r\n");
        }
        let most = config.int(params::MAXCLIENTS_PER_ADDRESS) as usize;
        let Ok(seat) = self.seats.take(&accepted.address, most) else {
            let why = format!("maxclients-per-address ({most}) reached");
            let text = "-ERR max number of clients per address reached\r\n";
            return self.turn_away(accepted, &why, text);
        };
        let fewest =
            self.workers.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        fewest.expect("there is at least one worker").adopt(accepted, seat);
    }

    fn turn_away(&self, mut accepted: Accepted, why: &str, text: &str) {
        self.engine.clients.rejected.fetch_add(1, Ordering::Relaxed);
        let now_ns = self.engine.clock.monotonic_nanos();
        let unlogged = self.refusals.lock().note(now_ns);
        if let Some(others) = unlogged {
            log::warn!(
                "{} was turned away: {why} (and {others} others since the last such line)",
                accepted.address
            );
        }
        // The socket is fresh, so its buffer takes the line; if the peer is gone, nobody misses it.
        let _ = accepted.stream.write(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::commands;
    use crate::config::Config;
    use crate::store::Keyspace;
    use std::io::Read;

    /// Who may come in with this configuration; and the poll that the only mailbox belongs to.
    fn admission(settings: &[(&str, &str)]) -> (Admission, mio::Poll) {
        let config = Config::default();
        let pairs: Vec<_> =
            settings.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        config.set(&pairs, false, |_| Ok(())).unwrap();
        let keyspace = Keyspace::new(1, 1, 1, [0; 16]);
        let clock = Arc::new(Clock::manual(0));
        let engine = Engine::new(commands::registry(), keyspace, Arc::new(config), clock);
        let poll = mio::Poll::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(poll.registry(), mio::Token(0)).unwrap());
        (Admission::new(Arc::new(engine), vec![mailbox]), poll)
    }

    /// What a peer with this address is told: nothing if it is served.
    fn told(admission: &Admission, address: &str) -> String {
        let (mut peer, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let address = Endpoint::Tcp(address.parse().unwrap());
        let stream = Stream::Unix(mio::net::UnixStream::from_std(stream));
        admission.admit(Accepted { stream, local_address: address.clone(), address });
        let mut text = String::new();
        match peer.read_to_string(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => assert_eq!(text, ""),
            closed => drop(closed.unwrap()),
        }
        text
    }

    const ELSEWHERE: &str = "192.0.2.7:40000";

    #[test]
    fn in_protected_mode_only_this_machine_is_served() {
        let (admission, _poll) = admission(&[]);
        assert!(told(&admission, ELSEWHERE).starts_with("-DENIED "));
        assert!(told(&admission, "[2001:db8::7]:40000").starts_with("-DENIED "));
        for local in ["127.0.0.1:40000", "[::1]:40000", "[::ffff:127.0.0.1]:40000"] {
            assert_eq!(told(&admission, local), "", "{local}");
        }
        assert_eq!(admission.engine.clients.rejected.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_password_or_a_word_of_the_operator_lets_other_machines_in() {
        for setting in [("requirepass", "secret"), ("protected-mode", "no")] {
            let (admission, _poll) = admission(&[setting]);
            assert_eq!(told(&admission, ELSEWHERE), "", "{setting:?}");
        }
    }

    #[test]
    fn at_most_one_refusal_in_a_second_is_logged_and_names_how_many_were_not() {
        let mut refusals = Refusals::default();
        let second_ns = 1_000_000_000;
        assert_eq!(refusals.note(5), Some(0));
        assert_eq!([refusals.note(5), refusals.note(second_ns)], [None, None]);
        assert_eq!(refusals.note(5 + second_ns), Some(2));
        assert_eq!(refusals.note(6 + second_ns), None);
        assert_eq!(refusals.note(6 + 3 * second_ns), Some(1));
    }

    #[test]
    fn when_there_are_enough_clients_a_few_more_are_served_but_only_from_this_machine() {
        let (admission, _poll) =
            admission(&[("maxclients", "2"), ("maxclients-reserved", "1"), ("requirepass", "x")]);
        let refusal = "-ERR max number of clients reached\r\n";
        for (address, expected) in [
            (ELSEWHERE, ""),
            ("192.0.2.8:40000", ""),
            ("192.0.2.9:40000", refusal),
            ("127.0.0.1:1", ""),
            ("127.0.0.1:2", refusal),
            ("192.0.2.9:40000", refusal),
        ] {
            assert_eq!(told(&admission, address), expected, "{address}");
        }
        admission.engine.config.set(&[(b"maxclients-reserved", b"2")], false, |_| Ok(())).unwrap();
        assert_eq!(told(&admission, "[::1]:1"), "");
        assert_eq!(told(&admission, "[::1]:2"), refusal);
    }

    #[test]
    fn one_address_gets_only_so_many_connections_and_others_are_not_concerned() {
        let (admission, _poll) =
            admission(&[("maxclients-per-address", "2"), ("requirepass", "x")]);
        let refusal = "-ERR max number of clients per address reached\r\n";
        for (address, expected) in [
            (ELSEWHERE, ""),
            ("[::ffff:192.0.2.7]:40001", ""),
            ("192.0.2.7:40002", refusal),
            ("192.0.2.8:40000", ""),
            ("127.0.0.1:1", ""),
            ("127.0.0.1:2", ""),
            ("127.0.0.1:3", refusal),
            ("[::1]:1", ""),
        ] {
            assert_eq!(told(&admission, address), expected, "{address}");
        }
        assert_eq!(admission.engine.clients.rejected.load(Ordering::Relaxed), 2);
    }
}
