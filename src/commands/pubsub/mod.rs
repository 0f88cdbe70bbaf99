//! Publishing and subscribing: messages to whoever listens at the moment.
//!
//! `subscribe` begins and ends subscriptions, `replay` does so from an earlier message on, `about` tells who listens to
//! what; the registry is `crate::pubsub`.

mod about;
mod replay;
mod subscribe;

use self::about::PUBSUB_FAMILY;
use self::replay::subscribe_from;
use self::subscribe::{psubscribe, punsubscribe, ssubscribe, subscribe, sunsubscribe, unsubscribe};
use crate::exec::keyspec::{KeySpec, NOT_KEY, key, keys_to_end};
use crate::exec::spec::{
    FAST, LOADING, MAY_REPLICATE, NO_MULTI, NOSCRIPT, PUBSUB, SENTINEL, STALE, SUBSCRIBER,
};
use crate::exec::{Args, Context, Outcome, Spec, cmd};

const LISTEN: u32 = PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBER;
const SAY: u32 = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE;
const SHARD_CHANNEL: &[KeySpec] = &[key(NOT_KEY)];
const SHARD_CHANNELS: &[KeySpec] = &[keys_to_end(1, NOT_KEY)];

pub static COMMANDS: &[Spec] = &[
    cmd("PSUBSCRIBE", -2, &[], LISTEN | SENTINEL, psubscribe).doc(
        "2.0.0",
        "O(N) where N is the number of patterns to subscribe to.",
        "pattern [pattern ...]",
        "Listens to all channels whose names match patterns.",
    ),
    cmd("PUBLISH", 3, &[], SAY | SENTINEL, publish).doc(
        "2.0.0",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M \
         is the total number of subscribed patterns (by any client).",
        "channel message",
        "Sends a message to all who listen to a channel.",
    ),
    PUBSUB_FAMILY,
    cmd("PUNSUBSCRIBE", -1, &[], LISTEN | SENTINEL, punsubscribe).doc(
        "2.0.0",
        "O(N) where N is the number of patterns to unsubscribe.",
        "[pattern [pattern ...]]",
        "Ends listening to patterns, or to all of them.",
    ),
    cmd("SPUBLISH", 3, SHARD_CHANNEL, SAY, spublish).doc(
        "7.0.0",
        "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        "shardchannel message",
        "Sends a message to all who listen to a shard channel.",
    ),
    cmd("SSUBSCRIBE", -2, SHARD_CHANNELS, LISTEN, ssubscribe).doc(
        "7.0.0",
        "O(N) where N is the number of shard channels to subscribe to.",
        "shardchannel [shardchannel ...]",
        "Listens to shard channels.",
    ),
    cmd("SUBSCRIBE", -2, &[], LISTEN | SENTINEL, subscribe).doc(
        "2.0.0",
        "O(N) where N is the number of channels to subscribe to.",
        "channel [channel ...]",
        "Listens to channels.",
    ),
    cmd("SUBSCRIBE.FROM", 3, &[], LISTEN | NO_MULTI, subscribe_from).doc(
        "7.2.0",
        "O(log(N)+M) where N is the number of kept messages and M is the number of those \
         that are sent.",
        "channel sequence-number",
        "Listens to a channel of which messages are kept, beginning behind one of them.",
    ),
    cmd("SUNSUBSCRIBE", -1, SHARD_CHANNELS, LISTEN, sunsubscribe).doc(
        "7.0.0",
        "O(N) where N is the number of shard channels to unsubscribe.",
        "[shardchannel [shardchannel ...]]",
        "Ends listening to shard channels, or to all of them.",
    ),
    cmd("UNSUBSCRIBE", -1, &[], LISTEN | SENTINEL, unsubscribe).doc(
        "2.0.0",
        "O(N) where N is the number of channels to unsubscribe.",
        "[channel [channel ...]]",
        "Ends listening to channels, or to all of them.",
    ),
];

/// `PUBLISH channel message`: how many got it; who listens in two ways gets it twice.
fn publish<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let sent = ctx.engine.pubsub.publish(args.bytes()?, args.bytes()?);
    ctx.reply.count(sent);
    Ok(())
}

/// `SPUBLISH shardchannel message`
fn spublish<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let sent = ctx.engine.pubsub.publish_shard(args.bytes()?, args.bytes()?);
    ctx.reply.count(sent);
    Ok(())
}
