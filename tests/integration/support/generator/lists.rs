//! Commands on lists.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"list1", b"list2", b"list3"], templates: &[], word: |_, _| None };
