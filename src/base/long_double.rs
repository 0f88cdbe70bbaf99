//! The x87 80-bit extended number, for `INCRBYFLOAT` and `HINCRBYFLOAT`.
//!
//! Redis adds there in C's `long double` and prints 17 decimals. On x86 that is a number with a
//! 64-bit mantissa and a 15-bit exponent, and its rounding shows in the last digits. To agree with
//! Redis everywhere, whatever the machine, this module does the same arithmetic with integers:
//!
//! - **value** = ± mantissa × 2^exponent, the mantissa's top bit set unless the exponent is the
//!   smallest (denormal). Every result is exact before one rounding to nearest, ties to even.
//! - **parse** rounds the exact decimal. Short ones fit into 128-bit integers; long ones and large
//!   exponents take the road through big integers.
//! - **add** aligns the mantissas in 128 bits with 62 guard bits. What is shifted out below them
//!   leaves its trace in the lowest bit, which is enough for a correct rounding.
//! - **write** scales by 10^17 and rounds, exactly as `printf("%.17Lf")` does, then drops trailing
//!   zeros. Only numbers from 2^128 on need a big integer.

use std::ops::Add;

use num_bigint::BigUint;

use super::float_text::{self, Binary, Decimal, Magnitude};
use super::number::shift_right_to_even;

/// Redis copies the text into a buffer of this size, with a terminator, before it reads it.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

const MANTISSA_BITS: i64 = 64;
/// The exponent of the lowest mantissa bit of denormals and of the smallest normal numbers.
const EXPONENT_MIN: i64 = -16445;
/// Finite numbers are below 2 to this.
const TOP_MAX: i64 = 16384;

const DECIMALS: usize = 17;
const SCALE: u128 = 10u128.pow(DECIMALS as u32);

/// An extended number. See the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Extended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extended {
    Finite { mantissa: u64, exponent: i64 },
    Infinite,
    Nan,
}

const ZERO: Extended = Extended::Finite { mantissa: 0, exponent: EXPONENT_MIN };

impl LongDouble {
    /// Reads a decimal, hexadecimal or infinite number as C's `strtold` does.
    ///
    /// `None` for NaN, blanks, 5120 bytes and more, and for what overflows to infinity or
    /// underflows to zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let number = float_text::scan(text)?;
        let magnitude = match number.magnitude {
            Magnitude::Infinite => Extended::Infinite,
            Magnitude::Decimal(decimal) => round_decimal(&decimal)?,
            Magnitude::Hex(Binary { mantissa: 0, .. }) => ZERO,
            Magnitude::Hex(binary) => {
                Some(round(binary.mantissa, binary.exponent)).filter(is_in_range)?
            }
        };
        Some(Self { negative: number.negative, magnitude })
    }

    /// Whether a command must refuse this result.
    pub fn is_nan_or_infinite(&self) -> bool {
        !matches!(self.magnitude, Extended::Finite { .. })
    }

    /// The number times `factor`, rounded to an extended number and then up to an integer. What is
    /// smaller than the smallest integer comes back as that; `None` for what is larger than the largest.
    pub fn times_rounded_up(&self, factor: u32) -> Option<i64> {
        let product = match self.magnitude {
            Extended::Finite { mantissa: 1.., .. } if factor == 0 => ZERO,
            Extended::Finite { mantissa: mantissa @ 1.., exponent } => {
                round(u128::from(mantissa) * u128::from(factor), exponent)
            }
            other => other,
        };
        let Extended::Finite { mantissa, exponent } = product else {
            return self.negative.then_some(i64::MIN);
        };
        let magnitude = u128::from(mantissa);
        let (whole, has_fraction) = match exponent {
            64.. if mantissa > 0 => (u128::MAX, false),
            0.. => (magnitude << exponent.min(64), false),
            -64..0 => (magnitude >> -exponent, magnitude & ((1 << -exponent) - 1) != 0),
            _ => (0, mantissa > 0),
        };
        if self.negative {
            return Some(i64::try_from(whole).map_or(i64::MIN, |whole| -whole));
        }
        i64::try_from(whole.saturating_add(u128::from(has_fraction))).ok()
    }

    /// Appends up to 17 decimals, without trailing zeros and without an exponent: `3`, `0.1`,
    /// `-1.5`. What rounds to zero is `0`, whatever its sign.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.magnitude {
            Extended::Nan => out.extend_from_slice(b"nan"),
            Extended::Infinite => {
                out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            }
            Extended::Finite { mantissa, exponent: exponent @ 0.. } => {
                self.write_sign(out);
                let whole = BigUint::from(mantissa) << exponent as u64;
                out.extend_from_slice(whole.to_string().as_bytes());
            }
            Extended::Finite { mantissa, exponent } => {
                self.write_scaled(
                    shift_right_to_even(u128::from(mantissa) * SCALE, -exponent),
                    out,
                );
            }
        }
    }

    fn write_scaled(&self, scaled: u128, out: &mut Vec<u8>) {
        if scaled == 0 {
            out.push(b'0');
            return;
        }
        self.write_sign(out);
        out.extend_from_slice(itoa::Buffer::new().format(scaled / SCALE).as_bytes());
        let mut fraction = scaled % SCALE;
        if fraction == 0 {
            return;
        }
        let mut digits = [b'0'; DECIMALS];
        for digit in digits.iter_mut().rev() {
            *digit += (fraction % 10) as u8;
            fraction /= 10;
        }
        let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        out.push(b'.');
        out.extend_from_slice(&digits[..kept]);
    }

    fn write_sign(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
    }
}

