//! Sets.

use super::{Answer, Model, Want, Words, WrongType, number};
use crate::soak::Reply;
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::collections::BTreeSet;

pub type Set = BTreeSet<Vec<u8>>;

/// Who takes by chance from more than this is not drawn: without a reply each member may be the one.
const CHANCE_MAX: usize = 40;

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("set");
    match choices.below(16) {
        0..4 => {
            let mut words = words!["SADD", key];
            words.extend(choices.members().into_iter().map(String::into_bytes));
            words
        }
        4 => {
            // Integers have an encoding of their own.
            let mut words = words!["SADD", key];
            words.extend(
                (0..1 + choices.below(9)).map(|_| choices.number().to_string().into_bytes()),
            );
            words
        }
        5 | 6 => {
            let mut words = words!["SREM", key];
            words.extend(choices.members().into_iter().map(String::into_bytes));
            words
        }
        7 => words!["SISMEMBER", key, choices.member()],
        8 => words![
            "SMISMEMBER",
            key,
            choices.member(),
            choices.member(),
            choices.number().to_string()
        ],
        9 => words!["SCARD", key],
        10 => words!["SMOVE", key.clone(), choices.other_key("set", &key), choices.member()],
        11 => words![choices.pick(&["SINTER", "SUNION", "SDIFF"]), key, choices.key("set")],
        12 => {
            let name = choices.pick(&["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]);
            words![name, key, choices.key("set"), choices.key("set")]
        }
        13 => words!["SINTERCARD", "2", key, choices.key("set")],
        14 => words!["SPOP", key],
        _ => words!["SRANDMEMBER", key, choices.below(9).to_string()],
    }
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    Some(match name {
        "SADD" => model.edit(&args[0], |set: &mut Set| {
            Want::count(args[1..].iter().filter(|member| set.insert(member.to_vec())).count())
        }),
        "SREM" => model.edit(&args[0], |set: &mut Set| {
            Want::count(args[1..].iter().filter(|member| set.remove(*member)).count())
        }),
        "SMOVE" => smove(model, args),
        "SCARD" => model.seen::<Set>(&args[0]).map(|set| Want::count(set.len())),
        "SMEMBERS" => model.seen::<Set>(&args[0]).map(|set| Want::Members(set.into_owned())),
        "SISMEMBER" => model.seen::<Set>(&args[0]).map(|set| Want::flag(set.contains(&args[1]))),
        "SMISMEMBER" => model.seen::<Set>(&args[0]).map(|set| {
            Want::Array(args[1..].iter().map(|member| Want::flag(set.contains(member))).collect())
        }),
        "SPOP" => model.seen::<Set>(&args[0]).map(|set| match set.len() {
            0 => Want::Nil,
            _ => Want::Either(set.iter().cloned().map(Want::Bulk).collect()),
        }),
        "SRANDMEMBER" => model.seen::<Set>(&args[0]).map(|set| {
            let count = set.len().min(number(&args[1]) as usize);
            Want::Some(set.into_owned(), count)
        }),
        "SINTERCARD" => combined(model, "SINTER", &args[1..]).map(|set| Want::count(set.len())),
        "SINTER" | "SUNION" | "SDIFF" => combined(model, name, args).map(Want::Members),
        "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => {
            combined(model, name.trim_end_matches("STORE"), &args[1..]).map(|set| {
                let count = set.len();
                model.put(&args[0], set, None);
                Want::count(count)
            })
        }
        _ => return None,
    })
}

fn smove(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    if !model.seen::<Set>(&args[0])?.contains(&args[2]) {
        return Ok(Want::Integer(0));
    }
    model.edit(&args[0], |set: &mut Set| set.remove(&args[2]))?;
    model.edit(&args[1], |set: &mut Set| set.insert(args[2].clone()))?;
    Ok(Want::Integer(1))
}

fn combined(model: &Model, name: &str, keys: &[Vec<u8>]) -> Result<Set, WrongType> {
    let (a, b) = (model.seen::<Set>(&keys[0])?, model.seen::<Set>(&keys[1])?);
    Ok(match name {
        "SINTER" => &*a & &*b,
        "SUNION" => &*a | &*b,
        _ => &*a - &*b,
    })
}

/// What `SPOP` took.
pub fn learn(model: &mut Model, words: &[Vec<u8>], reply: &Reply) {
    if words[0] == b"SPOP"
        && let Reply::Bulk(member) = reply
    {
        let removed = model.edit(&words[1], |set: &mut Set| set.remove(member));
        assert!(removed.is_ok_and(|removed| removed), "the reply was one of the members");
    }
}

/// Any of them may have been taken.
pub fn unanswered(model: &Model, words: &[Vec<u8>]) -> Option<Vec<Model>> {
    if words[0] != b"SPOP" {
        return None;
    }
    let Ok(Some(set)) = model.read::<Set>(&words[1]) else { return Some(vec![model.clone()]) };
    let without = |member: &Vec<u8>| {
        let mut model = model.clone();
        learn(&mut model, words, &Reply::Bulk(member.clone()));
        model
    };
    Some(set.iter().map(without).collect())
}

impl Model {
    /// Whether this is no gamble on so many members that nobody could follow.
    pub fn bears(&self, words: &[Vec<u8>]) -> bool {
        words[0] != b"SPOP"
            || self
                .read::<Set>(&words[1])
                .is_ok_and(|set| set.is_none_or(|set| set.len() <= CHANCE_MAX))
    }
}
