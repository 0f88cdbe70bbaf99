//! Positions on earth as scores of sorted sets.
//!
//! Longitude and latitude are cut into 2^26 steps each, and the bits of the two numbers are interleaved
//! into one of 52 bits, which a double holds exactly. Positions that agree in the first 2n bits lie in the
//! same of 4^n cells, and have neighbouring scores: a cell is a range of scores. `cell` has the cells,
//! `area` finds members around a position by looking through up to nine of them.
//!
//! The earth is a ball here, and the latitudes are those that a square map shows (85 degrees either way):
//! distances are off by up to half a percent, and equal to those of Redis, as are the scores.

mod area;
mod cell;

pub use area::{Area, Found, Order, Shape, candidate_count, search, select};

use cell::Cell;

/// Degrees either way.
pub const LONGITUDE_MAX: f64 = 180.0;
pub const LATITUDE_MAX: f64 = 85.051_128_78;
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
/// Bits of each coordinate in a score.
const STEP_MAX: u32 = 26;

/// The numbers that a coordinate is between.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    min: f64,
    max: f64,
}

const LONGITUDES: Span = Span { min: -LONGITUDE_MAX, max: LONGITUDE_MAX };
const LATITUDES: Span = Span { min: -LATITUDE_MAX, max: LATITUDE_MAX };
/// As the geohashes of others have them.
const ALL_LATITUDES: Span = Span { min: -90.0, max: 90.0 };

impl Span {
    /// Which of 2^step equal parts a number inside is in; the end itself is behind the last.
    fn part_of(self, number: f64, step: u32) -> u32 {
        let share = (number - self.min) / (self.max - self.min);
        (share * (1_u64 << step) as f64) as u32
    }

    /// Where a part begins.
    fn start_of(self, part: u32, step: u32) -> f64 {
        let share = f64::from(part) / (1_u64 << step) as f64;
        self.min + share * (self.max - self.min)
    }
}

/// A place on earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

impl Position {
    /// `None` if there is no such place on the map.
    pub fn new(longitude: f64, latitude: f64) -> Option<Position> {
        let is_inside = longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX;
        is_inside.then_some(Position { longitude, latitude })
    }

    /// The score under which a sorted set keeps it.
    pub fn score(self) -> f64 {
        Cell::around(self, STEP_MAX).bits() as f64
    }

    /// The middle of the smallest cell that a score stands for. Any score is some place.
    pub fn of_score(score: f64) -> Position {
        let cell = Cell::of_bits(bits_of_score(score), STEP_MAX);
        let middle = |span: Span| (span.min + span.max) / 2.0;
        Position {
            longitude: middle(cell.longitudes()).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: middle(cell.latitudes()).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// Meters along the surface (the haversine formula).
    pub fn distance_m(self, other: Position) -> f64 {
        let v = ((other.longitude.to_radians_exactly() - self.longitude.to_radians_exactly())
            / 2.0)
            .sin();
        if v == 0.0 {
            return latitude_distance_m(self.latitude, other.latitude);
        }
        let latitudes = [self, other].map(|it| it.latitude.to_radians_exactly());
        let u = ((latitudes[1] - latitudes[0]) / 2.0).sin();
        let a = u * u + latitudes[0].cos() * latitudes[1].cos() * v * v;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }

    /// Eleven letters that others understand: ten of five bits, and a last one of which nothing is known.
    pub fn geohash(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let longitude = LONGITUDES.part_of(self.longitude, STEP_MAX);
        let latitude = ALL_LATITUDES.part_of(self.latitude, STEP_MAX);
        let bits = cell::interleave(latitude, longitude);
        std::array::from_fn(|letter| match letter {
            10 => LETTERS[0],
            _ => LETTERS[(bits >> (2 * STEP_MAX as usize - (letter + 1) * 5)) as usize & 31],
        })
    }
}

fn latitude_distance_m(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (b.to_radians_exactly() - a.to_radians_exactly()).abs()
}

/// Degrees and radians by the factor that Redis uses; the standard library's is rounded otherwise.
trait Degrees {
    fn to_radians_exactly(self) -> f64;
    fn to_degrees_exactly(self) -> f64;
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

impl Degrees for f64 {
    fn to_radians_exactly(self) -> f64 {
        self * RADIANS_PER_DEGREE
    }

    fn to_degrees_exactly(self) -> f64 {
        self / RADIANS_PER_DEGREE
    }
}

/// A score as a whole number. Sorted sets hold any scores; what becomes of those that are negative or too
/// large is what common machines make of them in C, so that replies agree with those of Redis.
fn bits_of_score(score: f64) -> u64 {
    const HALF: f64 = (1_u64 << 63) as f64;
    let signed = |number: f64| if number < HALF { number as i64 } else { i64::MIN };
    if score < HALF { signed(score) as u64 } else { signed(score - HALF) as u64 ^ 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(longitude: f64, latitude: f64) -> Position {
        Position::new(longitude, latitude).unwrap()
    }

    #[test]
    fn the_documented_places_have_the_documented_scores_and_distance() {
        let palermo = at(13.361389, 38.115556);
        let catania = at(15.087269, 37.502669);
        assert_eq!((palermo.score(), catania.score()), (3479099956230698.0, 3479447370796909.0));
        let [stored, other] = [palermo, catania].map(|place| Position::of_score(place.score()));
        assert_eq!(format!("{:.4}", stored.distance_m(other)), "166274.1516");
        assert_eq!(stored.geohash(), *b"sqc8b49rny0");
        assert_eq!(other.geohash(), *b"sqdtr74hyu0");
    }

    #[test]
    fn what_is_not_on_the_map_is_refused() {
        for (longitude, latitude) in
            [(180.1, 0.0), (0.0, 85.06), (f64::NAN, 0.0), (0.0, f64::INFINITY)]
        {
            assert_eq!(Position::new(longitude, latitude), None);
        }
        assert!(Position::new(-180.0, -85.05112878).is_some());
    }

    #[test]
    fn any_score_is_some_place() {
        for score in [-1.0, -1e30, 1e19, 1e30, f64::INFINITY, f64::NEG_INFINITY, 0.5, 4.5e15] {
            let place = Position::of_score(score);
            assert!(Position::new(place.longitude, place.latitude).is_some(), "{score}: {place:?}");
        }
        assert_eq!(bits_of_score(-5.0), 0_u64.wrapping_sub(5));
        assert_eq!(bits_of_score(f64::INFINITY), 0);
        assert_eq!(bits_of_score(-1e30), 1 << 63);
    }

    proptest! {
        #[test]
        fn a_place_comes_back_within_a_meter(longitude in -180.0..180.0, latitude in -85.05..85.05) {
            let place = at(longitude, latitude);
            let back = Position::of_score(place.score());
            prop_assert!(place.distance_m(back) < 1.0);
            prop_assert_eq!(back.score(), place.score());
        }
    }
}
