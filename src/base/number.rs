//! Numbers as Redis reads them from arguments and prints them into replies.
//!
//! Integers follow the strict form in which they are also printed, so that "is this string an
//! integer?" has one answer for arithmetic and for compact encodings. Doubles follow C's `strtod`
//! without blanks and NaN. Doubles are printed with the shortest digits that read back as the same
//! value (ryu), laid out as Redis 7.2 lays them out.
//!
//! Limit: Redis 7.2 finds the digits with Grisu2, which misses the shortest form for about one
//! random double in five hundred (it prints 17 digits where 16 are enough). The value is the same.

use std::num::FpCategory;

use super::float_text::{self, Binary, Decimal, Magnitude};

/// Reads a signed integer in canonical form: no `+`, blanks, leading zeros or `-0`.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        b"0" => Some(0),
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(parse_canonical(digits)?),
        digits => i64::try_from(parse_canonical(digits)?).ok(),
    }
}

/// Reads an unsigned integer as C's `strtoull` does, for stream IDs and cursors: a `+` and leading
/// zeros are accepted; blanks and negative numbers are not.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    fold_digits(digits)
}

/// Appends `number` in decimal.
pub fn write_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Digits that begin with 1-9.
fn parse_canonical(digits: &[u8]) -> Option<u64> {
    match digits {
        [b'1'..=b'9', ..] => fold_digits(digits),
        _ => None,
    }
}

/// One or more digits; `None` on anything else or beyond 64 bits.
fn fold_digits(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads a double: decimal, hexadecimal (`0x1.8p3`) or infinite (`inf`, `-Infinity`).
///
/// `None` for NaN, for blanks, and for what overflows to infinity or underflows to zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let number = float_text::scan(text)?;
    let magnitude = match number.magnitude {
        Magnitude::Infinite => f64::INFINITY,
        Magnitude::Decimal(decimal) => decimal_to_f64(text, &decimal)?.abs(),
        Magnitude::Hex(binary) => binary_to_f64(&binary)?,
    };
    Some(if number.negative { -magnitude } else { magnitude })
}

/// Reads a double as C's `strtod` does with a whole text: blanks in front are skipped, and what is too large
/// or too small becomes infinite or zero. A zero byte ends the text, and an empty one is zero.
///
/// `None` for NaN and for what is no number, or has something behind it.
pub fn parse_f64_loose(text: &[u8]) -> Option<f64> {
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let text = &text[start..];
    let number = float_text::scan(text)?;
    let magnitude = match number.magnitude {
        Magnitude::Infinite => f64::INFINITY,
        Magnitude::Decimal(_) => {
            let text = std::str::from_utf8(text).expect("a scanned decimal is ASCII");
            text.parse::<f64>().expect("the scanned grammar is a part of Rust's").abs()
        }
        Magnitude::Hex(binary) => {
            let beyond = if binary.exponent > 0 { f64::INFINITY } else { 0.0 };
            binary_to_f64(&binary).unwrap_or(beyond)
        }
    };
    Some(if number.negative { -magnitude } else { magnitude })
}

fn decimal_to_f64(text: &[u8], decimal: &Decimal<'_>) -> Option<f64> {
    let text = std::str::from_utf8(text).expect("a scanned decimal is ASCII");
    let value: f64 = text.parse().expect("the scanned grammar is a part of Rust's");
    let is_written_zero = decimal.whole.iter().chain(decimal.fraction).all(|digit| *digit == b'0');
    (value.is_finite() && (value != 0.0 || is_written_zero)).then_some(value)
}

/// Rounds to the nearest double, ties to even.
fn binary_to_f64(binary: &Binary) -> Option<f64> {
    const FRACTION_BITS: i64 = 52;
    const EXPONENT_MIN: i64 = -1074; // of the lowest bit of the smallest denormal
    const EXPONENT_BIAS: i64 = 1075; // of a mantissa read as an integer
    if binary.mantissa == 0 {
        return Some(0.0);
    }
    let bits = i64::from(128 - binary.mantissa.leading_zeros());
    let top = binary.exponent + bits; // the value is below 2^top
    if top > 1024 {
        return None;
    }
    let lowest = (top - 1 - FRACTION_BITS).max(EXPONENT_MIN);
    let rounded = shift_right_to_even(binary.mantissa, lowest - binary.exponent);
    if rounded == 0 {
        return None;
    }
    // A mantissa without its hidden bit is a denormal, whose biased exponent is 0. Adding instead
    // of or-ing lets a mantissa that was rounded up to the next power of two carry.
    let biased =
        if rounded >> FRACTION_BITS == 0 { 0 } else { (lowest + EXPONENT_BIAS - 1) as u64 };
    let value = f64::from_bits((biased << FRACTION_BITS) + rounded as u64);
    value.is_finite().then_some(value)
}

