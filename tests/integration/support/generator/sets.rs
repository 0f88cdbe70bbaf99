//! Commands on sets.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"set1", b"set2", b"set3"], templates: &[], word: |_, _| None };
