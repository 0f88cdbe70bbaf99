//! Strings, counters and bits.

use super::want::OK;
use super::{Answer, Deadline, Model, Want, Words, number, span, text_of};
use crate::soak::choices::Choices;
use crate::soak::model::words;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

const NOT_A_NUMBER: Want = Want::Error("ERR value is not an integer or out of range");

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("text");
    let value = choices.value();
    match choices.below(22) {
        0..3 => words!["SET", key, value],
        3 => words!["SET", key, value, choices.pick(&["NX", "XX", "GET", "KEEPTTL"])],
        4 if choices.may_expire => {
            words!["SET", key, value, "PXAT", choices.deadline_ms().to_string()]
        }
        5 if choices.may_expire => words!["GETEX", key, "PXAT", choices.deadline_ms().to_string()],
        4 | 5 => words!["GETEX", key, "PERSIST"],
        6 => words![choices.pick(&["GETSET", "SETNX"]), key, value],
        7 => words!["GETDEL", key],
        8 => words!["APPEND", key, choices.short_value()],
        9 => words!["SETRANGE", key, choices.below(3_000).to_string(), choices.short_value()],
        10 => words!["GETRANGE", key, choices.index(), choices.index()],
        11 => words![
            "MSET",
            key.clone(),
            value,
            choices.other_key("text", &key),
            choices.short_value()
        ],
        12 => {
            words![
                "MSETNX",
                key.clone(),
                value,
                choices.other_key("text", &key),
                choices.short_value()
            ]
        }
        13 => words!["MGET", key.clone(), choices.key("count"), choices.key("list"), key],
        14 | 15 => draw_bits(choices),
        16..19 => {
            let kind = if choices.one_in(20) { "text" } else { "count" };
            let key = choices.key(kind);
            match choices.below(3) {
                0 => words!["INCR", key],
                1 => words!["DECRBY", key, choices.number().to_string()],
                _ => words!["INCRBY", key, choices.number().to_string()],
            }
        }
        19 => words!["STRLEN", key],
        _ => words!["GET", key],
    }
}

fn draw_bits(choices: &mut Choices) -> Words {
    let key = choices.key("bits");
    let end = if choices.one_in(5) { 100_000 } else { 200 };
    let offset = choices.below(end).to_string();
    match choices.below(6) {
        0 => words!["SETBIT", key, offset, choices.pick(&["0", "1"])],
        1 => words!["GETBIT", key, offset],
        2 => words!["BITCOUNT", key],
        3 => words!["BITPOS", key, "1"],
        4 => words!["SETRANGE", key, choices.below(200).to_string(), choices.short_value()],
        _ => {
            let how = choices.pick(&["AND", "OR", "XOR"]);
            words!["BITOP", how, key, choices.key("bits"), choices.key("bits")]
        }
    }
}

fn get(model: &Model, key: &[u8]) -> Result<Option<Vec<u8>>, super::WrongType> {
    Ok(model.read::<Text>(key)?.map(|text| text.0.clone()))
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    Some(match name {
        "SET" => set(model, args),
        "GET" => get(model, &args[0]).map(|value| Want::bulk(value.as_ref())),
        "GETEX" => getex(model, args),
        "GETSET" => get(model, &args[0]).map(|old| {
            model.put(&args[0], Text(args[1].clone()), None);
            Want::bulk(old.as_ref())
        }),
        "SETNX" | "MSETNX" => Ok(msetnx(model, args)),
        "MSET" => {
            args.chunks(2).for_each(|pair| model.put(&pair[0], Text(pair[1].clone()), None));
            Ok(OK)
        }
        "MGET" => {
            let one = |key: &Vec<u8>| Want::bulk(get(model, key).unwrap_or(None).as_ref());
            Ok(Want::Array(args.iter().map(one).collect()))
        }
        "GETDEL" => get(model, &args[0]).map(|old| {
            model.remove(&args[0]);
            Want::bulk(old.as_ref())
        }),
        "APPEND" => model.edit(&args[0], |text: &mut Text| {
            text.0.extend_from_slice(&args[1]);
            Want::count(text.0.len())
        }),
        "SETRANGE" => model.edit(&args[0], |text: &mut Text| {
            let from = number(&args[1]) as usize;
            let len = text.0.len().max(from + args[2].len());
            text.0.resize(len, 0);
            text.0[from..from + args[2].len()].copy_from_slice(&args[2]);
            Want::count(len)
        }),
        "STRLEN" => get(model, &args[0]).map(|value| Want::count(value.unwrap_or_default().len())),
        "GETRANGE" => get(model, &args[0]).map(|value| {
            let value = value.unwrap_or_default();
            Want::Bulk(value[part(&args[1], &args[2], value.len())].to_vec())
        }),
        "INCR" => add(model, &args[0], 1),
        "INCRBY" => add(model, &args[0], number(&args[1])),
        "DECRBY" => add(model, &args[0], -number(&args[1])),
        _ => return apply_to_bits(model, name, args),
    })
}

