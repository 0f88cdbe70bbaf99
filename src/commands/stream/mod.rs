//! Streams: entries in the order of their IDs, and groups of consumers.
//!
//! What depends on the moment is logged as what came of it: the ID that `XADD` chose, the length that an
//! approximate trimming left, and for deliveries `XCLAIM` with the time and the number of deliveries, as
//! Redis propagates them.

mod add;
mod args;
mod claim;
mod group;
mod info;
mod pending;
mod range;
mod read;
mod read_args;
mod record;
mod reply;

use crate::exec::keyspec::{
    ACCESS, Begin, DELETE, Find, INSERT, KeySpec, RO, RO_ACCESS, RW, RW_UPDATE, key, key_at,
};
use crate::exec::spec::{BLOCKING, DENY_OOM, FAST, LOADING, NONE, READ, STALE, WRITE};
use crate::exec::{Spec, cmd, family};

use add::{xadd, xdel, xsetid, xtrim};
use claim::{xautoclaim, xclaim};
use group::{
    xack, xgroup_create, xgroup_createconsumer, xgroup_delconsumer, xgroup_destroy, xgroup_help,
    xgroup_setid,
};
use info::{xinfo_consumers, xinfo_groups, xinfo_help, xinfo_stream};
use pending::xpending;
use range::{xlen, xrange, xrevrange};
use read::{xread, xreadgroup};
use read_args::declare_streams;

/// Keys behind the word `STREAMS`, as many as IDs.
const fn streams(from: i32) -> KeySpec {
    KeySpec {
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        flags: RO_ACCESS,
    }
}

const UNSTEADY: &[&str] = &["nondeterministic_output"];

pub static COMMANDS: &[Spec] = &[
    cmd("XACK", -4, &[key(RW_UPDATE)], WRITE | FAST, xack).doc(
        "5.0.0",
        "O(1) for each ID",
        "key group id [id ...]",
        "Acknowledges entries: they are not pending in the group any more.",
    ),
    cmd("XADD", -5, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, xadd).tips(UNSTEADY).doc(
        "5.0.0",
        "O(1), and O(N) for trimming where N is the number of entries that go",
        "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field \
         value [field value ...]",
        "Adds an entry to a stream; creates the key if there is none.",
    ),
    cmd("XAUTOCLAIM", -6, &[key(RW.and(DELETE))], WRITE | FAST, xautoclaim)
        .work(claim::xautoclaim_work)
        .tips(UNSTEADY)
        .doc(
            "6.2.0",
            "O(1) if the count is small",
            "key group consumer min-idle-time start [COUNT count] [JUSTID]",
            "Hands pending entries that have been idle for long over to another consumer, batch \
             by batch.",
        ),
    cmd("XCLAIM", -6, &[key(RW_UPDATE)], WRITE | FAST, xclaim).tips(UNSTEADY).doc(
        "5.0.0",
        "O(log N) where N is the number of pending entries of the group",
        "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME \
         unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
        "Hands pending entries over to another consumer.",
    ),
    cmd("XDEL", -3, &[key(RW.and(DELETE))], WRITE | FAST, xdel).doc(
        "5.0.0",
        "O(log N) for each ID where N is the number of entries",
        "key id [id ...]",
        "Deletes entries by their IDs.",
    ),
    family("XGROUP", -2, NONE, XGROUP).doc(
        "5.0.0",
        "Depends on subcommand.",
        "",
        "Manages groups of consumers.",
    ),
    family("XINFO", -2, NONE, XINFO).doc(
        "5.0.0",
        "Depends on subcommand.",
        "",
        "Shows what a stream consists of.",
    ),
    cmd("XLEN", 2, &[key(RO)], READ | FAST, xlen).doc(
        "5.0.0",
        "O(1)",
        "key",
        "Counts the entries of a stream.",
    ),
    cmd("XPENDING", -3, &[key(RO_ACCESS)], READ, xpending)
        .work(pending::xpending_work)
        .tips(UNSTEADY)
        .doc(
            "5.0.0",
            "O(N) where N is the number of entries returned, or looked at with IDLE; for the \
             summary, the number of consumers",
            "key group [[IDLE min-idle-time] start end count [consumer]]",
            "Shows what was delivered in a group and not acknowledged.",
        ),
    cmd("XRANGE", -4, &[key(RO_ACCESS)], READ, xrange).work(range::xrange_work).doc(
        "5.0.0",
        "O(log N + M) where N is the number of entries and M that of those returned",
        "key start end [COUNT count]",
        "Returns the entries with IDs in a range.",
    ),
    cmd("XREAD", -4, &[streams(1)], BLOCKING | READ, xread)
        .work(read::xread_work)
        .declaring(declare_streams)
        .doc(
            "5.0.0",
            "O(log N + M) for each stream where M is the number of entries returned",
            "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
            "Returns the entries of several streams behind given IDs; may wait for some.",
        ),
    cmd("XREADGROUP", -7, &[streams(4)], BLOCKING | WRITE, xreadgroup)
        .declaring(declare_streams)
        .doc(
            "5.0.0",
            "O(M log N) for each stream where M is the number of entries returned",
            "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key \
             ...] id [id ...]",
            "Returns entries that nobody in the group got yet, or what the consumer has \
             pending; may wait.",
        ),
    cmd("XREVRANGE", -4, &[key(RO_ACCESS)], READ, xrevrange).work(range::xrevrange_work).doc(
        "5.0.0",
        "O(log N + M) where N is the number of entries and M that of those returned",
        "key end start [COUNT count]",
        "Returns the entries with IDs in a range, the last one first.",
    ),
    cmd("XSETID", -3, &[key(RW_UPDATE)], WRITE | DENY_OOM | FAST, xsetid).doc(
        "5.0.0",
        "O(1)",
        "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
        "Sets what a stream remembers of its history; meant for the server's own use.",
    ),
    cmd("XTRIM", -4, &[key(RW.and(DELETE))], WRITE, xtrim)
        .work(add::xtrim_work)
        .tips(UNSTEADY)
        .doc(
            "5.0.0",
            "O(N) where N is the number of entries that go",
            "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
            "Removes the oldest entries of a stream.",
        ),
];

