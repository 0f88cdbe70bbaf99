//! Versions as clients and people see them.

/// The release of Redis whose commands, replies and errors this server follows. Clients decide by it
/// what they may send.
pub const REDIS_VERSION: &str = "7.2.4";

/// This server's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
