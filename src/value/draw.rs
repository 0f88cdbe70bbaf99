//! Drawing from elements by chance, all equally likely.

use std::collections::BTreeSet;

use crate::base::random::Random;

/// The elements of a collection with numbers, to draw from them many times.
pub enum Draw<T, F> {
    /// Elements that are found only by walking.
    Listed(Vec<T>),
    /// Elements of which each is found by its number. At some of the `numbers` there may be none; at least at every
    /// second there is one, and there are `len`.
    Numbered { numbers: usize, len: usize, at: F },
}

impl<T: Copy, F: Fn(usize) -> Option<T>> Draw<T, F> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Draw::Listed(elements) => elements.len(),
            Draw::Numbered { len, .. } => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Any of the elements, which are not none.
    pub fn one(&self, random: &mut Random) -> T {
        debug_assert!(!self.is_empty(), "there is something to draw");
        loop {
            if let Some(element) = self.at(random.below(self.numbers())) {
                return element;
            }
        }
    }

    /// As many different elements, or all if there are not so many, in order.
    pub fn several(&self, count: usize, random: &mut Random) -> impl Iterator<Item = T> {
        let count = count.min(self.len());
        let chosen = if count > self.len() / 2 {
            self.but_for(self.len() - count, random)
        } else {
            self.drawn(count, random)
        };
        chosen.into_iter().filter_map(|number| self.at(number))
    }

    /// So many different numbers at which there is an element, which are no more than half of all, in order.
    fn drawn(&self, count: usize, random: &mut Random) -> Vec<usize> {
        if self.len() == self.numbers() {
            return random.distinct_below(self.numbers(), count);
        }
        let mut drawn = BTreeSet::new();
        while drawn.len() < count {
            let number = random.below(self.numbers());
            if self.at(number).is_some() {
                drawn.insert(number);
            }
        }
        drawn.into_iter().collect()
    }

    /// The numbers of all elements but for so many, which are no more than half of all, in order.
    fn but_for(&self, count: usize, random: &mut Random) -> Vec<usize> {
        let left_out = self.drawn(count, random);
        (0..self.numbers())
            .filter(|number| left_out.binary_search(number).is_err() && self.at(*number).is_some())
            .collect()
    }

    fn numbers(&self) -> usize {
        match self {
            Draw::Listed(elements) => elements.len(),
            Draw::Numbered { numbers, .. } => *numbers,
        }
    }

    fn at(&self, number: usize) -> Option<T> {
        match self {
            Draw::Listed(elements) => Some(elements[number]),
            Draw::Numbered { at, .. } => at(number),
        }
    }
}