static XGROUP: &[Spec] = &[
    cmd("XGROUP CREATE", -5, &[key_at(2, RW.and(INSERT))], WRITE | DENY_OOM, xgroup_create).doc(
        "5.0.0",
        "O(1)",
        "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
        "Creates a group that has read up to an ID; the stream too, if told to.",
    ),
    cmd(
        "XGROUP CREATECONSUMER",
        5,
        &[key_at(2, RW.and(INSERT))],
        WRITE | DENY_OOM,
        xgroup_createconsumer,
    )
    .doc("6.2.0", "O(1)", "key group consumer", "Creates a consumer."),
    cmd("XGROUP DELCONSUMER", 5, &[key_at(2, RW.and(DELETE))], WRITE, xgroup_delconsumer)
        .work(group::xgroup_delconsumer_work)
        .doc(
            "5.0.0",
            "O(N) where N is the number of entries pending with the consumer",
            "key group consumer",
            "Removes a consumer and all that is pending with it.",
        ),
    cmd("XGROUP DESTROY", 4, &[key_at(2, RW.and(DELETE))], WRITE, xgroup_destroy).doc(
        "5.0.0",
        "O(N) where N is the number of pending entries of the group",
        "key group",
        "Removes a group.",
    ),
    cmd("XGROUP HELP", 2, &[], LOADING | STALE, xgroup_help).categories(&["stream"]).doc(
        "5.0.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
    cmd("XGROUP SETID", -5, &[key_at(2, RW_UPDATE)], WRITE, xgroup_setid).doc(
        "5.0.0",
        "O(1)",
        "key group <id | $> [ENTRIESREAD entries-read]",
        "Sets the ID up to which a group has read.",
    ),
];

static XINFO: &[Spec] = &[
    cmd("XINFO CONSUMERS", 4, &[key_at(2, RO.and(ACCESS))], READ, xinfo_consumers)
        .work(info::xinfo_consumers_work)
        .tips(UNSTEADY)
        .doc(
            "5.0.0",
            "O(N) where N is the number of consumers",
            "key group",
            "Shows the consumers of a group.",
        ),
    cmd("XINFO GROUPS", 3, &[key_at(2, RO.and(ACCESS))], READ, xinfo_groups)
        .work(info::xinfo_groups_work)
        .doc(
            "5.0.0",
            "O(N) where N is the number of groups",
            "key",
            "Shows the groups of a stream.",
        ),
    cmd("XINFO HELP", 2, &[], LOADING | STALE, xinfo_help).categories(&["stream"]).doc(
        "5.0.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
    cmd("XINFO STREAM", -3, &[key_at(2, RO.and(ACCESS))], READ, xinfo_stream)
        .work(info::xinfo_stream_work)
        .doc(
            "5.0.0",
            "O(1), and O(N) with FULL where N is the number of entries shown",
            "key [FULL [COUNT count]]",
            "Shows figures of a stream, with FULL also entries, groups and what is pending.",
        ),
];
