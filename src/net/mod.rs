//! The network: listeners accept, workers own connections for life.
//!
//! In reading order: `listener` (accept, admit, hand over) → `seats` (connections by address) →
//! `mailbox` (how a worker is reached) →
//! `worker` (one thread's loop) → `connection` (one peer's buffers and state) → `input` (what it has sent) → `stream`
//! (TCP or unix).

mod connection;
mod input;
mod listener;
mod mailbox;
mod seats;
mod stream;
mod worker;

pub use listener::{Admission, ListenAddress, Listener};
pub use mailbox::Mailbox;
pub use worker::Worker;
