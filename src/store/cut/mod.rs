//! What one shard owes the snapshot in progress.
//!
//! A snapshot is the state of the whole store at one instant, the cut, though it is written while
//! everybody goes on. At the cut nothing is copied: the store's cut number rises, and each shard joins
//! when it is next locked for writing. From then on, whoever is first to change an entry that the
//! snapshotter has not reached keeps a copy of the entry as it was (a short record, or one reference to
//! a shared payload), or a note that there was none. The snapshotter walks each shard in hash order, in
//! slices, and writes every entry that nobody kept from the shard itself. At the end it takes the cut out of the
//! shard, and writes what was kept without the shard's lock. The same if the shard was emptied as a whole: what it
//! held belongs to the cut then.
//!
//! Rejected: handing over the list of a whole shard's entries at its first change. Under random writes
//! every shard is touched within milliseconds of the cut, so the lists (and everything they keep alive)
//! amount to a second index of the whole store; what is kept here is only what really changed.
//!
//! Invariant: at any time, the cut's remaining entries in this shard are those of the (frozen or live)
//! contents at or beyond `position` whose keys were not kept, and the kept ones that existed.

mod walk;

pub use walk::CutWalk;

use super::contents::Contents;
use super::entry::{Entry, EntryRef, StringRef, ValueRef};
use super::hash::{KeyHash, KeyHasher};
use super::record::{Form, Parts, RECORD_MAX, Record};
use super::table::Table;

/// Takes an entry of the cut: key, value, deadline.
pub(super) type Emit<'a> = dyn FnMut(&[u8], ValueRef<'_>, Option<i64>) + 'a;

/// See the module's description.
pub(super) struct Cut {
    /// Entries with a smaller hash have been emitted, unless they were kept.
    position: u64,
    kept: Kept,
    source: Source,
}

/// Where the entries are that nobody kept.
enum Source {
    /// In the shard.
    Live,
    /// The shard was emptied as a whole: this is what it held.
    Frozen(Box<Contents>),
    /// What the shard held was damaged before it was emitted.
    Lost,
    /// All of them have been emitted.
    Done,
}

impl Cut {
    pub(super) fn new(hasher: KeyHasher) -> Cut {
        Cut { position: 0, kept: Kept::new(hasher, CHUNKS_MAX), source: Source::Live }
    }

    /// Keeps an entry as it was before its first change.
    pub(super) fn keep<'e>(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        entry: impl FnOnce() -> Option<EntryRef<'e>>,
    ) {
        let is_ahead = matches!(self.source, Source::Live) && hash.0 >= self.position;
        if is_ahead && !self.kept.contains(hash, key) {
            self.kept.insert(hash, key, entry());
        }
    }

    /// The shard is emptied. Only the first time matters: later contents are not part of the cut, and come back.
    pub(super) fn freeze(&mut self, contents: Contents) -> Option<Contents> {
        if let Source::Live = self.source {
            self.source = Source::Frozen(Box::new(contents));
            return None;
        }
        Some(contents)
    }

    pub(super) fn give_up(&mut self) {
        self.source = Source::Lost;
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.source, Source::Lost)
    }

    /// Emits entries of the live contents, about as many as `budget` says; true if these were the last.
    pub(super) fn emit_live(
        &mut self,
        contents: &Contents,
        budget: usize,
        emit: &mut Emit<'_>,
    ) -> bool {
        let Source::Live = self.source else { return true };
        let is_end = self.walk(contents, budget, emit);
        if is_end {
            self.source = Source::Done;
        }
        is_end
    }

    fn walk(&mut self, contents: &Contents, budget: usize, emit: &mut Emit<'_>) -> bool {
        let kept = &self.kept;
        let next = contents.walk(self.position, budget, |hash, entry| {
            if !kept.contains(hash, entry.key()) {
                emit(entry.key(), entry.value(), entry.deadline());
            }
        });
        self.position = next.unwrap_or(self.position);
        next.is_none()
    }

    /// Emits what is the cut's own: frozen entries and kept ones, about as many as `budget` says; true if these were the
    /// last. Needs no lock.
    pub(super) fn emit_own(&mut self, budget: usize, emit: &mut Emit<'_>) -> bool {
        match std::mem::replace(&mut self.source, Source::Done) {
            Source::Frozen(contents) => {
                if !self.walk(&contents, budget, emit) {
                    self.source = Source::Frozen(contents);
                }
                false
            }
            _ => self.kept.emit(budget, emit),
        }
    }
}

/// The first state since the cut of every key that changed ahead of the walk. Most are a hundred bytes
/// or less, and there can be hundreds of thousands, so records are packed one behind the other, in chunks, so that adding
/// one never moves many. When there is no room for more of these, records are kept like objects.
struct Kept {
    hasher: KeyHasher,
    /// Leads from hashes to records, `chunk · offset`, or, with [`OBJECT`], to numbers of `objects`.
    table: Table,
    chunks: Vec<Vec<u8>>,
    chunks_max: usize,
    /// What is no record.
    objects: Vec<KeptObject>,
    /// How much has been emitted: chunks, bytes of the next one, objects.
    emitted: (usize, usize, usize),
}

struct KeptObject {
    key: Box<[u8]>,
    /// `None`: there was no such key.
    entry: Option<Entry>,
}

