//! Positions on earth, kept in sorted sets: members whose scores are positions.
//!
//! Any sorted set will do, so every score is some position, and all commands on sorted sets work on these.

mod add;
mod numbers;
mod query;
mod read;
mod search;

use crate::exec::Spec;
use crate::exec::cmd;
use crate::exec::keyspec::{
    Begin, Find, KeyFlags, KeySpec, OW_UPDATE, RO_ACCESS, RW_UPDATE, key, key_at,
};
use crate::exec::spec::{DENY_OOM, READ, WRITE};

/// The key behind a word.
const fn key_behind(word: &'static str, from: i32, flags: KeyFlags) -> KeySpec {
    let find = Find::Range { last: 0, step: 1, limit: 0 };
    KeySpec { begin: Begin::Keyword(word, from), find, flags }
}

const PER_MEMBER: &str = "O(1) for each member";
const SEARCH: &str =
    "O(N+log(M)) where M is the size of the sorted set and N the number of members near the area";

pub static COMMANDS: &[Spec] = &[
    cmd("GEOADD", -5, &[key(RW_UPDATE)], WRITE | DENY_OOM, add::geoadd).doc(
        "3.2.0",
        "O(log(N)) for each member, where N is the size of the sorted set",
        "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        "Adds members with their positions, or changes the positions of those that are \
         there.",
    ),
    cmd("GEODIST", -4, &[key(RO_ACCESS)], READ, read::geodist).doc(
        "3.2.0",
        "O(1)",
        "key member1 member2 [M | KM | FT | MI]",
        "Returns the distance between two members.",
    ),
    cmd("GEOHASH", -2, &[key(RO_ACCESS)], READ, read::geohash).doc(
        "3.2.0",
        PER_MEMBER,
        "key [member [member ...]]",
        "Returns the positions of members as geohash strings.",
    ),
    cmd("GEOPOS", -2, &[key(RO_ACCESS)], READ, read::geopos).doc(
        "3.2.0",
        PER_MEMBER,
        "key [member [member ...]]",
        "Returns the longitudes and latitudes of members.",
    ),
    cmd(
        "GEORADIUS",
        -6,
        &[key(RO_ACCESS), key_behind("STORE", 6, OW_UPDATE), key_behind("STOREDIST", 6, OW_UPDATE)],
        WRITE | DENY_OOM,
        search::georadius,
    )
    .work(search::radius_work)
    .declaring(search::declare_radius)
    .doc(
        "3.2.0",
        SEARCH,
        "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] \
         [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        "Finds or stores the members within a distance of a position.",
    )
    .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    cmd(
        "GEORADIUSBYMEMBER",
        -5,
        &[key(RO_ACCESS), key_behind("STORE", 5, OW_UPDATE), key_behind("STOREDIST", 5, OW_UPDATE)],
        WRITE | DENY_OOM,
        search::georadiusbymember,
    )
    .work(search::by_member_work)
    .declaring(search::declare_radius_by_member)
    .doc(
        "3.2.0",
        SEARCH,
        "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT \
         count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        "Finds or stores the members within a distance of a member.",
    )
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    ),
    cmd("GEORADIUSBYMEMBER_RO", -5, &[key(RO_ACCESS)], READ, search::georadiusbymember_ro)
        .work(search::by_member_work)
        .doc(
            "3.2.10",
            SEARCH,
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT \
             count [ANY]] [ASC | DESC]",
            "Finds the members within a distance of a member.",
        )
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    cmd("GEORADIUS_RO", -6, &[key(RO_ACCESS)], READ, search::georadius_ro)
        .work(search::radius_work)
        .doc(
            "3.2.10",
            SEARCH,
            "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] \
             [COUNT count [ANY]] [ASC | DESC]",
            "Finds the members within a distance of a position.",
        )
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    cmd("GEOSEARCH", -7, &[key(RO_ACCESS)], READ, search::geosearch).work(search::search_work).doc(
        "6.2.0",
        SEARCH,
        "key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | \
         FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] \
         [WITHCOORD] [WITHDIST] [WITHHASH]",
        "Finds the members inside a circle or a box.",
    ),
    cmd(
        "GEOSEARCHSTORE",
        -8,
        &[key(OW_UPDATE), key_at(2, RO_ACCESS)],
        WRITE | DENY_OOM,
        search::geosearchstore,
    )
    .work(search::store_work)
    .doc(
        "6.2.0",
        SEARCH,
        "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS \
         radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] \
         [COUNT count [ANY]] [STOREDIST]",
        "Stores the members inside a circle or a box.",
    ),
];
