//! Where a shard's entries lie: short strings in slab records, everything else as [`Object`]s in a dense array.
//!
//! An entry is known by its *place*, a number that the table keeps: those below [`OBJECTS_MAX`] are numbers of objects, the
//! others those of cells (`store::slab`). Removing an entry moves another one of its kind into the hole, and
//! [`Storage::free`] tells which.
//!
//! Nothing here knows about hashes, or that deadlines have an order: that is `store::contents`.

use super::big::{Census, Size};
use super::entry::Stored;
use super::label::Label;
use super::record::{Form, Parts, Record};
use super::slab::{Cell, OBJECTS_MAX, Slabs};
use crate::base::allocator::allocation_size;
use crate::value::Value;

/// When the list of objects shrinks, room for one in so many is kept.
const OBJECTS_STEP: usize = 8;

/// An entry that is no slab record.
#[derive(Clone, Debug)]
pub(super) struct Object {
    label: Label,
    pub value: Value,
}

const _: () = assert!(size_of::<Object>() == 48);

impl Object {
    fn new(key: &[u8], value: Value, deadline: Option<i64>) -> Object {
        Object { label: Label::new(key, deadline), value }
    }

    fn from_parts(parts: Parts<'_>) -> Object {
        let bytes = match parts.form {
            Form::Integer => {
                let number =
                    i64::from_le_bytes(parts.value.try_into().expect("an integer is eight bytes"));
                number.to_string().into_bytes()
            }
            Form::Plain | Form::Edited => parts.value.to_vec(),
            Form::Absent => unreachable!("what is absent is not stored"),
        };
        let edited = parts.form == Form::Edited;
        let value = Value::String { bytes: triomphe::Arc::new(bytes), edited };
        Object::new(parts.key, value, parts.deadline)
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.label.key()
    }

    /// Unix milliseconds.
    #[inline]
    pub(super) fn deadline(&self) -> Option<i64> {
        self.label.deadline()
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<i64>) {
        self.label = Label::new(self.key(), deadline);
    }

    /// What its key and its value take besides itself. O(1).
    pub(super) fn payload_bytes(&self) -> usize {
        self.label.heap_bytes() + self.value.heap_bytes()
    }

    /// Tells how many bytes were moved.
    fn relocate(&mut self) -> usize {
        self.label = self.label.clone();
        self.label.heap_bytes() + self.value.relocate()
    }
}

/// A place, taken apart.
enum Kind {
    Object(usize),
    Record(Cell),
}

impl Kind {
    #[inline]
    fn of(place: u32) -> Kind {
        match place {
            ..OBJECTS_MAX => Kind::Object(place as usize),
            _ => Kind::Record(Cell::from_place(place)),
        }
    }
}

/// What came of freeing a place.
pub(super) struct Freed {
    /// Another entry lies there now, which lay here before.
    pub moved_from: Option<u32>,
    /// The value that is to be freed, if it was an object.
    pub value: Option<Value>,
}

/// How much of a shard has been moved (see `store::relocate`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Relocated {
    class: usize,
    /// In this class.
    chunk: usize,
    loose: usize,
    objects: usize,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Storage {
    slabs: Slabs,
    objects: Vec<Object>,
    census: Census,
}

impl Storage {
    /// Bytes taken from the allocator. O(1).
    pub(super) fn heap_bytes(&self) -> usize {
        self.slabs.heap_bytes()
            + allocation_size(self.objects.capacity() * size_of::<Object>())
            + self.census.payload_bytes()
    }

    pub(super) fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The objects by size.
    pub(super) fn census(&self) -> &Census {
        &self.census
    }

    #[inline]
    pub(super) fn key(&self, place: u32) -> &[u8] {
        match Kind::of(place) {
            Kind::Object(number) => self.objects[number].key(),
            Kind::Record(cell) => Record::new(self.slabs.get(cell)).key(),
        }
    }

