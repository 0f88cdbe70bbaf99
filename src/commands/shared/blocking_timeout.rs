//! Until when a client is willing to wait for keys: timeouts as arguments.

use crate::base::long_double::LongDouble;
use crate::base::number::parse_i64;
use crate::exec::CommandError;

const NEGATIVE: CommandError = CommandError::text("ERR timeout is negative");
const OUT_OF_RANGE: CommandError = CommandError::text("ERR timeout is out of range");

/// The deadline, in Unix milliseconds, of a timeout in seconds with decimals. `None`: no deadline, which
/// is what 0 stands for. What is shorter than a millisecond counts as one.
pub(in crate::commands) fn deadline_of_seconds(
    arg: &[u8],
    now_ms: i64,
) -> Result<Option<i64>, CommandError> {
    let seconds = LongDouble::parse(arg)
        .ok_or(CommandError::text("ERR timeout is not a float or out of range"))?;
    deadline(seconds.times_rounded_up(1000).ok_or(OUT_OF_RANGE)?, now_ms)
}

/// The same of a timeout in whole milliseconds.
pub(in crate::commands) fn deadline_of_millis(
    arg: &[u8],
    now_ms: i64,
) -> Result<Option<i64>, CommandError> {
    let millis = parse_i64(arg)
        .ok_or(CommandError::text("ERR timeout is not an integer or out of range"))?;
    deadline(millis, now_ms)
}

fn deadline(millis: i64, now_ms: i64) -> Result<Option<i64>, CommandError> {
    match millis {
        ..0 => Err(NEGATIVE),
        0 => Ok(None),
        _ => millis.checked_add(now_ms).map(Some).ok_or(OUT_OF_RANGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_to_milliseconds() {
        let seconds = |text: &str| deadline_of_seconds(text.as_bytes(), 5_000);
        assert_eq!(seconds("1"), Ok(Some(6_000)));
        assert_eq!(seconds("0.1"), Ok(Some(5_100)));
        assert_eq!(seconds("0.0001"), Ok(Some(5_001)));
        assert_eq!(seconds("1e-4000"), Ok(Some(5_001)));
        assert_eq!(seconds("0x1p-1"), Ok(Some(5_500)));
        assert_eq!(seconds("0"), Ok(None));
        assert_eq!(seconds("-0"), Ok(None));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let seconds = |text: &str| deadline_of_seconds(text.as_bytes(), 5_000).unwrap_err();
        let no_float = CommandError::text("ERR timeout is not a float or out of range");
        assert_eq!(seconds("x"), no_float);
        assert_eq!(seconds("nan"), no_float);
        assert_eq!(seconds("-1"), NEGATIVE);
        assert_eq!(seconds("-inf"), NEGATIVE);
        assert_eq!(seconds("inf"), OUT_OF_RANGE);
        assert_eq!(seconds("1e300"), OUT_OF_RANGE);
        assert_eq!(seconds("9223372036854775.807"), OUT_OF_RANGE);
        assert_eq!(deadline_of_seconds(b"9223372036854775.807", 0), Ok(Some(i64::MAX)));
        assert_eq!(deadline_of_seconds(b"9223372036854775.808", 0), Err(OUT_OF_RANGE));
    }

    #[test]
    fn milliseconds_are_integers() {
        let no_integer = CommandError::text("ERR timeout is not an integer or out of range");
        assert_eq!(deadline_of_millis(b"10", 5_000), Ok(Some(5_010)));
        assert_eq!(deadline_of_millis(b"0", 5_000), Ok(None));
        assert_eq!(deadline_of_millis(b"-1", 5_000), Err(NEGATIVE));
        assert_eq!(deadline_of_millis(b"1.5", 5_000), Err(no_integer));
        assert_eq!(deadline_of_millis(b"9223372036854775807", 1), Err(OUT_OF_RANGE));
    }
}
