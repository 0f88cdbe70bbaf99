//! The grammar of floating-point text, as C's `strtod` and `strtold` accept it in the "C" locale.
//!
//! One scanner serves both number formats of the store (64-bit doubles for scores, 80-bit
//! extended for `INCRBYFLOAT`); it says what was written, and the formats round it.
//! Redis refuses some of what C accepts (blanks around the number, NaN in every spelling, text
//! after the number), so the scanner refuses it too.
//!
//! ```text
//! number  = [ "+" | "-" ] ( "inf" | "infinity" | decimal | hex )        letters in any case
//! decimal = digits [ "." [ digits ] ] [ "e" [ sign ] digits ]   or   "." digits [ exponent ]
//! hex     = "0x" hexdigits [ "." [ hexdigits ] ] [ "p" [ sign ] digits ]   or   "0x." hexdigits ...
//! ```

/// A number as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FloatText<'a> {
    pub negative: bool,
    pub magnitude: Magnitude<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Magnitude<'a> {
    Infinite,
    Decimal(Decimal<'a>),
    Hex(Binary),
}

/// `whole.fraction × 10^exponent`; both parts hold ASCII digits only and one of them may be empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    pub whole: &'a [u8],
    pub fraction: &'a [u8],
    pub exponent: i64,
}

/// `mantissa × 2^exponent`. Digits beyond what 128 bits hold are folded into the lowest bit
/// ("jamming"): it is one whenever something non-zero was dropped, which is all that rounding to a
/// much shorter mantissa needs to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Binary {
    pub mantissa: u128,
    pub exponent: i64,
}

/// Exponents are clamped here: far outside of every format, and far from overflow of `i64`.
const EXPONENT_MAX: i64 = 1 << 40;

/// Reads the whole of `text` as one number; `None` when it is not one, or is NaN.
pub(super) fn scan(text: &[u8]) -> Option<FloatText<'_>> {
    let (negative, unsigned) = split_sign(text);
    let magnitude =
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            Magnitude::Infinite
        } else if let [b'0', b'x' | b'X', digits @ ..] = unsigned {
            Magnitude::Hex(scan_hex(digits)?)
        } else {
            Magnitude::Decimal(scan_decimal(unsigned)?)
        };
    Some(FloatText { negative, magnitude })
}

fn scan_decimal(text: &[u8]) -> Option<Decimal<'_>> {
    let (whole, fraction, rest) = split_point(text, u8::is_ascii_digit)?;
    Some(Decimal { whole, fraction, exponent: scan_exponent(rest, b'e')? })
}

fn scan_hex(text: &[u8]) -> Option<Binary> {
    let (whole, fraction, rest) = split_point(text, u8::is_ascii_hexdigit)?;
    let mut mantissa: u128 = 0;
    let mut exponent = scan_exponent(rest, b'p')?;
    for (digit, is_fraction) in
        whole.iter().map(|d| (*d, false)).chain(fraction.iter().map(|d| (*d, true)))
    {
        let digit = char::from(digit).to_digit(16).expect("only hex digits were split off");
        if mantissa >> 124 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
            exponent -= if is_fraction { 4 } else { 0 };
        } else {
            mantissa |= u128::from(digit != 0);
            exponent += if is_fraction { 0 } else { 4 };
        }
    }
    Some(Binary { mantissa, exponent })
}

/// Splits `digits[.digits]rest`; `None` without any digit.
fn split_point(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<(&[u8], &[u8], &[u8])> {
    let (whole, rest) = split_digits(text, is_digit);
    let (fraction, rest) = match rest {
        [b'.', after @ ..] => split_digits(after, is_digit),
        _ => (&rest[..0], rest),
    };
    (whole.len() + fraction.len() > 0).then_some((whole, fraction, rest))
}

/// An empty `text` is exponent 0; otherwise `marker`, an optional sign and digits up to the end.
fn scan_exponent(text: &[u8], marker: u8) -> Option<i64> {
    let Some((first, rest)) = text.split_first() else {
        return Some(0);
    };
    let (negative, digits) = split_sign(rest);
    if !first.eq_ignore_ascii_case(&marker)
        || digits.is_empty()
        || !digits.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let magnitude = digits
        .iter()
        .fold(0, |sum: i64, digit| (sum * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
    Some(if negative { -magnitude } else { magnitude })
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn split_digits(text: &[u8], is_digit: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Option<(u128, i64)> {
        match scan(text.as_bytes())?.magnitude {
            Magnitude::Hex(binary) => Some((binary.mantissa, binary.exponent)),
            other => panic!("{text} was read as {other:?}"),
        }
    }

    #[test]
    fn decimal_parts_are_split() {
        let text = scan(b"-12.50E+3").unwrap();
        assert!(text.negative);
        assert_eq!(
            text.magnitude,
            Magnitude::Decimal(Decimal { whole: b"12", fraction: b"50", exponent: 3 })
        );
    }

    #[test]
    fn what_strtod_would_leave_over_is_refused() {
        for text in [
            "", "+", ".", "e5", "1e", "1e+", "1x", " 1", "1 ", "0x", "0x.p1", "0x1p", "nan", "in",
            "--1",
        ] {
            assert_eq!(scan(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(scan(b"1\0"), None);
    }

    #[test]
    fn one_side_of_the_point_may_be_empty() {
        assert!(scan(b".5").is_some());
        assert!(scan(b"5.").is_some());
        assert_eq!(hex("0x.8p1"), Some((8, -3)));
        assert_eq!(hex("0X1F"), Some((31, 0)));
    }

    #[test]
    fn hex_digits_beyond_the_mantissa_leave_a_trace() {
        let long = format!("0x1{}1", "0".repeat(40));
        let (mantissa, exponent) = hex(&long).unwrap();
        assert_eq!(mantissa, 1 << 124 | 1);
        assert_eq!(exponent, 40);
        assert_eq!(hex("0x0.0001"), Some((1, -16)));
    }

    #[test]
    fn huge_exponents_are_clamped() {
        let text = format!("1e{}", "9".repeat(100));
        let Magnitude::Decimal(decimal) = scan(text.as_bytes()).unwrap().magnitude else {
            panic!("not a decimal");
        };
        assert_eq!(decimal.exponent, EXPONENT_MAX);
    }
}
