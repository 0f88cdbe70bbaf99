//! What one shard owes the snapshot in progress.
//!
//! A snapshot is the state of the whole store at one instant, the cut, though it is written while
//! everybody goes on. At the cut nothing is copied: the store's cut number rises, and each shard joins
//! when it is next locked for writing. From then on, whoever is first to change an entry that the
//! snapshotter has not reached keeps a copy of the entry as it was (a short record, or one reference to
//! a shared payload), or a note that there was none. The snapshotter walks each shard in hash order, in
//! slices, and writes every entry that nobody kept from the shard itself and the kept ones at the end.
//!
//! Rejected: handing over the list of a whole shard's entries at its first change. Under random writes
//! every shard is touched within milliseconds of the cut, so the lists (and everything they keep alive)
//! amount to a second index of the whole store; what is kept here is only what really changed.
//!
//! Invariant: at any time, the cut's remaining entries in this shard are those of the (frozen or live)
//! contents at or beyond `position` whose keys were not kept, and the kept ones that existed.

use super::entry::{EntryRef, OwnedValue, StringRef, ValueRef};
use super::hash::{KeyHash, KeyHasher};
use super::record::{Form, Parts, Record};
use super::shard::Contents;
use super::table::Table;

/// Takes an entry of the cut: key, value, deadline.
pub(super) type Emit<'a> = dyn FnMut(&[u8], ValueRef<'_>, Option<i64>) + 'a;

/// See the module's description.
pub(super) struct Cut {
    /// Entries with a smaller hash have been emitted, unless they were kept.
    position: u64,
    kept: Kept,
    /// The shard was emptied as a whole: this is what it held.
    frozen: Option<Contents>,
    /// What the shard held was damaged before it was emitted.
    lost: bool,
}

impl Cut {
    pub(super) fn new(hasher: KeyHasher) -> Cut {
        Cut { position: 0, kept: Kept::new(hasher), frozen: None, lost: false }
    }

    /// Keeps an entry as it was before its first change.
    pub(super) fn keep<'e>(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        entry: impl FnOnce() -> Option<EntryRef<'e>>,
    ) {
        let ahead = self.frozen.is_none() && hash.0 >= self.position;
        if ahead && !self.kept.contains(hash, key) {
            self.kept.insert(hash, key, entry());
        }
    }

    pub(super) fn was_kept(&self, hash: KeyHash, key: &[u8]) -> bool {
        self.kept.contains(hash, key)
    }

    /// The shard is emptied. Only the first time matters: later contents are not part of the cut.
    pub(super) fn freeze(&mut self, contents: Contents) {
        self.frozen.get_or_insert(contents);
    }

    pub(super) fn give_up(&mut self) {
        self.lost = true;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn frozen(&self) -> Option<&Contents> {
        self.frozen.as_ref()
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn advance(&mut self, position: u64) {
        self.position = position;
    }

    pub(super) fn emit_kept(&self, emit: &mut Emit<'_>) {
        self.kept.emit(emit);
    }
}

/// The first state since the cut of every key that changed ahead of the walk. Most are a hundred bytes
/// or less, and there can be hundreds of thousands, so records are packed one behind the other.
struct Kept {
    hasher: KeyHasher,
    /// Leads from hashes to offsets into `records`, or, with [`OBJECT`], to numbers of `objects`.
    table: Table,
    records: Vec<u8>,
    /// What is no record; without a value, a long key that did not exist.
    objects: Vec<KeptObject>,
}

type KeptObject = (Box<[u8]>, Option<OwnedValue>, Option<i64>);

const OBJECT: u32 = 1 << 31;

impl Kept {
    fn new(hasher: KeyHasher) -> Kept {
        Kept { hasher, table: Table::new(), records: Vec::new(), objects: Vec::new() }
    }

    fn contains(&self, hash: KeyHash, key: &[u8]) -> bool {
        self.table
            .find(hash.0, |place| key_at(&self.records, &self.objects, place) == key)
            .is_some()
    }

    /// Adds a key that is not there yet, with what it held.
    fn insert(&mut self, hash: KeyHash, key: &[u8], entry: Option<EntryRef<'_>>) {
        let value = entry.map(|entry| entry.value());
        let deadline = entry.and_then(|entry| entry.deadline());
        let integer;
        let (form, bytes) = match value.map(StringRef::try_from) {
            None => (Form::Absent, &b""[..]),
            Some(Ok(StringRef::Integer(number))) => {
                integer = number.to_le_bytes();
                (Form::Integer, &integer[..])
            }
            Some(Ok(StringRef::Bytes { bytes, edited })) => {
                (if edited { Form::Edited } else { Form::Plain }, bytes)
            }
            Some(Err(object)) => {
                return self.insert_object(hash, key, Some(object.to_owned()), deadline);
            }
        };
        let parts = Parts { key, form, value: bytes, deadline };
        let Some(size) = parts.size() else {
            return self.insert_object(hash, key, value.map(ValueRef::to_owned), deadline);
        };
        let start = self.records.len();
        assert!(start < OBJECT as usize, "a shard keeps at most 2 GiB for a snapshot");
        self.records.resize(start + size, 0);
        parts.write(&mut self.records[start..]);
        self.index(hash, start as u32);
    }

    fn insert_object(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: Option<OwnedValue>,
        deadline: Option<i64>,
    ) {
        self.objects.push((key.into(), value, deadline));
        self.index(hash, OBJECT | (self.objects.len() - 1) as u32);
    }

    fn index(&mut self, hash: KeyHash, place: u32) {
        let Kept { hasher, table, records, objects } = self;
        table.insert(hash.0, place, 0, |place| hasher.hash(key_at(records, objects, place)).0);
    }

    fn emit(&self, emit: &mut Emit<'_>) {
        let mut at = 0;
        while at < self.records.len() {
            let record = Record::new(&self.records[at..]);
            if record.form() != Form::Absent {
                emit(record.key(), record.value_ref(), record.deadline());
            }
            at += record.bytes().len();
        }
        for (key, value, deadline) in &self.objects {
            if let Some(value) = value {
                emit(key, value.as_ref(), *deadline);
            }
        }
    }
}

fn key_at<'a>(records: &'a [u8], objects: &'a [KeptObject], place: u32) -> &'a [u8] {
    if place & OBJECT != 0 {
        &objects[(place & !OBJECT) as usize].0
    } else {
        Record::new(&records[place as usize..]).key()
    }
}
