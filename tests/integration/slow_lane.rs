//! The slow lane: long commands come out as if their worker had executed them, whatever others do meanwhile.

use crate::support::ask::Ask;
use crate::support::data::state;
use crate::support::log;
use crate::support::patience::{Finally, eventually};
use crate::support::peer::{Connection, Protocol};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::{START_MS, Sanderling};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const FLAGS: [&str; 6] = ["--save", "", "--workers", "2", "--enable-debug-command", "yes"];

/// A server whose commands go into the slow lane if they look at more elements than this.
fn start(work_max: usize) -> Sanderling {
    let server = Sanderling::start(&FLAGS);
    server.engine().slow_lane.set_work_max(work_max);
    server
}

/// Adds so many members or elements with a command, a thousand at a time.
fn fill(client: &mut impl Connection, command: &str, key: &str, elements: std::ops::Range<usize>) {
    let all: Vec<String> = elements.map(|n| n.to_string()).collect();
    for part in all.chunks(1000) {
        let mut words = vec![command, key];
        words.extend(part.iter().map(String::as_str));
        assert!(matches!(client.ask(&words), Reply::Integer(_)));
    }
}

fn count(reply: Reply) -> usize {
    match reply {
        Reply::Integer(count) => count as usize,
        other => panic!("a count was expected, not {}", resp::render(&other)),
    }
}

#[test]
fn only_what_looks_at_much_goes_there() {
    let server = start(1000);
    let mut client = server.client();
    fill(&mut client, "RPUSH", "list", 0..5000);
    fill(&mut client, "SADD", "set", 0..5000);
    fill(&mut client, "SADD", "small", 0..10);
    client.say("ZUNIONSTORE zset 1 set");
    let lane = &server.engine().slow_lane;
    for (line, goes) in [
        ("LRANGE list 0 99", false),
        ("LRANGE list 0 -1", true),
        ("LRANGE list -10 -1", false),
        ("LTRIM list 0 -2", false),
        ("LPOP list 10", false),
        ("LPOP list 2000", true),
        ("LPOP list", false),
        ("LINDEX list 3", false),
        ("LPOS list nothing", true),
        ("LPOS list nothing MAXLEN 100", false),
        ("SMEMBERS set", true),
        ("SMEMBERS small", false),
        ("SINTER set small", false),
        ("SUNION set small", true),
        ("SUNIONSTORE set2 small", false),
        ("SISMEMBER set 1", false),
        ("SSCAN set 0 COUNT 100", false),
        ("SSCAN set 0 COUNT 100000", true),
        ("SRANDMEMBER set 5", false),
        ("SRANDMEMBER set -2000", true),
        ("ZRANGE zset 0 10", false),
        ("ZRANGE zset 0 -1", true),
        ("ZRANGEBYSCORE zset 1 1 LIMIT 0 10", false),
        ("ZRANGEBYSCORE zset -inf +inf", true),
        ("ZCOUNT zset -inf +inf", false),
        ("SORT list LIMIT 0 1", true),
        ("SORT list BY nosort LIMIT 0 1", false),
        ("KEYS *", false),
        ("SCAN 0 COUNT 100000", false),
        ("DELPATTERN nothing*", true),
        ("GET nothing", false),
        ("SMEMBERS list", true),
        ("LRANGE set 0 -1", true),
    ] {
        let before = lane.taken();
        client.say(line);
        assert_eq!(lane.taken() > before, goes, "{line}");
    }
    client.say("DEBUG POPULATE 3000 key");
    for line in ["KEYS key:1", "SCAN 0 COUNT 2000"] {
        let before = lane.taken();
        client.say(line);
        assert_eq!(lane.taken(), before + 1, "{line}");
    }
}

#[test]
fn in_a_transaction_nothing_goes_there() {
    let server = start(0);
    let mut client = server.client();
    fill(&mut client, "SADD", "set", 0..100);
    let before = server.engine().slow_lane.taken();
    client.say("MULTI");
    client.say("SCARD set");
    client.say("SUNIONSTORE copy set");
    client.say("DELPATTERN s*");
    assert_eq!(client.say("EXEC"), "[ :100, :100, :1 ]");
    assert_eq!(server.engine().slow_lane.taken(), before);
}

