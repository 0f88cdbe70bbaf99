//! Dense storage for records: one array per size class, without holes.
//!
//! A class holds records whose sizes round up to the same size (steps of 8 bytes, of 16 beyond 128 and of 32 beyond
//! 256). Its cells sit side by side in chunks of about 4 KiB; only the last chunk may be partly filled. Removing a record
//! moves the last one of its class into the hole, so a shard's memory is always what its records need, whatever was
//! written and deleted before: nothing to defragment, nothing asked of the allocator per key.
//!
//! The price: a record moves when its neighbour goes, so nobody may keep a reference to one. The table is told about
//! the move by [`Slabs::remove`]; the expiry index and cursors hold hashes, not places.
//!
//! Records of more than 640 bytes are *loose*: each is one allocation. Their cells would be most of a chunk, and there are as
//! many last chunks as shards and classes.
//!
//! A place is `class (6 bits) · chunk (18 bits) · cell (8 bits)`; that of a loose record is `class · number`. Places below
//! [`OBJECTS_MAX`] are numbers of objects (see `store::storage`), so classes begin behind them.
//!
//! Limits: a class has 2^18 chunks, about 1 GiB, and there are 2^26 loose records. Then there is no room
//! ([`Slabs::allocate`]), and further records of the size become objects, which take more.

use smallvec::SmallVec;

use super::record::RECORD_MAX;
use crate::base::allocator::allocation_size;

const CHUNK_BYTES: usize = 4096;
/// The last chunk of a class grows and shrinks in such steps.
const CHUNK_STEP: usize = 512;
/// The largest record that shares a chunk with others.
const CELL_MAX: usize = 640;
const CELL_MIN: usize = 16;
/// The class of loose records. Class 0 never occurs.
const LOOSE: usize = class_of_cell(CELL_MAX) + 1;
const CELL_BITS: u32 = 8;
const CLASS_SHIFT: u32 = 26;
/// In a place, classes are counted from here: what no class needs belongs to the objects.
const CLASS_BASE: usize = 63 - LOOSE;
/// Places below this number are those of objects.
pub(super) const OBJECTS_MAX: u32 = (CLASS_BASE as u32 + 1) << CLASS_SHIFT;
const CHUNK_MAX: usize = 1 << (CLASS_SHIFT - CELL_BITS);
/// Loose records are numbered as if they lay in chunks of so many cells.
const LOOSE_IN_CHUNK: usize = 1 << CELL_BITS;
/// The list of loose records grows by one in so many.
const LOOSE_STEP: usize = 8;

const _: () = assert!(LOOSE + CLASS_BASE < 64 && OBJECTS_MAX > 1 << 30);
const _: () = assert!(CELL_MAX < RECORD_MAX);
const _: () = assert!(CHUNK_BYTES / CELL_MIN <= 1 << CELL_BITS);

/// Where a record is. Class 0 never occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    class: usize,
    chunk: usize,
    cell: usize,
}

impl Cell {
    #[inline]
    pub(super) fn from_place(place: u32) -> Cell {
        Cell {
            class: (place >> CLASS_SHIFT) as usize - CLASS_BASE,
            chunk: (place >> CELL_BITS) as usize & (CHUNK_MAX - 1),
            cell: place as usize & ((1 << CELL_BITS) - 1),
        }
    }

    #[inline]
    pub(super) fn to_place(self) -> u32 {
        let class = (self.class + CLASS_BASE) as u32;
        class << CLASS_SHIFT | (self.chunk as u32) << CELL_BITS | self.cell as u32
    }

    /// The number of a loose record.
    #[inline]
    fn number(self) -> usize {
        self.chunk << CELL_BITS | self.cell
    }

    fn loose(number: usize) -> Cell {
        Cell { class: LOOSE, chunk: number >> CELL_BITS, cell: number % LOOSE_IN_CHUNK }
    }
}

/// The class of records that are not loose.
#[inline]
const fn class_of_cell(size: usize) -> usize {
    match size {
        0..=CELL_MIN => 1,
        17..=128 => size.div_ceil(8) - 1,
        129..=256 => size.div_ceil(16) + 7,
        _ => size.div_ceil(32) + 15,
    }
}

#[inline]
fn stride_of(class: usize) -> usize {
    match class {
        0..=15 => (class + 1) * 8,
        16..=23 => (class - 7) * 16,
        _ => (class - 15) * 32,
    }
}

