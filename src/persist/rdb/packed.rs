//! Strings in which Redis packs small collections: listpacks and intsets, and the ziplists and zipmaps of older
//! versions.
//!
//! ```text
//! listpack:  bytes in all, 4 · number of elements, 2 (65535: unknown) · elements (see `value::listpack`) · 255
//! intset:    bytes of a member, 4 (2, 4 or 8) · number of members, 4 · members, rising
//! ziplist:   bytes in all, 4 · place of the last entry, 4 · number of entries, 2 (65535: unknown) · entries · 255
//! zipmap:    number of pairs, 1 (254: unknown) · pairs · 255
//!
//! entry of a ziplist: length of the entry before (1 byte, or 254 and 4 bytes), encoding, data
//!   00nnnnnn                  n bytes                     11111110 + 1 byte     i8
//!   01nnnnnn nnnnnnnn         n bytes, high bits first    11000000 + 2 bytes    i16
//!   10...... + 4 bytes        n bytes, big-endian         11110000 + 3 bytes    i24
//!   1111nnnn (n from 1 to 13) n - 1                       11010000 + 4 bytes    i32
//!                                                         11100000 + 8 bytes    i64
//! pair of a zipmap: length (1 byte, or 254 and 4 bytes), field, length, unused bytes (1 byte), value, the unused bytes
//! ```
//!
//! Numbers are little-endian where nothing else is said. All of it is turned into [`Listpack`]s or integers, of
//! which every element has been looked at.

use super::input::{Damaged, Input, Result};
use crate::value::listpack::{END, Element, Listpack, element};
use crate::value::set::Integers;

/// Counts of elements from this on are not kept, in listpacks and ziplists.
const COUNT_UNKNOWN: u16 = u16::MAX;
const LISTPACK_HEADER: usize = 6;
const ZIPLIST_HEADER: usize = 10;
/// Begins a length of four bytes.
const LONG: u8 = 254;

/// What is between the header and the last byte, which is [`END`].
fn between(bytes: &[u8], header: usize) -> Result<&[u8]> {
    match bytes.get(header..) {
        Some([elements @ .., END]) => Ok(elements),
        _ => Err(Damaged),
    }
}

fn check(is_sound: bool) -> Result<()> {
    if is_sound { Ok(()) } else { Err(Damaged) }
}

pub(super) fn read_listpack(bytes: &[u8]) -> Result<Listpack> {
    let elements = between(bytes, LISTPACK_HEADER)?;
    let mut header = Input::new(bytes);
    let (total, count) = (header.little_u32()?, header.little_u16()?);
    let pack = Listpack::from_encoded(elements).ok_or(Damaged)?;
    check(total as usize == bytes.len())?;
    check(count == COUNT_UNKNOWN || usize::from(count) == pack.len())?;
    Ok(usual(pack))
}

/// The same elements as this server encodes them. Others may have kept an integer as text, which would not be
/// found.
fn usual(pack: Listpack) -> Listpack {
    let is_usual = |part: Element<'_>| match part {
        Element::Integer(_) => true,
        Element::Bytes(bytes) => element(bytes) == part,
    };
    if pack.iter().all(is_usual) {
        return pack;
    }
    let mut usual = Listpack::new();
    pack.iter().for_each(|element| element.with_bytes(|bytes| usual.push_back(bytes)));
    usual
}

/// A listpack as Redis has it, header and all.
pub(super) fn write_listpack(pack: &Listpack) -> Vec<u8> {
    let total = LISTPACK_HEADER + pack.byte_len() + 1;
    let total = u32::try_from(total).expect("a listpack is shorter than 4 GiB");
    let count = u16::try_from(pack.len()).unwrap_or(COUNT_UNKNOWN);
    let parts = [&total.to_le_bytes()[..], &count.to_le_bytes(), pack.encoded(), &[END]];
    parts.concat()
}

