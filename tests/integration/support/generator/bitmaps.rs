//! Commands on bitmaps.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"bits1", b"bits2", b"bits3"], templates: &[], word: |_, _| None };
