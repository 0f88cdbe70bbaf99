//! Connections over loopback: how bytes become requests, and how connections end.

use crate::support::ask::Ask;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::resp::{self, Reply};
use crate::support::sanderling::{START_MS, Sanderling};
use sanderling::base::random::Random;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

const FLAGS: [&str; 6] = ["--save", "", "--enable-debug-command", "yes", "--workers", "2"];

fn start() -> Sanderling {
    Sanderling::start(&FLAGS)
}

/// Waits until the server has read so many bytes since its start.
fn wait_until_read(server: &Sanderling, bytes: u64) {
    eventually("the server has read this", || {
        server.engine().stats.total(|stats| &stats.bytes_in) >= bytes
    });
}

fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).expect("the socket takes options");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the connection ends in order");
    bytes
}

#[test]
fn thousands_of_requests_in_one_write_are_answered_in_order() {
    const REQUESTS: usize = 10_000;
    let server = start();
    let mut client = server.client();
    let mut stream = Vec::new();
    for n in 0..REQUESTS {
        stream.extend_from_slice(&resp::encode(&["SET", &format!("key:{n}"), &n.to_string()]));
        stream.extend_from_slice(format!("GET key:{n}\r\n").as_bytes());
    }
    client.send(&stream).expect("the server takes everything");
    for n in 0..REQUESTS {
        assert_eq!(client.receive().unwrap(), Some(Reply::Simple(b"OK".to_vec())));
        assert_eq!(client.receive().unwrap(), Some(Reply::Bulk(n.to_string().into_bytes())));
    }
    assert_eq!(client.say("DBSIZE"), format!(":{REQUESTS}"));
}

const MIXED_STREAM: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$6\r\n\r\n*1\r\n\r\nGET a\r\n# a comment\n\r\n\
*0\r\nset b \"x\\ny\"\n*2\r\n$6\r\nSTRLEN\r\n$1\r\nb\r\nNOSUCH\r\n*2\r\n$4\r\nMGET\r\n$1\r\na\r\nQUIT\r\n";
const MIXED_REPLIES: &[u8] = b"+OK\r\n$6\r\n\r\n*1\r\n\r\n+OK\r\n:3\r\n\
-ERR unknown command 'NOSUCH', with args beginning with: \r\n*1\r\n$6\r\n\r\n*1\r\n\r\n+OK\r\n";

#[test]
fn a_stream_may_be_cut_at_every_byte() {
    let server = start();
    let mut read = 0;
    for cut in 1..MIXED_STREAM.len() {
        let mut stream = server.connect_tcp().unwrap();
        let (front, back) = MIXED_STREAM.split_at(cut);
        stream.write_all(front).unwrap();
        wait_until_read(&server, read + front.len() as u64);
        stream.write_all(back).unwrap();
        assert_eq!(read_to_end(stream), MIXED_REPLIES, "cut at {cut}");
        read += MIXED_STREAM.len() as u64;
    }
}

#[test]
fn a_stream_may_arrive_byte_by_byte() {
    let server = start();
    let mut stream = server.connect_tcp().unwrap();
    for (n, byte) in MIXED_STREAM.iter().enumerate() {
        stream.write_all(&[*byte]).unwrap();
        wait_until_read(&server, n as u64 + 1);
    }
    assert_eq!(read_to_end(stream), MIXED_REPLIES);
}

#[test]
fn a_pipeline_of_long_and_short_values_may_be_cut_anywhere() {
    const REQUESTS: usize = 400;
    let server = start();
    let mut random = Random::seeded(11);
    let lengths: Vec<usize> = (0..REQUESTS).map(|_| 1 << random.below(17)).collect();
    let value = |n: usize| vec![b'a' + (n % 26) as u8; lengths[n]];
    let mut stream = Vec::new();
    for n in 0..REQUESTS {
        stream.extend(resp::encode(&[&b"APPEND"[..], b"all", &value(n)]));
        stream.extend_from_slice(b"STRLEN all\r\n");
    }
    let mut client = server.client();
    let mut rest = &stream[..];
    let mut read = 0;
    while !rest.is_empty() {
        let piece = rest.split_off(..rest.len().min(1 + random.below(100_000))).unwrap();
        client.send(piece).unwrap();
        read += piece.len() as u64;
        wait_until_read(&server, read);
    }
    let (mut len, mut all) = (0, Vec::new());
    for (n, length) in lengths.iter().enumerate() {
        len += *length as i64;
        all.extend(value(n));
        assert_eq!(client.receive().unwrap(), Some(Reply::Integer(len)), "APPEND number {n}");
        assert_eq!(client.receive().unwrap(), Some(Reply::Integer(len)), "STRLEN number {n}");
    }
    assert!(client.ask(&[b"GET", b"all"]) == Reply::Bulk(all), "the values are not those sent");
}

