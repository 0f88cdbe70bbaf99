//! Sorted sets: members in the order of their scores.

mod add;
mod bounds;
mod combine;
mod pop;
mod range;
mod read;
mod results;

pub(super) use add::{Pairs, add_members};
pub(super) use results::store;

use crate::exec::keyspec::{
    ACCESS, DELETE, KeyFlags, KeySpec, OW_UPDATE, RO, RO_ACCESS, RW, RW_ACCESS_UPDATE, RW_UPDATE,
    key, key_at, keys_before_timeout, keys_numbered,
};
use crate::exec::spec::{BLOCKING, DENY_OOM, FAST, READ, WRITE};
use crate::exec::{Spec, cmd, work};

const RW_ACCESS_DELETE: KeyFlags = RW.and(ACCESS).and(DELETE);

const NUMBERED: KeySpec = keys_numbered(1, RO_ACCESS);
/// The same behind a destination.
const SOURCES: KeySpec = keys_numbered(2, RO_ACCESS);
const POPPED: KeySpec = keys_numbered(1, RW_ACCESS_DELETE);
const POPPED_BEHIND_TIMEOUT: KeySpec = keys_numbered(2, RW_ACCESS_DELETE);
const KEYS_BEFORE_TIMEOUT: KeySpec = keys_before_timeout(RW_ACCESS_DELETE);

const COMBINE: &str = "numkeys key [key ...] [WEIGHTS weight [weight ...]] \
                       [AGGREGATE SUM | MIN | MAX] [WITHSCORES]";
const COMBINE_STORE: &str = "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] \
                             [AGGREGATE SUM | MIN | MAX]";

const PER_SEARCH: &str = "O(log(N)) where N is the size of the sorted set";
const PER_RANGE: &str =
    "O(log(N)+M) where N is the size of the sorted set and M is the number of members taken";
const REMOVE_RANGE: &str = "O(log(N)+M*log(N)) where N is the size of the sorted set and M is the number of members removed";
const POP: &str =
    "O(M*log(N)) where N is the size of the sorted set and M is the number of members popped";
const PER_POPPED: &str = "O(K)+O(M*log(N)) where K is the number of keys, N is the size of the \
                          sorted set and M is the number of members popped";
const UNION: &str = "O(N)+O(M*log(M)) where N is the number of members of all sets together and M is \
                     the size of the result";
const INTERSECTION: &str = "O(N*K)+O(M*log(M)) worst case where N is the size of the smallest set, K is \
                            the number of sets and M is the size of the result";
const DIFFERENCE: &str = "O(N*K)+O(M*log(M)) worst case where N is the size of the first set, K is the \
                          number of sets and M is the size of the result";

const NONDETERMINISTIC: &[&str] = &["nondeterministic_output"];