#[test]
fn replies_come_in_the_order_of_the_requests() {
    let server = start(0);
    let mut client = server.client();
    fill(&mut client, "RPUSH", "list", 0..3000);
    let lines: [&[&str]; 6] = [
        &["LRANGE", "list", "0", "-1"],
        &["PING"],
        &["SORT", "list", "DESC", "LIMIT", "0", "1"],
        &["RPUSH", "list", "x"],
        &["LPOS", "list", "x"],
        &["ECHO", "end"],
    ];
    let sent: Vec<Vec<u8>> = lines.iter().map(|words| resp::encode(words)).collect();
    client.send(&sent.concat()).unwrap();
    let replies: Vec<String> =
        lines.iter().map(|_| resp::render(&client.receive().unwrap().unwrap())).collect();
    assert_eq!(replies[0].matches(',').count(), 2999);
    assert_eq!(replies[1..], ["+PONG", "[ \"2999\" ]", ":3001", ":3000", "\"end\""]);
}

#[test]
fn a_reader_sees_one_instant_and_a_writer_loses_nothing() {
    let server = start(0);
    let mut setup = server.client();
    fill(&mut setup, "SADD", "left", 0..5000);
    fill(&mut setup, "SADD", "twin", 0..5000);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let done = &done;
        // Moves members from one set to another, and adds to two of them in one step.
        for number in 0..2 {
            let mut client = server.client();
            scope.spawn(move || {
                for round in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let member = ((round * 2 + number) % 5000).to_string();
                    client.ask(&["SMOVE", "left", "right", &member]);
                    client.ask(&["SMOVE", "right", "left", &member]);
                    let fresh = format!("{number}:{round}");
                    let both = [
                        resp::encode(&["MULTI"]),
                        resp::encode(&["SADD", "twin", &fresh]),
                        resp::encode(&["SADD", "other", &fresh]),
                        resp::encode(&["EXEC"]),
                    ];
                    client.send(&both.concat()).unwrap();
                    (0..4).for_each(|_| drop(client.receive().unwrap().unwrap()));
                }
            });
        }
        let _done = Finally(done);
        let mut client = server.client();
        for round in 0..200 {
            // Whatever is moved is in one of the two.
            assert_eq!(count(client.ask(&["SUNIONSTORE", "all", "left", "right"])), 5000);
            assert_eq!(count(client.ask(&["SCARD", "all"])), 5000, "round {round}");
            assert_eq!(count(client.ask(&["SINTERSTORE", "none", "left", "right"])), 0);
            assert_eq!(count(client.ask(&["SDIFFSTORE", "rest", "other", "twin"])), 0);
        }
    });
}

#[test]
fn what_is_pushed_while_others_are_removed_is_not_lost() {
    const PUSHED: usize = 3000;
    let server = start(0);
    let mut setup = server.client();
    fill(&mut setup, "RPUSH", "list", 0..5000);
    let mut removed = 0;
    thread::scope(|scope| {
        let mut client = server.client();
        let pushing = scope.spawn(move || {
            for number in 0..PUSHED {
                client.ask(&["RPUSH", "list", "x", &format!("own:{number}")]);
            }
        });
        while !pushing.is_finished() {
            removed += count(setup.ask(&["LREM", "list", "0", "x"]));
        }
    });
    removed += count(setup.ask(&["LREM", "list", "0", "x"]));
    assert_eq!(removed, PUSHED, "each is removed once");
    assert_eq!(count(setup.ask(&["LLEN", "list"])), 5000 + PUSHED);
}

#[test]
fn installing_is_a_change_for_whoever_watches_and_reading_is_none() {
    let server = start(0);
    let (mut watching, mut other) = (server.client(), server.client());
    fill(&mut other, "SADD", "source", 0..100);
    watching.say("WATCH source target");
    assert_eq!(other.say("SUNION source"), other.say("SMEMBERS source"));
    assert_eq!(other.say("SINTERCARD 2 source source"), ":100");
    watching.say("MULTI");
    watching.say("PING");
    assert_eq!(watching.say("EXEC"), "[ +PONG ]");
    for (line, changes) in [
        ("SUNIONSTORE elsewhere source", false),
        ("SUNIONSTORE target source", true),
        ("SDIFFSTORE target source source", true),
        ("SDIFFSTORE target source source", false),
    ] {
        watching.say("WATCH source target");
        other.say(line);
        watching.say("MULTI");
        watching.say("PING");
        let expected = if changes { "*nil" } else { "[ +PONG ]" };
        assert_eq!(watching.say("EXEC"), expected, "{line}");
    }
}

#[test]
fn who_waits_for_a_list_gets_what_is_installed_there() {
    let server = start(0);
    let (mut waiting, mut other) = (server.client(), server.client());
    fill(&mut other, "RPUSH", "list", 0..100);
    waiting.send(&resp::encode(&["BLPOP", "target", "0"])).unwrap();
    eventually("it waits", || server.engine().waiters.len() == 1);
    assert_eq!(other.say("SORT list DESC STORE target"), ":100");
    assert_eq!(resp::render(&waiting.receive().unwrap().unwrap()), "[ \"target\", \"99\" ]");
    assert_eq!(other.say("LLEN target"), ":99");
}

