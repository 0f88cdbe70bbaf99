//! Parameters with a small grammar of their own: save points, output limits, event classes,
//! shutdown options, percentiles, addresses.
//!
//! Each has a typed form, a parser that reports what is wrong in the words of `CONFIG SET`, and
//! one canonical text, which `CONFIG GET` shows. Words are separated by single blanks.

use std::fmt::{self, Write};

use crate::base::number::{parse_f64, parse_i64, parse_memory};

/// The words of a value; an empty value has none.
fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split(' ').collect() }
}

/// Take a snapshot `seconds` after the last one if there were at least `changes` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

impl SavePoint {
    /// Reads `seconds changes` pairs.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let number = |word: &str| u64::try_from(parse_i64(word.as_bytes())?).ok();
        let pair = |pair: &[&str]| match pair {
            [seconds, changes] => Some(Self {
                seconds: number(seconds).filter(|s| *s > 0)?,
                changes: number(changes)?,
            }),
            _ => None,
        };
        let points: Option<Vec<Self>> = words(text).chunks(2).map(pair).collect();
        points.ok_or_else(|| "Invalid save parameters".to_owned())
    }

    /// The canonical text.
    pub fn print_list(points: &[Self]) -> String {
        let pairs = points.iter().map(|point| format!("{} {}", point.seconds, point.changes));
        pairs.collect::<Vec<_>>().join(" ")
    }
}

/// How much output may wait for a client; zeros set no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Close the connection as soon as more than this waits.
    pub hard_bytes: u64,
    /// Close it when more than this has waited for `soft_seconds`.
    pub soft_bytes: u64,
    pub soft_seconds: u64,
}

/// The limit of each class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

const NO_LIMIT: OutputLimit = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };

impl OutputLimits {
    pub const UNLIMITED: Self = Self { normal: NO_LIMIT, replica: NO_LIMIT, pubsub: NO_LIMIT };

    /// These limits, changed by any number of `class hard soft seconds`.
    pub fn with(mut self, text: &str) -> Result<Self, String> {
        let words = words(text);
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        for group in words.chunks(4) {
            let limit = match group[0].to_ascii_lowercase().as_str() {
                "normal" => &mut self.normal,
                "slave" | "replica" => &mut self.replica,
                "pubsub" => &mut self.pubsub,
                _ => {
                    return Err(
                        "Invalid client class specified in buffer limit configuration.".to_owned()
                    );
                }
            };
            *limit = OutputLimit::parse(group).ok_or(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            )?;
        }
        Ok(self)
    }
}

impl OutputLimit {
    fn parse(group: &[&str]) -> Option<Self> {
        Some(Self {
            hard_bytes: parse_memory(group[1].as_bytes())?,
            soft_bytes: parse_memory(group[2].as_bytes())?,
            soft_seconds: u64::try_from(parse_i64(group[3].as_bytes())?).ok()?,
        })
    }
}

impl fmt::Display for OutputLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "normal {} slave {} pubsub {}", self.normal, self.replica, self.pubsub)
    }
}

impl fmt::Display for OutputLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.hard_bytes, self.soft_bytes, self.soft_seconds)
    }
}

/// A set of keyspace event classes, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventClasses(i64);

impl EventClasses {
    pub const KEYSPACE: Self = Self(1 << 0);
    pub const KEYEVENT: Self = Self(1 << 1);
    pub const GENERIC: Self = Self(1 << 2);
    pub const STRING: Self = Self(1 << 3);
    pub const LIST: Self = Self(1 << 4);
    pub const SET: Self = Self(1 << 5);
    pub const HASH: Self = Self(1 << 6);
    pub const ZSET: Self = Self(1 << 7);
    pub const EXPIRED: Self = Self(1 << 8);
    pub const EVICTED: Self = Self(1 << 9);
    pub const STREAM: Self = Self(1 << 10);
    pub const KEY_MISS: Self = Self(1 << 11);
    pub const MODULE: Self = Self(1 << 13);
    pub const NEW: Self = Self(1 << 14);

