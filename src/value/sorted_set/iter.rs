//! Walking over a sorted set in either form, from either end.

use std::ops::Range;

use super::large::read_order_entry;
use super::small::read_score;
use crate::value::listpack::{self, Element, Listpack};
use crate::value::tree;

/// Members and their scores.
#[derive(Clone)]
pub struct Iter<'a>(Inner<'a>);

#[derive(Clone)]
enum Inner<'a> {
    /// The elements begin with the first member that is left and end with the score of the last.
    Small {
        elements: listpack::Iter<'a>,
        left: usize,
    },
    Large(tree::Range<'a>),
}

impl<'a> Iter<'a> {
    /// The ranks are inside.
    pub(super) fn small(pack: &'a Listpack, ranks: Range<usize>) -> Iter<'a> {
        let place = pack.place(ranks.start * 2).expect("the rank is inside");
        let mut elements = pack.iter_from(place);
        for _ in ranks.end * 2..pack.len() {
            elements.next_back();
        }
        Iter(Inner::Small { elements, left: ranks.len() })
    }

    pub(super) fn large(range: tree::Range<'a>) -> Iter<'a> {
        Iter(Inner::Large(range))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Element<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Small { elements, left } => {
                let member = elements.next()?;
                *left -= 1;
                Some((member, read_score(elements.next().expect("a score follows"))))
            }
            Inner::Large(range) => range.next().map(read_order_entry),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Inner::Small { left, .. } => (*left, Some(*left)),
            Inner::Large(range) => range.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Small { elements, left } => {
                let score = elements.next_back()?;
                *left -= 1;
                Some((elements.next_back().expect("a member comes before"), read_score(score)))
            }
            Inner::Large(range) => range.next_back().map(read_order_entry),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
