//! Clients that wait for keys: who is served, in which order, and that nothing is lost between them.

use crate::support::ask::Ask;
use crate::support::disk::{Gate, Kind};
use crate::support::listening::Listening;
use crate::support::patience::eventually;
use crate::support::peer::Connection;
use crate::support::resp::{self, Reply};
use crate::support::sanderling::{START_MS, Sanderling};
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

const FLAGS: [&str; 4] = ["--save", "", "--workers", "2"];

fn start() -> Sanderling {
    Sanderling::start(&FLAGS)
}

/// Clients that have said this and wait, in this order.
fn waiting(server: &Sanderling, control: &mut impl Connection, lines: &[&str]) -> Vec<Listening> {
    let before: usize = control.info("blocked_clients").parse().unwrap();
    let wait = |(n, line): (usize, &&str)| {
        let mut client = Listening::new(server);
        client.send(format!("{line}\r\n").as_bytes());
        let count = format!("blocked_clients:{}\\r\\n", before + n + 1);
        control.say_until("INFO clients", |info| info.contains(&count));
        client
    };
    lines.iter().enumerate().map(wait).collect()
}

#[test]
fn who_has_waited_longest_is_served_first() {
    let server = start();
    let mut control = server.client();
    let mut waiters = waiting(&server, &mut control, &["BLPOP l 0", "BRPOP l 0", "BLPOP l 0"]);
    assert_eq!(control.say("RPUSH l a b c d"), ":4");
    assert_eq!(waiters[0].replies(1), ["[ \"l\", \"a\" ]"]);
    assert_eq!(waiters[1].replies(1), ["[ \"l\", \"d\" ]"]);
    assert_eq!(waiters[2].replies(1), ["[ \"l\", \"b\" ]"]);
    assert_eq!(control.say("LRANGE l 0 -1"), "[ \"c\" ]");
    assert_eq!(control.info("blocked_clients"), "0");
    assert_eq!(control.info("total_blocking_keys"), "0");
}

#[test]
fn one_of_several_keys_is_enough_and_the_others_are_let_go() {
    let server = start();
    let mut control = server.client();
    let mut waiters = waiting(&server, &mut control, &["BLPOP a b c 0"]);
    assert_eq!(control.info("total_blocking_keys"), "3");
    assert_eq!(control.say("RPUSH b x"), ":1");
    assert_eq!(waiters[0].replies(1), ["[ \"b\", \"x\" ]"]);
    assert_eq!(control.say("RPUSH a y"), ":1");
    assert_eq!(control.say("LLEN a"), ":1");
    assert!(waiters[0].hears_nothing());
}

#[test]
fn a_key_of_another_type_does_not_end_the_wait() {
    let server = start();
    let mut control = server.client();
    let mut waiters = waiting(&server, &mut control, &["BLPOP k 0", "BZPOPMIN k 0"]);
    for line in ["SET k v", "SADD other m", "RENAME other k", "DEL k", "HSET k f v", "DEL k"] {
        control.say(line);
    }
    assert!(waiters.iter().all(Listening::hears_nothing));
    assert_eq!(control.say("ZADD k 1 m"), ":1");
    assert_eq!(waiters[1].replies(1), ["[ \"k\", \"m\", \"1\" ]"]);
    assert_eq!(control.say("RPUSH k v"), ":1");
    assert_eq!(waiters[0].replies(1), ["[ \"k\", \"v\" ]"]);
    assert_eq!(control.say("EXISTS k"), ":0");
}

#[test]
fn a_wait_ends_at_its_millisecond() {
    let server = start();
    let mut control = server.client();
    let lines = ["BLPOP l 0.123", "BLMOVE l m LEFT RIGHT 0.123", "XREAD BLOCK 123 STREAMS s $"];
    let mut waiters = waiting(&server, &mut control, &lines);
    server.engine().clock.advance(Duration::from_millis(122));
    assert_eq!(control.say("PING"), "+PONG");
    assert!(waiters.iter().all(Listening::hears_nothing));
    server.engine().clock.advance(Duration::from_millis(1));
    assert_eq!(waiters[0].replies(1), ["*nil"]);
    assert_eq!(waiters[1].replies(1), ["*nil"]);
    assert_eq!(waiters[2].replies(1), ["*nil"]);
    control.say("RPUSH l x");
    assert_eq!(control.say("LLEN l"), ":1");
}

