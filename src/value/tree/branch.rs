//! Branches: which child a key or a rank is below. The module `tree` draws the layout.

use smallvec::SmallVec;
use triomphe::Arc;

use super::key::Key;
use super::leaf::Leaf;
use crate::base::allocator::allocation_size;

/// Children of a branch. Copying one that is shared costs a reference count for each.
pub(super) const FANOUT: usize = 64;
/// Below that, a branch is merged with a neighbour if there is room.
const THIN: usize = FANOUT / 4;
/// What merged branches may have, so that they do not overflow at once.
const MERGED_MAX: usize = FANOUT * 3 / 4;
/// Room is made for so many children at a time.
const GROWTH: usize = 8;

/// Exact in size, so that a copy takes as much memory: made by `from_slice`, which `clone` is not.
pub(super) type Separator = SmallVec<[u8; 20]>;

/// A leaf or a branch, perhaps shared.
#[derive(Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Branch(Arc<Branch>),
}

const _: () = assert!(size_of::<Node>() == 16);

/// A child and the separator in front of it.
pub(super) struct Slot {
    pub(super) separator: Separator,
    pub(super) child: Node,
}

impl Clone for Slot {
    fn clone(&self) -> Slot {
        let separator = Separator::from_slice(&self.separator);
        Slot { separator, child: self.child.clone() }
    }
}

/// See the module's description. All three have the same length, which is never 0.
pub(super) struct Branch {
    heads: Vec<u64>,
    /// Entries below each child.
    counts: Vec<usize>,
    slots: Vec<Slot>,
}

/// Keeps the capacities, so that a copy takes as much memory.
impl Clone for Branch {
    fn clone(&self) -> Branch {
        let mut copy = Branch::with_capacity(self.slots.capacity());
        copy.heads.extend_from_slice(&self.heads);
        copy.counts.extend_from_slice(&self.counts);
        copy.slots.extend_from_slice(&self.slots);
        copy
    }
}

/// Bytes of a head.
pub(super) const HEAD: usize = 8;

/// The first 8 bytes as a number that sorts as they do.
#[inline]
pub(super) fn head(key: &[u8]) -> u64 {
    match key.first_chunk() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            let mut padded = [0; HEAD];
            padded[..key.len()].copy_from_slice(key);
            u64::from_be_bytes(padded)
        }
    }
}

/// The shortest string above `before` and not above `key`, which is the greater one.
pub(super) fn separator(before: &[u8], key: &[u8]) -> Separator {
    debug_assert!(before < key, "keys rise");
    let common = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    Separator::from_slice(&key[..common + 1])
}

impl Node {
    pub(super) fn is_same(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Leaf(leaf), Node::Leaf(other)) => leaf.is_same(other),
            (Node::Branch(branch), Node::Branch(other)) => Arc::ptr_eq(branch, other),
            _ => false,
        }
    }

    /// Entries below.
    pub(super) fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.count(),
            Node::Branch(branch) => branch.counts.iter().sum(),
        }
    }

    /// Bytes of this node and all below.
    pub(super) fn total_heap_bytes(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.heap_bytes(),
            Node::Branch(branch) => {
                let below = branch.slots.iter().map(|slot| slot.child.total_heap_bytes());
                branch.heap_bytes() + below.sum::<usize>()
            }
        }
    }

    fn is_thin(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.is_thin(),
            Node::Branch(branch) => branch.len() < THIN,
        }
    }
}

impl Branch {
    fn with_capacity(capacity: usize) -> Branch {
        Branch {
            heads: Vec::with_capacity(capacity),
            counts: Vec::with_capacity(capacity),
            slots: Vec::with_capacity(capacity),
        }
    }

