//! Commands on positions. Most positions are chosen anew, so that hardly any two are equally far from a third: which
//! of those comes first is open. `COUNT` stands only where the distance is told, or where the order is that of the
//! search.

use super::{Generator, Group};

const LONGITUDES: &[&str] = &[
    "0",
    "180",
    "-180",
    "179.99",
    "-179.99",
    "90",
    "-90",
    "13.361389",
    "1e-7",
    "-0",
    "0x10",
    "180.1",
    "inf",
    "x",
];
const LATITUDES: &[&str] = &[
    "0",
    "85.05112878",
    "-85.05112878",
    "85",
    "-85",
    "80.2",
    "66.2",
    "-66.2",
    "38.115556",
    "1e-7",
    "45",
    "90",
    "nan",
    "",
];
const MEMBERS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"f",
    b"g",
    b"h",
    b"i",
    b"j",
    b"7",
    b"",
    b"\x00\xff\r\n",
    b"a member that is longer than the sixty-four bytes of a listpack's members",
];
const LENGTHS: &[&str] = &[
    "0", "0.5", "100", "300", "1000", "3000", "5000", "9000", "50000", "700000", "2e6", "8e6",
    "1e9", "inf", "-1", "x",
];
/// Those of positions, and others.
const SCORES: &[&str] = &[
    "0",
    "1.5",
    "-1",
    "3479099956230698",
    "4503599627370495",
    "4503599627370496",
    "13510798882111488",
    "1e300",
    "-inf",
];

fn degrees(generator: &mut Generator, special: &[&'static str], max: usize) -> Vec<u8> {
    if generator.below(5) == 0 {
        return generator.pick(special).into();
    }
    // Near the middle of the map more often than elsewhere.
    let max = if generator.below(2) == 0 { 3 } else { max };
    let millionths = generator.below(2 * max * 1_000_000) as f64 - (max * 1_000_000) as f64;
    (millionths / 1e6).to_string().into()
}

/// `L`: longitude, `B`: latitude, `G`: member, `R`: length, `UN`: unit, `C`: count, `Z`: score.
fn word(generator: &mut Generator, placeholder: &str) -> Option<Vec<u8>> {
    let words = match placeholder {
        "L" => return Some(degrees(generator, LONGITUDES, 180)),
        "B" => return Some(degrees(generator, LATITUDES, 85)),
        "G" => return Some(generator.pick(MEMBERS).to_vec()),
        "R" => LENGTHS,
        "UN" => &["m", "km", "KM", "km", "km", "ft", "mi", "parsec"],
        "C" => &["1", "2", "3", "5", "10", "1000", "0"],
        "Z" => SCORES,
        _ => return None,
    };
    Some(generator.pick(words).into())
}

pub(super) const GROUP: Group = Group {
    keys: &[b"geo1", b"geo2", b"geo3"],
    templates: &[
        "geoadd K L B G",
        "geoadd K L B G L B G",
        "geoadd K L B G L B G L B G L B G L B G",
        "geoadd K nx L B G L B G",
        "geoadd K xx L B G L B G",
        "geoadd K ch L B G L B G",
        "geoadd K nx ch L B G",
        "geoadd K xx ch L B G L B G",
        "geoadd K 13.5 38 a 13.6 38.1 b 13.7 38.2 c -13 40 d 100 -50 e",
        "geodist K G G",
        "geodist K G G UN",
        "geohash K G G G",
        "geopos K G G G",
        "georadius K L B R UN",
        "georadius K L B R UN withdist",
        "georadius K L B R UN withdist asc",
        "georadius K L B R UN withdist withcoord withhash desc",
        "georadius K L B R UN withdist count C",
        "georadius K L B R UN count C any",
        "georadius K L B R UN count C any desc",
        "georadius K L B R UN store K",
        "georadius K L B R UN storedist K",
        "georadius K L B R UN count C any storedist K",
        "georadius K L B R UN store K storedist K",
        "georadius K L B R UN store K withdist",
        "georadius_ro K L B R UN withdist asc",
        "georadius_ro K L B R UN withcoord",
        "georadiusbymember K G R UN withdist desc",
        "georadiusbymember K G R UN withdist count C asc",
        "georadiusbymember K G R UN store K",
        "georadiusbymember K G R UN storedist K",
        "georadiusbymember_ro K G R UN withdist withhash",
        "georadiusbymember_ro K G R UN",
        "geosearch K frommember G byradius R UN withdist asc",
        "geosearch K frommember G bybox R R UN withdist withcoord desc",
        "geosearch K fromlonlat L B byradius R UN withdist withhash",
        "geosearch K fromlonlat L B bybox R R UN",
        "geosearch K fromlonlat L B bybox R R UN withdist count C desc",
        "geosearch K bybox R R UN fromlonlat L B count C any",
        "geosearch K byradius R UN fromlonlat L B any",
        "geosearchstore K K frommember G byradius R UN",
        "geosearchstore K K fromlonlat L B bybox R R UN storedist",
        "geosearchstore K K fromlonlat L B bybox R R UN count C any",
        "geosearchstore K K byradius R UN frommember G storedist count C any asc",
        "zadd K Z G",
        "zrem K G G",
    ],
    word,
};
