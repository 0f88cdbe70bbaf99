//! Empty output buffers, kept for the next turn: a connection has one only while replies wait in it.
//!
//! What is kept is bounded, and does not count as data, or keys would be evicted for it.

use crate::session::ClientMemory;

const COUNT_MAX: usize = 32;
const BYTES_MAX: usize = 512 * 1024;

#[derive(Default)]
pub(super) struct BufferPool {
    buffers: Vec<Vec<u8>>,
    /// What they take.
    bytes: usize,
    counted: usize,
}

impl BufferPool {
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let buffer = self.buffers.pop()?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Keeps an empty buffer, or frees it.
    pub fn put(&mut self, buffer: Vec<u8>) {
        debug_assert!(buffer.is_empty(), "only what was sent is kept");
        let bytes = buffer.capacity();
        if bytes > 0 && self.buffers.len() < COUNT_MAX && self.bytes + bytes <= BYTES_MAX {
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }

    /// Counts what is kept. To be called once in a turn, after replies were sent: mostly, nothing has changed then.
    pub fn count(&mut self, memory: &ClientMemory) {
        memory.count_spare(&mut self.counted, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_buffers_and_few_bytes_are_kept_and_counted() {
        let (mut pool, memory) = (BufferPool::default(), ClientMemory::default());
        pool.put(Vec::new());
        pool.put(Vec::with_capacity(BYTES_MAX + 1));
        assert!(pool.take().is_none());
        (0..COUNT_MAX + 5).for_each(|_| pool.put(Vec::with_capacity(100)));
        pool.count(&memory);
        assert_eq!(memory.spare_bytes(), COUNT_MAX * 100);
        while pool.take().is_some() {}
        pool.count(&memory);
        assert_eq!(memory.spare_bytes(), 0);
    }
}
