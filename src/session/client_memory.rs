//! What all clients take together, always up to date.
//!
//! The worker that owns a client counts it at the end of each turn in which anything happened to it, and adds the
//! difference to what it counted before. For a client that asks and is answered there is none, so the sums,
//! which all workers share, are written rarely and read with one load.
//!
//! There are two sums, because a large value that is sent lies in memory once, however many it is sent to: what
//! clients have for themselves, which is what is not data, and what is kept because of them, shared or not.
//!
//! **Eviction** (`maxmemory-clients`). When the second sum reaches the limit, the clients that take most are
//! disconnected. That takes a look at all of them, which is rare: who is disconnected no longer counts, so the next look
//! comes when others have grown; and after one that found nobody to disconnect the next waits a moment. Redis keeps
//! clients in lists by size instead, and takes any of those of the largest size.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering, Ordering::Relaxed,
};

use super::client::Client;

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
    /// Of buffers that workers keep for whichever client needs one next.
    spare: AtomicUsize,
    /// Part of `total`: of clients that were evicted, but that their workers have not let go of yet.
    leaving: AtomicUsize,
    /// Clients that were disconnected because all took too much (since the start or `CONFIG RESETSTAT`).
    pub evicted: AtomicU64,
    is_evicting: AtomicBool,
    /// Until then, in nanoseconds of the monotonic clock, nobody is looked for, because there was nobody.
    rests_until_ns: AtomicI64,
}

/// Once clients are evicted, so much of the limit is made free, one part in this: or a crowd that grows would make
/// every worker look at all clients all the time.
const SLACK_DIVISOR: usize = 32;
/// How long to wait when nobody was found who could be evicted.
const REST_NS: i64 = 100_000_000;

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

    /// Counts anew what a worker keeps for whichever client needs it next.
    pub fn count_spare(&self, counted: &mut usize, now: usize) {
        if *counted != now {
            self.spare.fetch_add(now.wrapping_sub(*counted), Relaxed);
            *counted = now;
        }
    }

    /// What is kept so, in bytes.
    pub fn spare_bytes(&self) -> usize {
        self.spare.load(Relaxed)
    }

    /// What clients have for themselves, in bytes.
    pub fn own_bytes(&self) -> usize {
        self.own.load(Relaxed)
    }

    /// What is kept because of them, in bytes; what several share counts for each.
    pub fn total_bytes(&self) -> usize {
        self.total.load(Relaxed)
    }

    /// The same without clients that are about to go.
    fn staying_bytes(&self) -> usize {
        self.total_bytes().saturating_sub(self.leaving.load(Relaxed))
    }

    /// Whether clients are to be evicted, and by nobody else already.
    pub(super) fn begin_eviction(&self, bytes_max: usize, now_ns: i64) -> bool {
        self.staying_bytes() >= bytes_max
            && now_ns >= self.rests_until_ns.load(Relaxed)
            && !self.is_evicting.swap(true, Ordering::Acquire)
    }

    /// Chooses whom to evict among `clients`, which cannot leave the registry meanwhile. They count no more. Tells
    /// whether that is enough; not if all the others are to stay.
    pub(super) fn choose<'c>(
        &self,
        clients: impl Iterator<Item = &'c Arc<Client>>,
        bytes_max: usize,
    ) -> (Vec<Arc<Client>>, bool) {
        let may_go = |client: &&Arc<Client>| !client.no_evict.load(Relaxed) && !client.is_killed();
        let mut candidates: Vec<_> =
            clients.filter(may_go).map(|client| (client.footprint().total, client)).collect();
        candidates.sort_unstable_by_key(|(bytes, client)| (*bytes, client.id));
        let mut chosen = Vec::new();
        while self.staying_bytes() >= bytes_max - bytes_max / SLACK_DIVISOR {
            let Some((bytes, client)) = candidates.pop() else { return (chosen, false) };
            if client.mark_evicted(bytes) {
                self.leaving.fetch_add(bytes, Relaxed);
                chosen.push(Arc::clone(client));
            }
        }
        (chosen, true)
    }

    /// If those who were evicted were not `enough`, there is no point in looking again at once.
    pub(super) fn end_eviction(&self, evicted: usize, enough: bool, bytes_max: usize, now_ns: i64) {
        self.evicted.fetch_add(evicted as u64, Relaxed);
        if !enough {
            let last_ns = self.rests_until_ns.swap(now_ns + REST_NS, Relaxed);
            if now_ns - last_ns > REST_NS {
                log::warn!(
                    "clients take more than maxmemory-clients ({bytes_max} bytes) allows, and none is left to disconnect"
                );
            }
        }
        self.is_evicting.store(false, Ordering::Release);
    }

    /// A client is no longer in the registry.
    pub(super) fn forget(&self, client: &Client) {
        self.leaving.fetch_sub(client.evicted_bytes(), Relaxed);
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
