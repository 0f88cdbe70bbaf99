//! Dense storage for records: one array per size class, without holes.
//!
//! A class holds records whose sizes round up to the same multiple of eight. Its cells sit side by side
//! in chunks of about 4 KiB; only the last chunk may be partly filled. Removing a record moves the last
//! one of its class into the hole, so a shard's memory is always what its records need, whatever was
//! written and deleted before: nothing to defragment, nothing asked of the allocator per key.
//!
//! The price: a record moves when its neighbour goes, so nobody may keep a reference to one. The table
//! is told about the move by [`Slabs::remove`]; the expiry index and cursors hold hashes, not places.
//!
//! A place is `class (6 bits) · chunk (18 bits) · cell (8 bits)`.

use smallvec::SmallVec;

use super::record::RECORD_MAX;
use crate::base::allocator::allocation_size;

const STEP: usize = 8;
const CHUNK_BYTES: usize = 4096;
/// Classes 0 to 63 hold cells of 8 to 512 bytes. Class 0 is too small for a record and never used: its
/// places mean objects (see `store::shard`).
const CLASSES: usize = RECORD_MAX / STEP;
const CELL_BITS: u32 = 8;
const CLASS_SHIFT: u32 = 26;
const CHUNK_MAX: usize = 1 << (CLASS_SHIFT - CELL_BITS);

const _: () = assert!(CLASSES <= 64);
const _: () = assert!(CHUNK_BYTES / (2 * STEP) <= 1 << CELL_BITS);

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
            class: (place >> CLASS_SHIFT) as usize,
            chunk: (place >> CELL_BITS) as usize & (CHUNK_MAX - 1),
            cell: place as usize & ((1 << CELL_BITS) - 1),
        }
    }

    #[inline]
    pub(super) fn to_place(self) -> u32 {
        (self.class as u32) << CLASS_SHIFT | (self.chunk as u32) << CELL_BITS | self.cell as u32
    }

    /// Whether a record of `size` bytes may replace the one in this cell.
    #[inline]
    pub(super) fn fits(self, size: usize) -> bool {
        class_of(size) == self.class
    }
}

#[inline]
fn class_of(size: usize) -> usize {
    (size.div_ceil(STEP) - 1).max(1)
}

#[inline]
fn stride_of(class: usize) -> usize {
    (class + 1) * STEP
}

/// For how many cells the last chunk has room when it holds so many. There are as many last chunks as shards and
/// classes in use, so the room in them counts; it grows in steps, which cost a copy of a few kilobytes at most.
fn roomy(cells: usize, has_others: bool, cells_max: usize) -> usize {
    let step = if has_others { (cells_max / 4).max(1) } else { cells / 3 + 1 };
    (cells + step).min(cells_max)
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
    fn push(&mut self, stride: usize, cells_max: usize) -> (usize, usize) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == cells_max * stride) {
            assert!(self.chunks.len() < CHUNK_MAX, "a shard's size class is full");
            self.full_bytes += self.tail_bytes();
            self.chunks.push(Vec::new());
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let cell = chunk.len() / stride;
        if chunk.len() == chunk.capacity() {
            let wanted = roomy(cell + 1, number > 0, cells_max);
            chunk.reserve_exact(wanted * stride - chunk.len());
        }
        chunk.resize(chunk.len() + stride, 0);
        (number, cell)
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

    /// Drops an empty last chunk, and shrinks one that is half empty.
    fn give_back_memory(&mut self, stride: usize) {
        let chunks = &mut self.chunks;
        let last = chunks.len() - 1;
        if chunks[last].is_empty() {
            chunks.pop();
            self.full_bytes -= self.tail_bytes();
        } else if chunks[last].len() * 2 < chunks[last].capacity() {
            let cells = chunks[last].len() / stride;
            chunks[last].shrink_to(roomy(cells, last > 0, CHUNK_BYTES / stride) * stride);
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
#[derive(Default)]
pub(super) struct Slabs {
    /// By class number; only as long as the largest class in use.
    classes: Vec<Class>,
    /// Of all classes.
    bytes: usize,
}

impl Slabs {
    /// The bytes of a cell.
    #[inline]
    pub(super) fn get(&self, cell: Cell) -> &[u8] {
        let stride = stride_of(cell.class);
        &self.classes[cell.class].chunks[cell.chunk][cell.cell * stride..][..stride]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, cell: Cell) -> &mut [u8] {
        let stride = stride_of(cell.class);
        &mut self.classes[cell.class].chunks[cell.chunk][cell.cell * stride..][..stride]
    }

    /// A new cell for a record of `size` bytes.
    pub(super) fn allocate(&mut self, size: usize) -> Cell {
        let class = class_of(size);
        if self.classes.len() <= class {
            self.classes.reserve_exact(class + 1 - self.classes.len());
            self.classes.resize_with(class + 1, Class::default);
        }
        let (chunk, cell) =
            self.counting(class, |class, stride| class.push(stride, CHUNK_BYTES / stride));
        Cell { class, chunk, cell }
    }

    /// Gives a cell back. If that moved another record into it, tells from where.
    pub(super) fn remove(&mut self, cell: Cell) -> Option<Cell> {
        let (chunk, number) =
            self.counting(cell.class, |class, stride| class.remove(stride, cell.chunk, cell.cell));
        let last = Cell { class: cell.class, chunk, cell: number };
        (last != cell).then_some(last)
    }

    /// Changes a class, whose cells have a stride, and counts its bytes anew.
    fn counting<R>(&mut self, class: usize, change: impl FnOnce(&mut Class, usize) -> R) -> R {
        let changed = &mut self.classes[class];
        let before = changed.heap_bytes();
        let result = change(changed, stride_of(class));
        self.bytes = self.bytes + changed.heap_bytes() - before;
        result
    }

    /// Bytes taken from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes + self.classes.capacity() * size_of::<Class>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_round_trip() {
        let cell = Cell { class: 63, chunk: CHUNK_MAX - 1, cell: 255 };
        assert_eq!(Cell::from_place(cell.to_place()), cell);
    }

    #[test]
    fn removing_moves_the_last_record_into_the_hole() {
        let mut slabs = Slabs::default();
        let cells: Vec<Cell> = (0..1_000u32)
            .map(|n| {
                let cell = slabs.allocate(20);
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
        let cells: Vec<Cell> = (0..1_000).map(|_| slabs.allocate(100)).collect();
        let full = slabs.heap_bytes();
        for cell in cells.into_iter().rev() {
            assert_eq!(slabs.remove(cell), None);
        }
        assert!(slabs.heap_bytes() * 10 < full, "{} of {full}", slabs.heap_bytes());
        assert_eq!(slabs.bytes, 0);
        assert!(slabs.classes.iter().all(|class| !class.chunks.spilled()));
    }
}
