//! Expiry times as arguments: relative or absolute, in seconds or milliseconds.

use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context};
use crate::store::{Key, event};

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

    /// The unit that an option such as `EX` stands for.
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

/// An expiry option as it was given. Repeating an option is allowed and the last one counts; different ones
/// exclude each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpiryOption<'a>(Option<(Unit, &'a [u8])>);

impl<'a> ExpiryOption<'a> {
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the option `name`, whose time is the next argument.
    pub fn take(&mut self, name: &[u8], args: &mut Args<'a>) -> Result<(), CommandError> {
        let unit = Unit::of_option(name).ok_or(CommandError::Syntax)?;
        if self.0.is_some_and(|(other, _)| other != unit) {
            return Err(CommandError::Syntax);
        }
        self.0 = Some((unit, args.bytes()?));
        Ok(())
    }

    /// The deadline that it stands for, if it was given.
    pub fn deadline(&self, now_ms: i64) -> Result<Option<i64>, CommandError> {
        self.0.map(|(unit, time)| parse_positive(time, unit, now_ms)).transpose()
    }
}

/// The deadline of an option such as `EX 10`: a positive time that can be represented.
pub fn parse_positive(arg: &[u8], unit: Unit, now_ms: i64) -> Result<i64, CommandError> {
    let value = parse_i64(arg).ok_or(CommandError::NotAnInteger)?;
    if value <= 0 {
        return Err(CommandError::ExpireTime);
    }
    unit.deadline(value, now_ms).ok_or(CommandError::ExpireTime)
}

/// Lets an existing key expire; if the deadline has passed already, deletes it at once. Logged as the
/// absolute time, or as the deletion.
pub fn set_deadline(ctx: &mut Context<'_>, key: &Key<'_>, deadline: i64) {
    if deadline <= ctx.now_ms() {
        ctx.keys.remove(key, event::DEL);
        ctx.keys.log_instead(|log| log.words([b"DEL", key.bytes]));
        return;
    }
    ctx.keys.set_deadline(key, Some(deadline), event::EXPIRE);
    ctx.keys.log_instead(|log| {
        log.words([b"PEXPIREAT", key.bytes]);
        log.text(deadline);
    });
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
