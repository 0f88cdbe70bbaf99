//! What the server keeps clients from: working without a password, being too many, being idle, owing or
//! sending too much, and having too much of what the server remembers for them.

use crate::support::ask::Ask;
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::resp;
use crate::support::sanderling::Sanderling;
use std::io::{Read, Write};
use std::time::Duration;

fn start(flags: &[&str]) -> Sanderling {
    let mut all = vec!["--save", "", "--workers", "2"];
    all.extend_from_slice(flags);
    Sanderling::start(&all)
}

#[test]
fn without_the_password_only_a_few_commands_work() {
    let server = start(&["--password", "swordfish"]);
    let mut client = server.client();
    for line in ["PING", "GET k", "SET k v", "CLIENT ID", "COMMAND COUNT", "CONFIG GET *"] {
        assert_eq!(client.say(line), "-NOAUTH Authentication required.", "{line}");
    }
    // Unknown names and wrong numbers of arguments are told first, as in Redis.
    assert!(client.say("NOSUCH").starts_with("-ERR unknown command 'NOSUCH'"));
    assert_eq!(client.say("GET"), "-ERR wrong number of arguments for 'get' command");
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    for line in ["AUTH shark", "AUTH default shark", "AUTH nobody swordfish", "AUTH ''"] {
        assert_eq!(client.say(line), wrong, "{line}");
    }
    assert_eq!(client.say("GET k"), "-NOAUTH Authentication required.");
    assert_eq!(client.say("AUTH default swordfish"), "+OK");
    assert_eq!(client.say("SET k v"), "+OK");
    // A later mistake does not take away what was given.
    assert_eq!(client.say("AUTH shark"), wrong);
    assert_eq!(client.say("GET k"), "\"v\"");
    let mut other = server.client();
    assert!(other.say("HELLO 2 AUTH default swordfish").starts_with("[ \"server\""));
    assert_eq!(other.say("GET k"), "\"v\"");
    assert_eq!(other.say("QUIT"), "+OK");
}

#[test]
fn a_new_password_binds_new_clients_and_none_lets_everybody_in() {
    let server = start(&[]);
    let mut old = server.client();
    assert_eq!(old.say("CONFIG SET requirepass secret"), "+OK");
    let mut new = server.client();
    assert_eq!(new.say("GET k"), "-NOAUTH Authentication required.");
    assert_eq!(old.say("GET k"), "nil");
    assert_eq!(old.say("CONFIG SET requirepass ''"), "+OK");
    assert_eq!(new.say("GET k"), "nil");
}

#[test]
fn requests_before_authentication_must_be_small() {
    let server = start(&["--password", "swordfish"]);
    let cases = [
        ("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length"),
        ("*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length"),
    ];
    for (bytes, error) in cases {
        let mut client = server.client();
        client.send(bytes.as_bytes()).unwrap();
        let told = client.receive().unwrap().expect("the error is told");
        assert_eq!(resp::render(&told), error);
        client.expect_end();
    }
    let mut client = server.client();
    let (long, many) = ("x".repeat(16_384), ["x"; 10]);
    assert!(resp::render(&client.ask(&many)).starts_with("-ERR unknown command 'x', with args"));
    assert!(resp::render(&client.ask(&["AUTH", &long])).starts_with("-WRONGPASS"));
    assert_eq!(client.say("AUTH swordfish"), "+OK");
    assert_eq!(resp::render(&client.ask(&["SET", "k", &"x".repeat(20_000)])), "+OK");
    assert_eq!(client.say("DEL a b c d e f g h i j k l"), ":1");
}

#[test]
fn one_client_too_many_is_told_so_and_the_next_is_served_when_one_leaves() {
    let server = start(&["--maxclients", "2", "--maxclients-reserved", "0"]);
    let (mut first, second) = (server.client(), server.client());
    assert_eq!(first.say("PING"), "+PONG");
    let mut third = server.client();
    let told = third.receive().unwrap().expect("a word");
    assert_eq!(resp::render(&told), "-ERR max number of clients reached");
    third.expect_end();
    assert_eq!(first.info("rejected_connections"), "1");
    assert!(Box::new(second).finish().unwrap().is_empty());
    assert_eq!(server.client().say("PING"), "+PONG");
    assert_eq!(first.say("CONFIG SET maxclients 1"), "+OK");
    assert_eq!(first.say("PING"), "+PONG", "who is in stays in");
}

