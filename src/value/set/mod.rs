//! Sets: members without order.
//!
//! Three forms, under the names that Redis has for them, and changing over when Redis does:
//!
//! - `intset`: only integers, in a sorted array;
//! - `listpack`: a few short members in one piece of memory, in the order in which they came;
//! - `hashtable`: anything else, a tree in the order of hashes.
//!
//! A set does not go back to a smaller form when members go; only a set that is put together anew begins
//! with a small one. Where the limits are is a parameter, because the configuration says so.

mod algebra;
mod draw;
mod integers;

pub use algebra::{common_members, difference, intersection, intersection_count, union};
pub use integers::Integers;

use super::hashed::{Hashed, Members};
use super::listpack::{self, COLLECTION_BYTES_MAX, Element, Listpack, element};
use crate::base::allocator::allocation_size;

/// What an intset may have, whatever the configuration says, with eight bytes for each.
const INTSET_ENTRIES_MAX: usize = COLLECTION_BYTES_MAX / 8;

/// Up to where a set keeps its small forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimits {
    pub intset_entries: usize,
    pub listpack_entries: usize,
    /// Bytes of a member.
    pub listpack_value: usize,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub struct Set {
    form: SetForm,
}

#[derive(Clone, Debug)]
pub enum SetForm {
    Integers(Integers),
    Listpack(Listpack),
    Hashed(Box<Hashed>),
}

impl Default for Set {
    fn default() -> Set {
        Set::from(SetForm::Integers(Integers::default()))
    }
}

/// Takes over members in a form.
impl From<SetForm> for Set {
    fn from(form: SetForm) -> Set {
        Set { form }
    }
}

impl Set {
    pub fn form(&self) -> &SetForm {
        &self.form
    }

    pub fn len(&self) -> usize {
        match &self.form {
            SetForm::Integers(integers) => integers.len(),
            SetForm::Listpack(pack) => pack.len(),
            SetForm::Hashed(hashed) => hashed.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing has happened to one of two clones.
    pub fn is_same(&self, other: &Set) -> bool {
        match (&self.form, &other.form) {
            (SetForm::Integers(integers), SetForm::Integers(other)) => integers == other,
            (SetForm::Listpack(pack), SetForm::Listpack(other)) => pack == other,
            (SetForm::Hashed(hashed), SetForm::Hashed(other)) => hashed.is_same(other),
            _ => false,
        }
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        match &self.form {
            SetForm::Integers(integers) => integers.heap_bytes(),
            SetForm::Listpack(pack) => pack.heap_bytes(),
            SetForm::Hashed(hashed) => allocation_size(size_of::<Hashed>()) + hashed.heap_bytes(),
        }
    }

    /// Whether it is one piece of memory.
    pub fn is_small(&self) -> bool {
        !matches!(self.form, SetForm::Hashed(_))
    }

    /// The name that `OBJECT ENCODING` prints.
    pub fn encoding(&self) -> &'static str {
        match &self.form {
            SetForm::Integers(_) => "intset",
            SetForm::Listpack(_) => "listpack",
            SetForm::Hashed(_) => "hashtable",
        }
    }

    /// The members: integers rising, those of a listpack as they came, others by their hashes.
    pub fn iter(&self) -> Iter<'_> {
        match &self.form {
            SetForm::Integers(integers) => Iter::Integers { integers, next: 0 },
            SetForm::Listpack(pack) => Iter::Listpack(pack.iter()),
            SetForm::Hashed(hashed) => Iter::Hashed(hashed.iter()),
        }
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.form {
            SetForm::Integers(integers) => {
                element(member).as_integer().is_some_and(|value| integers.contains(value))
            }
            SetForm::Listpack(pack) => pack.find(member, 0, 1).is_some(),
            SetForm::Hashed(hashed) => hashed.contains(member),
        }
    }

    /// The same for a member of another set.
    pub fn contains_element(&self, member: &Element<'_>) -> bool {
        match (&self.form, member) {
            (SetForm::Integers(integers), Element::Integer(value)) => integers.contains(*value),
            _ => member.with_bytes(|bytes| self.contains(bytes)),
        }
    }