/// `mantissa / 2^shift`, to nearest, ties to even. A negative shift is exact.
///
/// The caller must know that the result of a negative shift fits.
pub(super) fn shift_right_to_even(mantissa: u128, shift: i64) -> u128 {
    if shift <= 0 {
        return mantissa << -shift;
    }
    if shift > 128 {
        return 0;
    }
    let half = 1u128 << (shift - 1);
    let kept = if shift == 128 { 0 } else { mantissa >> shift };
    let dropped = mantissa & (half | (half - 1));
    kept + u128::from(dropped > half || (dropped == half && kept & 1 == 1))
}

/// Appends a double as scores and RESP3 doubles are printed: `3`, `0.1`, `1e+300`, `-inf`, `nan`.
///
/// Whole numbers up to 2^62 are printed without exponent. Other numbers have their digits
/// `d₁…dₙ × 10^k` printed plainly when `0 ≤ k < 8`, with a decimal point when `-7 < k < 0` or the
/// number lies between 10^-4 and 10^4, and else as `d₁.d₂…dₙe±x`.
pub fn write_f64(out: &mut Vec<u8>, number: f64) {
    const WHOLE_MAX: f64 = (1u64 << 62) as f64;
    if number != 0.0 && number.abs() <= WHOLE_MAX && number.fract() == 0.0 {
        write_i64(out, number as i64);
    } else {
        write_f64_digits(out, number);
    }
}

/// The same without the exception for whole numbers: from 10^9 on, those that end in zeros have an exponent
/// (`1e+9`).
pub fn write_f64_digits(out: &mut Vec<u8>, number: f64) {
    if write_special(out, number) {
        return;
    }
    if number < 0.0 {
        out.push(b'-');
    }
    let mut buffer = ryu::Buffer::new();
    let (digits, count, exponent) = shortest_digits(buffer.format_finite(number.abs()));
    write_digits(out, &digits[..count], exponent);
}

/// Appends a number that has no digits, or only a zero; false if it is another.
fn write_special(out: &mut Vec<u8>, number: f64) -> bool {
    let text: &[u8] = match (number.classify(), number.is_sign_negative()) {
        (FpCategory::Nan, _) => b"nan",
        (FpCategory::Infinite, false) => b"inf",
        (FpCategory::Infinite, true) => b"-inf",
        (FpCategory::Zero, false) => b"0",
        (FpCategory::Zero, true) => b"-0",
        (FpCategory::Normal | FpCategory::Subnormal, _) => return false,
    };
    out.extend_from_slice(text);
    true
}

/// Appends a double as C's `printf("%.17g")` does: 17 digits without trailing zeros, plainly if the number
/// lies between 10^-4 and 10^17, else as `d.d…e±xx`.
pub fn write_f64_17_digits(out: &mut Vec<u8>, number: f64) {
    if write_special(out, number) {
        return;
    }
    if number < 0.0 {
        out.push(b'-');
    }
    let text = format!("{:.16e}", number.abs());
    let (mantissa, exponent) = text.split_once('e').expect("this is the format with an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is small");
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..kept];
    match exponent {
        -4..=16 if exponent + 1 >= kept as i32 => {
            out.extend_from_slice(digits);
            out.resize(out.len() + (exponent + 1) as usize - kept, b'0');
        }
        -4..=16 => write_with_point(out, digits, exponent + 1),
        _ => {
            write_with_point(out, digits, 1);
            if kept == 1 {
                out.pop();
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
        }
    }
}

/// Takes ryu's text apart: significant digits, how many, and the power of ten of the last one.
fn shortest_digits(text: &str) -> ([u8; 32], usize, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut exponent: i32 = exponent.parse().expect("ryu prints a small exponent");
    let mut digits = [0; 32];
    let mut count = 0;
    let mut after_point = false;
    for byte in mantissa.bytes() {
        if byte == b'.' {
            after_point = true;
            continue;
        }
        exponent -= i32::from(after_point);
        if byte != b'0' || count > 0 {
            digits[count] = byte;
            count += 1;
        }
    }
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
        exponent += 1;
    }
    (digits, count, exponent)
}

fn write_digits(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let count = digits.len() as i32;
    let scientific = exponent + count - 1;
    if (0..8).contains(&exponent) {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', exponent as usize));
    } else if exponent < 0 && (exponent > -7 || scientific.abs() < 4) {
        write_with_point(out, digits, count + exponent);
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if scientific < 0 { b"e-" } else { b"e+" });
        write_i64(out, i64::from(scientific.abs()));
    }
}

/// Puts the decimal point after `whole` digits; zero or less means leading zeros.
fn write_with_point(out: &mut Vec<u8>, digits: &[u8], whole: i32) {
    let (whole, zeros) = (whole.max(0) as usize, (-whole).max(0) as usize);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', zeros));
    out.extend_from_slice(&digits[whole..]);
}

