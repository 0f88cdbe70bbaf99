//! Random fields of a hash, all equally likely.

use super::{Form, Hash, Pair, STEP};
use crate::base::random::Random;
use crate::value::hashed::Hashed;
use crate::value::listpack::Element;

/// After so many draws in a row that hit expired fields, the others are counted off.
const TRIES: usize = 16;

/// The fields of a hash with numbers, to draw from them many times.
pub struct Draw<'a>(Numbered<'a>);

enum Numbered<'a> {
    /// The small form, or what is left beside expired fields.
    Listed(Vec<Pair<'a>>),
    /// All fields, by rank.
    Ranked(&'a Hashed),
}

impl<'a> Draw<'a> {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Numbered::Listed(pairs) => pairs.len(),
            Numbered::Ranked(fields) => fields.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of the fields, which are not none.
    pub fn one(&self, random: &mut Random) -> Pair<'a> {
        self.number(random.below(self.len()))
    }

    /// As many different fields, or all if there are not so many.
    pub fn several(&self, count: usize, random: &mut Random) -> impl Iterator<Item = Pair<'a>> {
        let count = count.min(self.len());
        random.distinct_below(self.len(), count).into_iter().map(|number| self.number(number))
    }

    fn number(&self, number: usize) -> Pair<'a> {
        match &self.0 {
            Numbered::Listed(pairs) => pairs[number],
            Numbered::Ranked(fields) => ranked(fields, number),
        }
    }
}

fn ranked(fields: &Hashed, rank: usize) -> Pair<'_> {
    let (field, value) = fields.at(rank).expect("the number is below how many there are");
    (Element::Bytes(field), Element::Bytes(value))
}

impl Hash {
    /// The fields that there are at `now_ms`, to draw from. O(1), but O(n) for the small form and while
    /// expired fields wait to be removed.
    pub fn draw(&self, now_ms: i64) -> Draw<'_> {
        Draw(match &self.form {
            Form::Large(fields) if self.due(now_ms).is_none() => Numbered::Ranked(fields),
            _ => Numbered::Listed(self.iter(now_ms).collect()),
        })
    }

    /// One random field; `None` if there is none. O(log n) as long as many fields have not expired.
    pub fn random(&self, now_ms: i64, random: &mut Random) -> Option<Pair<'_>> {
        let len = self.stored_len();
        for _ in 0..TRIES.min(len) {
            let pair = self.stored_at(random.below(len));
            if !pair.0.with_bytes(|field| self.is_due(field, now_ms)) {
                return Some(pair);
            }
        }
        let rest = self.draw(now_ms);
        (!rest.is_empty()).then(|| rest.one(random))
    }

    /// By number, expired ones included.
    fn stored_at(&self, number: usize) -> Pair<'_> {
        match &self.form {
            Form::Small(pack) => {
                let place = pack.place(number * STEP).expect("the number is below the length");
                (pack.at(place), pack.at(pack.next(place)))
            }
            Form::Large(fields) => ranked(fields, number),
        }
    }
}
