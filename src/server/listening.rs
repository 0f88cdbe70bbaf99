//! Where the server listens: from `bind`, `port` and `unixsocket` to open sockets.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use super::startup::StartupError;
use crate::config::{Config, params};
use crate::net::{ListenAddress, Listener};

pub(super) fn open_listeners(config: &Config) -> Result<Vec<Arc<Listener>>, StartupError> {
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
