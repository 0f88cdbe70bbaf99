//! Who listens to what, and publishing.
//!
//! One lock guards who listens. A publisher holds it shared while it puts frames into inboxes, who subscribes or
//! unsubscribes holds it alone. So the number that `PUBLISH` returns is exact: everybody counted gets the message,
//! and nobody else. An inbox takes frames in order, so all that one client publishes arrives in its order, and a
//! client sees its subscriptions begin and end exactly where their confirmations stand among the messages
//! (`commands::pubsub` says how).
//!
//! As long as nobody listens, publishing is one load of an atomic.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::events::{self, Listeners};
use super::frames::{self, Frames};
use super::history::{Extent, Forgotten, Histories, HistoryFigures, Replay, ReplayFrom};
use super::patterns::Patterns;
use crate::base::clock::Clock;
use crate::base::glob::glob_match;
use crate::base::sync::{Rank, RwLock};
use crate::config::history::HistoryRule;
use crate::config::special::EventClasses;
use crate::session::{Client, Name, Session, SubscriptionKind};
use crate::store::Event;

/// How many subscriptions end per acquisition of the lock when a client leaves.
const DEPARTURES_MAX: usize = 1024;

/// Clients by their numbers.
type Subscribers = BTreeMap<u64, Arc<Client>>;

/// Who listens to a channel.
#[derive(Default)]
struct Channel {
    listeners: Subscribers,
    /// Those who get messages with their numbers (`SUBSCRIBE.FROM`).
    followers: Subscribers,
}

impl Channel {
    fn len(&self) -> usize {
        self.listeners.len() + self.followers.len()
    }
}

#[derive(Default)]
struct State {
    channels: HashMap<Name, Channel>,
    patterns: Patterns,
    shards: HashMap<Name, Subscribers>,
    listeners: Listeners,
    /// What `notify-keyspace-events` says.
    classes: EventClasses,
    /// What `pubsub-history` says.
    rules: Vec<HistoryRule>,
}

/// See the module's description.
pub struct PubSub {
    state: RwLock<State>,
    /// Behind the other lock in the order of locks.
    histories: RwLock<Histories>,
    clock: Arc<Clock>,
    /// Somebody listens to a channel or a pattern, or messages are kept.
    is_heard: AtomicBool,
    /// Somebody listens to a shard channel.
    are_shards_heard: AtomicBool,
    are_events_wanted: AtomicBool,
}

/// Who listens.
impl PubSub {
    pub fn new(clock: Arc<Clock>) -> PubSub {
        PubSub {
            state: RwLock::new(Rank::Delivery, 0, State::default()),
            histories: RwLock::new(Rank::Delivery, 1, Histories::default()),
            clock,
            is_heard: AtomicBool::new(false),
            are_shards_heard: AtomicBool::new(false),
            are_events_wanted: AtomicBool::new(false),
        }
    }

    /// Changes who listens to what. What the atomics say follows while the lock is held.
    fn change<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.write();
        let result = work(&mut state);
        let is_listened_to = !state.channels.is_empty() || state.patterns.len() > 0;
        let is_heard = is_listened_to || !state.rules.is_empty();
        self.is_heard.store(is_heard, Ordering::Release);
        self.are_shards_heard.store(!state.shards.is_empty(), Ordering::Release);
        let are_events_wanted = state.listeners.may_hear(state.classes);
        self.are_events_wanted.store(are_events_wanted, Ordering::Release);
        result
    }

    /// From now on the client gets what is published there.
    pub fn subscribe(&self, kind: SubscriptionKind, name: &Name, client: &Arc<Client>) {
        self.change(|state| {
            // Who followed a channel and now only listens to it does so from one message to the next.
            let followed = kind == SubscriptionKind::Channel && state.follows(name, client.id);
            state.subscribe(kind, name, client);
            if followed {
                state.end_following(name, client.id);
                self.histories.write().unfollow(name);
            }
        });
    }

    /// From now on the client gets what is published to a channel, with numbers, and first what was published
    /// before. The client does not listen to the channel yet. `None` if nothing is kept of it.
    pub fn follow(&self, name: &Name, from: ReplayFrom, client: &Arc<Client>) -> Option<Replay> {
        let mut forgotten = Forgotten::new();
        self.change(|state| {
            let extent = state.extent(name)?;
            state.open_channel(name).followers.insert(client.id, Arc::clone(client));
            let now_micros = self.clock.unix_micros();
            let mut histories = self.histories.write();
            Some(histories.follow(name, from, Some(extent), now_micros, &mut forgotten))
        })
    }

    /// From now on the client gets nothing more of these.
    pub fn unsubscribe(&self, kind: SubscriptionKind, names: &[Name], client: &Client) {
        for names in names.chunks(DEPARTURES_MAX) {
            self.change(|state| {
                for name in names {
                    if kind == SubscriptionKind::Channel && state.follows(name, client.id) {
                        state.end_following(name, client.id);
                        self.histories.write().unfollow(name);
                    } else {
                        state.unsubscribe(kind, name, client.id);
                    }
                }
            });
        }
    }

    /// Ends all subscriptions of a session.
    pub fn depart(&self, session: &mut Session) {
        for kind in SubscriptionKind::ALL {
            let names = session.subscriptions.names(kind);
            self.unsubscribe(kind, &names, &session.client);
            names.iter().for_each(|name| {
                session.unsubscribe(kind, name);
            });
        }
    }

    /// Runs `work` while nothing is published: messages are encoded in the protocol that a client speaks, and
    /// when that changes, it must be clear which of them come before.
    pub fn while_silent<R>(&self, work: impl FnOnce() -> R) -> R {
        let _alone = self.state.write();
        work()
    }
}

