//! Members and scores as replies, and as new keys.

use crate::commands::shared::encodings::sorted_set_limits;
use crate::commands::shared::reply_shape::ReplyShape;
use crate::exec::Context;
use crate::resp::Reply;
use crate::store::{EventKind, Key, event};
use crate::value::SortedSet;
use crate::value::listpack::Element;
use crate::value::sorted_set::Scored;

/// Members with their scores.
impl ReplyShape {
    pub(super) fn reply_entry(self, reply: &mut Reply<'_>, (member, score): (Element<'_>, f64)) {
        self.reply_one(reply, member, |reply| reply.double(score));
    }

    pub(super) fn reply_all<'e>(
        self,
        reply: &mut Reply<'_>,
        entries: impl ExactSizeIterator<Item = (Element<'e>, f64)>,
    ) {
        self.begin(reply, entries.len());
        entries.for_each(|entry| self.reply_entry(reply, entry));
    }

    pub(super) fn reply_members(self, reply: &mut Reply<'_>, members: &Scored) {
        let entries = members.iter().map(|(member, score)| (Element::Bytes(member), *score));
        self.reply_all(reply, entries);
    }
}

/// Puts members under a key, whatever was there, and replies how many. An empty set is no key:
/// what was there is removed. Tells whether anything changed.
pub(in crate::commands) fn store(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    members: &Scored,
    kind: EventKind,
) -> bool {
    ctx.reply.count(members.len());
    if members.is_empty() {
        return ctx.keys.remove(key, event::DEL);
    }
    let limits = sorted_set_limits(&ctx.engine.config);
    ctx.keys.put_collection(key, SortedSet::from_members(members, &limits), kind);
    true
}
