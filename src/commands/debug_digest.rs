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

use crate::store::{EntryRef, ValueRef};
use crate::value::Value;

/// See the module's description. Displays as 40 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DataDigest([u8; 20]);

/// What Redis numbers the types with.
const TYPE_STRING: u32 = 0;

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
        self.mix(&TYPE_STRING.to_be_bytes());
        match entry.value() {
            ValueRef::Integer(number) => self.mix(itoa::Buffer::new().format(number).as_bytes()),
            ValueRef::Short { bytes, .. } => self.mix(bytes),
            ValueRef::Object(Value::String { bytes, .. }) => self.mix(bytes),
        }
        if entry.deadline().is_some() {
            self.add(b"!!expire!!");
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
