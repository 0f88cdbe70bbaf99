//! Entries as the rest of the server sees them: borrowed from a shard, or taken out of it.

use std::sync::atomic::AtomicU32;

use super::record::Record;
use super::storage::Object;
use crate::base::bytes::Bytes;
use crate::value::Value;

/// An entry in its shard. Valid while the shard's lock is held.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    stored: Stored<'a>,
    access: &'a AtomicU32,
}

#[derive(Clone, Copy)]
pub(super) enum Stored<'a> {
    Record(Record<'a>),
    Object(&'a Object),
}

/// The content of a string entry that is to be written.
#[derive(Clone, Copy, Debug)]
pub enum StringRef<'a> {
    Integer(i64),
    /// `edited`: it was changed in place, so that even a short one counts as `raw`.
    Bytes {
        bytes: &'a [u8],
        edited: bool,
    },
}

/// What becomes of an entry's deadline when its value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    Keep,
    Clear,
    /// Unix milliseconds.
    At(i64),
}

impl From<Option<i64>> for Deadline {
    /// Whatever the old one was.
    fn from(unix_ms: Option<i64>) -> Deadline {
        unix_ms.map_or(Deadline::Clear, Deadline::At)
    }
}

impl Deadline {
    /// The deadline that follows upon `old`.
    pub(super) fn after(self, old: Option<i64>) -> Option<i64> {
        match self {
            Deadline::Keep => old,
            Deadline::Clear => None,
            Deadline::At(unix_ms) => Some(unix_ms),
        }
    }
}

/// The value of an entry in its shard.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    Integer(i64),
    Short { bytes: &'a [u8], edited: bool },
    Object(&'a Value),
}

/// The value of an entry outside of any shard.
#[derive(Clone, Debug)]
pub enum OwnedValue {
    Integer(i64),
    Short { bytes: Box<[u8]>, edited: bool },
    Object(Value),
}

/// An entry outside of any shard, without its key.
#[derive(Clone, Debug)]
pub struct Entry {
    pub value: OwnedValue,
    /// Unix milliseconds.
    pub deadline: Option<i64>,
}

impl Entry {
    /// Whether it would not be seen any more.
    pub fn is_due(&self, now_ms: i64) -> bool {
        let is_hollow =
            matches!(&self.value, OwnedValue::Object(value) if value.is_expired(now_ms));
        self.deadline.is_some_and(|deadline| deadline <= now_ms) || is_hollow
    }
}

impl<'a> Stored<'a> {
    #[inline]
    pub(super) fn key(&self) -> &'a [u8] {
        match self {
            Stored::Record(record) => record.key(),
            Stored::Object(object) => object.key(),
        }
    }

    #[inline]
    pub(super) fn deadline(&self) -> Option<i64> {
        match self {
            Stored::Record(record) => record.deadline(),
            Stored::Object(object) => object.deadline(),
        }
    }

    #[inline]
    pub(super) fn value(&self) -> ValueRef<'a> {
        match self {
            Stored::Object(object) => ValueRef::Object(&object.value),
            Stored::Record(record) => record.value_ref(),
        }
    }

    /// Whether its deadline has passed, or the deadlines of all its fields.
    #[inline]
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now_ms) || self.is_hollow(now_ms)
    }

    /// Whether the deadlines of all its fields have passed.
    fn is_hollow(&self, now_ms: i64) -> bool {
        matches!(self, Stored::Object(object) if object.value.is_expired(now_ms))
    }
}

/// A value that is kept as a short string; others come back as they were.
impl<'a> TryFrom<ValueRef<'a>> for StringRef<'a> {
    type Error = ValueRef<'a>;

    fn try_from(value: ValueRef<'a>) -> Result<StringRef<'a>, ValueRef<'a>> {
        match value {
            ValueRef::Integer(number) => Ok(StringRef::Integer(number)),
            ValueRef::Short { bytes, edited } => Ok(StringRef::Bytes { bytes, edited }),
            ValueRef::Object(_) => Err(value),
        }
    }
}

