//! Transfers between accounts, each of which is a key: whoever looks at all of them at once sees the same sum.

use super::peer::Connection;
use super::resp::{self, Reply};
use sanderling::base::random::Random;

/// What each account has in the beginning.
const BEGINNING: i64 = 100;

/// How to transfer.
#[derive(Clone, Copy)]
pub enum Way {
    /// Reads both balances, and writes if they have not changed meanwhile.
    Watching,
    /// Relative changes.
    Counting,
    /// The same with a command that looks at the whole database in between.
    Looking,
}

pub const WAYS: [Way; 3] = [Way::Watching, Way::Counting, Way::Looking];

/// So many accounts. Whatever it asks for is `None` when the server is gone.
pub struct Bank {
    pub accounts: usize,
}

fn account(number: usize) -> String {
    format!("account:{number}")
}

fn ask<W: AsRef<[u8]>>(client: &mut impl Connection, words: &[W]) -> Option<Reply> {
    client.send(&resp::encode(words)).ok()?;
    client.receive().ok()?
}

/// Sends a transaction at once; the reply of its `EXEC`.
fn execute(client: &mut impl Connection, commands: &[Vec<String>]) -> Option<Reply> {
    let mut bytes = resp::encode(&["MULTI"]);
    commands.iter().for_each(|words| bytes.extend(resp::encode(words)));
    bytes.extend(resp::encode(&["EXEC"]));
    client.send(&bytes).ok()?;
    for _ in 0..=commands.len() {
        client.receive().ok()??;
    }
    client.receive().ok()?
}

/// A balance.
pub fn number(reply: &Reply) -> i64 {
    let Reply::Bulk(text) = reply else { panic!("an account has a balance: {reply:?}") };
    String::from_utf8_lossy(text).parse().expect("a balance is a number")
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

impl Bank {
    /// The sum of all accounts at any time.
    pub fn total(&self) -> i64 {
        self.accounts as i64 * BEGINNING
    }

    pub fn open(&self, client: &mut impl Connection) -> Option<Reply> {
        let pairs = (0..self.accounts).flat_map(|n| [account(n), BEGINNING.to_string()]);
        let mset: Vec<String> = [words("MSET"), pairs.collect()].concat();
        ask(client, &mset)
    }

    /// One transfer, tried until nobody was in between.
    pub fn transfer(
        &self,
        client: &mut impl Connection,
        random: &mut Random,
        way: Way,
        done: &str,
    ) -> Option<()> {
        // Some accounts are in demand, so that writers meet there.
        let from = random.below(self.accounts / 100);
        let to = (from + 1 + random.below(self.accounts - 1)) % self.accounts;
        let (from, to, amount) = (account(from), account(to), random.below(20) as i64);
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
                    let (less, more) =
                        (number(&balances[0]) - amount, number(&balances[1]) + amount);
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

    /// The sum of all accounts, seen at once.
    pub fn sum(&self, client: &mut impl Connection, in_halves: bool) -> Option<i64> {
        let all: Vec<String> = (0..self.accounts).map(account).collect();
        let mget = |accounts: &[String]| [&["MGET".to_owned()], accounts].concat();
        let replies = if in_halves {
            let (front, back) = all.split_at(self.accounts / 2);
            match execute(client, &[mget(front), mget(back)])? {
                Reply::Array(replies) => replies,
                other => panic!("reading is refused: {other:?}"),
            }
        } else {
            vec![ask(client, &mget(&all))?]
        };
        let balances = replies.iter().flat_map(|reply| match reply {
            Reply::Array(balances) => balances.iter().map(number),
            other => panic!("MGET has an array: {other:?}"),
        });
        Some(balances.sum())
    }
}
