//! What `LMPOP`, `ZMPOP` and those of their kin that wait are told: several keys, an end, and how many
//! elements to take from the first key that has some.

use crate::exec::{Args, CommandError, Context, Keys};

/// Arguments behind a command's name, and behind the timeout if it has one.
pub(in crate::commands) struct ManyPop<'a, End> {
    pub keys: Keys<'a>,
    pub end: End,
    pub count: usize,
}

impl<'a, End> ManyPop<'a, End> {
    /// Reads `numkeys key [key ...] end [COUNT count]`; `parse_end` reads what the command calls an end.
    pub(in crate::commands) fn parse(
        ctx: &Context<'a>,
        args: &mut Args<'a>,
        parse_end: impl FnOnce(&mut Args<'a>) -> Result<End, CommandError>,
    ) -> Result<ManyPop<'a, End>, CommandError> {
        let number = parse_numkeys(args)?;
        // With a wrong number, the command's row declares no keys that could be read here.
        if number >= args.left() {
            return Err(CommandError::Syntax);
        }
        let keys = (0..number).map(|_| args.key(&ctx.keys)).collect::<Result<_, _>>()?;
        let end = parse_end(args)?;
        let mut count = None;
        while let Some(option) = args.option() {
            if option.as_bytes() != b"COUNT" || count.is_some() || args.is_empty() {
                return Err(CommandError::Syntax);
            }
            let error = CommandError::text("ERR count should be greater than 0");
            count = Some(args.count_from(1, error)?);
        }
        Ok(ManyPop { keys, end, count: count.unwrap_or(1) })
    }
}

/// How many keys follow.
pub(in crate::commands) fn parse_numkeys(args: &mut Args<'_>) -> Result<usize, CommandError> {
    args.count_from(1, CommandError::text("ERR numkeys should be greater than 0"))
}
