//! What all clients take together, always up to date.
//!
//! The worker that owns a client counts it at the end of each turn in which anything happened to it, and adds the
//! difference to what it counted before. For a client that asks and is answered there is none, so the sums,
//! which all workers share, are written rarely and read with one load.
//!
//! There are two sums, because a large value that is sent lies in memory once, however many it is sent to: what
//! clients have for themselves, which is what is not data, and what is kept because of them, shared or not.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// For itself alone.
    pub own: usize,
    /// With what it shares: payloads and messages that it has not read yet, names that it listens to.
    pub total: usize,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct ClientMemory {
    own: AtomicUsize,
    total: AtomicUsize,
}

impl ClientMemory {
    /// Counts a client anew; `counted` is what was counted before and is so no longer.
    #[inline]
    pub fn count(&self, counted: &mut Footprint, now: Footprint) {
        if *counted == now {
            return;
        }
        // Sums of differences wrap around on the way and are right at the end.
        self.own.fetch_add(now.own.wrapping_sub(counted.own), Relaxed);
        self.total.fetch_add(now.total.wrapping_sub(counted.total), Relaxed);
        *counted = now;
    }

    /// What clients have for themselves, in bytes.
    pub fn own_bytes(&self) -> usize {
        self.own.load(Relaxed)
    }

    /// What is kept because of them, in bytes; what several share counts for each.
    pub fn total_bytes(&self) -> usize {
        self.total.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_follow_each_client_up_and_down_and_end_at_nothing() {
        let memory = ClientMemory::default();
        let (mut first, mut second) = (Footprint::default(), Footprint::default());
        memory.count(&mut first, Footprint { own: 100, total: 300 });
        memory.count(&mut second, Footprint { own: 10, total: 10 });
        memory.count(&mut second, Footprint { own: 10, total: 10 });
        assert_eq!((memory.own_bytes(), memory.total_bytes()), (110, 310));
        memory.count(&mut first, Footprint { own: 40, total: 40 });
        assert_eq!((memory.own_bytes(), memory.total_bytes()), (50, 50));
        memory.count(&mut first, Footprint::default());
        memory.count(&mut second, Footprint::default());
        assert_eq!((memory.own_bytes(), memory.total_bytes()), (0, 0));
    }
}