    #[inline]
    pub(super) fn stored(&self, place: u32) -> Stored<'_> {
        match Kind::of(place) {
            Kind::Object(number) => Stored::Object(&self.objects[number]),
            Kind::Record(cell) => Stored::Record(Record::new(self.slabs.get(cell))),
        }
    }

    /// The earliest deadline of the entry's fields, in Unix milliseconds.
    pub(super) fn field_deadline(&self, place: u32) -> Option<i64> {
        match Kind::of(place) {
            Kind::Object(number) => self.objects[number].value.next_field_deadline(),
            Kind::Record(_) => None,
        }
    }

    /// Stores parts in a new place: a cell if they fit and there is room for them, else an object.
    pub(super) fn store(&mut self, parts: Parts<'_>) -> u32 {
        match parts.size().and_then(|size| self.slabs.allocate(size)) {
            Some(cell) => {
                parts.write(self.slabs.get_mut(cell));
                cell.to_place()
            }
            None => self.add_object(Object::from_parts(parts)),
        }
    }

    pub(super) fn store_object(&mut self, key: &[u8], value: Value, deadline: Option<i64>) -> u32 {
        self.add_object(Object::new(key, value, deadline))
    }

    /// Writes over the record at a place; false if the place is not of the size that these parts need.
    pub(super) fn overwrite(&mut self, place: u32, parts: &Parts<'_>) -> bool {
        match (Kind::of(place), parts.size()) {
            (Kind::Record(cell), Some(size)) if self.slabs.fits(cell, size) => {
                parts.write(self.slabs.get_mut(cell));
                true
            }
            _ => false,
        }
    }

    /// Lets `edit` change an object; `None` if there is a record at the place.
    pub(super) fn edit<R>(&mut self, place: u32, edit: impl FnOnce(&mut Object) -> R) -> Option<R> {
        let Kind::Object(number) = Kind::of(place) else { return None };
        let object = &mut self.objects[number];
        let old = Size::of(object);
        let result = edit(object);
        self.census.replace(old, Size::of(object));
        Some(result)
    }

    /// Gives up a place that nobody knows any more.
    pub(super) fn free(&mut self, place: u32) -> Freed {
        match Kind::of(place) {
            Kind::Record(cell) => {
                Freed { moved_from: self.slabs.remove(cell).map(Cell::to_place), value: None }
            }
            Kind::Object(number) => {
                let value = self.remove_object(number);
                let last = self.objects.len() as u32;
                Freed { moved_from: (last != place).then_some(last), value: Some(value) }
            }
        }
    }

    fn add_object(&mut self, object: Object) -> u32 {
        assert!(self.objects.len() < OBJECTS_MAX as usize, "a shard holds too many objects");
        self.census.add(Size::of(&object));
        // Grows to the next size that the allocator has: most shards of a server have few objects, and a doubled list
        // is mostly empty.
        let len = self.objects.len();
        if len == self.objects.capacity() {
            let wanted = allocation_size((len + 1) * size_of::<Object>()) / size_of::<Object>();
            self.objects.reserve_exact(wanted - len);
        }
        self.objects.push(object);
        (self.objects.len() - 1) as u32
    }

    fn remove_object(&mut self, number: usize) -> Value {
        let object = self.objects.swap_remove(number);
        self.census.remove(Size::of(&object));
        // Many may have been removed. Half of the room is kept for as long as that.
        if self.objects.capacity() > OBJECTS_STEP
            && self.objects.len() < self.objects.capacity() / 2
        {
            self.objects.shrink_to(self.objects.len() + self.objects.len() / OBJECTS_STEP + 1);
        }
        object.value
    }

    /// Moves entries to fresh memory, from where `at` says, until about so many bytes were moved. Tells how many,
    /// and whether all have been. Places stay.
    pub(super) fn relocate(&mut self, at: &mut Relocated, budget: usize) -> (usize, bool) {
        // To look at what is not moved is work, too.
        let (mut moved, mut looked_at) = (0, 0);
        while moved + looked_at * size_of::<Object>() < budget {
            looked_at += 1;
            if at.class < self.slabs.classes() {
                match self.slabs.relocate_chunk(at.class, at.chunk) {
                    Some(bytes) => {
                        at.chunk += 1;
                        moved += bytes;
                    }
                    None => (at.class, at.chunk) = (at.class + 1, 0),
                }
            } else if let Some(bytes) = self.slabs.relocate_loose(at.loose) {
                at.loose += 1;
                moved += bytes;
            } else if at.objects < self.objects.len() {
                moved += self.edit(at.objects as u32, Object::relocate).unwrap_or_default();
                at.objects += 1;
            } else {
                return (moved, true);
            }
        }
        (moved, false)
    }
}

#[cfg(test)]
impl Storage {
    /// An empty one that has room for so few chunks of records of a size.
    pub(super) fn with_chunks_max(chunks_max: usize) -> Storage {
        Storage { slabs: Slabs::with_chunks_max(chunks_max), ..Storage::default() }
    }

    /// Holds what is counted against the objects.
    pub(super) fn check(&self) {
        assert_eq!(self.census, Census::of(&self.objects));
    }
}
