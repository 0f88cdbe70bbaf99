//! Bytes on their way to a peer.
//!
//! Small replies are copied into one growing tail. A large payload is queued as a shared pointer and
//! goes to the socket from where it lies, so that `GET` of a large value copies nothing. The queue is
//! written with one `write` or `writev`.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use crate::base::bytes::Bytes;

/// Payloads from this size on are shared; below, copying is cheaper than another `iovec`.
const SHARED_MIN: usize = 16 * 1024;
/// How many pieces one `writev` takes at most.
const SLICES_MAX: usize = 64;
/// A tail with more room than this is given back once it is sent.
const TAIL_KEPT_MAX: usize = 16 * 1024;

#[derive(Debug)]
enum Segment {
    Owned(Vec<u8>),
    Shared(Bytes),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Segment::Owned(bytes) => bytes,
            Segment::Shared(bytes) => bytes,
        }
    }

    fn shared_len(&self) -> usize {
        match self {
            Segment::Owned(_) => 0,
            Segment::Shared(bytes) => bytes.len(),
        }
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What comes before the tail.
    segments: VecDeque<Segment>,
    tail: Vec<u8>,
    /// Bytes of the first segment (of the tail, if there is none) that were sent already.
    sent: usize,
    /// Bytes in `segments`, sent ones included.
    segments_len: usize,
    /// How many of them are shared.
    shared_len: usize,
}

/// What became of the bytes that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    All,
    /// The peer takes no more now.
    Blocked,
    /// The peer may take more, but this is enough for now.
    Enough,
}

/// A position in an outbox, to return to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    segments: usize,
    tail: usize,
}

impl Outbox {
    /// Bytes that wait to be sent.
    pub fn len(&self) -> usize {
        self.segments_len + self.tail.len() - self.sent
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Queued pieces besides the tail: what `CLIENT LIST` calls the output list.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of memory that the queue itself holds, shared payloads included.
    pub fn memory_bytes(&self) -> usize {
        self.segments_len + self.tail.capacity()
    }

    /// The same without payloads that others hold, too.
    pub fn own_bytes(&self) -> usize {
        self.memory_bytes() - self.shared_len
    }

    /// The tail, to append to.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Queues a payload: shared if it is large, else copied.
    pub fn push(&mut self, payload: &Bytes) {
        if payload.len() < SHARED_MIN {
            self.tail.extend_from_slice(payload);
            return;
        }
        self.seal_tail();
        self.segments_len += payload.len();
        self.shared_len += payload.len();
        self.segments.push_back(Segment::Shared(Bytes::clone(payload)));
    }

    /// Takes over everything that waits in another outbox, of which nothing was sent yet.
    pub fn append(&mut self, other: Outbox) {
        debug_assert_eq!(other.sent, 0, "what was sent in part cannot be sent elsewhere");
        if other.segments.is_empty() && other.tail.len() < SHARED_MIN {
            self.tail.extend_from_slice(&other.tail);
            return;
        }
        self.seal_tail();
        self.segments_len += other.segments_len;
        self.shared_len += other.shared_len;
        self.segments.extend(other.segments);
        self.tail = other.tail;
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.segments_len += self.tail.len();
            self.segments.push_back(Segment::Owned(std::mem::take(&mut self.tail)));
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { segments: self.segments.len(), tail: self.tail.len() }
    }

    /// Forgets everything queued after the mark. Nothing may have been sent in between.
    pub(super) fn rewind(&mut self, mark: Mark) {
        while self.segments.len() > mark.segments {
            let segment =
                self.segments.pop_back().expect("there are more segments than at the mark");
            self.segments_len -= segment.bytes().len();
            self.shared_len -= segment.shared_len();
            if let (Segment::Owned(bytes), true) = (segment, self.segments.len() == mark.segments) {
                self.tail = bytes;
            }
        }
        self.tail.truncate(mark.tail);
    }

    /// Whether anything was queued after the mark.
    pub(super) fn has_grown(&self, mark: Mark) -> bool {
        self.segments.len() != mark.segments || self.tail.len() != mark.tail
    }

    /// Writes as much as `peer` takes, but at most so many bytes.
    pub fn write_some(&mut self, peer: &mut impl Write, bytes_max: usize) -> io::Result<Sent> {
        let mut left = bytes_max;
        while !self.is_empty() {
            if left == 0 {
                return Ok(Sent::Enough);
            }
            let written = if self.segments.is_empty() {
                let end = self.tail.len().min(self.sent.saturating_add(left));
                peer.write(&self.tail[self.sent..end])
            } else {
                self.write_vectored(peer, left)
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.advance(count);
                    left -= count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Sent::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Sent::All)
    }

    fn write_vectored(&self, peer: &mut impl Write, mut left: usize) -> io::Result<usize> {
        let pieces = self.segments.iter().map(Segment::bytes).chain([&self.tail[..]]);
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            let skip = if count == 0 { self.sent } else { 0 };
            let end = piece.len().min(skip.saturating_add(left));
            *slice = IoSlice::new(&piece[skip..end]);
            left -= end - skip;
            count += 1;
            if left == 0 {
                break;
            }
        }
        peer.write_vectored(&slices[..count])
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.segments.front() {
            let left = first.bytes().len() - self.sent;
            if count < left {
                self.sent += count;
                return;
            }
            count -= left;
            self.segments_len -= first.bytes().len();
            self.shared_len -= first.shared_len();
            self.sent = 0;
            self.segments.pop_front();
        }
        self.sent += count;
        if self.sent == self.tail.len() {
            self.sent = 0;
            self.tail.clear();
            if self.tail.capacity() > TAIL_KEPT_MAX {
                self.tail = Vec::new();
            }
        }
    }

    /// Exchanges an empty, sent tail for nothing, so that idle connections hold no buffer.
    pub fn take_empty_tail(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty(), "only a sent tail may be taken");
        std::mem::take(&mut self.tail)
    }