#[test]
fn a_server_full_of_clients_has_room_for_an_operator_on_the_same_machine() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("socket");
    let flags = ["--maxclients", "2", "--maxclients-reserved", "2", "--unixsocket"];
    let server = start(&[&flags[..], &[path.to_str().unwrap()]].concat());
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        assert_eq!(client.say("PING"), "+PONG");
    }
    let through_socket = || {
        let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        SocketConnection::open(stream, Protocol::Resp2).unwrap()
    };
    let mut operator = through_socket();
    let first = clients[0].say("CLIENT ID")[1..].to_owned();
    assert_eq!(operator.say(&format!("CLIENT KILL ID {first}")), ":1");
    clients[0].expect_end();
    assert_eq!(operator.say("CONFIG SET maxclients 1 maxclients-reserved 0"), "+OK");
    let mut late = through_socket();
    let told = late.receive().unwrap().expect("a word");
    assert_eq!(resp::render(&told), "-ERR max number of clients reached");
}

#[test]
fn idle_clients_are_disconnected_after_the_timeout() {
    let server = start(&["--timeout", "10"]);
    let (mut idle, mut busy) = (server.client(), server.client());
    let clock = &server.engine().clock;
    assert_eq!(idle.say("PING"), "+PONG");
    assert_eq!(busy.say("PING"), "+PONG");
    clock.advance(Duration::from_secs(8));
    assert_eq!(busy.say("PING"), "+PONG");
    clock.advance(Duration::from_secs(8));
    idle.expect_end();
    assert_eq!(busy.say("PING"), "+PONG");
    assert_eq!(busy.say("CONFIG SET timeout 0"), "+OK");
    clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(busy.say("PING"), "+PONG");
}

/// More than the kernel buffers for two ends of a connection.
const UNREAD_REPLIES: usize = 200;
const REPLY_BYTES: usize = 1 << 20;

/// A client that asks for much and reads nothing, and the number under which the server knows it.
fn owe_much(server: &Sanderling) -> (impl Connection + use<>, String) {
    let mut client = server.client();
    assert_eq!(client.ask(&["SET", "large", &"x".repeat(REPLY_BYTES)]), ok());
    let id = client.say("CLIENT ID")[1..].to_owned();
    client.send(&b"GET large\r\n".repeat(UNREAD_REPLIES)).unwrap();
    (client, id)
}

fn ok() -> resp::Reply {
    resp::Reply::Simple(b"OK".to_vec())
}

/// Reads what is still there; tells how many whole replies came before the end.
fn count_replies(client: &mut impl Connection) -> usize {
    std::iter::from_fn(|| client.receive().ok().flatten()).count()
}

