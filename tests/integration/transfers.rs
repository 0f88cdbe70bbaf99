//! Money between thousands of accounts: whoever looks at all of them at once sees the same sum, whoever
//! transfers how, and a server that is killed knows every transfer that it acknowledged, as a whole.

use crate::support::ask::Ask;
use crate::support::peer::{Connection, Protocol, SocketConnection};
use crate::support::process::{Process, connect};
use crate::support::resp::{self, Reply};
use sanderling::base::random::Random;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tempfile::tempdir;

const ACCOUNTS: usize = 3_000;
const BEGINNING: i64 = 100;
const WRITERS: usize = 6;
const READERS: usize = 2;
/// Killed so often, each time after so many transfers.
const KILLS: usize = 3;
const TRANSFERS: usize = 400;
const FLAGS: [&str; 6] = ["--save", "", "--appendfsync", "always", "--workers", "2"];

type Client = SocketConnection<TcpStream>;

/// How to transfer.
#[derive(Clone, Copy)]
enum Way {
    /// Reads both balances, and writes if they have not changed meanwhile.
    Watching,
    /// Relative changes.
    Counting,
    /// The same with a command that looks at the whole database in between.
    Looking,
}

const WAYS: [Way; 3] = [Way::Watching, Way::Counting, Way::Looking];

fn account(number: usize) -> String {
    format!("account:{number}")
}

/// `None` when the server is gone.
fn ask(client: &mut Client, words: &[&str]) -> Option<Reply> {
    client.send(&resp::encode(words)).ok()?;
    client.receive().ok()?
}

/// Sends a transaction at once; the reply of its `EXEC`.
fn execute(client: &mut Client, commands: &[Vec<String>]) -> Option<Reply> {
    let mut bytes = resp::encode(&["MULTI"]);
    commands.iter().for_each(|words| bytes.extend(resp::encode(words)));
    bytes.extend(resp::encode(&["EXEC"]));
    client.send(&bytes).ok()?;
    for _ in 0..=commands.len() {
        client.receive().ok()??;
    }
    client.receive().ok()?
}

fn number(reply: &Reply) -> i64 {
    let Reply::Bulk(text) = reply else { panic!("an account has a balance: {reply:?}") };
    String::from_utf8_lossy(text).parse().expect("a balance is a number")
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// One transfer, tried until nobody was in between. `None` when the server is gone.
fn transfer(client: &mut Client, random: &mut Random, way: Way, done: &str) -> Option<()> {
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    // Some accounts are in demand, so that writers meet there.
    let from = below(ACCOUNTS / 100);
    let to = (from + 1 + below(ACCOUNTS - 1)) % ACCOUNTS;
    let (from, to, amount) = (account(from), account(to), below(20) as i64);
    let count = words(&format!("INCR {done}"));
    loop {
        let commands = match way {
            Way::Counting => vec![
                words(&format!("DECRBY {from} {amount}")),
                words(&format!("INCRBY {to} {amount}")),
                count.clone(),
            ],
            Way::Looking => vec![
                words(&format!("DECRBY {from} {amount}")),
                words("DBSIZE"),
                count.clone(),
                words(&format!("INCRBY {to} {amount}")),
            ],
            Way::Watching => {
                ask(client, &["WATCH", &from, &to])?;
                let Reply::Array(balances) = ask(client, &["MGET", &from, &to])? else {
                    panic!("MGET has an array");
                };
                let (less, more) = (number(&balances[0]) - amount, number(&balances[1]) + amount);
                vec![
                    count.clone(),
                    words(&format!("SET {from} {less}")),
                    words(&format!("SET {to} {more}")),
                ]
            }
        };
        match execute(client, &commands)? {
            Reply::Array(_) => return Some(()),
            // Somebody was in between.
            Reply::NilArray => {}
            other => panic!("a transfer is refused: {other:?}"),
        }
    }
}

/// The sum of all accounts, seen at once. `None` when the server is gone.
fn sum(client: &mut Client, in_halves: bool) -> Option<i64> {
    let all: Vec<String> = (0..ACCOUNTS).map(account).collect();
    let mget = |accounts: &[String]| [&["MGET".to_owned()], accounts].concat();
    let replies = if in_halves {
        let (front, back) = all.split_at(ACCOUNTS / 2);
        match execute(client, &[mget(front), mget(back)])? {
            Reply::Array(replies) => replies,
            other => panic!("reading is refused: {other:?}"),
        }
    } else {
        client.send(&resp::encode(&mget(&all))).ok()?;
        vec![client.receive().ok()??]
    };
    let balances = replies.iter().flat_map(|reply| match reply {
        Reply::Array(balances) => balances.iter().map(number),
        other => panic!("MGET has an array: {other:?}"),
    });
    Some(balances.sum())
}

fn open(port: u16) -> Client {
    let stream = connect(port).expect("the server accepts");
    stream.set_nodelay(true).expect("the socket takes options");
    SocketConnection::open(stream, Protocol::Resp2).expect("the server answers")
}

#[test]
fn the_sum_of_all_accounts_is_the_same_for_every_reader_and_after_every_kill() {
    let directory = tempdir().unwrap();
    let acknowledged: Vec<AtomicUsize> = (0..WRITERS).map(|_| AtomicUsize::new(0)).collect();
    for round in 0..KILLS {
        let server = Process::start(directory.path(), &FLAGS);
        let mut client = server.client();
        if round == 0 {
            let pairs = (0..ACCOUNTS).flat_map(|n| [account(n), BEGINNING.to_string()]);
            let mset: Vec<String> = [words("MSET"), pairs.collect()].concat();
            assert_eq!(client.ask(&mset), Reply::Simple(b"OK".to_vec()));
        }
        let before: usize = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).sum();
        let port = server.port;
        thread::scope(|scope| {
            for (writer, count) in acknowledged.iter().enumerate() {
                scope.spawn(move || write(open(port), round, writer, count));
            }
            for reader in 0..READERS {
                scope.spawn(move || read(open(port), reader == 0));
            }
            let so_far = || acknowledged.iter().map(|count| count.load(Ordering::SeqCst));
            while so_far().sum::<usize>() < before + TRANSFERS {
                thread::yield_now();
            }
            server.kill();
        });
        check(directory.path(), &acknowledged);
    }
}

/// Transfers until the server is gone.
fn write(mut client: Client, round: usize, writer: usize, acknowledged: &AtomicUsize) {
    let mut random = Random::seeded((round * WRITERS + writer) as u64);
    let done = format!("done:{writer}");
    while transfer(&mut client, &mut random, WAYS[writer % WAYS.len()], &done).is_some() {
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// Looks until the server is gone.
fn read(mut client: Client, in_halves: bool) {
    while let Some(sum) = sum(&mut client, in_halves) {
        assert_eq!(sum, ACCOUNTS as i64 * BEGINNING, "somebody saw half of a transfer");
    }
}

/// After a kill: nothing by halves, nothing acknowledged lost, at most one more of each.
fn check(directory: &std::path::Path, acknowledged: &[AtomicUsize]) {
    let server = Process::start(directory, &FLAGS);
    let mut client = server.client();
    assert_eq!(sum(&mut client, false), Some(ACCOUNTS as i64 * BEGINNING));
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
