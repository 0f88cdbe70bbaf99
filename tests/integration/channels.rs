//! Channels under load: what is counted arrives, in order, and exactly between the confirmations; who does not read
//! is disconnected and nobody else suffers; who was away gets what it missed.

use crate::support::ask::Ask;
use crate::support::patience::{Finally, eventually};
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::Sanderling;
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

type Client = SocketConnection<TcpStream>;

const PUBLISHERS: usize = 4;
const CHANNELS: usize = 3;
const ROUNDS: usize = 400;
const SUBSCRIBERS: usize = 6;

fn start(flags: &[&str]) -> Sanderling {
    let mut all = vec!["--save", "", "--workers", "2"];
    all.extend_from_slice(flags);
    Sanderling::start(&all)
}

/// The parts of an array or a push.
fn parts(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(parts) | Reply::Push(parts) => parts,
        other => panic!("a message has parts: {}", resp::render(&other)),
    }
}

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8(bytes.clone()).expect("these tests send text"),
        other => panic!("a text: {}", resp::render(other)),
    }
}

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(number) => *number,
        other => panic!("a number: {}", resp::render(other)),
    }
}

fn receive(client: &mut impl Connection) -> Reply {
    client.receive().expect("the connection holds").expect("it is open")
}

/// Publishes in pipelines until all is sent; returns how many times it was delivered.
fn publish(mut client: Client, publisher: usize) -> i64 {
    const BATCH: usize = 20;
    let mut delivered = 0;
    for batch in 0..ROUNDS / BATCH {
        let mut sent = Vec::new();
        for n in batch * BATCH..(batch + 1) * BATCH {
            let channel = format!("ch{}", n % CHANNELS);
            sent.extend(resp::encode(&["PUBLISH", &channel, &format!("{publisher}:{n}")]));
        }
        client.send(&sent).unwrap();
        delivered += (0..BATCH).map(|_| number(&receive(&mut client))).sum::<i64>();
    }
    delivered
}

/// What a subscriber has got: how much, and what came last from each publisher on each channel.
#[derive(Default)]
struct Seen {
    messages: i64,
    last: HashMap<(String, String), i64>,
}

impl Seen {
    fn note(&mut self, message: &[Reply]) {
        let [.., channel, payload] = message else { panic!("a message has a channel and a text") };
        let payload = text(payload);
        let (publisher, round) = payload.split_once(':').expect("two numbers");
        let round: i64 = round.parse().expect("a number");
        let key = (text(channel), publisher.to_owned());
        let before = self.last.insert(key, round).unwrap_or(-1);
        assert!(round > before, "a publisher's messages come in its order");
        self.messages += 1;
    }
}

/// Comes and goes until `done`; returns how many messages it got. Everything before the confirmation of the end
/// counts, and nothing may come before that of the beginning or behind that of the end.
fn come_and_go(mut client: Client, number: usize, done: &AtomicBool) -> i64 {
    let by_pattern = number.is_multiple_of(2);
    let begin: &[&str] =
        if by_pattern { &["PSUBSCRIBE", "ch*"] } else { &["SUBSCRIBE", "ch0", "ch1", "ch2"] };
    let end = if by_pattern { "PUNSUBSCRIBE" } else { "UNSUBSCRIBE" };
    let mut seen = Seen::default();
    while !done.load(Ordering::Relaxed) {
        client.send(&resp::encode(begin)).unwrap();
        for _ in 1..begin.len() {
            let confirmation = parts(receive(&mut client));
            assert!(text(&confirmation[0]).ends_with("subscribe"));
        }
        for _ in 0..number {
            client.send(&resp::encode(&["PING"])).unwrap();
            read_until(&mut client, "pong", &mut seen);
        }
        client.send(&resp::encode(&[end])).unwrap();
        for _ in 1..begin.len() {
            read_until(&mut client, &end.to_lowercase(), &mut seen);
        }
        // Nothing comes behind it: the next reply is this one.
        assert_eq!(client.say("PING"), "+PONG");
    }
    seen.messages
}

/// Notes messages up to a reply that calls itself so.
fn read_until(client: &mut Client, word: &str, seen: &mut Seen) {
    loop {
        let reply = parts(receive(client));
        if text(&reply[0]) == word {
            return;
        }
        seen.note(&reply);
    }
}