    /// Everything that waits to be sent, copied out.
    pub fn take_all(&mut self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        let written = self.write_some(&mut all, usize::MAX);
        debug_assert!(matches!(written, Ok(Sent::All)), "a vector takes everything");
        all
    }

    /// Whether it has no buffer to append to.
    pub fn has_no_buffer(&self) -> bool {
        self.tail.capacity() == 0
    }

    /// Gives the outbox a buffer to use. It has none.
    pub fn lend_tail(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.has_no_buffer(), "a buffer that is in use is not replaced");
        self.tail = buffer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Takes at most `step` bytes at a time and blocks every third time.
    struct Slow {
        taken: Vec<u8>,
        step: usize,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(self.step);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn rewinding_restores_the_tail_that_was_sealed() {
        let mut outbox = Outbox::default();
        outbox.tail().extend_from_slice(b"before");
        let mark = outbox.mark();
        outbox.tail().extend_from_slice(b"half a reply");
        outbox.push(&Bytes::new(vec![1; SHARED_MIN]));
        outbox.tail().extend_from_slice(b"more");
        assert!(outbox.has_grown(mark));
        assert!(outbox.own_bytes() < SHARED_MIN && outbox.memory_bytes() > SHARED_MIN);
        outbox.rewind(mark);
        assert_eq!(outbox.own_bytes(), outbox.memory_bytes());
        assert_eq!(outbox.len(), 6);
        assert_eq!(outbox.tail(), b"before");
    }

    proptest! {
        #[test]
        fn everything_arrives_in_order(sizes in prop::collection::vec(0usize..40_000, 0..12), step in 1usize..50_000) {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (n, size) in sizes.into_iter().enumerate() {
                let piece = vec![n as u8; size];
                expected.extend_from_slice(&piece);
                outbox.push(&Bytes::new(piece));
            }
            let mut peer = Slow { taken: Vec::new(), step, calls: 0 };
            prop_assert_eq!(outbox.len(), expected.len());
            let mut most = Sent::Enough;
            while most != Sent::All {
                let before = peer.taken.len();
                most = outbox.write_some(&mut peer, 10_000).unwrap();
                prop_assert!(peer.taken.len() - before <= 10_000);
            }
            prop_assert!(outbox.is_empty());
            prop_assert_eq!(outbox.shared_len, 0);
            prop_assert!(peer.taken == expected);
        }
    }
}
