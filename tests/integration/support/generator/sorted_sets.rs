//! Commands on sorted sets. Those that wait are left out: the clock stands still, so they would wait for ever.

use super::{Generator, Group};

/// What sorts as a name differently than as a number, what is stored as a number, and one that makes a set
/// large.
const MEMBERS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"aa",
    b"B",
    b"",
    b"1",
    b"10",
    b"2",
    b"-7",
    b"\x00\xff\r\n\"'",
    b"a member that is longer than the sixty-four bytes of a listpack's members",
];

/// Scores whose sums and products are exact: Redis 7.0 prints all seventeen digits of others.
const SCORES: &[&str] = &[
    "0", "1", "2", "3", "-1", "1.5", "-2.25", "0x10", "1e3", ".5", "12345", "inf", "-inf", "+inf",
];

/// What is rarely a score.
const ODD_SCORES: &[&str] =
    &["nan", "", " 1", "x", "1e400", "9007199254740993", "-9007199254740992", "(1"];

const SCORE_BOUNDS: &[&str] = &[
    "-inf", "+inf", "inf", "0", "1", "2", "3", "(1", "(2", "1.5", "(-1", "(-inf", "(inf", "-5",
    "1000", "(1000", "1e999", " 1", "", "nan", "x", "((1",
];

const NAME_BOUNDS: &[&str] = &[
    "-", "+", "[a", "(a", "[b", "(b", "[c", "(aa", "[B", "[", "(", "[1", "(10", "[2", "[z", "(-7",
    "a", "",
];

const RANKS: &[&str] = &["0", "1", "2", "3", "-1", "-2", "-3", "5", "-100", "100", "x"];

/// Offsets and lengths of a part of a range.
const LIMITS: &[&str] = &["0", "1", "2", "-1", "-5", "3", "100", "9223372036854775807", "x"];

const COUNTS: &[&str] = &["0", "1", "2", "3", "10", "9223372036854775807", "-1", "x", ""];

/// Their products with the scores are exact.
const WEIGHTS: &[&str] = &["1", "2", "0", "-1", "0.5", "3", "inf", "-inf", "x", "nan"];

/// A set whose scores are all zero. In others, which members a range of names has depends on how the set is kept.
const NAMES: &[u8] = b"znames";

/// `E` is a member, `Z` a score, `B` the end of a range of scores, `L` of names, `R` of ranks; `O` limits a
/// range, `C` is a count, `W` a weight, `A` an aggregate, `Q` an end of the order, `T` the key of a set and `Y`
/// that of the sorted set for ranges of names.
fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    let text = match placeholder {
        // Mostly short ones, so that some sets stay small.
        "E" if generator.below(4) > 0 => return Some(generator.pick(&MEMBERS[..6]).to_vec()),
        "E" => return Some(generator.pick(MEMBERS).to_vec()),
        "Z" if generator.below(20) == 0 => generator.pick(ODD_SCORES),
        "Z" => generator.pick(SCORES),
        "B" => generator.pick(SCORE_BOUNDS),
        "L" => generator.pick(NAME_BOUNDS),
        "R" => generator.pick(RANKS),
        "O" => generator.pick(LIMITS),
        "C" => generator.pick(COUNTS),
        "W" => generator.pick(WEIGHTS),
        "A" => generator.pick(&["sum", "min", "max", "MIN", "avg"]),
        "Q" => generator.pick(&["min", "max", "MIN", "MAX"]),
        "T" => return Some(generator.prefixed(b"set1")),
        "Y" => return Some(generator.prefixed(NAMES)),
        _ => return None,
    };
    Some(text.into())
}

pub(super) const GROUP: Group = Group {
    keys: &[b"zset1", b"zset2", b"zset3"],
    templates: &[
        "zadd K Z E",
        "zadd K Z E",
        "zadd K Z E Z E Z E",
        "zadd K Z E Z E Z E Z E Z E",
        "zadd K 1 a 1 b 2 c 2 aa 3 d",
        "zadd K nx Z E Z E",
        "zadd K xx ch Z E Z E",
        "zadd K gt ch Z E Z E",
        "zadd K lt Z E Z E",
        "zadd K xx gt ch Z E Z E",
        "zadd K incr Z E",
        "zadd K nx incr Z E",
        "zadd K xx lt incr Z E",
        "zcard K",
        "zcount K B B",
        "zdiff 2 K K",
        "zdiff 3 K K K withscores",
        "zdiffstore K 2 K K",
        "zincrby K Z E",
        "zincrby K Z E",
        "zinter 2 K K withscores",
        "zinter 2 K K weights W W aggregate A withscores",
        "zintercard 2 K K",
        "zintercard 2 K K limit C",
        "zinterstore K 2 K K",
        "zinterstore K 3 K K K weights W W W",
        "zinterstore K 2 K K aggregate A",
        "zmpop 1 K Q",
        "zmpop 2 K K Q count C",
        "zmscore K E E E",
        "zpopmax K",
        "zpopmax K C",
        "zpopmin K",
        "zpopmin K C",
        "zrandmember K 0",
        "zrandmember K 1000",
        "zrandmember K 1000 withscores",
        "zrange K R R",
        "zrange K 0 -1 withscores",
        "zrange K R R rev withscores",
        "zrange K B B byscore",
        "zrange K B B byscore rev limit O O withscores",
        "zrange K R R limit O O",
        "zrangebyscore K B B",
        "zrangebyscore K B B withscores limit O O",
        "zrangestore K K R R",
        "zrangestore K K B B byscore limit O O",
        "zrangestore K K B B byscore rev",
        "zrank K E",
        "zrem K E",
        "zrem K E E E",
        "zremrangebyrank K R R",
        "zremrangebyscore K B B",
        "zrevrange K R R",
        "zrevrange K R R withscores",
        "zrevrangebyscore K B B",
        "zrevrangebyscore K B B withscores limit O O",
        "zrevrank K E",
        "zscan K 0 count 1000",
        "zscan K 0 match P count 1000",
        "zscan K 0 count N",
        "zscore K E",
        "zunion 2 K K",
        "zunion 3 K K K weights W W W withscores",
        "zunion 2 K K aggregate A withscores",
        "zunionstore K 2 K K",
        "zunionstore K 2 K T weights W W aggregate A",
        "zunionstore K 1 T",
        "zadd Y 0 E 0 E 0 E",
        "zadd Y 0 a 0 b 0 c 0 aa 0 10 0 2",
        "zrem Y E",
        "zlexcount Y L L",
        "zrange Y L L bylex",
        "zrange Y L L bylex rev limit O O",
        "zrangebylex Y L L",
        "zrangebylex Y L L limit O O",
        "zrangestore Y Y L L bylex",
        "zrangestore K Y L L bylex rev limit O O",
        "zremrangebylex Y L L",
        "zrevrangebylex Y L L",
        "zrevrangebylex Y L L limit O O",
    ],
    word,
};
