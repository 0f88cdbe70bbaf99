//! Random streams of changes, what was acknowledged of them, and whether what a server finds after it was
//! stopped in some bad way is what it promised.
//!
//! Each connection has keys of its own, so the state of these must be that after some number of its
//! commands: at least those that were acknowledged, at most those that were sent. That no unit is done by
//! halves follows, since no number of commands leads to such a state.

use super::ask::Ask;
use super::contents::contents;
use super::generator::{Generator, shown};
use super::peer::Connection;
use super::resp::{self, Reply};
use super::sanderling::Sanderling;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Commands that concern more than a connection's own keys, or deadlines that depend on when they run.
const LEFT_OUT: [&str; 13] = [
    "dbsize", "expire", "flushdb", "keys", "move", "pexpire", "psetex", "select", "setex",
    "swapdb", "getex", "hexpire", "hpexpire",
];

/// What is done as a whole or not at all.
enum Step {
    Command(Vec<Vec<u8>>),
    Transaction(Vec<Vec<Vec<u8>>>),
}

impl Step {
    fn commands(&self) -> &[Vec<Vec<u8>>] {
        match self {
            Step::Command(command) => std::slice::from_ref(command),
            Step::Transaction(commands) => commands,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let commands = self.commands().iter().flat_map(|words| resp::encode(words));
        match self {
            Step::Command(_) => commands.collect(),
            Step::Transaction(_) => {
                let ends = [resp::encode(&["MULTI"]), resp::encode(&["EXEC"])];
                ends[0].iter().copied().chain(commands).chain(ends[1].iter().copied()).collect()
            }
        }
    }

    /// The last of its replies, which is the one that promises something.
    fn receive(&self, client: &mut impl Connection) -> Option<Reply> {
        if let Step::Transaction(commands) = self {
            for _ in 0..=commands.len() {
                client.receive().ok()??;
            }
        }
        client.receive().ok()?
    }

    fn is_waitaof(&self) -> bool {
        self.is(b"WAITAOF")
    }

    /// Whether it is not about keys.
    fn is_of_server(&self) -> bool {
        self.is_waitaof() || self.is(b"BGSAVE") || self.is(b"BGREWRITEAOF")
    }

    fn is(&self, name: &[u8]) -> bool {
        matches!(self, Step::Command(words) if words[0] == name)
    }
}

/// What one connection sends, and what became of it.
pub struct Stream {
    prefix: String,
    steps: Vec<Step>,
    sent: usize,
    /// So many steps at the beginning have certainly been done, and are durable as far as the policy
    /// goes.
    acknowledged: Arc<AtomicUsize>,
}

/// What a reply promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// `appendfsync always`: every reply says that what it is about is durable.
    Every,
    /// Only `WAITAOF` does.
    WaitAof,
}

impl Stream {
    /// The `number`-th connection's commands.
    pub fn new(number: usize, seed: u64, count: usize, now_ms: i64) -> Stream {
        let prefix = format!("c{number}|");
        let mut generator = Generator::new(seed * 31 + number as u64, now_ms);
        generator.spoil_one_in = 0;
        generator.newer = true;
        generator.key_prefix = prefix.clone().into_bytes();
        let steps = (0..count).map(|n| next_step(&mut generator, &prefix, number, n)).collect();
        Stream { prefix, steps, sent: 0, acknowledged: Arc::default() }
    }

    /// Sends everything, a few commands at a time, until the connection breaks.
    pub fn run(&mut self, client: &mut impl Connection, promise: Promise) {
        let mut batch = 0;
        while self.sent < self.steps.len() {
            batch = batch % 4 + 1;
            let end = (self.sent + batch).min(self.steps.len());
            let bytes: Vec<u8> = self.steps[self.sent..end].iter().flat_map(Step::bytes).collect();
            let begin = std::mem::replace(&mut self.sent, end);
            if client.send(&bytes).is_err() {
                return;
            }
            for at in begin..end {
                let Some(reply) = self.steps[at].receive(client) else { return };
                let is_promise = match promise {
                    Promise::Every => true,
                    Promise::WaitAof => self.steps[at].is_waitaof(),
                };
                let shown = resp::render(&reply);
                if shown.starts_with("-MISCONF") || shown.starts_with("-EXECABORT") {
                    self.sent = at;
                    return;
                }
                if is_promise {
                    self.acknowledged.store(at + 1, Ordering::SeqCst);
                }
            }
        }
    }

