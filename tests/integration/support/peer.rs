//! Who a transcript can be run against.
//!
//! A [`Peer`] is one server in its default state, a [`Connection`] one client of it. An execution of
//! the corpus is an implementation of these two traits and one test function; sockets need only
//! [`SocketConnection`].

use super::patience::PATIENCE;
use super::resp::{self, Reply};
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The version of the protocol in which replies are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Resp2,
    Resp3,
}

/// What a step or section presupposes beyond Redis 7.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Behaviour that appeared with this version of Redis.
    Since { major: u32, minor: u32 },
    /// Something that only Sanderling does.
    Sanderling,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Since { major, minor } => write!(f, "behaviour of Redis {major}.{minor}"),
            Need::Sanderling => write!(f, "Sanderling"),
        }
    }
}

/// A server in its default state.
pub trait Peer {
    /// Opens a connection that speaks `protocol` and has sent nothing else that leaves a trace.
    fn connect(&mut self, protocol: Protocol) -> io::Result<Box<dyn Connection>>;

    /// Moves the server's clock; `false` when this server's clock cannot be moved.
    fn advance(&mut self, by: Duration) -> bool;

    /// Whether the server has what a step presupposes.
    fn has(&self, need: &Need) -> bool;
}

/// One client's connection.
pub trait Connection {
    /// Sends bytes as they are.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends the client's half of the connection; replies can still be received.
    fn close_sending(&mut self) -> io::Result<()>;

    /// The next reply; `None` when the server has closed.
    fn receive(&mut self) -> io::Result<Option<Reply>>;

    /// Ends the connection and returns the replies that nobody had asked for. Returns only when the
    /// server has let go of the connection, so that it is in no later `CLIENT LIST`.
    fn finish(self: Box<Self>) -> io::Result<Vec<Reply>>;
}

/// A stream whose sending half can be closed.
pub trait Socket: Read + Write {
    /// A second handle to the same stream.
    fn handle(&self) -> io::Result<Self>
    where
        Self: Sized;
    /// Limits the time that a read may take.
    fn limit_reads(&self, timeout: Duration) -> io::Result<()>;
    /// Tells the peer that nothing more will be sent.
    fn close_sending(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn handle(&self) -> io::Result<Self> {
        self.try_clone()
    }
    fn limit_reads(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
    fn close_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Socket for UnixStream {
    fn handle(&self) -> io::Result<Self> {
        self.try_clone()
    }
    fn limit_reads(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
    fn close_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A connection over any socket.
pub struct SocketConnection<S: Socket> {
    source: BufReader<S>,
    sink: S,
}

impl<S: Socket> SocketConnection<S> {
    /// Takes over a stream that has just been connected and agrees on the protocol.
    pub fn open(stream: S, protocol: Protocol) -> io::Result<Self> {
        stream.limit_reads(PATIENCE)?;
        let mut connection = Self { source: BufReader::new(stream.handle()?), sink: stream };
        if protocol == Protocol::Resp3 {
            connection.send(&resp::encode(&["HELLO", "3"]))?;
            match connection.receive()? {
                Some(Reply::Map(_)) => {}
                other => return Err(io::Error::other(format!("HELLO 3 was answered {other:?}"))),
            }
        }
        Ok(connection)
    }
}

impl<S: Socket> Connection for SocketConnection<S> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)
    }

    fn close_sending(&mut self) -> io::Result<()> {
        self.sink.close_sending()
    }

    fn receive(&mut self) -> io::Result<Option<Reply>> {
        match resp::read_reply(&mut self.source) {
            // A server that closes while our bytes wait unread resets the connection.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            other => other,
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<Vec<Reply>> {
        // Fails when the server has closed already, which is what is wanted.
        let _ = self.close_sending();
        let mut replies = Vec::new();
        while let Some(reply) = self.receive()? {
            replies.push(reply);
        }
        Ok(replies)
    }
}
