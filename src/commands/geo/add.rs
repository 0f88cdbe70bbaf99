//! Adding members at positions.

use super::numbers::parse_position;
use crate::commands::sorted_set::{Pairs, add_members};
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::value::sorted_set::AddRule;

/// Options of `GEOADD`.
#[derive(Default)]
struct AddOptions {
    rule: AddRule,
    /// Reply how many members were added or changed, instead of added.
    count_changes: bool,
}

impl AddOptions {
    /// Options end where the first longitude is.
    fn parse(args: &mut Args<'_>) -> AddOptions {
        let mut options = AddOptions::default();
        loop {
            if args.take_word("NX") {
                options.rule.only_new = true;
            } else if args.take_word("XX") {
                options.rule.only_present = true;
            } else if args.take_word("CH") {
                options.count_changes = true;
            } else {
                return options;
            }
        }
    }
}

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`
pub(super) fn geoadd<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let options = AddOptions::parse(&mut args);
    let is_whole = !args.is_empty() && args.left().is_multiple_of(3);
    if !is_whole || options.rule.only_new && options.rule.only_present {
        return Err(CommandError::Syntax);
    }
    let mut members = Pairs::with_capacity(args.left() / 3);
    while !args.is_empty() {
        let score = parse_position(&mut args)?.score();
        members.push((score, args.bytes()?));
    }
    let tally = add_members(ctx, &key, &members, options.rule)?;
    let changed = if options.count_changes { tally.changed } else { 0 };
    ctx.reply.count(tally.new + changed);
    Ok(())
}
