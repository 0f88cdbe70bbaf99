//! Layer 3: channels, patterns and who listens to them; keyspace events.
//!
//! In reading order: `registry` (who listens, and publishing), `patterns` (which patterns match a channel, without
//! looking at all of them), `frames` (a message is encoded once per protocol version), `events` (the channels on
//! which changes of keys are told), `history` (messages
//! that are kept for those who come later).

mod events;
mod frames;
mod history;
mod patterns;
mod registry;

pub use history::{HistoryFigures, Replay, ReplayFrom};
pub use registry::PubSub;