/// For how many cells the last chunk has room when it holds so many. There are as many last chunks as shards and
/// classes in use, so the room in them counts; it changes in steps, each of which costs a copy of a few kilobytes at most.
fn roomy(cells: usize, stride: usize) -> usize {
    let bytes = cells * stride;
    let wanted = (bytes + (bytes / 3).min(CHUNK_STEP)).max(stride);
    (allocation_size(wanted) / stride).min(CHUNK_BYTES / stride)
}

/// The chunks of one class. All but the last are full.
#[derive(Default)]
struct Class {
    /// One of them lies here without a directory: most classes of most shards have no more.
    chunks: SmallVec<[Vec<u8>; 1]>,
    /// Of all chunks but the last, which are full.
    full_bytes: usize,
}

impl Class {
    /// Makes a cell for one more record: its chunk and its number there. `None` if there are `chunks_max` full chunks.
    fn push(&mut self, stride: usize, chunks_max: usize) -> Option<(usize, usize)> {
        let cells_max = CHUNK_BYTES / stride;
        if self.chunks.last().is_none_or(|chunk| chunk.len() == cells_max * stride) {
            if self.chunks.len() == chunks_max {
                return None;
            }
            self.full_bytes += self.tail_bytes();
            self.chunks.push(Vec::new());
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let cell = chunk.len() / stride;
        if chunk.len() == chunk.capacity() {
            chunk.reserve_exact(roomy(cell + 1, stride) * stride - chunk.len());
        }
        chunk.resize(chunk.len() + stride, 0);
        Some((number, cell))
    }

    /// Moves the last record into a cell and returns from where: its chunk and its number there.
    fn remove(&mut self, stride: usize, chunk: usize, cell: usize) -> (usize, usize) {
        let chunks = &mut self.chunks;
        let last_chunk = chunks.len() - 1;
        let last_start = chunks[last_chunk].len() - stride;
        let start = cell * stride;
        if last_chunk == chunk {
            chunks[last_chunk].copy_within(last_start.., start);
        } else {
            let (full, tail) = chunks.split_at_mut(last_chunk);
            full[chunk][start..start + stride].copy_from_slice(&tail[0][last_start..]);
        }
        chunks[last_chunk].truncate(last_start);
        self.give_back_memory(stride);
        (last_chunk, last_start / stride)
    }

    /// Drops an empty last chunk, and shrinks one that has room for more than two steps.
    fn give_back_memory(&mut self, stride: usize) {
        let chunks = &mut self.chunks;
        let last = chunks.len() - 1;
        let tail = &mut chunks[last];
        if tail.is_empty() {
            chunks.pop();
            self.full_bytes -= self.tail_bytes();
        } else if tail.capacity() - tail.len() > 2 * stride.max(CHUNK_STEP.min(tail.len() / 3)) {
            tail.shrink_to(roomy(tail.len() / stride, stride) * stride);
        }
        let chunks = &mut self.chunks;
        if chunks.spilled() && chunks.len() * 4 <= chunks.capacity() {
            chunks.shrink_to_fit();
        }
    }

    fn tail_bytes(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| allocation_size(chunk.capacity()))
    }

    fn heap_bytes(&self) -> usize {
        let spilled = if self.chunks.spilled() { self.chunks.capacity() } else { 0 };
        self.full_bytes + self.tail_bytes() + allocation_size(spilled * size_of::<Vec<u8>>())
    }
}

/// See the module's description.
pub(super) struct Slabs {
    /// By class number. The last one holds records.
    classes: Vec<Class>,
    /// Each as long as its allocation, so that another of about its size can take its place.
    loose: Vec<Box<[u8]>>,
    /// Of all classes and loose records.
    bytes: usize,
    /// Chunks of a class at most.
    chunks_max: usize,
}

impl Default for Slabs {
    fn default() -> Slabs {
        Slabs::with_chunks_max(CHUNK_MAX)
    }
}

impl Slabs {
    /// Slabs whose classes, and loose records, have room for so many chunks.
    pub(super) fn with_chunks_max(chunks_max: usize) -> Slabs {
        debug_assert!(chunks_max <= CHUNK_MAX, "a chunk's number has a place of its own");
        Slabs { classes: Vec::new(), loose: Vec::new(), bytes: 0, chunks_max }
    }

    /// The bytes of a cell.
    #[inline]
    pub(super) fn get(&self, cell: Cell) -> &[u8] {
        if cell.class == LOOSE {
            return &self.loose[cell.number()];
        }
        let stride = stride_of(cell.class);
        &self.classes[cell.class].chunks[cell.chunk][cell.cell * stride..][..stride]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, cell: Cell) -> &mut [u8] {
        if cell.class == LOOSE {
            return &mut self.loose[cell.number()];
        }
        let stride = stride_of(cell.class);
        &mut self.classes[cell.class].chunks[cell.chunk][cell.cell * stride..][..stride]
    }

