//! Messages that are kept for those who come later: the last ones of each channel that `pubsub-history` names.
//!
//! **Numbers.** The messages of a channel are numbered without gaps. A channel begins with the Unix time in
//! microseconds, so that after a restart, or when a channel has been forgotten, numbers go on above all that were
//! given before. That assumes that a channel has fewer than a million messages a second on average, and a clock
//! that is not set back across a restart. If the assumption fails, a client holds a number from the future; it is
//! told so as of a gap, and gets all that is kept.
//!
//! **Bounds.** Each channel keeps as many messages, for as long, as its rule says; all of them together keep no
//! more than `pubsub-history-memory`, and what goes first is the oldest message of all channels. A channel of
//! which nothing is left is remembered for its numbers, as if it were one more message of its last one's age, and
//! forgotten in its turn. Channels that somebody follows are not forgotten.
//!
//! All of it stands behind one lock, which is taken behind the registry's: with it held, messages get their
//! numbers and are put into inboxes, so that all subscribers see one order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::base::bytes::Bytes;
use crate::config::history::HistoryRule;
use crate::session::Name;

/// What a message and a channel take besides their bytes.
const MESSAGE_OVERHEAD: usize = 64;
const CHANNEL_OVERHEAD: usize = 320;
/// How many messages are let go per acquisition of the lock because they were kept for long enough.
const DUE_MAX: usize = 1024;

/// How much of a channel is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    messages: usize,
    millis: i64,
}

impl From<&HistoryRule> for Extent {
    fn from(rule: &HistoryRule) -> Extent {
        let millis = i64::try_from(rule.seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        Extent { messages: usize::try_from(rule.messages).unwrap_or(usize::MAX), millis }
    }
}

struct Message {
    payload: Bytes,
    kept_ms: i64,
    /// Its place among the messages of all channels.
    age: u64,
}

impl Message {
    fn cost(&self) -> usize {
        self.payload.len() + MESSAGE_OVERHEAD
    }
}

struct History {
    messages: VecDeque<Message>,
    /// The number of the next message; those kept are the ones before it.
    next: i64,
    /// `None`: nothing is kept (any more), but somebody follows the numbers.
    extent: Option<Extent>,
    /// How many clients get this channel's messages with their numbers.
    followers: usize,
    /// Of its oldest message, or the last one it had: under this it stands in [`Histories::ages`].
    age: u64,
    /// When its oldest message has been kept for long enough: with this it stands in [`Histories::due`].
    due_ms: Option<i64>,
    bytes: usize,
}

impl History {
    /// What `due_ms` should be.
    fn due(&self) -> Option<i64> {
        let oldest = self.messages.front()?;
        Some(oldest.kept_ms.saturating_add(self.extent.unwrap_or_default().millis))
    }

    fn first(&self) -> i64 {
        self.next - self.messages.len() as i64
    }

    /// Somebody follows it and nothing is kept: then there is nothing to forget.
    fn is_ageless(&self) -> bool {
        self.messages.is_empty() && self.followers > 0
    }
}

/// What a channel keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryFigures {
    pub messages: usize,
    /// The number of the oldest message that is kept; of the next one, if none is.
    pub first: i64,
    /// The number of the last message that was published.
    pub last: i64,
    pub bytes: usize,
}

/// From where on a client wants a channel's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFrom {
    /// All that is kept.
    Start,
    /// What comes after this number.
    After(i64),
    /// What comes from now on.
    Now,
}

/// What a client that begins to follow a channel is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The number of the last message before.
    pub last: i64,
    /// The first number that the client has missed, and the first that it can get instead.
    pub gap: Option<(i64, i64)>,
    /// The number of the first of `messages`.
    pub first: i64,
    pub messages: Vec<Bytes>,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Histories {
    by_channel: HashMap<Name, History>,
    /// Channels by the age of their oldest messages.
    ages: BTreeMap<u64, Name>,
    next_age: u64,
    bytes: usize,
    bytes_max: usize,
    /// Channels with messages by the Unix millisecond at which their oldest ones are due.
    due: BTreeSet<(i64, Name)>,
    /// Numbers below were given by channels that are forgotten.
    floor: i64,
}

/// Payloads that are let go, to be freed when no lock is held.
pub(super) type Forgotten = Vec<Bytes>;

