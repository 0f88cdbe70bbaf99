//! Queues of four types: what is put in comes out once, whoever waits for it, and a kill loses no more than what was
//! just being handed over.

use super::Reply;
use super::epoch::{Epoch, Gone, Line, Member, Run};
use crate::support::patience::PATIENCE;
use crate::support::peer::Protocol;
use crate::support::resp;
use sanderling::base::random::Random;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Consumers of each queue.
const CONSUMERS: usize = 2;
/// Beyond so many in a queue, the producer waits for its consumers.
const BACKLOG_MAX: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// `BLPOP`. What is taken when the server is killed is lost.
    Pop,
    /// `BZPOPMIN`, likewise.
    Sorted,
    /// `BLMOVE` into a list of the consumer's own, where it finds again what it had.
    Move,
    /// `XREADGROUP`; what is not acknowledged is found again.
    Stream,
}

const KINDS: [Kind; 4] = [Kind::Pop, Kind::Sorted, Kind::Move, Kind::Stream];

/// What is known of one queue.
#[derive(Default)]
struct Ledger {
    next: u64,
    /// Sent to the server.
    made: HashSet<u64>,
    /// And acknowledged.
    acknowledged: HashSet<u64>,
    taken: HashSet<u64>,
    /// Consumers that asked and got no answer.
    unanswered: usize,
}

type Shared = Arc<Mutex<Ledger>>;

pub fn members() -> Vec<Box<dyn Member>> {
    let ledgers: [Shared; 4] = Default::default();
    let mut members: Vec<Box<dyn Member>> = vec![Box::new(Producer { ledgers: ledgers.clone() })];
    for (kind, ledger) in KINDS.into_iter().zip(&ledgers) {
        for number in 0..CONSUMERS {
            let (ledger, held) = (Arc::clone(ledger), HashSet::new());
            members.push(Box::new(Consumer { kind, number, ledger, held }));
        }
    }
    members.push(Box::new(Auditor { ledgers }));
    members
}

struct Producer {
    ledgers: [Shared; 4],
}

impl Member for Producer {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        let reply = line.say("XGROUP CREATE stream workers 0 MKSTREAM")?;
        assert!(reply == "+OK" || reply.starts_with("-BUSYGROUP"), "{reply}");
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut random = Random::seeded(epoch.seed_of(100));
        let mut line = epoch.connect(Protocol::Resp2)?;
        while !epoch.is_over() {
            let at = random.below(KINDS.len());
            let ids = {
                let mut ledger = self.ledgers[at].lock().unwrap();
                if ledger.made.len() - ledger.taken.len() > BACKLOG_MAX {
                    drop(ledger);
                    epoch.rest(Duration::from_millis(5));
                    continue;
                }
                let ids: Vec<u64> =
                    (0..1 + random.below(4) as u64).map(|n| ledger.next + n).collect();
                ledger.next += ids.len() as u64;
                ledger.made.extend(&ids);
                ids
            };
            let words = put(KINDS[at], &ids, &mut random);
            let reply = line.ask(&words)?;
            let is_error = matches!(reply, Reply::Error(_));
            assert!(!is_error, "{}: {words:?}: {}", epoch.place(), resp::render(&reply));
            self.ledgers[at].lock().unwrap().acknowledged.extend(&ids);
            if random.below(20) == 0 {
                // Long enough for consumers to find nothing.
                epoch.rest(Duration::from_millis(10));
            }
        }
        Ok(())
    }
}

/// The command that puts these into a queue. A stream takes one at a time, and has no `XADD` for more.
fn put(kind: Kind, ids: &[u64], random: &mut Random) -> Vec<String> {
    let texts: Vec<String> = ids.iter().map(u64::to_string).collect();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let end = if random.below(2) == 0 { "LPUSH" } else { "RPUSH" };
    match kind {
        Kind::Pop => [words(&format!("{end} pop:{}", random.below(2))), texts].concat(),
        Kind::Move => [words(&format!("{end} move")), texts].concat(),
        Kind::Sorted => {
            let pairs = texts.into_iter().flat_map(|text| [random.below(9).to_string(), text]);
            [words("ZADD sorted"), pairs.collect()].concat()
        }
        Kind::Stream => {
            let pairs = texts.into_iter().flat_map(|text| ["id".to_owned(), text]);
            [words("XADD stream *"), pairs.collect()].concat()
        }
    }
}

