//! Members by chance, all equally likely.

use super::{Form, SortedSet};
use crate::base::random::Random;
use crate::value::Draw;
use crate::value::listpack::Element;

type Entry<'a> = (Element<'a>, f64);

impl SortedSet {
    /// The members, to draw from. O(1), but O(n) for the small form.
    pub fn draw<'a>(&'a self) -> Draw<Entry<'a>, impl Fn(usize) -> Option<Entry<'a>>> {
        match &self.0 {
            Form::Small(_) => Draw::Listed(self.iter().collect()),
            Form::Large(_) => {
                Draw::Numbered { numbers: self.len(), len: self.len(), at: |rank| self.at(rank) }
            }
        }
    }

    /// One random member; `None` if there is none.
    pub fn random(&self, random: &mut Random) -> Option<Entry<'_>> {
        self.at(random.below(self.len().max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::sorted_set::SortedSetLimits;

    #[test]
    fn every_member_is_drawn_equally_often() {
        let mut random = Random::seeded(1);
        for entries in [0, 128] {
            let mut set = SortedSet::new();
            for number in 0..5u8 {
                set.insert(&[number], 1.0, &SortedSetLimits { entries, value: 64 });
            }
            let mut seen = [[0; 5]; 3];
            let mut count = |at: usize, (member, _): Entry<'_>| {
                seen[at][usize::from(member.to_vec()[0])] += 1;
            };
            let draw = set.draw();
            for _ in 0..1000 {
                count(0, set.random(&mut random).unwrap());
                count(1, draw.one(&mut random));
                let several: Vec<_> = draw.several(2, &mut random).collect();
                assert_ne!(several[0].0, several[1].0);
                several.into_iter().for_each(|entry| count(2, entry));
            }
            assert!(seen[..2].iter().flatten().all(|n| (140..260).contains(n)), "{seen:?}");
            assert!(seen[2].iter().all(|n| (340..460).contains(n)), "{seen:?}");
            assert_eq!(draw.several(9, &mut random).count(), 5);
        }
        assert!(SortedSet::new().random(&mut random).is_none());
    }
}
