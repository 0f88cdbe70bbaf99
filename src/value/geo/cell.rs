//! Cells: the map cut into 4^step rectangles of equal degrees. Their numbers interleave the bits of a row
//! (latitude, even bits) and a column (longitude, odd bits).

use super::{LATITUDES, LONGITUDES, Position, STEP_MAX, Span};

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The northern edge of the map lies in a row behind the last, and so does its eastern edge in a column.
    row: u32,
    column: u32,
    pub step: u32,
}

impl Cell {
    pub(super) fn around(position: Position, step: u32) -> Cell {
        let row = LATITUDES.part_of(position.latitude, step);
        Cell { row, column: LONGITUDES.part_of(position.longitude, step), step }
    }

    pub(super) fn of_bits(bits: u64, step: u32) -> Cell {
        Cell { row: every_other_bit(bits), column: every_other_bit(bits >> 1), step }
    }

    pub(super) fn bits(self) -> u64 {
        interleave(self.row, self.column)
    }

    pub(super) fn latitudes(self) -> Span {
        span_of(LATITUDES, self.row, self.step)
    }

    pub(super) fn longitudes(self) -> Span {
        span_of(LONGITUDES, self.column, self.step)
    }

    /// The cell so many rows north and columns east; the map ends nowhere.
    pub(super) fn neighbour(self, north: i32, east: i32) -> Cell {
        let moved = |part: u32, by: i32| match by {
            0 => part,
            by => part.wrapping_add_signed(by) & ((1 << self.step) - 1),
        };
        Cell { row: moved(self.row, north), column: moved(self.column, east), step: self.step }
    }

    /// The scores inside: the least, and the one behind the greatest.
    pub(super) fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEP_MAX - self.step);
        let bits = self.bits();
        ((bits << shift) as f64, ((bits + 1) << shift) as f64)
    }
}

fn span_of(whole: Span, part: u32, step: u32) -> Span {
    let end = whole.start_of(part.wrapping_add(1), step);
    Span { min: whole.start_of(part, step), max: end }
}

/// Steps of [`interleave`]: how far halves move apart, and which bits stay.
const SPREAD: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

/// The bits of `even` at even places and those of `odd` at odd ones.
pub(super) fn interleave(even: u32, odd: u32) -> u64 {
    let spread = |bits: u32| {
        SPREAD.iter().fold(u64::from(bits), |bits, (shift, mask)| (bits | bits << shift) & mask)
    };
    spread(even) | spread(odd) << 1
}

fn every_other_bit(bits: u64) -> u32 {
    let gather = |bits: u64, (shift, mask): &(u32, u64)| bits & mask | (bits & mask) >> shift;
    SPREAD.iter().rev().fold(bits, gather) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_map_ends_nowhere() {
        let corner = Cell { row: 3, column: 0, step: 2 };
        assert_eq!(corner.neighbour(1, -1), Cell { row: 0, column: 3, step: 2 });
        assert_eq!(corner.neighbour(0, 1), Cell { row: 3, column: 1, step: 2 });
        // The row behind the last stays where it is unless one moves north or south.
        let edge = Cell { row: 4, column: 0, step: 2 };
        assert_eq!(edge.neighbour(0, 1), Cell { row: 4, column: 1, step: 2 });
        assert_eq!(edge.neighbour(-1, 0), Cell { row: 3, column: 0, step: 2 });
    }

    proptest! {
        #[test]
        fn interleaved_bits_come_back(row: u32, column: u32) {
            let bits = interleave(row, column);
            prop_assert_eq!(Cell::of_bits(bits, 26), Cell { row, column, step: 26 });
            for bit in 0..32 {
                prop_assert_eq!(bits >> (2 * bit) & 1, u64::from(row >> bit & 1));
            }
        }
    }
}