/// The members of an intset, which rise.
pub(super) fn read_intset(bytes: &[u8]) -> Result<Vec<i64>> {
    let mut input = Input::new(bytes);
    let (size, count) = (input.little_u32()? as usize, input.little_u32()? as usize);
    check(matches!(size, 2 | 4 | 8))?;
    check(count.checked_mul(size) == Some(input.left()))?;
    let rest = input.take(count * size)?;
    let members: Vec<i64> = rest.chunks_exact(size).map(little_endian).collect();
    check(members.is_sorted_by(|a, b| a < b))?;
    Ok(members)
}

/// An intset as Redis has it, header and all.
pub(super) fn write_intset(integers: &Integers) -> Vec<u8> {
    let (width, encoded) = integers.encoded();
    let count = u32::try_from(integers.len()).expect("an intset is small");
    [&(width as u32).to_le_bytes()[..], &count.to_le_bytes(), encoded].concat()
}

/// A signed number of up to eight bytes.
fn little_endian(bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_le_bytes(wide) >> (64 - 8 * bytes.len())
}

fn push_integer(pack: &mut Listpack, number: i64) {
    pack.push_back(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn read_ziplist(bytes: &[u8]) -> Result<Listpack> {
    let entries = between(bytes, ZIPLIST_HEADER)?;
    let mut header = Input::new(bytes);
    let (total, last) = (header.little_u32()?, header.little_u32()?);
    let count = header.little_u16()?;
    let mut input = Input::new(entries);
    let mut pack = Listpack::new();
    let (mut place, mut before) = (ZIPLIST_HEADER, 0);
    while !input.is_empty() {
        let left = input.left();
        check(long_length(&mut input)? == before)?;
        read_ziplist_entry(&mut input, &mut pack)?;
        place = bytes.len() - 1 - left;
        before = left - input.left();
    }
    check(total as usize == bytes.len() && last as usize == place)?;
    check(count == COUNT_UNKNOWN || usize::from(count) == pack.len())?;
    Ok(pack)
}

/// A length of one byte or of four.
fn long_length(input: &mut Input<'_>) -> Result<usize> {
    match input.byte()? {
        LONG => input.little_u32().map(|len| len as usize),
        END => Err(Damaged),
        len => Ok(usize::from(len)),
    }
}

/// Reads what follows upon the length of the entry before.
fn read_ziplist_entry(input: &mut Input<'_>, pack: &mut Listpack) -> Result<()> {
    let first = input.byte()?;
    let low = usize::from(first & 0x3f);
    let len = match first {
        0x00..=0x3f => Some(low),
        0x40..=0x7f => Some(low << 8 | usize::from(input.byte()?)),
        0x80..=0xbf => Some(input.little_u32()?.swap_bytes() as usize),
        _ => None,
    };
    if let Some(len) = len {
        pack.push_back(input.take(len)?);
        return Ok(());
    }
    let size = match first {
        0xf1..=0xfd => 0,
        0xfe => 1,
        0xc0 => 2,
        0xf0 => 3,
        0xd0 => 4,
        0xe0 => 8,
        _ => return Err(Damaged),
    };
    let number = match size {
        0 => i64::from(first & 0x0f) - 1,
        size => little_endian(input.take(size)?),
    };
    push_integer(pack, number);
    Ok(())
}

/// Fields and values in turn.
pub(super) fn read_zipmap(bytes: &[u8]) -> Result<Listpack> {
    let pairs = between(bytes, 1)?;
    let count = bytes[0];
    let mut input = Input::new(pairs);
    let mut pack = Listpack::new();
    while !input.is_empty() {
        let len = long_length(&mut input)?;
        pack.push_back(input.take(len)?);
        let (len, unused) = (long_length(&mut input)?, input.byte()?);
        pack.push_back(input.take(len)?);
        input.take(usize::from(unused))?;
    }
    check(count >= LONG || usize::from(count) == pack.len() / 2)?;
    Ok(pack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(pack: &Listpack) -> Vec<String> {
        pack.iter().map(|element| String::from_utf8(element.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_ziplist_of_every_encoding_is_read() {
        let long = "y".repeat(300);
        let mut entries: Vec<Vec<u8>> = vec![
            b"\x02ab".to_vec(),
            [b"\x41\x2c", long.as_bytes()].concat(),
            b"\x80\x00\x00\x00\x03xyz".to_vec(),
            b"\xf1".to_vec(),
            b"\xfd".to_vec(),
            b"\xfe\xff".to_vec(),
            b"\xc0\x00\x80".to_vec(),
            b"\xf0\xff\xff\x7f".to_vec(),
            b"\xd0\x00\x00\x00\x80".to_vec(),
            b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80".to_vec(),
        ];
        let mut before = 0;
        for entry in &mut entries {
            let mut whole = match before {
                0..254 => vec![before as u8],
                _ => [&[254][..], &(before as u32).to_le_bytes()].concat(),
            };
            whole.append(entry);
            before = whole.len();
            *entry = whole;
        }
        let body = entries.concat();
        let (total, last) = (11 + body.len(), 10 + body.len() - before);
        let header = [(total as u32).to_le_bytes(), (last as u32).to_le_bytes()].concat();
        let bytes = [&header[..], &[10, 0], &body, &[255]].concat();
        let expected = [
            "ab",
            &long,
            "xyz",
            "0",
            "12",
            "-1",
            "-32768",
            "8388607",
            "-2147483648",
            "-9223372036854775808",
        ];
        assert_eq!(texts(&read_ziplist(&bytes).unwrap()), expected);
        for at in (0..12).chain([14, bytes.len() - 1]) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x40;
            assert_eq!(read_ziplist(&wrong), Err(Damaged), "byte {at}");
        }
    }

    #[test]
    fn a_zipmap_is_read_with_its_unused_bytes() {
        let bytes = b"\x02\x03foo\x03\x02bar??\x05hello\xfe\x05\x00\x00\x00\x00world\xff";
        assert_eq!(texts(&read_zipmap(bytes).unwrap()), ["foo", "bar", "hello", "world"]);
        assert_eq!(read_zipmap(b"\x01\xff"), Err(Damaged));
        assert_eq!(read_zipmap(b"\x01\x01a\xff"), Err(Damaged));
        assert_eq!(read_zipmap(b"\x01\x01a\x01\x05b\xff"), Err(Damaged));
        assert_eq!(read_zipmap(b""), Err(Damaged));
    }

    #[test]
    fn an_integer_that_was_kept_as_text_becomes_one() {
        let bytes = b"\x0d\x00\x00\x00\x02\x00\x82\x31\x32\x03\x05\x01\xff";
        let pack = read_listpack(bytes).unwrap();
        assert_eq!(pack.iter().collect::<Vec<_>>(), [Element::Integer(12), Element::Integer(5)]);
        for at in 0..6 {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 1;
            assert_eq!(read_listpack(&wrong), Err(Damaged), "byte {at}");
        }
    }

    #[test]
    fn an_intset_rises_and_has_the_length_it_claims() {
        let written = |members: &[i64]| {
            let mut integers = Integers::default();
            for member in members {
                assert!(integers.insert(*member));
            }
            write_intset(&integers)
        };
        for members in [&[][..], &[-5, 0, 7], &[-32768, 32767], &[32768], &[i64::MIN, -1, i64::MAX]]
        {
            assert_eq!(read_intset(&written(members)), Ok(members.to_vec()));
        }
        assert_eq!(written(&[1, 2]), b"\x02\0\0\0\x02\0\0\0\x01\0\x02\0");
        for wrong in [
            &b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0"[..],
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0",
            b"\x03\0\0\0\x01\0\0\0\x01\0\x02",
            b"\x08\0\0\0\xff\xff\xff\xff",
            b"\x02\0\0",
        ] {
            assert_eq!(read_intset(wrong), Err(Damaged), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn listpacks_read_back(
            words in prop::collection::vec("-?[0-9]{0,19}|[a-z]{0,90}", 0..40)
        ) {
            let mut pack = Listpack::new();
            words.iter().for_each(|word| pack.push_back(word.as_bytes()));
            prop_assert_eq!(read_listpack(&write_listpack(&pack)), Ok(pack));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (read_listpack(&bytes), read_intset(&bytes));
            let _ = (read_ziplist(&bytes), read_zipmap(&bytes));
        }
    }
}
