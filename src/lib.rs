//! Sanderling.
#![forbid(unsafe_code)]

pub mod base;
pub mod commands;
pub mod config;
pub mod exec;
pub mod net;
pub mod persist;
pub mod resp;
pub mod server;
pub mod session;
pub mod store;
pub mod value;