impl From<i64> for LongDouble {
    /// Exact: 64 bits fit the mantissa.
    fn from(number: i64) -> Self {
        let magnitude = match number.unsigned_abs() {
            0 => ZERO,
            mantissa => round(u128::from(mantissa), 0),
        };
        Self { negative: number < 0, magnitude }
    }
}

impl Add for LongDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        use Extended::{Finite, Infinite, Nan};
        let agree = self.negative == other.negative;
        match (self.magnitude, other.magnitude) {
            (Nan, _) | (_, Nan) => Self { negative: false, magnitude: Nan },
            (Infinite, Infinite) if !agree => Self { negative: false, magnitude: Nan },
            (Infinite, _) => self,
            (_, Infinite) => other,
            (Finite { mantissa: 0, .. }, Finite { mantissa: 0, .. }) => {
                Self { negative: self.negative && other.negative, magnitude: ZERO }
            }
            (_, Finite { mantissa: 0, .. }) => self,
            (Finite { mantissa: 0, .. }, _) => other,
            (
                Finite { mantissa: a, exponent: a_exponent },
                Finite { mantissa: b, exponent: b_exponent },
            ) => {
                // Normalised numbers compare by exponent first.
                if (a_exponent, a) >= (b_exponent, b) {
                    let magnitude = add_aligned((a, a_exponent), (b, b_exponent), agree);
                    Self { negative: self.negative && magnitude != ZERO, magnitude }
                } else {
                    let magnitude = add_aligned((b, b_exponent), (a, a_exponent), agree);
                    Self { negative: other.negative && magnitude != ZERO, magnitude }
                }
            }
        }
    }
}

/// Adds (or subtracts, when the signs do not agree) the smaller magnitude to the larger.
fn add_aligned(large: (u64, i64), small: (u64, i64), agree: bool) -> Extended {
    const GUARD_BITS_MAX: i64 = 62;
    let distance = large.1 - small.1;
    let guard = distance.min(GUARD_BITS_MAX);
    let high = u128::from(large.0) << guard;
    let low = shift_right_jamming(small.0, distance - guard);
    let sum = if agree { high + low } else { high - low };
    if sum == 0 { ZERO } else { round(sum, large.1 - guard) }
}

/// `mantissa / 2^shift`; the lowest bit of the result is one if a bit that was one is lost.
fn shift_right_jamming(mantissa: u64, shift: i64) -> u128 {
    let kept = if shift < 64 { mantissa >> shift } else { 0 };
    let is_exact = shift < 64 && kept << shift == mantissa;
    u128::from(kept) | u128::from(!is_exact)
}

/// Rounds `mantissa × 2^exponent`, which is not zero, to nearest, ties to even.
///
/// A mantissa with a jammed lowest bit must have at least 66 bits, so that this bit is rounded off.
fn round(mantissa: u128, exponent: i64) -> Extended {
    debug_assert!(mantissa != 0);
    let top = exponent + i64::from(128 - mantissa.leading_zeros());
    let mut lowest = (top - MANTISSA_BITS).max(EXPONENT_MIN);
    let mut rounded = shift_right_to_even(mantissa, lowest - exponent);
    if rounded >> MANTISSA_BITS != 0 {
        rounded >>= 1;
        lowest += 1;
    }
    if lowest + MANTISSA_BITS > TOP_MAX {
        return Extended::Infinite;
    }
    let mantissa = u64::try_from(rounded).expect("rounded to 64 bits");
    Extended::Finite { mantissa, exponent: lowest }
}

