//! Parts of byte strings.

use std::ops::Range;

/// The bytes from `start` to `end`, both included; negative numbers count from the end. What lies
/// outside the string is cut off.
pub fn byte_range(len: usize, start: i64, end: i64) -> Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_front =
        |index: i64| if index < 0 { (len as i64).saturating_add(index).max(0) } else { index };
    let (start, end) = (from_front(start), from_front(end).min(len as i64 - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

/// Writes `value` at `offset`, padding with zero bytes if the string is shorter.
pub fn overwrite(bytes: &mut Vec<u8>, offset: usize, value: &[u8]) {
    let end = offset + value.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_string() {
        assert_eq!(byte_range(5, 0, -1), 0..5);
        assert_eq!(byte_range(5, -3, 10), 2..5);
        assert_eq!(byte_range(5, -100, 1), 0..2);
        assert_eq!(byte_range(5, 3, 2), 0..0);
        assert_eq!(byte_range(5, -1, -2), 0..0);
        assert_eq!(byte_range(5, 7, 9), 0..0);
        assert_eq!(byte_range(5, 0, -100), 0..1);
        assert_eq!(byte_range(0, 0, -1), 0..0);
        assert_eq!(byte_range(5, i64::MIN, i64::MAX), 0..5);
    }

    #[test]
    fn overwriting_pads_with_zero_bytes() {
        let mut bytes = b"ab".to_vec();
        overwrite(&mut bytes, 4, b"xy");
        assert_eq!(bytes, b"ab\0\0xy");
    }
}