#[test]
fn a_cache_is_told_to_forget_what_was_read_there() {
    let server = start(0);
    let mut caching = server.client_with(Protocol::Resp3);
    let mut other = server.client();
    fill(&mut other, "SADD", "set", 0..10);
    assert_eq!(caching.say("CLIENT TRACKING ON"), "+OK");
    caching.send(&resp::encode(&["SMEMBERS", "set"])).unwrap();
    assert!(matches!(caching.receive().unwrap(), Some(Reply::Set(members)) if members.len() == 10));
    let told = resp::render(&caching.receive().unwrap().unwrap());
    assert_eq!(told, ">[ \"invalidate\", [ \"set\" ] ]");
}

/// Work that takes a noticeable time.
fn fill_texts(client: &mut impl Connection) {
    client.ask(&["SET", "text1", &"ab".repeat(3000)]);
    client.ask(&["SET", "text2", &"ba".repeat(3000)]);
}

#[test]
fn who_is_gone_is_not_waited_for_and_others_go_on() {
    let server = start(0);
    let mut client = server.client();
    fill_texts(&mut client);
    fill(&mut client, "SADD", "set", 0..10);
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let mut client = server.client();
            client.send(&resp::encode(&["LCS", "text1", "text2", "LEN"])).unwrap();
            client
        })
        .collect();
    let mut killed = server.client();
    let id = killed.say("CLIENT ID");
    killed.send(&resp::encode(&["SMEMBERS", "set"])).unwrap();
    let lane = &server.engine().slow_lane;
    eventually("all have arrived", || lane.taken() + lane.len() as u64 >= 5);
    client.say(&format!("CLIENT KILL ID {}", id.trim_start_matches(':')));
    drop(busy);
    // Whoever was killed may have been answered before, but is disconnected now.
    while killed.receive().is_ok_and(|reply| reply.is_some()) {}
    assert_eq!(client.say("SCARD set"), ":10");
    assert_eq!(count(client.ask(&["SINTERCARD", "1", "set"])), 10, "the lane goes on");
    assert_eq!(server.engine().slow_lane.len(), 0);
}

#[test]
fn a_server_stops_while_long_commands_are_executed() {
    let server = start(0);
    let mut client = server.client();
    fill_texts(&mut client);
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let mut client = server.client();
            client.send(&resp::encode(&["LCS", "text1", "text2"])).unwrap();
            client
        })
        .collect();
    eventually("the first is executed", || server.engine().slow_lane.taken() > 0);
    drop(server);
    for mut client in waiting {
        while client.receive().is_ok_and(|reply| reply.is_some()) {}
    }
}

#[test]
fn what_may_not_be_written_now_is_written_later() {
    let server = start(0);
    let (mut client, mut other) = (server.client(), server.client());
    fill_texts(&mut client);
    fill(&mut client, "SADD", "set", 0..10);
    // Something in front, so that the pause comes before the turn of what is behind it.
    other.send(&resp::encode(&["LCS", "text1", "text2", "LEN"])).unwrap();
    eventually("the first is executed", || server.engine().slow_lane.taken() > 0);
    let mut writing = server.client();
    writing.send(&resp::encode(&["SUNIONSTORE", "copy", "set"])).unwrap();
    client.say("CLIENT PAUSE 100000 WRITE");
    assert!(matches!(other.receive().unwrap(), Some(Reply::Integer(_))));
    // Those that read are not held up by those that may not write.
    assert_eq!(count(other.ask(&["SINTERCARD", "1", "set"])), 10);
    client.say("CLIENT UNPAUSE");
    assert_eq!(resp::render(&writing.receive().unwrap().unwrap()), ":10");
    assert_eq!(client.say("SCARD copy"), ":10");
}

