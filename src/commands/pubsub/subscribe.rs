//! Where subscriptions begin and end among the messages.
//!
//! 1. The client takes over what its inbox holds.
//! 2. The registry is changed.
//! 3. Where subscriptions end, the client takes over what came until then.
//! 4. The confirmation is written.
//!
//! So no message comes before the confirmation of its subscription, and none behind the confirmation of its end.
//!
//! In a transaction nothing is taken over in between, because messages must not stand in the array of replies:
//! what was published up to the end of a subscription follows behind the whole array.
//!
//! Who follows a channel (`SUBSCRIBE.FROM`) and then only listens to it misses nothing and gets nothing twice; there
//! the confirmation may come a few messages late.
//!
//! Confirmations are messages, not replies: there is one for each name, and they are sent even while the client
//! wants no replies.

use crate::config::params::CLIENT_SUBSCRIPTION_LIMIT;
use crate::exec::{Args, CommandError, Context, Outcome, check_pattern};
use crate::session::{Name, SubscriptionKind};

/// What confirmations call themselves.
struct Words {
    begin: &'static str,
    end: &'static str,
}

const WORDS: [Words; 3] = [
    Words { begin: "subscribe", end: "unsubscribe" },
    Words { begin: "psubscribe", end: "punsubscribe" },
    Words { begin: "ssubscribe", end: "sunsubscribe" },
];

/// `SUBSCRIBE channel [channel ...]`
pub(super) fn subscribe<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    begin(ctx, args, SubscriptionKind::Channel)
}

/// `PSUBSCRIBE pattern [pattern ...]`
pub(super) fn psubscribe<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    begin(ctx, args, SubscriptionKind::Pattern)
}

/// `SSUBSCRIBE shardchannel [shardchannel ...]`: not in transactions.
pub(super) fn ssubscribe<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    if !ctx.may_wait() {
        return Err(CommandError::text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    begin(ctx, args, SubscriptionKind::Shard)
}

/// `UNSUBSCRIBE [channel [channel ...]]`
pub(super) fn unsubscribe<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    end(ctx, args, SubscriptionKind::Channel)
}

/// `PUNSUBSCRIBE [pattern [pattern ...]]`
pub(super) fn punsubscribe<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    end(ctx, args, SubscriptionKind::Pattern)
}

/// `SUNSUBSCRIBE [shardchannel [shardchannel ...]]`
pub(super) fn sunsubscribe<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    end(ctx, args, SubscriptionKind::Shard)
}

fn begin<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, kind: SubscriptionKind) -> Outcome {
    let names = args.rest();
    check_count(ctx, kind, names.iter())?;
    if kind == SubscriptionKind::Pattern {
        names.iter().try_for_each(|name| check_pattern(name).map(drop))?;
    }
    ctx.take_pushes();
    for name in names.iter() {
        let name = Name::from(name);
        let may_follow = ctx.session.subscriptions.may_follow;
        if ctx.session.subscribe(kind, Name::clone(&name)) || may_follow {
            ctx.engine.pubsub.subscribe(kind, &name, &ctx.session.client);
        }
        confirm(ctx, kind, WORDS[kind as usize].begin, Some(&name));
    }
    ctx.reply_is_push();
    Ok(())
}

/// Refuses names that would be too many together with what the client listens to already.
pub(super) fn check_count<'n>(
    ctx: &Context<'_>,
    kind: SubscriptionKind,
    names: impl ExactSizeIterator<Item = &'n [u8]>,
) -> Outcome {
    let subscriptions = &ctx.session.subscriptions;
    let present = SubscriptionKind::ALL.map(|kind| subscriptions.len(kind)).iter().sum();
    let is_new = |name: &[u8]| !subscriptions.contains(kind, name);
    ctx.engine.check_names(CLIENT_SUBSCRIPTION_LIMIT, present, names, is_new, "the subscriptions")
}

/// Without names, all subscriptions of the kind end; if there are none, one confirmation says so.
fn end<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, kind: SubscriptionKind) -> Outcome {
    let names: Vec<Name> = match args.is_empty() {
        true => ctx.session.subscriptions.names(kind),
        false => args.rest().iter().map(Name::from).collect(),
    };
    ctx.engine.pubsub.unsubscribe(kind, &names, &ctx.session.client);
    ctx.take_pushes();
    let word = WORDS[kind as usize].end;
    for name in &names {
        ctx.session.unsubscribe(kind, name);
        confirm(ctx, kind, word, Some(name));
    }
    if names.is_empty() {
        confirm(ctx, kind, word, None);
    }
    ctx.reply_is_push();
    Ok(())
}

/// `[word, name, how many subscriptions there are now]`. Channels and patterns are counted together.
fn confirm(ctx: &mut Context<'_>, kind: SubscriptionKind, word: &str, name: Option<&[u8]>) {
    let count = subscription_count(ctx, kind);
    let reply = &mut ctx.reply;
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.count(count);
}

/// The number that a confirmation tells.
pub(super) fn subscription_count(ctx: &Context<'_>, kind: SubscriptionKind) -> usize {
    use SubscriptionKind::{Channel, Pattern, Shard};
    let subscriptions = &ctx.session.subscriptions;
    match kind {
        Channel | Pattern => subscriptions.len(Channel) + subscriptions.len(Pattern),
        Shard => subscriptions.len(Shard),
    }
}
