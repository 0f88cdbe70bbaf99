//! Commands on hashes: those of Redis 7.0, which compares them. Those on deadlines of fields are compared
//! with themselves, in `fields.rs`.

use super::{Generator, Group};

/// Few, so that commands meet, but more than a small hash may have under a low limit.
const FIELDS: &[&[u8]] = &[
    b"f",
    b"g",
    b"h",
    b"1",
    b"-7",
    b"",
    b"field with blanks",
    b"\x00\xff\r\n",
    b"a field that is longer than sixty-four bytes, so that the hash becomes large",
];

fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    (placeholder == "H").then(|| generator.pick(FIELDS).to_vec())
}

pub(super) const GROUP: Group = Group {
    keys: &[b"hash1", b"hash2", b"hash3"],
    templates: &[
        "hset K H V",
        "hset K H V",
        "hset K H N H F",
        "hset K H V H V H V",
        "hmset K H V",
        "hmset K H N H V",
        "hsetnx K H V",
        "hsetnx K H N",
        "hget K H",
        "hmget K H H H",
        "hgetall K",
        "hkeys K",
        "hvals K",
        "hlen K",
        "hexists K H",
        "hstrlen K H",
        "hdel K H",
        "hdel K H H",
        "hdel K f g h 1 -7 H",
        "hincrby K H N",
        "hincrby K H N",
        "hincrbyfloat K H F",
        "hincrbyfloat K H F",
        "hrandfield K 100",
        "hrandfield K 100 withvalues",
        "hrandfield K 0",
        "hrandfield K V",
        "hscan K 0 count 1000",
        "hscan K 0 match P count 1000",
        "hscan K 0 match f* count 1000",
        "hscan K N type V",
    ],
    word,
};
