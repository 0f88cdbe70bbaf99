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
    /// The fields that there are at `now_ms`, to draw from. O(1), but O(n) if [`Hash::is_drawn_from_list`].
    pub fn draw<'a>(&'a self, now_ms: i64) -> Draw<Pair<'a>, impl Fn(usize) -> Option<Pair<'a>>> {
        match self.form() {
            Form::Large(fields) if !self.is_drawn_from_list(now_ms) => Draw::Numbered {
                numbers: fields.len(),
                len: self.len(now_ms),
                at: move |rank| {
                    Some(ranked(fields, rank)).filter(|pair| !self.is_pair_due(pair, now_ms))
                },
            },
            _ => Draw::Listed(self.iter(now_ms).collect()),
        }
    }

    /// Whether drawing begins with a list of all fields: of the small form, and while more than half of the fields have expired
    /// and wait to be removed.
    pub fn is_drawn_from_list(&self, now_ms: i64) -> bool {
        matches!(self.form(), Form::Small(_)) || self.len(now_ms) * 2 < self.stored_len()
    }

    /// One random field; `None` if there is none. O(log n), unless [`Hash::is_drawn_from_list`].
    pub fn random(&self, now_ms: i64, random: &mut Random) -> Option<Pair<'_>> {
        let len = self.stored_len();
        for _ in 0..TRIES.min(len) {
            let pair = self.stored_at(random.below(len));
            if !self.is_pair_due(&pair, now_ms) {
                return Some(pair);
            }
        }
        let rest = self.draw(now_ms);
        (!rest.is_empty()).then(|| rest.one(random))
    }

    fn is_pair_due(&self, (field, _): &Pair<'_>, now_ms: i64) -> bool {
        field.with_bytes(|field| self.is_due(field, now_ms))
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