impl Histories {
    /// Numbers a message and keeps it, if there is an extent for it.
    pub(super) fn keep(
        &mut self,
        channel: &[u8],
        payload: &[u8],
        extent: Option<Extent>,
        now_micros: i64,
        forgotten: &mut Forgotten,
    ) -> i64 {
        let name = self.open(channel, extent, now_micros);
        let age = self.new_age();
        let history = self.by_channel.get_mut(&name).expect("it was just opened");
        let number = history.next;
        history.next += 1;
        let kept_ms = now_micros / 1000;
        if extent.is_some() {
            if history.messages.is_empty() {
                self.ages.remove(&history.age);
                history.age = age;
                self.ages.insert(age, Name::clone(&name));
            }
            let is_first = history.messages.is_empty();
            let message = Message { payload: Bytes::new(payload.to_vec()), kept_ms, age };
            history.bytes += message.cost();
            self.bytes += message.cost();
            history.messages.push_back(message);
            if is_first {
                self.note_due(&name);
            }
            self.trim(&name, kept_ms, forgotten);
        }
        self.enforce(forgotten);
        number
    }

    /// A client begins to follow a channel: what it gets first.
    pub(super) fn follow(
        &mut self,
        channel: &[u8],
        from: ReplayFrom,
        extent: Option<Extent>,
        now_micros: i64,
        forgotten: &mut Forgotten,
    ) -> Replay {
        let name = self.open(channel, extent, now_micros);
        self.trim(&name, now_micros / 1000, forgotten);
        let history = self.by_channel.get_mut(&name).expect("it was just opened");
        history.followers += 1;
        if history.is_ageless() {
            self.ages.remove(&history.age);
        }
        replay(history, from)
    }

    /// A client follows a channel no longer.
    pub(super) fn unfollow(&mut self, channel: &[u8]) {
        let age = self.new_age();
        let Some(history) = self.by_channel.get_mut(channel) else { return };
        history.followers -= 1;
        if history.followers > 0 || !history.messages.is_empty() {
            return;
        }
        if history.extent.is_none() {
            self.forget(channel);
        } else {
            history.age = age;
            self.ages.insert(age, Name::from(channel));
        }
    }

    /// The rules changed: `extent` tells what holds for a channel from now on.
    pub(super) fn set_extents(
        &mut self,
        extent: impl Fn(&[u8]) -> Option<Extent>,
        now_ms: i64,
        forgotten: &mut Forgotten,
    ) {
        let names: Vec<Name> = self.by_channel.keys().cloned().collect();
        for name in names {
            let history = self.by_channel.get_mut(&name).expect("it is among the names");
            history.extent = extent(&name);
            self.note_due(&name);
            self.trim(&name, now_ms, forgotten);
            let history = &self.by_channel[&name];
            if history.extent.is_none() && history.followers == 0 {
                self.forget(&name);
            }
        }
    }

    pub(super) fn set_bytes_max(&mut self, bytes_max: usize, forgotten: &mut Forgotten) {
        self.bytes_max = bytes_max;
        self.enforce(forgotten);
    }

    /// Lets go what has been kept for long enough, but not too much at once: true if there may be more.
    pub(super) fn expire(&mut self, now_ms: i64, forgotten: &mut Forgotten) -> bool {
        for _ in 0..DUE_MAX {
            match self.due.first() {
                Some((due_ms, name)) if *due_ms <= now_ms => {
                    let name = Name::clone(name);
                    self.drop_oldest(&name, forgotten);
                }
                _ => return false,
            }
        }
        true
    }

    /// The same of one channel, however much that is.
    pub(super) fn expire_channel(&mut self, name: &[u8], now_ms: i64, forgotten: &mut Forgotten) {
        if let Some((name, _)) = self.by_channel.get_key_value(name) {
            self.trim(&Name::clone(name), now_ms, forgotten);
        }
    }

    /// A channel's oldest message is another one, or is kept for another time.
    fn note_due(&mut self, name: &Name) {
        let history = self.by_channel.get_mut(name).expect("who has messages is there");
        let due_ms = history.due();
        let before_ms = std::mem::replace(&mut history.due_ms, due_ms);
        if before_ms == due_ms {
            return;
        }
        if let Some(before_ms) = before_ms {
            self.due.remove(&(before_ms, Name::clone(name)));
        }
        if let Some(due_ms) = due_ms {
            self.due.insert((due_ms, Name::clone(name)));
        }
    }

    pub(super) fn figures(&self, channel: &[u8]) -> Option<HistoryFigures> {
        self.by_channel.get(channel).map(figures)
    }

    /// All channels by name.
    pub(super) fn all(&self) -> BTreeMap<Name, HistoryFigures> {
        self.by_channel.iter().map(|(name, history)| (name.clone(), figures(history))).collect()
    }

