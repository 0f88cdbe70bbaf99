//! Registers written as runs of equal values:
//!
//! ```text
//! 00xxxxxx            x+1 registers of 0 (up to 64)
//! 01xxxxxx yyyyyyyy   xy+1 registers of 0 (up to 16384), x being the high bits
//! 1vvvvvxx            x+1 registers of v+1 (up to 4, up to 32)
//! ```
//!
//! Raising a register splits the run that covers it into at most three, and then joins neighbours that
//! became equal. The steps are those of Redis, because the bytes that result depend on them.

use super::estimate::Histogram;
use super::{HEADER, REGISTERS, Unusable, dense};

const ZEROS_MAX: usize = 64;
const LONG_ZEROS_MAX: usize = 16384;
const VALUE_MAX: u8 = 32;
const VALUES_MAX: usize = 4;
/// How many runs from the one before a change are looked at for joining.
const JOINED_MAX: usize = 5;

const _: () = assert!(LONG_ZEROS_MAX == REGISTERS);

/// Some registers of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub value: u8,
    pub len: usize,
    /// Takes one byte or two.
    pub bytes: usize,
}

impl Run {
    /// The run that is written at the beginning. The second byte of a long one that is cut off counts as 0.
    fn read(bytes: &[u8]) -> Run {
        let first = bytes[0];
        let low = usize::from(first & 0x3f);
        match first >> 6 {
            0 => Run { value: 0, len: low + 1, bytes: 1 },
            1 => {
                let second = usize::from(bytes.get(1).copied().unwrap_or(0));
                Run { value: 0, len: (low << 8 | second) + 1, bytes: 2 }
            }
            _ => Run { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, bytes: 1 },
        }
    }

    fn is_value(&self) -> bool {
        self.value > 0
    }
}

/// All runs with their places.
pub(super) fn runs(bytes: &[u8]) -> impl Iterator<Item = (usize, Run)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let run = Run::read(bytes.get(at..).filter(|rest| !rest.is_empty())?);
        at += run.bytes;
        Some((at - run.bytes, run))
    })
}

/// Appends a run of up to 16384 registers of 0; none if `len` is 0.
pub(super) fn push_zeros(out: &mut Vec<u8>, len: usize) {
    match len {
        0 => {}
        1..=ZEROS_MAX => out.push(len as u8 - 1),
        _ => out.extend_from_slice(&[0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]),
    }
}