    /// Whether a record of `size` bytes may replace the one in this cell.
    #[inline]
    pub(super) fn fits(&self, cell: Cell, size: usize) -> bool {
        match size {
            0..=CELL_MAX => class_of_cell(size) == cell.class,
            _ => cell.class == LOOSE && allocation_size(size) == self.loose[cell.number()].len(),
        }
    }

    /// A new cell for a record of `size` bytes; `None` if there is no room for another one of about this size.
    pub(super) fn allocate(&mut self, size: usize) -> Option<Cell> {
        if size > CELL_MAX {
            return self.allocate_loose(size);
        }
        let class = class_of_cell(size);
        if self.classes.len() <= class {
            self.classes.reserve_exact(class + 1 - self.classes.len());
            self.classes.resize_with(class + 1, Class::default);
        }
        let chunks_max = self.chunks_max;
        let (chunk, cell) = self.counting(class, |class, stride| class.push(stride, chunks_max))?;
        Some(Cell { class, chunk, cell })
    }

    fn allocate_loose(&mut self, size: usize) -> Option<Cell> {
        let number = self.loose.len();
        if number == self.chunks_max * LOOSE_IN_CHUNK {
            return None;
        }
        if number == self.loose.capacity() {
            self.loose.reserve_exact(number / LOOSE_STEP + 1);
        }
        let bytes = vec![0; allocation_size(size)].into_boxed_slice();
        self.bytes += bytes.len();
        self.loose.push(bytes);
        Some(Cell::loose(number))
    }

    /// Gives a cell back. If that moved another record into it, tells from where.
    pub(super) fn remove(&mut self, cell: Cell) -> Option<Cell> {
        let last = if cell.class == LOOSE {
            self.remove_loose(cell.number())
        } else {
            let (chunk, number) = self
                .counting(cell.class, |class, stride| class.remove(stride, cell.chunk, cell.cell));
            self.give_back_classes();
            Cell { class: cell.class, chunk, cell: number }
        };
        (last != cell).then_some(last)
    }

    /// Forgets the classes at the end that hold nothing, and gives their memory back once it is more than half of all.
    fn give_back_classes(&mut self) {
        while self.classes.pop_if(|class| class.chunks.is_empty()).is_some() {}
        if self.classes.len() * 2 < self.classes.capacity() {
            self.classes.shrink_to_fit();
        }
    }

    /// Removes a loose record, and tells which one took its number.
    fn remove_loose(&mut self, number: usize) -> Cell {
        self.bytes -= self.loose.swap_remove(number).len();
        let len = self.loose.len();
        if self.loose.capacity() - len > 2 * (len / LOOSE_STEP + 1) {
            self.loose.shrink_to(len + len / LOOSE_STEP + 1);
        }
        Cell::loose(len)
    }

    /// Changes a class, whose cells have a stride, and counts its bytes anew.
    fn counting<R>(&mut self, class: usize, change: impl FnOnce(&mut Class, usize) -> R) -> R {
        let changed = &mut self.classes[class];
        let before = changed.heap_bytes();
        let result = change(changed, stride_of(class));
        self.bytes = self.bytes + changed.heap_bytes() - before;
        result
    }

    /// How many classes there are, empty ones included.
    pub(super) fn classes(&self) -> usize {
        self.classes.len()
    }

    /// Moves a chunk of a class to fresh memory; returns how many bytes that are, or `None` if there is none of this number.
    pub(super) fn relocate_chunk(&mut self, class: usize, chunk: usize) -> Option<usize> {
        let chunk = self.classes[class].chunks.get_mut(chunk)?;
        // Its capacity stays what it is.
        let mut fresh = Vec::with_capacity(chunk.capacity());
        fresh.extend_from_slice(chunk);
        *chunk = fresh;
        Some(chunk.capacity())
    }

    /// Moves a loose record to fresh memory; returns its size, or `None` if there is none of this number.
    pub(super) fn relocate_loose(&mut self, number: usize) -> Option<usize> {
        let bytes = self.loose.get_mut(number)?;
        *bytes = bytes.clone();
        Some(bytes.len())
    }