const OBJECT: u32 = 1 << 31;
/// Bits of an offset in a chunk.
const OFFSET_BITS: u32 = 16;
const CHUNK_BYTES: usize = 1 << OFFSET_BITS;
const CHUNKS_MAX: usize = (OBJECT >> OFFSET_BITS) as usize;

const _: () = assert!(RECORD_MAX <= CHUNK_BYTES);

impl Kept {
    fn new(hasher: KeyHasher, chunks_max: usize) -> Kept {
        Kept {
            hasher,
            table: Table::default(),
            chunks: Vec::new(),
            chunks_max,
            objects: Vec::new(),
            emitted: (0, 0, 0),
        }
    }

    fn contains(&self, hash: KeyHash, key: &[u8]) -> bool {
        self.table.find(hash.0, |place| key_at(&self.chunks, &self.objects, place) == key).is_some()
    }

    /// Adds a key that is not there yet, with what it held.
    fn insert(&mut self, hash: KeyHash, key: &[u8], entry: Option<EntryRef<'_>>) {
        let integer;
        let (form, bytes) = match entry.map(|entry| StringRef::try_from(entry.value())) {
            None => (Form::Absent, &b""[..]),
            Some(Ok(StringRef::Integer(number))) => {
                integer = number.to_le_bytes();
                (Form::Integer, &integer[..])
            }
            Some(Ok(StringRef::Bytes { bytes, edited })) => {
                (if edited { Form::Edited } else { Form::Plain }, bytes)
            }
            Some(Err(_)) => return self.insert_object(hash, key, entry),
        };
        let deadline = entry.and_then(|entry| entry.deadline());
        if !self.insert_record(hash, &Parts { key, form, value: bytes, deadline }) {
            self.insert_object(hash, key, entry);
        }
    }

    /// False if it is too long for a record, or there is no room for it.
    fn insert_record(&mut self, hash: KeyHash, parts: &Parts<'_>) -> bool {
        let Some(size) = parts.size() else { return false };
        if self.chunks.last().is_none_or(|chunk| chunk.len() + size > CHUNK_BYTES) {
            if self.chunks.len() == self.chunks_max {
                return false;
            }
            self.chunks.push(Vec::new());
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let start = chunk.len();
        chunk.resize(start + size, 0);
        parts.write(&mut chunk[start..]);
        self.index(hash, (number << OFFSET_BITS | start) as u32);
        true
    }

    fn insert_object(&mut self, hash: KeyHash, key: &[u8], entry: Option<EntryRef<'_>>) {
        self.objects.push(KeptObject { key: key.into(), entry: entry.map(EntryRef::to_entry) });
        self.index(hash, OBJECT | (self.objects.len() - 1) as u32);
    }

    fn index(&mut self, hash: KeyHash, place: u32) {
        let Kept { hasher, table, chunks, objects, .. } = self;
        table.insert(hash.0, place, 0, |place| hasher.hash(key_at(chunks, objects, place)).0);
    }

    /// Emits the next ones, as many as `budget` says; true if these were the last.
    fn emit(&mut self, budget: usize, emit: &mut Emit<'_>) -> bool {
        let (chunk, offset, object) = &mut self.emitted;
        let mut left = budget;
        while let Some(records) = self.chunks.get(*chunk) {
            while *offset < records.len() {
                if left == 0 {
                    return false;
                }
                left -= 1;
                let record = Record::new(&records[*offset..]);
                if record.form() != Form::Absent {
                    emit(record.key(), record.value_ref(), record.deadline());
                }
                *offset += record.bytes().len();
            }
            (*chunk, *offset) = (*chunk + 1, 0);
        }
        for KeptObject { key, entry } in self.objects[*object..].iter().take(left) {
            *object += 1;
            if let Some(entry) = entry {
                emit(key, entry.value.as_ref(), entry.deadline);
            }
        }
        *object == self.objects.len()
    }
}

fn key_at<'a>(chunks: &'a [Vec<u8>], objects: &'a [KeptObject], place: u32) -> &'a [u8] {
    if place & OBJECT != 0 {
        return &objects[(place & !OBJECT) as usize].key;
    }
    let (chunk, offset) = (place >> OFFSET_BITS, place as usize % CHUNK_BYTES);
    Record::new(&chunks[chunk as usize][offset..]).key()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_among_records_is_kept_all_the_same() {
        let hasher = KeyHasher::new([7; 16]);
        let name = |n: usize| format!("{n:01000}").into_bytes();
        let count = 3 * CHUNK_BYTES / 1000;
        let mut kept = Kept::new(hasher, 1);
        for n in 0..count {
            let key = &name(n)[790..];
            kept.insert(hasher.hash(key), key, None);
        }
        assert!(kept.chunks.len() == 1 && kept.objects.is_empty());
        let full = count + CHUNK_BYTES / 200;
        for n in count..full {
            let key = &name(n)[790..];
            kept.insert(hasher.hash(key), key, None);
        }
        assert!(kept.chunks.len() == 1 && kept.objects.len() > 10);
        for n in 0..full {
            let key = &name(n)[790..];
            assert!(kept.contains(hasher.hash(key), key));
        }
        while !kept.emit(7, &mut |_, _, _| panic!("none of them was there")) {}
        assert_eq!(kept.emitted, (1, 0, kept.objects.len()));
    }
}
