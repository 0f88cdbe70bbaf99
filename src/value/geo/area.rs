//! Members of a sorted set that lie around a position.
//!
//! Cells are chosen so large that the one around the centre and its eight neighbours cover the area, and
//! those that the area does not reach are left out. Each cell is a range of scores; every member in it is
//! then measured. The order of cells, and in each of scores, is the order of what is found.

use std::cmp::Ordering;
use std::ops::Range;

use super::cell::Cell;
use super::{Degrees, EARTH_RADIUS_M, Position, STEP_MAX, latitude_distance_m};
use crate::value::SortedSet;
use crate::value::listpack::Element;
use crate::value::sorted_set::{ScoreBound, ScoreRange};

/// Lengths are in the area's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Circle {
        radius: f64,
    },
    /// Its sides point north and east.
    Rectangle {
        width: f64,
        height: f64,
    },
}

/// Where to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub centre: Position,
    pub shape: Shape,
    /// How many meters the unit of the lengths has.
    pub unit_m: f64,
}

/// Half the way around the equator of the map, in meters.
const MAP_RADIUS_M: f64 = 20_037_726.37;

/// The degrees that an area reaches.
struct Bounds {
    south: f64,
    north: f64,
    west: f64,
    east: f64,
}

impl Area {
    /// The distance of a position from the centre in meters, if it lies inside.
    fn distance_m(&self, position: Position) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = self.centre.distance_m(position);
                // One that is no number, at the other side of the earth, counts as near, as in Redis.
                let is_outside = distance > radius * self.unit_m;
                (!is_outside).then_some(distance)
            }
            Shape::Rectangle { width, height } => {
                let north = latitude_distance_m(position.latitude, self.centre.latitude);
                if north > height * self.unit_m / 2.0 {
                    return None;
                }
                let beside = Position { longitude: self.centre.longitude, ..position };
                if position.distance_m(beside) > width * self.unit_m / 2.0 {
                    return None;
                }
                Some(self.centre.distance_m(position))
            }
        }
    }

    /// The radius of the circle around it, in meters.
    fn radius_m(&self) -> f64 {
        let radius = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Rectangle { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        radius * self.unit_m
    }

    fn bounds(&self) -> Bounds {
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Rectangle { width, height } => (width / 2.0, height / 2.0),
        };
        let Position { longitude, latitude } = self.centre;
        let north = (height * self.unit_m / EARTH_RADIUS_M).to_degrees_exactly();
        // Meridians are closest where the area is nearest to a pole.
        let nearest = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = (width * self.unit_m / EARTH_RADIUS_M / nearest.to_radians_exactly().cos())
            .to_degrees_exactly();
        Bounds {
            south: latitude - north,
            north: latitude + north,
            west: longitude - east,
            east: longitude + east,
        }
    }

    /// How often the map must be quartered for cells of about the area's size.
    fn steps(&self) -> u32 {
        let mut range = self.radius_m();
        if range == 0.0 {
            return STEP_MAX;
        }
        let mut steps = 1_i32;
        while range < MAP_RADIUS_M {
            range *= 2.0;
            steps += 1;
        }
        // Cells twice as large, so that the area lies in nine of them; towards the poles they are narrow.
        steps -= 2;
        let latitude = self.centre.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEP_MAX as i32) as u32
    }

    /// The cells that cover the area, each once.
    fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut steps = self.steps();
        let mut middle = Cell::around(self.centre, steps);
        let is_too_small = middle.neighbour(1, 0).latitudes().max < bounds.north
            || middle.neighbour(-1, 0).latitudes().min > bounds.south
            || middle.neighbour(0, 1).longitudes().max < bounds.east
            || middle.neighbour(0, -1).longitudes().min > bounds.west;
        if steps > 1 && is_too_small {
            steps -= 1;
            middle = Cell::around(self.centre, steps);
        }
        let (latitudes, longitudes) = (middle.latitudes(), middle.longitudes());
        let is_reached = |(north, east): (i32, i32)| {
            let is_far_south = north < 0 && latitudes.min < bounds.south;
            let is_far_north = north > 0 && latitudes.max > bounds.north;
            let is_far_west = east < 0 && longitudes.min < bounds.west;
            let is_far_east = east > 0 && longitudes.max > bounds.east;
            steps < 2 || !(is_far_south || is_far_north || is_far_west || is_far_east)
        };
        let mut cells: Vec<Cell> = Vec::with_capacity(NEIGHBOURS.len());
        for (north, east) in NEIGHBOURS.into_iter().filter(|place| is_reached(*place)) {
            let cell = middle.neighbour(north, east);
            // Where the whole map has few cells, a neighbour to the east is one to the west.
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }
}

/// How far north and east of the middle, in the order in which they are searched.
const NEIGHBOURS: [(i32, i32); 9] =
    [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)];

/// A member inside the area.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    pub member: Element<'a>,
    pub score: f64,
    pub position: Position,
    /// From the centre.
    pub distance_m: f64,
}

/// The members that a search has to look at, in ranges of ranks.
fn candidates(set: &SortedSet, area: &Area) -> impl Iterator<Item = Range<usize>> {
    area.cells().into_iter().map(|cell| {
        let (first, end) = cell.scores();
        let range =
            ScoreRange { min: ScoreBound::Inclusive(first), max: ScoreBound::Exclusive(end) };
        set.score_ranks(&range)
    })
}

/// How many members a search has to look at.
pub fn candidate_count(set: &SortedSet, area: &Area) -> usize {
    candidates(set, area).map(|ranks| ranks.len()).sum()
}

