//! Commands on keys of any type.

mod delpattern;
mod dump;
mod expire;
mod keys;
mod object;
mod scan;
mod sort;
mod waitaof;

pub(super) use object::encoding;

use crate::exec::keyspec::{
    ACCESS, DELETE, INSERT, OW_UPDATE, RM, RO, RO_ACCESS, RW, RW_ACCESS_UPDATE, RW_UPDATE, key,
    key_at, keys_to_end, unknown,
};
use crate::exec::spec::{BLOCKING, DENY_OOM, FAST, READ, TOUCHES_ARBITRARY_KEYS, WRITE};
use crate::exec::{Spec, cmd, family, work};

const EXPIRE_OPTIONS_SECONDS: &str = "key seconds [NX | XX | GT | LT]";

const SUM_OF_SHARDS: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
/// `SORT` is in the categories of what it sorts.
const SORTED: &[&str] = &["set", "sortedset", "list", "dangerous"];
const SORT_COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements and M how many are returned; \
     O(N) if they are not sorted.";
const NONDETERMINISTIC: &[&str] = &["nondeterministic_output"];

pub static COMMANDS: &[Spec] = &[
    cmd("COPY", -3, &[key(RO_ACCESS), key_at(2, OW_UPDATE)], WRITE | DENY_OOM, keys::copy)
        .declaring(keys::declare_copy)
        .doc(
            "6.2.0",
            "O(N) worst case for collections, where N is the number of nested items. O(1) for \
             string values.",
            "source destination [DB destination-db] [REPLACE]",
            "Copies the value of a key to another key.",
        ),
    cmd("DEL", -2, &[keys_to_end(1, RM.and(DELETE))], WRITE, keys::del).tips(SUM_OF_SHARDS).doc(
        "1.0.0",
        "O(N) where N is the number of keys",
        "key [key ...]",
        "Deletes keys.",
    ),
    cmd("DELPATTERN", -2, &[], WRITE, delpattern::delpattern)
        .work(work::always)
        .categories(&["keyspace", "dangerous"])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .doc(
            "0.1.0",
            "O(N) where N is the number of keys in the database",
            "pattern [LIMIT count]",
            "Deletes the keys that match a pattern, some at a time, while others go on.",
        ),
    cmd("DUMP", 2, &[key(RO_ACCESS)], READ, dump::dump).work(work::all).tips(NONDETERMINISTIC).doc(
        "2.6.0",
        "O(1) to access the key and additional O(N*M) to serialize it, where N is the \
         number of objects composing the value and M their average size. For small string \
         values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
        "key",
        "Returns the value of a key in the format of Redis, for RESTORE.",
    ),
    cmd("EXISTS", -2, &[keys_to_end(1, RO)], READ | FAST, keys::exists).tips(SUM_OF_SHARDS).doc(
        "1.0.0",
        "O(N) where N is the number of keys",
        "key [key ...]",
        "Counts how many of the keys exist; one named twice counts twice.",
    ),
    cmd("EXPIRE", -3, &[key(RW_UPDATE)], WRITE | FAST, expire::expire).doc(
        "1.0.0",
        "O(1)",
        EXPIRE_OPTIONS_SECONDS,
        "Lets a key expire after some seconds.",
    ),
    cmd("EXPIREAT", -3, &[key(RW_UPDATE)], WRITE | FAST, expire::expireat).doc(
        "1.2.0",
        "O(1)",
        "key unix-time-seconds [NX | XX | GT | LT]",
        "Lets a key expire at a time, given in Unix seconds.",
    ),
    cmd("EXPIRETIME", 2, &[key(RO_ACCESS)], READ | FAST, expire::expiretime).doc(
        "7.0.0",
        "O(1)",
        "key",
        "Tells when a key expires, in Unix seconds.",
    ),
    cmd("KEYS", 2, &[], READ, scan::keys)
        .work(scan::keys_work)
        .categories(&["dangerous"])
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .doc(
            "1.0.0",
            "O(N) where N is the number of keys in the database",
            "pattern",
            "Returns all keys that match a pattern.",
        ),
    cmd("MOVE", 3, &[key(RW_ACCESS_UPDATE)], WRITE | FAST, keys::move_)
        .declaring(keys::declare_move)
        .doc("1.0.0", "O(1)", "key db", "Moves a key to another database."),
    family("OBJECT", -2, 0, object::SUBCOMMANDS).doc(
        "2.2.3",
        "Depends on subcommand.",
        "",
        "Tells how keys are kept.",
    ),
    cmd("PERSIST", 2, &[key(RW_UPDATE)], WRITE | FAST, expire::persist).doc(
        "2.2.0",
        "O(1)",
        "key",
        "Removes the expiry time of a key.",
    ),
    cmd("PEXPIRE", -3, &[key(RW_UPDATE)], WRITE | FAST, expire::pexpire).doc(
        "2.6.0",
        "O(1)",
        "key milliseconds [NX | XX | GT | LT]",
        "Lets a key expire after some milliseconds.",
    ),
    cmd("PEXPIREAT", -3, &[key(RW_UPDATE)], WRITE | FAST, expire::pexpireat).doc(
        "2.6.0",
        "O(1)",
        "key unix-time-milliseconds [NX | XX | GT | LT]",
        "Lets a key expire at a time, given in Unix milliseconds.",
    ),
    cmd("PEXPIRETIME", 2, &[key(RO_ACCESS)], READ | FAST, expire::pexpiretime).doc(
        "7.0.0",
        "O(1)",
        "key",
        "Tells when a key expires, in Unix milliseconds.",
    ),
    cmd("PTTL", 2, &[key(RO_ACCESS)], READ | FAST, expire::pttl).tips(NONDETERMINISTIC).doc(
        "2.6.0",
        "O(1)",
        "key",
        "Tells how many milliseconds a key has left.",
    ),
    cmd("RANDOMKEY", 1, &[], READ | TOUCHES_ARBITRARY_KEYS, scan::randomkey)
        .tips(&["request_policy:all_shards", "nondeterministic_output"])
        .doc("1.0.0", "O(1)", "", "Returns some key of the database."),
    cmd("RENAME", 3, &[key(RW.and(ACCESS).and(DELETE)), key_at(2, OW_UPDATE)], WRITE, keys::rename)
        .doc("1.0.0", "O(1)", "key newkey", "Renames a key; whatever had the new name is gone."),
    cmd(
        "RENAMENX",
        3,
        &[key(RW.and(ACCESS).and(DELETE)), key_at(2, crate::exec::keyspec::OW.and(INSERT))],
        WRITE | FAST,
        keys::renamenx,
    )
    .doc("1.0.0", "O(1)", "key newkey", "Renames a key, if the new name is free."),
    cmd("RESTORE", -4, &[key(OW_UPDATE)], WRITE | DENY_OOM, dump::restore)
        .work(dump::restore_work)
        .categories(&["dangerous"])
        .doc(
            "2.6.0",
            "O(1) to create the new key and additional O(N*M) to reconstruct the serialized \
             value, where N is the number of objects composing the value and M their average \
             size. For small string values the time complexity is thus O(1)+O(1*M) where M is \
             small, so simply O(1). However for sorted set values the complexity is \
             O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
            "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            "Creates a key with a value that DUMP returned.",
        ),
    cmd("SCAN", -2, &[], READ | TOUCHES_ARBITRARY_KEYS, scan::scan)
        .work(scan::scan_work)
        .tips(&["nondeterministic_output", "request_policy:special"])
        .doc(
            "2.8.0",
            "O(1) for every call. O(N) for a complete iteration, including enough command calls \
             for the cursor to return back to 0. N is the number of elements inside the \
             collection.",
            "cursor [MATCH pattern] [COUNT count] [TYPE type]",
            "Returns the keys of the database piece by piece.",
        ),
    cmd(
        "SORT",
        -2,
        &[key(RO_ACCESS), unknown(RO_ACCESS), unknown(OW_UPDATE)],
        WRITE | DENY_OOM,
        sort::sort,
    )
    .work(sort::work)
    .finding(sort::find_keys)
    .categories(SORTED)
    .doc(
        "1.0.0",
        SORT_COMPLEXITY,
        "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] \
         [ALPHA] [STORE destination]",
        "Sorts the elements of a list, a set or a sorted set, by themselves or by other \
         keys, and returns or stores them or what other keys hold for them.",
    ),
    cmd("SORT_RO", -2, &[key(RO_ACCESS), unknown(RO_ACCESS)], READ, sort::sort_ro)
        .work(sort::work)
        .categories(SORTED)
        .doc(
            "7.0.0",
            SORT_COMPLEXITY,
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] \
             [ALPHA]",
            "Returns the elements of a list, a set or a sorted set in an order, or what other \
             keys hold for them.",
        ),
    cmd("TOUCH", -2, &[keys_to_end(1, RO)], READ | FAST, keys::touch).tips(SUM_OF_SHARDS).doc(
        "3.2.1",
        "O(N) where N is the number of keys",
        "key [key ...]",
        "Marks keys as used just now and counts how many exist.",
    ),
    cmd("TTL", 2, &[key(RO_ACCESS)], READ | FAST, expire::ttl).tips(NONDETERMINISTIC).doc(
        "1.0.0",
        "O(1)",
        "key",
        "Tells how many seconds a key has left.",
    ),
    cmd("TYPE", 2, &[key(RO)], READ | FAST, keys::type_).doc(
        "1.0.0",
        "O(1)",
        "key",
        "Tells the type of the value at a key.",
    ),
    cmd("UNLINK", -2, &[keys_to_end(1, RM.and(DELETE))], WRITE | FAST, keys::del)
        .tips(SUM_OF_SHARDS)
        .doc(
            "4.0.0",
            "O(1) for each key removed, and a background thread frees the memory",
            "key [key ...]",
            "Deletes keys and frees their memory in the background, as DEL does here too.",
        ),
    cmd("WAITAOF", 4, &[], BLOCKING, waitaof::waitaof).categories(&["connection"]).doc(
        "7.2.0",
        "O(1)",
        "numlocal numreplicas timeout",
        "Waits until this client's changes are durable.",
    ),
];
