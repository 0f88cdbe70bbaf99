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

/// What one connection sends, and what became of it.
pub struct Stream {
    prefix: String,
    commands: Vec<Vec<Vec<u8>>>,
    sent: usize,
    /// So many commands at the beginning have certainly been done, and are durable as far as the policy
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
        let commands =
            (0..count).map(|n| next_command(&mut generator, &prefix, number, n)).collect();
        Stream { prefix, commands, sent: 0, acknowledged: Arc::default() }
    }

    /// Sends everything, a few commands at a time, until the connection breaks.
    pub fn run(&mut self, client: &mut impl Connection, promise: Promise) {
        let mut batch = 0;
        while self.sent < self.commands.len() {
            batch = batch % 4 + 1;
            let end = (self.sent + batch).min(self.commands.len());
            let bytes: Vec<u8> = self.commands[self.sent..end]
                .iter()
                .flat_map(|words| resp::encode(words))
                .collect();
            let begin = std::mem::replace(&mut self.sent, end);
            if client.send(&bytes).is_err() {
                return;
            }
            for at in begin..end {
                let Ok(Some(reply)) = client.receive() else { return };
                let is_promise = match promise {
                    Promise::Every => true,
                    Promise::WaitAof => is_waitaof(&self.commands[at]),
                };
                if resp::render(&reply).starts_with("-MISCONF") {
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
        self.sent == self.commands.len()
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
        for (n, words) in self.commands[..self.sent].iter().enumerate() {
            if n >= acknowledged && state(reference, &self.prefix) == found {
                return;
            }
            if !is_of_server(words) {
                reference.ask(words);
            }
        }
        let last = state(reference, &self.prefix);
        assert!(
            last == found,
            "{place}: connection {}: {acknowledged} commands were acknowledged and {} sent, but no such \
             number leads to what was found.\nfound:\n{found}\nafter all:\n{last}\ncommands:\n{}",
            self.prefix,
            self.sent,
            self.history()
        );
    }

    fn history(&self) -> String {
        let mut text = String::new();
        for (n, words) in self.commands[..self.sent].iter().enumerate() {
            let line = shown(words);
            let end = line.char_indices().nth(120).map_or(line.len(), |(at, _)| at);
            writeln!(text, "{n}: {}", &line[..end]).expect("writing to a string succeeds");
        }
        text
    }
}

fn next_command(generator: &mut Generator, prefix: &str, number: usize, n: usize) -> Vec<Vec<u8>> {
    let words = |line: String| line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    match generator.below(16) {
        0 if number == 0 => words("BGSAVE".to_owned()),
        1 if number == 0 => words("BGREWRITEAOF".to_owned()),
        0 | 1 => words("WAITAOF 1 0 0".to_owned()),
        2 => words(format!("SET {prefix}large {}", n.to_string().repeat(9_000))),
        3 | 4 => words(format!("MSET shared:a {prefix}{n} shared:b {prefix}{n} {prefix}pair {n}")),
        5 | 6 => words(format!("INCR {prefix}counter")),
        _ => loop {
            let words = generator.command();
            let name = String::from_utf8_lossy(&words[0]).into_owned();
            let is_relative =
                words.iter().any(|word| [&b"ex"[..], b"px", b"db"].contains(&&word[..]));
            let is_restored_for = name == "restore" && !words.contains(&b"absttl".to_vec());
            let is_left_out = is_relative || is_restored_for && words[2] != b"0";
            if !LEFT_OUT.contains(&name.as_str()) && !is_left_out {
                break words;
            }
        },
    }
}

fn is_waitaof(words: &[Vec<u8>]) -> bool {
    words[0] == b"WAITAOF"
}

/// Whether a command is not about keys.
fn is_of_server(words: &[Vec<u8>]) -> bool {
    is_waitaof(words) || words[0] == b"BGSAVE" || words[0] == b"BGREWRITEAOF"
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
