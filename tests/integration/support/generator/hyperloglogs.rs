//! Commands on hyperloglogs.

use super::Group;

pub(super) const GROUP: Group =
    Group { keys: &[b"hll1", b"hll2", b"hll3"], templates: &[], word: |_, _| None };
