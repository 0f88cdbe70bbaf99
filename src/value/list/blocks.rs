//! The large form of a list: blocks of elements, and a directory that knows how long each of them is.
//!
//! ```text
//! groups (a deque)      [ length · group ] [ length · group ] ...
//! group (shared)          up to 256 of [ length · block ]
//! block (shared)            a listpack
//! ```
//!
//! Everything below the deque of groups is shared between clones, and so is the deque itself by whoever
//! holds the list. A change copies the block that it touches and that block's group, and only if somebody
//! else holds them. An element is found by adding up lengths: of groups, of the blocks in one group, then
//! within the block. Both ends are cheap: groups and their blocks are deques.
//!
//! When a block is full and what happens to its neighbours follows Redis's quicklist, because its number
//! of blocks decides whether a list counts as small (see `limits`). Added to that: blocks that removing
//! made thin merge, as long as two are left.
//!
//! Rejected: a counted tree of blocks. It bounds what the deque of groups makes linear, but that is a
//! 256th of the number of blocks, a few dozen entries even for a gigabyte.

use std::collections::VecDeque;
use std::ops::Range;

use triomphe::Arc;

use super::End;
use super::limits::ListLimits;
use crate::value::listpack::{Element, Listpack, element, encoded_size};

/// Blocks in a group at most.
const GROUP_MAX: usize = if cfg!(test) { 4 } else { 256 };
/// What a block costs besides its bytes: its entry in the group, and the shared head of its listpack.
const BLOCK_OVERHEAD: usize = size_of::<Block>() + size_of::<Listpack>() + size_of::<usize>();

#[derive(Clone, Debug)]
struct Block {
    /// `pack.len()`, here to be read without touching the block.
    len: u32,
    pack: Arc<Listpack>,
}

impl Block {
    fn new(mut pack: Listpack) -> Block {
        pack.shrink();
        Block { len: pack.len() as u32, pack: Arc::new(pack) }
    }
}

type GroupBlocks = VecDeque<Block>;

/// Never empty.
#[derive(Clone, Debug)]
struct Group {
    /// Elements of all its blocks.
    len: usize,
    blocks: Arc<GroupBlocks>,
}

/// A block's position: the group's number and the block's number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    group: usize,
    block: usize,
}

/// See the module's description. No block is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    groups: VecDeque<Group>,
    /// Elements of all groups.
    len: usize,
    count: usize,
    /// Bytes that all listpacks took from the allocator.
    pack_bytes: usize,
}

/// Looking.
impl Blocks {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.pack_bytes + self.count * BLOCK_OVERHEAD + self.groups.len() * size_of::<Group>()
    }

    /// The block, if it is the only one.
    pub(super) fn only(&self) -> Option<&Listpack> {
        (self.count == 1).then(|| self.pack(Place { group: 0, block: 0 }))
    }

    pub(super) fn packs(&self) -> impl DoubleEndedIterator<Item = &Listpack> {
        self.groups.iter().flat_map(|group| group.blocks.iter().map(|block| &*block.pack))
    }

    pub(super) fn pack(&self, at: Place) -> &Listpack {
        &self.groups[at.group].blocks[at.block].pack
    }

    pub(super) fn first(&self) -> Option<Place> {
        (!self.groups.is_empty()).then_some(Place { group: 0, block: 0 })
    }

    pub(super) fn last(&self) -> Option<Place> {
        let group = self.groups.len().checked_sub(1)?;
        Some(Place { group, block: self.groups[group].blocks.len() - 1 })
    }

    /// The block behind this one; or the one that is now at its place, if it was removed.
    fn at_or_after(&self, at: Place) -> Option<Place> {
        let group = self.groups.get(at.group)?;
        if at.block < group.blocks.len() {
            return Some(at);
        }
        (at.group + 1 < self.groups.len()).then_some(Place { group: at.group + 1, block: 0 })
    }

    pub(super) fn after(&self, at: Place) -> Option<Place> {
        self.at_or_after(Place { block: at.block + 1, ..at })
    }

    pub(super) fn before(&self, at: Place) -> Option<Place> {
        if at.block > 0 {
            return Some(Place { block: at.block - 1, ..at });
        }
        let group = at.group.checked_sub(1)?;
        Some(Place { group, block: self.groups[group].blocks.len() - 1 })
    }

    /// The block that holds element number `index`, and the element's number in it.
    ///
    /// # Panics
    /// If there are not so many elements.
    pub(super) fn locate(&self, index: usize) -> (Place, usize) {
        assert!(index < self.len, "the index is inside");
        let groups = self.groups.iter().map(|group| group.len);
        let (group, offset) = find_part(groups, self.len, index);
        let blocks = self.groups[group].blocks.iter().map(|block| block.len as usize);
        let (block, offset) = find_part(blocks, self.groups[group].len, offset);
        (Place { group, block }, offset)
    }

    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        if index >= self.len {
            return None;
        }
        let (at, offset) = self.locate(index);
        self.pack(at).get(offset)
    }
}

