//! Commands on sets.

use super::{Generator, Group};

/// Integers of every width, short and long strings, and what only looks like a number.
const MEMBERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"3",
    b"-7",
    b"300",
    b"70000",
    b"-5000000000",
    b"9223372036854775807",
    b"9223372036854775808",
    b"007",
    b"a",
    b"b",
    b"c",
    b"",
    b"\x00\xff\r\n\"'",
    b"a member that is longer than the sixty-four bytes of a listpack's members",
];

fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    match placeholder {
        // Mostly integers, so that some sets have nothing else.
        "E" if generator.below(3) > 0 => Some(generator.pick(&MEMBERS[..9]).to_vec()),
        "E" => Some(generator.pick(MEMBERS).to_vec()),
        _ => None,
    }
}

pub(super) const GROUP: Group = Group {
    keys: &[b"set1", b"set2", b"set3", b"{a}:set"],
    templates: &[
        "sadd K E",
        "sadd K E E E",
        "sadd K E E E E E",
        "sadd K 10 11 12 13 14 15 16 17 18 19",
        "sadd K E V",
        "scard K",
        "sdiff K K",
        "sdiff K K K",
        "sdiffstore K K",
        "sdiffstore K K K K",
        "sinter K",
        "sinter K K",
        "sintercard 1 K",
        "sintercard 2 K K limit 2",
        "sintercard 3 K K K limit 0",
        "sintercard N K limit I",
        "sinterstore K K",
        "sinterstore K K K",
        "sismember K E",
        "smembers K",
        "smismember K E E E",
        "smove K K E",
        "spop K 0",
        "spop K 1000",
        "srandmember K 0",
        "srandmember K 1000",
        "srem K E",
        "srem K E E E",
        "sscan K 0 count 1000",
        "sscan K 0 match P count 1000",
        "sscan K 0 count N",
        "sunion K K",
        "sunion K K K",
        "sunionstore K K",
        "sunionstore K K K",
    ],
    word,
};
