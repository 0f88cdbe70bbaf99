//! Hashes: fields and their values, and the deadlines of fields.

mod deadlines;
mod fields;
mod log;
mod numbers;
mod random;
mod scan;
mod with_deadline;

use crate::exec::keyspec::{
    ACCESS, DELETE, INSERT, RO, RO_ACCESS, RW, RW_ACCESS_UPDATE, RW_UPDATE, key,
};
use crate::exec::spec::{DENY_OOM, FAST, READ, WRITE};
use crate::exec::{Spec, cmd, reply_element, work};
use crate::resp::Reply;
use crate::value::listpack::Element;

const FIELDS: &str = "key FIELDS numfields field [field ...]";
const EXPIRE_SECONDS: &str = "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]";
const EXPIRE_MILLIS: &str =
    "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]";
const EXPIRE_AT_SECONDS: &str =
    "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]";
const EXPIRE_AT_MILLIS: &str =
    "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]";
const GETEX: &str = "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                     PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]";
const SETEX: &str = "key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                     PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields <field value> ...";

const PER_FIELD: &str = "O(N) where N is the number of fields given";
const PER_SIZE: &str = "O(N) where N is the size of the hash";

const NONDETERMINISTIC: &[&str] = &["nondeterministic_output"];
const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];

pub static COMMANDS: &[Spec] = &[
    cmd("HDEL", -3, &[key(RW.and(DELETE))], WRITE | FAST, fields::hdel).doc(
        "2.0.0",
        PER_FIELD,
        "key field [field ...]",
        "Deletes fields of a hash, and the hash with its last one.",
    ),
    cmd("HEXISTS", 3, &[key(RO)], READ | FAST, fields::hexists).doc(
        "2.0.0",
        "O(1)",
        "key field",
        "Tells whether a hash has a field.",
    ),
    cmd("HEXPIRE", -6, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, deadlines::hexpire).doc(
        "7.4.0",
        PER_FIELD,
        EXPIRE_SECONDS,
        "Lets fields of a hash expire after some seconds.",
    ),
    cmd("HEXPIREAT", -6, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, deadlines::hexpireat).doc(
        "7.4.0",
        PER_FIELD,
        EXPIRE_AT_SECONDS,
        "Lets fields of a hash expire at a Unix time in seconds.",
    ),
    cmd("HEXPIRETIME", -5, &[key(RO_ACCESS)], READ | FAST, deadlines::hexpiretime).doc(
        "7.4.0",
        PER_FIELD,
        FIELDS,
        "Tells when fields of a hash expire, as a Unix time in seconds.",
    ),
    cmd("HGET", 3, &[key(RO_ACCESS)], READ | FAST, fields::hget).doc(
        "2.0.0",
        "O(1)",
        "key field",
        "Returns the value of a field of a hash.",
    ),
    cmd("HGETALL", 2, &[key(RO_ACCESS)], READ, fields::hgetall)
        .work(work::all)
        .tips(ANY_ORDER)
        .doc("2.0.0", PER_SIZE, "key", "Returns all fields and values of a hash."),
    cmd("HGETDEL", -5, &[key(RW.and(ACCESS).and(DELETE))], WRITE | FAST, with_deadline::hgetdel)
        .doc(
            "8.0.0",
            PER_FIELD,
            FIELDS,
            "Returns the values of fields of a hash and deletes the fields.",
        ),
    cmd("HGETEX", -5, &[key(RW_ACCESS_UPDATE)], WRITE | FAST, with_deadline::hgetex).doc(
        "8.0.0",
        PER_FIELD,
        GETEX,
        "Returns the values of fields of a hash and sets or removes their expiry times.",
    ),
    cmd("HINCRBY", 4, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM | FAST, numbers::hincrby).doc(
        "2.0.0",
        "O(1)",
        "key field increment",
        "Adds to the integer in a field of a hash, which counts as 0 if missing.",
    ),
    cmd(
        "HINCRBYFLOAT",
        4,
        &[key(RW_ACCESS_UPDATE)],
        WRITE | DENY_OOM | FAST,
        numbers::hincrbyfloat,
    )
    .doc(
        "2.6.0",
        "O(1)",
        "key field increment",
        "Adds to the decimal number in a field of a hash, which counts as 0 if missing.",
    ),
    cmd("HKEYS", 2, &[key(RO_ACCESS)], READ, fields::hkeys).work(work::all).tips(ANY_ORDER).doc(
        "2.0.0",
        PER_SIZE,
        "key",
        "Returns all fields of a hash.",
    ),
    cmd("HLEN", 2, &[key(RO)], READ | FAST, fields::hlen).doc(
        "2.0.0",
        "O(1)",
        "key",
        "Returns how many fields a hash has.",
    ),
    cmd("HMGET", -3, &[key(RO_ACCESS)], READ | FAST, fields::hmget).doc(
        "2.0.0",
        PER_FIELD,
        "key field [field ...]",
        "Returns the values of several fields of a hash.",
    ),
    cmd("HMSET", -4, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, fields::hmset)
        .doc("2.0.0", PER_FIELD, "key <field value> ...", "Sets fields of a hash.")
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs"),
    cmd("HPERSIST", -5, &[key(RW_UPDATE)], WRITE | FAST, deadlines::hpersist).doc(
        "7.4.0",
        PER_FIELD,
        FIELDS,
        "Removes the expiry times of fields of a hash.",
    ),
    cmd("HPEXPIRE", -6, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, deadlines::hpexpire).doc(
        "7.4.0",
        PER_FIELD,
        EXPIRE_MILLIS,
        "Lets fields of a hash expire after some milliseconds.",
    ),
    cmd("HPEXPIREAT", -6, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, deadlines::hpexpireat).doc(
        "7.4.0",
        PER_FIELD,
        EXPIRE_AT_MILLIS,
        "Lets fields of a hash expire at a Unix time in milliseconds.",
    ),
    cmd("HPEXPIRETIME", -5, &[key(RO_ACCESS)], READ | FAST, deadlines::hpexpiretime).doc(
        "7.4.0",
        PER_FIELD,
        FIELDS,
        "Tells when fields of a hash expire, as a Unix time in milliseconds.",
    ),
    cmd("HPTTL", -5, &[key(RO_ACCESS)], READ | FAST, deadlines::hpttl).tips(NONDETERMINISTIC).doc(
        "7.4.0",
        PER_FIELD,
        FIELDS,
        "Tells in how many milliseconds fields of a hash expire.",
    ),
    cmd("HRANDFIELD", -2, &[key(RO_ACCESS)], READ, random::hrandfield)
        .work(random::work)
        .tips(NONDETERMINISTIC)
        .doc(
            "6.2.0",
            "O(N) where N is the number of fields returned",
            "key [count [WITHVALUES]]",
            "Returns random fields of a hash.",
        ),
    cmd("HSCAN", -3, &[key(RO_ACCESS)], READ, scan::hscan)
        .work(work::count_option)
        .tips(NONDETERMINISTIC)
        .doc(
            "2.8.0",
            "O(1) per call, O(N) for a complete scan, where N is the size of the hash",
            "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
            "Goes through the fields and values of a hash, some per call.",
        ),
    cmd("HSET", -4, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, fields::hset).doc(
        "2.0.0",
        PER_FIELD,
        "key <field value> ...",
        "Sets fields of a hash.",
    ),
    cmd("HSETEX", -6, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, with_deadline::hsetex).doc(
        "8.0.0",
        PER_FIELD,
        SETEX,
        "Sets fields of a hash and their expiry times.",
    ),
    cmd("HSETNX", 4, &[key(RW.and(INSERT))], WRITE | DENY_OOM | FAST, fields::hsetnx).doc(
        "2.0.0",
        "O(1)",
        "key field value",
        "Sets a field of a hash if it does not exist.",
    ),
    cmd("HSTRLEN", 3, &[key(RO)], READ | FAST, fields::hstrlen).doc(
        "3.2.0",
        "O(1)",
        "key field",
        "Returns the length of the value of a field of a hash.",
    ),
    cmd("HTTL", -5, &[key(RO_ACCESS)], READ | FAST, deadlines::httl).tips(NONDETERMINISTIC).doc(
        "7.4.0",
        PER_FIELD,
        FIELDS,
        "Tells in how many seconds fields of a hash expire.",
    ),
    cmd("HVALS", 2, &[key(RO_ACCESS)], READ, fields::hvals).work(work::all).tips(ANY_ORDER).doc(
        "2.0.0",
        PER_SIZE,
        "key",
        "Returns all values of a hash.",
    ),
];

/// Replies with an element as a bulk string, or with null.
fn reply_value(reply: &mut Reply<'_>, value: Option<Element<'_>>) {
    match value {
        Some(value) => reply_element(reply, value),
        None => reply.null(),
    }
}
