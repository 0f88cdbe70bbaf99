//! Expiry times as arguments: relative or absolute, in seconds or milliseconds.

use crate::base::number::parse_i64;
use crate::exec::CommandError;

/// How an argument states a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    seconds: bool,
    absolute: bool,
}

impl Unit {
    pub const SECONDS: Unit = Unit { seconds: true, absolute: false };
    pub const MILLIS: Unit = Unit { seconds: false, absolute: false };
    pub const UNIX_SECONDS: Unit = Unit { seconds: true, absolute: true };
    pub const UNIX_MILLIS: Unit = Unit { seconds: false, absolute: true };

    /// The unit that an option of `SET` or `GETEX` stands for.
    pub fn of_option(option: &[u8]) -> Option<Unit> {
        match option {
            b"EX" => Some(Unit::SECONDS),
            b"PX" => Some(Unit::MILLIS),
            b"EXAT" => Some(Unit::UNIX_SECONDS),
            b"PXAT" => Some(Unit::UNIX_MILLIS),
            _ => None,
        }
    }

    /// The deadline in Unix milliseconds, or `None` if it cannot be represented.
    pub fn deadline(self, value: i64, now_ms: i64) -> Option<i64> {
        let millis = if self.seconds { value.checked_mul(1000)? } else { value };
        if self.absolute { Some(millis) } else { millis.checked_add(now_ms) }
    }
}

/// The deadline of an option such as `EX 10`: a positive time that can be represented.
pub fn parse_positive(
    arg: &[u8],
    unit: Unit,
    now_ms: i64,
    command: &'static str,
) -> Result<i64, CommandError> {
    let value = parse_i64(arg).ok_or(CommandError::NotAnInteger)?;
    let invalid = || CommandError::InvalidExpireTime(command.into());
    if value <= 0 {
        return Err(invalid());
    }
    unit.deadline(value, now_ms).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflowing_times_are_refused() {
        assert_eq!(Unit::SECONDS.deadline(10, 5_000), Some(15_000));
        assert_eq!(Unit::UNIX_SECONDS.deadline(10, 5_000), Some(10_000));
        assert_eq!(Unit::SECONDS.deadline(i64::MAX / 1000 + 1, 0), None);
        assert_eq!(Unit::MILLIS.deadline(i64::MAX, 1), None);
        assert_eq!(Unit::UNIX_MILLIS.deadline(i64::MAX, 1), Some(i64::MAX));
    }
}