#[test]
fn who_is_gone_gets_nothing_and_the_element_stays() {
    let server = start();
    let mut control = server.client();
    let mut waiters = waiting(&server, &mut control, &["BLPOP l 0", "BLPOP l 0", "BLPOP l 0"]);
    drop(waiters.remove(0));
    control.say_until("INFO clients", |info| info.contains("blocked_clients:2"));
    control.say("RPUSH l x");
    assert_eq!(waiters[0].replies(1), ["[ \"l\", \"x\" ]"]);
    drop(waiters);
    control.say_until("INFO clients", |info| info.contains("blocked_clients:0"));
    control.say("RPUSH l y");
    assert_eq!(control.say("LRANGE l 0 -1"), "[ \"y\" ]");
}

#[test]
fn whatever_brings_a_list_serves() {
    let server = start();
    let mut control = server.client();
    for (prepare, bring) in [
        ("RPUSH other x", "RENAME other k"),
        ("RPUSH other x", "COPY other k"),
        ("RPUSH other x", "LMOVE other k LEFT LEFT"),
        ("SADD other x", "SORT other ALPHA STORE k"),
    ] {
        control.say("DEL other");
        control.say(prepare);
        let mut waiters = waiting(&server, &mut control, &["BLPOP k 0"]);
        control.say(bring);
        assert_eq!(waiters[0].replies(1), ["[ \"k\", \"x\" ]"], "{bring}");
        assert_eq!(control.say("EXISTS k"), ":0", "{bring}");
    }
    let mut waiters = waiting(&server, &mut control, &["BLPOP k 0"]);
    for line in ["SELECT 1", "RPUSH k one", "MOVE k 0", "SELECT 0"] {
        control.say(line);
    }
    assert_eq!(waiters[0].replies(1), ["[ \"k\", \"one\" ]"]);
    let mut waiters = waiting(&server, &mut control, &["BLPOP k 0"]);
    for line in ["SELECT 1", "RPUSH k two", "SWAPDB 0 1", "SELECT 0"] {
        control.say(line);
    }
    assert_eq!(waiters[0].replies(1), ["[ \"k\", \"two\" ]"]);
}

#[test]
fn what_one_is_served_with_may_serve_the_next() {
    let server = start();
    let mut control = server.client();
    let lines = ["BLPOP c 0", "BLMOVE b c LEFT LEFT 0", "BLMOVE a b LEFT LEFT 0"];
    let mut waiters = waiting(&server, &mut control, &lines);
    assert_eq!(control.say("RPUSH a x"), ":1");
    assert_eq!(waiters[2].replies(1), ["\"x\""]);
    assert_eq!(waiters[1].replies(1), ["\"x\""]);
    assert_eq!(waiters[0].replies(1), ["[ \"c\", \"x\" ]"]);
    assert_eq!(control.say("DBSIZE"), ":0");
}

#[test]
fn a_target_of_the_wrong_type_is_an_error_and_the_element_stays() {
    let server = start();
    let mut control = server.client();
    control.say("SET target x");
    let mut waiters = waiting(&server, &mut control, &["BLMOVE l target LEFT LEFT 0"]);
    assert_eq!(control.say("RPUSH l x"), ":1");
    let error = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(waiters[0].replies(1), [error]);
    assert_eq!(control.say("LLEN l"), ":1");
}

#[test]
fn requests_behind_a_waiting_one_are_executed_afterwards() {
    let server = start();
    let mut control = server.client();
    let mut waiters = waiting(&server, &mut control, &["BLPOP l 0\r\nSET after yes\r\nPING"]);
    assert_eq!(control.say("EXISTS after"), ":0");
    control.say("RPUSH l x");
    assert_eq!(waiters[0].replies(3), ["[ \"l\", \"x\" ]", "+OK", "+PONG"]);
}

#[test]
fn pushing_and_popping_in_one_pipeline_leaves_the_waiter_its_element() {
    let server = start();
    let mut control = server.client();
    let mut waiters = waiting(&server, &mut control, &["BLPOP l 0"]);
    let lines = [resp::encode(&["RPUSH", "l", "x"]), resp::encode(&["LPOP", "l"])].concat();
    control.send(&lines).unwrap();
    assert_eq!(control.receive().unwrap(), Some(Reply::Integer(1)));
    assert_eq!(resp::render(&control.receive().unwrap().unwrap()), "nil");
    assert_eq!(waiters[0].replies(1), ["[ \"l\", \"x\" ]"]);
}

