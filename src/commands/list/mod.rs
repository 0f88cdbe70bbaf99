//! Lists: push and pop at both ends, move between lists, reach into the middle, and wait for elements.

mod ends;
mod middle;
mod moving;
mod waiting;

use crate::commands::shared::encodings::list_limits;
use crate::exec::keyspec::{
    ACCESS, DELETE, INSERT, KeyFlags, RO, RO_ACCESS, RW, UPDATE, key, key_at, keys_before_timeout,
    keys_numbered,
};
use crate::exec::spec::{BLOCKING, DENY_OOM, FAST, READ, WRITE};
use crate::exec::{Args, CommandError, Context, Spec, cmd, work};
use crate::store::{EventKind, event};
use crate::value::list::{End, ListLimits};

const INTO: KeyFlags = RW.and(INSERT);
const OUT_OF: KeyFlags = RW.and(ACCESS).and(DELETE);

const PER_PUSHED: &str = "O(N) where N is the number of elements added";
const PER_POPPED: &str = "O(N) where N is the number of elements returned";
const PER_KEYS_AND_POPPED: &str =
    "O(N+M) where N is the number of keys and M the number of elements returned";
const PER_WALKED: &str =
    "O(N) where N is the number of elements up to the one in question, from the nearer end";
const PER_LENGTH: &str = "O(N) where N is the length of the list";

