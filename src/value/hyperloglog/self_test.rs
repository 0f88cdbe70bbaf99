//! What `PFSELFTEST` runs: that packed registers do not disturb each other, that both encodings count the
//! same, and that counts are as near to the truth as they must be.

use super::{Registers, add, count, dense, empty, make_dense};
use crate::base::random::Random;

const CYCLES: usize = 1_000;
const ELEMENTS: u64 = 1_000_000;
/// One standard error.
const ERROR: f64 = 1.04 / 128.0;

/// Runs the tests; an error says which one failed. Takes some hundredths of a second.
pub fn self_test(random: &mut Random) -> Result<(), String> {
    for _ in 0..CYCLES {
        test_packing(random)?;
    }
    test_counts(random)
}

fn test_packing(random: &mut Random) -> Result<(), String> {
    let mut bytes = empty();
    make_dense(&mut bytes).expect("an empty one is sound");
    let mut expected = Registers::default().values().collect::<Vec<_>>();
    let packed = &mut bytes[super::HEADER..];
    for (index, expected) in expected.iter_mut().enumerate() {
        *expected = random.next_u64() as u8 & dense::VALUE_MAX;
        dense::raise(packed, index, *expected);
    }
    for (index, (got, expected)) in dense::groups(packed).flatten().zip(expected).enumerate() {
        if got != expected {
            return Err(format!("Register {index} should be {expected} but is {got}"));
        }
    }
    Ok(())
}

fn test_counts(random: &mut Random) -> Result<(), String> {
    let (mut sparse, mut packed) = (empty(), empty());
    make_dense(&mut packed).expect("an empty one is sound");
    let seed = random.next_u64();
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        add(&mut packed, &element, 0).expect("it is sound");
        if number <= checkpoint.min(1_000) {
            add(&mut sparse, &element, usize::MAX).expect("it is sound");
        }
        if number == checkpoint {
            check_count(number, &packed)?;
            if number <= 1_000 && count(&sparse) != count(&packed) {
                return Err("dense/sparse disagree".to_owned());
            }
            checkpoint *= 10;
        }
    }
    Ok(())
}

fn check_count(expected: u64, bytes: &[u8]) -> Result<(), String> {
    let got = count(bytes).expect("it is sound");
    let difference = expected.abs_diff(got);
    // Two of ten elements may well meet in one register.
    let allowed =
        ((6.0 * ERROR * expected as f64).ceil() as u64).max(if expected == 10 { 2 } else { 1 });
    if difference > allowed {
        return Err(format!("Too big error. card:{expected} abserr:{difference}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_test_passes_whatever_the_seed() {
        for seed in 0..5 {
            assert_eq!(self_test(&mut Random::seeded(seed)), Ok(()), "seed {seed}");
        }
    }
}