/// What was acknowledged is in the log, in the order of effect, and repeats to the same state.
#[test]
fn the_log_repeats_what_was_done_there() {
    let directory = tempfile::tempdir().unwrap();
    let flags = [&FLAGS[..], &["--appendonly", "yes", "--appendfsync", "always"]].concat();
    let server = Sanderling::start_at(START_MS, directory.path(), &flags);
    server.engine().slow_lane.set_work_max(0);
    let mut client = server.client();
    fill(&mut client, "SADD", "a", 0..1000);
    fill(&mut client, "SADD", "b", 500..1500);
    fill(&mut client, "RPUSH", "list", 0..1000);
    client.say("DEBUG POPULATE 5000 key");
    client.say("DEBUG POPULATE 500 other");
    for line in [
        "SUNIONSTORE union a b",
        "SDIFFSTORE difference a b",
        "ZINTERSTORE common 2 a b",
        "LREM list 0 7",
        "LTRIM list 10 -10",
        "SPOP union 100",
        "SORT list DESC LIMIT 0 50 STORE sorted",
        "SDIFFSTORE union a a",
        "DELPATTERN key:*",
        "DELPATTERN other:* LIMIT 123",
    ] {
        assert!(matches!(client.say(line).as_bytes()[0], b':' | b'+' | b'['), "{line}");
    }
    assert_eq!(count(client.ask(&["DBSIZE"])), 6 + 377);
    let expected = state(&mut client);
    drop(server);
    let deletions: Vec<_> = log::commands(directory.path())
        .into_iter()
        .filter(|words| words[0].eq_ignore_ascii_case(b"DEL") && words[1].starts_with(b"key:"))
        .collect();
    assert_eq!(deletions.iter().map(|words| words.len() - 1).sum::<usize>(), 5000);
    assert!(deletions.iter().all(|words| words.len() <= 1024), "each is one slice");
    let server = Sanderling::start_at(START_MS, directory.path(), &flags);
    assert_eq!(state(&mut server.client()), expected);
}

/// Only what walks through databases goes into the lane: its estimate is the largest number.
const WALKS_ONLY: usize = usize::MAX - 1;
const MATCHING: usize = 20_000;

/// The databases are swapped while keys are deleted; those that are not gone by then stay, each in one database.
#[test]
fn deleting_by_pattern_ends_when_its_database_is_swapped() {
    const ATTEMPTS: usize = 100;
    let directory = tempfile::tempdir().unwrap();
    let server = Sanderling::start_in(directory.path(), &FLAGS);
    server.engine().slow_lane.set_work_max(WALKS_ONLY);
    let (mut client, mut deleting) = (server.client(), server.client());
    let mut interrupted = 0;
    let mut gone = 0;
    for _ in 0..ATTEMPTS {
        if interrupted > 0 {
            break;
        }
        client.say("FLUSHALL");
        client.say(&format!("DEBUG POPULATE {MATCHING} key"));
        deleting.send(&resp::encode(&["DELPATTERN", "key:*"])).unwrap();
        // Some are gone, but not all: how far it has come is chance.
        client.say_until("DBSIZE", |size| size != format!(":{MATCHING}"));
        client.say("SWAPDB 0 1");
        let reply = resp::render(&deleting.receive().unwrap().unwrap());
        assert_eq!(client.say("DBSIZE"), ":0", "what is there now was not there then");
        client.say("SWAPDB 0 1");
        let left = count(client.ask(&["DBSIZE"]));
        gone += MATCHING - left;
        match reply.strip_prefix(':') {
            Some(deleted) => assert_eq!((deleted, left), (&*MATCHING.to_string(), 0)),
            None => {
                assert!(reply.starts_with("-ERR the database was swapped"), "{reply}");
                assert!(left > 0, "the swap came before the end");
                interrupted += 1;
            }
        }
    }
    assert!(interrupted > 0, "of {ATTEMPTS} swaps none came in between");
    assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    let deleted = log::commands(directory.path());
    let deleted = deleted.iter().filter(|words| words[0].eq_ignore_ascii_case(b"DEL"));
    assert_eq!(deleted.map(|words| words.len() - 1).sum::<usize>(), gone, "the log has them all");
}

#[test]
fn deleting_by_pattern_finds_all_that_was_there_while_others_add_and_remove() {
    let server = start(WALKS_ONLY);
    let (mut client, mut deleting) = (server.client(), server.client());
    client.say(&format!("DEBUG POPULATE {MATCHING} key"));
    deleting.send(&resp::encode(&["DELPATTERN", "key:*"])).unwrap();
    let (mut added, mut removed) = (0, 0);
    while count(client.ask(&["DBSIZE"])) > added {
        // Of what comes meanwhile some may be found. What does not match stays.
        client.ask(&["SET", &format!("other:{added}"), "x"]);
        client.ask(&["SET", "key:new", "x"]);
        removed += count(client.ask(&["DEL", "key:new"]));
        added += 1;
    }
    let Reply::Integer(deleted) = deleting.receive().unwrap().unwrap() else {
        panic!("it counts them");
    };
    // Each of those that came was either found or removed by who brought it.
    assert_eq!(deleted as usize + removed, MATCHING + added);
    assert_eq!(count(client.ask(&["DBSIZE"])), added);
    assert_eq!(client.say("DELPATTERN key:*"), ":0");
}
