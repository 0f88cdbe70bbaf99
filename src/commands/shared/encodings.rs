//! Up to where collections are kept in their small forms, as the configuration says at the moment.

use crate::config::{Config, params};
use crate::value::hash::HashLimits;
use crate::value::list::ListLimits;
use crate::value::set::SetLimits;
use crate::value::sorted_set::SortedSetLimits;
use crate::value::stream::NodeLimits;

/// No node of a stream becomes larger, whatever the configuration says.
const NODE_BYTES_MAX: i64 = 1 << 30;

fn limit(config: &Config, param: params::Int) -> usize {
    usize::try_from(config.int(param)).expect("the parameter's range begins at 0")
}

pub(in crate::commands) fn hash_limits(config: &Config) -> HashLimits {
    HashLimits {
        entries: limit(config, params::HASH_MAX_LISTPACK_ENTRIES),
        value: limit(config, params::HASH_MAX_LISTPACK_VALUE),
    }
}

pub(in crate::commands) fn set_limits(config: &Config) -> SetLimits {
    SetLimits {
        intset_entries: limit(config, params::SET_MAX_INTSET_ENTRIES),
        listpack_entries: limit(config, params::SET_MAX_LISTPACK_ENTRIES),
        listpack_value: limit(config, params::SET_MAX_LISTPACK_VALUE),
    }
}

pub(in crate::commands) fn list_limits(config: &Config) -> ListLimits {
    ListLimits::new(config.int(params::LIST_MAX_LISTPACK_SIZE))
}

pub(in crate::commands) fn sorted_set_limits(config: &Config) -> SortedSetLimits {
    SortedSetLimits {
        entries: limit(config, params::ZSET_MAX_LISTPACK_ENTRIES),
        value: limit(config, params::ZSET_MAX_LISTPACK_VALUE),
    }
}

pub(in crate::commands) fn node_limits(config: &Config) -> NodeLimits {
    let bytes = match config.int(params::STREAM_NODE_MAX_BYTES) {
        0 => NODE_BYTES_MAX,
        bytes => bytes.min(NODE_BYTES_MAX),
    };
    let entries = config.int(params::STREAM_NODE_MAX_ENTRIES);
    NodeLimits { bytes: bytes as usize, entries: entries as u64 }
}
