//! What clients take together is known at every moment, and limited by `maxmemory-clients`.

use crate::support::ask::Ask;
use crate::support::patience::eventually;
use crate::support::peer::{Connection, SocketConnection};
use crate::support::resp;
use crate::support::sanderling::Sanderling;
use std::net::TcpStream;

fn start(flags: &[&str]) -> Sanderling {
    let mut all = vec!["--save", "", "--appendonly", "no", "--workers", "2"];
    all.extend_from_slice(flags);
    Sanderling::start(&all)
}

/// What all clients take as it was counted, and as their figures say now.
fn counted_and_shown(server: &Sanderling) -> [(usize, usize); 2] {
    let clients = &server.engine().clients;
    let shown = clients.all().iter().fold((0, 0), |(own, total), client| {
        let footprint = client.footprint();
        (own + footprint.own, total + footprint.total)
    });
    [(clients.memory.own_bytes(), clients.memory.total_bytes()), shown]
}

#[test]
fn the_sum_is_that_of_all_clients_whatever_they_keep_the_server_busy_with() {
    let server = start(&[]);
    let mut control = server.client();
    let is_exact = || {
        let [counted, shown] = counted_and_shown(&server);
        counted == shown
    };
    eventually("the sum is exact", is_exact);
    let large = "x".repeat(300_000);
    assert_eq!(resp::render(&control.ask(&["SET", "large", &large])), "+OK");

    let [mut half, mut queueing, mut watching, mut listening, mut slow] =
        std::array::from_fn(|_| server.client());
    half.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000\r\n").unwrap();
    half.send(&[b'x'; 200_000]).unwrap();
    assert_eq!(queueing.say("MULTI"), "+OK");
    assert_eq!(resp::render(&queueing.ask(&["SET", "k", &large])), "+QUEUED");
    let keys: Vec<String> = (0..1000).map(|n| format!("a key of many bytes, number {n}")).collect();
    let words: Vec<&str> = ["WATCH"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(resp::render(&watching.ask(&words)), "+OK");
    listening.ask(&["SUBSCRIBE", &large]);
    let gets = 200;
    slow.send(&b"GET large\r\n".repeat(gets)).unwrap();

    let owed = |list: &str| {
        let owes = |field: &str, bytes: usize| {
            let values = list.split(' ').filter_map(|part| part.strip_prefix(field)?.parse().ok());
            values.max().is_some_and(|most: usize| most >= bytes)
        };
        owes("qbuf=", 200_000) && owes("multi-mem=", 300_000) && owes("omem=", 3_000_000)
    };
    control.say_until("CLIENT LIST", owed);
    eventually("the sum is exact", is_exact);
    let [(own, total), _] = counted_and_shown(&server);
    assert!(own >= 200_000 + 300_000 + 1000 * 30, "own: {own}");
    assert!(total >= own + 1_000_000 + 300_000, "total: {total}");
    // A turn is counted after its replies are sent: the figure may still be that of the turn before.
    control.say_until("INFO memory", |info| {
        let [(own, _), _] = counted_and_shown(&server);
        info.contains(&format!("mem_clients_normal:{own}\\r"))
    });

    drop((half, queueing, watching, listening, slow));
    control.await_clients(1);
    eventually("the sum is exact", is_exact);
    let [(own, total), _] = counted_and_shown(&server);
    assert!(own < 10_000 && total < 10_000, "only one is left: {own}, {total}");
}

/// Starts with a limit of one megabyte for all clients together.
fn start_with_limit() -> (Sanderling, SocketConnection<TcpStream>) {
    let server = start(&["--maxmemory-clients", "1mb"]);
    let mut control = server.client();
    assert_eq!(control.say("CLIENT SETNAME control"), "+OK");
    (server, control)
}

/// A client by this name that has sent so much of a request that never ends.
fn unfinished(server: &Sanderling, name: &str, bytes: usize) -> SocketConnection<TcpStream> {
    let mut client = server.client();
    client.say(&format!("CLIENT SETNAME {name}"));
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n").unwrap();
    // Who is disconnected meanwhile need not be told the rest.
    let _ = client.send(&vec![b'x'; bytes]);
    client
}

fn names(list: &str) -> Vec<&str> {
    list.split(' ').filter_map(|part| part.strip_prefix("name=")).collect()
}

/// Repeats `CLIENT LIST` until these are the names in it.
fn await_names(control: &mut impl Connection, expected: &[&str]) {
    control.say_until("CLIENT LIST", |list| names(list) == expected);
}

#[test]
fn above_the_limit_for_all_clients_the_one_that_takes_most_is_disconnected() {
    let (server, mut control) = start_with_limit();
    let _small = unfinished(&server, "small", 100_000);
    let mut middle = unfinished(&server, "middle", 200_000);
    let large = |list: &str| list.contains("qbuf=200032") && list.contains("qbuf=100032");
    control.say_until("CLIENT LIST", large);
    assert_eq!(control.info("evicted_clients"), "0", "it is not too much yet");
    let _large = unfinished(&server, "large", 700_000);
    await_names(&mut control, &["control", "small", "middle"]);
    assert_eq!(control.info("evicted_clients"), "1");
    assert!(server.engine().clients.memory.total_bytes() < 1 << 20);
    // A lower limit concerns those who are there. Nothing below 128 KiB is believed.
    assert_eq!(control.say("CONFIG SET maxmemory-clients 1"), "+OK");
    assert_eq!(middle.receive().unwrap(), None, "it is disconnected without a word");
    control.say_until("INFO stats", |stats| stats.contains("evicted_clients:3\\r"));
    await_names(&mut control, &["control"]);
    assert_eq!(control.say("CONFIG RESETSTAT"), "+OK");
    assert_eq!(control.info("evicted_clients"), "0");
    assert_eq!(control.say("CONFIG SET maxmemory-clients 0"), "+OK");
    let _free = unfinished(&server, "free", 3_000_000);
    control.say_until("CLIENT LIST", |list| list.contains("qbuf=3000032"));
}

#[test]
fn the_limit_for_all_clients_may_be_a_part_of_what_the_data_may_take() {
    let server = start(&["--maxmemory-clients", "1%"]);
    let mut control = server.client();
    control.say("CLIENT SETNAME control");
    let _first = unfinished(&server, "first", 2_000_000);
    control.say_until("CLIENT LIST", |list| list.contains("qbuf=2000032"));
    assert_eq!(control.say("CONFIG SET maxmemory 100mb"), "+OK");
    await_names(&mut control, &["control"]);
    assert_eq!(control.say("CONFIG GET maxmemory-clients"), "[ \"maxmemory-clients\", \"1%\" ]");
}

#[test]
fn who_must_not_be_evicted_stays_and_the_others_go_in_its_place() {
    let (server, mut control) = start_with_limit();
    assert_eq!(control.say("CLIENT NO-EVICT ON"), "+OK");
    let mut safe = server.client();
    assert_eq!(safe.say("CLIENT SETNAME safe"), "+OK");
    assert_eq!(safe.say("CLIENT NO-EVICT ON"), "+OK");
    let value = "x".repeat(2_000_000);
    safe.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n").unwrap();
    safe.send(&value.as_bytes()[..1_900_000]).unwrap();
    control.say_until("CLIENT LIST", |list| list.contains("qbuf=1900030"));
    // Nobody could be evicted, so for a moment nobody is looked for, and the clock stands still.
    let mut other = server.client();
    assert_eq!(other.say("PING"), "+PONG");
    let clock = &server.engine().clock;
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(other.receive().unwrap(), None, "small as it is, nobody else is left");
    await_names(&mut control, &["control", "safe"]);
    safe.send(&[&value.as_bytes()[1_900_000..], b"\r\n"].concat()).unwrap();
    assert_eq!(resp::render(&safe.receive().unwrap().unwrap()), "+OK");
    assert_eq!(control.say("STRLEN k"), ":2000000");
    eventually("others are sent away", || server.engine().clients.memory.total_bytes() < 100_000);
    assert_eq!(server.client().say("PING"), "+PONG");
}

#[test]
fn whatever_a_client_makes_grow_counts_for_the_limit_of_all() {
    let large = "x".repeat(400_000);
    let keys: Vec<String> = (0..9_000).map(|n| format!("{n}{}", "x".repeat(150))).collect();
    let watch: Vec<&str> = ["WATCH"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    let listen: Vec<&str> =
        ["SUBSCRIBE"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    let queue = [&b"MULTI\r\n"[..], &resp::encode(&["SET", "k", &large]).repeat(4)].concat();
    for (what, request) in [
        ("the queue of a transaction", queue),
        ("watched keys", resp::encode(&watch)),
        ("subscriptions", resp::encode(&listen)),
        ("replies that it does not read", b"GET large\r\n".repeat(100)),
        ("replies of its own", b"GETRANGE large 1 -2\r\n".repeat(100)),
    ] {
        let (server, mut control) = start_with_limit();
        assert_eq!(control.say("CLIENT NO-EVICT ON"), "+OK");
        assert_eq!(resp::render(&control.ask(&["SET", "large", &large])), "+OK");
        let mut greedy = server.client();
        greedy.say("CLIENT SETNAME greedy");
        let _ = greedy.send(&request);
        control.say_until("INFO stats", |stats| stats.contains("evicted_clients:1\\r"));
        await_names(&mut control, &["control"]);
        eventually("others are sent away", || {
            server.engine().clients.memory.total_bytes() < 100_000
        });
        assert!(server.engine().clients.memory.own_bytes() < 100_000, "{what}");
    }
}

#[test]
fn messages_that_a_listener_does_not_read_count_for_the_limit_of_all() {
    let (server, mut control) = start_with_limit();
    assert_eq!(control.say("CLIENT NO-EVICT ON"), "+OK");
    let mut slow = server.client();
    slow.say("CLIENT SETNAME slow");
    slow.say("SUBSCRIBE ch");
    let message = "x".repeat(100_000);
    // The kernel takes some megabytes of them. The limit of the class is 32 MB.
    for _ in 0..250 {
        control.ask(&["PUBLISH", "ch", &message]);
    }
    await_names(&mut control, &["control"]);
    assert_eq!(control.info("evicted_clients"), "1");
    assert_eq!(control.info("client_output_buffer_limit_disconnections"), "0");
}
