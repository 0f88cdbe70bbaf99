//! The limits of small forms, as the configuration has them at the moment.

use crate::config::{Config, params};
use crate::value::set::SetLimits;

pub(super) fn set_limits(config: &Config) -> SetLimits {
    let size = |param| usize::try_from(config.int(param)).unwrap_or(usize::MAX);
    SetLimits {
        intset_entries: size(params::SET_MAX_INTSET_ENTRIES),
        listpack_entries: size(params::SET_MAX_LISTPACK_ENTRIES),
        listpack_value: size(params::SET_MAX_LISTPACK_VALUE),
    }
}
