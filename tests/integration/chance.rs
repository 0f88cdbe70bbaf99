//! Random members are random: each is as likely as any other, in every form that a collection can take and
//! for every count, however differently the choice is made.
//!
//! The test is Pearson's chi-squared test. Its limit is exceeded by a fair choice once in ten thousand
//! million runs, and by a choice that favours anybody noticeably at once.

use crate::support::ask::Ask;
use crate::support::peer::Connection;
use crate::support::resp::Reply;
use crate::support::sanderling::Sanderling;
use std::collections::BTreeMap;
use tempfile::tempdir;

const MEMBERS: usize = 50;
const DRAWS: usize = 20_000;
/// Of the chi-squared distribution with 49 degrees of freedom: a probability of 10⁻¹⁰.
const LIMIT: f64 = 137.0;

type Naming = fn(usize) -> String;

/// How members look: integers, short strings, and strings that are too long for a small collection.
const SHAPES: [(&str, Naming); 3] = [
    ("integers", |n| n.to_string()),
    ("a listpack", |n| format!("member:{n}")),
    ("a table", |n| format!("member:{n}:{}", "x".repeat(80))),
];

fn assert_uniform(counts: &BTreeMap<Vec<u8>, usize>, what: &str) {
    assert_eq!(counts.len(), MEMBERS, "{what}: everybody is chosen at some time");
    let total: usize = counts.values().sum();
    let expected = total as f64 / MEMBERS as f64;
    let deviation = |count: &usize| (*count as f64 - expected).powi(2) / expected;
    let statistic: f64 = counts.values().map(deviation).sum();
    assert!(statistic < LIMIT, "{what}: {statistic} for {counts:?}");
}

/// Who is chosen how often by a command that is repeated; `prepare` comes before each repetition.
fn count(
    client: &mut impl Connection,
    prepare: Option<&[String]>,
    command: &str,
    repetitions: usize,
) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..repetitions {
        if let Some(words) = prepare {
            client.ask(words);
        }
        let words: Vec<_> = command.split(' ').collect();
        let chosen = match client.ask(&words) {
            Reply::Array(members) => members,
            member => vec![member],
        };
        for member in chosen {
            let Reply::Bulk(member) = member else { panic!("{command}: {member:?}") };
            *counts.entry(member).or_default() += 1;
        }
    }
    counts
}

#[test]
fn members_are_chosen_without_favour() {
    let directory = tempdir().unwrap();
    let server = Sanderling::start_in(directory.path(), &["--save", ""]);
    let mut client = server.client();
    for (shape, member) in SHAPES {
        client.say("FLUSHALL");
        let members: Vec<String> = (0..MEMBERS).map(member).collect();
        let with = |head: [&str; 2], between: &str| {
            let mut words = head.map(str::to_owned).to_vec();
            for member in &members {
                match between {
                    "before" => words.extend(["1".to_owned(), member.clone()]),
                    "behind" => words.extend([member.clone(), "1".to_owned()]),
                    _ => words.push(member.clone()),
                }
            }
            words
        };
        client.ask(&with(["SADD", "set"], ""));
        client.ask(&with(["HSET", "hash"], "behind"));
        client.ask(&with(["ZADD", "zset"], "before"));
        for (name, key) in [("SRANDMEMBER", "set"), ("HRANDFIELD", "hash"), ("ZRANDMEMBER", "zset")]
        {
            // One; some, chosen one by one; most, found by leaving some out; some with repetition.
            for (count_of, size) in [("", 1), (" 3", 3), (" 40", 40), (" -10", 10)] {
                let command = format!("{name} {key}{count_of}");
                let counts = count(&mut client, None, &command, DRAWS / size / 4);
                assert_uniform(&counts, &format!("{command} from {shape}"));
            }
        }
    }
}

#[test]
fn members_are_taken_out_without_favour() {
    let directory = tempdir().unwrap();
    let server = Sanderling::start_in(directory.path(), &["--save", ""]);
    let mut client = server.client();
    for (shape, member) in SHAPES {
        client.say("DEL set");
        let mut words = vec!["SADD".to_owned(), "set".to_owned()];
        words.extend((0..MEMBERS).map(member));
        for (count_of, size) in [("", 1), (" 3", 3), (" 40", 40)] {
            let command = format!("SPOP set{count_of}");
            let counts = count(&mut client, Some(&words), &command, DRAWS / size / 10);
            assert_uniform(&counts, &format!("{command} from {shape}"));
        }
    }
}