/// Reads an amount of memory in bytes: digits and an optional unit in any case, `k` `m` `g` for
/// powers of 1000 and `kb` `mb` `gb` for powers of 1024, `b` for bytes.
///
/// As in Redis, no digits at all mean 0. Unlike Redis, which wraps around, what does not fit into
/// 64 bits is refused.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits_end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1000 * 1000,
        b"mb" => 1 << 20,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let count = if digits.is_empty() { 0 } else { fold_digits(digits)? };
    count.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(number: f64) -> String {
        let mut out = Vec::new();
        write_f64(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_have_one_spelling() {
        for text in ["0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808"] {
            let number = parse_i64(text.as_bytes()).unwrap();
            assert_eq!(number.to_string(), text);
        }
        for text in [
            "",
            "-",
            "+1",
            "-0",
            "01",
            "-01",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_i64(b"99999999999999999999999999999999"), None);
    }

    #[test]
    fn unsigned_integers_may_have_leading_zeros() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"007"), Some(7));
        assert_eq!(parse_u64(b"+7"), Some(7));
        for text in ["", "+", "-1", " 1", "1 ", "0x1"] {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn doubles_are_read_as_strtod_does() {
        for (text, value) in [
            ("3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1e3", 1000.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0X.8p1", -1.0),
            ("0x1p-1074", 5e-324),
            ("5e-324", 5e-324),
            ("0e999999", 0.0),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x0.fffffffffffff8p-1022", f64::MIN_POSITIVE),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse_f64(b"-0").unwrap().is_sign_negative());
    }

    #[test]
    fn doubles_out_of_range_are_refused() {
        for text in [
            "nan",
            "-nan",
            "nan(1)",
            "",
            " 1",
            "1 ",
            "1e400",
            "-1e400",
            "1e-400",
            "2e-324",
            "0x1p1024",
            "0x1p-1075",
            "0x1.fffffffffffffcp1023",
            "0x1p99999999999999999999",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_laid_out_as_redis_does() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.5, "-17.5"),
            (0.1, "0.1"),
            (3.0000000000000004, "3.0000000000000004"),
            (1e15, "1000000000000000"),
            (4611686018427387904.0, "4611686018427387904"),
            (9223372036854775808.0, "9223372036854776000"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (0.001234567890123, "0.001234567890123"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(printed(number), text);
        }
    }

    #[test]
    fn memory_units_are_powers_of_1000_or_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("", 0),
            ("100", 100),
            ("100b", 100),
            ("1k", 1000),
            ("1KB", 1024),
            ("100mb", 100 << 20),
            ("1g", 1_000_000_000),
            ("1Gb", 1 << 30),
        ] {
            assert_eq!(parse_memory(text.as_bytes()), Some(bytes), "{text:?}");
        }
        for text in ["-1", "+1", "1.5g", "1 gb", "1tb", "gbb", "20000000000gb"] {
            assert_eq!(parse_memory(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn seventeen_digits_are_printed_as_c_does() {
        for (number, text) in [
            (0.1, "0.10000000000000001"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (100.0, "100"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1e300, "1.0000000000000001e+300"),
            (12345678901234567.0, "12345678901234568"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::NEG_INFINITY, "-inf"),
            (-0.0, "-0"),
        ] {
            let mut out = Vec::new();
            write_f64_17_digits(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn whole_numbers_may_have_an_exponent_where_only_digits_count() {
        for (number, text) in [(3.0, "3"), (1e9, "1e+9"), (1.5e8, "150000000"), (-0.0, "-0")] {
            let mut out = Vec::new();
            write_f64_digits(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn loose_numbers_may_be_blank_in_front_or_out_of_range() {
        for (text, number) in [
            ("", 0.0),
            (" 1.5", 1.5),
            ("\t\x0b-2", -2.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("0x10", 16.0),
            ("0x1p5000", f64::INFINITY),
            ("-0x1p-5000", 0.0),
            ("+inf", f64::INFINITY),
            ("3\0x", 3.0),
        ] {
            assert_eq!(parse_f64_loose(text.as_bytes()), Some(number), "{text:?}");
        }
        for text in [" ", "1 ", "nan", "x", "1x", "1e", "--1", "( 1"] {
            assert_eq!(parse_f64_loose(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_reads_back(number: i64) {
            let mut out = Vec::new();
            write_i64(&mut out, number);
            prop_assert_eq!(parse_i64(&out), Some(number));
        }

        #[test]
        fn every_finite_double_reads_back(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            prop_assert_eq!(parse_f64(printed(number).as_bytes()), Some(number));
        }

        #[test]
        fn hex_and_decimal_spellings_agree(mantissa: u64, exponent in -1200i64..1100) {
            let hex = parse_f64(format!("{mantissa:#x}p{exponent}").as_bytes());
            // Scaling in two exact steps rounds at most once, when the result is not a denormal.
            let scaled = mantissa as f64 * 2f64.powi((exponent / 2) as i32)
                * 2f64.powi((exponent - exponent / 2) as i32);
            prop_assume!(scaled == 0.0 && mantissa == 0 || scaled.is_normal());
            prop_assert_eq!(hex, Some(scaled));
        }
    }
}