    /// Bytes taken from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes
            + allocation_size(self.classes.capacity() * size_of::<Class>())
            + allocation_size(self.loose.capacity() * size_of::<Box<[u8]>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_round_trip() {
        for cell in [
            Cell { class: 1, chunk: 0, cell: 0 },
            Cell { class: 35, chunk: CHUNK_MAX - 1, cell: 255 },
            Cell::loose((1 << CLASS_SHIFT) - 1),
        ] {
            assert_eq!(Cell::from_place(cell.to_place()), cell);
            assert!(cell.to_place() >= OBJECTS_MAX);
        }
        assert_eq!(Cell { class: 1, chunk: 0, cell: 0 }.to_place(), OBJECTS_MAX);
        assert_eq!(Cell::loose((1 << CLASS_SHIFT) - 1).to_place(), u32::MAX);
        assert_eq!(Cell::loose(70_000).number(), 70_000);
    }

    #[test]
    fn a_class_has_room_for_its_sizes_and_wastes_little() {
        for size in 1..=CELL_MAX {
            let stride = stride_of(class_of_cell(size));
            assert!(stride >= size && stride < size.max(CELL_MIN) + 8 + size / 8, "{size}");
        }
        assert_eq!((class_of_cell(1), class_of_cell(CELL_MAX)), (1, LOOSE - 1));
    }

    #[test]
    fn loose_records_are_replaced_in_place_if_their_allocation_fits() {
        let mut slabs = Slabs::default();
        let (first, last) = (slabs.allocate(700).unwrap(), slabs.allocate(2000).unwrap());
        assert!(slabs.fits(first, 768) && !slabs.fits(first, 769) && !slabs.fits(first, 640));
        slabs.get_mut(last)[0] = 7;
        assert_eq!(slabs.remove(first), Some(last));
        assert_eq!((slabs.get(first)[0], slabs.get(first).len()), (7, 2048));
        assert_eq!(slabs.remove(first), None);
        assert_eq!(slabs.bytes, 0);
    }

    #[test]
    fn removing_moves_the_last_record_into_the_hole() {
        let mut slabs = Slabs::default();
        let cells: Vec<Cell> = (0..1_000u32)
            .map(|n| {
                let cell = slabs.allocate(20).unwrap();
                slabs.get_mut(cell)[..4].copy_from_slice(&n.to_le_bytes());
                cell
            })
            .collect();
        let number =
            |slabs: &Slabs, cell| u32::from_le_bytes(slabs.get(cell)[..4].try_into().unwrap());
        assert_eq!(slabs.remove(cells[3]), Some(cells[999]));
        assert_eq!(number(&slabs, cells[3]), 999);
        assert_eq!(slabs.remove(cells[998]), None);
        assert_eq!(number(&slabs, cells[500]), 500);
    }

    #[test]
    fn an_emptied_slab_keeps_no_chunks() {
        let mut slabs = Slabs::default();
        let cells: Vec<Cell> = (0..1_000).map(|_| slabs.allocate(100).unwrap()).collect();
        let full = slabs.heap_bytes();
        for cell in cells.into_iter().rev() {
            assert_eq!(slabs.remove(cell), None);
        }
        assert!(slabs.heap_bytes() * 10 < full, "{} of {full}", slabs.heap_bytes());
        assert_eq!((slabs.bytes, slabs.heap_bytes()), (0, 0));
    }

    #[test]
    fn a_full_class_has_no_room_until_something_goes() {
        let mut slabs = Slabs::with_chunks_max(2);
        for size in [20, 100, 640, 700] {
            let cells: Vec<Cell> = std::iter::from_fn(|| slabs.allocate(size)).collect();
            let in_chunk = if size > CELL_MAX {
                LOOSE_IN_CHUNK
            } else {
                CHUNK_BYTES / stride_of(class_of_cell(size))
            };
            assert_eq!(cells.len(), 2 * in_chunk, "{size}");
            slabs.remove(cells[0]);
            assert!(slabs.allocate(size).is_some() && slabs.allocate(size).is_none());
        }
    }

    #[test]
    fn classes_that_hold_nothing_any_more_take_nothing() {
        let mut slabs = Slabs::default();
        let small = slabs.allocate(20).unwrap();
        let only_small = slabs.heap_bytes();
        let others: Vec<Cell> = (30..640).map(|size| slabs.allocate(size).unwrap()).collect();
        for cell in others.into_iter().rev() {
            slabs.remove(cell);
        }
        assert!(slabs.heap_bytes() <= only_small, "{} of {only_small}", slabs.heap_bytes());
        assert_eq!((slabs.get(small).len(), slabs.classes.len()), (24, 3));
    }
}
