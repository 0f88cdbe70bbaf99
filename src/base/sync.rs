//! The one door to locks.
//!
//! Every lock of the server has a rank, and a thread takes locks only in rising order of
//! `(rank, ordinal)`. That order, written once here, is why multi-key commands cannot deadlock:
//!
//! | rank | lock | ordinal |
//! |---|---|---|
//! | `Directory` | who replaces the manifest; held during I/O, and only by who holds nothing else | 0 |
//! | `Exclusivity` | who may ask for the whole world | 0 |
//! | `Gate` | one per worker or other mutator, held shared while it works | gate number |
//! | `Shard` | one per shard of the store | database × shards + shard |
//! | `Config` | who changes parameters; held while the server follows | 0 |
//! | `Log` | the log buffer | 0 |
//! | `Delivery` | registries that send to clients while locked: channels, monitors; tracked keys | 0; 1 and up |
//! | `Inbox` | what others sent a client | 0 |
//! | `Leaf` | registries: clients, waiters, statistics, configuration texts | 0 |
//!
//! Invariant: nobody writes to a disk or a socket, and nothing large is freed, while any of them is held, gate and
//! directory excepted. A shard's lock is taken behind a gate only, or by who holds all gates. Debug builds check the order
//! and the gate at every acquisition, and by [`assert_may_wait`] that no lock is held at every write; release builds compile
//! these checks away.
//!
//! The locks themselves are `parking_lot`'s: small, fair enough, and without poisoning. What a panic
//! leaves half-changed is marked by the shard itself (see `store::shard`).

use std::ops::{Deref, DerefMut};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Directory,
    Exclusivity,
    Gate,
    Shard,
    Config,
    Log,
    Delivery,
    Inbox,
    Leaf,
}

/// A lock's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: Rank,
    ordinal: u32,
}

#[cfg(debug_assertions)]
mod order {
    use super::{Place, Rank};
    use std::cell::RefCell;

    thread_local! {
        static HELD: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
    }

    /// Witness that a place was entered; leaves it when dropped.
    pub(super) struct Entered(Place);

    impl Entered {
        pub(super) fn new(place: Place) -> Entered {
            HELD.with_borrow_mut(|held| {
                assert_behind_a_gate(place, held);
                if let Some(&highest) = held.iter().max() {
                    assert!(
                        place > highest,
                        "lock order: {place:?} asked for while {highest:?} is held"
                    );
                }
                held.push(place);
            });
            Entered(place)
        }
    }

    /// The store's own tests look at shards as nobody else does.
    fn assert_behind_a_gate(place: Place, held: &[Place]) {
        let is_exempt = cfg!(test) || place.rank != Rank::Shard;
        let is_behind = || held.iter().any(|place| place.rank == Rank::Gate);
        assert!(is_exempt || is_behind(), "{place:?} asked for without standing behind a gate");
    }

    pub(super) fn assert_may_wait() {
        HELD.with_borrow(|held| {
            let lock = held.iter().find(|place| place.rank > Rank::Gate);
            assert!(lock.is_none(), "waits for a device while {lock:?} is held");
        });
    }

    impl Drop for Entered {
        fn drop(&mut self) {
            HELD.with_borrow_mut(|held| {
                let at = held.iter().rposition(|place| *place == self.0);
                held.remove(at.expect("a place that is left was entered"));
            });
        }
    }
}

#[cfg(not(debug_assertions))]
mod order {
    pub(super) struct Entered;

    impl Entered {
        #[inline(always)]
        pub(super) fn new(_: super::Place) -> Entered {
            Entered
        }
    }

    #[inline(always)]
    pub(super) fn assert_may_wait() {}
}

use order::Entered;

/// Called before what may take long, a write to a disk or a socket: in debug builds it panics if this thread holds
/// a lock that others may need meanwhile.
#[inline(always)]
pub fn assert_may_wait() {
    order::assert_may_wait();
}

macro_rules! guard {
    ($name:ident, $inner:ident) => {
        pub struct $name<'a, T> {
            inner: parking_lot::$inner<'a, T>,
            _entered: Entered,
        }

        impl<T> Deref for $name<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                &self.inner
            }
        }
    };
    ($name:ident, $inner:ident, mutable) => {
        guard!($name, $inner);

        impl<T> DerefMut for $name<'_, T> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                &mut self.inner
            }
        }
    };
}

guard!(ReadGuard, RwLockReadGuard);
guard!(WriteGuard, RwLockWriteGuard, mutable);
guard!(MutexGuard, MutexGuard, mutable);

/// A reader-writer lock with a place in the order.
pub struct RwLock<T> {
    place: Place,
    inner: parking_lot::RwLock<T>,
}

impl<T> RwLock<T> {
    pub const fn new(rank: Rank, ordinal: u32, value: T) -> RwLock<T> {
        RwLock { place: Place { rank, ordinal }, inner: parking_lot::RwLock::new(value) }
    }

    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T> {
        let entered = Entered::new(self.place);
        ReadGuard { inner: self.inner.read(), _entered: entered }
    }

    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T> {
        let entered = Entered::new(self.place);
        WriteGuard { inner: self.inner.write(), _entered: entered }
    }
}

/// A mutex with a place in the order.
pub struct Mutex<T> {
    place: Place,
    inner: parking_lot::Mutex<T>,
}

impl<T> Mutex<T> {
    pub const fn new(rank: Rank, value: T) -> Mutex<T> {
        Mutex { place: Place { rank, ordinal: 0 }, inner: parking_lot::Mutex::new(value) }
    }

    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let entered = Entered::new(self.place);
        MutexGuard { inner: self.inner.lock(), _entered: entered }
    }
}

/// A condition variable for [`Mutex`].
#[derive(Default)]
pub struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub const fn new() -> Condvar {
        Condvar(parking_lot::Condvar::new())
    }

    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.0.wait(&mut guard.inner);
    }

    /// Waits at most `limit`; tells whether the time ran out.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, limit: Duration) -> bool {
        self.0.wait_for(&mut guard.inner, limit).timed_out()
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rising_order_is_allowed_and_places_are_left_in_any_order() {
        let first = RwLock::new(Rank::Shard, 1, ());
        let second = RwLock::new(Rank::Shard, 2, ());
        let leaf = Mutex::new(Rank::Leaf, ());
        let a = first.write();
        let b = second.read();
        drop(a);
        let c = leaf.lock();
        drop(b);
        drop(c);
        drop(first.write());
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "lock order")]
    fn falling_order_is_refused() {
        let first = RwLock::new(Rank::Shard, 1, ());
        let second = RwLock::new(Rank::Shard, 2, ());
        let _b = second.read();
        let _a = first.read();
    }
}
