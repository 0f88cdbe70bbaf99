//! `DEBUG DIGEST`: one number for everything that is stored.
//!
//! The algorithm is Redis's (`debug.c`), so that digests of the same data agree with those of a Redis
//! server. A digest is 20 bytes. To *add* a part to it is to exclusive-or it with the part's SHA-1: the
//! order of parts does not matter. To *mix* a part into it is to add the part and to replace the digest
//! by its own SHA-1: the order does matter.
//!
//! ```text
//! data:   for each database with keys, mix its number (big endian, 4 bytes); add each key's digest
//! key:    mix the key; then as value
//! value:  mix the type (big endian, 4 bytes); mix the content; add "!!expire!!" if it has a deadline
//! ```

use sha1::{Digest, Sha1};

use crate::base::number::write_f64_digits;
use crate::store::{EntryRef, ValueRef};
use crate::value::{Hash, List, Set, SortedSet, Stream, Value};

/// See the module's description. Displays as 40 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DataDigest([u8; 20]);

/// What Redis numbers the types with.
fn type_number(value: ValueRef<'_>) -> u32 {
    match value {
        ValueRef::Integer(_) | ValueRef::Short { .. } => 0,
        ValueRef::Object(value) => match value {
            Value::String { .. } => 0,
            Value::List(_) => 1,
            Value::Set(_) => 2,
            Value::SortedSet(_) => 3,
            Value::Hash(_) => 4,
            Value::Stream(_) => 6,
        },
    }
}

impl DataDigest {
    /// The digest of an entry's value alone.
    pub(super) fn of_value(entry: EntryRef<'_>) -> DataDigest {
        let mut digest = DataDigest::default();
        digest.mix_value(entry);
        digest
    }

    /// Begins the next database.
    pub(super) fn mix_database(&mut self, number: u32) {
        self.mix(&number.to_be_bytes());
    }

    /// Adds a key of the database and its value.
    pub(super) fn add_entry(&mut self, entry: EntryRef<'_>) {
        let mut digest = DataDigest::default();
        digest.mix(entry.key());
        digest.mix_value(entry);
        self.add(&digest.0);
    }

    fn mix_value(&mut self, entry: EntryRef<'_>) {
        self.mix(&type_number(entry.value()).to_be_bytes());
        match entry.value() {
            ValueRef::Integer(number) => self.mix(itoa::Buffer::new().format(number).as_bytes()),
            ValueRef::Short { bytes, .. } => self.mix(bytes),
            ValueRef::Object(value) => self.mix_object(value),
        }
        if entry.deadline().is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn mix_object(&mut self, value: &Value) {
        match value {
            Value::String { bytes, .. } => self.mix(bytes),
            Value::List(list) => self.mix_list(list),
            Value::Set(set) => self.mix_set(set),
            Value::Hash(hash) => self.mix_hash(hash),
            Value::SortedSet(set) => self.mix_sorted_set(set),
            Value::Stream(stream) => self.mix_stream(stream),
        }
    }

    fn mix_list(&mut self, list: &List) {
        list.iter().for_each(|element| element.with_bytes(|bytes| self.mix(bytes)));
    }

    fn mix_set(&mut self, set: &Set) {
        set.iter().for_each(|member| member.with_bytes(|bytes| self.add(bytes)));
    }

    /// The order of fields does not matter.
    fn mix_hash(&mut self, hash: &Hash) {
        for (field, value) in hash.iter_stored() {
            let mut digest = DataDigest::default();
            field.with_bytes(|bytes| digest.mix(bytes));
            value.with_bytes(|bytes| digest.mix(bytes));
            if field.with_bytes(|bytes| hash.deadline(bytes)).is_some() {
                digest.add(b"!!hexpire!!");
            }
            self.add(&digest.0);
        }
    }

    /// Scores are mixed as their shortest digits, as Redis 7.2 does; older ones mixed 17 digits.
    fn mix_sorted_set(&mut self, set: &SortedSet) {
        let mut text = Vec::new();
        for (member, score) in set.iter() {
            text.clear();
            write_f64_digits(&mut text, score);
            let mut digest = DataDigest::default();
            member.with_bytes(|bytes| digest.mix(bytes));
            digest.mix(&text);
            self.add(&digest.0);
        }
    }

    /// The entries only: groups are left out.
    fn mix_stream(&mut self, stream: &Stream) {
        for entry in stream.iter() {
            self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for (field, value) in entry.fields() {
                field.with_bytes(|bytes| self.mix(bytes));
                value.with_bytes(|bytes| self.mix(bytes));
            }
        }
    }

    fn add(&mut self, part: &[u8]) {
        let hash: [u8; 20] = Sha1::digest(part).into();
        self.0.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }

    fn mix(&mut self, part: &[u8]) {
        self.add(part);
        self.0 = Sha1::digest(self.0).into();
    }
}

impl std::fmt::Display for DataDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
