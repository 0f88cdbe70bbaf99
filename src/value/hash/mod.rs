//! A hash: fields with values, each of which may have a deadline of its own.
//!
//! A small hash is one [`Listpack`] of field, value, field, value, in the order in which fields came. With
//! many fields or a long one it becomes [`Hashed`], and stays that. Deadlines are kept beside the fields
//! (see `deadlines`), so a hash without them pays nothing: while it is small it is its listpack and no more.
//!
//! A field past its deadline is not there: whatever reads is told the time and passes over such fields,
//! whether or not somebody has removed them yet. What changes a hash is not told the time. Its caller first
//! removes what is past its deadline with [`Hash::remove_expired`], because others must hear of that.
//!
//! Limits: finding a field of the small form is linear in its bytes; the caller's [`HashLimits`] bound them.

mod deadlines;
mod draw;
#[cfg(test)]
mod tests;

use super::hashed::{self, Hashed};
use super::listpack::{self, COLLECTION_BYTES_MAX, Element, Listpack};
use crate::base::allocator::allocation_size;
use deadlines::Deadlines;

/// A field and its value.
pub type Pair<'a> = (Element<'a>, Element<'a>);

/// Up to where a hash is kept in the small form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashLimits {
    /// So many fields.
    pub entries: usize,
    /// So many bytes of a field or a value.
    pub value: usize,
}

/// In the small form, a field and its value.
const STEP: usize = 2;

/// See the module's description.
#[derive(Clone, Debug)]
pub struct Hash(Repr);

#[derive(Clone, Debug)]
enum Repr {
    /// The small form of a hash that never had deadlines.
    Bare(Listpack),
    Whole(Box<Whole>),
}

#[derive(Clone, Debug)]
struct Whole {
    form: Form<Listpack, Hashed>,
    /// There since the first deadline was set.
    deadlines: Option<Deadlines>,
}

/// The fields with their values, or a reference to them.
#[derive(Clone, Debug)]
enum Form<S, L> {
    Small(S),
    Large(L),
}

impl Default for Hash {
    fn default() -> Hash {
        Hash(Repr::Bare(Listpack::new()))
    }
}

impl Hash {
    #[inline]
    fn form(&self) -> Form<&Listpack, &Hashed> {
        match &self.0 {
            Repr::Bare(pack) => Form::Small(pack),
            Repr::Whole(whole) => match &whole.form {
                Form::Small(pack) => Form::Small(pack),
                Form::Large(fields) => Form::Large(fields),
            },
        }
    }

    #[inline]
    fn form_mut(&mut self) -> Form<&mut Listpack, &mut Hashed> {
        match &mut self.0 {
            Repr::Bare(pack) => Form::Small(pack),
            Repr::Whole(whole) => match &mut whole.form {
                Form::Small(pack) => Form::Small(pack),
                Form::Large(fields) => Form::Large(fields),
            },
        }
    }

    #[inline]
    fn times(&self) -> Option<&Deadlines> {
        match &self.0 {
            Repr::Bare(_) => None,
            Repr::Whole(whole) => whole.deadlines.as_ref(),
        }
    }

    #[inline]
    fn times_mut(&mut self) -> Option<&mut Deadlines> {
        match &mut self.0 {
            Repr::Bare(_) => None,
            Repr::Whole(whole) => whole.deadlines.as_mut(),
        }
    }

    /// For the large form, or for deadlines.
    fn whole(&mut self) -> &mut Whole {
        if let Repr::Bare(pack) = &mut self.0 {
            let form = Form::Small(std::mem::take(pack));
            self.0 = Repr::Whole(Box::new(Whole { form, deadlines: None }));
        }
        match &mut self.0 {
            Repr::Whole(whole) => whole,
            Repr::Bare(_) => unreachable!("it has just been made whole"),
        }
    }
}

/// Reading. Fields whose deadlines have passed at `now_ms` are not there.
impl Hash {
    pub fn new() -> Hash {
        Hash::default()
    }

    /// Whether there is no field at all, expired ones included.
    pub fn is_empty(&self) -> bool {
        self.stored_len() == 0
    }

    /// Whether nothing has happened to one of two clones.
    pub fn is_same(&self, other: &Hash) -> bool {
        let is_form_same = match (self.form(), other.form()) {
            (Form::Small(pack), Form::Small(other)) => pack == other,
            (Form::Large(fields), Form::Large(other)) => fields.is_same(other),
            _ => false,
        };
        let are_deadlines_same = match (self.times(), other.times()) {
            (None, None) => true,
            (Some(deadlines), Some(other)) => deadlines.is_same(other),
            _ => false,
        };
        is_form_same && are_deadlines_same
    }