/// Unlike the end of a part of a list, one before the beginning is the beginning.
fn part(from: &[u8], to: &[u8], len: usize) -> std::ops::Range<usize> {
    let is_backwards = number(from) < 0 && number(to) < 0 && number(from) > number(to);
    if is_backwards || len == 0 {
        return 0..0;
    }
    let to = if number(to) < -(len as i64) { b"0" } else { to };
    span(from, to, len)
}

fn set(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    let option = args.get(2).map_or("", |option| text_of(option));
    let key = &args[0];
    let old = if option == "GET" { get(model, key)? } else { None };
    let deadline = match option {
        "NX" if model.has(key) => return Ok(Want::Nil),
        "XX" if !model.has(key) => return Ok(Want::Nil),
        "KEEPTTL" => model.entry(key).and_then(|entry| entry.deadline),
        "PXAT" => Some(Deadline::at(number(&args[3]))),
        _ => None,
    };
    model.put(key, Text(args[1].clone()), deadline);
    Ok(if option == "GET" { Want::bulk(old.as_ref()) } else { OK })
}

fn getex(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    let value = get(model, &args[0])?;
    model.set_deadline(&args[0], args.get(2).map(|at| Deadline::at(number(at))));
    Ok(Want::bulk(value.as_ref()))
}

fn msetnx(model: &mut Model, args: &[Vec<u8>]) -> Want {
    let is_free = args.chunks(2).all(|pair| !model.has(&pair[0]));
    if is_free {
        args.chunks(2).for_each(|pair| model.put(&pair[0], Text(pair[1].clone()), None));
    }
    Want::flag(is_free)
}

fn add(model: &mut Model, key: &[u8], by: i64) -> Answer {
    let old = get(model, key)?.unwrap_or_else(|| b"0".to_vec());
    let text = String::from_utf8_lossy(&old).into_owned();
    let plain = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    let Some(sum) = plain.and_then(|number| number.checked_add(by)) else {
        return Ok(NOT_A_NUMBER);
    };
    model.edit(key, |text: &mut Text| text.0 = sum.to_string().into_bytes())?;
    Ok(Want::Integer(sum))
}

fn apply_to_bits(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    let bit = |bytes: &[u8], at: usize| {
        bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
    };
    Some(match name {
        "GETBIT" => get(model, &args[0])
            .map(|value| Want::flag(bit(&value.unwrap_or_default(), number(&args[1]) as usize))),
        "SETBIT" => model.edit(&args[0], |text: &mut Text| {
            let at = number(&args[1]) as usize;
            let was = bit(&text.0, at);
            let len = text.0.len().max(at / 8 + 1);
            text.0.resize(len, 0);
            let mask = 128 >> (at % 8);
            text.0[at / 8] =
                if args[2] == b"1" { text.0[at / 8] | mask } else { text.0[at / 8] & !mask };
            Want::flag(was)
        }),
        "BITCOUNT" => get(model, &args[0]).map(|value| {
            let ones =
                value.unwrap_or_default().iter().map(|byte| byte.count_ones() as usize).sum();
            Want::count(ones)
        }),
        "BITPOS" => get(model, &args[0]).map(|value| {
            let value = value.unwrap_or_default();
            let first = (0..value.len() * 8).find(|at| bit(&value, *at));
            Want::Integer(first.map_or(-1, |at| at as i64))
        }),
        "BITOP" => bitop(model, args),
        _ => return None,
    })
}

fn bitop(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    let [a, b] = [&args[2], &args[3]].map(|key| get(model, key));
    let (a, b) = (a?.unwrap_or_default(), b?.unwrap_or_default());
    let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
    let one = |at| match &args[0][..] {
        b"AND" => byte(&a, at) & byte(&b, at),
        b"OR" => byte(&a, at) | byte(&b, at),
        _ => byte(&a, at) ^ byte(&b, at),
    };
    let result: Vec<u8> = (0..a.len().max(b.len())).map(one).collect();
    let len = result.len();
    if len == 0 {
        model.remove(&args[1]);
    } else {
        model.put(&args[1], Text(result), None);
    }
    Ok(Want::count(len))
}