/// Which of the parts holds element number `index` of the whole, and its number in there. Searched from
/// the nearer end.
fn find_part(
    parts: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator,
    whole: usize,
    index: usize,
) -> (usize, usize) {
    if index <= whole / 2 {
        let mut start = 0;
        for (number, len) in parts.enumerate() {
            if index < start + len {
                return (number, index - start);
            }
            start += len;
        }
    } else {
        let mut end = whole;
        let count = parts.len();
        for (number, len) in parts.rev().enumerate() {
            if index >= end - len {
                return (count - 1 - number, index - (end - len));
            }
            end -= len;
        }
    }
    unreachable!("the lengths of parts add up to that of the whole")
}

/// Blocks as units. Everything that changes goes through these, which keep the counts true.
impl Blocks {
    /// Lets `edit` change a block, which must not become empty.
    fn edit_block<R>(&mut self, at: Place, edit: impl FnOnce(&mut Listpack) -> R) -> R {
        let group = &mut self.groups[at.group];
        let block = &mut Arc::make_mut(&mut group.blocks)[at.block];
        let old_bytes = block.pack.heap_bytes();
        let pack = Arc::make_mut(&mut block.pack);
        let result = edit(pack);
        let (len, bytes) = (pack.len(), pack.heap_bytes());
        debug_assert!(len > 0, "an empty block is removed instead");
        let old_len = std::mem::replace(&mut block.len, len as u32) as usize;
        group.len = group.len + len - old_len;
        self.len = self.len + len - old_len;
        self.pack_bytes = self.pack_bytes + bytes - old_bytes;
        result
    }

    fn insert_block(&mut self, at: Place, pack: Listpack) {
        debug_assert!(!pack.is_empty(), "no block is empty");
        let block = Block::new(pack);
        self.len += block.pack.len();
        self.count += 1;
        self.pack_bytes += block.pack.heap_bytes();
        let at = self.make_room(at);
        let group = &mut self.groups[at.group];
        group.len += block.len as usize;
        Arc::make_mut(&mut group.blocks).insert(at.block, block);
    }

    /// Where a block that is to stand at this place can be put, after a full group was split or a new one
    /// begun. At the ends a new group begins, so that pushing leaves full ones behind.
    fn make_room(&mut self, at: Place) -> Place {
        let fresh = || Group { len: 0, blocks: Arc::new(GroupBlocks::new()) };
        let count = self.groups.get(at.group).map_or(GROUP_MAX, |group| group.blocks.len());
        if count < GROUP_MAX {
            return at;
        }
        if at.group >= self.groups.len() || at.group + 1 == self.groups.len() && at.block == count {
            self.groups.push_back(fresh());
            return Place { group: self.groups.len() - 1, block: 0 };
        }
        if at == (Place { group: 0, block: 0 }) {
            self.groups.push_front(fresh());
            return at;
        }
        let group = &mut self.groups[at.group];
        let tail = Arc::make_mut(&mut group.blocks).split_off(count / 2);
        let len = tail.iter().map(|block| block.len as usize).sum();
        group.len -= len;
        self.groups.insert(at.group + 1, Group { len, blocks: Arc::new(tail) });
        match at.block.checked_sub(count / 2) {
            Some(block) if block > 0 => Place { group: at.group + 1, block },
            _ => at,
        }
    }

    fn remove_block(&mut self, at: Place) {
        let group = &mut self.groups[at.group];
        let block = Arc::make_mut(&mut group.blocks).remove(at.block).expect("the block is there");
        group.len -= block.len as usize;
        self.len -= block.len as usize;
        self.count -= 1;
        self.pack_bytes -= block.pack.heap_bytes();
        if group.blocks.is_empty() {
            self.groups.remove(at.group);
        }
    }

    fn remove_group(&mut self, number: usize) {
        let group = self.groups.remove(number).expect("the group is there");
        self.len -= group.len;
        self.count -= group.blocks.len();
        let bytes = group.blocks.iter().map(|block| block.pack.heap_bytes());
        self.pack_bytes -= bytes.sum::<usize>();
    }

    /// Joins a block and the next one of its group, if there is one and `may` allows it.
    fn merge(&mut self, at: Place, may: impl FnOnce(&Listpack, &Listpack) -> bool) -> bool {
        let next = Place { block: at.block + 1, ..at };
        if next.block >= self.groups[at.group].blocks.len() || !may(self.pack(at), self.pack(next))
        {
            return false;
        }
        let tail = self.groups[at.group].blocks[next.block].pack.clone();
        self.remove_block(next);
        self.edit_block(at, |pack| pack.append(&tail));
        true
    }
}

