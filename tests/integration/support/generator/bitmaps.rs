//! Commands on bitmaps.

use super::{Generator, Group};

pub(super) const GROUP: Group = Group {
    keys: &[b"bits1", b"bits2", b"bits3"],
    templates: &[
        "bitcount K",
        "bitcount K J J",
        "bitcount K J J byte",
        "bitcount K J J bit",
        "bitfield K",
        "bitfield K get T O",
        "bitfield K get T O get T O",
        "bitfield K incrby T O N",
        "bitfield K incrby T O N overflow sat incrby T O N",
        "bitfield K overflow OF incrby T O N",
        "bitfield K overflow OF incrby T O N get T O",
        "bitfield K overflow OF set T O N",
        "bitfield K overflow fail incrby T O N set T O N overflow OF incrby T O N",
        "bitfield K set T O N",
        "bitfield_ro K get T O",
        "bitfield_ro K get T O overflow OF get T O",
        "bitop and K K K",
        "bitop not K K",
        "bitop or K K K K",
        "bitop xor K K K",
        "bitpos K B",
        "bitpos K B J",
        "bitpos K B J J",
        "bitpos K B J J byte",
        "bitpos K B J J bit",
        "getbit K O",
        "set K V",
        "set K N",
        "setbit K O B",
        "setbit K O B",
        "setbit K O B",
        "setrange K B V",
    ],
    word,
};

const TYPES: &[&str] = &[
    "u1", "u2", "u8", "u16", "u31", "u63", "i1", "i5", "i8", "i16", "i33", "i63", "i64", "u64",
    "i65", "u0", "x8", "8", "I8", "",
];
const OFFSETS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "8",
    "9",
    "15",
    "16",
    "40",
    "63",
    "100",
    "#0",
    "#1",
    "#2",
    "#3",
    "#7",
    "-1",
    "#-1",
    "4294967296",
    "99999999999",
    "#",
    "x",
    "",
];

const PLACES: &[&str] =
    &["0", "1", "2", "5", "-1", "-2", "-5", "8", "17", "30", "100", "-100", "9999999999"];

/// `T`: type of a field, `O`: offset, `B`: a bit, `J`: a place that is a number, `OF`: what to do when a number does not fit.
fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    let words = match placeholder {
        "T" => TYPES,
        "O" => OFFSETS,
        "B" => &["0", "1", "0", "1", "0", "1", "2", "-1", "x"],
        "J" => PLACES,
        "OF" => &["wrap", "SAT", "fail", "Fail", "none"],
        _ => return None,
    };
    Some(generator.pick(words).into())
}
