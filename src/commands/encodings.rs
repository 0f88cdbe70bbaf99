//! Up to where collections are kept in their small forms, as the configuration says at the moment.

use crate::config::{Config, params};
use crate::value::hash;

fn limit(config: &Config, param: params::Int) -> usize {
    usize::try_from(config.int(param)).expect("the parameter's range begins at 0")
}

pub(super) fn hash_limits(config: &Config) -> hash::Limits {
    hash::Limits {
        fields: limit(config, params::HASH_MAX_LISTPACK_ENTRIES),
        bytes: limit(config, params::HASH_MAX_LISTPACK_VALUE),
    }
}
