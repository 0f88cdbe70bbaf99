//! The whole of a HyperLogLog: encodings against each other, counts against the truth, damage.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const SPARSE_MAX: usize = 3000;

fn with(elements: impl Iterator<Item = u64>, sparse_max: usize) -> Vec<u8> {
    let mut bytes = empty();
    elements.for_each(|element| {
        add(&mut bytes, &element.to_le_bytes(), sparse_max).unwrap();
    });
    bytes
}

#[test]
fn an_empty_one_has_a_header_and_one_run() {
    assert_eq!(empty(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    assert_eq!(count(&empty()), Ok(0));
    assert_eq!(cached_count(&empty()), Some(0));
}

#[test]
fn it_becomes_dense_when_runs_take_too_much() {
    let bytes = with(0..300, SPARSE_MAX);
    assert_eq!(check(&bytes), Ok(Encoding::Sparse));
    let bytes = with(0..5000, SPARSE_MAX);
    assert_eq!(check(&bytes), Ok(Encoding::Dense));
    assert_eq!(with(0..1, 0).len(), dense::TOTAL);
}

#[test]
fn the_cache_is_valid_until_something_changes() {
    let mut bytes = with(0..10, SPARSE_MAX);
    assert_eq!(cached_count(&bytes), None);
    cache_count(&mut bytes, 10);
    assert_eq!(cached_count(&bytes), Some(10));
    assert_eq!(add(&mut bytes, &0_u64.to_le_bytes(), SPARSE_MAX), Ok(false));
    assert_eq!(cached_count(&bytes), Some(10));
    assert_eq!(add(&mut bytes, b"new", SPARSE_MAX), Ok(true));
    assert_eq!(cached_count(&bytes), None);
}

/// Each of many independent estimates is off by some percent; how much on average is what the number of
/// registers promises, and on the whole they are not biased. Few elements are counted more exactly.
#[test]
fn the_standard_error_is_that_of_16384_registers() {
    const TRIALS: u64 = 300;
    for (elements, expected) in
        [(1_000, 0.0045..0.0062), (20_000, 0.005..0.007), (200_000, 0.0075..0.0088)]
    {
        let errors: Vec<f64> = (0..TRIALS).map(|seed| relative_error(seed, elements)).collect();
        let mean = errors.iter().sum::<f64>() / TRIALS as f64;
        let standard = (errors.iter().map(|it| it * it).sum::<f64>() / TRIALS as f64).sqrt();
        let figures = format!(
            "{elements} elements: standard error {:.3} %, bias {:.3} %",
            standard * 100.0,
            mean * 100.0
        );
        assert!(expected.contains(&standard) && mean.abs() < 0.0015, "{figures}");
        println!("{figures}");
    }
}

fn relative_error(seed: u64, elements: u64) -> f64 {
    let mut bytes = empty();
    make_dense(&mut bytes).unwrap();
    for number in 0..elements {
        let element = (seed << 32 | number).to_le_bytes();
        let (index, value) = place(hash::murmur64a(&element));
        dense::raise(&mut bytes[HEADER..], index, value);
    }
    count(&bytes).unwrap() as f64 / elements as f64 - 1.0
}

proptest! {
    #[test]
    fn both_encodings_and_merging_agree(
        ours in vec(0u64..5_000, 0..600), theirs in vec(0u64..5_000, 0..600), sparse_max in 18usize..3_000,
    ) {
        let sparse = with(ours.iter().copied(), SPARSE_MAX * 10);
        let mixed = with(ours.iter().copied(), sparse_max);
        let mut packed = sparse.clone();
        make_dense(&mut packed).unwrap();
        prop_assert_eq!(count(&sparse), count(&packed));
        prop_assert_eq!(count(&mixed), count(&packed));
        let [mut from_sparse, mut from_dense] = [(); 2].map(|()| Registers::default());
        from_sparse.merge(&mixed).unwrap();
        from_dense.merge(&packed).unwrap();
        prop_assert_eq!(&from_sparse, &from_dense);
        let other = with(theirs.iter().copied(), sparse_max);
        from_dense.merge(&other).unwrap();
        let both = with(ours.iter().chain(&theirs).copied(), SPARSE_MAX);
        prop_assert_eq!(Ok(from_dense.count()), count(&both));
        let mut target = mixed;
        absorb(&mut target, &from_dense, false, SPARSE_MAX).unwrap();
        prop_assert_eq!(count(&target), count(&both));
        prop_assert_eq!(cached_count(&target), None);
    }

    #[test]
    fn damaged_bytes_are_refused_or_used_but_never_a_panic(
        elements in vec(any::<u64>(), 0..200),
        dense in prop::bool::weighted(0.2),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in 0usize..40,
        more in vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = with(elements.into_iter(), if dense { 0 } else { SPARSE_MAX });
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        bytes.extend(more);
        let mut registers = Registers::default();
        let merged = registers.merge(&bytes);
        prop_assert_eq!(merged.is_ok(), count(&bytes).is_ok());
        if check(&bytes).is_ok() {
            cached_count(&bytes);
            describe(&bytes);
            for element in 0_u8..50 {
                let _ = add(&mut bytes, &[element], SPARSE_MAX);
                let _ = absorb(&mut bytes.clone(), &registers, element == 0, SPARSE_MAX);
            }
            let _ = make_dense(&mut bytes);
        }
    }
}
