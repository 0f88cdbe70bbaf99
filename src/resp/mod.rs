//! The wire format: requests in, replies out. Knows nothing of commands or keys.

mod inline;
mod outbox;
mod reply;
mod request;

pub use inline::{UnbalancedQuotes, quote_word, split_words};
pub use outbox::Outbox;
pub use reply::{Protocol, Reply, ReplyMark};
pub use request::{ArgList, Limits, ParseState, ProtocolError, Request, RequestParser};