struct Consumer {
    kind: Kind,
    number: usize,
    ledger: Shared,
    /// What it has and has not put away yet.
    held: HashSet<u64>,
}

impl Consumer {
    /// Waits for the next; what it got, and by which name it puts that away.
    fn take(&self, line: &mut Line<'_>) -> Result<Vec<(String, Vec<u64>)>, Gone> {
        let number = self.number;
        let reply = line.ask(&match self.kind {
            Kind::Pop => words(&format!("BLPOP pop:{number} pop:{} 0.3", 1 - number)),
            Kind::Sorted => words("BZPOPMIN sorted 0.3"),
            Kind::Move => words(&format!("BLMOVE move hand:{number} LEFT RIGHT 0.3")),
            Kind::Stream => words(&format!(
                "XREADGROUP GROUP workers w{number} COUNT 3 BLOCK 300 STREAMS stream >"
            )),
        })?;
        Ok(match (self.kind, &reply) {
            (_, Reply::NilArray) => Vec::new(),
            (Kind::Move, Reply::Nil) => Vec::new(),
            (Kind::Move, one) => vec![(text(one), vec![id(one)])],
            (Kind::Stream, Reply::Array(keys)) => entries(items(&items(&keys[0])[1])),
            (_, Reply::Array(parts)) => vec![(text(&parts[1]), vec![id(&parts[1])])],
            (kind, other) => panic!("{kind:?} has {other:?}"),
        })
    }

    fn note(&mut self, epoch: &Epoch<'_>, ids: &[u64]) {
        let mut ledger = self.ledger.lock().unwrap();
        for one in ids {
            let place = epoch.place();
            assert!(
                ledger.made.contains(one),
                "{place}: nobody has put {one} into {:?}",
                self.kind
            );
            assert!(ledger.taken.insert(*one), "{place}: {one} of {:?} came twice", self.kind);
        }
        self.held.extend(ids);
    }

    fn put_away(&mut self, line: &mut Line<'_>, name: &str, ids: &[u64]) -> Run {
        match self.kind {
            Kind::Pop | Kind::Sorted => {}
            Kind::Move => line.expect(&format!("LREM hand:{} 1 {name}", self.number), ":1")?,
            Kind::Stream => {
                for queued in [
                    "MULTI",
                    &format!("XACK stream workers {name}"),
                    &format!("XDEL stream {name}"),
                ] {
                    line.say(queued)?;
                }
                line.expect("EXEC", "[ :1, :1 ]")?;
            }
        }
        self.held.retain(|one| !ids.contains(one));
        Ok(())
    }

    /// What it had in its hands when the server was killed.
    fn found(&self, line: &mut Line<'_>) -> Result<Vec<(String, Vec<u64>)>, Gone> {
        let number = self.number;
        Ok(match self.kind {
            Kind::Pop | Kind::Sorted => Vec::new(),
            Kind::Move => {
                let reply = line.ask(&words(&format!("LRANGE hand:{number} 0 -1")))?;
                items(&reply).iter().map(|one| (text(one), vec![id(one)])).collect()
            }
            Kind::Stream => {
                let again = format!("XREADGROUP GROUP workers w{number} STREAMS stream 0");
                let reply = line.ask(&words(&again))?;
                entries(items(&items(&items(&reply)[0])[1]))
            }
        })
    }
}

impl Member for Consumer {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        for (name, ids) in self.found(&mut line)? {
            // It had it before and may not have put it away, or it hears of it only now.
            if !ids.iter().all(|one| self.held.contains(one)) {
                self.note(epoch, &ids);
            }
            self.put_away(&mut line, &name, &ids)?;
        }
        self.held.clear();
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        while !epoch.is_over() {
            let taken = match self.take(&mut line) {
                Ok(taken) => taken,
                Err(gone) => {
                    self.ledger.lock().unwrap().unanswered += 1;
                    return Err(gone);
                }
            };
            for (name, ids) in taken {
                self.note(epoch, &ids);
                epoch.tally.add("taken from queues", ids.len() as u64);
                self.put_away(&mut line, &name, &ids)?;
            }
        }
        Ok(())
    }
}

