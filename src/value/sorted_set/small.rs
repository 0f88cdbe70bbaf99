//! The small form: a listpack of members, each followed by its score, in order.
//!
//! Scores are texts as replies print them, so that a whole number becomes an integer element and `DUMP`
//! hands out what Redis would have. Every text reads back as the same score, except that a negative zero
//! becomes zero.

use std::ops::Range;

use super::bounds::{LexRange, ScoreRange};
use crate::base::number::{parse_f64, write_f64};
use crate::value::listpack::{Element, Listpack};

/// Members and scores are elements in turn.
const STEP: usize = 2;

pub(super) fn read_score(element: Element<'_>) -> f64 {
    match element {
        Element::Integer(number) => number as f64,
        Element::Bytes(text) => parse_f64(text).expect("scores were checked when they came in"),
    }
}

/// Where a member is: its number among the members, and its place.
fn find(pack: &Listpack, member: &[u8]) -> Option<(usize, usize)> {
    pack.find(member, 0, STEP)
}

fn score_at(pack: &Listpack, place: usize) -> f64 {
    read_score(pack.at(pack.next(place)))
}

pub(super) fn score(pack: &Listpack, member: &[u8]) -> Option<f64> {
    find(pack, member).map(|(_, place)| score_at(pack, place))
}

pub(super) fn rank(pack: &Listpack, member: &[u8]) -> Option<(usize, f64)> {
    find(pack, member).map(|(number, place)| (number, score_at(pack, place)))
}

fn with_text<R>(score: f64, use_text: impl FnOnce(&[u8]) -> R) -> R {
    let mut text = Vec::with_capacity(24);
    write_f64(&mut text, score + 0.0);
    use_text(&text)
}

/// Adds a member that comes behind all others.
pub(super) fn push(pack: &mut Listpack, member: &[u8], score: f64) {
    pack.push_back(member);
    with_text(score, |text| pack.push_back(text));
}

/// Adds a member that is not there yet.
pub(super) fn add(pack: &mut Listpack, member: &[u8], score: f64) {
    match place_of(pack, member, score) {
        None => push(pack, member, score),
        Some(place) => {
            pack.insert(place, member);
            let behind = pack.next(place);
            with_text(score, |text| pack.insert(behind, text));
        }
    }
}

/// The place of the first member that comes behind this one.
fn place_of(pack: &Listpack, member: &[u8], score: f64) -> Option<usize> {
    let mut place = 0;
    while place < pack.byte_len() {
        let score_place = pack.next(place);
        let other = read_score(pack.at(score_place));
        let is_behind = other > score
            || other == score && pack.at(place).with_bytes(|other| other.cmp(member)).is_gt();
        if is_behind {
            return Some(place);
        }
        place = pack.next(score_place);
    }
    None
}

/// Changes the score of a member that is there, if it differs.
pub(super) fn change(pack: &mut Listpack, member: &[u8], score: f64) {
    let (_, place) = find(pack, member).expect("the member is there");
    if score_at(pack, place) != score {
        pack.remove(place, STEP);
        add(pack, member, score);
    }
}

pub(super) fn remove(pack: &mut Listpack, member: &[u8]) -> Option<f64> {
    let (_, place) = find(pack, member)?;
    let score = score_at(pack, place);
    pack.remove(place, STEP);
    Some(score)
}

pub(super) fn remove_ranks(pack: &mut Listpack, ranks: Range<usize>) {
    let place = pack.place(ranks.start * STEP).expect("the rank is inside");
    pack.remove(place, ranks.len() * STEP);
}

pub(super) fn score_ranks(pack: &Listpack, range: &ScoreRange) -> Range<usize> {
    let scores = || pack.iter().skip(1).step_by(STEP).map(read_score);
    let start = scores().take_while(|score| !range.min.is_met_from_above(*score)).count();
    let end = scores().take_while(|score| range.max.is_met_from_below(*score)).count();
    start..end
}

/// Looks from the front for the first member that is not too small (from the back: not too large), and
/// on from there for as long as members are in the range. If the last member is too small, or the first too
/// large, nothing is looked for: with members out of order this makes a difference, and Redis does the same.
pub(super) fn lex_ranks(pack: &Listpack, range: &LexRange<'_>, backwards: bool) -> Range<usize> {
    let reaches_min = |member: &Element<'_>| member.with_bytes(|m| range.reaches_min(m));
    let reaches_max = |member: &Element<'_>| member.with_bytes(|m| range.reaches_max(m));
    let from_front = || pack.iter().step_by(STEP);
    let from_back = || pack.iter().rev().skip(1).step_by(STEP);
    let is_outside = range.is_empty()
        || !from_back().next().is_some_and(|last| reaches_min(&last))
        || !from_front().next().is_some_and(|first| reaches_max(&first));
    if is_outside {
        return 0..0;
    }
    if backwards {
        let behind = from_back().take_while(|member| !reaches_max(member)).count();
        let inside = from_back().skip(behind).take_while(reaches_min).count();
        let end = pack.len() / STEP - behind;
        return end - inside..end;
    }
    let before = from_front().take_while(|member| !reaches_min(member)).count();
    let inside = from_front().skip(before).take_while(reaches_max).count();
    before..before + inside
}
