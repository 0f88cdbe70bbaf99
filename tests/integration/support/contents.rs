//! What is in a key, whatever its type, in a form that can be compared: between servers, and before and
//! after.

use super::ask::Ask;
use super::peer::Connection;
use super::resp::{self, Reply};

/// Fields of `XINFO STREAM FULL` that tell of the moment or of the server's insides.
const PASSING: [&[u8]; 5] =
    [b"radix-tree-keys", b"radix-tree-nodes", b"seen-time", b"active-time", b"idle"];

/// Integers above this are Unix milliseconds: when something pending was delivered.
const TIME_MIN: i64 = 100_000_000_000;

/// The content of a key as text, in an order that does not depend on how it is kept: `"value"` for a
/// string, its type and its elements for anything else.
pub fn contents(client: &mut (impl Connection + ?Sized), key: &[u8]) -> String {
    let mut ask = |words: &[&[u8]]| {
        let (name, rest) = words.split_first().expect("a command has a name");
        client.ask(&[&[*name, key], rest].concat())
    };
    let Reply::Simple(kind) = ask(&[b"TYPE"]) else { panic!("TYPE has a simple string") };
    let reply = match &kind[..] {
        b"none" => return "nothing".to_owned(),
        b"string" => return resp::render(&ask(&[b"GET"])),
        b"list" => ask(&[b"LRANGE", b"0", b"-1"]),
        b"set" => resp::sorted(ask(&[b"SMEMBERS"])),
        b"zset" => scores(ask(&[b"ZRANGE", b"0", b"-1", b"WITHSCORES"])),
        b"hash" => fields(client, key),
        b"stream" => stream(client, key),
        other => panic!("{} is no type", other.escape_ascii()),
    };
    format!("{} {}", kind.escape_ascii(), resp::render(&reply))
}

/// Members with their scores, whatever digits the server prints: Redis 7.0 has 17 of them, 7.2 as few as read back.
fn scores(reply: Reply) -> Reply {
    let Reply::Array(words) = reply else { panic!("ZRANGE has an array") };
    let plain = |(index, word): (usize, Reply)| match word {
        Reply::Bulk(text) if index % 2 == 1 => {
            let score: f64 = String::from_utf8_lossy(&text).parse().expect("a score is a number");
            // Redis keeps the sign of a zero in large sets only.
            Reply::Bulk((score + 0.0).to_string().into_bytes())
        }
        word => word,
    };
    Reply::Array(words.into_iter().enumerate().map(plain).collect())
}

/// The same without consumers that have nothing pending. Redis 7.0 creates a consumer when it gets something,
/// 7.2 when it asks.
pub fn contents_without_idlers(client: &mut (impl Connection + ?Sized), key: &[u8]) -> String {
    if client.ask(&[b"TYPE", key]) != Reply::Simple(b"stream".to_vec()) {
        return contents(client, key);
    }
    format!("stream {}", resp::render(&without_idlers(stream(client, key))))
}

fn without_idlers(reply: Reply) -> Reply {
    let Reply::Array(items) = reply else { return reply };
    let busy = items.into_iter().filter(|item| !is_idler(item));
    Reply::Array(busy.map(without_idlers).collect())
}

/// Of a group, more stands between the name and how much is pending.
fn is_idler(item: &Reply) -> bool {
    let Reply::Array(items) = item else { return false };
    let [Reply::Bulk(first), _, Reply::Bulk(second), Reply::Integer(0), ..] = &items[..] else {
        return false;
    };
    first == b"name" && second == b"pel-count"
}

/// Fields with their values and, where the server knows of such, their deadlines.
fn fields(client: &mut (impl Connection + ?Sized), key: &[u8]) -> Reply {
    let Reply::Array(words) = client.ask(&[b"HGETALL", key]) else {
        panic!("HGETALL has an array");
    };
    let mut fields: Vec<Reply> = Vec::new();
    for pair in words.chunks(2) {
        let Reply::Bulk(name) = &pair[0] else { panic!("a field is a bulk string") };
        let mut field = pair.to_vec();
        let time = client.ask(&[&b"HPEXPIRETIME"[..], key, b"FIELDS", b"1", name]);
        if let Reply::Array(times) = time
            && times != [Reply::Integer(-1)]
        {
            field.extend(times);
        }
        fields.push(Reply::Array(field));
    }
    resp::sorted(Reply::Array(fields))
}

/// Entries, groups, consumers and what is pending, without what depends on the moment.
fn stream(client: &mut (impl Connection + ?Sized), key: &[u8]) -> Reply {
    without_passing(client.ask(&[&b"XINFO"[..], b"STREAM", key, b"FULL", b"COUNT", b"0"]))
}

/// Maps come as arrays of names and values.
fn without_passing(reply: Reply) -> Reply {
    let Reply::Array(items) = reply else { return reply };
    let mut kept = Vec::new();
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        if matches!(&item, Reply::Bulk(name) if PASSING.contains(&&name[..])) {
            items.next();
        } else if !matches!(&item, Reply::Integer(number) if *number > TIME_MIN) {
            kept.push(without_passing(item));
        }
    }
    Reply::Array(kept)
}
