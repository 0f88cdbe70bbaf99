//! Trimming: removing entries from the front.
//!
//! Whole nodes go first, then entries of the node that the limit falls into. An approximate trimming only
//! removes whole nodes, and not more than so many entries at once, so that it never takes long.

use super::Body;
use super::id::StreamId;
use super::node::NodeRef;

/// Which entries stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// So many of the last ones.
    Len(u64),
    /// Those from this ID on.
    Id(StreamId),
}

/// How to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub to: TrimTo,
    /// Only whole nodes go, ...
    pub is_approximate: bool,
    /// ... with at most so many entries; 0 sets no limit.
    pub limit: u64,
}

impl Trim {
    #[cfg(test)]
    pub fn exactly(to: TrimTo) -> Trim {
        Trim { to, is_approximate: false, limit: 0 }
    }

    /// A quick look that keeps a shared stream from being copied for nothing.
    pub(super) fn removes_any(&self, body: &Body) -> bool {
        body.open.is_some()
            && match self.to {
                TrimTo::Len(len) => body.len > len,
                TrimTo::Id(id) => {
                    let first = body.node_at(0).expect("the open node is one");
                    first.id < id
                }
            }
    }

    /// Whether a whole node can go when `len` entries are left.
    fn removes_node(&self, node: NodeRef<'_>, len: u64) -> bool {
        match self.to {
            TrimTo::Len(max) => len - node.live() >= max,
            TrimTo::Id(id) => node.last().is_none_or(|last| last.id < id),
        }
    }
}

impl Body {
    pub(super) fn trim(&mut self, trim: Trim) -> u64 {
        let before = self.len;
        let mut number = 0;
        let mut stays = None;
        while let Some(node) = self.node_at(number) {
            let is_enough = matches!(trim.to, TrimTo::Len(max) if self.len <= max);
            let removed = before - self.len;
            if is_enough || trim.limit > 0 && removed + node.live() > trim.limit {
                break;
            }
            if !trim.removes_node(node, self.len) {
                stays = Some(number);
                break;
            }
            self.len -= node.live();
            number += 1;
        }
        if let Some(number) = stays.filter(|_| !trim.is_approximate) {
            let len = self.len;
            let deleted = self.change_node(number, false, |node| {
                node.delete_front(|id, deleted| match trim.to {
                    TrimTo::Len(max) => len - deleted <= max,
                    TrimTo::Id(first) => id >= first,
                })
            });
            self.len -= deleted;
        }
        self.remove_front(number);
        before - self.len
    }

    /// Removes the first `count` nodes.
    fn remove_front(&mut self, count: usize) {
        if count > self.nodes.len() {
            self.open = None;
        }
        self.nodes.remove_range(0..count.min(self.nodes.len()));
    }
}
