//! The channels on which changes of keys are told: `__keyspace@<db>__:<key>` says what happened to a key,
//! `__keyevent@<db>__:<event>` says to which key something happened.
//!
//! Nobody subscribes to them most of the time, and then nothing is recorded (`store::Wants`). Whether somebody
//! might hear an event is told from the literal beginnings of channels and patterns: rather once too often.

use crate::base::glob::literal_prefix;
use crate::base::number::write_i64;
use crate::config::special::EventClasses;
use crate::store::EventClass;

/// How the two channels of an event begin.
const STEMS: [&[u8]; 2] = [b"__keyspace@", b"__keyevent@"];
const CHANNELS: [EventClasses; 2] = [EventClasses::KEYSPACE, EventClasses::KEYEVENT];

/// How many channels or patterns may hear the one and the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Listeners([usize; 2]);

impl Listeners {
    pub(super) fn add_channel(&mut self, name: &[u8]) {
        self.count(|stem| name.starts_with(stem), true);
    }

    pub(super) fn remove_channel(&mut self, name: &[u8]) {
        self.count(|stem| name.starts_with(stem), false);
    }

    pub(super) fn add_pattern(&mut self, pattern: &[u8]) {
        self.count(|stem| may_match(pattern, stem), true);
    }

    pub(super) fn remove_pattern(&mut self, pattern: &[u8]) {
        self.count(|stem| may_match(pattern, stem), false);
    }

    fn count(&mut self, hears: impl Fn(&[u8]) -> bool, comes: bool) {
        for (count, stem) in self.0.iter_mut().zip(STEMS) {
            match (hears(stem), comes) {
                (true, true) => *count += 1,
                (true, false) => *count -= 1,
                (false, _) => {}
            }
        }
    }

    /// Whether events of these classes could reach anybody.
    pub(super) fn may_hear(self, classes: EventClasses) -> bool {
        let is_heard =
            |(count, channel): (usize, EventClasses)| count > 0 && classes.contains(channel);
        let types = EventClasses::ALL.with(EventClasses::KEY_MISS).with(EventClasses::NEW);
        classes.intersects(types) && self.0.into_iter().zip(CHANNELS).any(is_heard)
    }
}

/// Whether a pattern may match a text that begins like this.
fn may_match(pattern: &[u8], stem: &[u8]) -> bool {
    let prefix = literal_prefix(pattern).unwrap_or_default();
    prefix.starts_with(stem) || stem.starts_with(prefix)
}

/// `__keyspace@<db>__:<rest>` or `__keyevent@<db>__:<rest>`.
fn channel(stem: &[u8], db: usize, rest: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(stem.len() + rest.len() + 8);
    name.extend_from_slice(stem);
    write_i64(&mut name, db as i64);
    name.extend_from_slice(b"__:");
    name.extend_from_slice(rest);
    name
}

/// The channel that tells what happened to a key.
pub(super) fn keyspace_channel(db: usize, key: &[u8]) -> Vec<u8> {
    channel(STEMS[0], db, key)
}

/// The channel that tells to which key something happened.
pub(super) fn keyevent_channel(db: usize, event: &str) -> Vec<u8> {
    channel(STEMS[1], db, event.as_bytes())
}

/// The bit of a class in `notify-keyspace-events`.
pub(super) fn class_bit(class: EventClass) -> EventClasses {
    match class {
        EventClass::Generic => EventClasses::GENERIC,
        EventClass::String => EventClasses::STRING,
        EventClass::List => EventClasses::LIST,
        EventClass::Set => EventClasses::SET,
        EventClass::Hash => EventClasses::HASH,
        EventClass::SortedSet => EventClasses::ZSET,
        EventClass::Stream => EventClasses::STREAM,
        EventClass::Expired => EventClasses::EXPIRED,
        EventClass::Evicted => EventClasses::EVICTED,
        EventClass::New => EventClasses::NEW,
        EventClass::Miss => EventClasses::KEY_MISS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(classes: &str, patterns: &[&str], channels: &[&str]) -> bool {
        let mut listeners = Listeners::default();
        patterns.iter().for_each(|name| listeners.add_pattern(name.as_bytes()));
        channels.iter().for_each(|name| listeners.add_channel(name.as_bytes()));
        let is_heard = listeners.may_hear(EventClasses::parse(classes).unwrap());
        patterns.iter().for_each(|name| listeners.remove_pattern(name.as_bytes()));
        channels.iter().for_each(|name| listeners.remove_channel(name.as_bytes()));
        assert_eq!(listeners, Listeners::default());
        is_heard
    }

    #[test]
    fn only_names_that_could_be_those_of_events_make_them_wanted() {
        for pattern in ["*", "_*", "__key*", "?", "__keyspace@0__:*", "__keyevent@?__:set", "[_]x"]
        {
            assert!(heard("AKE", &[pattern], &[]), "{pattern}");
        }
        assert!(heard("AKE", &[], &["__keyevent@0__:set"]));
        assert!(!heard("AKE", &["news*", "__keys:*"], &["news", "__key", "__keyspace"]));
        assert!(!heard("AKE", &[], &[]));
    }

    #[test]
    fn the_classes_say_which_of_the_channels_count() {
        assert!(heard("K$", &["__keyspace@*"], &[]) && !heard("K$", &["__keyevent@*"], &[]));
        assert!(heard("Em", &["__keyevent@*"], &[]) && !heard("Em", &["__keyspace@*"], &[]));
        assert!(!heard("KE", &["*"], &[]), "no class of events");
        assert!(!heard("A", &["*"], &[]), "no channel");
    }

    #[test]
    fn channels_are_named_as_redis_names_them() {
        assert_eq!(keyspace_channel(12, b"k"), b"__keyspace@12__:k");
        assert_eq!(keyevent_channel(0, "del"), b"__keyevent@0__:del");
    }
}
