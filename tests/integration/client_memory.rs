//! What clients take together is known at every moment.

use crate::support::ask::Ask;
use crate::support::peer::Connection;
use crate::support::resp;
use crate::support::sanderling::Sanderling;

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
    let is_exact = |_: &str| {
        let [counted, shown] = counted_and_shown(&server);
        counted == shown
    };
    control.say_until("PING", is_exact);
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
        owes("qbuf=", 200_000) && owes("multi-mem=", 300_000) && owes("omem=", 1_000_000)
    };
    control.say_until("CLIENT LIST", owed);
    control.say_until("PING", is_exact);
    let [(own, total), _] = counted_and_shown(&server);
    assert!(own >= 200_000 + 300_000 + 1000 * 30, "own: {own}");
    assert!(total >= own + 1_000_000 + 300_000, "total: {total}");
    assert_eq!(control.info("mem_clients_normal"), own.to_string());

    drop((half, queueing, watching, listening, slow));
    control.say_until("CLIENT LIST", |list| list.matches("id=").count() == 1);
    control.say_until("PING", is_exact);
    let [(own, total), _] = counted_and_shown(&server);
    assert!(own < 10_000 && total < 10_000, "only one is left: {own}, {total}");
}
