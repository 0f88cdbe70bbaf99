//! `PUBSUB`: who listens to what.

use crate::commands::shared::family_help::family_help;
use crate::exec::spec::{LOADING, NONE, PUBSUB, STALE};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, check_pattern, cmd, family};
use crate::pubsub::HistoryFigures;
use crate::session::SubscriptionKind;

pub(super) const PUBSUB_FAMILY: Spec = family("PUBSUB", -2, NONE, SUBCOMMANDS).doc(
    "2.8.0",
    "Depends on subcommand.",
    "",
    "Tells who listens to what; PUBSUB HELP lists the subcommands.",
);

const TELL: u32 = PUBSUB | LOADING | STALE;

const SUBCOMMANDS: &[Spec] = &[
    cmd("PUBSUB CHANNELS", -2, &[], TELL, pubsub_channels).doc(
        "2.8.0",
        "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively \
         short channels and patterns)",
        "[pattern]",
        "Returns the channels to which somebody listens.",
    ),
    cmd("PUBSUB HISTORY", -2, &[], TELL, pubsub_history).doc(
        "7.2.0",
        "O(1) for one channel, O(N log N) for all N of which messages are kept",
        "[channel]",
        "Returns how many messages are kept, the numbers of the first and the last, and their bytes.",
    ),
    cmd("PUBSUB NUMPAT", 2, &[], TELL, pubsub_numpat).doc(
        "2.8.0",
        "O(1)",
        "",
        "Returns how many different patterns somebody listens to.",
    ),
    cmd("PUBSUB NUMSUB", -2, &[], TELL, pubsub_numsub).doc(
        "2.8.0",
        "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        "[channel [channel ...]]",
        "Returns how many listen to channels, patterns not counted.",
    ),
    cmd("PUBSUB SHARDCHANNELS", -2, &[], TELL, pubsub_shardchannels).doc(
        "7.0.0",
        "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
         (relatively short shard channels).",
        "[pattern]",
        "Returns the shard channels to which somebody listens.",
    ),
    cmd("PUBSUB SHARDNUMSUB", -2, &[], TELL, pubsub_shardnumsub).doc(
        "7.0.0",
        "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        "[shardchannel [shardchannel ...]]",
        "Returns how many listen to shard channels.",
    ),
    cmd("PUBSUB HELP", 2, &[], LOADING | STALE, pubsub_help).doc(
        "6.2.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
];

/// `PUBSUB CHANNELS [pattern]`
fn pubsub_channels<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    channels(ctx, args, SubscriptionKind::Channel)
}

/// `PUBSUB SHARDCHANNELS [pattern]`
fn pubsub_shardchannels<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    channels(ctx, args, SubscriptionKind::Shard)
}

fn channels<'a>(ctx: &mut Context<'a>, args: Args<'a>, kind: SubscriptionKind) -> Outcome {
    at_most_one(&args)?;
    args.peek().map(check_pattern).transpose()?;
    let names = ctx.engine.pubsub.names(kind, args.peek());
    ctx.reply.bulk_array(&names);
    Ok(())
}

/// More than that no row can refuse.
fn at_most_one(args: &Args<'_>) -> Outcome {
    if args.left() <= 1 {
        return Ok(());
    }
    Err(CommandError::ArgumentCount)
}

/// `PUBSUB HISTORY [channel]`: null if nothing is known of the channel; without a name, all channels by name.
fn pubsub_history<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    at_most_one(&args)?;
    let pubsub = &ctx.engine.pubsub;
    let Some(channel) = args.peek() else {
        let all = pubsub.histories();
        ctx.reply.map(all.len());
        for (name, figures) in all {
            ctx.reply.bulk(name);
            reply_figures(ctx, figures);
        }
        return Ok(());
    };
    match pubsub.history(channel) {
        Some(figures) => reply_figures(ctx, figures),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn reply_figures(ctx: &mut Context<'_>, figures: HistoryFigures) {
    let HistoryFigures { messages, first, last, bytes } = figures;
    let fields =
        [("messages", messages as i64), ("first", first), ("last", last), ("bytes", bytes as i64)];
    ctx.reply.map(fields.len());
    for (name, value) in fields {
        ctx.reply.bulk(name);
        ctx.reply.integer(value);
    }
}

/// `PUBSUB NUMSUB [channel [channel ...]]`: names and numbers in turn.
fn pubsub_numsub<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    numsub(ctx, args, SubscriptionKind::Channel)
}

/// `PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]`
fn pubsub_shardnumsub<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    numsub(ctx, args, SubscriptionKind::Shard)
}

fn numsub<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, kind: SubscriptionKind) -> Outcome {
    ctx.reply.array(args.left() * 2);
    for name in args.rest().iter() {
        ctx.reply.bulk(name);
        ctx.reply.count(ctx.engine.pubsub.subscribers(kind, name));
    }
    Ok(())
}

/// `PUBSUB NUMPAT`
fn pubsub_numpat<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.count(ctx.engine.pubsub.len(SubscriptionKind::Pattern));
    Ok(())
}

/// `PUBSUB HELP`
fn pubsub_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "PUBSUB")
}