fn value_byte(value: u8, len: usize) -> u8 {
    debug_assert!((1..=VALUE_MAX).contains(&value) && (1..=VALUES_MAX).contains(&len));
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// Appends a run of up to four registers of a value, which may be 0; none if `len` is 0.
fn push_run(out: &mut Vec<u8>, value: u8, len: usize) {
    if value == 0 {
        push_zeros(out, len);
    } else if len > 0 {
        out.push(value_byte(value, len));
    }
}

/// How many registers have each value; `None` if there are not as many as there must be.
pub(super) fn histogram(bytes: &[u8]) -> Option<Histogram> {
    let mut histogram: Histogram = [0; dense::VALUE_MAX as usize + 1];
    let mut total = 0;
    for (_, run) in runs(bytes) {
        histogram[usize::from(run.value)] += run.len as u64;
        total += run.len;
    }
    (total == REGISTERS).then_some(histogram)
}

/// The runs of a sparse HyperLogLog for people: `z:` zeros, `Z:` zeros in two bytes, `v:` value and length.
pub fn describe(bytes: &[u8]) -> String {
    let words = runs(&bytes[HEADER..]).map(|(_, run)| match (run.value, run.bytes) {
        (0, 1) => format!("z:{}", run.len),
        (0, _) => format!("Z:{}", run.len),
        (value, _) => format!("v:{value},{}", run.len),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What became of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    Unchanged,
    Changed,
    /// The value is too large for a run, or the runs for `bytes_max`; nothing was done.
    DoesNotFit,
}

/// The run that covers a register.
struct Found {
    at: usize,
    /// Where the run before it begins, or this one if it is the first.
    before: usize,
    /// The first register that it covers.
    first: usize,
    run: Run,
}

fn find(bytes: &[u8], index: usize) -> Option<Found> {
    let (mut first, mut before) = (0, HEADER);
    for (at, run) in runs(&bytes[HEADER..]) {
        let at = HEADER + at;
        if index < first + run.len {
            return Some(Found { at, before, first, run });
        }
        before = at;
        first += run.len;
    }
    None
}

/// Sets a register to a value if it is less, in a HyperLogLog of at most `bytes_max` bytes.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    bytes_max: usize,
) -> Result<Raised, Unusable> {
    if value > VALUE_MAX {
        return Ok(Raised::DoesNotFit);
    }
    let Found { at, before, first, run } = find(bytes, index).ok_or(Unusable::Corrupted)?;
    if run.value >= value {
        return Ok(Raised::Unchanged);
    }
    let mut parts = Vec::with_capacity(5);
    push_run(&mut parts, run.value, index - first);
    push_run(&mut parts, value, 1);
    push_run(&mut parts, run.value, first + run.len - 1 - index);
    let len = bytes.len() + parts.len() - run.bytes;
    if parts.len() > run.bytes && len > bytes_max {
        return Ok(Raised::DoesNotFit);
    }
    bytes.splice(at..(at + run.bytes).min(bytes.len()), parts);
    // More only if the last run was cut off.
    bytes.truncate(len);
    join(bytes, before);
    Ok(Raised::Changed)
}

/// Joins neighbouring runs of the same value, from the run at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_MAX {
        if at >= bytes.len() {
            return;
        }
        let run = Run::read(&bytes[at..]);
        let next = bytes.get(at + 1..).filter(|rest| run.is_value() && !rest.is_empty());
        match next.map(Run::read) {
            Some(next) if next.value == run.value && run.len + next.len <= VALUES_MAX => {
                bytes[at] = value_byte(run.value, run.len + next.len);
                bytes.remove(at + 1);
            }
            _ => at += run.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::hyperloglog::empty;

    fn raised(registers: &[(usize, u8)]) -> String {
        let mut bytes = empty();
        for (index, value) in registers {
            raise(&mut bytes, *index, *value, 3000).unwrap();
        }
        assert_eq!(histogram(&bytes[HEADER..]).map(|it| it.iter().sum()), Some(REGISTERS as u64));
        describe(&bytes)
    }

    #[test]
    fn raising_splits_runs_and_joins_equal_neighbours() {
        assert_eq!(raised(&[]), "Z:16384");
        assert_eq!(raised(&[(0, 1)]), "v:1,1 Z:16383");
        assert_eq!(raised(&[(16383, 32)]), "Z:16383 v:32,1");
        assert_eq!(raised(&[(10, 3), (11, 3), (9, 3)]), "z:9 v:3,3 Z:16372");
        assert_eq!(raised(&[(64, 1), (65, 1), (66, 1), (65, 2)]), "z:64 v:1,1 v:2,1 v:1,1 Z:16317");
        assert_eq!(raised(&[(65, 1), (0, 2), (0, 1)]), "v:2,1 z:64 v:1,1 Z:16318");
    }

    #[test]
    fn what_does_not_fit_is_left_as_it_was() {
        let mut bytes = empty();
        assert_eq!(raise(&mut bytes, 5, 33, 3000), Ok(Raised::DoesNotFit));
        assert_eq!(raise(&mut bytes, 5, 1, bytes_after(2)), Ok(Raised::DoesNotFit));
        assert_eq!(bytes, empty());
        assert_eq!(raise(&mut bytes, 5, 1, bytes_after(4)), Ok(Raised::Changed));
        assert_eq!(raise(&mut bytes, 5, 1, 0), Ok(Raised::Unchanged));
        assert_eq!(raise(&mut bytes, 5, 2, 0), Ok(Raised::Changed));
    }

    fn bytes_after(runs: usize) -> usize {
        HEADER + runs
    }

    #[test]
    fn runs_that_end_early_cover_no_more() {
        let mut bytes = empty();
        bytes[HEADER..].copy_from_slice(&[0x7f, 0xfe]);
        assert_eq!(raise(&mut bytes, 16383, 1, 3000), Err(Unusable::Corrupted));
        assert_eq!(histogram(&bytes[HEADER..]), None);
        bytes.truncate(HEADER);
        assert_eq!(raise(&mut bytes, 0, 1, 3000), Err(Unusable::Corrupted));
    }
}
