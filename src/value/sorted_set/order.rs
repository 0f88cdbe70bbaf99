//! The order of members: by score, then by bytes; and scores as bytes that sort like numbers.

use std::cmp::Ordering;

/// Bytes of a score as a key.
pub(super) const SCORE: usize = 8;

/// The order of a sorted set. Zeros of either sign are equal.
pub(super) fn compare(a: (&[u8], f64), b: (&[u8], f64)) -> Ordering {
    let by_score = a.1.partial_cmp(&b.1).expect("scores are not NaN");
    by_score.then_with(|| a.0.cmp(b.0))
}

/// Eight bytes that are ordered like scores. Positive numbers get the highest bit and so come behind
/// negative ones, all of whose bits are turned over, because they grow downwards.
pub(super) fn score_key(score: f64) -> [u8; SCORE] {
    // Adding zero turns a negative zero into a positive one.
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    ordered.to_be_bytes()
}

/// The score whose key this is.
pub(super) fn score_of_key(key: [u8; SCORE]) -> f64 {
    let ordered = u64::from_be_bytes(key);
    let bits = if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered };
    f64::from_bits(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zeros_of_either_sign_are_one_key() {
        assert_eq!(score_key(0.0), score_key(-0.0));
        assert!(score_of_key(score_key(-0.0)).is_sign_positive());
    }

    proptest! {
        #[test]
        fn keys_sort_like_scores_and_read_back(a: f64, b: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(score_key(a).cmp(&score_key(b)), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(score_of_key(score_key(a)), a);
        }
    }
}