struct Auditor {
    ledgers: [Shared; 4],
}

impl Auditor {
    /// What is in a queue.
    fn remaining(line: &mut Line<'_>, kind: Kind) -> Result<Vec<u64>, Gone> {
        let lines: &[&str] = match kind {
            Kind::Pop => &["LRANGE pop:0 0 -1", "LRANGE pop:1 0 -1"],
            Kind::Sorted => &["ZRANGE sorted 0 -1"],
            Kind::Move => &["LRANGE move 0 -1"],
            Kind::Stream => &["XRANGE stream - +"],
        };
        let mut remaining = Vec::new();
        for one in lines {
            let reply = line.ask(&words(one))?;
            if kind == Kind::Stream {
                remaining.extend(entries(items(&reply)).into_iter().flat_map(|(_, ids)| ids));
            } else {
                remaining.extend(items(&reply).iter().map(id));
            }
        }
        Ok(remaining)
    }

    fn check(epoch: &Epoch<'_>, kind: Kind, ledger: &mut Ledger, remaining: &[u64]) {
        let place = format!("{}: {kind:?}", epoch.place());
        let there: HashSet<u64> = remaining.iter().copied().collect();
        assert_eq!(there.len(), remaining.len(), "{place}: something is there twice");
        assert!(there.is_subset(&ledger.made), "{place}: something was never put in");
        let back: Vec<_> = there.intersection(&ledger.taken).collect();
        assert!(back.is_empty(), "{place}: {back:?} were taken and are there again");
        let known: HashSet<u64> = &there | &ledger.taken;
        let lost: Vec<_> = ledger.acknowledged.difference(&known).collect();
        let may_lose = matches!(kind, Kind::Pop | Kind::Sorted);
        let most = if may_lose { ledger.unanswered } else { 0 };
        assert!(
            lost.len() <= most,
            "{place}: {lost:?} are lost, and at most {most} were on their way"
        );
        // What is not there by now must never come.
        ledger.taken = &ledger.made - &there;
        ledger.acknowledged.clone_from(&ledger.made);
        ledger.unanswered = 0;
    }
}

impl Member for Auditor {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut line = epoch.connect(Protocol::Resp2)?;
        for (kind, ledger) in KINDS.into_iter().zip(&self.ledgers) {
            let remaining = Self::remaining(&mut line, kind)?;
            Self::check(epoch, kind, &mut ledger.lock().unwrap(), &remaining);
        }
        Ok(())
    }

    /// Sees to it that nobody is stuck: queues become shorter while consumers are there.
    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let counts = || {
            self.ledgers.iter().map(|ledger| ledger.lock().unwrap().taken.len()).collect::<Vec<_>>()
        };
        let mut before = counts();
        let mut since = Instant::now();
        while !epoch.is_over() {
            epoch.rest(Duration::from_millis(100));
            let now = counts();
            if now.iter().zip(&before).all(|(now, before)| now > before) {
                (before, since) = (now, Instant::now());
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{}: a queue stands still: {before:?}",
                epoch.place()
            );
        }
        Ok(())
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn items(reply: &Reply) -> &[Reply] {
    let Reply::Array(items) = reply else { panic!("{reply:?} is no array") };
    items
}

fn text(reply: &Reply) -> String {
    let Reply::Bulk(text) = reply else { panic!("{reply:?} is no string") };
    String::from_utf8_lossy(text).into_owned()
}

fn id(reply: &Reply) -> u64 {
    text(reply).parse().expect("elements are numbers")
}

/// Entries of a stream, with the numbers in their fields.
fn entries(entries: &[Reply]) -> Vec<(String, Vec<u64>)> {
    let ids = |fields: &[Reply]| fields.iter().skip(1).step_by(2).map(id).collect();
    entries.iter().map(|entry| (text(&items(entry)[0]), ids(items(&items(entry)[1])))).collect()
}