#[test]
fn two_thousand_waiters_on_one_key_are_served_in_order() {
    const WAITERS: usize = 2_000;
    let server = start();
    let mut control = server.client();
    let mut waiters: Vec<_> = (0..WAITERS)
        .map(|n| {
            let mut client = server.client();
            client.send(&resp::encode(&["BLPOP", "l", "0"])).unwrap();
            // Each is known to wait before the next comes.
            eventually("it waits", || server.engine().waiters.len() > n);
            client
        })
        .collect();
    let elements: Vec<String> = (0..WAITERS).map(|n| n.to_string()).collect();
    let words: Vec<&str> =
        ["RPUSH", "l"].into_iter().chain(elements.iter().map(|e| &**e)).collect();
    assert_eq!(control.ask(&words), Reply::Integer(WAITERS as i64));
    for (n, waiter) in waiters.iter_mut().enumerate() {
        let reply = resp::render(&waiter.receive().unwrap().unwrap());
        assert_eq!(reply, format!("[ \"l\", \"{n}\" ]"));
    }
    assert_eq!(control.say("EXISTS l"), ":0");
}

#[test]
fn what_was_taken_for_a_waiter_is_durable_before_it_hears_of_it() {
    let (gate, disk) = Gate::new(Kind::Sync);
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--save", "", "--appendfsync", "always", "--workers", "2"];
    let server = Sanderling::start_on(disk, START_MS, directory.path(), &flags);
    let mut control = server.client();
    let mut waiters = waiting(&server, &mut control, &["BLPOP l 0"]);
    let mut pusher = Listening::new(&server);
    gate.close();
    pusher.send(b"RPUSH l x\r\n");
    gate.wait_for_somebody();
    assert_eq!(control.say("EXISTS l"), ":0");
    assert!(waiters[0].hears_nothing() && pusher.hears_nothing());
    gate.open();
    assert_eq!(pusher.replies(1), [":1"]);
    assert_eq!(waiters[0].replies(1), ["[ \"l\", \"x\" ]"]);
}

const LISTS: [&str; 3] = ["a", "b", "c"];

/// Pops from all lists until it finds the end.
fn consume(mut client: impl Connection, n: usize) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let mut words = vec!["BLPOP"];
        words.extend(LISTS.iter().cycle().skip(n).take(LISTS.len()));
        words.push("0.5");
        match client.ask(&words) {
            Reply::Array(parts) => match &parts[1] {
                Reply::Bulk(bytes) if bytes == b"end" => return found,
                Reply::Bulk(bytes) => found.push(String::from_utf8(bytes.clone()).unwrap()),
                other => panic!("{other:?} is no element"),
            },
            Reply::NilArray => {}
            other => panic!("{other:?} is no reply to BLPOP"),
        }
    }
}

/// Producers and consumers in a hurry, some of whom give up and come again: everything that is pushed is
/// popped once.
#[test]
fn nothing_is_lost_and_nothing_is_served_twice() {
    const ITEMS: usize = 3_000;
    const CONSUMERS: usize = 8;
    let server = Sanderling::start(&["--save", "", "--workers", "4"]);
    let engine = server.engine();
    let found = thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|n| (n, server.client()))
            .map(|(n, client)| scope.spawn(move || consume(client, n)))
            .collect();
        let producers: Vec<_> = (0..LISTS.len())
            .map(|n| (n, server.client()))
            .map(|(n, mut client)| {
                scope.spawn(move || {
                    for item in (n..ITEMS).step_by(LISTS.len()) {
                        client.ask(&["RPUSH", LISTS[item * 7 % LISTS.len()], &item.to_string()]);
                        if item % 50 == 0 {
                            engine.clock.advance(Duration::from_millis(300));
                        }
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().expect("no producer fails"));
        let mut control = server.client();
        (0..CONSUMERS).for_each(|_| drop(control.say("RPUSH a end")));
        let found = consumers.into_iter().map(|consumer| consumer.join().expect("none fails"));
        found.collect::<Vec<_>>().concat()
    });
    assert_eq!(found.len(), ITEMS);
    let unique: BTreeSet<_> = found.into_iter().collect();
    assert_eq!(unique.len(), ITEMS);
    assert_eq!(server.engine().waiters.len(), 0);
}