impl State {
    fn subscribe(&mut self, kind: SubscriptionKind, name: &Name, client: &Arc<Client>) {
        let subscribers = match kind {
            SubscriptionKind::Channel => &mut self.open_channel(name).listeners,
            SubscriptionKind::Shard => self.shards.entry(Name::clone(name)).or_default(),
            SubscriptionKind::Pattern => {
                if self.patterns.add(name, client) {
                    self.listeners.add_pattern(name);
                }
                return;
            }
        };
        subscribers.insert(client.id, Arc::clone(client));
    }

    fn unsubscribe(&mut self, kind: SubscriptionKind, name: &[u8], client: u64) {
        match kind {
            SubscriptionKind::Channel => {
                if let Some(channel) = self.channels.get_mut(name) {
                    channel.listeners.remove(&client);
                    self.close_channel(name);
                }
            }
            SubscriptionKind::Shard => {
                let Some(subscribers) = self.shards.get_mut(name) else { return };
                subscribers.remove(&client);
                if subscribers.is_empty() {
                    self.shards.remove(name);
                }
            }
            SubscriptionKind::Pattern => {
                if self.patterns.remove(name, client) {
                    self.listeners.remove_pattern(name);
                }
            }
        }
    }
}

impl State {
    fn open_channel(&mut self, name: &Name) -> &mut Channel {
        if !self.channels.contains_key(name) {
            self.listeners.add_channel(name);
        }
        self.channels.entry(Name::clone(name)).or_default()
    }

    /// Forgets a channel that nobody listens to.
    fn close_channel(&mut self, name: &[u8]) {
        if self.channels.get(name).is_some_and(|channel| channel.len() == 0) {
            self.channels.remove(name);
            self.listeners.remove_channel(name);
        }
    }

    fn follows(&self, name: &[u8], client: u64) -> bool {
        self.channels.get(name).is_some_and(|channel| channel.followers.contains_key(&client))
    }

    fn end_following(&mut self, name: &[u8], client: u64) {
        let channel = self.channels.get_mut(name).expect("who is followed has a channel");
        channel.followers.remove(&client);
        self.close_channel(name);
    }

    /// How much is kept of a channel: as the first rule says that matches it.
    fn extent(&self, channel: &[u8]) -> Option<Extent> {
        self.rules.iter().find(|rule| rule.matches(channel)).map(Extent::from)
    }
}

/// Publishing.
impl PubSub {
    /// Sends a message to all who listen to the channel, then to all who listen to a pattern that matches, in the
    /// order of the patterns' age. Returns how many times it was sent.
    #[inline]
    pub fn publish(&self, channel: &[u8], payload: &[u8]) -> usize {
        if !self.is_heard.load(Ordering::Acquire) {
            return 0;
        }
        let mut forgotten = Forgotten::new();
        self.deliver(&self.state.read(), channel, payload, &mut forgotten)
    }

    /// Keeps the message if that is wanted, and sends it. What is kept gets its number and goes into inboxes in
    /// one order, because the histories are locked meanwhile.
    fn deliver(
        &self,
        state: &State,
        name: &[u8],
        payload: &[u8],
        forgotten: &mut Forgotten,
    ) -> usize {
        let channel = state.channels.get(name);
        let extent = state.extent(name);
        let is_followed = channel.is_some_and(|channel| !channel.followers.is_empty());
        if extent.is_none() && !is_followed {
            return state.send(channel, name, payload, None);
        }
        let mut histories = self.histories.write();
        let number = histories.keep(name, payload, extent, self.clock.unix_micros(), forgotten);
        state.send(channel, name, payload, Some(number))
    }

    /// The same for a shard channel, which no pattern matches.
    #[inline]
    pub fn publish_shard(&self, channel: &[u8], payload: &[u8]) -> usize {
        if !self.are_shards_heard.load(Ordering::Acquire) {
            return 0;
        }
        let state = self.state.read();
        let Some(subscribers) = state.shards.get(channel) else { return 0 };
        let mut frames = Frames::new(frames::message("smessage", channel, payload));
        subscribers.values().filter(|client| frames.send(client)).count()
    }

    /// Whether an event could reach anybody at the moment.
    #[inline]
    pub fn wants_events(&self) -> bool {
        self.are_events_wanted.load(Ordering::Relaxed)
    }

    /// What `notify-keyspace-events` says from now on.
    pub fn set_event_classes(&self, classes: EventClasses) {
        self.change(|state| state.classes = classes);
    }