pub static COMMANDS: &[Spec] = &[
    cmd("BLMOVE", 6, &[key(OUT_OF), key_at(2, INTO)], WRITE | DENY_OOM | BLOCKING, moving::blmove)
        .doc(
            "6.2.0",
            "O(1)",
            "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
            "Moves an element from one list to another; waits for one if there is none.",
        ),
    cmd("BLMPOP", -5, &[keys_numbered(2, OUT_OF)], WRITE | BLOCKING, waiting::blmpop).doc(
        "7.0.0",
        PER_KEYS_AND_POPPED,
        "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        "Takes elements from the first list that has some; waits for them if none has.",
    ),
    cmd("BLPOP", -3, &[keys_before_timeout(OUT_OF)], WRITE | BLOCKING, waiting::blpop).doc(
        "2.0.0",
        "O(N) where N is the number of keys",
        "key [key ...] timeout",
        "Takes the first element of the first list that has one; waits for it if none has.",
    ),
    cmd("BRPOP", -3, &[keys_before_timeout(OUT_OF)], WRITE | BLOCKING, waiting::brpop).doc(
        "2.0.0",
        "O(N) where N is the number of keys",
        "key [key ...] timeout",
        "Takes the last element of the first list that has one; waits for it if none has.",
    ),
    cmd(
        "BRPOPLPUSH",
        4,
        &[key(OUT_OF), key_at(2, INTO)],
        WRITE | DENY_OOM | BLOCKING,
        moving::brpoplpush,
    )
    .doc(
        "2.2.0",
        "O(1)",
        "source destination timeout",
        "Moves the last element of a list to the front of another; waits for one if there \
         is none.",
    )
    .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    cmd("LINDEX", 3, &[key(RO_ACCESS)], READ, middle::lindex).doc(
        "1.0.0",
        PER_WALKED,
        "key index",
        "Returns the element at an index, which counts from the end if negative.",
    ),
    cmd("LINSERT", 5, &[key(INTO)], WRITE | DENY_OOM, middle::linsert).work(work::all).doc(
        "2.2.0",
        "O(N) where N is the number of elements up to the pivot",
        "key <BEFORE | AFTER> pivot element",
        "Inserts an element before or behind the first one that equals the pivot.",
    ),
    cmd("LLEN", 2, &[key(RO)], READ | FAST, ends::llen).doc(
        "1.0.0",
        "O(1)",
        "key",
        "Returns the length of a list.",
    ),
    cmd("LMOVE", 5, &[key(OUT_OF), key_at(2, INTO)], WRITE | DENY_OOM, moving::lmove).doc(
        "6.2.0",
        "O(1)",
        "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
        "Moves an element from one list to another.",
    ),
    cmd("LMPOP", -4, &[keys_numbered(1, OUT_OF)], WRITE, ends::lmpop).work(work::count_option).doc(
        "7.0.0",
        PER_KEYS_AND_POPPED,
        "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        "Takes elements from the first list that has some.",
    ),
    cmd("LPOP", -2, &[key(OUT_OF)], WRITE | FAST, ends::lpop).work(work::counted).doc(
        "1.0.0",
        PER_POPPED,
        "key [count]",
        "Takes the first elements of a list.",
    ),
    cmd("LPOS", -3, &[key(RO_ACCESS)], READ, middle::lpos).work(middle::lpos_work).doc(
        "6.0.6",
        "O(N) where N is the number of elements compared",
        "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
        "Returns the indexes of elements that equal a value.",
    ),
    cmd("LPUSH", -3, &[key(INTO)], WRITE | DENY_OOM | FAST, ends::lpush).doc(
        "1.0.0",
        PER_PUSHED,
        "key element [element ...]",
        "Adds elements at the front of a list, one after the other; creates the key if \
         there is none.",
    ),
    cmd("LPUSHX", -3, &[key(INTO)], WRITE | DENY_OOM | FAST, ends::lpushx).doc(
        "2.2.0",
        PER_PUSHED,
        "key element [element ...]",
        "Adds elements at the front of a list, if the key exists.",
    ),
    cmd("LRANGE", 4, &[key(RO_ACCESS)], READ, middle::lrange).work(middle::lrange_work).doc(
        "1.0.0",
        "O(S+N) where S is the distance of the start from the nearer end and N the number \
         of elements returned",
        "key start stop",
        "Returns the elements between two indexes, which count from the end if negative.",
    ),
    cmd("LREM", 4, &[key(RW.and(DELETE))], WRITE, middle::lrem).work(work::all).doc(
        "1.0.0",
        PER_LENGTH,
        "key count element",
        "Removes elements that equal a value: so many from the front, from the end if \
         negative, all if 0.",
    ),
    cmd("LSET", 4, &[key(RW.and(UPDATE))], WRITE | DENY_OOM, middle::lset).doc(
        "1.0.0",
        PER_WALKED,
        "key index element",
        "Exchanges the element at an index.",
    ),
    cmd("LTRIM", 4, &[key(RW.and(DELETE))], WRITE, middle::ltrim).work(middle::ltrim_work).doc(
        "1.0.0",
        "O(N) where N is the number of elements removed",
        "key start stop",
        "Removes all elements but those between two indexes.",
    ),
    cmd("RPOP", -2, &[key(OUT_OF)], WRITE | FAST, ends::rpop).work(work::counted).doc(
        "1.0.0",
        PER_POPPED,
        "key [count]",
        "Takes the last elements of a list.",
    ),
    cmd("RPOPLPUSH", 3, &[key(OUT_OF), key_at(2, INTO)], WRITE | DENY_OOM, moving::rpoplpush)
        .doc(
            "1.2.0",
            "O(1)",
            "source destination",
            "Moves the last element of a list to the front of another.",
        )
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
    cmd("RPUSH", -3, &[key(INTO)], WRITE | DENY_OOM | FAST, ends::rpush).doc(
        "1.0.0",
        PER_PUSHED,
        "key element [element ...]",
        "Adds elements at the end of a list; creates the key if there is none.",
    ),
    cmd("RPUSHX", -3, &[key(INTO)], WRITE | DENY_OOM | FAST, ends::rpushx).doc(
        "2.2.0",
        PER_PUSHED,
        "key element [element ...]",
        "Adds elements at the end of a list, if the key exists.",
    ),
];

/// How large blocks of lists may be at the moment.
fn limits(ctx: &Context<'_>) -> ListLimits {
    list_limits(&ctx.engine.config)
}

/// `LEFT` or `RIGHT`
fn parse_end(args: &mut Args<'_>) -> Result<End, CommandError> {
    args.choice(&[(end_name(End::Left), End::Left), (end_name(End::Right), End::Right)])
}

fn end_name(end: End) -> &'static str {
    match end {
        End::Left => "LEFT",
        End::Right => "RIGHT",
    }
}

/// The event of adding at an end.
fn push_event(end: End) -> EventKind {
    match end {
        End::Left => event::LPUSH,
        End::Right => event::RPUSH,
    }
}

/// The event of taking from an end.
fn pop_event(end: End) -> EventKind {
    match end {
        End::Left => event::LPOP,
        End::Right => event::RPOP,
    }
}

/// The command that takes from an end without waiting.
fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPOP",
        End::Right => b"RPOP",
    }
}