/// Elements.
impl Blocks {
    /// Makes a block of its own of a list that was kept in one piece.
    pub(super) fn from_pack(pack: Listpack) -> Blocks {
        let mut blocks = Blocks::default();
        blocks.push_pack(pack);
        blocks
    }

    /// Adds a whole block at the end.
    pub(super) fn push_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            let group = self.groups.len().saturating_sub(1);
            let block = self.groups.back().map_or(0, |group| group.blocks.len());
            self.insert_block(Place { group, block }, pack);
        }
    }

    pub(super) fn push(&mut self, end: End, value: &[u8], limits: &ListLimits) {
        let last = match end {
            End::Left => self.first(),
            End::Right => self.last(),
        };
        match last {
            Some(at) if limits.has_room(self.pack(at), value) => {
                self.edit_block(at, |pack| match end {
                    End::Left => pack.push_front(value),
                    End::Right => pack.push_back(value),
                });
            }
            Some(at) => {
                // It will stay as it is: what growing reserved is given back.
                self.edit_block(at, Listpack::shrink);
                let at = match end {
                    End::Left => at,
                    End::Right => Place { block: at.block + 1, ..at },
                };
                self.insert_block(at, one(value));
            }
            None => self.push_pack(one(value)),
        }
    }

    /// Inserts before element number `index`, or behind it.
    pub(super) fn insert(
        &mut self,
        index: usize,
        is_behind: bool,
        value: &[u8],
        limits: &ListLimits,
    ) {
        let (at, offset) = self.locate(index);
        if limits.has_room(self.pack(at), value) {
            return self.insert_within(at, offset + usize::from(is_behind), value);
        }
        let (is_first, is_last) = (offset == 0, offset + 1 == self.pack(at).len());
        let next = Place { block: at.block + 1, ..at };
        match is_behind {
            true if is_last => match self.after(at) {
                Some(next) if limits.has_room(self.pack(next), value) => {
                    self.edit_block(next, |pack| pack.push_front(value));
                }
                _ => self.insert_block(next, one(value)),
            },
            false if is_first => match self.before(at) {
                Some(previous) if limits.has_room(self.pack(previous), value) => {
                    self.edit_block(previous, |pack| pack.push_back(value));
                }
                _ => self.insert_block(at, one(value)),
            },
            _ => self.split_and_insert(index, is_behind, value, limits),
        }
    }

    fn insert_within(&mut self, at: Place, offset: usize, value: &[u8]) {
        self.edit_block(at, |pack| {
            let place = place_of(pack, offset);
            pack.insert(place, value);
        });
    }

    /// Cuts a full block beside an element of it, and adds the value to the part without that element.
    fn split_and_insert(
        &mut self,
        index: usize,
        is_behind: bool,
        value: &[u8],
        limits: &ListLimits,
    ) {
        let cut = index + usize::from(is_behind);
        self.split(cut);
        if is_behind {
            let right = self.locate(cut).0;
            self.edit_block(right, |pack| pack.push_front(value));
            self.merge_around(cut, limits);
        } else {
            let left = self.locate(cut - 1).0;
            self.edit_block(left, |pack| pack.push_back(value));
            self.merge_around(cut + 1, limits);
        }
    }

    /// Lets a block begin with element number `index`.
    fn split(&mut self, index: usize) {
        let (at, offset) = self.locate(index);
        if offset == 0 {
            return;
        }
        let tail = self.edit_block(at, |pack| {
            let tail = pack.split_off(place_of(pack, offset), offset);
            pack.shrink();
            tail
        });
        self.insert_block(Place { block: at.block + 1, ..at }, tail);
    }

    /// Merges the two blocks that meet before element number `index` with each other's outer neighbours,
    /// where both fit into one.
    fn merge_around(&mut self, index: usize, limits: &ListLimits) {
        let right = self.locate(index).0;
        self.merge(right, |a, b| limits.may_merge(a, b));
        let left = self.locate(index - 1).0;
        if left.block > 0 {
            let previous = Place { block: left.block - 1, ..left };
            self.merge(previous, |a, b| limits.may_merge(a, b));
        }
    }

    /// Exchanges element number `index`. A value that is too long for its block gets one of its own; when
    /// it goes, the blocks around it are joined again.
    pub(super) fn replace(&mut self, index: usize, value: &[u8], limits: &ListLimits) {
        let (mut at, mut offset) = self.locate(index);
        let pack = self.pack(at);
        let had_own_block = pack.len() == 1 && !limits.allows(pack.byte_len(), 1);
        let place = place_of(pack, offset);
        let old_size = pack.next(place) - place;
        let bytes = pack.byte_len() - old_size + encoded_size(value);
        if pack.len() > 1 && !limits.allows(bytes, pack.len()) {
            if offset + 1 < pack.len() {
                self.split(index + 1);
            }
            self.split(index);
            (at, offset) = self.locate(index);
        }
        self.edit_block(at, |pack| pack.replace(place_of(pack, offset), value));
        if had_own_block && limits.allows(self.pack(at).byte_len(), 1) {
            self.merge(at, |a, b| limits.may_merge(a, b));
            if at.block > 0 {
                let previous = Place { block: at.block - 1, ..at };
                self.merge(previous, |a, b| limits.may_merge(a, b));
            }
        }
    }

    /// Removes the elements with these numbers.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let mut left = range.len();
        while left > 0 {
            let (at, offset) = self.locate(range.start);
            let group_len = self.groups[at.group].len;
            let len = self.pack(at).len();
            if at.block == 0 && offset == 0 && left >= group_len {
                self.remove_group(at.group);
                left -= group_len;
            } else if offset == 0 && left >= len {
                self.remove_block(at);
                left -= len;
            } else {
                let count = left.min(len - offset);
                self.edit_block(at, |pack| {
                    pack.remove(place_of(pack, offset), count);
                });
                left -= count;
            }
        }
    }

    /// Removes at most `limit` elements that equal these bytes, counted from this end; tells how many.
    pub(super) fn remove_equal(
        &mut self,
        value: &[u8],
        limit: usize,
        from: End,
        limits: &ListLimits,
    ) -> usize {
        let wanted = element(value);
        let mut removed = 0;
        let mut next = match from {
            End::Left => self.first(),
            End::Right => self.last(),
        };
        while removed < limit
            && let Some(at) = next
        {
            let matches = self.pack(at).iter().filter(|it| *it == wanted).count();
            let count = matches.min(limit - removed);
            removed += count;
            next = match from {
                End::Left => self.after(at),
                End::Right => self.before(at),
            };
            if count == 0 {
                continue;
            }
            let skipped = if from == End::Right { matches - count } else { 0 };
            let is_gone = count == self.pack(at).len();
            if is_gone {
                self.remove_block(at);
            } else {
                self.edit_block(at, |pack| remove_matches(pack, wanted, skipped, count));
            }
            let has_merged = !is_gone && self.merge_thin(at, from, limits);
            if from == End::Left && (is_gone || has_merged) {
                next = self.at_or_after(at);
            }
        }
        removed
    }

    /// Joins a block that removing left with the neighbour that was looked at before, if they are thin.
    fn merge_thin(&mut self, at: Place, from: End, limits: &ListLimits) -> bool {
        let first = match from {
            End::Left if at.block == 0 => return false,
            End::Left => Place { block: at.block - 1, ..at },
            End::Right => at,
        };
        self.count > 2 && self.merge(first, |a, b| limits.are_thin(a, b))
    }
}