    /// What was acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// The same, to be looked at while it runs.
    pub fn progress(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.acknowledged)
    }

    /// What a server has of this connection's keys.
    pub fn state(&self, client: &mut impl Connection) -> String {
        state(client, &self.prefix)
    }

    /// Whether everything was sent, so that nothing has gone wrong on the way.
    pub fn is_done(&self) -> bool {
        self.sent == self.steps.len()
    }

    /// What a server found must be the state after some number of commands: `acknowledged` or more.
    /// `reference` is a server that the commands are given to, for comparison.
    pub fn check(
        &self,
        found: &mut impl Connection,
        reference: &mut impl Connection,
        acknowledged: usize,
        place: &str,
    ) {
        let found = state(found, &self.prefix);
        assert_eq!(reference.say("FLUSHALL"), "+OK");
        for (n, step) in self.steps[..self.sent].iter().enumerate() {
            if n >= acknowledged && state(reference, &self.prefix) == found {
                return;
            }
            if !step.is_of_server() {
                step.commands().iter().for_each(|words| drop(reference.ask(words)));
            }
        }
        let last = state(reference, &self.prefix);
        assert!(
            last == found,
            "{place}: connection {}: {acknowledged} steps were acknowledged and {} sent, but no such \
             number leads to what was found.\nfound:\n{found}\nafter all:\n{last}\nsteps:\n{}",
            self.prefix,
            self.sent,
            self.history()
        );
    }

    fn history(&self) -> String {
        let mut text = String::new();
        for (n, step) in self.steps[..self.sent].iter().enumerate() {
            for words in step.commands() {
                let line = shown(words);
                let end = line.char_indices().nth(120).map_or(line.len(), |(at, _)| at);
                writeln!(text, "{n}: {}", &line[..end]).expect("writing to a string succeeds");
            }
        }
        text
    }
}

fn next_step(generator: &mut Generator, prefix: &str, number: usize, n: usize) -> Step {
    let words = |line: String| line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    match generator.below(16) {
        0 if number == 0 => Step::Command(words("BGSAVE".to_owned())),
        1 if number == 0 => Step::Command(words("BGREWRITEAOF".to_owned())),
        0 | 1 => Step::Command(words("WAITAOF 1 0 0".to_owned())),
        2 => Step::Command(words(format!("SET {prefix}large {}", n.to_string().repeat(9_000)))),
        3 | 4 => Step::Command(words(format!(
            "MSET shared:a {prefix}{n} shared:b {prefix}{n} {prefix}pair {n}"
        ))),
        5 => Step::Command(words(format!("INCR {prefix}counter"))),
        6 | 7 => {
            let mut commands = vec![words(format!("INCR {prefix}first"))];
            commands.extend((0..generator.below(4)).map(|_| own_command(generator)));
            commands.push(words(format!("APPEND {prefix}last {n},")));
            Step::Transaction(commands)
        }
        _ => Step::Command(own_command(generator)),
    }
}

/// A random command on the connection's own keys.
fn own_command(generator: &mut Generator) -> Vec<Vec<u8>> {
    loop {
        let words = generator.command();
        let name = String::from_utf8_lossy(&words[0]).into_owned();
        let is_relative = words.iter().any(|word| [&b"ex"[..], b"px", b"db"].contains(&&word[..]));
        let is_restored_for = name == "restore" && !words.contains(&b"absttl".to_vec());
        let is_left_out = is_relative || is_restored_for && words[2] != b"0";
        if !LEFT_OUT.contains(&name.as_str()) && !is_left_out {
            return words;
        }
    }
}

/// All keys with this prefix, with values and deadlines.
fn state(client: &mut impl Connection, prefix: &str) -> String {
    let Reply::Array(keys) = resp::sorted(client.ask(&["KEYS", &format!("{prefix}*")])) else {
        panic!("KEYS has an array");
    };
    let mut text = String::new();
    for key in keys {
        let Reply::Bulk(key) = key else { panic!("a key is a bulk string") };
        let value = contents(client, &key);
        let deadline = resp::render(&client.ask(&[b"PEXPIRETIME", &key[..]]));
        // Large values differ in their first bytes.
        let end = value.char_indices().nth(300).map_or(value.len(), |(at, _)| at);
        let (len, value) = (value.len(), &value[..end]);
        writeln!(text, "{} {deadline} {len} {value}", key.escape_ascii())
            .expect("writing to a string succeeds");
    }
    text
}

/// Checks everything that was found after a stop. `acknowledged` says how much of each stream must be
/// there.
pub fn check_all(
    streams: &[Stream],
    acknowledged: &[usize],
    found: &Sanderling,
    reference: &Sanderling,
    place: &str,
) {
    let (mut found, mut reference) = (found.client(), reference.client());
    for (stream, acknowledged) in streams.iter().zip(acknowledged) {
        stream.check(&mut found, &mut reference, *acknowledged, place);
    }
    // Every connection sets both at once, so they are never different.
    let Reply::Array(pair) = found.ask(&["MGET", "shared:a", "shared:b"]) else {
        panic!("MGET has an array");
    };
    assert_eq!(pair[0], pair[1], "{place}: one MSET was done by halves");
}
