//! Members by chance, all equally likely.

use super::{Integers, Set, SetForm, SetLimits};
use crate::base::random::Random;
use crate::value::Draw;
use crate::value::listpack::{Element, Listpack};

/// If more than so many times what remains is taken out, what remains is put together anew.
const REBUILD_FACTOR: usize = 5;

impl Set {
    /// The member with this number, in the order of `iter`.
    fn at(&self, index: usize) -> Option<Element<'_>> {
        match &self.form {
            SetForm::Integers(integers) => integers.get(index).map(Element::Integer),
            SetForm::Listpack(pack) => pack.get(index),
            SetForm::Hashed(hashed) => hashed.at(index).map(|(member, _)| Element::Bytes(member)),
        }
    }

    /// A member; `None` if there is none.
    pub fn random(&self, random: &mut Random) -> Option<Element<'_>> {
        if self.is_empty() { None } else { self.at(random.below(self.len())) }
    }

    /// The members, to draw from. O(1), but O(n) for a listpack.
    pub fn draw<'a>(&'a self) -> Draw<Element<'a>, impl Fn(usize) -> Option<Element<'a>>> {
        match &self.form {
            SetForm::Listpack(_) => Draw::Listed(self.iter().collect()),
            SetForm::Integers(_) | SetForm::Hashed(_) => {
                Draw::Numbered { numbers: self.len(), len: self.len(), at: |index| self.at(index) }
            }
        }
    }

    /// Takes out a member; `None` if there is none.
    pub fn pop(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        let member = self.random(random)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Takes out `count` members, or all if there are no more. If nearly all go, the rest is put together
    /// anew, perhaps in a smaller form.
    pub fn take(&mut self, count: usize, limits: &SetLimits, random: &mut Random) -> Vec<Vec<u8>> {
        let count = count.min(self.len());
        let remaining = self.len() - count;
        if remaining.saturating_mul(REBUILD_FACTOR) > count {
            let taken: Vec<_> =
                self.draw().several(count, random).map(|member| member.to_vec()).collect();
            taken.iter().for_each(|member| assert!(self.remove(member), "it was just seen"));
            return taken;
        }
        let mut kept = match &self.form {
            SetForm::Integers(_) => Set::from(SetForm::Integers(Integers::default())),
            _ => Set::from(SetForm::Listpack(Listpack::new())),
        };
        for member in self.draw().several(remaining, random) {
            member.with_bytes(|bytes| kept.insert(bytes, limits));
        }
        let is_taken = |member: &Element<'_>| !kept.contains_element(member);
        let taken = self.iter().filter(is_taken).map(|member| member.to_vec()).collect();
        *self = kept;
        taken
    }
}