/// A block with one element.
fn one(value: &[u8]) -> Listpack {
    let mut pack = Listpack::new();
    pack.push_back(value);
    pack
}

fn place_of(pack: &Listpack, offset: usize) -> usize {
    pack.place(offset).expect("the offset is inside")
}

/// [`Blocks::remove_equal`] for a list in one piece.
pub(super) fn remove_equal_of_pack(
    pack: &mut Listpack,
    value: &[u8],
    limit: usize,
    from: End,
) -> usize {
    let wanted = element(value);
    let matches = pack.iter().filter(|it| *it == wanted).count();
    let count = matches.min(limit);
    if count > 0 {
        let skipped = if from == End::Right { matches - count } else { 0 };
        remove_matches(pack, wanted, skipped, count);
    }
    count
}

/// Removes `count` elements that equal `wanted`, from the one with number `skipped` among them on.
fn remove_matches(pack: &mut Listpack, wanted: Element<'_>, skipped: usize, count: usize) {
    let mut number = 0;
    pack.retain(|element| {
        if element != wanted {
            return true;
        }
        number += 1;
        number <= skipped || number > skipped + count
    });
}

#[cfg(test)]
impl Blocks {
    /// Panics if a count is wrong.
    pub(super) fn check(&self) {
        let mut totals = [0; 3];
        for group in &self.groups {
            assert!((1..=GROUP_MAX).contains(&group.blocks.len()));
            let len: usize = group.blocks.iter().map(|block| block.pack.len()).sum();
            assert_eq!(len, group.len);
            for block in group.blocks.iter() {
                assert!(block.len > 0);
                assert_eq!(block.len as usize, block.pack.len());
                totals[0] += block.pack.heap_bytes();
            }
            totals[1] += group.blocks.len();
            totals[2] += len;
        }
        assert_eq!(totals, [self.pack_bytes, self.count, self.len]);
    }
}
