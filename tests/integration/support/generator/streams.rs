//! Commands on streams.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"stream1", b"stream2", b"stream3"], templates: &[], word: |_, _| None };