/// Whether a number that was written as neither zero nor infinite has become neither.
fn is_in_range(magnitude: &Extended) -> bool {
    matches!(magnitude, Extended::Finite { mantissa: 1.., .. })
}

fn round_decimal(decimal: &Decimal<'_>) -> Option<Extended> {
    let all = decimal.whole.iter().chain(decimal.fraction).copied();
    let mut digits: Vec<u8> = all.skip_while(|digit| *digit == b'0').collect();
    let mut exponent = decimal.exponent - decimal.fraction.len() as i64;
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    if digits.is_empty() {
        return Some(ZERO);
    }
    let magnitude = match round_short(&digits, exponent) {
        Some(magnitude) => magnitude,
        None => round_long(&digits, exponent)?,
    };
    Some(magnitude).filter(is_in_range)
}

/// Rounds `digits × 10^exponent` when that is possible in 128-bit integers.
fn round_short(digits: &[u8], exponent: i64) -> Option<Extended> {
    if digits.len() > 19 || !(-18..=19).contains(&exponent) {
        return None;
    }
    let number = digits.iter().fold(0, |sum: u128, digit| sum * 10 + u128::from(digit - b'0'));
    let power = 10u128.pow(exponent.unsigned_abs() as u32);
    if exponent >= 0 {
        return Some(round(number * power, 0)); // below 10^38
    }
    let shift = number.leading_zeros();
    let scaled = number << shift;
    // The divisor has at most 60 bits, so the quotient has at least 67.
    let quotient = (scaled / power) | u128::from(!scaled.is_multiple_of(power));
    Some(round(quotient, -i64::from(shift)))
}

