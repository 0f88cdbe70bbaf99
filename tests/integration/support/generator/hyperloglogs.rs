//! Commands on HyperLogLogs.

use super::{Generator, Group};
use sanderling::value::hyperloglog;

pub(super) const GROUP: Group = Group {
    keys: &[b"hll1", b"hll2", b"hll3"],
    templates: &[
        "append K R",
        "get K",
        "pfadd K",
        "pfadd K E",
        "pfadd K E E E",
        "pfadd K E E E E E E E E E E",
        "pfadd K E E E E E E E E E E",
        "pfadd K E E E E E E E E E E",
        "pfcount K",
        "pfcount K",
        "pfcount K K",
        "pfcount K K K",
        "pfdebug decode K",
        "pfdebug encoding K",
        "pfdebug getreg K",
        "pfdebug todense K",
        "pfmerge K",
        "pfmerge K K",
        "pfmerge K K K",
        "set K H",
        "setrange K Q R",
    ],
    word,
};

/// `E`: an element, `H`: a whole HyperLogLog, `Q`: a place in its header or behind it, `R`: a byte for it.
fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    match placeholder {
        "E" => Some(generator.below(4_000).to_string().into()),
        "H" => Some(whole(generator)),
        "Q" => Some(generator.pick(&["4", "5", "8", "15", "15", "16", "17", "30"]).into()),
        "R" => Some(
            generator.pick(&[&b"\0"[..], b"\x01", b"\x7f", b"\x80", b"\x84", b"\xff", b"?"]).into(),
        ),
        _ => None,
    }
}

/// One with some elements; with many it is dense.
fn whole(generator: &mut Generator) -> Vec<u8> {
    let mut bytes = hyperloglog::empty();
    let elements = generator.pick(&[0, 1, 30, 500, 3_000]);
    for _ in 0..elements {
        let element = generator.below(4_000).to_string();
        hyperloglog::add(&mut bytes, element.as_bytes(), 3_000).expect("it is sound");
    }
    bytes
}
