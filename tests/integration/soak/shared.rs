//! Keys that everybody changes: counters, of which no increment is lost, and accounts, whose sum stays the same.

use super::Reply;
use super::epoch::{Epoch, Member, Run};
use crate::support::peer::Protocol;
use crate::support::transfers::{Bank, WAYS, Way};
use sanderling::base::random::Random;
use std::sync::{Arc, Mutex};

const ADDERS: usize = 3;
const BANK: Bank = Bank { accounts: 500 };

pub fn members() -> Vec<Box<dyn Member>> {
    let sums: Arc<[Mutex<Sum>; 3]> = Arc::default();
    let mut members: Vec<Box<dyn Member>> = vec![Box::new(Reader { sums: Arc::clone(&sums) })];
    for number in 0..ADDERS {
        members.push(Box::new(Adder { number, sums: Arc::clone(&sums) }));
    }
    for (number, way) in WAYS.into_iter().enumerate() {
        let (acknowledged, unanswered) = (0, false);
        members.push(Box::new(Clerk { number, way, acknowledged, unanswered }));
    }
    members
}

/// What one counter must be: between the first, and the first and the second.
#[derive(Default)]
struct Sum {
    acknowledged: i64,
    unanswered: i64,
}

fn increment(counter: usize, by: i64) -> [String; 4] {
    let [name, key, field, by] = match counter {
        0 => ["INCRBY".to_owned(), "sum".to_owned(), by.to_string(), String::new()],
        1 => ["HINCRBY".to_owned(), "sums".to_owned(), "field".to_owned(), by.to_string()],
        _ => ["ZINCRBY".to_owned(), "ranking".to_owned(), by.to_string(), "member".to_owned()],
    };
    [name, key, field, by]
}

const READS: [&str; 3] = ["GET sum", "HGET sums field", "ZSCORE ranking member"];

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(number) => *number,
        Reply::Nil => 0,
        Reply::Bulk(text) => String::from_utf8_lossy(text).parse().expect("a counter is a number"),
        other => panic!("{other:?} is no number"),
    }
}

/// Adds to counters to which others add as well.
struct Adder {
    number: usize,
    sums: Arc<[Mutex<Sum>; 3]>,
}

impl Member for Adder {
    fn recover(&mut self, _: &Epoch<'_>) -> Run {
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut random = Random::seeded(epoch.seed_of(200 + self.number));
        let mut line = epoch.connect(Protocol::Resp2)?;
        let mut last = [0; 3];
        while !epoch.is_over() {
            let (counter, by) = (random.below(last.len()), 1 + random.below(9) as i64);
            let words = increment(counter, by);
            let words: Vec<&String> = words.iter().filter(|word| !word.is_empty()).collect();
            self.sums[counter].lock().unwrap().unanswered += by;
            let seen = number(&line.ask(&words)?);
            assert!(seen >= last[counter] + by, "{}: {words:?} went back to {seen}", epoch.place());
            last[counter] = seen;
            let mut sum = self.sums[counter].lock().unwrap();
            sum.unanswered -= by;
            sum.acknowledged += by;
        }
        Ok(())
    }
}

/// Looks at the sums of counters after a start, and at that of accounts all the time.
struct Reader {
    sums: Arc<[Mutex<Sum>; 3]>,
}

impl Member for Reader {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        for (read, sum) in READS.into_iter().zip(self.sums.iter()) {
            let found = number(&line.ask(&read.split(' ').collect::<Vec<_>>())?);
            let mut sum = sum.lock().unwrap();
            let most = sum.acknowledged + sum.unanswered;
            assert!(
                (sum.acknowledged..=most).contains(&found),
                "{}: {read} is {found}, and should be from {} to {most}",
                epoch.place(),
                sum.acknowledged,
            );
            *sum = Sum { acknowledged: found, unanswered: 0 };
        }
        if line.say("EXISTS account:0")? == ":0" {
            assert_eq!(epoch.number, 0, "{}: the accounts are gone", epoch.place());
            BANK.open(&mut line.connection).expect("nobody ends the server now");
        }
        let sum = BANK.sum(&mut line.connection, false);
        assert_eq!(sum, Some(BANK.total()), "{}: the sum of all accounts", epoch.place());
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        let mut in_halves = false;
        while !epoch.is_over() {
            let Some(sum) = BANK.sum(&mut line.connection, in_halves) else {
                return Err(epoch.lost());
            };
            assert_eq!(sum, BANK.total(), "{}: somebody saw half of a transfer", epoch.place());
            in_halves = !in_halves;
        }
        Ok(())
    }
}

/// Transfers between accounts.
struct Clerk {
    number: usize,
    way: Way,
    acknowledged: i64,
    /// Whether one more was under way.
    unanswered: bool,
}

impl Clerk {
    fn done(&self) -> String {
        format!("done:{}", self.number)
    }
}

impl Member for Clerk {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        let found = number(&line.ask(&["GET", &self.done()])?);
        let most = self.acknowledged + i64::from(self.unanswered);
        assert!(
            (self.acknowledged..=most).contains(&found),
            "{}: {found} transfers are there, and should be {} to {most}",
            epoch.place(),
            self.acknowledged,
        );
        (self.acknowledged, self.unanswered) = (found, false);
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut random = Random::seeded(epoch.seed_of(300 + self.number));
        let mut line = epoch.connect(Protocol::Resp2)?;
        while !epoch.is_over() {
            if BANK.transfer(&mut line.connection, &mut random, self.way, &self.done()).is_none() {
                self.unanswered = true;
                return Err(epoch.lost());
            }
            self.acknowledged += 1;
            epoch.tally.add("transfers", 1);
        }
        Ok(())
    }
}
