//! The wire format: requests in, replies out. Knows nothing of commands or keys.

mod encode;
mod outbox;
mod owned_args;
mod reply;
mod request;

pub use encode::encode_command;
pub use outbox::{Outbox, Sent};
pub use owned_args::OwnedArgs;
pub use reply::{Protocol, Reply, ReplyMark};
pub use request::{ArgList, Limits, ParseState, ProtocolError, Request, RequestParser};