    /// Tells of a change of a key.
    pub fn notify(&self, event: &Event) {
        let mut forgotten = Forgotten::new();
        let state = self.state.read();
        if !state.classes.intersects(events::class_bit(event.kind.class)) {
            return;
        }
        let (name, key) = (event.kind.name, &event.key[..]);
        if state.classes.contains(EventClasses::KEYSPACE) {
            let channel = events::keyspace_channel(event.db, key);
            self.deliver(&state, &channel, name.as_bytes(), &mut forgotten);
        }
        if state.classes.contains(EventClasses::KEYEVENT) {
            let channel = events::keyevent_channel(event.db, name);
            self.deliver(&state, &channel, key, &mut forgotten);
        }
    }
}

impl State {
    fn send(
        &self,
        channel: Option<&Channel>,
        name: &[u8],
        payload: &[u8],
        number: Option<i64>,
    ) -> usize {
        let mut sent = 0;
        if let Some(channel) = channel {
            let mut frames = Frames::new(frames::message("message", name, payload));
            sent += channel.listeners.values().filter(|client| frames.send(client)).count();
        }
        if let (Some(channel), Some(number)) = (channel, number) {
            let mut frames = Frames::new(frames::numbered_message(name, number, payload));
            sent += channel.followers.values().filter(|client| frames.send(client)).count();
        }
        for pattern in self.patterns.matching(name) {
            let write = frames::pattern_message(&pattern.name, name, payload);
            let mut frames = Frames::new(write);
            sent += pattern.subscribers.values().filter(|client| frames.send(client)).count();
        }
        sent
    }
}

/// What is kept.
impl PubSub {
    /// What `pubsub-history` says from now on.
    pub fn set_history_rules(&self, rules: Vec<HistoryRule>) {
        let mut forgotten = Forgotten::new();
        self.change(|state| {
            // Events that would be kept are wanted, as if somebody listened to them.
            state.rules.iter().for_each(|rule| state.listeners.remove_pattern(rule.pattern()));
            rules.iter().for_each(|rule| state.listeners.add_pattern(rule.pattern()));
            state.rules = rules;
            let now_ms = self.clock.unix_millis();
            let mut histories = self.histories.write();
            histories.set_extents(|channel| state.extent(channel), now_ms, &mut forgotten);
        });
    }

    /// What `pubsub-history-memory` says from now on.
    pub fn set_history_bytes_max(&self, bytes_max: usize) {
        let mut forgotten = Forgotten::new();
        self.histories.write().set_bytes_max(bytes_max, &mut forgotten);
    }

    /// Lets go what has been kept for long enough; called a few times a second.
    pub fn expire_history(&self) {
        if !self.is_heard.load(Ordering::Relaxed) {
            return;
        }
        let mut forgotten = Forgotten::new();
        // Who publishes comes in between, and what goes is freed while nobody waits.
        while self.histories.write().expire(self.clock.unix_millis(), &mut forgotten) {
            forgotten.clear();
        }
    }

    /// Whether messages of a channel are kept.
    pub fn keeps(&self, channel: &[u8]) -> bool {
        self.state.read().extent(channel).is_some()
    }

    /// What a channel keeps; `None` if it never kept anything, or was forgotten.
    pub fn history(&self, channel: &[u8]) -> Option<HistoryFigures> {
        let mut forgotten = Forgotten::new();
        let mut histories = self.histories.write();
        histories.expire_channel(channel, self.clock.unix_millis(), &mut forgotten);
        histories.figures(channel)
    }

    /// All channels that keep something, by name.
    pub fn histories(&self) -> BTreeMap<Name, HistoryFigures> {
        self.expire_history();
        self.histories.read().all()
    }

    /// What is kept of all channels, in bytes.
    pub fn history_bytes(&self) -> usize {
        self.histories.read().bytes()
    }
}

/// What `PUBSUB` and `INFO` tell.
impl PubSub {
    /// The channels (or shard channels) to which somebody listens, those that match if there is a pattern.
    pub fn names(&self, kind: SubscriptionKind, pattern: Option<&[u8]>) -> Vec<Name> {
        let matches = |name: &&Name| pattern.is_none_or(|pattern| glob_match(pattern, name, false));
        let state = self.state.read();
        match kind {
            SubscriptionKind::Shard => state.shards.keys().filter(matches).cloned().collect(),
            _ => state.channels.keys().filter(matches).cloned().collect(),
        }
    }

    /// How many listen to a channel (or shard channel).
    pub fn subscribers(&self, kind: SubscriptionKind, name: &[u8]) -> usize {
        let state = self.state.read();
        match kind {
            SubscriptionKind::Shard => state.shards.get(name).map_or(0, BTreeMap::len),
            _ => state.channels.get(name).map_or(0, Channel::len),
        }
    }

    /// How many different names somebody listens to.
    pub fn len(&self, kind: SubscriptionKind) -> usize {
        let state = self.state.read();
        match kind {
            SubscriptionKind::Channel => state.channels.len(),
            SubscriptionKind::Pattern => state.patterns.len(),
            SubscriptionKind::Shard => state.shards.len(),
        }
    }
}
