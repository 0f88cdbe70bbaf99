//! Setting a score under conditions, or adding to it: what `ZADD` does with one member.

use super::{Form, SortedSet, SortedSetLimits};
use crate::value::hashed::HashedMember;

/// On what conditions, and how, a score is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddRule {
    /// Members that are there stay as they are.
    pub only_new: bool,
    /// Members that are not there are not added.
    pub only_present: bool,
    /// Scores do not become smaller.
    pub only_greater: bool,
    /// Scores do not become greater.
    pub only_less: bool,
    /// What is given is added to the score, and is the score of a new member.
    pub increment: bool,
}

/// What became of a member, with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    New(f64),
    Changed(f64),
    Same(f64),
    /// A condition is not met.
    HeldBack,
}

/// The sum of the scores is none: infinities of different sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl AddRule {
    /// What becomes of a member that has this score, if it is there.
    fn decide(self, old: Option<f64>, given: f64) -> Result<Added, NotANumber> {
        let Some(old) = old else {
            return Ok(if self.only_present { Added::HeldBack } else { Added::New(given) });
        };
        if self.only_new {
            return Ok(Added::HeldBack);
        }
        let score = if self.increment { old + given } else { given };
        if score.is_nan() {
            return Err(NotANumber);
        }
        if self.only_greater && score <= old || self.only_less && score >= old {
            return Ok(Added::HeldBack);
        }
        Ok(if score == old { Added::Same(score) } else { Added::Changed(score) })
    }
}

impl SortedSet {
    /// Sets a score, which is not NaN, as the rule says.
    pub fn add(
        &mut self,
        member: &[u8],
        given: f64,
        rule: AddRule,
        limits: &SortedSetLimits,
    ) -> Result<Added, NotANumber> {
        if let Form::Large(large) = &mut self.0 {
            let member = HashedMember::from(member);
            let old = large.score(member);
            let added = rule.decide(old, given)?;
            match (added, old) {
                (Added::New(score), _) => large.add(member, score),
                (Added::Changed(score), Some(old)) => large.change(member, old, score),
                _ => {}
            }
            return Ok(added);
        }
        let old = self.score(member);
        let added = rule.decide(old, given)?;
        if let Added::New(score) | Added::Changed(score) = added {
            self.put(member, old, score, limits);
        }
        Ok(added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SortedSetLimits = SortedSetLimits { entries: 128, value: 64 };

    #[test]
    fn conditions_hold_back_what_does_not_meet_them() {
        let none = AddRule::default();
        for (rule, given, member, expected) in [
            (none, 2.0, "new", Added::New(2.0)),
            (none, 1.0, "a", Added::Same(1.0)),
            (none, 2.0, "a", Added::Changed(2.0)),
            (AddRule { only_new: true, ..none }, 2.0, "a", Added::HeldBack),
            (AddRule { only_present: true, ..none }, 2.0, "new", Added::HeldBack),
            (AddRule { only_greater: true, ..none }, 1.0, "a", Added::HeldBack),
            (AddRule { only_greater: true, ..none }, 2.0, "a", Added::Changed(2.0)),
            (AddRule { only_greater: true, ..none }, 0.0, "new", Added::New(0.0)),
            (AddRule { only_less: true, ..none }, 2.0, "a", Added::HeldBack),
            (AddRule { increment: true, ..none }, 2.0, "a", Added::Changed(3.0)),
            (AddRule { increment: true, ..none }, 0.0, "a", Added::Same(1.0)),
            (AddRule { increment: true, only_less: true, ..none }, 2.0, "a", Added::HeldBack),
        ] {
            let mut set = SortedSet::new();
            set.insert(b"a", 1.0, &LIMITS);
            let added = set.add(member.as_bytes(), given, rule, &LIMITS);
            assert_eq!(added, Ok(expected), "{rule:?} {given} {member}");
        }
    }

    #[test]
    fn infinities_of_different_sign_have_no_sum() {
        let mut set = SortedSet::new();
        set.insert(b"a", f64::INFINITY, &LIMITS);
        let rule = AddRule { increment: true, ..AddRule::default() };
        assert_eq!(set.add(b"a", f64::NEG_INFINITY, rule, &LIMITS), Err(NotANumber));
        assert_eq!(set.score(b"a"), Some(f64::INFINITY));
    }
}
