//! Changing a tree: one descent that notes the way, then a walk along it that copies what is shared.

use std::ops;

use smallvec::{SmallVec, smallvec};
use triomphe::Arc;

use super::Tree;
use super::branch::{Branch, FANOUT, Node, Separator, Slot, separator};
use super::key::Key;
use super::leaf::{LEAF_MAX, Leaf, Pair};

/// Which child was taken in each branch.
type Way = SmallVec<[u16; 12]>;

/// What has to stand behind a node that was changed.
type Siblings = SmallVec<[Slot; 2]>;

/// Which ends of the tree a node is at.
#[derive(Clone, Copy)]
struct Ends {
    first: bool,
    last: bool,
}

/// What is to be put into a leaf, and where.
struct Put<'a> {
    key: Key<'a>,
    value: &'a [u8],
    /// The number of the entry to exchange, or of the one to insert before.
    position: Result<usize, usize>,
}

impl Tree {
    /// Sets the value of a key; true if the key is new. A value of the same length as the old one is
    /// exchanged in place.
    pub fn insert<'k>(&mut self, key: impl Into<Key<'k>>, value: &[u8]) -> bool {
        let key = key.into();
        let mut way = Way::new();
        let (leaf, position) = self.find(key, |_, index| way.push(index as u16));
        if position.is_ok_and(|at| leaf.pair(at).1 == value) {
            return false;
        }
        let put = Put { key, value, position };
        let ends = Ends { first: true, last: true };
        let siblings = put_below(&mut self.root, &way, &put, ends, &mut self.heap);
        if !siblings.is_empty() {
            self.grow(siblings);
        }
        self.len += usize::from(position.is_err());
        position.is_err()
    }

    /// A new root above the old one and its siblings.
    fn grow(&mut self, siblings: Siblings) {
        let old = std::mem::replace(&mut self.root, Node::Leaf(Leaf::build(&[])));
        let mut slots = vec![Slot { separator: Separator::new(), child: old }];
        slots.extend(siblings);
        let root = Branch::new(slots);
        self.heap += root.heap_bytes();
        self.root = Node::Branch(Arc::new(root));
    }

    /// Removes a key; true if it was there.
    pub fn remove<'k>(&mut self, key: impl Into<Key<'k>>) -> bool {
        let mut way = Way::new();
        let (_, position) = self.find(key.into(), |_, index| way.push(index as u16));
        let Ok(at) = position else { return false };
        remove_below(&mut self.root, &way, at, &mut self.heap);
        self.len -= 1;
        self.settle();
        true
    }

    /// Removes the keys with these ranks; ranks outside are cut off. O(log n) and what is freed.
    pub fn remove_range(&mut self, ranks: ops::Range<usize>) {
        let end = ranks.end.min(self.len);
        let ranks = ranks.start.min(end)..end;
        if ranks.len() == self.len {
            *self = Tree::default();
        } else if !ranks.is_empty() {
            remove_range_below(&mut self.root, ranks.clone(), &mut self.heap);
            self.len -= ranks.len();
            self.settle();
        }
    }

    /// A root with one child is none.
    fn settle(&mut self) {
        if self.len == 0 {
            *self = Tree::default();
        }
        while let Node::Branch(branch) = &self.root
            && branch.len() == 1
        {
            self.heap -= branch.heap_bytes();
            self.root = branch.child(0).clone();
        }
    }
}

fn put_below(
    node: &mut Node,
    way: &[u16],
    put: &Put<'_>,
    ends: Ends,
    heap: &mut usize,
) -> Siblings {
    let shared = match node {
        Node::Leaf(leaf) => {
            let before = leaf.heap_bytes();
            let siblings = put_into(leaf, put, ends);
            let new = siblings.iter().map(|slot| slot.child.total_heap_bytes()).sum::<usize>();
            *heap = *heap - before + leaf.heap_bytes() + new;
            return siblings;
        }
        Node::Branch(shared) => shared,
    };
    let branch = Arc::make_mut(shared);
    let index = usize::from(way[0]);
    let is_last = index + 1 == branch.len();
    let below = Ends { first: ends.first && index == 0, last: ends.last && is_last };
    let siblings = put_below(branch.child_mut(index), &way[1..], put, below, heap);
    if siblings.is_empty() {
        if put.position.is_err() {
            branch.count_one_more(index);
        }
        return siblings;
    }
    let before = branch.heap_bytes();
    let siblings = take_in(branch, index, siblings, below);
    let new = siblings.iter().map(|slot| match &slot.child {
        Node::Branch(branch) => branch.heap_bytes(),
        Node::Leaf(_) => unreachable!("a branch has branches beside it"),
    });
    *heap = *heap - before + branch.heap_bytes() + new.sum::<usize>();
    siblings
}

/// Puts new children behind one; cuts the branch in two if they are too many.
fn take_in(branch: &mut Branch, index: usize, children: Siblings, below: Ends) -> Siblings {
    branch.recount(index);
    for (n, slot) in children.into_iter().enumerate() {
        branch.insert(index + 1 + n, slot);
    }
    if branch.len() <= FANOUT {
        return Siblings::new();
    }
    let cut = match below {
        Ends { last: true, .. } => FANOUT,
        Ends { first: true, .. } => branch.len() - FANOUT,
        _ => branch.len() / 2,
    };
    let (separator, right) = branch.split_off(cut);
    smallvec![Slot { separator, child: Node::Branch(Arc::new(right)) }]
}

