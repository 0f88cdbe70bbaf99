//! Registers of six bits, packed from the lowest bit of the first byte on: four of them in three bytes.

use super::estimate::Histogram;
use super::{HEADER, REGISTERS};

const BITS: usize = 6;
pub(super) const VALUE_MAX: u8 = (1 << BITS) - 1;
pub(super) const BYTES: usize = REGISTERS * BITS / 8;
/// With the header.
pub(super) const TOTAL: usize = HEADER + BYTES;

const _: () = assert!(BYTES.is_multiple_of(3) && TOTAL == 12304);

/// The four registers in three bytes.
fn unpack(group: &[u8; 3]) -> [u8; 4] {
    let word = u32::from_le_bytes([group[0], group[1], group[2], 0]);
    [0, 6, 12, 18].map(|shift| (word >> shift) as u8 & VALUE_MAX)
}

fn pack_group(values: &[u8; 4]) -> [u8; 3] {
    let word = values.iter().rev().fold(0_u32, |word, value| word << BITS | u32::from(*value));
    let [low, middle, high, _] = word.to_le_bytes();
    [low, middle, high]
}

/// All registers in order, four by four.
pub(super) fn groups(packed: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    packed.as_chunks::<3>().0.iter().map(unpack)
}

/// Appends registers.
pub(super) fn pack(values: &[u8], out: &mut Vec<u8>) {
    values.as_chunks::<4>().0.iter().for_each(|group| out.extend_from_slice(&pack_group(group)));
}

/// Sets a register to a value if it is less; tells whether it was.
pub(super) fn raise(packed: &mut [u8], index: usize, value: u8) -> bool {
    let group = &mut packed.as_chunks_mut::<3>().0[index / 4];
    let mut values = unpack(group);
    let is_less = values[index % 4] < value;
    if is_less {
        values[index % 4] = value;
        *group = pack_group(&values);
    }
    is_less
}

/// How many registers have each value. The four of a group are counted apart, so that one sum needs not
/// wait for the one before.
pub(super) fn histogram(packed: &[u8]) -> Histogram {
    let mut lanes = [[0; VALUE_MAX as usize + 1]; 4];
    for group in groups(packed) {
        for (lane, value) in lanes.iter_mut().zip(group) {
            lane[usize::from(value)] += 1;
        }
    }
    std::array::from_fn(|value| lanes.iter().map(|lane| lane[value]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_begin_in_the_lowest_bits() {
        let mut packed = vec![0; BYTES];
        assert!(raise(&mut packed, 0, 1) && raise(&mut packed, 1, 63) && raise(&mut packed, 3, 2));
        assert_eq!(packed[..3], [0b1100_0001, 0b0000_1111, 0b0000_1000]);
        assert!(!raise(&mut packed, 1, 63) && raise(&mut packed, REGISTERS - 1, 5));
        assert_eq!(packed[BYTES - 1], 5 << 2);
        let values: Vec<u8> = groups(&packed).flatten().collect();
        assert_eq!((values.len(), &values[..4]), (REGISTERS, &[1, 63, 0, 2][..]));
        let mut again = Vec::new();
        pack(&values, &mut again);
        assert_eq!(again, packed);
        assert_eq!(histogram(&packed)[63], 1);
        assert_eq!(histogram(&packed)[0], REGISTERS as u64 - 4);
    }
}
