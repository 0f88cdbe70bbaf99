//! Commands on streams. IDs are explicit, because the clocks of two servers differ; so are idle times
//! either nothing or more than a test lasts.
//!
//! Redis 7.0 creates a consumer when it gets something, 7.2 when it asks. So those that are created by command
//! have names of their own.
//!
//! `T` is an ID, `R` an end of a range, `A` an ID for a new entry, `G` a group, `C` a consumer.

use super::{Generator, Group};

const IDS: &[&str] =
    &["1-1", "1-2", "2-1", "2-2", "3-0", "3-1", "3-2", "3-3", "4", "0", "5-18446744073709551615"];
const NEW_IDS: &[&str] =
    &["1-*", "1-*", "2-*", "2-*", "3-*", "3-*", "4-*", "2-2", "4-7", "0-0", "0-*", "5", "1-x", "-"];
const ENDS: &[&str] = &["-", "+", "-", "+", "2", "(2-1", "3-1", "(3-2", "(-", "(0-0", "x"];
const GROUPS: &[&str] = &["g", "g", "g", "h", ""];
const CONSUMERS: &[&str] = &["c", "c", "d", "consumer with blanks", ""];

fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    let words = match placeholder {
        "T" => IDS,
        "A" => NEW_IDS,
        "R" => ENDS,
        "G" => GROUPS,
        "C" => CONSUMERS,
        _ => return None,
    };
    Some(generator.pick(words).into())
}

pub(super) const GROUP: Group = Group {
    keys: &[b"stream1", b"stream2"],
    templates: &[
        "xadd K A f V",
        "xadd K A f V",
        "xadd K A f V",
        "xadd K 3-* f V",
        "xadd K 5-* g V f N",
        "xadd K nomkstream A f V",
        "xadd K maxlen 5 A f V g F",
        "xadd K maxlen = 8 5-* f V",
        "xadd K maxlen ~ 2 A f V",
        "xadd K maxlen ~ 2 limit 1 5-* f V",
        "xadd K minid T A f V",
        "xadd K minid ~ T 5-* f V",
        "xadd K limit I A f V",
        "xtrim K maxlen 6",
        "xtrim K maxlen = I",
        "xtrim K minid T",
        "xtrim K maxlen ~ 1",
        "xtrim K minid ~ T limit I",
        "xdel K T",
        "xdel K T T",
        "xlen K",
        "xrange K R R",
        "xrange K - + count I",
        "xrange K R R count 3",
        "xrevrange K R R",
        "xrevrange K + - count 2",
        "xsetid K 5-100",
        "xsetid K 5-100 entriesadded 50",
        "xsetid K 5-100 maxdeletedid T",
        "xsetid K 5-200 entriesadded 60 maxdeletedid T",
        "xread streams K T",
        "xread count I streams K K T T",
        "xread streams K K $ T",
        "xread streams K K K 0 >",
        "xgroup create K G T",
        "xgroup create K G $",
        "xgroup create K G 0",
        "xgroup create K G $ mkstream",
        "xgroup create K G 0 mkstream entriesread 3",
        "xgroup setid K G T",
        "xgroup setid K G $",
        "xgroup setid K G 0 entriesread 2",
        "xgroup destroy K G",
        "xgroup createconsumer K G e",
        "xgroup createconsumer K G made",
        "xgroup delconsumer K G e",
        "xgroup delconsumer K G C",
        "xreadgroup group G C streams K >",
        "xreadgroup group G C count 2 streams K >",
        "xreadgroup group G C count 1 streams K >",
        "xreadgroup group G C streams K K > >",
        "xreadgroup group G C noack count 2 streams K >",
        "xreadgroup group G C streams K T",
        "xreadgroup group G C count 2 streams K 0",
        "xreadgroup group G C streams K 1-x",
        "xreadgroup group G C streams K $",
        "xack K G T",
        "xack K G T T T",
        "xpending K G",
        "xpending K G R R I",
        "xpending K G - + 10 C",
        "xpending K G idle 0 R R 10",
        "xpending K G idle 900000000 - + 10",
        "xclaim K G C 0 T",
        "xclaim K G C 0 T T T justid",
        "xclaim K G C 900000000 T",
        "xclaim K G C 0 T force",
        "xclaim K G C 0 T T force justid retrycount 3",
        "xclaim K G C 0 T retrycount 7 idle 5",
        "xclaim K G C 0 T time 100 lastid T",
        "xautoclaim K G C 0 R",
        "xautoclaim K G C 0 0 count 2",
        "xautoclaim K G C 0 0 count 1 justid",
        "xautoclaim K G C 900000000 -",
        "xautoclaim K G C 0 T count 0",
        "xinfo stream K",
        "xinfo groups K",
        "xinfo groups K",
        "xinfo consumers nosuch G",
    ],
    word,
};