    pub(super) fn new(slots: Vec<Slot>) -> Branch {
        let mut branch = Branch::with_capacity(slots.len().next_multiple_of(GROWTH));
        slots.into_iter().for_each(|slot| branch.insert(branch.len(), slot));
        branch
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of this node alone.
    pub(super) fn heap_bytes(&self) -> usize {
        let long = self.slots.iter().filter(|slot| slot.separator.spilled());
        let parts = [size_of::<u64>(), size_of::<usize>(), size_of::<Slot>()];
        allocation_size(size_of::<Branch>() + size_of::<usize>())
            + parts.map(|part| allocation_size(self.slots.capacity() * part)).iter().sum::<usize>()
            + long.map(|slot| allocation_size(slot.separator.capacity())).sum::<usize>()
    }

    pub(super) fn child(&self, index: usize) -> &Node {
        &self.slots[index].child
    }

    pub(super) fn child_mut(&mut self, index: usize) -> &mut Node {
        &mut self.slots[index].child
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The last child whose separator is not greater than the key.
    #[inline]
    pub(super) fn search(&self, key: Key<'_>, head: u64) -> usize {
        let low = self.heads.partition_point(|other| *other < head);
        let equal = self.heads[low..].partition_point(|other| *other == head);
        let among = &self.slots[low..low + equal];
        let not_greater = among.partition_point(|slot| key.cmp(&slot.separator).is_ge());
        // The first separator is empty, so not greater than any key.
        (low + not_greater).saturating_sub(1)
    }

    /// Between which heads the keys below a child are; `outer` are those of the branch.
    #[inline]
    pub(super) fn bounds(&self, index: usize, outer: (u64, u64)) -> (u64, u64) {
        let low = if index == 0 { outer.0 } else { self.heads[index] };
        (low, self.heads.get(index + 1).map_or(outer.1, |next| *next))
    }

    /// Entries below the children before this one.
    pub(super) fn count_before(&self, index: usize) -> usize {
        self.counts[..index].iter().sum()
    }

    pub(super) fn count_of(&self, index: usize) -> usize {
        self.counts[index]
    }

    /// The child with the entry of this rank, and the entries before it.
    pub(super) fn child_at(&self, rank: usize) -> (usize, usize) {
        let mut before = 0;
        for (index, count) in self.counts.iter().enumerate() {
            if rank < before + count {
                return (index, before);
            }
            before += count;
        }
        unreachable!("the rank is below the number of entries")
    }

    /// One entry more below a child.
    pub(super) fn count_one_more(&mut self, index: usize) {
        self.counts[index] += 1;
    }

    /// So many entries less below a child.
    pub(super) fn count_fewer(&mut self, index: usize, fewer: usize) {
        self.counts[index] -= fewer;
    }

    /// Counts anew what is below a child.
    pub(super) fn recount(&mut self, index: usize) {
        self.counts[index] = self.slots[index].child.count();
    }

    pub(super) fn insert(&mut self, index: usize, mut slot: Slot) {
        if self.len() == self.slots.capacity() {
            self.heads.reserve_exact(GROWTH);
            self.counts.reserve_exact(GROWTH);
            self.slots.reserve_exact(GROWTH);
        }
        if index == 0 {
            slot.separator = Separator::new();
        }
        self.heads.insert(index, head(&slot.separator));
        self.counts.insert(index, slot.child.count());
        self.slots.insert(index, slot);
    }

    /// Removes children. The first that is left loses its separator.
    pub(super) fn remove(&mut self, range: std::ops::Range<usize>) {
        self.heads.drain(range.clone());
        self.counts.drain(range.clone());
        self.slots.drain(range.clone());
        if range.start == 0 && self.len() > 0 {
            self.heads[0] = 0;
            self.slots[0].separator = Separator::new();
        }
        let fitting = self.len().next_multiple_of(GROWTH);
        if fitting + GROWTH < self.slots.capacity() {
            self.heads.shrink_to(fitting);
            self.counts.shrink_to(fitting);
            self.slots.shrink_to(fitting);
        }
    }

    /// Cuts the children from `index` on off; the separator belongs between the two.
    pub(super) fn split_off(&mut self, index: usize) -> (Separator, Branch) {
        let separator = Separator::from_slice(&self.slots[index].separator);
        let right = Branch::new(self.slots[index..].to_vec());
        self.remove(index..self.len());
        (separator, right)
    }

    /// Removes the child if it is empty, and merges it with a neighbour if it is thin. Returns by how much
    /// the bytes of the children changed, as those before and those after.
    pub(super) fn mend(&mut self, index: usize) -> (usize, usize) {
        if self.counts[index] == 0 && self.len() > 1 {
            let before = self.slots[index].child.total_heap_bytes();
            self.remove(index..index + 1);
            return (before, 0);
        }
        if !self.slots[index].child.is_thin() {
            return (0, 0);
        }
        let left = index.checked_sub(1).and_then(|left| self.merge(left));
        left.or_else(|| self.merge(index)).unwrap_or((0, 0))
    }

    /// Merges a child with the next, if there is one and room.
    fn merge(&mut self, index: usize) -> Option<(usize, usize)> {
        let [left, right] = self.slots.get(index..index + 2)? else { return None };
        let (merged, before, after) = match (&left.child, &right.child) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                let merged = left.merged(right)?;
                let after = merged.heap_bytes();
                (Node::Leaf(merged), left.heap_bytes() + right.heap_bytes(), after)
            }
            (Node::Branch(left), Node::Branch(rest)) => {
                let merged = left.merged(rest, &right.separator)?;
                let after = merged.heap_bytes();
                (Node::Branch(Arc::new(merged)), left.heap_bytes() + rest.heap_bytes(), after)
            }
            _ => unreachable!("all leaves are at the same depth"),
        };
        self.slots[index].child = merged;
        self.counts[index] += self.counts[index + 1];
        self.remove(index + 1..index + 2);
        Some((before, after))
    }

    fn merged(&self, next: &Branch, between: &Separator) -> Option<Branch> {
        if self.len() + next.len() > MERGED_MAX {
            return None;
        }
        let mut slots = [&self.slots[..], &next.slots[..]].concat();
        slots[self.len()].separator = Separator::from_slice(between);
        Some(Branch::new(slots))
    }
}
