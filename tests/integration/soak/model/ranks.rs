//! Sorted sets. Scores are halves, so that sums are exact.

use super::want::score_text;
use super::{Answer, Model, Want, Words, number, span, text_of};
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks {
    scores: BTreeMap<Vec<u8>, i64>,
    order: BTreeSet<(i64, Vec<u8>)>,
}

impl Ranks {
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    fn put(&mut self, member: &[u8], score: i64) {
        self.remove(member);
        self.scores.insert(member.to_vec(), score);
        self.order.insert((score, member.to_vec()));
    }

    fn remove(&mut self, member: &[u8]) -> Option<i64> {
        let old = self.scores.remove(member)?;
        self.order.remove(&(old, member.to_vec()));
        Some(old)
    }

    fn drop(&mut self, member: &[u8]) {
        self.remove(member);
    }

    fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = *self.scores.get(member)?;
        Some(self.order.range(..(score, member.to_vec())).count())
    }

    fn within(&self, from: i64, to: i64) -> Vec<(Vec<u8>, i64)> {
        let range = self.order.range((from, Vec::new())..(to + 1, Vec::new()));
        range.map(|(score, member)| (member.clone(), *score)).collect()
    }

    fn all(&self) -> Vec<(Vec<u8>, i64)> {
        self.order.iter().map(|(score, member)| (member.clone(), *score)).collect()
    }
}

