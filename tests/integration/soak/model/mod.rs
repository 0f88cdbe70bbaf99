//! What one client's keys must contain: plain collections, and for each command the reply that follows from them.
//!
//! Nothing of the server is used. What cannot be known is not guessed: a reply that is up to chance is compared with
//! what is allowed ([`Want`]) and then believed ([`Model::learn`]), and where two states are possible, because a
//! deadline may or may not have passed when the server looked, or because a command was sent and never answered,
//! there are two models ([`Model::settled`]). Copies share their values, so a copy costs little.

mod generic;
mod hashes;
mod lists;
mod places;
mod ranks;
mod sets;
mod sketches;
mod streams;
mod texts;
mod want;

pub use want::Want;

use super::choices::Choices;
use hashes::Hash;
use lists::List;
use places::Places;
use ranks::Ranks;
use sets::Set;
use sketches::Sketch;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use streams::Stream;
use texts::Text;

pub type Words = Vec<Vec<u8>>;

/// A command from words of several types.
macro_rules! words {
    ($($part:expr),* $(,)?) => { vec![$(Vec::<u8>::from($part)),*] };
}
pub(super) use words;

/// How much later than its deadline a key may still be seen. The server reads the wall clock and the monotonic one
/// in turn; if the system takes its core away in between, its time is late for a moment.
pub const SLACK_MS: i64 = 200;

/// Between these moments, in Unix milliseconds, the server has executed a command.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from_ms: i64,
    pub to_ms: i64,
}

/// When something expires; exact, if both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub earliest_ms: i64,
    pub latest_ms: i64,
}

impl Deadline {
    fn at(ms: i64) -> Deadline {
        Deadline { earliest_ms: ms, latest_ms: ms }
    }

    fn is_over(self, window: Window) -> bool {
        window.from_ms >= self.latest_ms + SLACK_MS
    }

    fn was_over(self, time_ms: i64) -> bool {
        time_ms >= self.latest_ms + SLACK_MS
    }

    fn may_be_over(self, window: Window) -> bool {
        window.to_ms >= self.earliest_ms
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Text),
    List(List),
    Set(Set),
    Hash(Hash),
    Ranks(Ranks),
    Stream(Stream),
    Sketch(Sketch),
    Places(Places),
}

impl Value {
    fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Sketch(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::Hash(_) => "hash",
            Value::Ranks(_) | Value::Places(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub value: Value,
    pub deadline: Option<Deadline>,
}

/// A type of value.
trait Kind: Default {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn wrap(self) -> Value;
    /// Whether a key with this content is gone.
    fn is_nothing(&self) -> bool;
}

macro_rules! kind {
    ($name:ident, $is_nothing:expr) => {
        impl Kind for $name {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$name(inner) = value { Some(inner) } else { None }
            }
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$name(inner) = value { Some(inner) } else { None }
            }
            fn wrap(self) -> Value {
                Value::$name(self)
            }
            fn is_nothing(&self) -> bool {
                let is_nothing: fn(&$name) -> bool = $is_nothing;
                is_nothing(self)
            }
        }
    };
}

kind!(Text, |_| false);
kind!(List, |list| list.is_empty());
kind!(Set, |set| set.is_empty());
kind!(Hash, |hash| hash.is_empty());
kind!(Ranks, |ranks| ranks.is_empty());
kind!(Stream, |_| false);
kind!(Sketch, |_| false);
kind!(Places, |places| places.0.is_empty());

/// A key holds another type.
pub struct WrongType;

type Answer = Result<Want, WrongType>;

type Name = (usize, Vec<u8>);

/// All keys of a client, in all its databases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub db: usize,
    keys: BTreeMap<Name, Arc<Entry>>,
    /// Since a deadline was found to have passed, the server's clock shows at least this.
    time_ms: i64,
}

impl Model {
    /// All keys that are not the same in all of these.
    pub fn differences(models: &[Model]) -> Vec<(usize, Vec<u8>)> {
        let Some((first, others)) = models.split_first() else { return Vec::new() };
        let mut names: Vec<Name> =
            models.iter().flat_map(|model| model.keys.keys().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        let differs =
            |name: &Name| others.iter().any(|other| other.keys.get(name) != first.keys.get(name));
        names.retain(differs);
        names
    }

    /// The same models, each once.
    pub fn without_doubles(models: Vec<Model>) -> Vec<Model> {
        let mut unique: Vec<Model> = Vec::with_capacity(models.len());
        for model in models {
            let is_same = |other: &&mut Model| other.db == model.db && other.keys == model.keys;
            match unique.iter_mut().find(is_same) {
                Some(same) => same.time_ms = same.time_ms.min(model.time_ms),
                None => unique.push(model),
            }
        }
        unique
    }

    fn name(&self, key: &[u8]) -> Name {
        (self.db, key.to_vec())
    }

    fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.keys.get(&self.name(key)).map(|entry| &**entry)
    }

