//! A worker serves its connections in turns: what one of them has sent, however much it is, keeps the others waiting
//! for one turn only, and nothing of it is lost, reordered or kept in memory without need.

use crate::support::ask::Ask;
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::Sanderling;
use std::io::Write;

/// A server with one worker, so that all clients take turns with each other.
fn start(flags: &[&str]) -> Sanderling {
    let mut all = vec!["--save", "", "--appendonly", "no", "--workers", "1"];
    all.extend_from_slice(flags);
    Sanderling::start(&all)
}

/// The largest figure of this field in `CLIENT LIST`.
fn most(list: &str, field: &str) -> usize {
    let values = list.split(' ').filter_map(|part| part.strip_prefix(field)?.parse().ok());
    values.max().unwrap_or(0)
}

fn receive(client: &mut impl Connection) -> String {
    resp::render(&client.receive().unwrap().expect("a reply comes"))
}

#[test]
fn a_long_pipeline_is_executed_in_pieces_between_which_others_are_served() {
    const COMMANDS: usize = 5_000;
    let server = start(&["--turn-command-limit", "10"]);
    let (mut long, mut short, mut control) = (server.client(), server.client(), server.client());
    long.send(&[b"BLPOP q 0\r\n", &b"INCR n\r\n".repeat(COMMANDS)[..]].concat()).unwrap();
    control.say_until("CLIENT LIST", |list| most(list, "qbuf=") == COMMANDS * 8);
    // The first of these lets the long pipeline go on. With the others it takes turns.
    short.send(&[b"RPUSH q x\r\n", &b"GET n\r\n".repeat(40)[..]].concat()).unwrap();
    assert_eq!(receive(&mut short), ":1");
    let replies: Vec<String> = (0..40).map(|_| receive(&mut short)).collect();
    assert_eq!(replies[..9], ["nil"; 9]);
    let seen = |reply: &String| reply.trim_matches('"').parse::<usize>().unwrap();
    let (middle, last) = (seen(&replies[15]), seen(&replies[39]));
    assert!((10..=50).contains(&middle), "one turn, then a few of the other: {middle}");
    assert!(middle < last && last <= 100, "each turn brings both forward: {middle}, {last}");
    assert_eq!(receive(&mut long), "[ \"q\", \"x\" ]");
    for n in 1..=COMMANDS {
        assert_eq!(receive(&mut long), format!(":{n}"));
    }
}

#[test]
fn all_of_a_long_pipeline_is_answered_in_order_although_the_client_sends_no_more() {
    let server = start(&["--turn-command-limit", "7"]);
    let mut client = server.client();
    let lines: Vec<String> = (0..30_000).map(|n| format!("ECHO {n}\r\n# {n}\r\n\r\n")).collect();
    let mut writer = server.connect_tcp().unwrap();
    let reader = writer.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        writer.write_all(lines.concat().as_bytes()).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut replies = SocketConnection::open(reader, Protocol::Resp2).unwrap();
    for n in 0..30_000 {
        assert_eq!(receive(&mut replies), format!("\"{n}\""));
    }
    replies.expect_end();
    sending.join().unwrap();
    client.await_clients(1);
}

#[test]
fn a_connection_closes_behind_what_was_valid_also_in_the_middle_of_a_long_pipeline() {
    let server = start(&["--turn-command-limit", "10"]);
    let valid = b"PING\r\n".repeat(1_005);
    for (ending, last) in [
        (&b"*1\r\n:5\r\n"[..], "-ERR Protocol error: expected '$', got ':'"),
        (&b"QUIT\r\n"[..], "+OK"),
    ] {
        let mut client = server.client();
        client.send(&[&valid[..], ending, &b"INCR never\r\n".repeat(100)].concat()).unwrap();
        for _ in 0..1_005 {
            assert_eq!(receive(&mut client), "+PONG");
        }
        assert_eq!(receive(&mut client), last);
        client.expect_end();
    }
    assert_eq!(server.client().say("EXISTS never"), ":0");
}

#[test]
fn behind_a_command_that_is_postponed_little_is_read() {
    let server = start(&[]);
    let (mut control, mut writer) = (server.client(), server.connect_tcp().unwrap());
    let reader = writer.try_clone().unwrap();
    let pings = 4 << 20;
    assert_eq!(control.say("CLIENT PAUSE 1000000 WRITE"), "+OK");
    writer.write_all(b"SET k v\r\n").unwrap();
    let sending = std::thread::spawn(move || {
        writer.write_all(&b"PING\r\n".repeat(pings)).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    control.say_until("CLIENT LIST", |list| most(list, "qbuf=") >= 64 << 10);
    for _ in 0..100 {
        let list = control.say("CLIENT LIST");
        assert!(most(&list, "qbuf=") <= 128 << 10, "{list}");
    }
    assert_eq!(control.say("CLIENT UNPAUSE"), "+OK");
    let mut replies = SocketConnection::open(reader, Protocol::Resp2).unwrap();
    assert_eq!(receive(&mut replies), "+OK");
    let pong = Reply::Simple(b"PONG".to_vec());
    for _ in 0..pings {
        assert_eq!(replies.receive().unwrap().as_ref(), Some(&pong));
    }
    replies.expect_end();
    sending.join().unwrap();
}

#[test]
fn who_goes_away_while_much_of_it_waits_gets_no_element() {
    let server = start(&[]);
    let (mut control, mut gone) = (server.client(), server.connect_tcp().unwrap());
    gone.write_all(&[b"BLPOP q 0\r\n", &b"PING\r\n".repeat(50_000)[..]].concat()).unwrap();
    control.say_until("CLIENT LIST", |list| most(list, "qbuf=") >= 64 << 10);
    drop(gone);
    control.await_clients(1);
    assert_eq!(control.say("RPUSH q x"), ":1");
    assert_eq!(control.say("LLEN q"), ":1");
}

#[test]
fn replies_that_nobody_reads_end_a_pipeline_long_before_its_end() {
    let server = start(&["--client-output-buffer-limit", "normal 2mb 0 0"]);
    let (mut control, mut greedy) = (server.client(), server.client());
    let elements = vec!["x"; 100_000];
    control.ask(&[&["RPUSH", "list"], &elements[..]].concat());
    greedy.send(&b"LRANGE list 0 -1\r\n".repeat(900)).unwrap();
    control.await_clients(1);
    let stats = control.info("cmdstat_lrange");
    let calls = stats.split([',', '=']).nth(1).unwrap().parse::<usize>().unwrap();
    // Each reply has 700 KB; what the kernel takes of them is some megabytes.
    assert!(calls < 100, "{stats}");
}
