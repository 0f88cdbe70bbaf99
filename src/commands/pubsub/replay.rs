//! `SUBSCRIBE.FROM`: to listen from an earlier message on.
//!
//! A client that was away says which message it had last, and first gets what it has missed, as far as it is kept
//! (`pubsub-history`). What is kept and who listens changes under one lock, so nothing is lost or comes twice where
//! the past ends and the present begins. The client gets, in this order:
//!
//! - `["subscribe.from", channel, count, last]`: how many subscriptions it has, and the number of the channel's
//!   last message so far;
//! - `["message.gap", channel, first missing, first kept]`, if messages behind the one it had are no longer there,
//!   or if it has a number that the channel has not reached (then it gets all that is kept);
//! - `["message.from", channel, number, payload]` for each message, kept or new.
//!
//! It is not for transactions: the kept messages would stand in the array of replies.
//!
//! The kept messages go to the client's output at once, so `client-output-buffer-limit` bounds them as well.

use super::subscribe::{check_count, subscription_count};
use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::pubsub::{Replay, ReplayFrom};
use crate::session::{Name, SubscriptionKind};

const NOT_KEPT: CommandError = CommandError::text(
    "ERR no messages of this channel are kept; the parameter pubsub-history says of which they are",
);

/// `SUBSCRIBE.FROM channel sequence-number`: 0 is before all that is kept, `$` behind it.
pub(super) fn subscribe_from<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let name = Name::from(args.bytes()?);
    let from = parse_from(args.bytes()?)?;
    if !ctx.engine.pubsub.keeps(&name) {
        return Err(NOT_KEPT);
    }
    check_count(ctx, SubscriptionKind::Channel, std::iter::once(&name[..]))?;
    if ctx.session.subscriptions.contains(SubscriptionKind::Channel, &name) {
        // The new subscription takes the place of the old one, whose messages come before it.
        let names = std::slice::from_ref(&name);
        ctx.engine.pubsub.unsubscribe(SubscriptionKind::Channel, names, &ctx.session.client);
        ctx.session.unsubscribe(SubscriptionKind::Channel, &name);
    }
    ctx.take_pushes();
    ctx.session.subscribe(SubscriptionKind::Channel, Name::clone(&name));
    let Some(replay) = ctx.engine.pubsub.follow(&name, from, &ctx.session.client) else {
        ctx.session.unsubscribe(SubscriptionKind::Channel, &name);
        // The parameter was changed just now.
        return Err(NOT_KEPT);
    };
    ctx.session.subscriptions.may_follow = true;
    confirm(ctx, &name, &replay);
    ctx.reply_is_push();
    Ok(())
}

fn parse_from(arg: &[u8]) -> Result<ReplayFrom, CommandError> {
    match (arg, parse_i64(arg)) {
        (b"$", _) => Ok(ReplayFrom::Now),
        (_, Some(0)) => Ok(ReplayFrom::Start),
        (_, Some(number)) if number > 0 => Ok(ReplayFrom::After(number)),
        _ => Err(CommandError::text("ERR the sequence number must be 0, a positive integer or $")),
    }
}

fn confirm(ctx: &mut Context<'_>, name: &[u8], replay: &Replay) {
    let count = subscription_count(ctx, SubscriptionKind::Channel);
    let reply = &mut ctx.reply;
    reply.push(4);
    reply.bulk("subscribe.from");
    reply.bulk(name);
    reply.count(count);
    reply.integer(replay.last);
    if let Some((missing, kept)) = replay.gap {
        reply.push(4);
        reply.bulk("message.gap");
        reply.bulk(name);
        reply.integer(missing);
        reply.integer(kept);
    }
    for (number, payload) in (replay.first..).zip(&replay.messages) {
        reply.push(4);
        reply.bulk("message.from");
        reply.bulk(name);
        reply.integer(number);
        reply.shared_bulk(payload);
    }
}
