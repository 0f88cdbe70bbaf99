//! Drawing from elements by chance, all equally likely.

use crate::base::random::Random;

/// The elements of a collection with numbers, to draw from them many times.
pub enum Draw<T, F> {
    /// Elements that are found only by walking.
    Listed(Vec<T>),
    /// Elements of which each is found by its number.
    Numbered { len: usize, at: F },
}

impl<T: Copy, F: Fn(usize) -> T> Draw<T, F> {
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
        self.at(random.below(self.len()))
    }

    /// As many different elements, or all if there are not so many, in order.
    pub fn several(&self, count: usize, random: &mut Random) -> impl Iterator<Item = T> {
        let count = count.min(self.len());
        random.distinct_below(self.len(), count).into_iter().map(|number| self.at(number))
    }

    fn at(&self, number: usize) -> T {
        match self {
            Draw::Listed(elements) => elements[number],
            Draw::Numbered { at, .. } => at(number),
        }
    }
}
