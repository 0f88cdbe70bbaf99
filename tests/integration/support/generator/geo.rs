//! Commands on geo.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"geo1", b"geo2", b"geo3"], templates: &[], word: |_, _| None };
