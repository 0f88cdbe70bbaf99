//! A client of whom it matters when it hears something.

use super::peer::{Connection, Protocol, SocketConnection};
use super::resp;
use super::sanderling::Sanderling;
use std::io;
use std::net::TcpStream;

/// A client of which one can tell whether it has got something.
pub struct Listening {
    connection: SocketConnection<TcpStream>,
    stream: TcpStream,
}

impl Listening {
    pub fn new(server: &Sanderling) -> Listening {
        let stream = server.connect_tcp().unwrap();
        let connection = SocketConnection::open(stream.try_clone().unwrap(), Protocol::Resp2);
        Listening { connection: connection.unwrap(), stream }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.connection.send(bytes).unwrap();
    }

    pub fn hears_nothing(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    pub fn replies(&mut self, count: usize) -> Vec<String> {
        let mut next = || resp::render(&self.connection.receive().unwrap().unwrap());
        (0..count).map(|_| next()).collect()
    }
}