    /// How many fields are kept, expired ones included.
    pub fn stored_len(&self) -> usize {
        match self.form() {
            Form::Small(pack) => pack.len() / STEP,
            Form::Large(fields) => fields.len(),
        }
    }

    /// How many fields there are. O(log n).
    pub fn len(&self, now_ms: i64) -> usize {
        self.stored_len() - self.due(now_ms).map_or(0, |deadlines| deadlines.due(now_ms))
    }

    /// The deadlines, if one of them has passed.
    fn due(&self, now_ms: i64) -> Option<&Deadlines> {
        let deadlines = self.times()?;
        deadlines.first().is_some_and(|first| first <= now_ms).then_some(deadlines)
    }

    /// Whether this field, which is kept, is past its deadline.
    fn is_due(&self, field: &[u8], now_ms: i64) -> bool {
        self.due(now_ms).is_some_and(|deadlines| deadlines.is_due(field, now_ms))
    }

    pub fn get(&self, field: &[u8], now_ms: i64) -> Option<Element<'_>> {
        let value = self.stored(field)?;
        (!self.is_due(field, now_ms)).then_some(value)
    }

    pub fn contains(&self, field: &[u8], now_ms: i64) -> bool {
        self.get(field, now_ms).is_some()
    }

    fn stored(&self, field: &[u8]) -> Option<Element<'_>> {
        match self.form() {
            Form::Small(pack) => {
                let (_, place) = pack.find(field, 0, STEP)?;
                Some(pack.at(pack.next(place)))
            }
            Form::Large(fields) => fields.get(field).map(Element::Bytes),
        }
    }

    /// All fields with their values.
    pub fn iter(&self, now_ms: i64) -> Fields<'_> {
        Fields { stored: self.iter_stored(), due: self.due(now_ms), now_ms }
    }

    /// The same, with those that have expired. For whoever keeps the hash as it is: a snapshot, a digest.
    pub fn iter_stored(&self) -> Stored<'_> {
        match self.form() {
            Form::Small(pack) => Stored::Small(pack.iter()),
            Form::Large(fields) => Stored::Large(fields.iter()),
        }
    }

    /// Visits about `count` fields from `cursor` on; returns the cursor to go on with, 0 at the end. The
    /// small form is visited as a whole.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        now_ms: i64,
        mut visit: impl FnMut(Element<'_>, Element<'_>),
    ) -> u64 {
        match self.form() {
            Form::Small(_) => {
                self.iter(now_ms).for_each(|(field, value)| visit(field, value));
                0
            }
            Form::Large(fields) => fields.scan(cursor, count, |field, value| {
                if !self.is_due(field, now_ms) {
                    visit(Element::Bytes(field), Element::Bytes(value));
                }
            }),
        }
    }

    /// When the field expires, in Unix milliseconds; `None` if it never does.
    pub fn deadline(&self, field: &[u8]) -> Option<i64> {
        self.times()?.get(field)
    }

    /// Deadlines and the fields that have them, earliest first.
    pub fn deadlines(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.times().into_iter().flat_map(Deadlines::iter)
    }

    /// The earliest deadline of a field, in Unix milliseconds.
    pub fn next_deadline(&self) -> Option<i64> {
        self.times()?.first()
    }

    /// Whether every field's deadline has passed: there is nothing left to see.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.times().is_some_and(|deadlines| {
            !deadlines.is_empty()
                && deadlines.len() == self.stored_len()
                && deadlines.last().is_some_and(|last| last <= now_ms)
        })
    }

    /// The name that `OBJECT ENCODING` prints.
    pub fn encoding(&self) -> &'static str {
        match (self.form(), self.times()) {
            (Form::Small(_), None) => "listpack",
            (Form::Small(_), Some(_)) => "listpackex",
            (Form::Large(_), _) => "hashtable",
        }
    }

    /// The small form as it is kept, expired fields included: field, value, field, value; `None` of a large
    /// hash.
    pub fn listpack(&self) -> Option<&Listpack> {
        match self.form() {
            Form::Small(pack) => Some(pack),
            Form::Large(_) => None,
        }
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        let fields = match self.form() {
            Form::Small(pack) => pack.heap_bytes(),
            Form::Large(fields) => fields.heap_bytes(),
        };
        let whole = match &self.0 {
            Repr::Bare(_) => 0,
            Repr::Whole(_) => allocation_size(size_of::<Whole>()),
        };
        fields + whole + self.times().map_or(0, Deadlines::heap_bytes)
    }
}

