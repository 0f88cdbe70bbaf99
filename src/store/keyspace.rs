//! The keyspace: databases of shards, and the gates that let someone have the whole world.
//!
//! A database is `shards` locks (1024 by default); databases after the first are allocated when first
//! written to. The shard of a key is `slot & (shards - 1)`, where the slot is Redis Cluster's: CRC16 of the hash tag
//! (`base::crc16`), so keys of one hash tag share a shard.
//!
//! **Gates.** Every thread that changes the store owns a gate, a reader-writer lock of its own, and
//! holds it shared while it executes a batch. Whoever needs everybody else to stand still takes all
//! gates exclusively: [`Keyspace::world`]. On the ordinary path nobody touches anything shared.
//!
//! Invariant: a shard's lock is only taken by a thread that holds its gate (shared) or the world. `base::sync` checks it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::hash::{KeyHash, KeyHasher};
use super::shard::Shard;
use crate::base::crc16::key_slot;
use crate::base::sync::{Mutex, MutexGuard, Rank, ReadGuard, RwLock, WriteGuard};

/// Shards of a database.
pub const SHARDS_DEFAULT: usize = 1024;

/// No entry of the shard has a deadline.
const NO_DEADLINE: i64 = i64::MAX;

/// A shard's lock and what is known of the shard without taking it.
#[repr(align(64))]
pub(super) struct ShardCell {
    pub lock: RwLock<Shard>,
    len: AtomicUsize,
    volatile_len: AtomicUsize,
    /// Of an entry or a field.
    next_deadline: AtomicI64,
    /// Of an entry.
    next_key_deadline: AtomicI64,
    bytes: AtomicUsize,
}

/// What is known of a shard without its lock: as much as was published when it was last written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub len: usize,
    /// Entries that have a deadline.
    pub volatile_len: usize,
    /// The earliest deadline of an entry; in the far future if there is none.
    pub next_key_deadline: i64,
}

/// What some of the shards take, alone in its cache line.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct DataBytes(AtomicUsize);

/// How many sums of bytes there are: enough that two threads seldom meet at one.
const SUMS: usize = 16;

impl ShardCell {
    fn new(hasher: KeyHasher, ordinal: u32) -> ShardCell {
        ShardCell {
            lock: RwLock::new(Rank::Shard, ordinal, Shard::new(hasher)),
            len: AtomicUsize::new(0),
            volatile_len: AtomicUsize::new(0),
            next_deadline: AtomicI64::new(NO_DEADLINE),
            next_key_deadline: AtomicI64::new(NO_DEADLINE),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Whether the shard holds nothing, as far as was published.
    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    pub(super) fn published(&self) -> Published {
        Published {
            len: self.len.load(Ordering::Relaxed),
            volatile_len: self.volatile_len.load(Ordering::Relaxed),
            next_key_deadline: self.next_key_deadline.load(Ordering::Relaxed),
        }
    }

    /// Makes the published figures true again, and the sum of bytes that the shard is part of; called before a
    /// writer lets go of the lock.
    pub(super) fn publish(&self, shard: &Shard, sum: &DataBytes) {
        let bytes = shard.heap_bytes();
        let before = self.bytes.load(Ordering::Relaxed);
        if before != bytes {
            self.bytes.store(bytes, Ordering::Relaxed);
            // Differences wrap around on the way; the sum is right.
            sum.0.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        }
        if self.len.load(Ordering::Relaxed) != shard.len() {
            self.len.store(shard.len(), Ordering::Relaxed);
        }
        if self.volatile_len.load(Ordering::Relaxed) != shard.volatile_len() {
            self.volatile_len.store(shard.volatile_len(), Ordering::Relaxed);
        }
        let next_key = shard.next_key_deadline().unwrap_or(NO_DEADLINE);
        if self.next_key_deadline.load(Ordering::Relaxed) != next_key {
            self.next_key_deadline.store(next_key, Ordering::Relaxed);
        }
        let next = shard.next_deadline().unwrap_or(NO_DEADLINE);
        if self.next_deadline.load(Ordering::Relaxed) != next {
            self.next_deadline.store(next, Ordering::Relaxed);
        }
    }
}

/// A database by its physical number: its shards, once somebody wrote to it.
struct Database {
    shards: OnceLock<Box<[ShardCell]>>,
}

/// See the module's description.
pub struct Keyspace {
    databases: Box<[Database]>,
    /// Logical to physical database numbers; changed by `SWAPDB` only, while it holds the world.
    order: Box<[AtomicU32]>,
    shards: usize,
    hasher: KeyHasher,
    gates: Box<[RwLock<()>]>,
    /// Numbers of the gates that nobody owns.
    gates_free: Mutex<Vec<usize>>,
    exclusivity: Mutex<()>,
    data_bytes: [DataBytes; SUMS],
    /// A [`CutState`]. The number is raised only while holding the world.
    cut: AtomicU64,
    /// How many clients wait for keys.
    waiters: AtomicUsize,
    /// Some client keeps a cache of what it reads.
    trackers: AtomicBool,
}

/// The newest cut: its number, and whether it is still being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct CutState(u64);

impl CutState {
    const OPEN: u64 = 1;

    pub(super) fn number(self) -> u64 {
        self.0 >> 1
    }

    pub(super) fn is_open(self) -> bool {
        self.0 & CutState::OPEN != 0
    }
}

/// Everybody else stands still while this lives.
pub struct World<'a> {
    _gates: Vec<WriteGuard<'a, ()>>,
    _exclusivity: MutexGuard<'a, ()>,
}

/// The keyspace's figures for `INFO` and `DBSIZE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseCounts {
    pub keys: usize,
    pub volatile: usize,
}

