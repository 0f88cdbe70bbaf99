//! Private keys: a client that owns all keys with a prefix. Nobody else writes them, so every reply follows from what it has sent before, and
//! after a crash its keys must be as some beginning of what was not answered has left them.

use super::choices::Choices;
use super::epoch::{Epoch, Gone, Line, Member, Run};
use super::model::{self, Model, Want, Window, Words};
use super::{DATABASES, Reply};
use crate::support::data::now_ms;
use crate::support::generator::shown;
use crate::support::peer::Protocol;
use crate::support::resp;
use std::collections::{HashMap, VecDeque};

/// Units that are sent at once.
const DEPTH_MAX: usize = 40;
const TRANSACTION_ONE_IN: usize = 12;
const TRANSACTION_MAX: usize = 6;
/// What is remembered for a failure, and how much of it is told.
const HISTORY: usize = 5_000;
const TOLD: usize = 30;
const LINE: usize = 240;
const ITEMS: usize = 10;

/// What happens as a whole or not at all.
enum Unit {
    Command(Words),
    Transaction(Vec<Words>),
    /// One that is given up in the end.
    Discarded(Vec<Words>),
}

impl Unit {
    /// What takes effect.
    fn commands(&self) -> &[Words] {
        match self {
            Unit::Command(words) => std::slice::from_ref(words),
            Unit::Transaction(commands) => commands,
            Unit::Discarded(_) => &[],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (queued, end) = match self {
            Unit::Command(words) => return resp::encode(words),
            Unit::Transaction(commands) => (commands, "EXEC"),
            Unit::Discarded(commands) => (commands, "DISCARD"),
        };
        let queued: Vec<u8> = queued.iter().flat_map(|words| resp::encode(words)).collect();
        [resp::encode(&["MULTI"]), queued, resp::encode(&[end])].concat()
    }

    fn receive(&self, line: &mut Line<'_>) -> Result<Reply, Gone> {
        if let Unit::Transaction(commands) | Unit::Discarded(commands) = self {
            for _ in 0..=commands.len() {
                line.receive()?;
            }
        }
        line.receive()
    }
}

/// See the module's description.
pub struct Owner {
    number: usize,
    prefix: String,
    choices: Choices,
    /// All states that are possible after what was heard so far; usually one.
    worlds: Vec<Model>,
    /// What was sent last and never answered.
    doubt: Vec<Unit>,
    doubt_window: Window,
    history: VecDeque<String>,
}

impl Owner {
    pub fn new(number: usize, seed: u64) -> Owner {
        let prefix = format!("c{number}:");
        let choices = Choices::new(seed, &prefix);
        let doubt_window = Window { from_ms: 0, to_ms: 0 };
        let worlds = vec![Model::default()];
        let (doubt, history) = (Vec::new(), VecDeque::new());
        Owner { number, prefix, choices, worlds, doubt, doubt_window, history }
    }

    fn connect<'a>(&self, epoch: &'a Epoch<'_>) -> Result<(Line<'a>, bool), Gone> {
        let is_resp3 = (self.number as u64 + epoch.number).is_multiple_of(2);
        let protocol = if is_resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
        Ok((epoch.connect(protocol)?, is_resp3))
    }

    fn draw(&mut self, has_gambled: &mut bool) -> Words {
        loop {
            let words = model::draw(&mut self.choices);
            if !model::is_by_chance(&words) {
                return words;
            }
            if !*has_gambled && self.worlds.iter().all(|world| world.bears(&words)) {
                *has_gambled = true;
                return words;
            }
        }
    }

    fn pipeline(&mut self) -> Vec<Unit> {
        let depth = if self.choices.one_in(3) { 1 } else { 1 + self.choices.below(DEPTH_MAX) };
        let mut has_gambled = false;
        let mut units = Vec::with_capacity(depth);
        while units.len() < depth && !has_gambled {
            if self.choices.one_in(DEPTH_MAX) {
                let db = self.choices.below(DATABASES).to_string();
                units.push(Unit::Command(model::words!["SELECT", db]));
            } else if self.choices.one_in(TRANSACTION_ONE_IN) {
                let len = 1 + self.choices.below(TRANSACTION_MAX);
                let commands = (0..len).map(|_| self.draw(&mut has_gambled)).collect();
                let is_given_up = self.choices.one_in(8);
                units.push(if is_given_up {
                    Unit::Discarded(commands)
                } else {
                    Unit::Transaction(commands)
                });
            } else {
                units.push(Unit::Command(self.draw(&mut has_gambled)));
            }
        }
        units
    }

