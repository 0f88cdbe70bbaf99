//! The count that registers stand for: the improved estimator of Otmar Ertl, "New cardinality estimation
//! algorithms for HyperLogLog sketches" (arXiv:1702.01284), algorithm 6. It needs only how many registers
//! have each value, and neither tables nor different formulas for small and large counts.

use super::{REGISTERS, TAIL_BITS, dense};

/// How many registers have each value.
pub(super) type Histogram = [u64; dense::VALUE_MAX as usize + 1];

/// 1 / (2 ln 2)
const ALPHA: f64 = 0.721_347_520_444_481_7;

pub(super) fn count(histogram: &Histogram) -> u64 {
    let m = REGISTERS as f64;
    let value_max = TAIL_BITS as usize + 1;
    let mut z = m * tau((m - histogram[value_max] as f64) / m);
    for value in (1..value_max).rev() {
        z = (z + histogram[value] as f64) * 0.5;
    }
    z += m * sigma(histogram[0] as f64 / m);
    let count = (ALPHA * m * m / z).round();
    // No elements lead to such registers. The result is the one that Redis has on common machines.
    if count < i64::MAX as f64 { count as u64 } else { i64::MIN as u64 }
}

/// x + Σ x^(2^k) 2^(k-1) over k from 1
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// (1 - x - Σ (1 - x^(2^-k))² 2^-k over k from 1) / 3
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: usize) -> i64 {
        let mut histogram = [0; 64];
        histogram[value] = REGISTERS as u64;
        count(&histogram) as i64
    }

    #[test]
    fn equal_registers_give_what_redis_gives() {
        assert_eq!(of(0), 0);
        assert_eq!(of(1), 23637);
        assert_eq!(of(10), 12102203);
        assert_eq!(of(32), 50760319129350);
        assert_eq!(of(49), 6653256548922161152);
        for beyond in [50, 51, 52, 63] {
            assert_eq!(of(beyond), i64::MIN);
        }
    }
}
