//! How large a block of a list may become, as `list-max-listpack-size` says it.
//!
//! The rules and figures are Redis's, so that `OBJECT ENCODING` tells the same and a dumped list has the
//! same blocks. Redis counts the header and the end of a listpack as part of it; [`PACK_OVERHEAD`] stands
//! for them here, where a listpack has neither.

use crate::value::listpack::Listpack;

/// Bytes of a listpack in Redis besides its elements.
const PACK_OVERHEAD: usize = 7;
/// What Redis adds to the length of a value to estimate its size as an element.
const ELEMENT_OVERHEAD: usize = 8;
/// The bytes that -1, -2 ... stand for.
const LEVELS: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// Blocks that are limited by their number of elements must not take more bytes than this.
const BYTES_SAFE: usize = 8192;
/// A single piece of memory larger than this is cut into blocks, even where Redis, which does not count
/// what elements take beside their bytes, would keep it whole.
const BYTES_WHOLE: usize = 65536;

/// See the module's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    bytes: usize,
    len: usize,
    /// What a list in one piece may have at most after it has shrunk to one block.
    small_bytes: usize,
    small_len: usize,
}

impl ListLimits {
    /// From the value of the parameter: -1 to -5 for 4 to 64 KiB, or so many elements.
    pub fn new(parameter: i64) -> ListLimits {
        match usize::try_from(parameter) {
            Ok(count) => {
                let len = count.max(1);
                ListLimits { bytes: BYTES_SAFE, len, small_bytes: BYTES_WHOLE, small_len: len / 2 }
            }
            Err(_) => {
                let level = parameter.unsigned_abs().min(LEVELS.len() as u64) as usize;
                let bytes = LEVELS[level - 1];
                ListLimits { bytes, len: usize::MAX, small_bytes: bytes / 2, small_len: usize::MAX }
            }
        }
    }

    /// Whether a block of so many bytes and elements is too large.
    fn is_exceeded(&self, bytes: usize, len: usize) -> bool {
        bytes + PACK_OVERHEAD > self.bytes || len > self.len
    }

    /// Whether a list in one piece is to be cut into blocks before so many elements are added, which have
    /// so many bytes together.
    pub(super) fn must_cut(&self, pack: &Listpack, bytes: usize, len: usize) -> bool {
        self.is_exceeded(pack.byte_len() + bytes, pack.len() + len)
            || pack.byte_len() + bytes + 2 * len > BYTES_WHOLE.max(self.bytes)
    }

    /// Whether a list that is down to this block is to be kept in one piece again. The threshold is half
    /// of the one above, so that a list at the limit is not converted to and fro.
    pub(super) fn is_small(&self, pack: &Listpack) -> bool {
        pack.byte_len().saturating_add(PACK_OVERHEAD) <= self.small_bytes
            && pack.len() <= self.small_len
    }

    /// Whether a block has room for a value.
    pub(super) fn has_room(&self, pack: &Listpack, value: &[u8]) -> bool {
        let bytes = pack.byte_len() + value.len() + ELEMENT_OVERHEAD;
        !self.is_exceeded(bytes, pack.len() + 1)
    }

    /// Whether a block may have so many bytes and elements.
    pub(super) fn allows(&self, bytes: usize, len: usize) -> bool {
        !self.is_exceeded(bytes, len)
    }

    /// Whether two blocks may become one.
    pub(super) fn may_merge(&self, a: &Listpack, b: &Listpack) -> bool {
        !self.is_exceeded(a.byte_len() + b.byte_len(), a.len() + b.len())
    }

    /// Whether two blocks together fill at most half of one.
    pub(super) fn are_thin(&self, a: &Listpack, b: &Listpack) -> bool {
        a.byte_len() + b.byte_len() <= self.bytes / 2 && a.len() + b.len() <= (self.len / 2).max(1)
    }
}

impl Default for ListLimits {
    /// Those of the parameter's default.
    fn default() -> ListLimits {
        ListLimits::new(-2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_stands_for_bytes_or_elements() {
        assert_eq!(ListLimits::new(-1).bytes, 4096);
        assert_eq!(ListLimits::new(-5).bytes, 65536);
        assert_eq!(ListLimits::new(-6), ListLimits::new(-5));
        assert_eq!(ListLimits::new(i64::MIN), ListLimits::new(-5));
        assert_eq!(ListLimits::new(0), ListLimits::new(1));
        assert_eq!(ListLimits::new(128).len, 128);
        assert_eq!(ListLimits::new(128).bytes, 8192);
        assert_eq!(ListLimits::new(128).small_len, 64);
    }
}
