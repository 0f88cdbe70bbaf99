//! Members and scores as replies, and as new keys.

use crate::commands::shared::encodings::sorted_set_limits;
use crate::exec::{Context, reply_element};
use crate::resp::{Protocol, Reply};
use crate::store::{EventKind, Key, event};
use crate::value::SortedSet;
use crate::value::listpack::Element;
use crate::value::sorted_set::Members;

/// How members are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Members,
    /// Members and scores in turn.
    Flat,
    /// An array of two for each member.
    Pairs,
}

impl Shape {
    /// What `WITHSCORES` means to a client.
    pub(super) fn with_scores(is_given: bool, protocol: Protocol) -> Shape {
        match (is_given, protocol) {
            (false, _) => Shape::Members,
            (true, Protocol::Resp2) => Shape::Flat,
            (true, Protocol::Resp3) => Shape::Pairs,
        }
    }

    /// Begins the reply.
    pub(super) fn begin(self, reply: &mut Reply<'_>, members: usize) {
        reply.array(if self == Shape::Flat { members * 2 } else { members });
    }

    pub(super) fn reply_one(self, reply: &mut Reply<'_>, (member, score): (Element<'_>, f64)) {
        if self == Shape::Pairs {
            reply.array(2);
        }
        reply_element(reply, member);
        if self != Shape::Members {
            reply.double(score);
        }
    }

    pub(super) fn reply_all<'e>(
        self,
        reply: &mut Reply<'_>,
        entries: impl ExactSizeIterator<Item = (Element<'e>, f64)>,
    ) {
        self.begin(reply, entries.len());
        entries.for_each(|entry| self.reply_one(reply, entry));
    }

    pub(super) fn reply_members(self, reply: &mut Reply<'_>, members: &Members) {
        let entries = members.iter().map(|(member, score)| (Element::Bytes(member), *score));
        self.reply_all(reply, entries);
    }
}

/// Puts members under a key, whatever was there, and replies how many. An empty set is no key:
/// what was there is removed. Tells whether anything changed.
pub(in crate::commands) fn store(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    members: &Members,
    kind: EventKind,
) -> bool {
    ctx.reply.count(members.len());
    if members.is_empty() {
        return ctx.keys.remove(key, event::DEL);
    }
    let thresholds = sorted_set_limits(&ctx.engine.config);
    ctx.keys.put_collection(key, SortedSet::from_members(members, &thresholds), kind);
    true
}
