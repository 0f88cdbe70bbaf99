//! Lists.

use super::want::OK;
use super::{Answer, Model, Want, Words, number, span};
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::collections::VecDeque;

pub type List = VecDeque<Vec<u8>>;

/// A list beyond this is trimmed.
const LEN_MAX: &str = "4000";

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("list");
    let end = choices.pick(&["LEFT", "RIGHT"]);
    match choices.below(20) {
        0..5 => {
            let mut words = words![choices.pick(&["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), key];
            words.extend(choices.members().into_iter().map(String::into_bytes));
            words
        }
        5 => words!["RPUSH", key, choices.value()],
        6 => words![choices.pick(&["LPOP", "RPOP"]), key],
        7 => words![choices.pick(&["LPOP", "RPOP"]), key, choices.below(60).to_string()],
        8 => words!["LLEN", key],
        9 | 10 => words!["LRANGE", key, choices.index(), choices.index()],
        11 => words!["LINDEX", key, choices.index()],
        12 => words!["LSET", key, choices.index(), choices.short_value()],
        13 => {
            words![
                "LINSERT",
                key,
                choices.pick(&["BEFORE", "AFTER"]),
                choices.member(),
                choices.short_value()
            ]
        }
        14 => words!["LREM", key, (choices.below(5) as i64 - 2).to_string(), choices.member()],
        15 => words!["LTRIM", key, choices.below(5).to_string(), LEN_MAX],
        16 => words!["LMOVE", key, choices.key("list"), end, choices.pick(&["LEFT", "RIGHT"])],
        17 => words!["LPOS", key, choices.member()],
        18 => words![
            "LMPOP",
            "2",
            key,
            choices.key("list"),
            end,
            "COUNT",
            choices.below(9).max(1).to_string()
        ],
        _ => words!["LTRIM", key, choices.index(), "-1"],
    }
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    Some(match name {
        "LPUSH" | "RPUSH" => push(model, name, args),
        "LPUSHX" | "RPUSHX" => match model.read::<List>(&args[0]) {
            Ok(Some(_)) => push(model, name, args),
            other => other.map(|_| Want::Integer(0)),
        },
        "LPOP" | "RPOP" => pop(model, name, args),
        "LMPOP" => lmpop(model, args),
        "LMOVE" => lmove(model, args),
        "LLEN" | "LRANGE" | "LINDEX" | "LPOS" => read(model, name, args),
        "LSET" | "LINSERT" | "LREM" | "LTRIM" => change(model, name, args),
        _ => return None,
    })
}

fn push(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Answer {
    model.edit(&args[0], |list: &mut List| {
        for element in &args[1..] {
            if name.starts_with('L') {
                list.push_front(element.clone());
            } else {
                list.push_back(element.clone());
            }
        }
        Want::count(list.len())
    })
}

fn take(list: &mut List, is_left: bool) -> Option<Vec<u8>> {
    if is_left { list.pop_front() } else { list.pop_back() }
}

fn pop(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Answer {
    let is_left = name == "LPOP";
    if model.read::<List>(&args[0])?.is_none() {
        return Ok(if args.len() > 1 { Want::NilArray } else { Want::Nil });
    }
    model.edit(&args[0], |list: &mut List| match args.get(1) {
        None => Want::bulk(take(list, is_left).as_ref()),
        Some(count) => {
            let taken: Vec<_> = (0..number(count)).map_while(|_| take(list, is_left)).collect();
            Want::bulks(&taken)
        }
    })
}

fn lmpop(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    for key in &args[1..3] {
        if model.read::<List>(key)?.is_some() {
            let taken = model.edit(key, |list: &mut List| {
                (0..number(&args[5]))
                    .map_while(|_| take(list, args[3] == b"LEFT"))
                    .collect::<Vec<_>>()
            })?;
            return Ok(Want::Array(vec![Want::Bulk(key.clone()), Want::bulks(&taken)]));
        }
    }
    Ok(Want::NilArray)
}

fn lmove(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    if model.read::<List>(&args[0])?.is_none() {
        return Ok(Want::Nil);
    }
    let is_same = args[0] == args[1];
    let one = |list: &mut List| {
        let moved = take(list, args[2] == b"LEFT").expect("lists are not empty");
        if is_same {
            put(list, &args[3], moved.clone());
        }
        moved
    };
    let moved = model.edit(&args[0], one)?;
    if !is_same {
        model.edit(&args[1], |list: &mut List| put(list, &args[3], moved.clone()))?;
    }
    Ok(Want::Bulk(moved))
}

fn put(list: &mut List, end: &[u8], element: Vec<u8>) {
    if end == b"LEFT" { list.push_front(element) } else { list.push_back(element) }
}

/// Where an index points to.
fn place(index: &[u8], len: usize) -> Option<usize> {
    let index = number(index);
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

fn read(model: &Model, name: &str, args: &[Vec<u8>]) -> Answer {
    let Some(list) = model.read::<List>(&args[0])? else {
        return Ok(match name {
            "LLEN" => Want::Integer(0),
            "LRANGE" => Want::Array(Vec::new()),
            _ => Want::Nil,
        });
    };
    Ok(match name {
        "LLEN" => Want::count(list.len()),
        "LRANGE" => Want::bulks(list.range(span(&args[1], &args[2], list.len()))),
        "LINDEX" => Want::bulk(place(&args[1], list.len()).and_then(|at| list.get(at))),
        _ => list.iter().position(|element| *element == args[1]).map_or(Want::Nil, Want::count),
    })
}

fn change(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Answer {
    if model.read::<List>(&args[0])?.is_none() {
        return Ok(match name {
            "LSET" => Want::Error("ERR no such key"),
            "LTRIM" => OK,
            _ => Want::Integer(0),
        });
    }
    model.edit(&args[0], |list: &mut List| match name {
        "LSET" => match place(&args[1], list.len()) {
            Some(at) => {
                list[at] = args[2].clone();
                OK
            }
            None => Want::Error("ERR index out of range"),
        },
        "LINSERT" => match list.iter().position(|element| *element == args[2]) {
            Some(at) => {
                list.insert(at + usize::from(args[1] == b"AFTER"), args[3].clone());
                Want::count(list.len())
            }
            None => Want::Integer(-1),
        },
        "LREM" => Want::count(remove(list, number(&args[1]), &args[2])),
        _ => {
            let span = span(&args[1], &args[2], list.len());
            *list = list.range(span).cloned().collect();
            OK
        }
    })
}

/// Removes so many equal elements, from the end if negative, all if zero.
fn remove(list: &mut List, count: i64, element: &[u8]) -> usize {
    let mut places: Vec<usize> = (0..list.len()).filter(|at| list[*at] == element).collect();
    if count < 0 {
        places.reverse();
    }
    if count != 0 {
        places.truncate(count.unsigned_abs() as usize);
    }
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        !places.contains(&(at - 1))
    });
    places.len()
}
