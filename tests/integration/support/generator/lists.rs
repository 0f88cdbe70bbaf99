//! Commands on lists. Those that wait are left out: the clock stands still, so they would wait for ever.

use super::{Generator, Group};

/// Ranks and counts. The smallest integer is not among them: Redis 7.0 takes it, 7.2 does not.
const COUNTS: &[&str] = &["0", "1", "2", "-1", "-2", "5", "-300", "9223372036854775807", "x", ""];

/// Values that fill a block, or are too long for any.
const LENGTHS: &[usize] = &[100, 3_000, 3_000, 9_000];

fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    match placeholder {
        "C" => Some(generator.pick(COUNTS).into()),
        "L" => Some(vec![b'x'; generator.pick(LENGTHS)]),
        "E" => Some(generator.pick(&["left", "right", "LEFT", "RIGHT"]).into()),
        _ => None,
    }
}

pub(super) const GROUP: Group = Group {
    keys: &[b"list1", b"list2", b"list3"],
    templates: &[
        "lindex K I",
        "linsert K before V V",
        "linsert K after N L",
        "linsert K after V N",
        "llen K",
        "lmove K K E E",
        "lmove K K E E",
        "lmpop 1 K E",
        "lmpop 2 K K E count C",
        "lpop K",
        "lpop K C",
        "lpos K V",
        "lpos K V rank C",
        "lpos K N rank C count C",
        "lpos K V maxlen C count C",
        "lpush K V",
        "lpush K N V V",
        "lpush K L",
        "lpushx K V N",
        "lrange K I I",
        "lrange K 0 -1",
        "lrem K C V",
        "lrem K C N",
        "lset K I V",
        "lset K I N",
        "lset K I L",
        "ltrim K I I",
        "ltrim K 1 -2",
        "rpop K",
        "rpop K C",
        "rpoplpush K K",
        "rpush K V",
        "rpush K N N V V",
        "rpush K L N L",
        "rpushx K V",
    ],
    word,
};