/// Bytes of a database that hold neither keys nor values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexBytes {
    /// From hashes to entries.
    pub table: usize,
    /// The deadlines of entries and of fields, in order.
    pub deadlines: usize,
}

impl IndexBytes {
    pub fn total(self) -> usize {
        self.table + self.deadlines
    }

    fn add(&mut self, shard: &Shard) {
        self.table += shard.table_bytes();
        self.deadlines += shard.deadline_bytes();
    }
}

impl Keyspace {
    /// `shards` must be a power of two up to 16384; `gates` is how many threads may ever change the store.
    pub fn new(databases: usize, shards: usize, gates: usize, secret: [u8; 16]) -> Keyspace {
        assert!(shards.is_power_of_two() && shards <= 16_384, "shards are a power of two");
        let gate = |number| RwLock::new(Rank::Gate, number as u32, ());
        Keyspace {
            databases: (0..databases).map(|_| Database { shards: OnceLock::new() }).collect(),
            order: (0..databases as u32).map(AtomicU32::new).collect(),
            shards,
            hasher: KeyHasher::new(secret),
            gates: (0..gates).map(gate).collect(),
            gates_free: Mutex::new(Rank::Leaf, (0..gates).rev().collect()),
            exclusivity: Mutex::new(Rank::Exclusivity, ()),
            data_bytes: Default::default(),
            cut: AtomicU64::new(0),
            waiters: AtomicUsize::new(0),
            trackers: AtomicBool::new(false),
        }
    }

    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    pub fn shards(&self) -> usize {
        self.shards
    }

