//! Members and scores one by one, at random, and in several calls.

use crate::base::number::{write_f64, write_f64_17_digits};
use crate::commands::shared::random_count::RandomCount;
use crate::commands::shared::reply_shape::ReplyShape;
use crate::commands::shared::scan_options::{ScanOptions, Scanned, parse_cursor, reply_scan};
use crate::exec::{Args, CommandError, Context, Outcome, reply_element};
use crate::resp::Reply;
use crate::value::SortedSet;
use crate::value::listpack::Element;

/// `ZCARD key`
pub(super) fn zcard<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let len = ctx.keys.collection::<SortedSet>(&key)?.map_or(0, SortedSet::len);
    ctx.reply.count(len);
    Ok(())
}

/// `ZSCORE key member`
pub(super) fn zscore<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    reply_scores(ctx, &mut args)
}

/// `ZMSCORE key member [member ...]`
pub(super) fn zmscore<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let members = args.left() - 1;
    let begun = ctx.reply.mark();
    ctx.reply.array(members);
    reply_scores(ctx, &mut args).inspect_err(|_| ctx.reply.rewind(begun))
}

fn reply_scores<'a>(ctx: &mut Context<'a>, args: &mut Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let set = ctx.keys.collection::<SortedSet>(&key)?;
    for member in args.rest().iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => ctx.reply.double(score),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// `ZRANK key member [WITHSCORE]`
pub(super) fn zrank<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    rank(ctx, args, |rank, _| rank)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(super) fn zrevrank<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    rank(ctx, args, |rank, len| len - 1 - rank)
}

fn rank<'a>(
    ctx: &mut Context<'a>,
    mut args: Args<'a>,
    shown: fn(usize, usize) -> usize,
) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let member = args.bytes()?;
    if args.left() > 1 {
        return Err(CommandError::ArgumentCount);
    }
    let with_score = args.take_word("WITHSCORE");
    args.finish()?;
    let set = ctx.keys.collection::<SortedSet>(&key)?;
    let found = set.and_then(|set| set.rank(member).map(|(rank, s)| (shown(rank, set.len()), s)));
    match found {
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
        Some((rank, score)) if with_score => {
            ctx.reply.array(2);
            ctx.reply.count(rank);
            ctx.reply.double(score);
        }
        Some((rank, _)) => ctx.reply.count(rank),
    }
    Ok(())
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`: a negative count draws each time from all members.
pub(super) fn zrandmember<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    if args.is_empty() {
        let set = ctx.keys.collection::<SortedSet>(&key)?;
        match set.and_then(|set| set.random(ctx.random)) {
            Some((member, _)) => reply_element(&mut ctx.reply, member),
            None => ctx.reply.null(),
        }
        return Ok(());
    }
    let count = RandomCount::parse(&mut args, Some("WITHSCORES"))?;
    let shape = ReplyShape::with_word(count.with_word, ctx.reply.protocol());
    let set = ctx.keys.collection::<SortedSet>(&key)?;
    let Some(set) = set.filter(|_| count.number > 0) else {
        ctx.reply.array(0);
        return Ok(());
    };
    if count.wants_all(set.len()) {
        shape.reply_all(&mut ctx.reply, set.iter().rev());
    } else {
        let reply_one = |reply: &mut Reply<'_>, entry: (Element<'_>, f64)| {
            shape.reply_entry(reply, entry);
        };
        count.reply(&mut ctx.reply, shape, &set.draw(), ctx.random, reply_one);
    }
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`: of a missing key, the options are not read. Scores
/// are printed as Redis does here, in either protocol: those of a large set with 17 digits.
pub(super) fn zscan<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let cursor = parse_cursor(&mut args)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    let Some(set) = ctx.keys.collection::<SortedSet>(&key)? else {
        reply_scan(&mut ctx.reply, 0, &found);
        return Ok(());
    };
    let options = ScanOptions::parse(&mut args, Scanned::Elements)?;
    let write_score = if set.listpack().is_some() { write_f64 } else { write_f64_17_digits };
    let next = set.scan(cursor, options.count, |member, score| {
        if options.matches(member) {
            let mut text = Vec::new();
            write_score(&mut text, score);
            found.extend([member.to_vec(), text]);
        }
    });
    reply_scan(&mut ctx.reply, next, &found);
    Ok(())
}