fn put_into(leaf: &mut Leaf, put: &Put<'_>, ends: Ends) -> Siblings {
    let is_done = match put.position {
        Ok(at) => leaf.set_value(at, put.value),
        Err(at) => leaf.insert(at, put.key, put.value),
    };
    if is_done {
        return Siblings::new();
    }
    let (at, removed) = match put.position {
        Ok(at) => (at, 1),
        Err(at) => (at, 0),
    };
    let key = put.key.to_whole();
    let mut pairs: Vec<Pair<'_>> = leaf.pairs().collect();
    pairs.splice(at..at + removed, [(&key[..], put.value)]);
    let mut ranges = Vec::new();
    if pairs.len() > 1 && size_of_all(&pairs) > LEAF_MAX && put.position.is_err() {
        // Keys that come in order leave full leaves behind.
        if ends.last && at + 1 == pairs.len() {
            ranges = vec![0..at, at..at + 1];
        } else if ends.first && at == 0 {
            ranges = vec![0..1, 1..pairs.len()];
        }
    }
    if ranges.is_empty() {
        cut(&pairs, 0..pairs.len(), &mut ranges);
    }
    let slots = ranges.iter().skip(1).map(|range| Slot {
        separator: separator(pairs[range.start - 1].0, pairs[range.start].0),
        child: Node::Leaf(Leaf::build(&pairs[range.clone()])),
    });
    let siblings = slots.collect();
    *leaf = Leaf::build(&pairs[ranges[0].clone()]);
    siblings
}

/// What a leaf of these entries would need at most.
fn size_of_all(pairs: &[Pair<'_>]) -> usize {
    pairs.iter().map(size_of_one).sum::<usize>() + 8
}

fn size_of_one((key, value): &Pair<'_>) -> usize {
    key.len() + value.len() + 3 + usize::from(key.len() >= 128)
}

/// Divides entries into leaves: what is too much is halved, until it fits or is a single entry.
fn cut(pairs: &[Pair<'_>], range: ops::Range<usize>, into: &mut Vec<ops::Range<usize>>) {
    let total = size_of_all(&pairs[range.clone()]);
    if range.len() <= 1 || total <= LEAF_MAX {
        into.push(range);
        return;
    }
    let mut left = 0;
    let mut at = range.start;
    while at + 1 < range.end {
        let size = size_of_one(&pairs[at]);
        // An entry across the middle goes where it makes less of a difference.
        if at > range.start && left + size / 2 > total / 2 {
            break;
        }
        left += size;
        at += 1;
    }
    cut(pairs, range.start..at, into);
    cut(pairs, at..range.end, into);
}

fn remove_below(node: &mut Node, way: &[u16], at: usize, heap: &mut usize) {
    match node {
        Node::Leaf(leaf) => {
            let before = leaf.heap_bytes();
            leaf.remove(at..at + 1);
            *heap = *heap - before + leaf.heap_bytes();
        }
        Node::Branch(shared) => {
            let branch = Arc::make_mut(shared);
            let index = usize::from(way[0]);
            remove_below(branch.child_mut(index), &way[1..], at, heap);
            branch.count_fewer(index, 1);
            mend(branch, index, heap);
        }
    }
}

/// Mends a child that has become smaller, and keeps count of the bytes.
fn mend(branch: &mut Branch, index: usize, heap: &mut usize) {
    let before = branch.heap_bytes();
    let (less, more) = branch.mend(index);
    *heap = *heap + more + branch.heap_bytes() - less - before;
}

fn remove_range_below(node: &mut Node, ranks: ops::Range<usize>, heap: &mut usize) {
    let shared = match node {
        Node::Leaf(leaf) => {
            let before = leaf.heap_bytes();
            leaf.remove(ranks);
            *heap = *heap - before + leaf.heap_bytes();
            return;
        }
        Node::Branch(shared) => shared,
    };
    let branch = Arc::make_mut(shared);
    let (first, mut start) = branch.child_at(ranks.start);
    let mut whole = first..first;
    for index in first..branch.len() {
        let count = branch.count_of(index);
        let part = ranks.start.max(start) - start..ranks.end.min(start + count) - start;
        if part.len() == count {
            whole = if whole.is_empty() { index..index + 1 } else { whole.start..index + 1 };
        } else {
            remove_range_below(branch.child_mut(index), part.clone(), heap);
            branch.count_fewer(index, part.len());
        }
        start += count;
        if start >= ranks.end {
            break;
        }
    }
    drop_children(branch, whole.clone(), heap);
    // At most the children on either side of the gap have lost some entries, or the two from the first on.
    let at = if whole.is_empty() { first } else { whole.start };
    for index in [at + 1, at, at.saturating_sub(1)] {
        if index < branch.len() {
            mend(branch, index, heap);
        }
    }
}

fn drop_children(branch: &mut Branch, range: ops::Range<usize>, heap: &mut usize) {
    let freed: usize =
        branch.slots()[range.clone()].iter().map(|slot| slot.child.total_heap_bytes()).sum();
    let before = branch.heap_bytes();
    branch.remove(range);
    *heap = *heap + branch.heap_bytes() - before - freed;
}
