//! `LOLWUT`: a picture, another one each time.
//!
//! Sanderlings are small waders that run along the edge of the sea, after each wave that draws back and
//! away from each that comes. The picture is such an edge: a wandering line of foam, the sea behind it,
//! and a few birds on the sand in front.

use crate::base::random::Random;

const WIDTH: usize = 64;
const HEIGHT: usize = 12;
/// Columns that one bird takes, its distance from the next included.
const PLOT: usize = 16;

/// A bird runs, or it picks at something; both look to the left.
const BIRDS: [[&str; 4]; 2] =
    [["   _", "--(o)___", "   (____>", "    / >"], ["    ____", "  _(_____>", " (o) | |", "/"]];

/// Draws the picture; ends with a line break.
pub(super) fn beach(random: &mut Random) -> String {
    let mut canvas = vec![[' '; WIDTH]; HEIGHT];
    let foam = foam_line(random);
    for (column, edge) in foam.iter().enumerate() {
        for (row, line) in canvas.iter_mut().enumerate().take(edge + 1) {
            line[column] = if row == *edge { '.' } else { wave(row, column, random) };
        }
    }
    for plot in 0..WIDTH / PLOT {
        if random.below(3) > 0 {
            place_bird(&mut canvas, plot * PLOT + random.below(PLOT / 2), random);
        }
    }
    let mut picture = String::with_capacity((WIDTH + 1) * HEIGHT);
    for line in canvas {
        picture.push_str(String::from_iter(line).trim_end());
        picture.push('\n');
    }
    picture
}

/// How far the sea reaches down in each column: a random walk within the upper half.
fn foam_line(random: &mut Random) -> [usize; WIDTH] {
    const LOWEST: usize = HEIGHT / 2 - 1;
    let mut edge = 1 + random.below(LOWEST - 1);
    std::array::from_fn(|_| {
        match random.below(4) {
            0 => edge = (edge + 1).min(LOWEST),
            1 => edge = (edge - 1).max(1),
            _ => {}
        }
        edge
    })
}

/// Waves lie closer where the sea is farther away.
fn wave(row: usize, column: usize, random: &mut Random) -> char {
    let is_crest = (column + row * 3).is_multiple_of(3 + row) && random.below(4) > 0;
    if is_crest { '~' } else { ' ' }
}

/// On the lowest lines, which the sea never reaches.
fn place_bird(canvas: &mut [[char; WIDTH]], left: usize, random: &mut Random) {
    let bird = BIRDS[random.below(BIRDS.len())];
    let top = HEIGHT - bird.len() - random.below(2);
    for (line, drawing) in canvas[top..].iter_mut().zip(bird) {
        for (cell, mark) in line[left..].iter_mut().zip(drawing.chars()) {
            if mark != ' ' {
                *cell = mark;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_fits_its_frame_and_few_are_alike() {
        let pictures: std::collections::BTreeSet<String> =
            (0..50).map(|seed| beach(&mut Random::seeded(seed))).collect();
        assert!(pictures.len() > 45);
        for picture in &pictures {
            assert_eq!(picture.lines().count(), HEIGHT);
            assert!(picture.lines().all(|line| line.chars().count() <= WIDTH));
            assert!(picture.contains('.') && picture.is_ascii());
        }
        assert!(pictures.iter().any(|picture| picture.contains("--(o)")));
    }
}
