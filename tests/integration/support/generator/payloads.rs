//! `DUMP`, and `RESTORE` of payloads of every type that Redis 7.0 reads.

use super::{Generator, Group};
use crate::support::payloads::{COMMON_MAX, PAYLOADS};

/// `Y`: a payload, sound or not.
fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    let count = PAYLOADS.iter().filter(|payload| payload[0] <= COMMON_MAX).count();
    let payload = generator.pick(&PAYLOADS[..count]);
    match placeholder {
        "Y" if generator.below(20) == 0 => Some(payload[1..].to_vec()),
        "Y" => Some(payload.to_vec()),
        _ => None,
    }
}

pub(super) const GROUP: Group = Group {
    keys: &[],
    templates: &[
        "dump K",
        "restore K 0 Y",
        "restore K 0 Y replace",
        "restore K M Y replace",
        "restore K X Y absttl replace",
        "restore K 0 Y replace idletime 7",
        "restore K 0 Y freq 7",
        "restore K 0 Y idletime 7 freq 7",
        "restore K 0 Y absttl get",
        "restore K -1 Y replace",
        "restore K F Y replace",
    ],
    word,
};