pub static COMMANDS: &[Spec] = &[
    cmd("BZMPOP", -5, &[POPPED_BEHIND_TIMEOUT], WRITE | BLOCKING, pop::bzmpop).doc(
        "7.0.0",
        PER_POPPED,
        "timeout numkeys key [key ...] MIN | MAX [COUNT count]",
        "Pops members from the first sorted set that has some, or waits until one has.",
    ),
    cmd("BZPOPMAX", -3, &[KEYS_BEFORE_TIMEOUT], WRITE | FAST | BLOCKING, pop::bzpopmax).doc(
        "5.0.0",
        PER_SEARCH,
        "key [key ...] timeout",
        "Pops the member with the highest score from the first sorted set that has one, or \
         waits.",
    ),
    cmd("BZPOPMIN", -3, &[KEYS_BEFORE_TIMEOUT], WRITE | FAST | BLOCKING, pop::bzpopmin).doc(
        "5.0.0",
        PER_SEARCH,
        "key [key ...] timeout",
        "Pops the member with the lowest score from the first sorted set that has one, or \
         waits.",
    ),
    cmd("ZADD", -4, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, add::zadd).doc(
        "1.2.0",
        "O(log(N)) for each member, where N is the size of the sorted set",
        "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
        "Adds members to a sorted set, or changes their scores; creates the key if there is \
         none.",
    ),
    cmd("ZCARD", 2, &[key(RO)], READ | FAST, read::zcard).doc(
        "1.2.0",
        "O(1)",
        "key",
        "Returns how many members a sorted set has.",
    ),
    cmd("ZCOUNT", 4, &[key(RO_ACCESS)], READ | FAST, range::zcount).doc(
        "2.0.0",
        PER_SEARCH,
        "key min max",
        "Counts the members with scores in a range.",
    ),
    cmd("ZDIFF", -3, &[NUMBERED], READ, combine::zdiff).work(work::all).doc(
        "6.2.0",
        DIFFERENCE,
        "numkeys key [key ...] [WITHSCORES]",
        "Returns the members of the first sorted set that are in no other.",
    ),
    cmd("ZDIFFSTORE", -4, &[key(OW_UPDATE), SOURCES], WRITE | DENY_OOM, combine::zdiffstore)
        .work(work::sources)
        .doc(
            "6.2.0",
            DIFFERENCE,
            "destination numkeys key [key ...]",
            "Stores the members of the first sorted set that are in no other.",
        ),
    cmd("ZINCRBY", 4, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, add::zincrby).doc(
        "1.2.0",
        PER_SEARCH,
        "key increment member",
        "Adds to the score of a member, which counts as 0 if it is missing.",
    ),
    cmd("ZINTER", -3, &[NUMBERED], READ, combine::zinter).work(work::smallest).doc(
        "6.2.0",
        INTERSECTION,
        COMBINE,
        "Returns the members that several sorted sets have in common.",
    ),
    cmd("ZINTERCARD", -3, &[NUMBERED], READ, combine::zintercard).work(work::smallest).doc(
        "7.0.0",
        "O(N*K) worst case where N is the size of the smallest sorted set and K is the \
         number of sets",
        "numkeys key [key ...] [LIMIT limit]",
        "Counts the members that several sorted sets have in common.",
    ),
    cmd("ZINTERSTORE", -4, &[key(OW_UPDATE), SOURCES], WRITE | DENY_OOM, combine::zinterstore)
        .work(work::smallest_source)
        .doc(
            "2.0.0",
            INTERSECTION,
            COMBINE_STORE,
            "Stores the members that several sorted sets have in common.",
        ),
    cmd("ZLEXCOUNT", 4, &[key(RO_ACCESS)], READ | FAST, range::zlexcount).doc(
        "2.8.9",
        PER_SEARCH,
        "key min max",
        "Counts the members in a range of names, where all scores are equal.",
    ),
    cmd("ZMPOP", -4, &[POPPED], WRITE, pop::zmpop).work(work::count_option).doc(
        "7.0.0",
        PER_POPPED,
        "numkeys key [key ...] MIN | MAX [COUNT count]",
        "Pops members from the first sorted set that has some.",
    ),
    cmd("ZMSCORE", -3, &[key(RO_ACCESS)], READ | FAST, read::zmscore).doc(
        "6.2.0",
        "O(N) where N is the number of members given",
        "key member [member ...]",
        "Returns the scores of members.",
    ),
    cmd("ZPOPMAX", -2, &[key(RW_ACCESS_DELETE)], WRITE | FAST, pop::zpopmax)
        .work(work::counted)
        .doc("5.0.0", POP, "key [count]", "Pops the members with the highest scores."),
    cmd("ZPOPMIN", -2, &[key(RW_ACCESS_DELETE)], WRITE | FAST, pop::zpopmin)
        .work(work::counted)
        .doc("5.0.0", POP, "key [count]", "Pops the members with the lowest scores."),
    cmd("ZRANDMEMBER", -2, &[key(RO_ACCESS)], READ, read::zrandmember)
        .work(work::counted)
        .tips(NONDETERMINISTIC)
        .doc(
            "6.2.0",
            "O(N) where N is the number of members returned",
            "key [count [WITHSCORES]]",
            "Returns random members of a sorted set.",
        ),
    cmd("ZRANGE", -4, &[key(RO_ACCESS)], READ, range::zrange).work(range::zrange_work).doc(
        "1.2.0",
        PER_RANGE,
        "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
        "Returns the members in a range of ranks, scores or names.",
    ),
    cmd("ZRANGEBYLEX", -4, &[key(RO_ACCESS)], READ, range::zrangebylex)
        .work(range::zrangebylex_work)
        .doc(
            "2.8.9",
            PER_RANGE,
            "key min max [LIMIT offset count]",
            "Returns the members in a range of names, where all scores are equal.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    cmd("ZRANGEBYSCORE", -4, &[key(RO_ACCESS)], READ, range::zrangebyscore)
        .work(range::zrangebyscore_work)
        .doc(
            "1.0.5",
            PER_RANGE,
            "key min max [WITHSCORES] [LIMIT offset count]",
            "Returns the members with scores in a range.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    cmd(
        "ZRANGESTORE",
        -5,
        &[key(OW_UPDATE), key_at(2, RO_ACCESS)],
        WRITE | DENY_OOM,
        range::zrangestore,
    )
    .work(range::zrangestore_work)
    .doc(
        "6.2.0",
        PER_RANGE,
        "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
        "Stores the members in a range of ranks, scores or names.",
    ),
    cmd("ZRANK", -3, &[key(RO_ACCESS)], READ | FAST, read::zrank).doc(
        "2.0.0",
        PER_SEARCH,
        "key member [WITHSCORE]",
        "Tells how many members have lower scores than a member.",
    ),
    cmd("ZREM", -3, &[key(RW.and(DELETE))], WRITE | FAST, add::zrem).doc(
        "1.2.0",
        "O(M*log(N)) where N is the size of the sorted set and M is the number of members \
         given",
        "key member [member ...]",
        "Removes members from a sorted set, and the set with its last one.",
    ),
    cmd("ZREMRANGEBYLEX", 4, &[key(RW.and(DELETE))], WRITE, range::zremrangebylex)
        .work(range::zrangebylex_work)
        .doc(
            "2.8.9",
            REMOVE_RANGE,
            "key min max",
            "Removes the members in a range of names, where all scores are equal.",
        ),
    cmd("ZREMRANGEBYRANK", 4, &[key(RW.and(DELETE))], WRITE, range::zremrangebyrank)
        .work(range::zremrangebyrank_work)
        .doc("2.0.0", REMOVE_RANGE, "key start stop", "Removes the members in a range of ranks."),
    cmd("ZREMRANGEBYSCORE", 4, &[key(RW.and(DELETE))], WRITE, range::zremrangebyscore)
        .work(range::zrangebyscore_work)
        .doc("1.2.0", REMOVE_RANGE, "key min max", "Removes the members with scores in a range."),
    cmd("ZREVRANGE", -4, &[key(RO_ACCESS)], READ, range::zrevrange)
        .work(range::zrevrange_work)
        .doc(
            "1.2.0",
            PER_RANGE,
            "key start stop [WITHSCORES]",
            "Returns the members in a range of ranks counted from the highest score.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument"),
    cmd("ZREVRANGEBYLEX", -4, &[key(RO_ACCESS)], READ, range::zrevrangebylex)
        .work(range::zrevrangebylex_work)
        .doc(
            "2.8.9",
            PER_RANGE,
            "key max min [LIMIT offset count]",
            "Returns the members in a range of names, the last one first, where all scores are \
             equal.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    cmd("ZREVRANGEBYSCORE", -4, &[key(RO_ACCESS)], READ, range::zrevrangebyscore)
        .work(range::zrevrangebyscore_work)
        .doc(
            "2.2.0",
            PER_RANGE,
            "key max min [WITHSCORES] [LIMIT offset count]",
            "Returns the members with scores in a range, the highest first.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
    cmd("ZREVRANK", -3, &[key(RO_ACCESS)], READ | FAST, read::zrevrank).doc(
        "2.0.0",
        PER_SEARCH,
        "key member [WITHSCORE]",
        "Tells how many members have higher scores than a member.",
    ),
    cmd("ZSCAN", -3, &[key(RO_ACCESS)], READ, read::zscan)
        .work(work::count_option)
        .tips(NONDETERMINISTIC)
        .doc(
            "2.8.0",
            "O(1) per call, O(N) for a complete scan, where N is the size of the sorted set",
            "key cursor [MATCH pattern] [COUNT count]",
            "Goes through the members and scores of a sorted set, some per call.",
        ),
    cmd("ZSCORE", 3, &[key(RO_ACCESS)], READ | FAST, read::zscore).doc(
        "1.2.0",
        "O(1)",
        "key member",
        "Returns the score of a member.",
    ),
    cmd("ZUNION", -3, &[NUMBERED], READ, combine::zunion).work(work::all).doc(
        "6.2.0",
        UNION,
        COMBINE,
        "Returns the members of several sorted sets, each once.",
    ),
    cmd("ZUNIONSTORE", -4, &[key(OW_UPDATE), SOURCES], WRITE | DENY_OOM, combine::zunionstore)
        .work(work::sources)
        .doc(
            "2.0.0",
            UNION,
            COMBINE_STORE,
            "Stores the members of several sorted sets, each once.",
        ),
];