    /// A gate for a thread that will change the store, until it drops it.
    ///
    /// # Panics
    /// When more threads ask at a time than the keyspace was made for.
    pub fn gate(&self) -> Gate<'_> {
        let number =
            self.gates_free.lock().pop().expect("there is a gate for every mutating thread");
        Gate { keyspace: self, number, lock: &self.gates[number] }
    }

    /// Waits until everybody has finished what they are doing, and keeps them from going on.
    pub fn world(&self) -> World<'_> {
        let exclusivity = self.exclusivity.lock();
        let gates = self.gates.iter().map(RwLock::write).collect();
        World { _gates: gates, _exclusivity: exclusivity }
    }

    /// Says how many clients wait for keys to change. Whoever begins to wait holds the keys' locks.
    pub fn note_waiters(&self, count: usize) {
        self.waiters.store(count, Ordering::Relaxed);
    }

    /// Whether any client waits for a key.
    #[inline]
    pub fn has_waiters(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) > 0
    }

    /// Says whether any client keeps a cache. One that begins to does so before it reads keys.
    pub fn note_trackers(&self, are_there: bool) {
        self.trackers.store(are_there, Ordering::Relaxed);
    }

    /// Whether any client keeps a cache of what it read.
    #[inline]
    pub fn has_trackers(&self) -> bool {
        self.trackers.load(Ordering::Relaxed)
    }

    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        self.hasher.hash(key)
    }

    pub(super) fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// The number of a key's shard, in any database.
    #[inline]
    pub fn shard_of(&self, key: &[u8]) -> usize {
        usize::from(key_slot(key)) & (self.shards - 1)
    }

    /// The physical number of a database at the moment. A view that works on while databases may be swapped asks
    /// [`View::physical`](super::View::physical).
    pub(super) fn physical_now(&self, db: usize) -> usize {
        self.order[db].load(Ordering::Relaxed) as usize
    }

    /// The shards of a database by its physical number, allocated if need be.
    pub(super) fn shards_of(&self, physical: usize) -> &[ShardCell] {
        self.databases[physical].shards.get_or_init(|| {
            let ordinal = |shard| (physical * self.shards + shard) as u32;
            (0..self.shards).map(|shard| ShardCell::new(self.hasher, ordinal(shard))).collect()
        })
    }

    /// The same, but nothing is allocated: empty for a database that nobody has used.
    pub(super) fn shards_if_used(&self, physical: usize) -> &[ShardCell] {
        self.databases[physical].shards.get().map_or(&[], |shards| shards)
    }

    /// The sum that a shard's bytes are part of, by its place in the order of locks.
    pub(super) fn sum_of(&self, ordinal: u32) -> &DataBytes {
        &self.data_bytes[ordinal as usize % SUMS]
    }

    /// Bytes that all keys, values and their indexes take from the allocator, by the count of the shards.
    pub fn data_bytes(&self) -> usize {
        let sums = self.data_bytes.iter().map(|sum| sum.0.load(Ordering::Relaxed));
        sums.fold(0, usize::wrapping_add)
    }

    pub(super) fn cut(&self) -> CutState {
        CutState(self.cut.load(Ordering::Relaxed))
    }

    /// Whether a snapshot is being read.
    pub fn has_open_cut(&self) -> bool {
        self.cut().is_open()
    }

    /// Nobody needs to keep anything any more.
    pub(super) fn end_cut(&self) {
        self.cut.fetch_and(!CutState::OPEN, Ordering::Relaxed);
    }

    /// Begins a cut. The caller shows that it holds the world. Returns the physical numbers of all
    /// databases in logical order, which is how the cut must read them.
    pub fn begin_cut(&self, _world: &World<'_>) -> Vec<usize> {
        let number = self.cut().number() + 1;
        self.cut.store(number << 1 | CutState::OPEN, Ordering::Relaxed);
        (0..self.databases()).map(|db| self.physical_now(db)).collect()
    }

    /// Exchanges two databases.
    pub(super) fn swap(&self, a: usize, b: usize) {
        let (of_a, of_b) = (self.physical_now(a) as u32, self.physical_now(b) as u32);
        self.order[a].store(of_b, Ordering::Relaxed);
        self.order[b].store(of_a, Ordering::Relaxed);
    }

    /// How many keys a database holds, expired ones that were not removed yet included.
    pub fn counts(&self, db: usize) -> DatabaseCounts {
        let mut counts = DatabaseCounts::default();
        for cell in self.shards_if_used(self.physical_now(db)) {
            counts.keys += cell.len.load(Ordering::Relaxed);
            counts.volatile += cell.volatile_len.load(Ordering::Relaxed);
        }
        counts
    }

    /// Looks at one shard after the other, damaged ones included: their sizes are as good as any. The caller holds no
    /// shard, and is behind a gate.
    pub fn index_bytes(&self, db: usize) -> IndexBytes {
        let mut sum = IndexBytes::default();
        for cell in self.shards_if_used(self.physical_now(db)) {
            if !cell.is_empty() {
                sum.add(&cell.lock.read());
            }
        }
        sum
    }

    /// Shards that have an entry due at `now_ms`, as `(database, shard)`; and the earliest deadline
    /// among the others.
    pub fn due_shards(&self, now_ms: i64) -> (Vec<(usize, usize)>, Option<i64>) {
        let mut due = Vec::new();
        let mut next = NO_DEADLINE;
        for db in 0..self.databases() {
            for (shard, cell) in self.shards_if_used(self.physical_now(db)).iter().enumerate() {
                let deadline = cell.next_deadline.load(Ordering::Relaxed);
                if deadline <= now_ms {
                    due.push((db, shard));
                } else {
                    next = next.min(deadline);
                }
            }
        }
        (due, (next != NO_DEADLINE).then_some(next))
    }
}

/// A thread's own gate.
pub struct Gate<'a> {
    keyspace: &'a Keyspace,
    number: usize,
    lock: &'a RwLock<()>,
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        self.keyspace.gates_free.lock().push(self.number);
    }
}

/// A batch of work behind a gate that is held shared.
pub struct GateGuard<'a> {
    gate: &'a Gate<'a>,
    held: Option<ReadGuard<'a, ()>>,
}

impl<'a> Gate<'a> {
    pub fn enter(&'a self) -> GateGuard<'a> {
        GateGuard { gate: self, held: Some(self.lock.read()) }
    }
}

impl GateGuard<'_> {
    /// Steps out of the own gate, runs `work` while everybody stands still, and steps in again.
    pub fn exclusively<R>(&mut self, work: impl FnOnce(&World<'_>) -> R) -> R {
        self.held = None;
        let result = work(&self.gate.keyspace.world());
        self.step_in();
        result
    }

    /// Steps into the gate again if a panic in [`GateGuard::exclusively`] left it outside.
    pub fn step_in(&mut self) {
        if self.held.is_none() {
            self.held = Some(self.gate.lock.read());
        }
    }
}