#[test]
fn what_publishers_count_is_what_subscribers_that_come_and_go_receive() {
    let server = start(&[]);
    let done = AtomicBool::new(false);
    let (delivered, received) = thread::scope(|scope| {
        let done = &done;
        let subscribers: Vec<_> = (0..SUBSCRIBERS)
            .map(|n| (n, server.client()))
            .map(|(n, client)| scope.spawn(move || come_and_go(client, n, done)))
            .collect();
        let finally = Finally(done);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|n| (n, server.client()))
            .map(|(n, client)| scope.spawn(move || publish(client, n)))
            .collect();
        let delivered: Vec<_> = publishers.into_iter().map(|thread| thread.join()).collect();
        drop(finally);
        let received = subscribers.into_iter().map(|thread| thread.join().expect("it subscribes"));
        let received = received.sum::<i64>();
        (delivered.into_iter().map(|count| count.expect("it publishes")).sum::<i64>(), received)
    });
    assert_eq!(delivered, received);
    let mut client = server.client();
    assert_eq!(client.say("PUBSUB CHANNELS"), "[]");
    assert_eq!(client.say("PUBSUB NUMPAT"), ":0");
}

#[test]
fn messages_are_in_the_protocol_that_holds_where_they_stand() {
    let server = start(&[]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (mut publisher, done) = (server.client(), &done);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                publisher.send(&resp::encode(&["PUBLISH", "ch", "x"]).repeat(20)).unwrap();
                (0..20).for_each(|_| drop(receive(&mut publisher)));
            }
        });
        let _finally = Finally(done);
        let mut client = server.client_with(Protocol::Resp3);
        client.send(&resp::encode(&["SUBSCRIBE", "ch"])).unwrap();
        let mut messages = 0;
        for _ in 0..200 {
            client.send(&resp::encode(&["HELLO", "2"])).unwrap();
            loop {
                match receive(&mut client) {
                    Reply::Push(_) => messages += 1,
                    Reply::Array(parts) if parts.len() == 14 => break,
                    other => panic!("before the reply: {}", resp::render(&other)),
                }
            }
            client.send(&resp::encode(&["UNSUBSCRIBE"])).unwrap();
            loop {
                match receive(&mut client) {
                    Reply::Array(parts) if text(&parts[0]) == "unsubscribe" => break,
                    Reply::Array(parts) if text(&parts[0]) == "message" => messages += 1,
                    other => panic!("behind the reply: {}", resp::render(&other)),
                }
            }
            assert!(client.say("HELLO 3").starts_with('{'));
            client.send(&resp::encode(&["SUBSCRIBE", "ch"])).unwrap();
        }
        assert!(messages > 0, "something was published meanwhile");
    });
}

/// Publishes a large message and tells who got it.
fn publish_large(client: &mut Client) -> String {
    resp::render(&client.ask(&["PUBLISH", "ch", &"x".repeat(100_000)]))
}