#[test]
fn after_a_half_close_everything_is_answered_then_the_connection_ends() {
    const REQUESTS: usize = 5_000;
    let server = start();
    let mut stream = server.connect_tcp().unwrap();
    stream.write_all(&b"INCR n\r\n".repeat(REQUESTS)).unwrap();
    // The last request is not complete and so never was one.
    stream.write_all(b"INCR n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let expected: String = (1..=REQUESTS).map(|n| format!(":{n}\r\n")).collect();
    assert_eq!(read_to_end(stream), expected.as_bytes());
    assert_eq!(server.client().say("GET n"), format!("\"{REQUESTS}\""));
}

#[test]
fn a_half_closed_peer_still_gets_what_it_has_to_wait_for() {
    let server = start();
    let mut stream = server.connect_tcp().unwrap();
    let requests = b"DEBUG SLEEP 3\r\nPING\r\n";
    stream.write_all(requests).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    wait_until_read(&server, requests.len() as u64);
    let mut control = server.client();
    control.say_until("CLIENT LIST", |list| list.contains("cmd=debug"));
    stream.set_nonblocking(true).unwrap();
    let early = stream.read(&mut [0; 8]).expect_err("nothing is due yet");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    server.engine().clock.advance(Duration::from_secs(3));
    assert_eq!(read_to_end(stream), b"+OK\r\n+PONG\r\n");
}

#[test]
fn nobody_else_waits_while_one_client_sleeps() {
    let server = start();
    let (mut sleeper, mut other) = (server.client(), server.client());
    sleeper.send(b"DEBUG SLEEP 100\r\nSET k late\r\n").unwrap();
    other.say_until("CLIENT LIST", |list| list.contains("cmd=debug"));
    assert_eq!(other.say("SET k early"), "+OK");
    server.engine().clock.advance(Duration::from_secs(100));
    assert_eq!(sleeper.receive().unwrap(), Some(Reply::Simple(b"OK".to_vec())));
    assert_eq!(sleeper.receive().unwrap(), Some(Reply::Simple(b"OK".to_vec())));
    assert_eq!(other.say("GET k"), "\"late\"");
}

#[test]
fn quit_says_ok_and_ends_the_connection_and_what_follows_is_not_executed() {
    let server = start();
    let mut client = server.client();
    client.send(b"SET k 1\r\nQUIT\r\nSET k 2\r\n").unwrap();
    for _ in 0..2 {
        assert_eq!(client.receive().unwrap(), Some(Reply::Simple(b"OK".to_vec())));
    }
    client.expect_end();
    assert_eq!(server.client().say("GET k"), "\"1\"");
}

#[test]
fn a_protocol_error_is_told_after_the_valid_requests_are_answered() {
    let server = start();
    let mut client = server.client();
    client.send(b"PING\r\n*1\r\n:5\r\nPING\r\n").unwrap();
    assert_eq!(client.receive().unwrap(), Some(Reply::Simple(b"PONG".to_vec())));
    let told = resp::render(&client.receive().unwrap().expect("the error is told"));
    assert_eq!(told, "-ERR Protocol error: expected '$', got ':'");
    client.expect_end();
}

#[test]
fn requests_of_web_browsers_end_the_connection_without_a_word() {
    let server = start();
    for request in ["POST / HTTP/1.1\r\n", "host: localhost\r\n", "*1\r\n$4\r\npOsT\r\n"] {
        let mut client = server.client();
        client.send(format!("PING\r\n{request}SET k smuggled\r\n").as_bytes()).unwrap();
        assert_eq!(client.receive().unwrap(), Some(Reply::Simple(b"PONG".to_vec())));
        client.expect_end();
    }
    let mut client = server.client();
    assert_eq!(client.say("EXISTS k"), ":0");
    assert!(client.say("POSTS").starts_with("-ERR unknown command 'POSTS'"));
}

#[test]
fn a_killed_client_is_disconnected_and_its_later_requests_are_not_executed() {
    let server = start();
    let (mut victim, mut killer) = (server.client(), server.client());
    let id = victim.say("CLIENT ID");
    assert_eq!(killer.say(&format!("CLIENT KILL ID {}", &id[1..])), ":1");
    victim.expect_end();
    assert_eq!(killer.say(&format!("CLIENT KILL ID {}", &id[1..])), ":0");
    assert_eq!(killer.say("CLIENT KILL 127.0.0.1:1"), "-ERR No such client");
    // Oneself: the reply still comes.
    let mut own = server.client();
    let id = own.say("CLIENT ID");
    assert_eq!(own.say(&format!("CLIENT KILL ID {} SKIPME no", &id[1..])), ":1");
    own.expect_end();
}

/// The limit was that of Redis 6, a million; since version 7 Redis takes whatever fits into the query buffer.
#[test]
fn a_request_may_have_millions_of_arguments() {
    let server = start();
    let mut client = server.client();
    assert_eq!(client.say("SET k v"), "+OK");
    let mut words = vec!["DEL"; 1 << 21];
    words.push("k");
    assert_eq!(client.ask(&words), Reply::Integer(1));
}

#[test]
fn the_places_of_arguments_count_as_part_of_an_unfinished_request() {
    let server = start();
    let (mut control, mut client) = (server.client(), server.client());
    assert_eq!(control.say("CONFIG SET client-query-buffer-limit 1mb"), "+OK");
    // 700 KB, and 1.6 MB for where they are.
    let arguments = b"$1\r\nx\r\n".repeat(100_000);
    client.send(&[b"*2000000000\r\n", &arguments[..]].concat()).unwrap();
    client.expect_end();
}

#[test]
fn a_large_value_makes_the_round_trip() {
    let server = start();
    let mut client = server.client();
    let value: Vec<u8> = (0..64 << 20).map(|n: u32| (n ^ n >> 11) as u8).collect();
    assert_eq!(client.ask(&[b"SET", b"large" as &[u8], &value]), Reply::Simple(b"OK".to_vec()));
    assert_eq!(client.say("STRLEN large"), format!(":{}", value.len()));
    // Two at once: the value is shared by both replies, and by a change that comes between.
    client.send(b"GET large\r\nSETRANGE large 0 x\r\nGET large\r\n").unwrap();
    let first = client.receive().unwrap().expect("a reply");
    assert!(first == Reply::Bulk(value.clone()), "the value came back altered");
    assert_eq!(client.receive().unwrap(), Some(Reply::Integer(value.len() as i64)));
    let Some(Reply::Bulk(second)) = client.receive().unwrap() else { panic!("a bulk string") };
    assert!(second[0] == b'x' && second[1..] == value[1..], "only one byte was to change");
}

fn connect_unix(path: &Path) -> SocketConnection<UnixStream> {
    let stream = UnixStream::connect(path).expect("the server accepts on its unix socket");
    SocketConnection::open(stream, Protocol::Resp2).expect("the server answers")
}

#[test]
fn a_unix_socket_serves_like_tcp_and_goes_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let text = path.to_str().unwrap();
    let mut flags = FLAGS.to_vec();
    flags.extend(["--unixsocket", text, "--unixsocketperm", "700"]);
    let server = Sanderling::start(&flags);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let mut client = connect_unix(&path);
    assert_eq!(client.say("SET k v"), "+OK");
    assert_eq!(server.client().say("GET k"), "\"v\"");
    assert!(client.say("CLIENT INFO").contains(&format!("addr={text}:0")));
    drop(server);
    client.expect_end();
    assert!(!path.exists());
}

#[test]
fn a_socket_file_that_nobody_serves_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "as a killed process leaves it");
    let _server = Sanderling::start(&["--save", "", "--unixsocket", path.to_str().unwrap()]);
    assert_eq!(connect_unix(&path).say("PING"), "+PONG");
}

/// A path that somebody set by mistake. The file there was taken for a socket that nobody serves, and removed.
#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "do not lose").unwrap();
    let flags = ["--save", "", "--unixsocket", path.to_str().unwrap()];
    let disk = std::sync::Arc::new(sanderling::persist::disk::SystemDisk);
    let data = tempfile::tempdir().unwrap();
    let started = Sanderling::try_start_on(disk, START_MS, data.path(), &flags);
    assert!(started.is_err_and(|problem| problem.contains("in use")));
    assert_eq!(std::fs::read(&path).unwrap(), b"do not lose");
}
