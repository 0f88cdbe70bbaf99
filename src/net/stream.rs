//! A connected socket, TCP or unix.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::{SockRef, TcpKeepalive};

use crate::base::sync::assert_may_wait;

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

macro_rules! on_either {
    ($self:expr, $socket:ident => $work:expr) => {
        match $self {
            Stream::Tcp($socket) => $work,
            Stream::Unix($socket) => $work,
        }
    };
}

impl Stream {
    pub fn fd(&self) -> i32 {
        on_either!(self, socket => socket.as_raw_fd())
    }

    /// Small replies leave at once; dead peers are found after about `keepalive_s` seconds (0: never).
    pub fn configure(&self, keepalive_s: u64) -> io::Result<()> {
        let Stream::Tcp(socket) = self else { return Ok(()) };
        socket.set_nodelay(true)?;
        if keepalive_s == 0 {
            return Ok(());
        }
        // As Redis: probes begin after the period, then three more, a third of the period apart.
        let probe = TcpKeepalive::new()
            .with_time(Duration::from_secs(keepalive_s))
            .with_interval(Duration::from_secs((keepalive_s / 3).max(1)))
            .with_retries(3);
        SockRef::from(socket).set_tcp_keepalive(&probe)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        on_either!(self, socket => socket.read(buffer))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_may_wait();
        on_either!(self, socket => socket.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        assert_may_wait();
        on_either!(self, socket => socket.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Stream {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        on_either!(self, socket => socket.register(registry, token, interests))
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        on_either!(self, socket => socket.reregister(registry, token, interests))
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        on_either!(self, socket => socket.deregister(registry))
    }
}
