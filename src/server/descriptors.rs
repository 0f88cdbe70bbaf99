//! How many clients the system's limit of open files leaves room for.

use crate::config::{Config, params};

/// Descriptors needed besides those of clients.
const DESCRIPTORS_RESERVED: u64 = 32;

/// Lowers `maxclients` to what the system allows, and says so. The slots that are reserved come first.
pub(super) fn limit_clients(config: &Config) {
    let wanted = config.int(params::MAXCLIENTS) as u64;
    let possible = allow_clients(wanted, config.int(params::MAXCLIENTS_RESERVED) as u64);
    if possible < wanted {
        log::warn!(
            "the system allows {possible} clients, not {wanted}; raise the limit of open files (ulimit -n) for more"
        );
        config.lower_maxclients(possible as i64);
    }
}

/// Raises the limit of open files for so many clients besides those that have reserved slots; returns how many are
/// possible.
pub(super) fn allow_clients(wanted: u64, reserved_slots: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let reserved = DESCRIPTORS_RESERVED + reserved_slots;
    let needed = wanted + reserved;
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= needed {
        return wanted;
    }
    let reachable = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised =
        setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum: limit.maximum });
    let allowed = if raised.is_ok() { reachable } else { current };
    allowed.saturating_sub(reserved).max(1)
}
