//! Bytes with room to grow: the memory of small collections.
//!
//! One allocation, in a size that the allocator has. Many small collections must not waste half of their memory: growing
//! takes the next size (a quarter more at most; see [`growing_size`]), and what is given back begins when more than half
//! is unused. How much is used, its owner knows.

use std::ops::{Deref, DerefMut};

use crate::base::allocator::{allocation_size, growing_size};

/// See the module's description. What is unused is part of it.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomyBytes(Box<[u8]>);

impl RoomyBytes {
    /// Bytes taken from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        allocation_size(self.0.len())
    }

    /// Makes room for so many bytes in all, if there is less.
    #[inline]
    pub(super) fn grow(&mut self, needed: usize) {
        if needed > self.0.len() {
            self.resize(growing_size(needed));
        }
    }

    /// Whether less than half of the memory is used.
    #[inline]
    pub(super) fn wastes_half(&self, used: usize) -> bool {
        used * 2 < self.0.len()
    }

    /// Gives back memory if less than half of it is used.
    #[inline]
    pub(super) fn trim(&mut self, used: usize) {
        if self.wastes_half(used) {
            self.shrink(used);
        }
    }

    /// Gives back all memory that is unused.
    pub(super) fn shrink(&mut self, used: usize) {
        let wanted = growing_size(used);
        if wanted < self.0.len() {
            self.resize(wanted);
        }
    }

    fn resize(&mut self, len: usize) {
        let mut bytes = std::mem::take(&mut self.0).into_vec();
        bytes.reserve_exact(len.saturating_sub(bytes.len()));
        bytes.resize(len, 0);
        self.0 = bytes.into_boxed_slice();
    }
}

impl Deref for RoomyBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for RoomyBytes {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