    /// What `A` stands for: all but misses and new keys, which happen on ordinary traffic.
    pub const ALL: Self = Self(
        Self::GENERIC.0
            | Self::STRING.0
            | Self::LIST.0
            | Self::SET.0
            | Self::HASH.0
            | Self::ZSET.0
            | Self::EXPIRED.0
            | Self::EVICTED.0
            | Self::STREAM.0
            | Self::MODULE.0,
    );

    /// Letters of the classes that `A` can stand for, and of new keys, in canonical order.
    const TYPES: [(char, Self); 11] = [
        ('g', Self::GENERIC),
        ('$', Self::STRING),
        ('l', Self::LIST),
        ('s', Self::SET),
        ('h', Self::HASH),
        ('z', Self::ZSET),
        ('x', Self::EXPIRED),
        ('e', Self::EVICTED),
        ('t', Self::STREAM),
        ('d', Self::MODULE),
        ('n', Self::NEW),
    ];

    /// Letters that are always written, in canonical order.
    const CHANNELS: [(char, Self); 3] =
        [('K', Self::KEYSPACE), ('E', Self::KEYEVENT), ('m', Self::KEY_MISS)];

    /// Both sets together.
    pub const fn with(self, classes: Self) -> Self {
        Self(self.0 | classes.0)
    }

    pub fn contains(self, classes: Self) -> bool {
        self.0 & classes.0 == classes.0
    }

    pub fn intersects(self, classes: Self) -> bool {
        self.0 & classes.0 != 0
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let mut classes = Self::default();
        for letter in text.chars() {
            let known =
                Self::TYPES.iter().chain(&Self::CHANNELS).find(|(known, _)| *known == letter);
            classes.0 |= match (letter, known) {
                ('A', _) => Self::ALL.0,
                (_, Some((_, class))) => class.0,
                _ => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned()),
            };
        }
        Ok(classes)
    }

    pub(super) fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> i64 {
        self.0
    }
}

impl fmt::Display for EventClasses {
    /// As Redis prints it: with all types set, `A` hides new keys too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: &[(char, Self)] = if self.contains(Self::ALL) {
            f.write_char('A')?;
            &[]
        } else {
            &Self::TYPES
        };
        for (letter, class) in types.iter().chain(&Self::CHANNELS) {
            if self.contains(*class) {
                f.write_char(*letter)?;
            }
        }
        Ok(())
    }
}

/// What a signal asks of a shutdown, one bit each; none is the default behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOptions(i64);

impl ShutdownOptions {
    pub const SAVE: Self = Self(1);
    pub const NOSAVE: Self = Self(2);
    /// Do not wait for replicas.
    pub const NOW: Self = Self(4);
    /// Exit even if saving fails.
    pub const FORCE: Self = Self(8);

    const NAMES: [(&'static str, Self); 5] = [
        ("default", Self(0)),
        ("save", Self::SAVE),
        ("nosave", Self::NOSAVE),
        ("now", Self::NOW),
        ("force", Self::FORCE),
    ];

    pub fn contains(self, option: Self) -> bool {
        self.0 & option.0 == option.0
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for word in text.split(' ') {
            let named = Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
            let Some((_, option)) = named else {
                return Err(one_of(Self::NAMES.iter().map(|(name, _)| *name)));
            };
            options.0 |= option.0;
        }
        if options.contains(Self::SAVE) && options.contains(Self::NOSAVE) {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
        }
        Ok(options)
    }

    pub(super) fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ShutdownOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("default");
        }
        let set = Self::NAMES[1..].iter().filter(|(_, option)| self.contains(*option));
        f.write_str(&set.map(|(name, _)| *name).collect::<Vec<_>>().join(" "))
    }
}

/// How `CONFIG SET` refuses a word that is not in a list.
pub(super) fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

/// Reads percentiles between 0 and 100.
pub(super) fn parse_percentiles(text: &str) -> Result<Vec<f64>, String> {
    let percentile = |word: &str| {
        let value = parse_f64(word.as_bytes())
            .ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&value) {
            return Err(
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
            );
        }
        Ok(value)
    };
    words(text).into_iter().map(percentile).collect::<Result<_, _>>().map_err(str::to_owned)
}

