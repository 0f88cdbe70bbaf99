//! Commands on hashes.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"hash1", b"hash2", b"hash3"], templates: &[], word: |_, _| None };
