//! Ranges of members: by rank, by score, by name; read, stored or removed.

use std::ops::Range;

use super::bounds::{lex_range, score_range};
use super::results::store;
use crate::base::number::parse_i64;
use crate::commands::shared::reply_shape::ReplyShape;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::resp::ArgList;
use crate::store::{EventKind, Key, View, event};
use crate::value::SortedSet;
use crate::value::sorted_set::{LexRange, ScoreRange, Scored};

/// What the ends of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rank,
    Score,
    Lex,
}

/// Both ends.
enum Ends<'a> {
    /// Negative ones count from the end.
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

/// Which members of a set, in which order.
struct Selection<'a> {
    ends: Ends<'a>,
    backwards: bool,
    /// How many members to pass over; negative: all.
    offset: i64,
    /// How many to take then; negative: all.
    count: i64,
    with_scores: bool,
}

/// What the name of a command says, so that it is no option.
#[derive(Clone, Copy, Default)]
struct Named {
    kind: Option<Kind>,
    backwards: Option<bool>,
    stores: bool,
}

/// Options of `ZRANGE` and its kin.
struct Options {
    kind: Option<Kind>,
    backwards: Option<bool>,
    limit: Option<(i64, i64)>,
    with_scores: bool,
}

impl Options {
    fn parse(args: &mut Args<'_>, named: Named) -> Result<Options, CommandError> {
        let Named { kind, backwards, stores } = named;
        let mut options = Options { kind, backwards, limit: None, with_scores: false };
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"WITHSCORES" if !stores => options.with_scores = true,
                b"LIMIT" if args.left() >= 2 => {
                    options.limit = Some((args.integer()?, args.integer()?));
                }
                b"REV" if options.backwards.is_none() => options.backwards = Some(true),
                b"BYSCORE" if options.kind.is_none() => options.kind = Some(Kind::Score),
                b"BYLEX" if options.kind.is_none() => options.kind = Some(Kind::Lex),
                _ => return Err(CommandError::Syntax),
            }
        }
        options.check()?;
        Ok(options)
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Rank)
    }

    fn check(&self) -> Result<(), CommandError> {
        // A limit that takes all is none.
        let is_limited = self.limit.is_some_and(|(_, count)| count != -1);
        if is_limited && self.kind() == Kind::Rank {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if self.with_scores && self.kind() == Kind::Lex {
            return Err(CommandError::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        Ok(())
    }
}

/// The two ends as they come; by score and by name, a range that runs backwards begins with the greater.
fn ends<'a>(
    kind: Kind,
    first: &'a [u8],
    last: &'a [u8],
    backwards: bool,
) -> Result<Ends<'a>, CommandError> {
    let (min, max) = if backwards { (last, first) } else { (first, last) };
    match kind {
        Kind::Rank => {
            let rank = |arg| parse_i64(arg).ok_or(CommandError::NotAnInteger);
            Ok(Ends::Rank(rank(first)?, rank(last)?))
        }
        Kind::Score => Ok(Ends::Score(score_range(min, max)?)),
        Kind::Lex => Ok(Ends::Lex(lex_range(min, max)?)),
    }
}

impl<'a> Selection<'a> {
    fn parse(args: &mut Args<'a>, named: Named) -> Result<Selection<'a>, CommandError> {
        let (first, last) = (args.bytes()?, args.bytes()?);
        let options = Options::parse(args, named)?;
        let backwards = options.backwards.unwrap_or(false);
        let ends = ends(options.kind(), first, last, backwards)?;
        let (offset, count) = options.limit.unwrap_or((0, -1));
        Ok(Selection { ends, backwards, offset, count, with_scores: options.with_scores })
    }

    /// The ranks of the members, in the order of the set.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        match &self.ends {
            Ends::Rank(first, last) => {
                let ranks = inside(set.len(), *first, *last);
                match self.backwards {
                    true => set.len() - ranks.end..set.len() - ranks.start,
                    false => ranks,
                }
            }
            Ends::Score(range) => self.limit(set.score_ranks(range)),
            Ends::Lex(range) => self.limit(set.lex_ranks(range, self.backwards)),
        }
    }

    /// The part of a range that `LIMIT` leaves, counted from where the range begins for the client.
    fn limit(&self, ranks: Range<usize>) -> Range<usize> {
        let len = ranks.len();
        let skipped = usize::try_from(self.offset).map_or(len, |offset| offset.min(len));
        let all = len - skipped;
        let taken = usize::try_from(self.count).map_or(all, |count| count.min(all));
        match self.backwards {
            true => ranks.end - skipped - taken..ranks.end - skipped,
            false => ranks.start + skipped..ranks.start + skipped + taken,
        }
    }
}

/// The ranks from `first` to `last`, both included, of a set with `len` members; negative ones count from
/// the end.
fn inside(len: usize, first: i64, last: i64) -> Range<usize> {
    let from_start = |rank: i64| if rank < 0 { rank.saturating_add(len as i64) } else { rank };
    let start = from_start(first).max(0).min(len as i64) as usize;
    let end = from_start(last).saturating_add(1).clamp(0, len as i64) as usize;
    start..end.max(start)
}

fn reply_range<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, named: Named) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let selection = Selection::parse(&mut args, named)?;
    let shape = ReplyShape::with_word(selection.with_scores, ctx.reply.protocol());
    let Some(set) = ctx.keys.collection::<SortedSet>(&key)? else {
        ctx.reply.array(0);
        return Ok(());
    };
    let entries = set.range(selection.ranks(set));
    match selection.backwards {
        true => shape.reply_all(&mut ctx.reply, entries.rev()),
        false => shape.reply_all(&mut ctx.reply, entries),
    }
    Ok(())
}

