//! How long a client is ready to wait: the last (or first) argument of `BLPOP`, `BZPOPMIN` and their kin.

use crate::base::long_double::LongDouble;
use crate::base::number::parse_f64_loose;
use crate::exec::CommandError;

/// The deadline in Unix milliseconds; `None` is to wait forever. The argument is a decimal number of
/// seconds; fractions of a millisecond are rounded up.
pub(super) fn parse_timeout(arg: &[u8], now_ms: i64) -> Result<Option<i64>, CommandError> {
    const NOT_A_FLOAT: CommandError =
        CommandError::text("ERR timeout is not a float or out of range");
    const NEGATIVE: CommandError = CommandError::text("ERR timeout is negative");
    const OUT_OF_RANGE: CommandError = CommandError::text("ERR timeout is out of range");
    // What is too large for a double is still a number to Redis, though it is out of range.
    let seconds = LongDouble::parse(arg).and_then(|_| parse_f64_loose(arg)).ok_or(NOT_A_FLOAT)?;
    let millis = (seconds * 1000.0).ceil();
    if millis >= i64::MAX as f64 {
        return Err(OUT_OF_RANGE);
    }
    if millis < 0.0 {
        return Err(NEGATIVE);
    }
    match millis as i64 {
        0 => Ok(None),
        millis => now_ms.checked_add(millis).map(Some).ok_or(OUT_OF_RANGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arg: &str) -> Result<Option<i64>, String> {
        parse_timeout(arg.as_bytes(), 1_000).map_err(|error| error.to_string())
    }

    #[test]
    fn seconds_become_a_deadline_and_zero_is_forever() {
        for (arg, deadline) in [
            ("0", None),
            ("0.0", None),
            ("-0", None),
            ("1", Some(2_000)),
            ("0.5", Some(1_500)),
            ("0.0001", Some(1_001)),
            ("1e3", Some(1_001_000)),
            ("0x10", Some(17_000)),
            // Rounding up makes it zero.
            ("-0.0001", None),
        ] {
            assert_eq!(parsed(arg), Ok(deadline), "{arg}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for arg in ["", "x", "1s", "nan", " 1", "1e5000"] {
            assert_eq!(parsed(arg).unwrap_err(), "ERR timeout is not a float or out of range");
        }
        for arg in ["-1", "-0.001", "-inf", "-1e300"] {
            assert_eq!(parsed(arg).unwrap_err(), "ERR timeout is negative", "{arg}");
        }
        for arg in ["inf", "1e300", "1e400", "9223372036854776", "9223372036854775.5"] {
            assert_eq!(parsed(arg).unwrap_err(), "ERR timeout is out of range", "{arg}");
        }
    }
}