#[test]
fn a_client_that_does_not_read_is_disconnected_at_the_hard_limit() {
    let server = start(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let (mut client, id) = owe_much(&server);
    server.client().say_until("CLIENT LIST", |list| !list.contains(&format!("id={id} ")));
    assert!(count_replies(&mut client) < UNREAD_REPLIES);
}

#[test]
fn above_the_soft_limit_a_client_is_disconnected_only_when_that_lasts() {
    let server = start(&["--client-output-buffer-limit", "normal 0 1mb 60"]);
    let (mut client, id) = owe_much(&server);
    let mut control = server.client();
    let is_there = |list: &str| list.contains(&format!("id={id} "));
    let owes = |list: &str| list.contains("cmd=get") && !list.contains("omem=0 tot-mem=0");
    control.say_until(&format!("CLIENT LIST ID {id}"), owes);
    server.engine().clock.advance(Duration::from_secs(30));
    assert!(is_there(&control.say("CLIENT LIST")));
    server.engine().clock.advance(Duration::from_secs(40));
    control.say_until("CLIENT LIST", |list| !is_there(list));
    assert!(count_replies(&mut client) < UNREAD_REPLIES);
}

#[test]
fn a_client_that_reads_late_gets_everything_when_there_is_no_limit() {
    let server = start(&[]);
    let (mut client, _) = owe_much(&server);
    client.close_sending().unwrap();
    assert_eq!(count_replies(&mut client), UNREAD_REPLIES);
}

#[test]
fn a_request_that_outgrows_the_query_buffer_ends_the_connection() {
    let server = start(&["--client-query-buffer-limit", "1mb"]);
    let mut stream = server.connect_tcp().unwrap();
    let mut request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n".to_vec();
    request.resize(8 << 20, b'x');
    // The server may close before it has read all of it.
    let _ = stream.write_all(&request);
    let mut control = server.client();
    control.await_clients(1);
    assert_eq!(control.say("EXISTS k"), ":0");
    // Several requests that are small enough each are no matter, however many are sent at once.
    let value = "x".repeat(900_000);
    let requests = resp::encode(&["SET", "k", &value]).repeat(4);
    control.send(&requests).unwrap();
    for _ in 0..4 {
        assert_eq!(control.receive().unwrap(), Some(ok()));
    }
}

/// What `EXEC` says of a transaction one of whose commands was refused.
const DOOMED: &str = "-EXECABORT Transaction discarded because of previous errors.";

#[test]
fn a_transaction_queues_no_more_commands_than_allowed_and_is_refused_as_a_whole() {
    let server = start(&["--multi-queue-limit", "3"]);
    let mut client = server.client();
    assert_eq!(client.say("MULTI"), "+OK");
    for _ in 0..3 {
        assert_eq!(client.say("INCR n"), "+QUEUED");
    }
    let told =
        "-ERR the commands of the transaction would be more than multi-queue-limit (3) allows";
    assert_eq!(client.say("INCR n"), told);
    // Nothing is kept behind the refusal, as behind any other.
    assert_eq!(client.say("INCR n"), "+QUEUED");
    assert!(server.client().say("CLIENT LIST").contains(" multi=3 "));
    assert_eq!(client.say("EXEC"), DOOMED);
    assert_eq!(client.say("GET n"), "nil");
    // A transaction of just as many is executed, and the limit can be lifted.
    let just_enough = "MULTI|INCR n|INCR n|INCR n|EXEC".split('|').map(|line| client.say(line));
    assert_eq!(just_enough.last().unwrap(), "[ :1, :2, :3 ]");
    assert_eq!(client.say("CONFIG SET multi-queue-limit 0"), "+OK");
    client.send(&[b"MULTI\r\n", &b"INCR n\r\n".repeat(50)[..], b"EXEC\r\n"].concat()).unwrap();
    let last = std::iter::from_fn(|| client.receive().unwrap()).nth(51).unwrap();
    assert!(resp::render(&last).ends_with(" :53 ]"), "all are executed");
}

#[test]
fn a_transaction_takes_no_more_memory_than_allowed_however_it_is_spread() {
    let server = start(&["--multi-queue-memory", "100kb"]);
    let mut client = server.client();
    let refusal =
        "-ERR the bytes of the transaction would be more than multi-queue-memory (102400) allows";
    let large = "x".repeat(60_000);
    assert_eq!(client.say("MULTI"), "+OK");
    assert_eq!(resp::render(&client.ask(&["SET", "k", &large])), "+QUEUED");
    assert_eq!(resp::render(&client.ask(&["SET", "k", &large])), refusal);
    assert_eq!(client.say("EXEC"), DOOMED);
    assert_eq!(client.say("EXISTS k"), ":0");
    // Empty arguments take memory, too: where each of them is.
    let empty = vec![""; 5_000];
    let many = [&["DEL"], &empty[..]].concat();
    assert_eq!(client.say("MULTI"), "+OK");
    assert_eq!(resp::render(&client.ask(&many)), "+QUEUED");
    assert_eq!(resp::render(&client.ask(&many)), refusal);
    assert_eq!(client.say("DISCARD"), "+OK");
    // So do commands without any.
    client.send(&[b"MULTI\r\n", &b"PING\r\n".repeat(3_000)[..]].concat()).unwrap();
    let replies = std::iter::from_fn(|| client.receive().unwrap()).take(3_001);
    let refused = replies.filter(|reply| resp::render(reply) == refusal).count();
    assert_eq!(refused, 1);
    assert_eq!(client.say("EXEC"), DOOMED);
    assert_eq!(client.say("PING"), "+PONG", "the connection lives on");
}

#[test]
fn a_client_watches_no_more_keys_than_allowed_and_one_key_counts_once() {
    let server = start(&["--client-watch-limit", "3"]);
    let (mut client, mut other) = (server.client(), server.client());
    let refusal = "-ERR the keys watched would be more than client-watch-limit (3) allows";
    assert_eq!(client.say("WATCH a b"), "+OK");
    assert_eq!(client.say("WATCH d e"), refusal);
    assert_eq!(client.say("WATCH b c a c c"), "+OK");
    assert_eq!(client.say("WATCH c d"), refusal);
    assert_eq!(client.say("WATCH a b c"), "+OK", "nothing new is never too much");
    client.say("SELECT 1");
    assert_eq!(client.say("WATCH a"), refusal, "the same name in another database is another key");
    client.say("SELECT 0");
    // Nothing of what was refused is watched, and all the rest is.
    other.say("MSET d 1 e 1");
    assert_eq!(["MULTI", "GET d", "EXEC"].map(|line| client.say(line))[2], "[ \"1\" ]");
    assert_eq!(client.say("WATCH d e f"), "+OK", "EXEC has ended the watching of the others");
    other.say("SET f 1");
    assert_eq!(["MULTI", "GET d", "EXEC"].map(|line| client.say(line))[2], "*nil");
    // Very many keys, all of them in one shard.
    assert_eq!(other.say("CONFIG SET client-watch-limit 10000"), "+OK");
    let keys: Vec<String> = (0..10_000).map(|n| format!("{{one-shard}}{n}")).collect();
    let words: Vec<&str> = ["WATCH"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(client.ask(&words), ok());
    let refusal = "-ERR the keys watched would be more than client-watch-limit (10000) allows";
    assert_eq!(client.say("WATCH one-more"), refusal);
    other.say("SET {one-shard}9999 1");
    assert_eq!(["MULTI", "GET d", "EXEC"].map(|line| client.say(line))[2], "*nil");
}

#[test]
fn a_client_listens_to_no_more_names_than_allowed_of_all_kinds_together() {
    let server = start(&["--client-subscription-limit", "3", "--pubsub-history", "kept* 10 60"]);
    let (mut client, mut other) = (server.client(), server.client());
    let refusal = "-ERR the subscriptions would be more than client-subscription-limit (3) allows";
    for line in ["SUBSCRIBE a", "PSUBSCRIBE b*", "SSUBSCRIBE c"] {
        assert!(client.say(line).contains("subscribe"), "{line}");
    }
    for line in
        ["SUBSCRIBE d", "SUBSCRIBE a d", "PSUBSCRIBE d*", "SSUBSCRIBE d", "SUBSCRIBE.FROM kept 0"]
    {
        assert_eq!(client.say(line), refusal, "{line}");
    }
    assert_eq!(other.say("PUBSUB NUMSUB a d kept"), "[ \"a\", :1, \"d\", :0, \"kept\", :0 ]");
    assert_eq!(other.say("PUBSUB NUMPAT"), ":1");
    assert_eq!(other.say("PUBSUB SHARDNUMSUB d"), "[ \"d\", :0 ]");
    assert_eq!(
        client.say("SUBSCRIBE a"),
        "[ \"subscribe\", \"a\", :2 ]",
        "it listens to that already"
    );
    assert_eq!(client.say("UNSUBSCRIBE a"), "[ \"unsubscribe\", \"a\", :1 ]");
    assert!(client.say("SUBSCRIBE.FROM kept 0").starts_with("[ \"subscribe.from\", \"kept\", :2"));
    assert!(client.say("SUBSCRIBE.FROM kept 0").starts_with("[ \"subscribe.from\", \"kept\", :2"));
    assert_eq!(client.say("SUBSCRIBE d"), refusal);
    assert_eq!(other.say("CONFIG SET client-subscription-limit 0"), "+OK");
    assert_eq!(client.say("SUBSCRIBE d"), "[ \"subscribe\", \"d\", :3 ]");
}

#[test]
fn a_client_tracks_no_more_prefixes_than_allowed() {
    let server = start(&["--client-tracking-prefix-limit", "2"]);
    let mut client = server.client();
    let refusal =
        "-ERR the prefixes tracked would be more than client-tracking-prefix-limit (2) allows";
    assert_eq!(client.say("CLIENT TRACKING ON BCAST PREFIX a PREFIX b PREFIX c"), refusal);
    assert_eq!(client.say("CLIENT GETREDIR"), ":-1", "nothing was done");
    assert_eq!(client.say("CLIENT TRACKING ON BCAST PREFIX a PREFIX b"), "+OK");
    assert_eq!(client.say("CLIENT TRACKING ON BCAST PREFIX c"), refusal);
    assert!(client.say("CLIENT TRACKINGINFO").ends_with("\"prefixes\", [ \"a\", \"b\" ] ]"));
    assert_eq!(client.say("CLIENT TRACKING ON BCAST"), "+OK");
    // So few are allowed that comparing each with each takes no time.
    client.say("CLIENT TRACKING OFF");
    client.say("CONFIG SET client-tracking-prefix-limit 1000");
    let prefixes: Vec<String> = (0..500_000).map(|n| format!("{n:06}")).collect();
    let mut words = vec!["CLIENT", "TRACKING", "ON", "BCAST"];
    words.extend(prefixes.iter().flat_map(|prefix| ["PREFIX", prefix]));
    let told = resp::render(&client.ask(&words));
    assert!(told.contains("client-tracking-prefix-limit (1000)"), "{told}");
}

#[test]
fn who_does_not_give_the_password_in_time_is_disconnected_however_busy() {
    let server = start(&["--password", "swordfish", "--unauthenticated-timeout", "10"]);
    let clock = &server.engine().clock;
    let (mut silent, mut guessing, mut known) = (server.client(), server.client(), server.client());
    assert_eq!(silent.say("PING"), "-NOAUTH Authentication required.");
    assert_eq!(known.say("AUTH swordfish"), "+OK");
    for _ in 0..3 {
        assert!(guessing.say("AUTH shark").starts_with("-WRONGPASS"));
        clock.advance(Duration::from_secs(3));
    }
    assert!(guessing.say("AUTH shark").starts_with("-WRONGPASS"), "9 seconds are not 10");
    clock.advance(Duration::from_secs(1));
    silent.expect_end();
    guessing.expect_end();
    clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(known.say("PING"), "+PONG");
}

#[test]
fn who_gives_up_its_authentication_has_the_whole_time_to_give_the_password_again() {
    let server = start(&["--password", "swordfish", "--unauthenticated-timeout", "10"]);
    let clock = &server.engine().clock;
    let (mut client, mut control) = (server.client(), server.client());
    assert_eq!(control.say("AUTH swordfish"), "+OK");
    clock.advance(Duration::from_secs(9));
    assert_eq!(client.say("AUTH swordfish"), "+OK");
    assert_eq!(client.say("RESET"), "+RESET");
    clock.advance(Duration::from_secs(9));
    assert_eq!(client.say("AUTH swordfish"), "+OK");
    assert_eq!(client.say("RESET"), "+RESET");
    // 0 waits forever, and so does a server without a password.
    assert_eq!(control.say("CONFIG SET unauthenticated-timeout 0"), "+OK");
    clock.advance(Duration::from_secs(1_000));
    assert_eq!(client.say("PING"), "-NOAUTH Authentication required.");
    assert_eq!(control.say("CONFIG SET requirepass ''"), "+OK");
    assert_eq!(control.say("CONFIG SET unauthenticated-timeout 10"), "+OK");
    clock.advance(Duration::from_secs(1_000));
    // The worker looks behind its replies; when the second comes, it has looked behind the first.
    assert_eq!([client.say("PING"), client.say("PING")], ["+PONG", "+PONG"]);
    assert_eq!(control.say("CONFIG SET requirepass shark"), "+OK");
    assert_eq!(client.say("PING"), "-NOAUTH Authentication required.");
    // The worker looks once a second, and counts from when it first sees that the client owes the password.
    clock.advance(Duration::from_secs(2));
    for _ in 0..2 {
        assert_eq!(client.say("PING"), "-NOAUTH Authentication required.");
    }
    clock.advance(Duration::from_secs(11));
    client.expect_end();
}

#[test]
fn a_stranger_that_sends_an_endless_request_is_disconnected() {
    let server = start(&["--password", "swordfish"]);
    let mut stream = server.connect_tcp().unwrap();
    // Each argument is allowed; all of them together are not.
    let argument = [&b"$16384\r\n"[..], &[b'x'; 16_384], b"\r\n"].concat();
    let request = [&b"*10\r\n"[..], &argument.repeat(9)].concat();
    // The server may close before it has read all of it.
    let _ = stream.write_all(&request);
    let mut control = server.client();
    assert_eq!(control.say("AUTH swordfish"), "+OK");
    control.await_clients(1);
    control.send(&[&request[..], &argument].concat()).unwrap();
    let told = control.receive().unwrap().expect("a reply");
    assert!(resp::render(&told).starts_with("-ERR unknown command"), "others may send that much");
}

#[test]
fn a_stranger_that_does_not_read_its_refusals_is_disconnected() {
    let server = start(&["--password", "swordfish"]);
    let mut stranger = server.connect_tcp().unwrap();
    let mut control = server.client();
    assert_eq!(control.say("AUTH swordfish"), "+OK");
    // More refusals than the kernel buffers for two ends of a connection.
    let requests = b"GET k\r\n".repeat(10_000);
    let is_cut_off = (0..10_000).any(|_| stranger.write_all(&requests).is_err());
    assert!(is_cut_off);
    control.await_clients(1);
}

#[test]
fn one_address_gets_only_so_many_connections_until_one_of_them_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let server =
        start(&["--maxclients-per-address", "2", "--unixsocket", socket.to_str().unwrap()]);
    let (mut first, second) = (server.client(), server.client());
    assert_eq!(first.say("PING"), "+PONG");
    let mut third = server.client();
    let told = third.receive().unwrap().expect("a word");
    assert_eq!(resp::render(&told), "-ERR max number of clients per address reached");
    third.expect_end();
    assert_eq!(first.info("rejected_connections"), "1");
    // Other ways in are not concerned.
    let mut local = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    local.write_all(b"PING\r\n").unwrap();
    let mut pong = [0; 7];
    local.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"+PONG\r\n");
    assert!(Box::new(second).finish().unwrap().is_empty());
    let mut next = server.client();
    assert_eq!(next.say("PING"), "+PONG");
    // Who is in stays in, and is counted when there is a limit again.
    assert_eq!(first.say("CONFIG SET maxclients-per-address 0"), "+OK");
    assert_eq!(server.client().say("PING"), "+PONG");
    assert_eq!(first.say("CONFIG SET maxclients-per-address 1"), "+OK");
    assert_eq!(next.say("PING"), "+PONG");
    let told = server.client().receive().unwrap().expect("a word");
    assert_eq!(resp::render(&told), "-ERR max number of clients per address reached");
}

#[test]
fn the_limits_are_set_by_default() {
    let server = start(&[]);
    let mut client = server.client();
    for (name, expected) in [
        ("multi-queue-limit", "100000"),
        ("multi-queue-memory", "67108864"),
        ("client-watch-limit", "10000"),
        ("client-subscription-limit", "100000"),
        ("client-tracking-prefix-limit", "1000"),
        ("unauthenticated-timeout", "30"),
        ("maxclients-per-address", "0"),
    ] {
        let told = client.say(&format!("CONFIG GET {name}"));
        assert_eq!(told, format!("[ \"{name}\", \"{expected}\" ]"));
    }
}
