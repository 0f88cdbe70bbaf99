//! Adding members, changing their scores, removing members.

use smallvec::SmallVec;

use crate::base::number::{parse_f64, write_f64};
use crate::commands::shared::encodings::sorted_set_limits;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::store::{Key, event};
use crate::value::SortedSet;
use crate::value::sorted_set::{AddRule, Added, NotANumber};

const NOT_A_NUMBER: CommandError = CommandError::text("ERR resulting score is not a number (NaN)");

/// Options of `ZADD`.
#[derive(Default)]
struct AddOptions {
    rule: AddRule,
    /// Reply how many members were added or changed, instead of added.
    count_changes: bool,
}

impl AddOptions {
    /// Reads options up to where the first score is.
    fn read(&mut self, args: &mut Args<'_>) {
        loop {
            let rule = &mut self.rule;
            if args.take_word("NX") {
                rule.only_new = true;
            } else if args.take_word("XX") {
                rule.only_present = true;
            } else if args.take_word("CH") {
                self.count_changes = true;
            } else if args.take_word("INCR") {
                rule.increment = true;
            } else if args.take_word("GT") {
                rule.only_greater = true;
            } else if args.take_word("LT") {
                rule.only_less = true;
            } else {
                return;
            }
        }
    }

    /// Refuses options that exclude each other, for so many members.
    fn check(&self, members: usize) -> Result<(), CommandError> {
        let rule = &self.rule;
        let compares = [rule.only_new, rule.only_greater, rule.only_less];
        if rule.only_new && rule.only_present {
            return Err(CommandError::text(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        if compares.iter().filter(|is_given| **is_given).count() > 1 {
            return Err(CommandError::text(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if rule.increment && members > 1 {
            return Err(CommandError::text(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok(())
    }
}

/// Scores and their members.
pub(in crate::commands) type Pairs<'a> = SmallVec<[(f64, &'a [u8]); 4]>;

fn parse_pairs<'a>(args: &mut Args<'a>) -> Result<Pairs<'a>, CommandError> {
    let mut pairs = Pairs::with_capacity(args.left() / 2);
    while !args.is_empty() {
        pairs.push((args.float()?, args.bytes()?));
    }
    Ok(pairs)
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`
pub(super) fn zadd<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    add_or_increment(ctx, args, AddOptions::default())
}

/// `ZINCRBY key increment member`: Redis reads it as `ZADD` with `INCR`, so an increment that is the name of an
/// option is taken for that, and then the member is missing.
pub(super) fn zincrby<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    let rule = AddRule { increment: true, ..AddRule::default() };
    add_or_increment(ctx, args, AddOptions { rule, ..AddOptions::default() })
}

/// `options` are what the name of the command says; the client adds to them.
fn add_or_increment<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    mut options: AddOptions,
) -> Outcome {
    let key = args.key(&ctx.keys)?;
    options.read(&mut args);
    if args.is_empty() || !args.left().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    options.check(args.left() / 2)?;
    let pairs = parse_pairs(&mut args)?;
    if options.rule.increment {
        return increment(ctx, &key, pairs[0], options.rule);
    }
    let tally = add_members(ctx, &key, &pairs, options.rule)?;
    let changed = if options.count_changes { tally.changed } else { 0 };
    ctx.reply.count(tally.new + changed);
    Ok(())
}

/// Replies with the new score, or null if a condition is not met. The log gets the score, because a sum
/// of floating point numbers is not to be made twice.
fn increment(ctx: &mut Context<'_>, key: &Key<'_>, pair: (f64, &[u8]), rule: AddRule) -> Outcome {
    let tally = add_members(ctx, key, &[pair], rule)?;
    let Some(score) = tally.score else {
        ctx.reply.null();
        return Ok(());
    };
    ctx.reply.double(score);
    if tally.new + tally.changed > 0 {
        ctx.keys.log_instead(|log| {
            log.words([b"ZADD", key.bytes]);
            log.print(|word| {
                write_f64(word, score);
                debug_assert_eq!(parse_f64(word), Some(score), "scores read back");
            });
            log.words([pair.1]);
        });
    }
    Ok(())
}

/// What became of the members of one command.
#[derive(Default)]
pub(in crate::commands) struct Tally {
    pub new: usize,
    pub changed: usize,
    /// The last member's, unless a condition held it back.
    pub score: Option<f64>,
}

impl Tally {
    fn count(&mut self, added: Added) {
        self.score = match added {
            Added::New(score) | Added::Changed(score) | Added::Same(score) => Some(score),
            Added::HeldBack => None,
        };
        self.new += usize::from(matches!(added, Added::New(_)));
        self.changed += usize::from(matches!(added, Added::Changed(_)));
    }
}

/// Adds members, of which there is at least one, or changes their scores, as the rule says.
pub(in crate::commands) fn add_members(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    pairs: &[(f64, &[u8])],
    rule: AddRule,
) -> Result<Tally, CommandError> {
    let limits = sorted_set_limits(&ctx.engine.config);
    let kind = if rule.increment { event::ZINCR } else { event::ZADD };
    let added = ctx.keys.edit(key, |set: &mut SortedSet, change| {
        // As Redis decides about the form: by the number of arguments, and for a new set by the first.
        let first = if set.is_empty() { pairs[0].1.len() } else { 0 };
        set.make_room(pairs.len(), first, &limits);
        let mut tally = Tally::default();
        for (score, member) in pairs {
            tally.count(set.add(member, *score, rule, &limits)?);
        }
        if tally.new + tally.changed > 0 {
            change.event(kind);
        }
        Ok::<_, NotANumber>(tally)
    })?;
    added.map_err(|NotANumber| NOT_A_NUMBER)
}

/// `ZREM key member [member ...]`
pub(super) fn zrem<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let members = args.rest();
    let removed = ctx.keys.edit_existing(&key, |set: &mut SortedSet, change| {
        let removed = members.iter().filter(|member| set.remove(member).is_some()).count();
        if removed > 0 {
            change.event(event::ZREM);
        }
        removed
    })?;
    ctx.reply.count(removed.unwrap_or(0));
    Ok(())
}