/// The canonical text: up to six decimals, without trailing zeros.
pub(super) fn print_percentiles(percentiles: &[f64]) -> String {
    let print = |value: &f64| {
        let text = format!("{value:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    percentiles.iter().map(print).collect::<Vec<_>>().join(" ")
}

/// Checks a list of addresses and joins it again. Whether they can be bound shows when they are.
pub(super) fn parse_addresses(text: &str) -> Result<String, String> {
    const ADDRESSES_MAX: usize = 16;
    let words: Vec<_> = text.split_whitespace().collect();
    if words.len() > ADDRESSES_MAX {
        return Err("Too many bind addresses specified.".to_owned());
    }
    Ok(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn save_points_are_pairs_of_positive_seconds_and_changes() {
        let points = SavePoint::parse_list("3600 1 60 0").unwrap();
        assert_eq!(points[1], SavePoint { seconds: 60, changes: 0 });
        assert_eq!(SavePoint::print_list(&points), "3600 1 60 0");
        assert_eq!(SavePoint::parse_list(""), Ok(vec![]));
        for text in ["1", "a b", "0 1", "1 -1", "1 1 ", " 10 20", "1  1"] {
            assert_eq!(
                SavePoint::parse_list(text).unwrap_err(),
                "Invalid save parameters",
                "{text:?}"
            );
        }
    }

    #[test]
    fn output_limits_change_the_classes_that_are_named() {
        let limits =
            OutputLimits::UNLIMITED.with("Replica 1mb 2k 3 pubsub 1 2 3 pubsub 4 5 6").unwrap();
        assert_eq!(limits.to_string(), "normal 0 0 0 slave 1048576 2000 3 pubsub 4 5 6");
        assert_eq!(limits.with("").unwrap(), limits);
        assert_eq!(OutputLimits::UNLIMITED.with(&limits.to_string()).unwrap(), limits);
    }

    #[test]
    fn wrong_output_limits_are_told_as_redis_tells_them() {
        for (text, message) in [
            ("normal 0 0", "Wrong number of arguments in buffer limit configuration."),
            ("master 1 2 3", "Invalid client class specified in buffer limit configuration."),
            (
                "pubsub 1 2 -3",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
            (
                "pubsub x 2 3",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
        ] {
            assert_eq!(OutputLimits::UNLIMITED.with(text).unwrap_err(), message);
        }
    }

    #[test]
    fn event_classes_have_one_canonical_text() {
        for (text, canonical) in [
            ("", ""),
            ("KEA", "AKE"),
            ("E$Kg", "g$KE"),
            ("AKEm", "AKEm"),
            ("g$lszhxetdKEn", "AKE"),
            ("gnKEm", "gnKEm"),
            ("g$lshzxetKE", "g$lshzxetKE"),
        ] {
            assert_eq!(EventClasses::parse(text).unwrap().to_string(), canonical, "{text}");
        }
        assert!(
            EventClasses::parse("Kxy").unwrap_err().starts_with("Invalid event class character")
        );
    }

    #[test]
    fn shutdown_options_combine_but_not_save_and_nosave() {
        for (text, canonical) in
            [("default now", "now"), ("FORCE now", "now force"), ("default", "default")]
        {
            assert_eq!(ShutdownOptions::parse(text).unwrap().to_string(), canonical);
        }
        assert!(ShutdownOptions::parse("save nosave").unwrap_err().contains("simultaneously"));
        assert!(
            ShutdownOptions::parse("").unwrap_err().contains("default, save, nosave, now, force")
        );
    }

    #[test]
    fn percentiles_keep_six_decimals() {
        let print = |text| parse_percentiles(text).map(|list| print_percentiles(&list));
        assert_eq!(print("50.50 99.90 100"), Ok("50.5 99.9 100".to_owned()));
        assert_eq!(print("0.123456789012 99.99999999"), Ok("0.123457 100".to_owned()));
        assert_eq!(print(""), Ok(String::new()));
        assert!(print("50 a").unwrap_err().starts_with("Invalid"));
        assert!(print("-1").unwrap_err().contains("between [0.0,100.0]"));
    }

    #[test]
    fn addresses_are_limited_in_number() {
        assert_eq!(parse_addresses(" 127.0.0.1  -::1").as_deref(), Ok("127.0.0.1 -::1"));
        assert!(parse_addresses(&"a ".repeat(17)).is_err());
    }
}
