//! The longest common subsequence of two strings, by the classic table of prefix lengths.
//!
//! Time and memory are proportional to the product of the lengths. Of several longest subsequences the
//! one found by walking back from the ends, preferring to shorten the first string, is returned, with
//! its matching stretches from last to first: the choice that Redis makes.

/// A stretch that is the same in both strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Where it begins in the first string ...
    pub a: usize,
    /// ... and in the second.
    pub b: usize,
    pub len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lcs {
    pub bytes: Vec<u8>,
    /// From the last to the first.
    pub matches: Vec<Match>,
}

pub fn longest_common_subsequence(a: &[u8], b: &[u8]) -> Lcs {
    let table = Table::fill(a, b);
    let (mut i, mut j) = (a.len(), b.len());
    let mut bytes = Vec::with_capacity(table.at(i, j) as usize);
    let mut matches: Vec<Match> = Vec::new();
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            bytes.push(a[i]);
            match matches.last_mut() {
                Some(last) if last.a == i + 1 && last.b == j + 1 => {
                    *last = Match { a: i, b: j, len: last.len + 1 };
                }
                _ => matches.push(Match { a: i, b: j, len: 1 }),
            }
        } else if table.at(i - 1, j) > table.at(i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    bytes.reverse();
    Lcs { bytes, matches }
}

/// Lengths of the longest common subsequences of all pairs of prefixes.
struct Table {
    cells: Vec<u32>,
    width: usize,
}

impl Table {
    fn fill(a: &[u8], b: &[u8]) -> Table {
        let width = b.len() + 1;
        let mut table = Table { cells: vec![0; (a.len() + 1) * width], width };
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                let longest = if x == y {
                    table.at(i, j) + 1
                } else {
                    table.at(i, j + 1).max(table.at(i + 1, j))
                };
                table.cells[(i + 1) * width + j + 1] = longest;
            }
        }
        table
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_example_gives_the_documented_matches() {
        let found = longest_common_subsequence(b"ohmytext", b"mynewtext");
        assert_eq!(found.bytes, b"mytext");
        assert_eq!(found.matches, [Match { a: 4, b: 5, len: 4 }, Match { a: 2, b: 0, len: 2 }]);
    }

    fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
        let mut rest = whole.iter();
        part.iter().all(|byte| rest.any(|other| other == byte))
    }

    proptest! {
        #[test]
        fn the_result_is_a_common_subsequence_made_of_its_matches(a in "[abc]{0,30}", b in "[abc]{0,30}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let found = longest_common_subsequence(a, b);
            prop_assert!(is_subsequence(&found.bytes, a) && is_subsequence(&found.bytes, b));
            let joined: Vec<u8> =
                found.matches.iter().rev().flat_map(|m| a[m.a..m.a + m.len].to_vec()).collect();
            prop_assert_eq!(joined, found.bytes);
        }
    }
}