/// Changing. No field is past its deadline.
impl Hash {
    /// Takes on the large form if so many fields, which are going to be set, are too many for the small one.
    /// As in Redis it does not matter how many of them are there already, or are named twice.
    pub fn make_room(&mut self, fields: usize, limits: &HashLimits) {
        if fields > limits.entries {
            self.enlarge();
        }
    }

    /// Sets the value of a field and leaves its deadline; true if the field is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8], limits: &HashLimits) -> bool {
        if let Form::Small(pack) = self.form() {
            let bytes = pack.byte_len() + field.len() + value.len();
            if field.len().max(value.len()) > limits.value || bytes > COLLECTION_BYTES_MAX {
                self.enlarge();
            }
        }
        match self.form_mut() {
            Form::Large(fields) => fields.insert(field, value),
            Form::Small(pack) => {
                let is_new = insert_small(pack, field, value);
                if pack.len() / STEP > limits.entries {
                    self.enlarge();
                }
                is_new
            }
        }
    }

    fn enlarge(&mut self) {
        let Form::Small(pack) = self.form() else { return };
        let mut fields = Hashed::new();
        let mut elements = pack.iter();
        while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
            field.with_bytes(|field| value.with_bytes(|value| fields.insert(field, value)));
        }
        self.whole().form = Form::Large(fields);
    }

    /// Removes a field; true if it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.persist(field);
        self.remove_stored(field)
    }

    fn remove_stored(&mut self, field: &[u8]) -> bool {
        match self.form_mut() {
            Form::Small(pack) => {
                let Some((_, place)) = pack.find(field, 0, STEP) else { return false };
                pack.remove(place, STEP);
                true
            }
            Form::Large(fields) => fields.remove(field),
        }
    }

    /// Gives a field, which is there, a deadline, in Unix milliseconds and not negative.
    pub fn set_deadline(&mut self, field: &[u8], unix_ms: i64) {
        debug_assert!(self.stored(field).is_some(), "only fields have deadlines");
        self.whole().deadlines.get_or_insert_default().set(field, unix_ms);
    }

    /// Takes a field's deadline away; true if it had one.
    pub fn persist(&mut self, field: &[u8]) -> bool {
        self.times_mut().is_some_and(|deadlines| deadlines.remove(field))
    }

    /// Removes the fields whose deadlines have passed, at most `limit`; returns their names, earliest
    /// deadline first.
    pub fn remove_expired(&mut self, now_ms: i64, limit: usize) -> Vec<Vec<u8>> {
        let Some(deadlines) = self.times_mut() else { return Vec::new() };
        let fields = deadlines.take_due(now_ms, limit);
        for field in &fields {
            let was_there = self.remove_stored(field);
            debug_assert!(was_there, "only fields have deadlines");
        }
        fields
    }
}

/// True if the field is new.
fn insert_small(pack: &mut Listpack, field: &[u8], value: &[u8]) -> bool {
    match pack.find(field, 0, STEP) {
        Some((_, place)) => {
            pack.replace(pack.next(place), value);
            false
        }
        None => {
            pack.push_back(field);
            pack.push_back(value);
            true
        }
    }
}

/// Fields with their values, expired ones included.
#[derive(Clone)]
pub enum Stored<'a> {
    Small(listpack::Iter<'a>),
    Large(hashed::Members<'a>),
}

impl<'a> Iterator for Stored<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        match self {
            Stored::Small(elements) => Some((elements.next()?, elements.next()?)),
            Stored::Large(fields) => {
                fields.next().map(|(field, value)| (Element::Bytes(field), Element::Bytes(value)))
            }
        }
    }
}

/// Fields with their values.
#[derive(Clone)]
pub struct Fields<'a> {
    stored: Stored<'a>,
    due: Option<&'a Deadlines>,
    now_ms: i64,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let Fields { stored, due, now_ms } = self;
        stored.find(|(field, _)| {
            due.is_none_or(|deadlines| !field.with_bytes(|name| deadlines.is_due(name, *now_ms)))
        })
    }
}
