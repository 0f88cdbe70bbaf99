//! Sets: members without order.

mod algebra;
mod members;
mod random;

pub(super) use algebra::parse_limit;

use crate::exec::keyspec::{
    ACCESS, DELETE, INSERT, KeySpec, OW_UPDATE, RO, RO_ACCESS, RW, key, key_at, keys_from,
    keys_numbered, keys_to_end,
};
use crate::exec::spec::{DENY_OOM, FAST, READ, WRITE};
use crate::exec::{Spec, cmd, work};

/// The keys behind the destination.
const SOURCES: KeySpec = keys_from(2, RO_ACCESS);

const INTERSECTION: &str =
    "O(N*M) worst case where N is the size of the smallest set and M is the number of sets";
const ALL_MEMBERS: &str = "O(N) where N is the number of members of all sets together";
const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const ANY_OUTPUT: &[&str] = &["nondeterministic_output"];

pub static COMMANDS: &[Spec] = &[
    cmd("SADD", -3, &[key(RW.and(INSERT))], WRITE | DENY_OOM | FAST, members::sadd).doc(
        "1.0.0",
        "O(1) for each member",
        "key member [member ...]",
        "Adds members to a set; creates the key if there is none.",
    ),
    cmd("SCARD", 2, &[key(RO)], READ | FAST, members::scard).doc(
        "1.0.0",
        "O(1)",
        "key",
        "Counts the members of a set.",
    ),
    cmd("SDIFF", -2, &[keys_to_end(1, RO_ACCESS)], READ, algebra::sdiff)
        .work(work::all)
        .tips(ANY_ORDER)
        .doc(
            "1.0.0",
            ALL_MEMBERS,
            "key [key ...]",
            "Returns what is in the first set and in none of the others.",
        ),
    cmd("SDIFFSTORE", -3, &[key(OW_UPDATE), SOURCES], WRITE | DENY_OOM, algebra::sdiffstore)
        .work(work::sources)
        .doc(
            "1.0.0",
            ALL_MEMBERS,
            "destination key [key ...]",
            "Stores what is in the first set and in none of the others.",
        ),
    cmd("SINTER", -2, &[keys_to_end(1, RO_ACCESS)], READ, algebra::sinter)
        .work(work::smallest)
        .tips(ANY_ORDER)
        .doc("1.0.0", INTERSECTION, "key [key ...]", "Returns what is in all of the sets."),
    cmd("SINTERCARD", -3, &[keys_numbered(1, RO_ACCESS)], READ, algebra::sintercard)
        .work(work::smallest)
        .doc(
            "7.0.0",
            INTERSECTION,
            "numkeys key [key ...] [LIMIT limit]",
            "Counts what is in all of the sets, up to a limit.",
        ),
    cmd("SINTERSTORE", -3, &[key(OW_UPDATE), SOURCES], WRITE | DENY_OOM, algebra::sinterstore)
        .work(work::smallest_source)
        .doc(
            "1.0.0",
            INTERSECTION,
            "destination key [key ...]",
            "Stores what is in all of the sets.",
        ),
    cmd("SISMEMBER", 3, &[key(RO)], READ | FAST, members::sismember).doc(
        "1.0.0",
        "O(1)",
        "key member",
        "Tells whether a set has a member.",
    ),
    cmd("SMEMBERS", 2, &[key(RO_ACCESS)], READ, algebra::sinter)
        .work(work::all)
        .tips(ANY_ORDER)
        .doc(
            "1.0.0",
            "O(N) where N is the number of members",
            "key",
            "Returns all members of a set.",
        ),
    cmd("SMISMEMBER", -3, &[key(RO_ACCESS)], READ | FAST, members::smismember).doc(
        "6.2.0",
        "O(N) where N is the number of members asked for",
        "key member [member ...]",
        "Tells which of several members a set has.",
    ),
    cmd(
        "SMOVE",
        4,
        &[key(RW.and(ACCESS).and(DELETE)), key_at(2, RW.and(INSERT))],
        WRITE | FAST,
        members::smove,
    )
    .doc(
        "1.0.0",
        "O(1)",
        "source destination member",
        "Moves a member from one set to another.",
    ),
    cmd("SPOP", -2, &[key(RW.and(ACCESS).and(DELETE))], WRITE | FAST, random::spop)
        .work(work::counted)
        .tips(ANY_OUTPUT)
        .doc(
            "1.0.0",
            "O(N) where N is how many members are taken, 1 if none are counted",
            "key [count]",
            "Takes members out of a set by chance.",
        ),
    cmd("SRANDMEMBER", -2, &[key(RO_ACCESS)], READ, random::srandmember)
        .work(work::counted)
        .tips(ANY_OUTPUT)
        .doc(
            "1.0.0",
            "O(N) where N is the absolute value of the count, 1 if there is none",
            "key [count]",
            "Returns members of a set by chance; with a negative count one may come several \
             times.",
        ),
    cmd("SREM", -3, &[key(RW.and(DELETE))], WRITE | FAST, members::srem).doc(
        "1.0.0",
        "O(N) where N is the number of members to remove",
        "key member [member ...]",
        "Removes members from a set; the key goes with the last one.",
    ),
    cmd("SSCAN", -3, &[key(RO_ACCESS)], READ, members::sscan)
        .work(work::count_option)
        .tips(ANY_OUTPUT)
        .doc(
            "2.8.0",
            "O(1) for every call, O(N) for all members",
            "key cursor [MATCH pattern] [COUNT count]",
            "Walks through the members of a set in steps.",
        ),
    cmd("SUNION", -2, &[keys_to_end(1, RO_ACCESS)], READ, algebra::sunion)
        .work(work::all)
        .tips(ANY_ORDER)
        .doc("1.0.0", ALL_MEMBERS, "key [key ...]", "Returns what is in any of the sets."),
    cmd("SUNIONSTORE", -3, &[key(OW_UPDATE), SOURCES], WRITE | DENY_OOM, algebra::sunionstore)
        .work(work::sources)
        .doc(
            "1.0.0",
            ALL_MEMBERS,
            "destination key [key ...]",
            "Stores what is in any of the sets.",
        ),
];
