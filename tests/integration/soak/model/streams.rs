//! Streams and a consumer group on each.

use super::want::OK;
use super::{Answer, Model, Want, Words, number, text_of};
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::collections::BTreeMap;

type Id = (u64, u64);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    entries: BTreeMap<Id, Words>,
    last: Id,
    group: Option<Group>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    last: Id,
    /// Who has what.
    pending: BTreeMap<Id, Vec<u8>>,
}

/// The one group that a stream may have.
pub const GROUP: &str = "g";

/// Replies to readers of a group that there is not.
const NO_GROUP: Want = Want::Error("NOGROUP ");

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("log");
    match choices.below(18) {
        0..6 => {
            let mut words = words!["XADD", key, choices.next_id()];
            for _ in 0..1 + choices.below(3) {
                words.push(choices.member().into());
                words.push(choices.short_value());
            }
            words
        }
        6 => words!["XADD", key, choices.next_id(), "large", choices.value()],
        7 => words!["XLEN", key],
        8 => words!["XRANGE", key, choices.some_id(), "+", "COUNT", "20"],
        9 => words!["XREVRANGE", key, "+", choices.some_id()],
        10 => words!["XDEL", key, choices.some_id(), choices.some_id()],
        11 => words!["XTRIM", key, "MAXLEN", "=", (50 + choices.below(500)).to_string()],
        12 => words!["XTRIM", key, "MINID", "=", choices.some_id()],
        13 => words!["XREAD", "COUNT", "5", "STREAMS", key, choices.some_id()],
        14 => words!["XGROUP", "CREATE", key, GROUP, choices.pick(&["0", "$"]), "MKSTREAM"],
        15 => {
            let consumer = choices.pick(&["ann", "bob"]);
            words!["XREADGROUP", "GROUP", GROUP, consumer, "COUNT", "9", "STREAMS", key, ">"]
        }
        16 => words!["XACK", key, GROUP, choices.some_id(), choices.some_id(), choices.some_id()],
        _ if choices.one_in(4) => words!["XGROUP", "DESTROY", key, GROUP],
        _ => words!["XPENDING", key, GROUP],
    }
}

fn id(text: &[u8]) -> Id {
    let (ms, seq) = text_of(text).split_once('-').expect("the client sends whole IDs");
    (ms.parse().expect("a number"), seq.parse().expect("a number"))
}

fn id_want((ms, seq): Id) -> Want {
    Want::Bulk(format!("{ms}-{seq}").into_bytes())
}

fn entry_want((id, fields): (&Id, &Words)) -> Want {
    Want::Array(vec![id_want(*id), Want::bulks(fields)])
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    Some(match name {
        "XADD" => model.edit(&args[0], |stream: &mut Stream| {
            stream.last = id(&args[1]);
            stream.entries.insert(stream.last, args[2..].to_vec());
            id_want(stream.last)
        }),
        "XTRIM" | "XDEL" => change(model, name, args),
        "XLEN" => model.seen::<Stream>(&args[0]).map(|stream| Want::count(stream.entries.len())),
        "XRANGE" => model.seen::<Stream>(&args[0]).map(|stream| {
            let from = if args[1] == b"-" { (0, 0) } else { id(&args[1]) };
            let count = args.get(4).map_or(usize::MAX, |count| number(count) as usize);
            Want::Array(stream.entries.range(from..).take(count).map(entry_want).collect())
        }),
        "XREVRANGE" => model.seen::<Stream>(&args[0]).map(|stream| {
            Want::Array(stream.entries.range(id(&args[2])..).rev().map(entry_want).collect())
        }),
        "XREAD" => model.seen::<Stream>(&args[3]).map(|stream| {
            let (ms, seq) = id(&args[4]);
            let count = number(&args[1]) as usize;
            let news: Vec<Want> =
                stream.entries.range((ms, seq + 1)..).take(count).map(entry_want).collect();
            read_want(&args[3], news)
        }),
        "XGROUP" if args[0] == b"CREATE" => create(model, args),
        "XGROUP" => destroy(model, &args[1]),
        "XREADGROUP" => read_group(model, args),
        "XACK" => match model.read::<Stream>(&args[0]) {
            Ok(Some(stream)) if stream.group.is_some() => with_group(model, &args[0], |group| {
                let acked = |id: &&Vec<u8>| group.pending.remove(&self::id(id)).is_some();
                Want::count(args[2..].iter().filter(acked).count())
            }),
            other => other.map(|_| Want::Integer(0)),
        },
        "XPENDING" => model
            .seen::<Stream>(&args[0])
            .map(|stream| stream.group.as_ref().map_or(NO_GROUP, summary)),
        _ => return None,
    })
}

