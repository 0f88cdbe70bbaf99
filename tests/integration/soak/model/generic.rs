//! Commands for keys of any type.

use super::want::OK;
use super::{Answer, Deadline, Model, Want, Window, Words, number, text_of};
use crate::soak::Reply;
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::sync::Arc;

/// A command that wants one type, and the kind of keys that it likes.
const READERS: [(&str, &str); 6] = [
    ("GET", "text"),
    ("LLEN", "list"),
    ("SCARD", "set"),
    ("HLEN", "hash"),
    ("ZCARD", "rank"),
    ("XLEN", "log"),
];

pub fn draw(choices: &mut Choices) -> Words {
    let kind = choices.kind();
    let key = choices.key(kind);
    match choices.below(20) {
        0 => words![choices.pick(&["DEL", "UNLINK"]), key],
        1 if choices.one_in(2) => {
            words!["DEL", key, choices.key("text"), choices.key("list"), choices.key("set")]
        }
        1 | 2 => words!["EXISTS", key.clone(), key, choices.key("hash")],
        3 => words!["TYPE", key],
        4 => words!["RENAME", key.clone(), choices.other_key(kind, &key)],
        5 => words!["RENAMENX", key.clone(), choices.other_key(kind, &key)],
        6 => words!["COPY", key.clone(), choices.other_key(kind, &key)],
        7 => words!["COPY", key.clone(), choices.other_key(kind, &key), "REPLACE"],
        8 => words!["MOVE", key, choices.below(crate::soak::DATABASES).to_string()],
        9 => words!["TOUCH", key, choices.key("rank")],
        10 => {
            // Most find another type than they want.
            let ((name, _), (_, kind)) = (choices.pick(&READERS), choices.pick(&READERS));
            words![name, choices.key(kind)]
        }
        11 => words!["PERSIST", key],
        12 => words!["PEXPIRETIME", key],
        13..15 => words!["PTTL", key],
        15..18 if choices.may_expire => words!["PEXPIREAT", key, choices.deadline_ms().to_string()],
        18 if choices.may_expire => words!["PEXPIRE", key, (20 + choices.below(2_000)).to_string()],
        _ => words!["EXISTS", key],
    }
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>], window: Window) -> Option<Answer> {
    let key = &args[0];
    Some(Ok(match name {
        "SELECT" => {
            model.db = number(key) as usize;
            OK
        }
        "DEL" | "UNLINK" => {
            Want::count(args.iter().filter(|key| model.remove(key).is_some()).count())
        }
        "EXISTS" | "TOUCH" => Want::count(args.iter().filter(|key| model.has(key)).count()),
        "TYPE" => Want::Simple(model.entry(key).map_or("none", |entry| entry.value.type_name())),
        "RENAME" | "RENAMENX" => rename(model, name, args),
        "COPY" => copy(model, args),
        "MOVE" => move_to(model, key, number(&args[1]) as usize),
        "PERSIST" => {
            let has = model.entry(key).is_some_and(|entry| entry.deadline.is_some());
            model.set_deadline(key, None);
            Want::flag(has)
        }
        "PEXPIREAT" => expire(model, key, Deadline::at(number(&args[1]))),
        "PEXPIRE" => {
            let ms = number(&args[1]);
            // The time of the server may be a little late.
            let earliest_ms = window.from_ms + ms - super::SLACK_MS;
            expire(model, key, Deadline { earliest_ms, latest_ms: window.to_ms + ms })
        }
        "PEXPIRETIME" | "PTTL" => time(model, name, key, window),
        "KEYS" => keys(model, text_of(key)),
        _ => return None,
    }))
}

fn rename(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Want {
    if !model.has(&args[0]) {
        return Want::Error("ERR no such key");
    }
    if name == "RENAMENX" && model.has(&args[1]) {
        return Want::Integer(0);
    }
    let entry = model.remove(&args[0]).expect("it was just there");
    let target = model.name(&args[1]);
    model.keys.insert(target, entry);
    if name == "RENAME" { OK } else { Want::Integer(1) }
}

fn copy(model: &mut Model, args: &[Vec<u8>]) -> Want {
    let is_refused = !model.has(&args[0]) || args.len() == 2 && model.has(&args[1]);
    if !is_refused {
        let entry = Arc::clone(&model.keys[&model.name(&args[0])]);
        let target = model.name(&args[1]);
        model.keys.insert(target, entry);
    }
    Want::flag(!is_refused)
}

fn move_to(model: &mut Model, key: &[u8], db: usize) -> Want {
    if db == model.db {
        return Want::Error("ERR source and destination objects are the same");
    }
    let target = (db, key.to_vec());
    if model.keys.contains_key(&target) {
        return Want::Integer(0);
    }
    let Some(entry) = model.remove(key) else { return Want::Integer(0) };
    model.keys.insert(target, entry);
    Want::Integer(1)
}

fn expire(model: &mut Model, key: &[u8], deadline: Deadline) -> Want {
    model.set_deadline(key, Some(deadline));
    Want::flag(model.has(key))
}

fn time(model: &Model, name: &str, key: &[u8], window: Window) -> Want {
    let Some(entry) = model.entry(key) else { return Want::Integer(-2) };
    match entry.deadline {
        None => Want::Integer(-1),
        Some(Deadline { earliest_ms, latest_ms }) if name == "PEXPIRETIME" => {
            Want::Between(earliest_ms, latest_ms)
        }
        Some(Deadline { earliest_ms, latest_ms }) => Want::Between(
            (earliest_ms - window.to_ms).max(0),
            (latest_ms - window.from_ms + super::SLACK_MS).max(0),
        ),
    }
}

/// All names that begin with a prefix.
fn keys(model: &Model, pattern: &str) -> Want {
    let prefix = pattern.trim_end_matches('*').as_bytes();
    let names: std::collections::BTreeSet<_> =
        model.names().filter(|name| name.starts_with(prefix)).cloned().collect();
    let count = names.len();
    Want::Some(names, count)
}

/// A deadline that was only known to be between two moments.
pub fn learn(model: &mut Model, words: &[Vec<u8>], reply: &Reply) {
    if words[0] == b"PEXPIRETIME"
        && let Reply::Integer(at) = reply
        && *at > 0
    {
        model.set_deadline(&words[1], Some(Deadline::at(*at)));
    }
}
