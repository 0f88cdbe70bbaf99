//! When it is time for a snapshot by itself: at a save point, and when the log has grown.

use std::fmt;

use crate::config::{Config, params};

/// After a failure, automatic snapshots wait so long before they try again.
const RETRY_MS: i64 = 5_000;

/// How things stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub since_save_ms: i64,
    /// Since the last attempt, which is of interest if it failed.
    pub since_try_ms: i64,
    pub last_ok: bool,
    /// What was changed since the last snapshot.
    pub changes: u64,
    /// The size of that.
    pub base_bytes: u64,
    /// How much was logged since; `None` if nothing is logged.
    pub log_bytes: Option<u64>,
}

/// Why it is time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    SavePoint { changes: u64, seconds: u64 },
    Growth { bytes: u64 },
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Due::SavePoint { changes, seconds } => {
                write!(f, "{changes} changes in {seconds} seconds")
            }
            Due::Growth { bytes } => write!(f, "the log has grown by {bytes} bytes"),
        }
    }
}

/// Whether it is time, as `save` and `auto-aof-rewrite-*` say.
pub(super) fn due(standing: &Standing, config: &Config) -> Option<Due> {
    if !standing.last_ok && standing.since_try_ms < RETRY_MS {
        return None;
    }
    reached_save_point(standing, config).or_else(|| growth(standing, config))
}

fn reached_save_point(standing: &Standing, config: &Config) -> Option<Due> {
    let &Standing { changes, since_save_ms, .. } = standing;
    if changes == 0 {
        return None;
    }
    let points = config.save_points();
    let mut points = points.iter();
    let reached = points
        .find(|point| changes >= point.changes && since_save_ms >= point.seconds as i64 * 1000)?;
    Some(Due::SavePoint { changes, seconds: reached.seconds })
}

fn growth(standing: &Standing, config: &Config) -> Option<Due> {
    let percentage = config.int(params::AUTO_AOF_REWRITE_PERCENTAGE) as u64;
    let min_size = config.int(params::AUTO_AOF_REWRITE_MIN_SIZE) as u64;
    let (base, bytes) = (standing.base_bytes, standing.log_bytes?);
    let is_due =
        percentage > 0 && base + bytes > min_size && bytes >= base.saturating_mul(percentage) / 100;
    is_due.then_some(Due::Growth { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for (name, value) in pairs {
            config.set_at_start(params::find(name.as_bytes()).unwrap(), value).unwrap();
        }
        config
    }

    const QUIET: Standing = Standing {
        since_save_ms: 0,
        since_try_ms: 0,
        last_ok: true,
        changes: 0,
        base_bytes: 0,
        log_bytes: None,
    };

    #[test]
    fn a_save_point_needs_its_time_and_its_changes() {
        let config = config(&[("save", "60 10 5 100")]);
        let due =
            |since_save_ms, changes| due(&Standing { since_save_ms, changes, ..QUIET }, &config);
        assert_eq!(due(59_999, 10), None);
        assert_eq!(due(60_000, 9), None);
        assert_eq!(due(60_000, 10), Some(Due::SavePoint { changes: 10, seconds: 60 }));
        assert_eq!(due(5_000, 100), Some(Due::SavePoint { changes: 100, seconds: 5 }));
        assert_eq!(due(i64::MAX, 0), None);
    }

    #[test]
    fn the_log_has_grown_when_it_is_large_and_as_large_as_the_snapshot_before() {
        let names = ["auto-aof-rewrite-percentage", "auto-aof-rewrite-min-size"];
        let due = |percentage: &str, base_bytes, log_bytes| {
            let config = config(&[("save", ""), (names[0], percentage), (names[1], "1000")]);
            due(&Standing { base_bytes, log_bytes, ..QUIET }, &config)
        };
        assert_eq!(due("100", 0, Some(1001)), Some(Due::Growth { bytes: 1001 }));
        assert_eq!(due("100", 0, Some(1000)), None);
        assert_eq!(due("50", 2000, Some(999)), None);
        assert_eq!(due("50", 2000, Some(1000)), Some(Due::Growth { bytes: 1000 }));
        assert_eq!(due("0", 0, Some(1 << 40)), None);
        assert_eq!(due("100", 0, None), None);
    }

    #[test]
    fn after_a_failure_it_is_tried_again_a_little_later() {
        let config = config(&[("save", "1 1")]);
        let failed = Standing { since_save_ms: 9_000, changes: 5, last_ok: false, ..QUIET };
        assert_eq!(due(&Standing { since_try_ms: RETRY_MS - 1, ..failed }, &config), None);
        assert!(due(&Standing { since_try_ms: RETRY_MS, ..failed }, &config).is_some());
    }
}
