//! Money between thousands of accounts: whoever looks at all of them at once sees the same sum, whoever
//! transfers how, and a server that is killed knows every transfer that it acknowledged, as a whole.

use crate::support::ask::Ask;
use crate::support::patience::eventually;
use crate::support::peer::SocketConnection;
use crate::support::process::{self, Process};
use crate::support::resp::Reply;
use crate::support::transfers::{Bank, WAYS, number};
use sanderling::base::random::Random;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tempfile::tempdir;

const ACCOUNTS: usize = 3_000;
const WRITERS: usize = 6;
const READERS: usize = 2;
/// Killed so often, each time after so many transfers.
const KILLS: usize = 3;
const TRANSFERS: usize = 400;
const FLAGS: [&str; 6] = ["--save", "", "--appendfsync", "always", "--workers", "2"];

type Client = SocketConnection<TcpStream>;

const BANK: Bank = Bank { accounts: ACCOUNTS };

#[test]
fn the_sum_of_all_accounts_is_the_same_for_every_reader_and_after_every_kill() {
    let directory = tempdir().unwrap();
    let acknowledged: Vec<AtomicUsize> = (0..WRITERS).map(|_| AtomicUsize::new(0)).collect();
    for round in 0..KILLS {
        let server = Process::start(directory.path(), &FLAGS);
        let mut client = server.client();
        if round == 0 {
            assert_eq!(BANK.open(&mut client), Some(Reply::Simple(b"OK".to_vec())));
        }
        let before: usize = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).sum();
        let port = server.port;
        thread::scope(|scope| {
            for (writer, count) in acknowledged.iter().enumerate() {
                scope.spawn(move || write(process::client(port), round, writer, count));
            }
            for reader in 0..READERS {
                scope.spawn(move || read(process::client(port), reader == 0));
            }
            let so_far = || acknowledged.iter().map(|count| count.load(Ordering::SeqCst));
            eventually("writers transfer", || so_far().sum::<usize>() >= before + TRANSFERS);
            server.kill();
        });
        check(directory.path(), &acknowledged);
    }
}

/// Transfers until the server is gone.
fn write(mut client: Client, round: usize, writer: usize, acknowledged: &AtomicUsize) {
    let mut random = Random::seeded((round * WRITERS + writer) as u64);
    let done = format!("done:{writer}");
    while BANK.transfer(&mut client, &mut random, WAYS[writer % WAYS.len()], &done).is_some() {
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// Looks until the server is gone.
fn read(mut client: Client, in_halves: bool) {
    while let Some(sum) = BANK.sum(&mut client, in_halves) {
        assert_eq!(sum, BANK.total(), "somebody saw half of a transfer");
    }
}

/// After a kill: nothing by halves, nothing acknowledged lost, at most one more of each.
fn check(directory: &std::path::Path, acknowledged: &[AtomicUsize]) {
    let server = Process::start(directory, &FLAGS);
    let mut client = server.client();
    assert_eq!(BANK.sum(&mut client, false), Some(BANK.total()));
    for (writer, count) in acknowledged.iter().enumerate() {
        let done = match client.ask(&["GET", &format!("done:{writer}")]) {
            Reply::Nil => 0,
            reply => number(&reply) as usize,
        };
        let told = count.load(Ordering::SeqCst);
        assert!(
            (told..=told + 1).contains(&done),
            "writer {writer} was told of {told} transfers, and {done} are there"
        );
        // The one that nobody was told of counts from now on.
        count.store(done, Ordering::SeqCst);
    }
}
