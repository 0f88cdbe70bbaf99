//! Whether two servers give the same reply, as far as a reply is not bound to the moment, to chance, or to the
//! version of Redis that is asked.
//!
//! Everything that is not named here has to be equal. Replies are those of RESP2.

use super::resp::{self, Reply};

/// How far apart the clocks of the servers may be, one of which stands still.
const SKEW_MS: i64 = 120_000;

/// Whether `got` is as good a reply to the command `name` as `expected`, which is that of Redis.
pub fn is_same(name: &str, expected: &Reply, got: &Reply) -> bool {
    match name {
        // Keys that have expired count until somebody removes them.
        "dbsize" if matches!(expected, Reply::Integer(_)) => matches!(got, Reply::Integer(_)),
        "pttl" | "pexpiretime" => is_near(expected, got, SKEW_MS),
        "ttl" | "expiretime" => is_near(expected, got, SKEW_MS / 1000),
        "keys" | "smembers" | "sinter" | "sunion" | "sdiff" | "hkeys" | "hvals" | "hgetall" => {
            in_any_order(expected, got)
        }
        "sort" | "sort_ro" => expected == got || is_stale_error(expected),
        "spop" | "srandmember" | "hrandfield" | "zrandmember" => by_chance(expected, got),
        "sscan" | "hscan" => is_part(expected, got),
        "zscan" => is_part(&with_numbers(expected), &with_numbers(got)),
        // Redis makes a skiplist of a sorted set in order to sort it.
        "object" | "object encoding" if is_bulk(expected, b"skiplist") => {
            is_bulk(got, b"skiplist") || is_bulk(got, b"listpack")
        }
        "object" | "object encoding" => encoding(expected) == encoding(got),
        "georadius"
        | "georadius_ro"
        | "georadiusbymember"
        | "georadiusbymember_ro"
        | "geosearch" => by_distance(expected, got),
        // How well long strings are compressed, and where lists and streams are cut, is open.
        "dump" => expected == got || matches!((expected, got), (Reply::Bulk(_), Reply::Bulk(_))),
        "xpending" => without_idle(expected) == without_idle(got),
        "xinfo" => without_insides(expected) == without_insides(got),
        "xread" | "xreadgroup" if is_unbalanced(expected) => is_unbalanced(got),
        // Redis 7.0 prints scores with more digits than 7.2, and does not forget the sign of a zero.
        name if name.starts_with('z') => with_numbers(expected) == with_numbers(got),
        _ => expected == got,
    }
}

/// The reply with all texts that are numbers written in one way, whatever their digits, and zeros without sign.
pub fn with_numbers(reply: &Reply) -> Reply {
    match reply {
        Reply::Bulk(text) => {
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            let plain = number.map(|number| (number + 0.0).to_string().into_bytes());
            Reply::Bulk(plain.unwrap_or_else(|| text.clone()))
        }
        Reply::Array(items) => Reply::Array(items.iter().map(with_numbers).collect()),
        reply => reply.clone(),
    }
}

/// Times that may be that far apart; what is not a time is equal.
fn is_near(expected: &Reply, got: &Reply, skew: i64) -> bool {
    match (expected, got) {
        (Reply::Integer(a), Reply::Integer(b)) if *a > 0 => (a - b).abs() <= skew,
        _ => expected == got,
    }
}

fn in_any_order(expected: &Reply, got: &Reply) -> bool {
    resp::sorted(expected.clone()) == resp::sorted(got.clone())
}

/// Redis finds a number out of range where an earlier command had one: it never resets `errno`.
fn is_stale_error(expected: &Reply) -> bool {
    let text = b"ERR One or more scores can't be converted into double";
    matches!(expected, Reply::Error(error) if error.starts_with(text))
}

/// One element, or so many.
fn by_chance(expected: &Reply, got: &Reply) -> bool {
    match (expected, got) {
        (Reply::Bulk(_), Reply::Bulk(_)) => true,
        (Reply::Array(a), Reply::Array(b)) => a.len() == b.len(),
        _ => expected == got,
    }
}

/// Members, where those that are equally far, as the first figure behind the name says, may stand for each other.
fn by_distance(expected: &Reply, got: &Reply) -> bool {
    let (Reply::Array(a), Reply::Array(b)) = (expected, got) else { return expected == got };
    let is_as_far = |pair: (&Reply, &Reply)| match pair {
        (Reply::Array(a), Reply::Array(b)) => a.len() == b.len() && a[1] == b[1],
        _ => false,
    };
    a.len() == b.len() && a.iter().zip(b).all(|pair| pair.0 == pair.1 || is_as_far(pair))
}

/// A part of a large collection may be another part; all of a small one is in any order.
fn is_part(expected: &Reply, got: &Reply) -> bool {
    let (Reply::Array(a), Reply::Array(b)) = (expected, got) else { return expected == got };
    let is_partial = [a, b].iter().any(|reply| reply[0] != Reply::Bulk(b"0".to_vec()));
    is_partial || in_any_order(&a[1], &b[1])
}

fn is_bulk(reply: &Reply, text: &[u8]) -> bool {
    matches!(reply, Reply::Bulk(bytes) if bytes == text)
}

/// Redis 7.0 keeps no list in one piece and no set of strings in a listpack, 7.2 does.
fn encoding(reply: &Reply) -> Reply {
    match reply {
        Reply::Bulk(name) if name == b"quicklist" || name == b"hashtable" => {
            Reply::Bulk(b"listpack".to_vec())
        }
        reply => reply.clone(),
    }
}

/// Pending entries without the time since they were delivered.
fn without_idle(reply: &Reply) -> Reply {
    let Reply::Array(items) = reply else { return reply.clone() };
    let mask = |item: &Reply| match item {
        Reply::Array(pending) if pending.len() == 4 => {
            Reply::Array([&pending[..2], &pending[3..]].concat())
        }
        item => item.clone(),
    };
    Reply::Array(items.iter().map(mask).collect())
}

/// Redis 7.0 has one text for a key too many, 7.2 one for each command.
fn is_unbalanced(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(text) if text.starts_with(b"ERR Unbalanced "))
}

/// The figures of a stream without those of the tree in which Redis keeps it, and of its groups without how many
/// consumers they have, which depends on the version.
fn without_insides(reply: &Reply) -> Reply {
    let Reply::Array(items) = reply else { return reply.clone() };
    if items.iter().all(|item| matches!(item, Reply::Array(_))) {
        return Reply::Array(items.iter().map(without_insides).collect());
    }
    let is_inside = |item: &Reply| matches!(item, Reply::Bulk(name) if name.starts_with(b"radix-tree-") || name == b"consumers");
    let pairs = items.chunks(2).filter(|pair| !is_inside(&pair[0]));
    Reply::Array(pairs.flatten().cloned().collect())
}