    /// Chooses a form for `count` members that are about to come, of which this is the first.
    pub fn make_room(&mut self, first: &[u8], count: usize, limits: &SetLimits) {
        if self.is_empty() {
            let is_integer = element(first).as_integer().is_some();
            self.form = if is_integer && count <= limits.intset_entries.min(INTSET_ENTRIES_MAX) {
                SetForm::Integers(Integers::default())
            } else if count <= limits.listpack_entries {
                SetForm::Listpack(Listpack::new())
            } else {
                SetForm::Hashed(Box::default())
            };
            return;
        }
        let is_too_small = match &self.form {
            SetForm::Integers(_) => count > limits.intset_entries.min(INTSET_ENTRIES_MAX),
            SetForm::Listpack(_) => count > limits.listpack_entries,
            SetForm::Hashed(_) => false,
        };
        if is_too_small {
            self.hash();
        }
    }

    /// Adds a member; true if it is new.
    pub fn insert(&mut self, member: &[u8], limits: &SetLimits) -> bool {
        match &mut self.form {
            SetForm::Integers(integers) => match element(member) {
                Element::Integer(value) => {
                    let is_new = integers.insert(value);
                    if is_new && integers.len() > limits.intset_entries.min(INTSET_ENTRIES_MAX) {
                        self.hash();
                    }
                    is_new
                }
                Element::Bytes(_) => {
                    self.leave_integers(member, limits);
                    self.put(member)
                }
            },
            SetForm::Listpack(pack) => {
                if pack.find(member, 0, 1).is_some() {
                    return false;
                }
                let has_room = pack.len() < limits.listpack_entries
                    && member.len() <= limits.listpack_value
                    && pack.byte_len() + member.len() <= COLLECTION_BYTES_MAX;
                if !has_room {
                    self.hash();
                }
                self.put(member)
            }
            SetForm::Hashed(hashed) => hashed.insert(member, b""),
        }
    }

    /// Adds a member that is new and fits, to a listpack or a hash table.
    fn put(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            SetForm::Integers(_) => unreachable!("integers were left"),
            SetForm::Listpack(pack) => pack.push_back(member),
            SetForm::Hashed(hashed) => drop(hashed.insert(member, b"")),
        }
        true
    }

    /// The first member that is no integer comes.
    fn leave_integers(&mut self, member: &[u8], limits: &SetLimits) {
        let SetForm::Integers(integers) = &self.form else {
            unreachable!("the form was looked at")
        };
        let bounds = [integers.get(0), integers.len().checked_sub(1).and_then(|i| integers.get(i))];
        let longest =
            bounds.iter().flatten().map(|value| Element::Integer(*value).byte_len()).max();
        let longest = longest.unwrap_or(0).max(member.len());
        // No integer takes more than eleven bytes in a listpack.
        let is_small = integers.len() < limits.listpack_entries
            && longest <= limits.listpack_value
            && integers.len() * 11 + member.len() <= COLLECTION_BYTES_MAX;
        if !is_small {
            return self.hash();
        }
        let mut pack = Listpack::new();
        self.iter().for_each(|member| member.with_bytes(|bytes| pack.push_back(bytes)));
        self.form = SetForm::Listpack(pack);
    }

    /// Changes over to a hash table.
    fn hash(&mut self) {
        let mut hashed = Hashed::new();
        for member in self.iter() {
            member.with_bytes(|bytes| hashed.insert(bytes, b""));
        }
        self.form = SetForm::Hashed(Box::new(hashed));
    }

    /// Removes a member; true if it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            SetForm::Integers(integers) => {
                element(member).as_integer().is_some_and(|value| integers.remove(value))
            }
            SetForm::Listpack(pack) => {
                let found = pack.find(member, 0, 1);
                if let Some((_, place)) = found {
                    pack.remove(place, 1);
                }
                found.is_some()
            }
            SetForm::Hashed(hashed) => hashed.remove(member),
        }
    }

    /// Visits members from `cursor` on, about `count` of them; returns the cursor to go on with, 0 at the
    /// end. Small forms are visited at once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'_>)) -> u64 {
        match &self.form {
            SetForm::Hashed(hashed) => {
                hashed.scan(cursor, count, |member, _| visit(Element::Bytes(member)))
            }
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }
}

/// Members of a set.
#[derive(Clone)]
pub enum Iter<'a> {
    Integers { integers: &'a Integers, next: usize },
    Listpack(listpack::Iter<'a>),
    Hashed(Members<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Iter::Integers { integers, next } => {
                let value = integers.get(*next)?;
                *next += 1;
                Some(Element::Integer(value))
            }
            Iter::Listpack(elements) => elements.next(),
            Iter::Hashed(members) => members.next().map(|(member, _)| Element::Bytes(member)),
        }
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = Element<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests;
