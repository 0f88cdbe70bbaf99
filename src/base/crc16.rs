//! The key's slot, as Redis Cluster computes it.
//!
//! CRC16 in its XMODEM form: polynomial 0x1021, initial value 0, most significant bit first,
//! nothing reflected or inverted. Both the slot of the cluster protocol and the shard of a key
//! derive from it, so that keys with one hash tag share a shard.

/// How many slots the key space is divided into; a power of two.
pub const SLOT_COUNT: u16 = 16384;

const POLYNOMIAL: u16 = 0x1021;

static TABLE: [u16; 256] = build_table();

const fn build_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// CRC16-XMODEM of `bytes`.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// The slot of a key, 0 to 16383.
///
/// If the key has a `{` and a `}` after it with something in between, only what is between the
/// first `{` and the first `}` after it counts.
pub fn key_slot(key: &[u8]) -> u16 {
    const { assert!(SLOT_COUNT.is_power_of_two()) };
    crc16(hash_tag(key).unwrap_or(key)) & (SLOT_COUNT - 1)
}

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let after = &key[memchr::memchr(b'{', key)? + 1..];
    let tag = &after[..memchr::memchr(b'}', after)?];
    (!tag.is_empty()).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_standard_holds() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn slots_agree_with_redis_cluster() {
        for (key, slot) in [
            ("", 0),
            ("foo", 12182),
            ("bar", 5061),
            ("123456789", 12739),
            ("{user1000}.following", 3443),
            ("{user1000}.followers", 3443),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn only_the_first_non_empty_tag_counts() {
        assert_eq!(key_slot(b"a{tag}b{other}"), key_slot(b"tag"));
        assert_eq!(key_slot(b"foo{{bar}}zap"), key_slot(b"{bar"));
        assert_eq!(key_slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOT_COUNT);
        assert_eq!(key_slot(b"foo{bar"), crc16(b"foo{bar") % SLOT_COUNT);
        assert_eq!(key_slot(b"}foo{bar}"), key_slot(b"bar"));
    }
}
