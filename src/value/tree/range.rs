//! Walking along entries.

use std::ops;

use super::Tree;
use super::leaf::{Leaf, Pair};

/// A leaf, and one of its entries.
type Place<'a> = (&'a Leaf, usize);

/// Keys and values in order, from either end. When a leaf is done the next is looked up by its rank, which
/// costs little, divided by the entries of a leaf, and spares remembering the way.
#[derive(Clone)]
pub struct Range<'a> {
    tree: &'a Tree,
    ranks: ops::Range<usize>,
    /// Of the first entry that is left; `None` before the first step.
    front: Option<Place<'a>>,
    /// Of the last one.
    back: Option<Place<'a>>,
}

impl<'a> Range<'a> {
    pub(super) fn new(tree: &'a Tree, ranks: ops::Range<usize>) -> Range<'a> {
        let end = ranks.end.min(tree.len());
        Range { tree, ranks: ranks.start.min(end)..end, front: None, back: None }
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let rank = self.ranks.next()?;
        let (leaf, at) = self.front.unwrap_or_else(|| self.tree.leaf_at(rank));
        self.front = (at + 1 < leaf.count()).then_some((leaf, at + 1));
        Some(leaf.pair(at))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }

    fn nth(&mut self, skipped: usize) -> Option<Pair<'a>> {
        if skipped > 0 {
            self.ranks.start = self.ranks.end.min(self.ranks.start.saturating_add(skipped));
            self.front = None;
        }
        self.next()
    }
}

impl<'a> DoubleEndedIterator for Range<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<Pair<'a>> {
        let rank = self.ranks.next_back()?;
        let (leaf, at) = self.back.unwrap_or_else(|| self.tree.leaf_at(rank));
        self.back = at.checked_sub(1).map(|at| (leaf, at));
        Some(leaf.pair(at))
    }
}

impl ExactSizeIterator for Range<'_> {}