/// The members in the area; if there is a limit, the first so many that are met.
pub fn search<'a>(set: &'a SortedSet, area: &Area, limit: Option<usize>) -> Vec<Found<'a>> {
    let limit = limit.unwrap_or(usize::MAX);
    let members = candidates(set, area).flat_map(|ranks| set.range(ranks));
    let found = members.filter_map(|(member, score)| {
        let position = Position::of_score(score);
        let distance_m = area.distance_m(position)?;
        Some(Found { member, score, position, distance_m })
    });
    found.take(limit).collect()
}

/// Which come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Nearest,
    Farthest,
}

/// Sorts, and keeps only the first `count`. Those that are equally far stay in the order they were in.
/// Takes time in proportion to all of them, and sorts those that stay.
pub fn select(found: &mut Vec<Found<'_>>, order: Option<Order>, count: usize) {
    if let Some(order) = order {
        let compare = |a: &Found<'_>, b: &Found<'_>| match order {
            Order::Nearest => a.distance_m.total_cmp(&b.distance_m),
            Order::Farthest => b.distance_m.total_cmp(&a.distance_m),
        };
        if count < found.len() {
            keep_first(found, count, compare);
        }
        found.sort_by(compare);
    }
    found.truncate(count);
}

/// Keeps the `count` that would come first in a stable sort, in the order they were in.
fn keep_first<T>(items: &mut Vec<T>, count: usize, compare: impl Fn(&T, &T) -> Ordering) {
    let mut places: Vec<usize> = (0..items.len()).collect();
    let by_item = |a: &usize, b: &usize| compare(&items[*a], &items[*b]).then(a.cmp(b));
    places.select_nth_unstable_by(count, by_item);
    let mut is_kept = vec![false; items.len()];
    places[..count].iter().for_each(|place| is_kept[*place] = true);
    let mut kept = is_kept.into_iter();
    items.retain(|_| kept.next().expect("there is one for each"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::sorted_set::SortedSetLimits;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const SMALL: SortedSetLimits = SortedSetLimits { entries: 128, value: 64 };

    fn set_of(places: &[(f64, f64)]) -> SortedSet {
        let mut set = SortedSet::default();
        for (number, (longitude, latitude)) in places.iter().enumerate() {
            let score = Position::new(*longitude, *latitude).unwrap().score();
            set.insert(number.to_string().as_bytes(), score, &SMALL);
        }
        set
    }

    /// Looks at every member.
    fn brute_force(set: &SortedSet, area: &Area) -> Vec<Vec<u8>> {
        let inside = set.iter().filter(|(_, score)| {
            let position = Position::of_score(*score);
            area.distance_m(position).is_some()
        });
        let mut members: Vec<_> = inside.map(|(member, _)| member.to_vec()).collect();
        members.sort();
        members
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let length = || prop_oneof![0.0..10.0, 0.0..1_000.0, 0.0..5_000.0];
        prop_oneof![
            length().prop_map(|radius| Shape::Circle { radius }),
            (length(), length()).prop_map(|(width, height)| Shape::Rectangle { width, height }),
        ]
    }

    proptest! {
        /// Not across the edges of the map, where Redis does not look either.
        #[test]
        fn what_is_found_is_what_looking_at_everything_finds(
            places in vec((-90.0..90.0, -60.0..60.0), 0..300),
            longitude in -60.0..60.0,
            latitude in -30.0..30.0,
            shape in shapes(),
        ) {
            let set = set_of(&places);
            let shape = match shape {
                Shape::Circle { radius } => Shape::Circle { radius: radius.min(3_000.0) },
                Shape::Rectangle { width, height } => {
                    Shape::Rectangle { width: width.min(3_000.0), height: height.min(3_000.0) }
                }
            };
            let area = Area { centre: Position { longitude, latitude }, shape, unit_m: 1000.0 };
            let found = search(&set, &area, None);
            let mut members: Vec<_> = found.iter().map(|it| it.member.to_vec()).collect();
            members.sort();
            prop_assert_eq!(members, brute_force(&set, &area));
            let some = search(&set, &area, Some(3));
            prop_assert_eq!(some.len(), found.len().min(3));
        }

        #[test]
        fn a_selection_is_the_beginning_of_the_sorted_whole(
            places in vec((-10.0..10.0, -10.0..10.0), 1..100), count in 1usize..120, nearest: bool,
        ) {
            let set = set_of(&places);
            let centre = Position { longitude: 0.0, latitude: 0.0 };
            let area = Area { centre, shape: Shape::Circle { radius: 9_000.0 }, unit_m: 1000.0 };
            let order = if nearest { Order::Nearest } else { Order::Farthest };
            let mut all = search(&set, &area, None);
            let mut some = all.clone();
            select(&mut all, Some(order), usize::MAX);
            prop_assert_eq!(all.len(), places.len());
            select(&mut some, Some(order), count);
            let names = |it: &[Found<'_>]| it.iter().map(|it| it.member.to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(names(&some), names(&all[..count.min(all.len())]));
        }
    }

    #[test]
    fn no_cell_is_searched_twice() {
        let centre = Position { longitude: 180.0, latitude: 85.05112878 };
        for radius in [0.0, 1e-3, 10.0, 1e5, 1e7, 1e9, f64::INFINITY] {
            let area = Area { centre, shape: Shape::Circle { radius }, unit_m: 1.0 };
            let set = set_of(&[(180.0, 85.05112878), (-180.0, -85.0), (0.0, 0.0)]);
            assert!(search(&set, &area, None).len() <= 3, "{radius}");
        }
    }
}