fn score(choices: &mut Choices) -> Vec<u8> {
    score_text(choices.below(400) as i64 - 200)
}

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("rank");
    let bounds =
        [choices.below(100), choices.below(100)].map(|bound| (bound as i64 - 50).to_string());
    let [low, high] = bounds;
    match choices.below(20) {
        0..4 => {
            let mut words = words!["ZADD", key];
            for member in choices.members() {
                words.push(score(choices));
                words.push(member.into());
            }
            words
        }
        4 | 5 => {
            let option = choices.pick(&["NX", "XX", "GT", "LT", "CH", "INCR"]);
            words!["ZADD", key, option, score(choices), choices.member()]
        }
        6 => words!["ZINCRBY", key, score(choices), choices.member()],
        7 => {
            let mut words = words!["ZREM", key];
            words.extend(choices.members().into_iter().map(String::into_bytes));
            words
        }
        8 => words!["ZSCORE", key, choices.member()],
        9 => words!["ZMSCORE", key, choices.member(), choices.member()],
        10 => words!["ZCARD", key],
        11 => words!["ZCOUNT", key, low, high],
        12 => words![choices.pick(&["ZRANK", "ZREVRANK"]), key, choices.member()],
        13 => words![
            "ZRANGE",
            key,
            choices.index(),
            choices.index(),
            choices.pick(&["WITHSCORES", "REV"])
        ],
        14 => words!["ZRANGEBYSCORE", key, low, high, "LIMIT", choices.below(5).to_string(), "7"],
        15 => words![choices.pick(&["ZPOPMIN", "ZPOPMAX"]), key],
        16 => words![choices.pick(&["ZPOPMIN", "ZPOPMAX"]), key, choices.below(40).to_string()],
        17 if choices.one_in(3) => words!["ZREMRANGEBYSCORE", key, low, high],
        17 => words!["ZREMRANGEBYRANK", key, choices.index(), choices.index()],
        18 => words!["ZRANGESTORE", key, choices.key("rank"), choices.index(), choices.index()],
        _ => {
            let name = choices.pick(&["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]);
            words![name, key, "2", choices.key("rank"), choices.key("rank")]
        }
    }
}

/// In halves.
fn halves(text: &[u8]) -> i64 {
    (text_of(text).parse::<f64>().expect("the client sends numbers") * 2.0) as i64
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    Some(match name {
        "ZADD" => zadd(model, args),
        "ZINCRBY" => {
            model.edit(&args[0], |ranks: &mut Ranks| add(ranks, &args[2], halves(&args[1])))
        }
        "ZREM" if !super::places::is_place(&args[0]) => {
            model.edit(&args[0], |ranks: &mut Ranks| {
                Want::count(
                    args[1..].iter().filter(|member| ranks.remove(member).is_some()).count(),
                )
            })
        }
        "ZPOPMIN" | "ZPOPMAX" => pop(model, name, args),
        "ZREMRANGEBYSCORE" | "ZREMRANGEBYRANK" => remove_range(model, name, args),
        "ZRANGESTORE" | "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => store(model, name, args),
        // A geo index is one in Redis, and another type here.
        "ZSCORE" | "ZMSCORE" | "ZCARD" | "ZCOUNT" | "ZRANK" | "ZREVRANK" | "ZRANGE"
        | "ZRANGEBYSCORE"
            if !super::places::is_place(&args[0]) =>
        {
            read(model, name, args)
        }
        _ => return None,
    })
}

fn add(ranks: &mut Ranks, member: &[u8], by: i64) -> Want {
    let sum = ranks.scores.get(member).copied().unwrap_or(0) + by;
    ranks.put(member, sum);
    Want::Score(sum)
}

fn zadd(model: &mut Model, args: &[Vec<u8>]) -> Answer {
    let options = ["NX", "XX", "GT", "LT", "CH", "INCR"];
    let option = options.into_iter().find(|option| option.as_bytes() == args[1]).unwrap_or("");
    let pairs = if option.is_empty() { &args[1..] } else { &args[2..] };
    model.edit(&args[0], |ranks: &mut Ranks| {
        if option == "INCR" {
            return add(ranks, &pairs[1], halves(&pairs[0]));
        }
        let (mut added, mut changed) = (0, 0);
        for pair in pairs.chunks(2) {
            let (score, old) = (halves(&pair[0]), ranks.scores.get(&pair[1]).copied());
            let is_left = match (option, old) {
                ("NX", Some(_)) | ("XX", None) => true,
                ("GT", Some(old)) => score <= old,
                ("LT", Some(old)) => score >= old,
                _ => false,
            };
            if !is_left {
                ranks.put(&pair[1], score);
                added += usize::from(old.is_none());
                changed += usize::from(old != Some(score));
            }
        }
        Want::count(if option == "CH" { changed } else { added })
    })
}

fn pop(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Answer {
    let count = args.get(1).map_or(1, |count| number(count)) as usize;
    let mut taken = model.seen::<Ranks>(&args[0])?.all();
    if name == "ZPOPMAX" {
        taken.reverse();
    }
    taken.truncate(count);
    model.edit(&args[0], |ranks: &mut Ranks| {
        taken.iter().for_each(|(member, _)| ranks.drop(member));
    })?;
    Ok(match (args.len(), taken.pop()) {
        // Flat, since there is but one.
        (1, Some((member, score))) => Want::Array(vec![Want::Bulk(member), Want::Score(score)]),
        (_, last) => Want::Scored(taken.into_iter().chain(last).collect()),
    })
}

fn remove_range(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Answer {
    let ranks = model.seen::<Ranks>(&args[0])?;
    let gone = if name == "ZREMRANGEBYSCORE" {
        ranks.within(halves(&args[1]), halves(&args[2]).max(halves(&args[1]) - 1))
    } else {
        let all = ranks.all();
        all[span(&args[1], &args[2], all.len())].to_vec()
    };
    model.edit(&args[0], |ranks: &mut Ranks| {
        gone.iter().for_each(|(member, _)| ranks.drop(member));
    })?;
    Ok(Want::count(gone.len()))
}

fn store(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Answer {
    let mut result = Ranks::default();
    if name == "ZRANGESTORE" {
        let all = model.seen::<Ranks>(&args[1])?.all();
        for (member, score) in &all[span(&args[2], &args[3], all.len())] {
            result.put(member, *score);
        }
    } else {
        let (a, b) = (model.seen::<Ranks>(&args[2])?, model.seen::<Ranks>(&args[3])?);
        for (member, score) in &a.scores {
            match (name, b.scores.get(member)) {
                ("ZUNIONSTORE", other) => result.put(member, score + other.unwrap_or(&0)),
                ("ZINTERSTORE", Some(other)) => result.put(member, score + other),
                ("ZDIFFSTORE", None) => result.put(member, *score),
                _ => {}
            }
        }
        if name == "ZUNIONSTORE" {
            for (member, score) in
                b.scores.iter().filter(|(member, _)| !a.scores.contains_key(*member))
            {
                result.put(member, *score);
            }
        }
    }
    let count = result.scores.len();
    model.put(&args[0], result, None);
    Ok(Want::count(count))
}

fn read(model: &Model, name: &str, args: &[Vec<u8>]) -> Answer {
    let nothing = Ranks::default();
    let ranks = model.read::<Ranks>(&args[0])?.unwrap_or(&nothing);
    let score =
        |member: &Vec<u8>| ranks.scores.get(member).map_or(Want::Nil, |score| Want::Score(*score));
    let between = || {
        let (from, to) = (halves(&args[1]), halves(&args[2]));
        if from > to { Vec::new() } else { ranks.within(from, to) }
    };
    Ok(match name {
        "ZSCORE" => score(&args[1]),
        "ZMSCORE" => Want::Array(args[1..].iter().map(score).collect()),
        "ZCARD" => Want::count(ranks.scores.len()),
        "ZCOUNT" => Want::count(between().len()),
        "ZRANK" => ranks.rank(&args[1]).map_or(Want::Nil, Want::count),
        "ZREVRANK" => ranks
            .rank(&args[1])
            .map_or(Want::Nil, |rank| Want::count(ranks.scores.len() - 1 - rank)),
        "ZRANGEBYSCORE" => {
            let found = between();
            let members = found.iter().map(|(member, _)| member);
            Want::bulks(members.skip(number(&args[4]) as usize).take(number(&args[5]) as usize))
        }
        _ => range(ranks, args),
    })
}

fn range(ranks: &Ranks, args: &[Vec<u8>]) -> Want {
    let mut all = ranks.all();
    if args[3] == b"REV" {
        all.reverse();
    }
    let part = &all[span(&args[1], &args[2], all.len())];
    if args[3] == b"WITHSCORES" {
        Want::Scored(part.to_vec())
    } else {
        Want::bulks(part.iter().map(|(member, _)| member))
    }
}