fn read_want(key: &[u8], entries: Vec<Want>) -> Want {
    if entries.is_empty() {
        Want::NilArray
    } else {
        Want::Keyed(vec![(key.to_vec(), Want::Array(entries))])
    }
}

fn change(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Answer {
    if model.read::<Stream>(&args[0])?.is_none() {
        return Ok(Want::Integer(0));
    }
    model.edit(&args[0], |stream: &mut Stream| {
        let before = stream.entries.len();
        match (name, &args[1][..]) {
            ("XDEL", _) => args[1..].iter().for_each(|one| drop(stream.entries.remove(&id(one)))),
            (_, b"MINID") => stream.entries = stream.entries.split_off(&id(&args[3])),
            _ => {
                while stream.entries.len() > number(&args[3]) as usize {
                    stream.entries.pop_first();
                }
            }
        }
        Want::count(before - stream.entries.len())
    })
}

fn create(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    model.edit(&args[1], |stream: &mut Stream| {
        if stream.group.is_some() {
            return Want::Error("BUSYGROUP ");
        }
        let last = if args[3] == b"$" { stream.last } else { (0, 0) };
        stream.group = Some(Group { last, pending: BTreeMap::new() });
        OK
    })
}

fn destroy(model: &mut Model, key: &[u8]) -> Answer {
    if model.read::<Stream>(key)?.is_none() {
        return Ok(Want::Error("ERR The XGROUP subcommand requires the key to exist"));
    }
    model.edit(key, |stream: &mut Stream| Want::flag(stream.group.take().is_some()))
}

fn with_group(model: &mut Model, key: &[u8], run: impl FnOnce(&mut Group) -> Want) -> Answer {
    model.edit(key, |stream: &mut Stream| run(stream.group.as_mut().expect("it was looked at")))
}

fn read_group(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    let key = &args[6];
    let stream = model.seen::<Stream>(key)?;
    let Some(group) = &stream.group else { return Ok(NO_GROUP) };
    let count = number(&args[4]) as usize;
    let (ms, seq) = group.last;
    let news = || stream.entries.range((ms, seq + 1)..).take(count);
    let ids: Vec<Id> = news().map(|(id, _)| *id).collect();
    let want = read_want(key, news().map(entry_want).collect());
    if let Some(last) = ids.last() {
        with_group(model, key, |group| {
            group.last = *last;
            group.pending.extend(ids.iter().map(|id| (*id, args[2].clone())));
            Want::Nil
        })?;
    }
    Ok(want)
}

fn summary(group: &Group) -> Want {
    let Some((first, _)) = group.pending.first_key_value() else {
        return Want::Array(vec![Want::Integer(0), Want::Nil, Want::Nil, Want::NilArray]);
    };
    let (last, _) = group.pending.last_key_value().expect("it is not empty");
    let mut consumers: BTreeMap<&Vec<u8>, usize> = BTreeMap::new();
    group.pending.values().for_each(|consumer| *consumers.entry(consumer).or_default() += 1);
    let pair = |(consumer, count): (&Vec<u8>, usize)| {
        Want::bulks([consumer, &count.to_string().into_bytes()])
    };
    Want::Array(vec![
        Want::count(group.pending.len()),
        id_want(*first),
        id_want(*last),
        Want::Array(consumers.into_iter().map(pair).collect()),
    ])
}
