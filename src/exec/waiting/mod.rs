//! Clients that wait for keys: `waiters` knows who waits for what, and `serving` executes their commands when something
//! has come.

mod serving;
pub(super) mod waiters;