/// Rounds `digits × 10^exponent` in big integers; `None` if it is far out of range.
fn round_long(digits: &[u8], exponent: i64) -> Option<Extended> {
    // The largest number is about 1.19×10^4932, half of the smallest 1.8×10^-4951.
    let top = exponent + digits.len() as i64; // between 10^(top-1) and 10^top
    if !(-4950..=4933).contains(&top) {
        return None;
    }
    let number = BigUint::parse_bytes(digits, 10).expect("only digits");
    let power = BigUint::from(10u8).pow(exponent.unsigned_abs() as u32);
    let (mut dividend, mut divisor) =
        if exponent >= 0 { (number * power, BigUint::from(1u8)) } else { (number, power) };
    // A quotient of 127 or 128 bits.
    let shift = 127 + divisor.bits() as i64 - dividend.bits() as i64;
    if shift >= 0 {
        dividend <<= shift as u64;
    } else {
        divisor <<= shift.unsigned_abs();
    }
    let quotient = &dividend / &divisor;
    let is_exact = &quotient * &divisor == dividend;
    let quotient = u128::try_from(quotient).expect("the shift was chosen for 128 bits");
    Some(round(quotient | u128::from(!is_exact), -shift))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> LongDouble {
        LongDouble::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} is refused"))
    }

    fn printed(number: LongDouble) -> String {
        let mut out = Vec::new();
        number.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Sums as `redis-server` on x86-64 prints them.
    #[test]
    fn sums_agree_with_redis() {
        for (a, b, sum) in SUMS {
            assert_eq!(printed(parse(a) + parse(b)), *sum, "{a} + {b}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for text in [
            "1e4933",
            "1.2e4932",
            "-1e5000",
            "1e-4951",
            "1e-99999999999999999999",
            "0x1p16384",
            "0x1p-16446",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
        }
        for text in ["1.18e4932", "3.7e-4951", "0x1p-16445", "0e99999", "0x0p99999"] {
            assert!(LongDouble::parse(text.as_bytes()).is_some(), "{text}");
        }
        assert!(LongDouble::parse(&[b'1'; TEXT_BYTES_MAX]).is_none(), "it overflows");
        assert!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX]).is_some());
        assert!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX + 1]).is_none());
        for text in ["", " 1", "1 ", "nan", "1.5x", "0x"] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn products_are_rounded_up_to_integers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("0.1", Some(100)),
            ("0.07", Some(70)),
            ("1.0000001", Some(1001)),
            ("1e-4900", Some(1)),
            ("-1.9999", Some(-1999)),
            ("-0.0001", Some(0)),
            ("9223372036854775.807", Some(i64::MAX)),
            ("9223372036854775.808", None),
            ("1e30", None),
            ("inf", None),
            ("-1e30", Some(i64::MIN)),
            ("-inf", Some(i64::MIN)),
        ] {
            assert_eq!(parse(text).times_rounded_up(1000), expected, "{text}");
        }
    }

    #[test]
    fn infinities_are_read_and_reported() {
        assert!(parse("inf").is_nan_or_infinite());
        assert!((parse("inf") + parse("-Infinity")).is_nan_or_infinite());
        assert!((parse("1.18e4932") + parse("1.18e4932")).is_nan_or_infinite());
        assert!(!parse("1.18e4932").is_nan_or_infinite());
        assert_eq!(printed(parse("-inf") + parse("1")), "-inf");
    }

    #[test]
    fn a_jammed_bit_breaks_the_tie() {
        // 2^64 + 1 is a tie between two extended numbers; the smallest bit above it is not.
        assert_eq!(printed(parse("18446744073709551616") + parse("1")), "18446744073709551616");
        assert_eq!(printed(parse("18446744073709551617.0000001")), "18446744073709551618");
        let below_one = parse("1") + parse("-1e-4000");
        assert_eq!(printed(below_one), "1");
        assert_eq!(below_one, parse("1"));
    }

    proptest! {
        #[test]
        fn integers_are_exact(a in -(1i64 << 61)..1 << 61, b in -(1i64 << 61)..1 << 61) {
            prop_assert_eq!(printed(LongDouble::from(a)), a.to_string());
            prop_assert_eq!(LongDouble::from(a), parse(&a.to_string()));
            prop_assert_eq!(printed(LongDouble::from(a) + LongDouble::from(b)), (a + b).to_string());
        }

        #[test]
        fn addition_commutes(a in "-?[0-9]{1,20}\\.[0-9]{0,20}(e-?[0-9]{1,3})?", b in "-?[0-9]{1,20}(e-?[0-9]{1,4})?") {
            if let (Some(a), Some(b)) = (LongDouble::parse(a.as_bytes()), LongDouble::parse(b.as_bytes())) {
                prop_assert_eq!(a + b, b + a);
            }
        }

        #[test]
        fn a_number_minus_itself_is_zero(text in "[1-9][0-9]{0,25}(\\.[0-9]{1,25})?(e-?[0-9]{1,3})?") {
            let sum = parse(&text) + parse(&format!("-{text}"));
            prop_assert_eq!(printed(sum), "0");
        }

        #[test]
        fn short_and_long_roads_of_parsing_agree(digits in "[1-9][0-9]{0,18}", exponent in -18i64..=19) {
            let short = round_short(digits.as_bytes(), exponent).unwrap();
            prop_assert_eq!(round_long(digits.as_bytes(), exponent), Some(short));
        }

        #[test]
        fn hex_and_decimal_spellings_agree(mantissa: u64, exponent in 0u32..60) {
            let decimal = (u128::from(mantissa) << exponent).to_string();
            prop_assert_eq!(parse(&format!("{mantissa:#x}p{exponent}")), parse(&decimal));
        }
    }

    const SUMS: &[(&str, &str, &str)] = &[
        ("0.1", "0.2", "0.3"),
        ("10.5", "0.1", "10.6"),
        ("5.0e3", "-5000", "0"),
        ("-1.5", "+.5", "-1"),
        ("5.", "1E2", "105"),
        ("0x1.8p3", "0x.1", "12.0625"),
        ("0x1.ffffffffffffffffp0", "0", "2"),
        ("-0", "0", "0"),
        ("0", "-1e-18", "0"),
        ("1", "1e-18", "1"),
        ("1", "0.00000000000000001", "1.00000000000000001"),
        ("5e-18", "0", "0"),
        ("15e-18", "0", "0.00000000000000002"),
        ("25e-18", "0", "0.00000000000000002"),
        ("1e-4950", "1e-4950", "0"),
        ("2.675", "0.005", "2.68"),
        ("123456789.123456789", "987654321.987654321", "1111111111.11111110995989293"),
        (
            "3.141592653589793238462643383279502884197",
            "2.718281828459045235360287471352662497757",
            "5.85987448204883847",
        ),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("18446744073709551617", "0", "18446744073709551616"),
        ("18446744073709551618", "1", "18446744073709551620"),
        ("1e20", "0.1", "100000000000000000000"),
        ("99999999999999999999.99999999", "0.00000001", "100000000000000000000"),
        ("1e40", "1e21", "10000000000000000000964277712987667562496"),
        (
            "100000000000000000000000000000000000000000.5",
            "1",
            "99999999999999999996656269301985151287296",
        ),
    ];
}
