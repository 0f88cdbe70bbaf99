//! Sanderling.
#![forbid(unsafe_code)]

pub mod base;
pub mod resp;
pub mod store;
pub mod value;
