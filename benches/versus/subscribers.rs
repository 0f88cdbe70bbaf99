//! Who listens: clients that have subscribed to one channel or pattern, and what comes in on them.
//!
//! Messages of one load differ only in their payload, which always has the same length. So they are
//! counted by their bytes, in reads as large as the socket gives; of each read, the first message that
//! begins in it is compared with what it must be. A message that is lost, doubled or of another length
//! shifts everything behind it, which that comparison finds, or the count at the end.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Result;
use crate::workload::append_bulk;

/// What a client listens to.
#[derive(Clone, Copy, Debug)]
pub enum Interest {
    Channel(&'static str),
    Pattern(&'static str),
}

impl Interest {
    /// The command, and what comes before its name in the reply.
    fn subscribe(self) -> (Vec<u8>, Vec<u8>) {
        let (command, name) = match self {
            Interest::Channel(name) => ("subscribe", name),
            Interest::Pattern(name) => ("psubscribe", name),
        };
        let bulks =
            |out: &mut Vec<u8>| [command, name].map(|word| append_bulk(out, word.as_bytes()));
        let (mut request, mut reply) = (b"*2\r\n".to_vec(), b"*3\r\n".to_vec());
        bulks(&mut request);
        bulks(&mut reply);
        reply.extend_from_slice(b":1\r\n");
        (request, reply)
    }

    /// A connection that listens, once the server has said that it does.
    pub fn connect(self, address: SocketAddr) -> Result<TcpStream> {
        let (request, expected) = self.subscribe();
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(&request)?;
        let mut reply = vec![0; expected.len()];
        stream.read_exact(&mut reply)?;
        if reply != expected {
            let reply = String::from_utf8_lossy(&reply);
            return Err(format!("unexpected reply to a subscription: {reply}").into());
        }
        Ok(stream)
    }
}

/// What a message looks like: a head that is always the same, the payload, and the end of the line.
#[derive(Clone, Debug)]
pub struct Frame {
    head: Vec<u8>,
    bytes: usize,
}

impl Frame {
    /// Of a message in `channel`, with a payload of that many bytes.
    pub fn new(interest: Interest, channel: &str, payload_bytes: usize) -> Frame {
        let mut head = Vec::new();
        match interest {
            Interest::Channel(_) => {
                head.extend_from_slice(b"*3\r\n");
                append_bulk(&mut head, b"message");
            }
            Interest::Pattern(pattern) => {
                head.extend_from_slice(b"*4\r\n");
                append_bulk(&mut head, b"pmessage");
                append_bulk(&mut head, pattern.as_bytes());
            }
        }
        append_bulk(&mut head, channel.as_bytes());
        head.extend_from_slice(format!("${payload_bytes}\r\n").as_bytes());
        let bytes = head.len() + payload_bytes + b"\r\n".len();
        Frame { head, bytes }
    }

    /// Fails unless `chunk`, of which the first `rest` bytes belong to an earlier message, goes on as it must.
    fn check(&self, chunk: &[u8], rest: usize) -> Result<()> {
        let Some(message) = chunk.get(rest..) else { return Ok(()) };
        let length = message.len().min(self.head.len());
        if message[..length] != self.head[..length] {
            let message = String::from_utf8_lossy(&message[..message.len().min(self.bytes)]);
            return Err(format!("unexpected message: {message}").into());
        }
        Ok(())
    }
}

/// A client that listens.
pub struct Subscriber {
    pub stream: TcpStream,
    bytes: usize,
}

impl Subscriber {
    pub fn new(address: SocketAddr, interest: Interest) -> Result<Subscriber> {
        let stream = interest.connect(address)?;
        stream.set_nonblocking(true)?;
        Ok(Subscriber { stream, bytes: 0 })
    }

    /// Reads once; returns how many messages have become complete by that.
    pub fn receive(&mut self, frame: &Frame, scratch: &mut [u8]) -> Result<u64> {
        let count = match self.stream.read(scratch) {
            Ok(0) => return Err("the server closed the connection of a subscriber".into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let begun = self.bytes % frame.bytes;
        frame.check(&scratch[..count], (frame.bytes - begun) % frame.bytes)?;
        let before = self.bytes / frame.bytes;
        self.bytes += count;
        Ok((self.bytes / frame.bytes - before) as u64)
    }

    /// Whether exactly so many messages have come.
    pub fn has(&self, frame: &Frame, messages: u64) -> bool {
        self.bytes as u64 == messages * frame.bytes as u64
    }
}