    fn has(&self, key: &[u8]) -> bool {
        self.entry(key).is_some()
    }

    fn read<K: Kind>(&self, key: &[u8]) -> Result<Option<&K>, WrongType> {
        self.entry(key).map(|entry| K::of(&entry.value).ok_or(WrongType)).transpose()
    }

    /// The same; what is missing is empty.
    fn seen<K: Kind + Clone>(&self, key: &[u8]) -> Result<Cow<'_, K>, WrongType> {
        Ok(self.read(key)?.map_or_else(|| Cow::Owned(K::default()), Cow::Borrowed))
    }

    /// Which version of a value it is, for those who look at many models that share most of theirs.
    pub fn version(&self, key: &[u8]) -> Option<*const Entry> {
        self.keys.get(&self.name(key)).map(Arc::as_ptr)
    }

    /// Changes a value, which is made if it is missing and goes if it is left empty.
    fn edit<K: Kind, R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut K) -> R,
    ) -> Result<R, WrongType> {
        let name = self.name(key);
        let new = || Arc::new(Entry { value: K::default().wrap(), deadline: None });
        let entry = Arc::make_mut(self.keys.entry(name.clone()).or_insert_with(new));
        let value = K::of_mut(&mut entry.value).ok_or(WrongType)?;
        let result = edit(value);
        if value.is_nothing() {
            self.keys.remove(&name);
        }
        Ok(result)
    }

    /// Puts a value in the place of whatever was there.
    fn put<K: Kind>(&mut self, key: &[u8], value: K, deadline: Option<Deadline>) {
        let name = self.name(key);
        if value.is_nothing() {
            self.keys.remove(&name);
        } else {
            self.keys.insert(name, Arc::new(Entry { value: value.wrap(), deadline }));
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Arc<Entry>> {
        self.keys.remove(&self.name(key))
    }

    fn set_deadline(&mut self, key: &[u8], deadline: Option<Deadline>) {
        let name = self.name(key);
        if let Some(entry) = self.keys.get_mut(&name) {
            Arc::make_mut(entry).deadline = deadline;
        }
    }

    /// All names in the chosen database.
    pub fn names(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.keys.keys().filter(|(db, _)| *db == self.db).map(|(_, key)| key)
    }

    /// Those of them that expire.
    pub fn volatile_names(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.names().filter(|key| self.entry(key).is_some_and(|entry| entry.deadline.is_some()))
    }

    /// The reply that this command must have, and its effect.
    pub fn apply(&mut self, words: &[Vec<u8>], window: Window) -> Want {
        let name = std::str::from_utf8(&words[0]).expect("names are ASCII");
        let args = &words[1..];
        let answer = texts::apply(self, name, args)
            .or_else(|| lists::apply(self, name, args))
            .or_else(|| sets::apply(self, name, args))
            .or_else(|| hashes::apply(self, name, args, window))
            .or_else(|| ranks::apply(self, name, args))
            .or_else(|| streams::apply(self, name, args))
            .or_else(|| sketches::apply(self, name, args))
            .or_else(|| places::apply(self, name, args))
            .or_else(|| generic::apply(self, name, args, window));
        match answer.unwrap_or_else(|| panic!("the model does not know {name}")) {
            Ok(want) => want,
            Err(WrongType) => Want::Error("WRONGTYPE "),
        }
    }

    /// The same without an effect.
    pub fn apply_to_copy(&self, words: &[Vec<u8>], window: Window) -> Want {
        self.clone().apply(words, window)
    }

    /// Takes over what a reply that was not determined says.
    pub fn learn(&mut self, words: &[Vec<u8>], reply: &super::Reply) {
        sets::learn(self, words, reply);
        generic::learn(self, words, reply);
    }

    /// What may have become of this when the command was executed without a reply.
    pub fn unanswered(mut self, words: &[Vec<u8>], window: Window) -> Vec<Model> {
        if let Some(outcomes) = sets::unanswered(&self, words) {
            return outcomes;
        }
        self.apply(words, window);
        vec![self]
    }

    /// The models that are possible for a command on these keys, now that some time has passed: what has expired is
    /// gone, and what may have expired is gone or not.
    pub fn settled(self, keys: &[&[u8]], window: Window) -> Vec<Model> {
        let mut models = vec![self];
        for key in keys {
            let names: Vec<Name> = (0..super::DATABASES).map(|db| (db, key.to_vec())).collect();
            for name in names {
                models =
                    models.into_iter().flat_map(|model| model.settled_for(&name, window)).collect();
            }
        }
        models
    }

    fn settled_for(mut self, name: &Name, window: Window) -> Vec<Model> {
        let Some(entry) = self.keys.get(name) else { return vec![self] };
        if let Some(deadline) = entry.deadline {
            if deadline.is_over(window) || deadline.was_over(self.time_ms) {
                self.keys.remove(name);
                return vec![self];
            }
            if deadline.may_be_over(window) {
                let mut gone = self.clone();
                gone.keys.remove(name);
                gone.time_ms = gone.time_ms.max(deadline.earliest_ms);
                return [vec![gone], self.with_fields_settled(name, window)].concat();
            }
        }
        self.with_fields_settled(name, window)
    }

    fn with_fields_settled(mut self, name: &Name, window: Window) -> Vec<Model> {
        let Some(Value::Hash(hash)) = self.keys.get(name).map(|entry| &entry.value) else {
            return vec![self];
        };
        let over = |deadline: &i64| {
            let deadline = Deadline::at(*deadline);
            deadline.is_over(window) || deadline.was_over(self.time_ms)
        };
        let maybe = |deadline: &i64| !over(deadline) && Deadline::at(*deadline).may_be_over(window);
        let mut cuts: Vec<i64> =
            hash.values().filter_map(|field| field.deadline_ms).filter(maybe).collect();
        let passed = hash.values().filter_map(|field| field.deadline_ms).filter(over).max();
        cuts.sort_unstable();
        cuts.dedup();
        if let Some(passed) = passed {
            self.drop_fields(name, passed);
        }
        // At the moment of the command some of the deadlines had passed: none, the first, the first two, ...
        let mut models = vec![self];
        for cut in cuts {
            let mut next = models[models.len() - 1].clone();
            next.drop_fields(name, cut);
            next.time_ms = next.time_ms.max(cut);
            models.push(next);
        }
        models
    }

    fn drop_fields(&mut self, name: &Name, now_ms: i64) {
        let Some(entry) = self.keys.get_mut(name) else { return };
        if let Value::Hash(hash) = &mut Arc::make_mut(entry).value {
            hash.retain(|_, field| field.deadline_ms.is_none_or(|deadline| deadline > now_ms));
            if hash.is_empty() {
                self.keys.remove(name);
            }
        }
    }
}

/// Whether a command takes what chance gives it. Without a reply, nobody can say what that was, so that nothing
/// follows it in a pipeline.
pub fn is_by_chance(words: &[Vec<u8>]) -> bool {
    words[0] == b"SPOP"
}

/// Commands of [`questions`] that change nothing, and whose replies depend on one value only.
pub fn is_question(words: &[Vec<u8>]) -> bool {
    const NAMES: [&str; 10] = [
        "GET",
        "LRANGE",
        "SMEMBERS",
        "HGETALL",
        "ZRANGE",
        "XRANGE",
        "XPENDING",
        "GEOSEARCH",
        "TYPE",
        "STRLEN",
    ];
    NAMES.iter().any(|name| name.as_bytes() == words[0])
}

/// A random command.
pub fn draw(choices: &mut Choices) -> Words {
    let groups: [fn(&mut Choices) -> Words; 12] = [
        texts::draw,
        texts::draw,
        lists::draw,
        lists::draw,
        sets::draw,
        hashes::draw,
        hashes::draw,
        ranks::draw,
        streams::draw,
        sketches::draw,
        places::draw,
        generic::draw,
    ];
    groups[choices.below(groups.len())](choices)
}

/// Commands whose replies show all that a key of this kind contains.
pub fn questions(kind: &str, key: &[u8]) -> Vec<Words> {
    let mut questions = match kind {
        "text" | "count" | "bits" => vec![words!["GET", key]],
        "list" => vec![words!["LRANGE", key, "0", "-1"]],
        "set" => vec![words!["SMEMBERS", key]],
        "hash" => vec![words!["HGETALL", key]],
        "rank" => vec![words!["ZRANGE", key, "0", "-1", "WITHSCORES"]],
        "log" => vec![words!["XRANGE", key, "-", "+"], words!["XPENDING", key, streams::GROUP]],
        "sketch" => vec![words!["PFCOUNT", key]],
        "place" => places::questions(key),
        other => panic!("{other} is no kind"),
    };
    questions.push(words!["TYPE", key]);
    questions.push(words!["PEXPIRETIME", key]);
    questions
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("numbers and options are ASCII")
}

fn number(bytes: &[u8]) -> i64 {
    text_of(bytes).parse().expect("the client sends numbers")
}

/// The part of a sequence that two indexes, from the end if negative, stand for.
fn span(from: &[u8], to: &[u8], len: usize) -> std::ops::Range<usize> {
    let place = |index: i64| if index < 0 { index + len as i64 } else { index };
    let from = place(number(from)).max(0);
    let to = place(number(to)).min(len as i64 - 1);
    if from > to { 0..0 } else { from as usize..to as usize + 1 }
}