    /// What all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn new_age(&mut self) -> u64 {
        self.next_age += 1;
        self.next_age
    }

    /// Begins a channel's history if it has none.
    fn open(&mut self, channel: &[u8], extent: Option<Extent>, now_micros: i64) -> Name {
        if let Some((name, _)) = self.by_channel.get_key_value(channel) {
            return Name::clone(name);
        }
        let (name, age) = (Name::from(channel), self.new_age());
        let bytes = channel.len() + CHANNEL_OVERHEAD;
        let (messages, followers) = (VecDeque::new(), 0);
        let next = now_micros.max(self.floor);
        let history = History { messages, next, extent, followers, age, due_ms: None, bytes };
        self.bytes += bytes;
        self.ages.insert(age, Name::clone(&name));
        self.by_channel.insert(Name::clone(&name), history);
        name
    }

    /// Lets go what the channel's own extent does not cover.
    fn trim(&mut self, name: &Name, now_ms: i64, forgotten: &mut Forgotten) {
        loop {
            let history = &self.by_channel[name];
            if history.messages.is_empty() {
                return;
            }
            let extent = history.extent.unwrap_or_default();
            let is_due = history.due_ms.is_some_and(|due_ms| due_ms <= now_ms);
            if !is_due && history.messages.len() <= extent.messages {
                return;
            }
            self.drop_oldest(name, forgotten);
        }
    }

    /// Lets go what is oldest until the rest is within the bound.
    fn enforce(&mut self, forgotten: &mut Forgotten) {
        while self.bytes > self.bytes_max {
            let Some((_, name)) = self.ages.first_key_value() else { return };
            let name = Name::clone(name);
            if self.by_channel[&name].messages.is_empty() {
                self.forget(&name);
            } else {
                self.drop_oldest(&name, forgotten);
            }
        }
    }

    fn drop_oldest(&mut self, name: &Name, forgotten: &mut Forgotten) {
        let history = self.by_channel.get_mut(name).expect("who has messages is there");
        let message = history.messages.pop_front().expect("there is an oldest message");
        history.bytes -= message.cost();
        self.bytes -= message.cost();
        forgotten.push(message.payload);
        self.ages.remove(&history.age);
        history.age = history.messages.front().map_or(message.age, |next| next.age);
        if !history.is_ageless() {
            self.ages.insert(history.age, Name::clone(name));
        }
        self.note_due(name);
    }

    fn forget(&mut self, name: &[u8]) {
        if let Some(history) = self.by_channel.remove(name) {
            debug_assert!(history.messages.is_empty() && history.followers == 0);
            debug_assert!(history.due_ms.is_none(), "nothing is due of what is empty");
            self.ages.remove(&history.age);
            self.floor = self.floor.max(history.next);
            self.bytes -= history.bytes;
        }
    }
}

fn figures(history: &History) -> HistoryFigures {
    HistoryFigures {
        messages: history.messages.len(),
        first: history.first(),
        last: history.next - 1,
        bytes: history.bytes,
    }
}

