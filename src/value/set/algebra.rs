//! Union, intersection and difference.
//!
//! The steps are those of Redis, because they show: in the form that the result has, and in the order of
//! members in small forms.

use super::{Integers, Set, SetForm, SetLimits};
use crate::value::listpack::{Element, Listpack, element};

/// What is in any of the sets.
pub fn union<'a>(sets: impl IntoIterator<Item = &'a Set>, limits: &SetLimits) -> Set {
    let mut result = Set::default();
    for member in sets.into_iter().flatten() {
        member.with_bytes(|bytes| result.insert(bytes, limits));
    }
    result
}

/// The smallest set, and the others by size.
fn smallest<'a>(sets: &[&'a Set]) -> Option<(&'a Set, Vec<&'a Set>)> {
    let mut sorted = sets.to_vec();
    sorted.sort_by_key(|set| set.len());
    let (first, others) = sorted.split_first()?;
    let others = others.iter().copied().filter(|set| !std::ptr::eq(*set, *first)).collect();
    Some((first, others))
}

/// Calls `found` with what is in all of the sets, in the order of the smallest, until it says that it has
/// enough.
fn intersect<'a>(sets: &[&'a Set], mut found: impl FnMut(Element<'a>) -> bool) {
    let Some((first, others)) = smallest(sets) else { return };
    for member in first {
        if others.iter().all(|set| set.contains_element(&member)) && !found(member) {
            return;
        }
    }
}

/// How many members are in all of the sets, counted up to `max`.
pub fn intersection_count(sets: &[&Set], max: usize) -> usize {
    let mut count = 0;
    intersect(sets, |_| {
        count += 1;
        count < max
    });
    count
}

/// What is in all of the sets, in the order of the smallest.
pub fn common_members<'a>(sets: &[&'a Set]) -> Vec<Element<'a>> {
    let mut members = Vec::new();
    intersect(sets, |member| {
        members.push(member);
        true
    });
    members
}

/// What is in all of the sets.
pub fn intersection(sets: &[&Set], limits: &SetLimits) -> Set {
    let is_intset =
        smallest(sets).is_some_and(|(first, _)| matches!(first.form, SetForm::Integers(_)));
    let mut result = match is_intset {
        true => Set::default(),
        false => Set::from(SetForm::Listpack(Listpack::new())),
    };
    let mut is_integers = true;
    intersect(sets, |member| {
        member.with_bytes(|bytes| {
            is_integers &= element(bytes).as_integer().is_some();
            result.insert(bytes, limits)
        });
        true
    });
    if is_integers && !is_intset && result.len() <= limits.intset_entries {
        let mut values: Vec<i64> = result.iter().filter_map(as_integer).collect();
        values.sort_unstable();
        result.form = SetForm::Integers(values.into_iter().collect::<Integers>());
    }
    result
}

/// The integer that a member is, however it is kept.
fn as_integer(member: Element<'_>) -> Option<i64> {
    member.with_bytes(|bytes| element(bytes).as_integer())
}

/// What is in the first set and in none of the others; `None` is a key that does not exist.
pub fn difference(sets: &[Option<&Set>], limits: &SetLimits) -> Set {
    let mut result = Set::default();
    let Some((Some(first), others)) = sets.split_first() else { return result };
    let mut others: Vec<&Set> = others.iter().copied().flatten().collect();
    if others.iter().any(|set| std::ptr::eq(*set, *first)) {
        return result;
    }
    let lookups = first.len() * (1 + others.len()) / 2;
    let members = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if lookups <= members {
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        for member in *first {
            if !others.iter().any(|set| set.contains_element(&member)) {
                member.with_bytes(|bytes| result.insert(bytes, limits));
            }
        }
        return result;
    }
    for member in *first {
        member.with_bytes(|bytes| result.insert(bytes, limits));
    }
    for member in others.into_iter().flatten() {
        member.with_bytes(|bytes| result.remove(bytes));
        if result.is_empty() {
            break;
        }
    }
    result
}
