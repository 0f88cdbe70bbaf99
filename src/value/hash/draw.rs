//! Random fields of a hash, all equally likely.

use super::{Form, Hash, Pair, STEP};
use crate::base::random::Random;
use crate::value::Draw;
use crate::value::hashed::Hashed;
use crate::value::listpack::Element;

/// After so many draws in a row that hit expired fields, the others are counted off.
const TRIES: usize = 16;

fn ranked(fields: &Hashed, rank: usize) -> Pair<'_> {
    let (field, value) = fields.at(rank).expect("the number is below how many there are");
    (Element::Bytes(field), Element::Bytes(value))
}

impl Hash {
    /// The fields that there are at `now_ms`, to draw from. O(1), but O(n) for the small form and while
    /// expired fields wait to be removed.
    pub fn draw<'a>(&'a self, now_ms: i64) -> Draw<Pair<'a>, impl Fn(usize) -> Pair<'a>> {
        match self.form() {
            Form::Large(fields) if self.due(now_ms).is_none() => {
                Draw::Numbered { len: fields.len(), at: move |rank| ranked(fields, rank) }
            }
            _ => Draw::Listed(self.iter(now_ms).collect()),
        }
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
        match self.form() {
            Form::Small(pack) => {
                let place = pack.place(number * STEP).expect("the number is below the length");
                (pack.at(place), pack.at(pack.next(place)))
            }
            Form::Large(fields) => ranked(fields, number),
        }
    }
}
