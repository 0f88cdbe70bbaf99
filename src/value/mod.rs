//! The data types as pure values: no keys, deadlines, locks or protocol.
//!
//! A [`Value`] is what an entry holds when it is not a short string kept inside the entry itself. Cloning
//! one is cheap: small collections are copied (some kilobytes; [`listpack::COLLECTION_BYTES_MAX`] at most, whatever the
//! parameters allow), everything large is shared, and changing it while somebody else (a reply being sent, a snapshot being written) holds it copies only
//! the part that is touched.

mod draw;
mod roomy;

pub mod bitmap;
pub mod geo;
pub mod hash;
pub mod hashed;
pub mod hyperloglog;
pub mod lcs;
pub mod list;
pub mod listpack;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod tree;

use crate::base::allocator::allocation_size;
use crate::base::bytes::Bytes;
pub use draw::Draw;
pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use sorted_set::SortedSet;
pub use stream::Stream;

/// A value of any type.
#[derive(Clone, Debug)]
pub enum Value {
    /// `edited`: it was changed in place, so that even a short one counts as `raw`.
    String {
        bytes: Bytes,
        edited: bool,
    },
    List(List),
    Set(Set),
    Hash(Hash),
    SortedSet(SortedSet),
    Stream(Stream),
}

const _: () = assert!(size_of::<Value>() == 24);

/// A type of values that have elements.
pub trait Collection: Default {
    /// Whether a key stays when its last element goes.
    const STAYS_EMPTY: bool;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    fn is_empty(&self) -> bool;
}

