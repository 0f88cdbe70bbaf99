//! The numbers of the format: types of values, forms of lengths, encodings of strings, versions.

/// What a value is and how it is written; the first byte of a payload.
macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: u8 = $number;)*
    };
}

types! {
    STRING = 0;
    LIST = 1;
    SET = 2;
    /// With scores as text.
    ZSET = 3;
    HASH = 4;
    /// With scores as eight bytes.
    ZSET_2 = 5;
    HASH_ZIPMAP = 9;
    LIST_ZIPLIST = 10;
    SET_INTSET = 11;
    ZSET_ZIPLIST = 12;
    HASH_ZIPLIST = 13;
    /// Nodes are ziplists.
    LIST_QUICKLIST = 14;
    STREAM_LISTPACKS = 15;
    HASH_LISTPACK = 16;
    ZSET_LISTPACK = 17;
    /// Nodes are listpacks, or one large element each.
    LIST_QUICKLIST_2 = 18;
    /// With the first ID, the highest deleted ID, how many entries there were, and how many a group has read.
    STREAM_LISTPACKS_2 = 19;
    SET_LISTPACK = 20;
    /// With the time of a consumer's last delivery.
    STREAM_LISTPACKS_3 = 21;
    /// With deadlines of fields.
    HASH_METADATA = 24;
    HASH_LISTPACK_EX = 25;
}

/// The version that Redis 7.0 writes, and the newest one that everything else can read.
pub(super) const VERSION_COMMON: u16 = 10;
/// The version of Redis 7.4, which brought deadlines of fields.
pub(super) const VERSION_FIELD_DEADLINES: u16 = 12;
/// The newest version that is read.
pub(super) const VERSION_MAX: u16 = 12;

/// The highest two bits of a length's first byte say how it goes on: the length is in the other six bits.
pub(super) const BITS_6: u8 = 0x00;
/// In these and the next byte.
pub(super) const BITS_14: u8 = 0x40;
/// In the next four bytes (this is the whole first byte).
pub(super) const BITS_32: u8 = 0x80;
/// In the next eight bytes (this is the whole first byte).
pub(super) const BITS_64: u8 = 0x81;
/// No length: the other six bits say how the string is encoded.
pub(super) const SPECIAL: u8 = 0xc0;

pub(super) const INT8: u8 = SPECIAL;
pub(super) const INT16: u8 = SPECIAL | 1;
pub(super) const INT32: u8 = SPECIAL | 2;
pub(super) const LZF: u8 = SPECIAL | 3;

/// A node of a list that is one element as it is.
pub(super) const NODE_PLAIN: u64 = 1;
/// A node of a list that is a listpack.
pub(super) const NODE_PACKED: u64 = 2;

/// Longer strings are neither compressed nor taken compressed: a few bytes must not become an allocation that fails.
pub(super) const COMPRESSED_MAX: usize = 512 << 20;