fn replay(history: &History, from: ReplayFrom) -> Replay {
    let (first, last) = (history.first(), history.next - 1);
    let (begin, gap) = match from {
        ReplayFrom::Now => (history.next, None),
        ReplayFrom::Start => (first, None),
        ReplayFrom::After(seen) if seen > last || seen + 1 < first => {
            (first, Some((seen.saturating_add(1), first)))
        }
        ReplayFrom::After(seen) => (seen + 1, None),
    };
    let skipped = (begin - first) as usize;
    let messages = history.messages.iter().skip(skipped);
    let messages = messages.map(|message| Bytes::clone(&message.payload)).collect();
    Replay { last, gap, first: begin, messages }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;
    const EXTENT: Extent = Extent { messages: 3, millis: 10_000 };

    /// A set of histories and the time.
    struct Fixture {
        histories: Histories,
        now: i64,
        forgotten: Forgotten,
    }

    impl Fixture {
        fn new(bytes_max: usize) -> Fixture {
            let mut histories = Histories::default();
            let mut forgotten = Forgotten::new();
            histories.set_bytes_max(bytes_max, &mut forgotten);
            Fixture { histories, now: 1000 * SECOND, forgotten }
        }

        fn keep(&mut self, channel: &str, payload: &[u8]) -> i64 {
            let (channel, extent) = (channel.as_bytes(), Some(EXTENT));
            self.histories.keep(channel, payload, extent, self.now, &mut self.forgotten)
        }

        fn follow(&mut self, channel: &str, from: ReplayFrom) -> Replay {
            let (channel, extent) = (channel.as_bytes(), Some(EXTENT));
            self.histories.follow(channel, from, extent, self.now, &mut self.forgotten)
        }

        /// The same without staying.
        fn replay(&mut self, channel: &str, from: ReplayFrom) -> Replay {
            let replay = self.follow(channel, from);
            self.histories.unfollow(channel.as_bytes());
            replay
        }

        fn kept(&self, channel: &str) -> Option<usize> {
            self.histories.figures(channel.as_bytes()).map(|figures| figures.messages)
        }

        /// What must always hold between the parts.
        fn check(&self) {
            let histories = &self.histories;
            let bytes = |(name, history): (&Name, &History)| {
                let messages = history.messages.iter().map(Message::cost).sum::<usize>();
                let bytes = messages + name.len() + CHANNEL_OVERHEAD;
                assert_eq!(bytes, history.bytes);
                let indexed = histories.ages.get(&history.age).is_some_and(|other| other == name);
                assert_eq!(indexed, !history.is_ageless());
                if let Some(oldest) = history.messages.front() {
                    assert_eq!(oldest.age, history.age);
                }
                assert_eq!(history.due_ms, history.due());
                if let Some(due_ms) = history.due_ms {
                    assert!(histories.due.contains(&(due_ms, Name::clone(name))));
                }
                bytes
            };
            assert_eq!(histories.by_channel.iter().map(bytes).sum::<usize>(), histories.bytes);
            let aged = histories.by_channel.values().filter(|history| !history.is_ageless());
            assert_eq!(aged.count(), histories.ages.len());
            let due = histories.by_channel.values().filter(|history| history.due_ms.is_some());
            assert_eq!(due.count(), histories.due.len());
        }
    }

    #[test]
    fn numbers_begin_with_the_time_and_rise_by_one() {
        let mut fixture = Fixture::new(1 << 20);
        assert_eq!(fixture.keep("ch", b"a"), 1000 * SECOND);
        fixture.now += SECOND;
        assert_eq!(fixture.keep("ch", b"b"), 1000 * SECOND + 1);
        assert_eq!(fixture.keep("other", b"a"), 1001 * SECOND);
        fixture.check();
    }

    #[test]
    fn a_replay_begins_behind_what_was_seen_and_tells_what_is_missing() {
        let mut fixture = Fixture::new(1 << 20);
        let first = fixture.keep("ch", b"0");
        (1..5).for_each(|n| assert_eq!(fixture.keep("ch", n.to_string().as_bytes()), first + n));
        let last = first + 4;
        let mut get = |from| {
            let replay = fixture.replay("ch", from);
            assert_eq!(replay.last, last);
            (replay.first - first, replay.messages.len(), replay.gap)
        };
        // The last three are kept: numbers 2, 3 and 4 of this channel.
        assert_eq!(get(ReplayFrom::Start), (2, 3, None));
        assert_eq!(get(ReplayFrom::Now), (5, 0, None));
        assert_eq!(get(ReplayFrom::After(last)), (5, 0, None));
        assert_eq!(get(ReplayFrom::After(first + 3)), (4, 1, None));
        assert_eq!(get(ReplayFrom::After(first + 1)), (2, 3, None));
        assert_eq!(get(ReplayFrom::After(first)), (2, 3, Some((first + 1, first + 2))));
        assert_eq!(get(ReplayFrom::After(1)), (2, 3, Some((2, first + 2))));
        assert_eq!(get(ReplayFrom::After(last + 1)), (2, 3, Some((last + 2, first + 2))));
        assert_eq!(get(ReplayFrom::After(i64::MAX)), (2, 3, Some((i64::MAX, first + 2))));
    }

    #[test]
    fn what_is_too_old_goes_and_the_numbers_go_on() {
        let mut fixture = Fixture::new(1 << 20);
        let first = fixture.keep("ch", b"a");
        fixture.now += 9 * SECOND;
        fixture.keep("ch", b"b");
        fixture.histories.expire(fixture.now / 1000, &mut fixture.forgotten);
        assert_eq!(fixture.kept("ch"), Some(2));
        fixture.now += SECOND;
        fixture.histories.expire(fixture.now / 1000, &mut fixture.forgotten);
        assert_eq!(fixture.kept("ch"), Some(1));
        fixture.now += 60 * SECOND;
        fixture.histories.expire(fixture.now / 1000, &mut fixture.forgotten);
        assert_eq!(fixture.kept("ch"), Some(0));
        fixture.check();
        assert_eq!(fixture.forgotten.len(), 2);
        let replay = fixture.replay("ch", ReplayFrom::After(first + 1));
        assert_eq!((replay.gap, replay.last), (None, first + 1), "nothing was missed");
        assert_eq!(fixture.keep("ch", b"c"), first + 2);
    }

    /// With many channels, to look whether anything was due once kept publishers waiting.
    #[test]
    fn what_is_due_goes_piece_by_piece_and_nothing_else_is_looked_at() {
        let mut fixture = Fixture::new(1 << 30);
        let channels = 2 * DUE_MAX + 10;
        for n in 0..channels {
            fixture.keep(&n.to_string(), b"x");
        }
        fixture.now += 9 * SECOND;
        fixture.keep("late", b"x");
        fixture.now += 2 * SECOND;
        for gone in [DUE_MAX, 2 * DUE_MAX, channels] {
            let Fixture { histories, now, forgotten } = &mut fixture;
            assert_eq!(histories.expire(*now / 1000, forgotten), gone < channels);
            assert_eq!((forgotten.len(), histories.due.len()), (gone, channels - gone + 1));
        }
        assert_eq!(fixture.kept("late"), Some(1));
        fixture.check();
    }

    #[test]
    fn the_oldest_message_of_all_channels_goes_first_and_then_what_is_empty() {
        let message = [b'x'; 1000];
        let mut fixture = Fixture::new(2 * 1000 + 3 * (MESSAGE_OVERHEAD + CHANNEL_OVERHEAD + 1));
        fixture.keep("a", &message);
        fixture.keep("b", &message);
        fixture.keep("c", &message);
        assert_eq!(["a", "b", "c"].map(|name| fixture.kept(name)), [Some(0), Some(1), Some(1)]);
        fixture.keep("a", &message);
        assert_eq!(["a", "b", "c"].map(|name| fixture.kept(name)), [Some(1), Some(0), Some(1)]);
        // A fourth channel has room only when an empty one is forgotten.
        fixture.keep("d", b"");
        assert_eq!(["a", "b", "c"].map(|name| fixture.kept(name)), [Some(1), None, Some(1)]);
        fixture.check();
    }

    #[test]
    fn a_channel_that_somebody_follows_is_not_forgotten() {
        let mut fixture = Fixture::new(CHANNEL_OVERHEAD + 2);
        let last = fixture.follow("ch", ReplayFrom::Now).last;
        assert_eq!(fixture.keep("ch", b"too much"), last + 1);
        assert_eq!(fixture.kept("ch"), Some(0));
        fixture.keep("other", b"");
        assert_eq!((fixture.kept("ch"), fixture.kept("other")), (Some(0), None));
        assert_eq!(fixture.keep("ch", b""), last + 2);
        fixture.check();
        fixture.histories.unfollow(b"ch");
        fixture.keep("other", b"");
        assert_eq!(fixture.kept("ch"), None);
        // Once forgotten, a channel begins above all that was given before, even if the clock was set back.
        fixture.now = 1;
        assert!(fixture.keep("ch", b"") > last + 2);
        fixture.check();
    }

    #[test]
    fn what_no_rule_covers_any_more_goes_unless_somebody_follows_its_numbers() {
        let mut fixture = Fixture::new(1 << 20);
        fixture.keep("ch", b"a");
        let last = fixture.keep("followed", b"a");
        fixture.follow("followed", ReplayFrom::Now);
        let Fixture { histories, now, forgotten } = &mut fixture;
        histories.set_extents(|_| None, *now / 1000, forgotten);
        assert_eq!((fixture.kept("ch"), fixture.kept("followed")), (None, Some(0)));
        let Fixture { histories, now, forgotten } = &mut fixture;
        assert_eq!(histories.keep(b"followed", b"b", None, *now, forgotten), last + 1);
        fixture.check();
        fixture.histories.unfollow(b"followed");
        assert_eq!(fixture.kept("followed"), None);
        assert_eq!(fixture.histories.bytes(), 0);
    }

    proptest! {
        #[test]
        fn the_parts_agree_whatever_happens(
            acts in prop::collection::vec((0..6u8, 0..3usize, 0..2000usize), 1..80), bytes_max in 300..8000usize,
        ) {
            let names = ["a", "bb", "ccc"];
            let mut fixture = Fixture::new(bytes_max);
            let mut followers = [0; 3];
            for (act, channel, size) in acts {
                let name = names[channel];
                match act {
                    0..3 => assert!(fixture.keep(name, &vec![b'x'; size]) > 0),
                    3 => {
                        fixture.follow(name, ReplayFrom::After(size as i64));
                        followers[channel] += 1;
                    }
                    4 if followers[channel] > 0 => {
                        fixture.histories.unfollow(name.as_bytes());
                        followers[channel] -= 1;
                    }
                    _ => {
                        fixture.now += size as i64 * SECOND / 100;
                        let Fixture { histories, now, forgotten } = &mut fixture;
                        histories.expire(*now / 1000, forgotten);
                    }
                }
                fixture.check();
            }
        }
    }
}