macro_rules! collections {
    ($($type:ident $stays:literal;)*) => {$(
        impl Collection for $type {
            const STAYS_EMPTY: bool = $stays;

            fn of(value: &Value) -> Option<&$type> {
                if let Value::$type(it) = value { Some(it) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut $type> {
                if let Value::$type(it) = value { Some(it) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$type(self)
            }

            fn is_empty(&self) -> bool {
                $type::is_empty(self)
            }
        }
    )*};
}

collections! {
    List false;
    Set false;
    Hash false;
    SortedSet false;
    Stream true;
}

/// So many bytes are about as much work as a short element.
const BYTES_PER_ELEMENT: usize = 128;

/// The longest string that is moved: about the size from which on allocations do not share pages.
const RELOCATED_BYTES_MAX: usize = 16 * 1024;

/// From this many bytes on, freeing a value is left to the reaper.
const LARGE_BYTES: usize = 64 * 1024;

impl Value {
    pub fn string(bytes: Vec<u8>) -> Value {
        Value::String { bytes: Bytes::new(bytes), edited: false }
    }

    /// The name that `TYPE` prints.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String { .. } => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Hash(_) => "hash",
            Value::SortedSet(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// Bytes taken from the allocator, payload included even if it is shared. O(1).
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String { bytes, .. } => {
                allocation_size(bytes.capacity())
                    + allocation_size(size_of::<Vec<u8>>() + size_of::<usize>())
            }
            Value::List(list) => list.heap_bytes(),
            Value::Set(set) => set.heap_bytes(),
            Value::Hash(hash) => hash.heap_bytes(),
            Value::SortedSet(set) => set.heap_bytes(),
            Value::Stream(stream) => stream.heap_bytes(),
        }
    }

    /// How many elements it has, those of a hash that have expired included; a string is one. O(1).
    pub fn elements(&self) -> usize {
        match self {
            Value::String { .. } => 1,
            Value::List(list) => list.len(),
            Value::Set(set) => set.len(),
            Value::Hash(hash) => hash.stored_len(),
            Value::SortedSet(set) => set.len(),
            Value::Stream(stream) => stream.len(),
        }
    }

    /// Whether freeing or printing it takes long enough to do it outside of any lock.
    pub fn is_large(&self) -> bool {
        self.heap_bytes() >= LARGE_BYTES
    }

    /// Whether nothing has happened to one of two clones. Large values are compared by where they lie: as long as
    /// both are there, a change of one of them makes another payload.
    pub fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (
                Value::String { bytes, edited },
                Value::String { bytes: other, edited: other_edited },
            ) => Bytes::ptr_eq(bytes, other) && edited == other_edited,
            (Value::List(list), Value::List(other)) => list.is_same(other),
            (Value::Set(set), Value::Set(other)) => set.is_same(other),
            (Value::Hash(hash), Value::Hash(other)) => hash.is_same(other),
            (Value::SortedSet(set), Value::SortedSet(other)) => set.is_same(other),
            (Value::Stream(stream), Value::Stream(other)) => stream.is_same(other),
            _ => false,
        }
    }

    /// How much work it is to go through all of it, in short elements.
    pub fn work(&self) -> usize {
        self.elements().max(self.heap_bytes() / BYTES_PER_ELEMENT)
    }

    /// The earliest deadline of a part of it, in Unix milliseconds.
    pub fn next_field_deadline(&self) -> Option<i64> {
        match self {
            Value::Hash(hash) => hash.next_deadline(),
            _ => None,
        }
    }

    /// Moves it to fresh memory, if it is one piece that is not large and nobody else holds it: what is large has pages of
    /// its own. Tells how many bytes were moved.
    pub fn relocate(&mut self) -> usize {
        let bytes = self.heap_bytes();
        let is_moved = bytes <= RELOCATED_BYTES_MAX
            && match &*self {
                Value::String { bytes, .. } => bytes.is_unique(),
                collection => collection.is_small(),
            };
        if !is_moved {
            return 0;
        }
        match self {
            Value::String { bytes, .. } => *bytes = Bytes::new(bytes.to_vec()),
            collection => *collection = collection.clone(),
        }
        bytes
    }

    /// Whether it is a collection in its small form, which a clone copies.
    fn is_small(&self) -> bool {
        match self {
            Value::List(list) => list.is_small(),
            Value::Set(set) => set.is_small(),
            Value::Hash(hash) => hash.listpack().is_some(),
            Value::SortedSet(set) => set.listpack().is_some(),
            Value::String { .. } | Value::Stream(_) => false,
        }
    }

    /// Whether nothing of it is left to see, because all its parts have expired.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        match self {
            Value::Hash(hash) => hash.is_expired(now_ms),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::hash::HashLimits;
    use crate::value::list::{End, ListLimits};
    use crate::value::set::SetLimits;
    use crate::value::sorted_set::SortedSetLimits;

    const MANY: usize = usize::MAX;

    /// Collections of `count` elements, each of about a hundred bytes, or an integer, whose parameters allow any small form.
    fn collections(count: u64) -> [Value; 4] {
        let name = |n: u64| format!("{n:0100}").into_bytes();
        let (mut hash, mut set, mut integers) = (Hash::new(), Set::default(), Set::default());
        let mut sorted = SortedSet::new();
        let limits =
            SetLimits { intset_entries: MANY, listpack_entries: MANY, listpack_value: MANY };
        for n in 0..count {
            hash.insert(&name(n), b"value", &HashLimits { entries: MANY, value: MANY });
            set.insert(&name(n), &limits);
            integers.insert(format!("{}", i64::MAX as u64 - n * 7).as_bytes(), &limits);
            let limits = SortedSetLimits { entries: MANY, value: MANY };
            sorted.insert(&name(n), n as f64, &limits);
        }
        [Value::Hash(hash), Value::Set(set), Value::Set(integers), Value::SortedSet(sorted)]
    }

    #[test]
    fn small_forms_are_bounded_whatever_the_parameters_allow() {
        assert!(collections(500).iter().all(Value::is_small));
        for value in collections(1500) {
            // Integers take less.
            assert_eq!(value.is_small(), value.heap_bytes() < 15_000, "{}", value.type_name());
        }
        assert!(!collections(20_000)[2].is_small());
    }

    #[test]
    fn a_long_element_that_is_left_alone_does_not_make_a_list_small() {
        let limits = ListLimits::new(1000);
        let mut list = List::default();
        for value in [&vec![b'x'; 1_000_000][..], b"short"] {
            list.push_all(End::Right, [value].into_iter(), &limits);
        }
        list.remove(1..2);
        list.shrink(&limits);
        assert!(list.len() == 1 && !list.is_small());
    }

    #[test]
    fn only_what_is_little_and_not_shared_is_moved_and_counted() {
        let mut short = Value::string(vec![b'x'; 3000]);
        assert_eq!(short.relocate(), short.heap_bytes());
        let other = short.clone();
        assert_eq!((short.relocate(), short.is_same(&other)), (0, true));
        assert_eq!(Value::string(vec![b'x'; RELOCATED_BYTES_MAX]).relocate(), 0);
        for mut value in collections(50) {
            assert_eq!(value.relocate(), value.heap_bytes(), "{}", value.type_name());
        }
        for mut value in collections(500) {
            let is_moved = value.heap_bytes() <= RELOCATED_BYTES_MAX;
            assert_eq!(value.relocate() > 0, is_moved, "{}", value.type_name());
        }
    }
}
