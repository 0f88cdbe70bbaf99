//! Random commands to this server and to `redis-server` in turns: every reply is the same, and so is
//! what is stored in the end.
//!
//! `SEEDS=0-1000 cargo test model` runs many; a failure prints its seed.

use crate::support::ask::Ask;
use crate::support::contents::contents_without_idlers;
use crate::support::data::{DATABASES, now_ms};
use crate::support::generator::{Generator, seeds, shown};
use crate::support::oracle::{self, Oracle};
use crate::support::peer::{Connection, Peer, Protocol};
use crate::support::resp::{self, Reply};
use crate::support::sameness::is_same;
use crate::support::sanderling::Sanderling;
use tempfile::tempdir;

const COMMANDS: usize = 3_000;
/// Sent in one write.
const BATCH: usize = 100;

#[test]
fn random_commands_have_the_replies_and_the_result_of_redis() {
    let Some(program) = oracle::find() else { return };
    let mut oracle = Oracle::start(&program).expect("redis-server starts");
    let now_ms = now_ms();
    let directory = tempdir().unwrap();
    let flags = ["--save", "", "--enable-debug-command", "yes", "--workers", "1"];
    let server = Sanderling::start_at(now_ms, directory.path(), &flags);
    for seed in seeds(10) {
        let mut theirs = oracle.connect(Protocol::Resp2).expect("redis-server accepts");
        let mut ours = server.client();
        assert_eq!(theirs.say("FLUSHALL"), "+OK");
        assert_eq!(ours.say("FLUSHALL"), "+OK");
        compare_replies(seed, now_ms, &mut *theirs, &mut ours);
        compare_states(seed, &mut *theirs, &mut ours);
    }
}

fn compare_replies(seed: u64, now_ms: i64, theirs: &mut dyn Connection, ours: &mut dyn Connection) {
    let mut generator = Generator::new(seed, now_ms);
    let mut history = Vec::new();
    let mut queued = Vec::new();
    for _ in 0..COMMANDS / BATCH {
        let batch: Vec<_> = (0..BATCH).flat_map(|_| generator.commands()).collect();
        let bytes: Vec<u8> = batch.iter().flat_map(|words| resp::encode(words)).collect();
        theirs.send(&bytes).unwrap();
        ours.send(&bytes).unwrap();
        for words in batch {
            let name = String::from_utf8_lossy(&words[0]).into_owned();
            let expected = theirs.receive().unwrap().expect("redis-server replies");
            let got = ours.receive().unwrap().expect("the server replies");
            history.push(shown(&words));
            let is_same = match &*name {
                "exec" => are_same(&std::mem::take(&mut queued), &expected, &got),
                _ => is_same(&name, &expected, &got),
            };
            match &*name {
                "multi" => queued.clear(),
                _ if expected == Reply::Simple(b"QUEUED".to_vec()) => queued.push(name),
                _ => {}
            }
            assert!(
                is_same,
                "seed {seed}: expected {}\ngot {}\nafter\n{}",
                resp::render(&expected),
                resp::render(&got),
                history[history.len().saturating_sub(30)..].join("\n")
            );
        }
    }
}

/// Whether transactions of these commands had the same replies.
fn are_same(names: &[String], expected: &Reply, got: &Reply) -> bool {
    match (expected, got) {
        (Reply::Array(expected), Reply::Array(got)) => {
            let mut pairs = names.iter().zip(expected.iter().zip(got));
            expected.len() == got.len()
                && expected.len() == names.len()
                && pairs.all(|(name, (expected, got))| is_same(name, expected, got))
        }
        _ => expected == got,
    }
}

fn compare_states(seed: u64, theirs: &mut dyn Connection, ours: &mut dyn Connection) {
    for db in 0..DATABASES {
        let select = format!("SELECT {db}");
        assert_eq!(theirs.say(&select), ours.say(&select));
        let Reply::Array(keys) = theirs.ask(&["KEYS", "*"]) else { panic!("KEYS has an array") };
        let Reply::Array(own) = ours.ask(&["KEYS", "*"]) else { panic!("KEYS has an array") };
        assert_eq!(own.len(), keys.len(), "seed {seed}, database {db}");
        for key in keys {
            let Reply::Bulk(key) = key else { panic!("a key is a bulk string") };
            let (expected, got) =
                (contents_without_idlers(theirs, &key), contents_without_idlers(ours, &key));
            assert_eq!(got, expected, "seed {seed}");
            for name in ["pexpiretime", "object encoding"] {
                let mut words: Vec<&[u8]> = name.split(' ').map(str::as_bytes).collect();
                words.push(&key);
                let (expected, got) = (theirs.ask(&words), ours.ask(&words));
                let place = format!("seed {seed}: {name} {} in {db}", key.escape_ascii());
                assert!(is_same(name, &expected, &got), "{place}: {expected:?}, not {got:?}");
            }
        }
    }
}