    /// Sends all at once and looks at each reply.
    fn run(
        &mut self,
        epoch: &Epoch<'_>,
        line: &mut Line<'_>,
        is_resp3: bool,
        units: Vec<Unit>,
    ) -> Run {
        let from_ms = now_ms();
        let bytes: Vec<u8> = units.iter().flat_map(Unit::bytes).collect();
        let mut outcome = line.send(&bytes);
        let mut units = VecDeque::from(units);
        while outcome.is_ok() && !units.is_empty() {
            match units[0].receive(line) {
                Ok(reply) => {
                    let window = Window { from_ms, to_ms: now_ms() };
                    self.check(epoch, &units[0], &reply, is_resp3, window);
                    units.pop_front();
                }
                Err(gone) => outcome = Err(gone),
            }
        }
        // Those in which nothing is left were acknowledged.
        self.doubt = units.into();
        self.doubt_window = Window { from_ms, to_ms: now_ms() };
        outcome
    }

    fn check(
        &mut self,
        epoch: &Epoch<'_>,
        unit: &Unit,
        reply: &Reply,
        is_resp3: bool,
        window: Window,
    ) {
        epoch.tally.add("replies", 1);
        if let (true, Reply::Error(text)) = (epoch.is_tight, reply)
            && (text.starts_with(b"OOM ") || text.starts_with(b"EXECABORT "))
        {
            // Nothing that may be evicted was left.
            epoch.tally.add("refused for want of memory", 1);
            return;
        }
        match (unit, reply) {
            (Unit::Command(words), reply) => self.step(epoch, words, reply, is_resp3, window),
            (Unit::Transaction(commands), Reply::Array(replies))
                if replies.len() == commands.len() =>
            {
                epoch.tally.add("transactions", 1);
                for (words, reply) in commands.iter().zip(replies) {
                    self.step(epoch, words, reply, is_resp3, window);
                }
            }
            (Unit::Discarded(_), Reply::Simple(text)) if text == b"OK" => {}
            (_, reply) => panic!("{}: a transaction ended with {reply:?}", epoch.place()),
        }
    }

    /// Goes on with the states to which this reply is possible.
    fn step(
        &mut self,
        epoch: &Epoch<'_>,
        words: &Words,
        reply: &Reply,
        is_resp3: bool,
        window: Window,
    ) {
        let line = format!("epoch {}: {} -> {}", epoch.number, brief_words(words), brief(reply));
        self.note(line);
        let keys = self.keys_of(words);
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let mut possible = Vec::new();
        let mut wanted = Vec::new();
        // Many worlds share most of their values.
        let mut known = HashMap::new();
        let worlds = std::mem::take(&mut self.worlds);
        let is_question = worlds.len() > 1 && model::is_question(words);
        for world in worlds {
            let models = world.settled(&keys, window);
            for mut model in models {
                if is_question {
                    let ask = || {
                        let want = model.apply_to_copy(words, window);
                        let is_accepted = want.accepts(reply, is_resp3);
                        wanted.extend((!is_accepted).then_some(want));
                        is_accepted
                    };
                    let version = (model.db, model.version(keys[0]));
                    if *known.entry(version).or_insert_with(ask) {
                        possible.push(model);
                    }
                    continue;
                }
                let want = model.apply(words, window);
                if want.accepts(reply, is_resp3) {
                    model.learn(words, reply);
                    possible.push(model);
                } else {
                    wanted.push(want);
                }
            }
        }
        if possible.is_empty() {
            self.fail(epoch, words, reply, &wanted, window);
        }
        self.worlds = Model::without_doubles(possible);
    }

