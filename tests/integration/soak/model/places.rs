//! Positions: some cities, far enough from each other that nobody is near two of them.

use super::{Answer, Model, Want, Words};
use crate::soak::choices::Choices;
use crate::soak::model::words;
use std::collections::{BTreeMap, BTreeSet};

/// Members and the cities in which they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(pub BTreeMap<Vec<u8>, usize>);

/// Longitudes and latitudes.
const CITIES: [[&str; 2]; 4] =
    [["13.4", "52.5"], ["-74.0", "40.7"], ["151.2", "-33.9"], ["139.7", "35.7"]];

pub fn draw(choices: &mut Choices) -> Words {
    let key = choices.key("place");
    let [longitude, latitude] = choices.pick(&CITIES);
    match choices.below(6) {
        0..3 => {
            let mut words = words!["GEOADD", key];
            for member in choices.members() {
                words.extend(words![longitude, latitude, member]);
            }
            words
        }
        3 => {
            let mut words = words!["ZREM", key];
            words.extend(choices.members().into_iter().map(String::into_bytes));
            words
        }
        4 => words!["ZCARD", key],
        _ => search(key.as_bytes(), [longitude, latitude]),
    }
}

fn search(key: &[u8], [longitude, latitude]: [&str; 2]) -> Words {
    words!["GEOSEARCH", key, "FROMLONLAT", longitude, latitude, "BYRADIUS", "50", "km"]
}

/// One for each city.
pub fn questions(key: &[u8]) -> Vec<Words> {
    CITIES.into_iter().map(|city| search(key, city)).collect()
}

/// Whether a key of this name holds positions, if anything.
pub fn is_place(key: &[u8]) -> bool {
    key.windows(6).any(|part| part == b"place:")
}

fn city(position: &[Vec<u8>]) -> usize {
    let is_here = |city: &[&str; 2]| city[0].as_bytes() == position[0];
    CITIES.iter().position(is_here).expect("the client knows these cities only")
}

pub fn apply(model: &mut Model, name: &str, args: &[Vec<u8>]) -> Option<Answer> {
    if !is_place(&args[0]) {
        return None;
    }
    Some(match name {
        "GEOADD" => model.edit(&args[0], |places: &mut Places| {
            let positions = args[1..].chunks(3);
            let add = |at: &&[Vec<u8>]| places.0.insert(at[2].clone(), city(at)).is_none();
            Want::count(positions.filter(add).count())
        }),
        "ZREM" => model.edit(&args[0], |places: &mut Places| {
            Want::count(
                args[1..].iter().filter(|member| places.0.remove(*member).is_some()).count(),
            )
        }),
        "ZCARD" => model.seen::<Places>(&args[0]).map(|places| Want::count(places.0.len())),
        "GEOSEARCH" => model.seen::<Places>(&args[0]).map(|places| {
            let here = city(&args[2..]);
            let members = places.0.iter().filter(|(_, city)| **city == here);
            let members: BTreeSet<Vec<u8>> = members.map(|(member, _)| member.clone()).collect();
            let count = members.len();
            Want::Some(members, count)
        }),
        _ => return None,
    })
}