impl ValueRef<'_> {
    pub(super) fn to_owned(self) -> OwnedValue {
        match self {
            ValueRef::Integer(number) => OwnedValue::Integer(number),
            ValueRef::Short { bytes, edited } => OwnedValue::Short { bytes: bytes.into(), edited },
            ValueRef::Object(value) => OwnedValue::Object(value.clone()),
        }
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            ValueRef::Integer(_) | ValueRef::Short { .. } => "string",
            ValueRef::Object(value) => value.type_name(),
        }
    }
}

impl OwnedValue {
    pub fn type_name(&self) -> &'static str {
        self.as_ref().type_name()
    }

    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            OwnedValue::Integer(number) => ValueRef::Integer(*number),
            OwnedValue::Short { bytes, edited } => ValueRef::Short { bytes, edited: *edited },
            OwnedValue::Object(value) => ValueRef::Object(value),
        }
    }
}

/// The integer that bytes stand for, if storing it as one gives back the same bytes.
pub fn string_ref(bytes: &[u8]) -> StringRef<'_> {
    match crate::base::number::parse_i64(bytes) {
        Some(number) => StringRef::Integer(number),
        None => StringRef::Bytes { bytes, edited: false },
    }
}

impl<'a> EntryRef<'a> {
    #[inline]
    pub(super) fn new(stored: Stored<'a>, access: &'a AtomicU32) -> EntryRef<'a> {
        EntryRef { stored, access }
    }

    pub fn key(&self) -> &'a [u8] {
        self.stored.key()
    }

    /// Unix milliseconds.
    #[inline]
    pub fn deadline(&self) -> Option<i64> {
        self.stored.deadline()
    }

    #[inline]
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.stored.is_due(now_ms)
    }

    /// Whether the deadline of one of its fields has passed.
    #[inline]
    pub(super) fn has_due_fields(&self, now_ms: i64) -> bool {
        match self.stored {
            Stored::Record(_) => false,
            Stored::Object(object) => {
                object.value.next_field_deadline().is_some_and(|deadline| deadline <= now_ms)
            }
        }
    }

    #[inline]
    pub fn value(&self) -> ValueRef<'a> {
        self.stored.value()
    }

    /// When or how often the entry was used (see `store::access`).
    #[inline]
    pub fn access(&self) -> &'a AtomicU32 {
        self.access
    }

    /// A copy that shares the payload of an object.
    pub fn to_entry(self) -> Entry {
        Entry { value: self.value().to_owned(), deadline: self.deadline() }
    }

    /// Bytes that the entry takes in its shard, its share of the index included.
    pub fn memory_bytes(&self) -> usize {
        match self.stored {
            Stored::Object(object) => object.memory_bytes(),
            Stored::Record(record) => {
                SLOT + volatile_bytes(record.deadline()) + record.bytes().len().next_multiple_of(8)
            }
        }
    }
}

/// Bytes of a slot of the table at its average fullness.
const SLOT: usize = 12;

/// What a deadline takes in its index.
fn volatile_bytes(deadline: Option<i64>) -> usize {
    if deadline.is_some() { 24 } else { 0 }
}

impl Object {
    /// As [`EntryRef::memory_bytes`]. O(1).
    pub(super) fn memory_bytes(&self) -> usize {
        SLOT + volatile_bytes(self.deadline()) + size_of::<Object>() + self.payload_bytes()
    }
}

/// A string's content as commands read it.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    Integer(i64),
    Short(&'a [u8]),
    /// Long enough to be shared with a reply instead of copied.
    Long(&'a Bytes),
}

impl Text<'_> {
    pub fn len(&self) -> usize {
        match self {
            Text::Integer(number) => itoa::Buffer::new().format(*number).len(),
            Text::Short(bytes) => bytes.len(),
            Text::Long(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `read` with the bytes, whatever form they are kept in.
    pub fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Text::Integer(number) => read(itoa::Buffer::new().format(*number).as_bytes()),
            Text::Short(bytes) => read(bytes),
            Text::Long(bytes) => read(bytes),
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }
}
