//! Commands on sorted sets.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"zset1", b"zset2", b"zset3"], templates: &[], word: |_, _| None };