#[test]
fn a_subscriber_that_does_not_read_is_disconnected_and_the_others_get_everything() {
    let server = start(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let mut slow = server.client_with(Protocol::Resp3);
    assert_eq!(slow.say("SUBSCRIBE ch"), r#">[ "subscribe", "ch", :1 ]"#);
    let mut quick = server.client();
    quick.say("SUBSCRIBE ch");
    let mut publisher = server.client();
    let mut sent = 0;
    // The kernel's buffers take some of it, nobody knows how much.
    loop {
        let receivers = publish_large(&mut publisher);
        sent += 1;
        assert_eq!(parts(receive(&mut quick)).len(), 3);
        if receivers == ":1" {
            break;
        }
        assert_eq!(receivers, ":2");
        assert!(sent < 10_000, "the slow subscriber is never disconnected");
    }
    assert_eq!(publisher.info("client_output_buffer_limit_disconnections"), "1");
    publisher.say_until("PUBSUB NUMSUB ch", |reply| reply == r#"[ "ch", :1 ]"#);
    // What it had not read is lost, and it is told so by the end of the connection.
    let received = std::iter::from_fn(|| slow.receive().ok().flatten()).count();
    assert!(received < sent);
    assert_eq!(publish_large(&mut publisher), ":1");
    assert_eq!(parts(receive(&mut quick)).len(), 3);
    assert_eq!(publisher.say("CONFIG RESETSTAT"), "+OK");
    assert_eq!(publisher.info("client_output_buffer_limit_disconnections"), "0");
}

#[test]
fn the_limits_of_subscribers_are_their_own_and_change_at_once() {
    let server = start(&["--client-output-buffer-limit", "normal 1kb 0 0 pubsub 0 0 0"]);
    let mut slow = server.client();
    slow.say("SUBSCRIBE ch");
    let mut publisher = server.client();
    for _ in 0..200 {
        assert_eq!(publish_large(&mut publisher), ":1");
    }
    let waits = |list: &str| list.contains("flags=P") && !list.contains(" omem=0 ");
    publisher.say_until("CLIENT LIST TYPE pubsub", waits);
    // What waits is shared, so it is in the figures of this client, and not in those of all clients.
    let normal: usize = publisher.info("mem_clients_normal").parse().unwrap();
    assert!(normal < 1 << 20, "{normal} bytes of clients");
    assert_eq!(publisher.say("CONFIG SET client-output-buffer-limit 'pubsub 1mb 0 0'"), "+OK");
    assert_eq!(publish_large(&mut publisher), ":0");
    publisher.say_until("CLIENT LIST TYPE pubsub", |list| list == "\"\"");
}

#[test]
fn above_the_soft_limit_a_subscriber_is_disconnected_only_when_that_lasts() {
    let server = start(&["--client-output-buffer-limit", "pubsub 0 1mb 60"]);
    let mut slow = server.client();
    slow.say("SUBSCRIBE ch");
    let mut publisher = server.client();
    for _ in 0..200 {
        assert_eq!(publish_large(&mut publisher), ":1");
    }
    let clock = &server.engine().clock;
    let disconnections =
        |client: &mut Client| client.info("client_output_buffer_limit_disconnections");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(20));
        assert_eq!(publish_large(&mut publisher), ":1");
    }
    assert_eq!(disconnections(&mut publisher), "0");
    // The worker looks at it once a second, and at first notes only since when.
    eventually("the subscriber is disconnected", || {
        clock.advance(Duration::from_secs(20));
        disconnections(&mut publisher) != "0"
    });
    publisher.say_until("CLIENT LIST TYPE pubsub", |list| list == "\"\"");
    assert_eq!(publish_large(&mut publisher), ":0");
}

#[test]
fn who_goes_without_a_word_is_taken_out_and_who_only_listens_is_not_idle() {
    let server = start(&["--timeout", "10"]);
    let mut gone = server.client();
    gone.say("SUBSCRIBE ch");
    gone.say("PSUBSCRIBE c*");
    gone.say("SSUBSCRIBE ch");
    let mut stays = server.client();
    stays.say("SUBSCRIBE ch");
    let mut control = server.client();
    assert_eq!(control.say("PUBLISH ch x"), ":3");
    drop(gone);
    control.say_until("PUBSUB NUMPAT", |reply| reply == ":0");
    assert_eq!(control.say("PUBSUB NUMSUB ch"), r#"[ "ch", :1 ]"#);
    assert_eq!(control.say("PUBSUB SHARDCHANNELS"), "[]");
    for _ in 0..3 {
        server.engine().clock.advance(Duration::from_secs(8));
        assert_eq!(control.say("PUBLISH ch y"), ":1");
    }
}

#[test]
fn nothing_is_recorded_of_events_that_nobody_could_hear() {
    let server = start(&[]);
    let mut control = server.client();
    let mut listener = server.client_with(Protocol::Resp3);
    let wanted = |control: &mut Client| {
        control.say("PING");
        server.engine().hooks.wants().events
    };
    assert!(!wanted(&mut control));
    for (line, expected) in [
        ("SUBSCRIBE ch __key", false),
        ("PSUBSCRIBE ch*", false),
        ("SSUBSCRIBE __keyspace@0__:k", false),
        ("PSUBSCRIBE __keyevent@0__:del", true),
        ("PUNSUBSCRIBE", false),
        ("SUBSCRIBE __keyspace@0__:k", true),
        ("CONFIG SET notify-keyspace-events EA", false),
        ("CONFIG SET notify-keyspace-events K$", true),
        ("CONFIG SET notify-keyspace-events ''", false),
        ("CONFIG SET notify-keyspace-events KEA", true),
        ("RESET", false),
    ] {
        listener
            .send(&resp::encode(&line.replace("''", "").split(' ').collect::<Vec<_>>()))
            .unwrap();
        listener.send(&resp::encode(&["ECHO", "done"])).unwrap();
        while receive(&mut listener) != Reply::Bulk(b"done".to_vec()) {}
        assert_eq!(wanted(&mut control), expected, "{line}");
    }
    // To keep events for later is to hear them.
    assert_eq!(control.say("CONFIG SET pubsub-history '__keyevent@0__:expired 10 60'"), "+OK");
    assert!(wanted(&mut control));
    assert_eq!(control.say("SET k v PX 10"), "+OK");
    server.engine().clock.advance(Duration::from_millis(10));
    control.say_until("PUBSUB HISTORY __keyevent@0__:expired", |reply| reply.contains(":1,"));
    assert_eq!(control.say("CONFIG SET pubsub-history ''"), "+OK");
    assert!(!wanted(&mut control));
}

/// One round of a follower: it begins behind `seen`, reads for a while and leaves. Returns the last number.
fn follow(client: &mut Client, seen: i64, pings: usize) -> i64 {
    let from = seen.to_string();
    client.send(&resp::encode(&["SUBSCRIBE.FROM", "ch", &from])).unwrap();
    assert_eq!(text(&parts(receive(client))[0]), "subscribe.from");
    for _ in 0..pings {
        client.send(&resp::encode(&["PING"])).unwrap();
    }
    client.send(&resp::encode(&["UNSUBSCRIBE"])).unwrap();
    let mut last = seen;
    loop {
        let message = parts(receive(client));
        match text(&message[0]).as_str() {
            "message.from" => {
                let (number, payload) = (number(&message[2]), text(&message[3]));
                assert!(last == 0 || number == last + 1, "{number} follows {last}");
                // The publisher counts as well: the numbers are its own, moved by the first.
                let (counted, first) = payload.split_once(' ').expect("two numbers");
                let first: i64 = first.parse().expect("a number");
                assert_eq!(number, first + counted.parse::<i64>().expect("a number"));
                last = number;
            }
            "pong" => {}
            "unsubscribe" => return last,
            other => panic!("{other} is not expected"),
        }
    }
}

#[test]
fn who_follows_a_channel_with_interruptions_misses_nothing_and_gets_nothing_twice() {
    const MESSAGES: usize = 3_000;
    let server = start(&["--pubsub-history", "ch 100000 3600"]);
    let mut publisher = server.client();
    publisher.say("PUBLISH ch x");
    let history = parts(publisher.ask(&["PUBSUB", "HISTORY", "ch"]));
    let first = number(&history[3]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let done = &done;
        let followers: Vec<_> = (0..3)
            .map(|n| (n, server.client()))
            .map(|(n, mut client)| {
                scope.spawn(move || {
                    let mut last = first;
                    while !done.load(Ordering::Relaxed) {
                        last = follow(&mut client, last, n);
                    }
                    follow(&mut client, last, n)
                })
            })
            .collect();
        let finally = Finally(done);
        for batch in 0..MESSAGES / 10 {
            let mut sent = Vec::new();
            for n in batch * 10 + 1..=(batch + 1) * 10 {
                sent.extend(resp::encode(&["PUBLISH", "ch", &format!("{n} {first}")]));
            }
            publisher.send(&sent).unwrap();
            (0..10).for_each(|_| drop(receive(&mut publisher)));
        }
        drop(finally);
        for follower in followers {
            let last = follower.join().expect("a follower sees an unbroken row");
            assert_eq!(last, first + MESSAGES as i64);
        }
    });
}

#[test]
fn numbers_of_a_channel_go_up_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--save", "", "--pubsub-history", "* 10 60"];
    let number_of = |start_ms: i64| {
        let server = Sanderling::start_at(start_ms, directory.path(), &flags);
        let mut client = server.client();
        client.say("PUBLISH ch x");
        client.say("PUBLISH ch x");
        number(&parts(client.ask(&["PUBSUB", "HISTORY", "ch"]))[5])
    };
    let before = number_of(1_790_000_000_000);
    assert_eq!(before, 1_790_000_000_000_001);
    assert!(number_of(1_790_000_000_001) > before);
}

