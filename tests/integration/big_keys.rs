//! `BIGKEYS` on a server that ends, begins again and is looked at from all sides.

use crate::support::ask::Ask;
use crate::support::peer::Connection;
use crate::support::resp::Reply;
use crate::support::sanderling::Sanderling;
use std::path::Path;
use tempfile::tempdir;

fn start(directory: &Path) -> Sanderling {
    Sanderling::start_in(directory, &[])
}

/// Values of all types and of many sizes, some of which are changed, renamed and deleted afterwards.
fn fill(client: &mut impl Connection) {
    for n in 1..60u32 {
        let size = (n * n * 7919) % 4000 + 1;
        client.say(&format!("SETRANGE string:{n} {} x", size * 3));
        let members: Vec<String> = (0..size % 700 + 1).map(|m| format!("{m} member:{m}")).collect();
        client.say(&format!("ZADD zset:{n} {}", members.join(" ")));
        client.say(&format!("HSET hash:{n} {}", members.join(" ")));
        client.say(&format!("SADD set:{n} {}", members.join(" ")));
        client.say(&format!("RPUSH list:{n} {}", members.join(" ")));
        client.say(&format!("XADD stream:{n} * {}", members.join(" ")));
        client.say(&format!("XGROUP CREATE stream:{n} group 0"));
        client.say(&format!("XREADGROUP GROUP group consumer:{n} COUNT 9 STREAMS stream:{n} >"));
    }
    for n in (1..60u32).step_by(3) {
        client.say(&format!("DEL string:{n} set:{n}"));
        client.say(&format!("LTRIM list:{n} 0 5"));
        client.say(&format!("ZREMRANGEBYRANK zset:{n} 10 -1"));
        client.say(&format!("RENAME hash:{n} renamed:{n}"));
        client.say(&format!("SPOP set:{} 100", n + 1));
        client.say(&format!("XGROUP DESTROY stream:{n} group"));
        client.say(&format!("EXPIRE renamed:{n} 1000"));
        client.say(&format!("COPY zset:{} copy:{n} DB 3", n + 1));
    }
}

/// The ten largest keys and their sizes, as the command tells them.
fn told(client: &mut impl Connection, by: &str) -> Vec<(String, i64)> {
    let reply = client.ask(&["BIGKEYS", "BY", by, "COUNT", "10"]);
    let Reply::Array(fields) = reply else { panic!("{reply:?}") };
    let Some(Reply::Array(keys)) = fields.last() else { panic!("{fields:?}") };
    keys.iter().map(|key| (text(key, "key"), number(key, &by.to_lowercase()))).collect()
}

/// The value behind a name in a flat list of both.
fn behind<'r>(list: &'r Reply, name: &str) -> &'r Reply {
    let Reply::Array(fields) = list else { panic!("{list:?}") };
    let at = fields
        .iter()
        .position(|it| matches!(it, Reply::Bulk(bytes) if bytes == name.as_bytes()))
        .expect("the field is there");
    &fields[at + 1]
}

fn text(list: &Reply, name: &str) -> String {
    let Reply::Bulk(bytes) = behind(list, name) else { panic!("{list:?}") };
    String::from_utf8(bytes.clone()).expect("it is text")
}

fn number(list: &Reply, name: &str) -> i64 {
    let Reply::Integer(number) = behind(list, name) else { panic!("{list:?}") };
    *number
}

fn integer(client: &mut impl Connection, line: &str) -> i64 {
    let reply = client.say(line);
    reply
        .strip_prefix(':')
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("{line}: {reply}"))
}

/// All keys and their sizes, largest first, by asking for each.
fn looked_at(client: &mut impl Connection, by: &str) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for db in [0, 3] {
        client.say(&format!("SELECT {db}"));
        let Reply::Array(keys) = client.ask(&["KEYS", "*"]) else {
            panic!("KEYS returns an array")
        };
        for key in keys {
            let Reply::Bulk(key) = key else { panic!("keys are strings") };
            let key = String::from_utf8(key).expect("it is text");
            let size = match (by, client.say(&format!("TYPE {key}")).as_str()) {
                ("BYTES", _) => integer(client, &format!("MEMORY USAGE {key}")),
                (_, "+list") => integer(client, &format!("LLEN {key}")),
                (_, "+set") => integer(client, &format!("SCARD {key}")),
                (_, "+hash") => integer(client, &format!("HLEN {key}")),
                (_, "+zset") => integer(client, &format!("ZCARD {key}")),
                (_, "+stream") => integer(client, &format!("XLEN {key}")),
                _ => 1,
            };
            all.push((key, size));
        }
    }
    client.say("SELECT 0");
    all.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    all
}

/// Keys of the same size may stand in any order.
fn expect_the_largest(client: &mut impl Connection) {
    for by in ["BYTES", "ELEMENTS"] {
        let (told, all) = (told(client, by), looked_at(client, by));
        let sizes = |keys: &[(String, i64)]| keys.iter().map(|(_, size)| *size).collect::<Vec<_>>();
        assert_eq!(sizes(&told), sizes(&all[..10]), "by {by}: {told:?}");
        for (key, size) in &told {
            let of_all = all.iter().find(|(other, _)| other == key);
            assert_eq!(of_all.map(|(_, size)| size), Some(size), "{key}");
        }
    }
}

#[test]
fn the_largest_keys_are_told_after_changes_and_after_a_restart_from_log_and_from_snapshot() {
    let directory = tempdir().unwrap();
    {
        let server = start(directory.path());
        let mut client = server.client();
        fill(&mut client);
        expect_the_largest(&mut client);
    }
    {
        let server = start(directory.path());
        let mut client = server.client();
        expect_the_largest(&mut client);
        assert_eq!(client.say("SAVE"), "+OK");
    }
    let server = start(directory.path());
    let mut client = server.client();
    expect_the_largest(&mut client);
    assert_eq!(client.say("FLUSHALL"), "+OK");
    assert!(told(&mut client, "BYTES").is_empty());
}

#[test]
fn loading_does_not_count_as_being_asked_for() {
    let directory = tempdir().unwrap();
    start(directory.path()).client().say("SET k v");
    let server = Sanderling::start_in(directory.path(), &["--hotkeys-sampling", "1"]);
    let mut client = server.client();
    assert_eq!(client.say("GET k"), "\"v\"");
    let reply = client.ask(&["HOTKEYS", "BY", "OPS"]);
    let Reply::Array(keys) = behind(&reply, "by-ops") else { panic!("{reply:?}") };
    assert_eq!((keys.len(), text(&keys[0], "key")), (1, "k".to_owned()));
    let Reply::Bulk(rate) = behind(&keys[0], "ops-per-second") else { panic!("{reply:?}") };
    assert_eq!(rate, b"1");
}
