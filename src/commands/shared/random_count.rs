//! The count of `SRANDMEMBER`, `HRANDFIELD` and `ZRANDMEMBER`, and the replies to it.

use super::reply_shape::ReplyShape;
use crate::base::limits::DRAWS_MAX;
use crate::base::random::Random;
use crate::exec::{Args, CommandError};
use crate::resp::Reply;
use crate::value::Draw;

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

    /// Whether chance has no part in it, with so many elements.
    pub(in crate::commands) fn wants_all(&self, len: usize) -> bool {
        !self.with_repetition && self.number >= len
    }

    /// Draws the elements and replies with them, each by `reply_one`.
    pub(in crate::commands) fn reply<T: Copy>(
        &self,
        reply: &mut Reply<'_>,
        shape: ReplyShape,
        draw: &Draw<T, impl Fn(usize) -> Option<T>>,
        random: &mut Random,
        reply_one: impl Fn(&mut Reply<'_>, T),
    ) {
        if self.with_repetition {
            shape.begin(reply, self.number);
            (0..self.number).for_each(|_| reply_one(reply, draw.one(random)));
        } else {
            shape.begin(reply, self.number.min(draw.len()));
            draw.several(self.number, random).for_each(|element| reply_one(reply, element));
        }
    }
}
