//! Crowds of clients that want nothing but the server's memory. It goes on serving others within its limits, and has
//! everything back when they are gone.
//!
//! Both ends are in this process, so there are as many of them as the limit of open files allows, up to [`CROWD`];
//! `cargo bench --bench versus -- siege` does the same with ten thousand and two processes.

use crate::support::ask::Ask;
use crate::support::patience::eventually;
use crate::support::peer::Connection;
use crate::support::resp;
use crate::support::sanderling::Sanderling;
use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

const CROWD: usize = 2_000;
/// Descriptors for everything else that goes on in this process.
const OTHERS: u64 = 1_000;

/// How many connections the system allows, after the limit was raised as far as possible.
fn crowd() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("everybody may open as many files as allowed");
    let allowed = limit.current.unwrap_or(u64::MAX).saturating_sub(OTHERS) / 2;
    CROWD.min(allowed as usize)
}

fn start(flags: &[&str]) -> Sanderling {
    let mut all = vec!["--save", "", "--appendonly", "no", "--workers", "2"];
    all.extend_from_slice(flags);
    Sanderling::start(&all)
}

/// A connection for which the kernel keeps little of what it does not read.
fn connect(server: &Sanderling) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    socket.set_recv_buffer_size(4096).expect("the kernel takes a hint");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    socket.connect(&address.into()).expect("the server accepts");
    socket.into()
}

/// The server has as many clients as this, and counts nothing for those that are gone.
fn await_calm(server: &Sanderling, control: &mut impl Connection, clients: usize) {
    control.await_clients(clients);
    eventually("nothing is counted for those that are gone", || {
        server.engine().clients.memory.total_bytes() < clients * 10_000
    });
}

#[test]
fn a_crowd_that_sends_half_a_frame_each_keeps_nobody_from_being_served() {
    let server = start(&[]);
    let mut control = server.client();
    let size = crowd();
    let half = [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n"[..], &[b'x'; 5_000]].concat();
    let mut streams: Vec<TcpStream> = Vec::with_capacity(size);
    for _ in 0..size {
        let mut stream = connect(&server);
        stream.write_all(&half).unwrap();
        streams.push(stream);
    }
    let memory = &server.engine().clients.memory;
    eventually("all halves have arrived", || memory.own_bytes() >= size * 5_000);
    assert!(memory.own_bytes() <= size * 20_000, "{} bytes", memory.own_bytes());
    assert_eq!(control.say("SET other v"), "+OK");
    assert_eq!(control.say("GET other"), "\"v\"");
    assert_eq!(control.say("EXISTS k"), ":0");
    // A limit for all of them sends most away, and who works goes on working.
    assert_eq!(control.say("CLIENT NO-EVICT ON"), "+OK");
    assert_eq!(control.say("CONFIG SET maxmemory-clients 1mb"), "+OK");
    eventually("most have been sent away", || memory.total_bytes() < 1 << 20);
    assert!(server.engine().clients.len() <= 1 + (1 << 20) / 5_000);
    drop(streams);
    await_calm(&server, &mut control, 1);
    assert_eq!(control.say("GET other"), "\"v\"");
}

#[test]
fn a_crowd_that_never_reads_its_replies_takes_no_more_than_clients_may_take_together() {
    const LIMIT: usize = 32 << 20;
    /// What workers may add before they look, and what of those that were sent away is not closed yet.
    const SLACK: usize = 128 << 20;
    let server = start(&["--maxmemory-clients", "32mb"]);
    let mut control = server.client();
    assert_eq!(control.say("CLIENT NO-EVICT ON"), "+OK");
    let value = "x".repeat(50_000);
    assert_eq!(resp::render(&control.ask(&["SET", "large", &value])), "+OK");
    let size = crowd() / 2;
    let memory = &server.engine().clients.memory;
    let mut streams: Vec<TcpStream> = Vec::with_capacity(size);
    for n in 0..size {
        let mut stream = connect(&server);
        // Half of them get shared payloads, half of them their own copies.
        let request: &[u8] = if n % 2 == 0 { b"GET large\r\n" } else { b"GETRANGE large 1 -1\r\n" };
        // The server may have sent it away already.
        let _ = stream.write_all(&request.repeat(40));
        streams.push(stream);
        if n % 50 == 0 {
            assert_eq!(control.say("PING"), "+PONG");
            assert!(memory.total_bytes() <= LIMIT + SLACK, "{} bytes", memory.total_bytes());
        }
    }
    control.say_until("INFO stats", |stats| !stats.contains("evicted_clients:0\\r"));
    eventually("clients take what they may", || memory.total_bytes() < LIMIT);
    drop(streams);
    await_calm(&server, &mut control, 1);
    assert_eq!(control.say("STRLEN large"), ":50000");
}

#[test]
fn a_crowd_that_never_reads_is_sent_away_one_by_one_at_the_limit_of_each() {
    let server = start(&["--client-output-buffer-limit", "normal 256kb 0 0"]);
    let mut control = server.client();
    let value = "x".repeat(50_000);
    assert_eq!(resp::render(&control.ask(&["SET", "large", &value])), "+OK");
    let size = crowd() / 4;
    let mut streams = Vec::with_capacity(size);
    for _ in 0..size {
        let mut stream = connect(&server);
        let _ = stream.write_all(&b"GETRANGE large 1 -1\r\n".repeat(100));
        streams.push(stream);
    }
    await_calm(&server, &mut control, 1);
    assert_eq!(control.info("client_output_buffer_limit_disconnections"), size.to_string());
}
