//! Hashes and the deadlines of their fields.

use super::{Answer, Model, Want, Window, Words, number};
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    pub value: Vec<u8>,
    pub deadline_ms: Option<i64>,
}

pub type Hash = BTreeMap<Vec<u8>, Field>;

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("hash");
    let field = choices.member();
    match choices.below(18) {
        0..4 => {
            let mut words = words!["HSET", key];
            for field in choices.members() {
                words.push(field.into());
                words.push(choices.short_value());
            }
            words
        }
        4 => words!["HSETNX", key, field, choices.value()],
        5 => words!["HGET", key, field],
        6 => words!["HMGET", key, field, choices.member(), choices.member()],
        7 | 8 => {
            let mut words = words!["HDEL", key];
            words.extend(choices.members().into_iter().map(String::into_bytes));
            words
        }
        9 => words!["HLEN", key],
        10 => words![choices.pick(&["HGETALL", "HKEYS"]), key],
        11 => words!["HEXISTS", key, field],
        12 => words!["HSTRLEN", key, field],
        13 | 14 => {
            words!["HINCRBY", key, format!("n{}", choices.below(20)), choices.number().to_string()]
        }
        15 => words!["HPERSIST", key, "FIELDS", "1", field],
        16 => words!["HPEXPIRETIME", key, "FIELDS", "2", field, choices.member()],
        _ if choices.one_in(2) => words!["HRANDFIELD", key, choices.below(9).to_string()],
        _ => words!["HPEXPIREAT", key, choices.deadline_ms().to_string(), "FIELDS", "1", field],
    }
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>], window: Window) -> Option<Answer> {
    let changes = ["HSET", "HSETNX", "HDEL", "HINCRBY", "HPERSIST", "HPEXPIREAT"];
    if changes.contains(&name) {
        return Some(change(model, name, args, window));
    }
    if !name.starts_with('H') {
        return None;
    }
    let hash = match model.seen::<Hash>(&args[0]) {
        Ok(hash) => hash,
        Err(wrong) => return Some(Err(wrong)),
    };
    let get = |field: &Vec<u8>| Want::bulk(hash.get(field).map(|field| &field.value));
    Some(Ok(match name {
        "HGET" => get(&args[1]),
        "HMGET" => Want::Array(args[1..].iter().map(get).collect()),
        "HLEN" => Want::count(hash.len()),
        "HEXISTS" => Want::flag(hash.contains_key(&args[1])),
        "HSTRLEN" => Want::count(hash.get(&args[1]).map_or(0, |field| field.value.len())),
        "HGETALL" => Want::Pairs(
            hash.iter().map(|(name, field)| (name.clone(), field.value.clone())).collect(),
        ),
        "HKEYS" => Want::Some(hash.keys().cloned().collect(), hash.len()),
        "HRANDFIELD" => {
            let count = hash.len().min(number(&args[1]) as usize);
            Want::Some(hash.keys().cloned().collect(), count)
        }
        "HPEXPIRETIME" => {
            let one = |field: &Vec<u8>| match hash.get(field) {
                None => -2,
                Some(field) => field.deadline_ms.unwrap_or(-1),
            };
            Want::Array(args[3..].iter().map(|field| Want::Integer(one(field))).collect())
        }
        _ => return None,
    }))
}

fn change(model: &mut Model, name: &str, args: &[Vec<u8>], window: Window) -> Answer {
    if model.read::<Hash>(&args[0])?.is_none() && (name == "HPERSIST" || name == "HPEXPIREAT") {
        return Ok(Want::Array(vec![Want::Integer(-2)]));
    }
    model.edit(&args[0], |hash: &mut Hash| match name {
        "HSET" => {
            let fresh = |value: &Vec<u8>| Field { value: value.clone(), deadline_ms: None };
            let pairs = args[1..].chunks(2);
            Want::count(
                pairs
                    .filter(|pair| hash.insert(pair[0].clone(), fresh(&pair[1])).is_none())
                    .count(),
            )
        }
        "HSETNX" => {
            let is_free = !hash.contains_key(&args[1]);
            let field = || Field { value: args[2].clone(), deadline_ms: None };
            hash.entry(args[1].clone()).or_insert_with(field);
            Want::flag(is_free)
        }
        "HDEL" => {
            Want::count(args[1..].iter().filter(|field| hash.remove(*field).is_some()).count())
        }
        "HINCRBY" => {
            let zero = || Field { value: b"0".to_vec(), deadline_ms: None };
            let field = hash.entry(args[1].clone()).or_insert_with(zero);
            let sum = number(&field.value) + number(&args[2]);
            field.value = sum.to_string().into_bytes();
            Want::Integer(sum)
        }
        "HPERSIST" => match hash.get_mut(&args[3]) {
            None => Want::Array(vec![Want::Integer(-2)]),
            Some(field) => {
                let had = field.deadline_ms.take().is_some();
                Want::Array(vec![Want::Integer(if had { 1 } else { -1 })])
            }
        },
        _ => Want::Array(vec![set_deadline(hash, &args[4], number(&args[1]), window)]),
    })
}

/// A deadline that has passed removes the field at once.
fn set_deadline(hash: &mut Hash, field: &[u8], deadline_ms: i64, window: Window) -> Want {
    let Some(field) = hash.get_mut(field) else { return Want::Integer(-2) };
    field.deadline_ms = Some(deadline_ms);
    let set = Want::Integer(1);
    if window.to_ms < deadline_ms { set } else { Want::Either(vec![set, Want::Integer(2)]) }
}