    fn note(&mut self, line: String) {
        self.history.push_back(line);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// The keys that a command names.
    fn keys_of(&self, words: &Words) -> Vec<Vec<u8>> {
        if words[0] == b"KEYS" {
            return self.choices.keys().into_iter().map(|(_, key)| key.into_bytes()).collect();
        }
        let prefix = self.prefix.as_bytes();
        words.iter().filter(|word| word.starts_with(prefix)).cloned().collect()
    }

    fn fail(
        &self,
        epoch: &Epoch<'_>,
        words: &Words,
        reply: &Reply,
        wanted: &[Want],
        window: Window,
    ) -> ! {
        let short = |mut text: String| {
            shorten(&mut text, 2_000);
            text
        };
        let keys = self.keys_of(words);
        let is_about = |line: &&String| {
            words[0] == b"KEYS"
                || keys.iter().any(|key| line.contains(&*String::from_utf8_lossy(key)))
        };
        let told: Vec<_> = self.history.iter().rev().filter(is_about).take(TOLD).cloned().collect();
        let told: Vec<_> = told.into_iter().rev().collect();
        panic!(
            "{}: client {}: {} between {} and {}\nhad the reply {}\nwanted was {} (one of {})\nbefore:\n{}",
            epoch.place(),
            self.number,
            short(shown(words)),
            window.from_ms,
            window.to_ms,
            short(resp::render(reply)),
            short(format!("{:?}", wanted.first())),
            wanted.len(),
            told.join("\n"),
        );
    }

    /// After a crash: the states behind each beginning of what was not answered.
    fn imagine(&mut self) {
        let window = self.doubt_window;
        let mut all = self.worlds.clone();
        for unit in std::mem::take(&mut self.doubt) {
            for words in unit.commands() {
                let keys = self.keys_of(words);
                let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
                let worlds = std::mem::take(&mut self.worlds).into_iter();
                let settled = worlds.flat_map(|world| world.settled(&keys, window));
                let after = settled.flat_map(|world| world.unanswered(words, window));
                self.worlds = Model::without_doubles(after.collect());
                self.note(format!("(no reply) {}", brief_words(words)));
            }
            all.extend(self.worlds.iter().cloned());
        }
        all.iter_mut().for_each(|world| world.db = 0);
        self.worlds = Model::without_doubles(all);
    }

    /// Reads everything.
    fn look(&mut self, epoch: &Epoch<'_>, line: &mut Line<'_>, is_resp3: bool) -> Run {
        for db in 0..DATABASES {
            let mut commands = vec![model::words!["SELECT", db.to_string()]];
            commands.push(model::words!["KEYS", format!("{}*", self.prefix)]);
            for (kind, key) in self.choices.keys() {
                commands.extend(model::questions(kind, key.as_bytes()));
            }
            let units = commands.into_iter().map(Unit::Command).collect();
            self.run(epoch, line, is_resp3, units)?;
        }
        Ok(())
    }

    /// Removes what no question could decide: that somebody was counted, say, and the estimate is the same.
    fn decide(&mut self, epoch: &Epoch<'_>, line: &mut Line<'_>, is_resp3: bool) -> Run {
        for (db, key) in Model::differences(&self.worlds) {
            let commands = [model::words!["SELECT", db.to_string()], model::words!["DEL", key]];
            self.run(epoch, line, is_resp3, commands.map(Unit::Command).into())?;
        }
        Ok(())
    }

    /// Where keys with deadlines may be evicted, there are none of them.
    fn persist(&mut self, epoch: &Epoch<'_>, line: &mut Line<'_>, is_resp3: bool) -> Run {
        for db in 0..DATABASES {
            let select = model::words!["SELECT", db.to_string()];
            self.run(epoch, line, is_resp3, vec![Unit::Command(select)])?;
            let volatile = self.worlds.iter().flat_map(Model::volatile_names);
            let commands = volatile.map(|key| model::words!["PERSIST", key.clone()]);
            let units = commands.map(Unit::Command).collect();
            self.run(epoch, line, is_resp3, units)?;
        }
        Ok(())
    }
}

impl Member for Owner {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        self.imagine();
        epoch.tally.add("imagined", self.worlds.len() as u64);
        let (mut line, is_resp3) = self.connect(epoch)?;
        self.look(epoch, &mut line, is_resp3)?;
        self.decide(epoch, &mut line, is_resp3)?;
        if epoch.is_tight {
            self.persist(epoch, &mut line, is_resp3)?;
        }
        self.choices.may_expire = !epoch.is_tight;
        self.worlds.iter_mut().for_each(|world| world.db = 0);
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        self.choices.reseed(epoch.seed_of(self.number));
        let (mut line, is_resp3) = self.connect(epoch)?;
        // What a short run must not do without.
        let first = Unit::Transaction(vec![self.draw(&mut false)]);
        self.run(epoch, &mut line, is_resp3, vec![first])?;
        while !epoch.is_over() {
            let units = self.pipeline();
            self.run(epoch, &mut line, is_resp3, units)?;
        }
        Ok(())
    }
}

/// Of a long command or reply, its beginning.
fn brief_words(words: &[Vec<u8>]) -> String {
    let words: Vec<Vec<u8>> =
        words.iter().take(ITEMS).map(|word| word[..word.len().min(LINE)].to_vec()).collect();
    shown(&words)
}

fn brief(reply: &Reply) -> String {
    let mut text = match reply {
        Reply::Array(items) | Reply::Set(items) if items.len() > ITEMS => {
            let first: Vec<_> = items.iter().take(ITEMS).map(resp::render).collect();
            format!("{} items: {}", items.len(), first.join(", "))
        }
        Reply::Map(pairs) if pairs.len() > ITEMS => format!("{} pairs", pairs.len()),
        Reply::Bulk(text) => resp::render(&Reply::Bulk(text[..text.len().min(LINE)].to_vec())),
        reply => resp::render(reply),
    };
    shorten(&mut text, LINE);
    text
}

fn shorten(text: &mut String, len: usize) {
    if let Some((at, _)) = text.char_indices().nth(len) {
        text.truncate(at);
        text.push_str(" ...");
    }
}
