//! How elements are shown that have something with them: fields their values, members their scores.

use crate::exec::reply_element;
use crate::resp::{Protocol, Reply};
use crate::value::listpack::Element;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum ReplyShape {
    /// Without it.
    Alone,
    /// In turn.
    Flat,
    /// An array of two for each.
    Pairs,
}

impl ReplyShape {
    /// What `WITHVALUES` and `WITHSCORES` mean to a client.
    pub(in crate::commands) fn with_word(is_given: bool, protocol: Protocol) -> ReplyShape {
        match (is_given, protocol) {
            (false, _) => ReplyShape::Alone,
            (true, Protocol::Resp2) => ReplyShape::Flat,
            (true, Protocol::Resp3) => ReplyShape::Pairs,
        }
    }

    /// Begins a reply of so many elements.
    pub(in crate::commands) fn begin(self, reply: &mut Reply<'_>, elements: usize) {
        reply.array(if self == ReplyShape::Flat { elements * 2 } else { elements });
    }

    /// One of them; `companion` replies what it has with it.
    pub(in crate::commands) fn reply_one(
        self,
        reply: &mut Reply<'_>,
        element: Element<'_>,
        companion: impl FnOnce(&mut Reply<'_>),
    ) {
        if self == ReplyShape::Pairs {
            reply.array(2);
        }
        reply_element(reply, element);
        if self != ReplyShape::Alone {
            companion(reply);
        }
    }
}