const fn named(kind: Kind, backwards: bool) -> Named {
    Named { kind: Some(kind), backwards: Some(backwards), stores: false }
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(super) fn zrange<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_range(ctx, args, Named::default())
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(super) fn zrevrange<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_range(ctx, args, named(Kind::Rank, true))
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrangebyscore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_range(ctx, args, named(Kind::Score, false))
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrevrangebyscore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_range(ctx, args, named(Kind::Score, true))
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(super) fn zrangebylex<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_range(ctx, args, named(Kind::Lex, false))
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(super) fn zrevrangebylex<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    reply_range(ctx, args, named(Kind::Lex, true))
}

/// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(super) fn zrangestore<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let target = args.key(&ctx.keys)?;
    let source = args.key(&ctx.keys)?;
    let selection = Selection::parse(&mut args, Named { stores: true, ..Named::default() })?;
    let set = ctx.keys.collection::<SortedSet>(&source)?;
    let members: Scored = set.map_or_else(Vec::new, |set| {
        let entries = set.range(selection.ranks(set));
        entries.map(|(member, score)| (member.to_vec(), score)).collect()
    });
    store(ctx, &target, &members, event::ZRANGESTORE);
    Ok(())
}

/// `ZCOUNT key min max`
pub(super) fn zcount<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    count(ctx, args, Kind::Score)
}

/// `ZLEXCOUNT key min max`
pub(super) fn zlexcount<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    count(ctx, args, Kind::Lex)
}

fn count<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, kind: Kind) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let selection = Selection::parse(&mut args, named(kind, false))?;
    let set = ctx.keys.collection::<SortedSet>(&key)?;
    ctx.reply.count(set.map_or(0, |set| selection.ranks(set).len()));
    Ok(())
}

/// `ZREMRANGEBYRANK key start stop`
pub(super) fn zremrangebyrank<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    remove_range(ctx, args, Kind::Rank, event::ZREMRANGEBYRANK)
}

/// `ZREMRANGEBYSCORE key min max`
pub(super) fn zremrangebyscore<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    remove_range(ctx, args, Kind::Score, event::ZREMRANGEBYSCORE)
}

/// `ZREMRANGEBYLEX key min max`
pub(super) fn zremrangebylex<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    remove_range(ctx, args, Kind::Lex, event::ZREMRANGEBYLEX)
}

fn remove_range<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    kind: Kind,
    event: EventKind,
) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let selection = Selection::parse(&mut args, named(kind, false))?;
    let removed = ctx.keys.edit_existing(&key, |set: &mut SortedSet, change| {
        let removed = set.remove_ranks(selection.ranks(set));
        if removed > 0 {
            change.event(event);
        }
        removed
    })?;
    ctx.reply.count(removed.unwrap_or(0));
    Ok(())
}

/// The members of the selection that begins with this argument.
fn selected(
    args: ArgList<'_>,
    first: usize,
    keys: &View<'_>,
    key: Option<Key<'_>>,
    named: Named,
) -> usize {
    let Some(key) = key else { return 0 };
    let Ok(Some(set)) = keys.peek_collection::<SortedSet>(&key) else { return 0 };
    let selection = Selection::parse(&mut Args::new(args, first), named);
    selection.map_or(0, |selection| keys.work_of_part(&key, selection.ranks(set).len()))
}

macro_rules! estimates {
    ($($name:ident $named:expr;)*) => {
        $(pub(super) fn $name(args: ArgList<'_>, keys: &View<'_>) -> usize {
            selected(args, 2, keys, keys.declared(0), $named)
        })*
    };
}

estimates! {
    zrange_work Named::default();
    zrevrange_work named(Kind::Rank, true);
    zremrangebyrank_work named(Kind::Rank, false);
    zrangebyscore_work named(Kind::Score, false);
    zrevrangebyscore_work named(Kind::Score, true);
    zrangebylex_work named(Kind::Lex, false);
    zrevrangebylex_work named(Kind::Lex, true);
}

pub(super) fn zrangestore_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    selected(args, 3, keys, keys.declared(1), Named { stores: true, ..Named::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_ranks_count_from_the_end_and_those_outside_are_cut_off() {
        for (first, last, expected) in [
            (0, -1, 0..5),
            (1, 3, 1..4),
            (-2, -1, 3..5),
            (-100, 100, 0..5),
            (3, 1, 3..3),
            (5, 9, 5..5),
            (0, -6, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MIN, 5..5),
        ] {
            assert_eq!(inside(5, first, last), expected, "{first} {last}");
        }
    }

    #[test]
    fn a_limit_counts_from_where_the_range_begins_for_the_client() {
        let limited = |offset, count, backwards| {
            let ends = Ends::Rank(0, 0);
            Selection { ends, backwards, offset, count, with_scores: false }.limit(10..20)
        };
        assert_eq!(limited(0, -1, false), 10..20);
        assert_eq!(limited(2, 3, false), 12..15);
        assert_eq!(limited(2, 3, true), 15..18);
        assert_eq!(limited(2, 0, false), 12..12);
        assert_eq!(limited(8, 5, false), 18..20);
        assert_eq!(limited(8, 5, true), 10..12);
        assert!(limited(100, 5, false).is_empty());
        assert!(limited(-1, 5, true).is_empty());
        assert_eq!(limited(1, i64::MIN, false), 11..20);
    }
}
