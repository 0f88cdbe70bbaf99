//! Adding members at positions.

use smallvec::SmallVec;

use super::numbers::parse_position;
use crate::commands::encodings::sorted_set_limits;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::store::event;
use crate::value::SortedSet;

/// Options of `GEOADD`.
#[derive(Default)]
struct AddOptions {
    only_new: bool,
    only_present: bool,
    /// Reply how many members were added or changed, instead of added.
    count_changes: bool,
}

impl AddOptions {
    /// Options end where the first longitude is.
    fn parse(args: &mut Args<'_>) -> AddOptions {
        let mut options = AddOptions::default();
        loop {
            if args.take_word("NX") {
                options.only_new = true;
            } else if args.take_word("XX") {
                options.only_present = true;
            } else if args.take_word("CH") {
                options.count_changes = true;
            } else {
                return options;
            }
        }
    }
}

type Members<'a> = SmallVec<[(f64, &'a [u8]); 4]>;

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`
pub(super) fn geoadd<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let options = AddOptions::parse(&mut args);
    let is_whole = !args.is_empty() && args.left().is_multiple_of(3);
    if !is_whole || options.only_new && options.only_present {
        return Err(CommandError::Syntax);
    }
    let mut members = Members::with_capacity(args.left() / 3);
    while !args.is_empty() {
        let score = parse_position(&mut args)?.score();
        members.push((score, args.bytes()?));
    }
    let limits = sorted_set_limits(&ctx.engine.config);
    let (added, changed) = ctx.keys.edit(&key, |set: &mut SortedSet, change| {
        // As Redis decides about the form: by the number of arguments, and for a new set by the first.
        let first = if set.is_empty() { members[0].1.len() } else { 0 };
        set.prepare(members.len(), first, &limits);
        let (mut added, mut changed) = (0, 0);
        for (score, member) in &members {
            match set.score(member) {
                None if options.only_present => continue,
                None => added += 1,
                Some(old) if options.only_new || old == *score => continue,
                Some(_) => changed += 1,
            }
            set.insert(member, *score, &limits);
        }
        if added + changed > 0 {
            change.event(event::ZADD);
        }
        (added, changed)
    })?;
    ctx.reply.count(added + if options.count_changes { changed } else { 0 });
    Ok(())
}
