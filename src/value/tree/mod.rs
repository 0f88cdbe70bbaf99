//! An ordered map from byte strings to byte strings that can be counted off: the large form of sets,
//! hashes, sorted sets and streams.
//!
//! A counted B+tree. All entries are in leaves, packed one behind the other; branches have, for each child,
//! the number of entries below it and a separator. So a rank is found, and an entry by its rank, on the way
//! from the root to one leaf. Keys are ordered as byte strings; who looks for one may have it in two parts ([`Key`]).
//!
//! **Sharing.** Nodes are reference-counted, so a clone is one count more. A change copies those nodes on its
//! way that somebody else also holds: some kilobytes, whatever the tree's size.
//!
//! **Memory.** A leaf is one allocation of at most 4 KiB, in a size that the allocator has, and little larger
//! than its content: a half-full leaf is a small leaf, and random insertions cost no more memory than
//! ascending ones. One entry costs its bytes, 2 for where it starts, and about one in ten. What the keys of a
//! leaf begin with in common is not left out: with keys in the order of hashes it would save a byte, and
//! streams have few and large entries.
//!
//! ```text
//! leaf:     entries in the order of keys · unused · starts of entries (u16 each, the last entry's first)
//!             · bytes of entries (u32) · number of entries (u16) · shape (u16)
//! entry:    key · value                            shape = length of every value in this leaf
//!           length of key (varint) · key · value   shape = 65535: values differ in length
//! branch:   for each child: head (u64) · entries below · separator · child
//! ```
//!
//! Integers in leaves are little-endian. A separator is the shortest string that is greater than all keys
//! before its child and not greater than the child's own; that of the first child is empty. Its head is its
//! first 8 bytes, padded with zeros, as a big-endian number: nearly always enough to choose a child.
//! An entry that is larger than a leaf has a leaf of its own.
//!
//! **Search in a leaf** begins where the key would be if keys were spread evenly between the neighbouring
//! separators, and gallops from there. With hashes in front of keys that is a step or two away; otherwise it
//! costs twice the comparisons of a binary search at worst.
//!
//! **Balance.** What overflows is cut in the middle, but at the end (and at the beginning) of the whole tree a
//! new leaf is opened instead, so ascending keys leave full leaves. A node that has become thin is merged with
//! a neighbour if both together leave room.

mod branch;
mod change;
mod key;
mod leaf;
mod range;
#[cfg(test)]
mod tests;

use std::{fmt, ops};

use branch::{Branch, Node};
pub use key::Key;
use leaf::Leaf;
pub use range::Range;

/// See the module's description. Cloning costs O(1); changing a clone copies what is touched.
#[derive(Clone)]
pub struct Tree {
    root: Node,
    len: usize,
    /// Of all nodes, those included that are shared with others.
    heap: usize,
}

impl Default for Tree {
    fn default() -> Tree {
        let leaf = Leaf::build(&[]);
        Tree { len: 0, heap: leaf.heap_bytes(), root: Node::Leaf(leaf) }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Tree {
    pub fn new() -> Tree {
        Tree::default()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes taken from the allocator. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.heap
    }

    /// Whether the two share everything. As long as both are there, a change of one makes them differ.
    pub fn is_same(&self, other: &Tree) -> bool {
        self.root.is_same(&other.root)
    }

    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<&[u8]> {
        let (leaf, position) = self.find(key.into(), |_, _| ());
        position.ok().map(|at| leaf.pair(at).1)
    }

    /// How many keys are smaller. O(log n).
    pub fn rank<'k>(&self, key: impl Into<Key<'k>>) -> usize {
        let mut before = 0;
        let count = |branch: &Branch, index| before += branch.count_before(index);
        let (_, position) = self.find(key.into(), count);
        before + position.unwrap_or_else(|at| at)
    }

    /// Key and value by rank. O(log n).
    pub fn at(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        if rank >= self.len {
            return None;
        }
        let (leaf, at) = self.leaf_at(rank);
        Some(leaf.pair(at))
    }

    /// Keys and values with these ranks, from either end. O(log n) and O(1) per step. Ranks outside are
    /// cut off.
    pub fn range(&self, ranks: ops::Range<usize>) -> Range<'_> {
        Range::new(self, ranks)
    }

    pub fn iter(&self) -> Range<'_> {
        self.range(0..self.len())
    }

    /// The leaf with the entry of this rank, and which of its entries it is. The rank is below `len`.
    fn leaf_at(&self, rank: usize) -> (&Leaf, usize) {
        let (mut node, mut rank) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Branch(branch) => {
                    let (index, before) = branch.child_at(rank);
                    rank -= before;
                    node = branch.child(index);
                }
            }
        }
    }

    /// The leaf where the key is or would be, and the place there. `visit` sees the branches on the way,
    /// and which child is taken.
    #[inline]
    fn find<'a>(
        &'a self,
        key: Key<'_>,
        mut visit: impl FnMut(&'a Branch, usize),
    ) -> (&'a Leaf, Result<usize, usize>) {
        let head = key.head();
        let mut bounds = (0, u64::MAX);
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, leaf.search(key, head, bounds)),
                Node::Branch(branch) => {
                    let index = branch.search(key, head);
                    bounds = branch.bounds(index, bounds);
                    visit(branch, index);
                    node = branch.child(index);
                }
            }
        }
    }
}
