//! The count of `SRANDMEMBER`, `HRANDFIELD` and `ZRANDMEMBER`.

use crate::base::limits::DRAWS_MAX;
use crate::exec::{Args, CommandError};

/// How many random elements are wanted, and how.
pub(in crate::commands) struct RandomCount {
    pub number: usize,
    /// Each is drawn from all, so the same one may come several times.
    pub with_repetition: bool,
    /// The word behind the count was given.
    pub with_word: bool,
}

impl RandomCount {
    /// Reads `count` and, if the command knows one, `[word]` to the end. A negative count is one with
    /// repetition. The word doubles the length of the reply, so with it only half as many are allowed.
    pub(in crate::commands) fn parse(
        args: &mut Args<'_>,
        word: Option<&str>,
    ) -> Result<RandomCount, CommandError> {
        const MAX: i64 = i64::MAX;
        let count = args.integer()?;
        if count < -MAX {
            return Err(CommandError::NotBetween { min: -MAX, max: MAX });
        }
        let with_word = word.is_some_and(|word| args.take_word(word));
        args.finish()?;
        let is_too_long = with_word && !(-MAX / 2..=MAX / 2).contains(&count);
        if is_too_long || count < -DRAWS_MAX {
            return Err(CommandError::OutOfRange);
        }
        let number = usize::try_from(count.unsigned_abs()).map_err(|_| CommandError::OutOfRange)?;
        Ok(RandomCount { number, with_repetition: count < 0, with_word })
    }
}