/// What one client does to a channel.
#[derive(Clone, Debug)]
enum Act {
    Publish,
    Advance(u64),
    Follow { client: usize, back: i64 },
    Listen { client: usize },
    Leave { client: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let client = 0..2usize;
    let act = prop_oneof![
        4 => Just(Act::Publish),
        1 => (1..40u64).prop_map(Act::Advance),
        2 => (client.clone(), 0..12i64).prop_map(|(client, back)| Act::Follow { client, back }),
        1 => client.clone().prop_map(|client| Act::Listen { client }),
        1 => client.prop_map(|client| Act::Leave { client }),
    ];
    prop::collection::vec(act, 1..60)
}

/// What a channel that keeps five messages for a minute does, in the plainest words.
#[derive(Default)]
struct Model {
    /// Numbers and times in seconds.
    kept: Vec<(i64, u64)>,
    next: i64,
    now: u64,
    /// Per client: 0 nothing, 1 listens, 2 follows.
    modes: [u8; 2],
}

impl Model {
    fn trim(&mut self) {
        self.kept.retain(|(_, at)| at + 60 > self.now);
        let surplus = self.kept.len().saturating_sub(5);
        self.kept.drain(..surplus);
    }

    fn first(&self) -> i64 {
        self.kept.first().map_or(self.next, |(number, _)| *number)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_channel_with_history_does_what_the_model_does(acts in acts()) {
        let server = start(&["--pubsub-history", "ch 5 60"]);
        let mut publisher = server.client();
        let mut clients = [server.client(), server.client()];
        publisher.say("PUBLISH ch first");
        let begun = number(&parts(publisher.ask(&["PUBSUB", "HISTORY", "ch"]))[3]);
        let mut model = Model { kept: vec![(begun, 0)], next: begun + 1, ..Model::default() };
        for act in acts {
            model.trim();
            match act {
                Act::Publish => {
                    let number = model.next;
                    let count = model.modes.iter().filter(|mode| **mode > 0).count();
                    let reply = publisher.ask(&["PUBLISH", "ch", &number.to_string()]);
                    prop_assert_eq!(reply, Reply::Integer(count as i64));
                    model.kept.push((number, model.now));
                    model.next += 1;
                    for (client, mode) in clients.iter_mut().zip(model.modes) {
                        let expected = match mode {
                            0 => continue,
                            1 => format!(r#"[ "message", "ch", "{number}" ]"#),
                            _ => format!(r#"[ "message.from", "ch", :{number}, "{number}" ]"#),
                        };
                        prop_assert_eq!(resp::render(&receive(client)), expected);
                    }
                }
                Act::Advance(seconds) => {
                    model.now += seconds;
                    server.engine().clock.advance(Duration::from_secs(seconds));
                }
                Act::Follow { client, back } => {
                    let (asked, first) = (model.next - back, model.first());
                    model.modes[client] = 2;
                    let client = &mut clients[client];
                    let reply = client.say(&format!("SUBSCRIBE.FROM ch {asked}"));
                    let last = model.next - 1;
                    prop_assert_eq!(reply, format!(r#"[ "subscribe.from", "ch", :1, :{last} ]"#));
                    let is_gap = asked > last || asked + 1 < first;
                    if is_gap {
                        let missing = asked + 1;
                        let expected = format!(r#"[ "message.gap", "ch", :{missing}, :{first} ]"#);
                        prop_assert_eq!(resp::render(&receive(client)), expected);
                    }
                    for (number, _) in model.kept.iter().filter(|kept| is_gap || kept.0 > asked) {
                        let message = parts(receive(client));
                        prop_assert_eq!(&message[2], &Reply::Integer(*number));
                    }
                }
                Act::Listen { client } => {
                    model.modes[client] = 1;
                    let reply = clients[client].say("SUBSCRIBE ch");
                    prop_assert_eq!(reply, r#"[ "subscribe", "ch", :1 ]"#);
                }
                Act::Leave { client } => {
                    model.modes[client] = 0;
                    let reply = clients[client].say("UNSUBSCRIBE ch");
                    prop_assert_eq!(reply, r#"[ "unsubscribe", "ch", :0 ]"#);
                }
            }
        }
    }
}
