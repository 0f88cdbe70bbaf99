//! What is remembered of the commands that were executed: each is entered into the `account` of its client and its kind,
//! which fills `stats`, `slowlog` and `latency`, and shown to `monitor`s; some are looked at for `hotkeys`.

pub(super) mod account;
pub(super) mod hotkeys;
pub(super) mod latency;
pub(super) mod monitor;
pub(super) mod slowlog;
pub(super) mod stats;
