//! Keys that expire soon and, where memory is limited, may be evicted at any time. If one is there it has the value that
//! was written last; once it was found gone it does not come back; and without a limit none goes before its time.

use super::Reply;
use super::epoch::{Epoch, Line, Member, Run};
use super::model::{SLACK_MS, Window};
use crate::support::data::now_ms;
use crate::support::peer::Protocol;
use crate::support::resp;
use sanderling::base::random::Random;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const DATABASE: &str = "SELECT 5";
const KEYS: usize = 12_000;
const BATCH: usize = 100;
/// What volatile keys may take where memory is limited: a quarter of what they would.
const ROOM: u64 = 6 << 20;
/// About what one takes.
const KEY_BYTES: u64 = 2_200;
/// The limit is set anew once in so many batches.
const BATCHES: usize = 8;

/// One that may be in a key.
#[derive(Clone, Copy)]
struct Version {
    number: u64,
    /// Since its deadline counts from when the server looked.
    earliest_ms: i64,
    latest_ms: i64,
}

/// What is known of a key.
#[derive(Clone, Default)]
struct Known {
    /// Several, if writing it was not answered.
    versions: Vec<Version>,
    may_be_gone: bool,
}

/// What was sent.
enum Sent {
    Set { key: usize, number: u64, ttl_ms: i64 },
    Get { key: usize },
}

/// See the module's description.
#[derive(Default)]
pub struct Volatile {
    known: BTreeMap<usize, Known>,
    /// Found gone; but what removed them may not be durable when the server is killed.
    gone: BTreeSet<usize>,
    versions: u64,
    was_tight: bool,
    batches: usize,
    evicted: u64,
}

fn name(key: usize) -> String {
    format!("v:{key}")
}

fn value(key: usize, number: u64) -> String {
    let len = 500 + (key * 7919 + number as usize * 104_729) % 3_000;
    format!("{key}:{number}:{}", "v".repeat(len))
}

impl Volatile {
    fn draw(&mut self, random: &mut Random, is_tight: bool) -> Sent {
        if random.below(10) < 3 {
            return Sent::Get { key: random.below(KEYS) };
        }
        self.draw_set(random, is_tight)
    }

    fn draw_set(&mut self, random: &mut Random, is_tight: bool) -> Sent {
        let key = random.below(KEYS);
        self.versions += 1;
        let ttl_ms = 20 + random.below(if is_tight { 60_000 } else { 2_000 }) as i64;
        Sent::Set { key, number: self.versions, ttl_ms }
    }

    fn run(&mut self, epoch: &Epoch<'_>, line: &mut Line<'_>, batch: Vec<Sent>) -> Run {
        let bytes: Vec<u8> = batch.iter().flat_map(bytes).collect();
        let from_ms = now_ms();
        let mut outcome = line.send(&bytes);
        let mut batch = VecDeque::from(batch);
        while outcome.is_ok()
            && let Some(sent) = batch.front()
        {
            match line.receive() {
                Ok(reply) => {
                    let window = Window { from_ms, to_ms: now_ms() };
                    self.check(epoch, sent, &reply, window);
                    batch.pop_front();
                }
                Err(gone) => outcome = Err(gone),
            }
        }
        let window = Window { from_ms, to_ms: now_ms() };
        for sent in batch {
            // It may have been done.
            if let Sent::Set { key, number, ttl_ms } = sent {
                let known = self
                    .known
                    .entry(key)
                    .or_insert_with(|| Known { may_be_gone: true, ..Known::default() });
                known.versions.push(version(number, ttl_ms, window));
            }
        }
        outcome
    }

    fn check(&mut self, epoch: &Epoch<'_>, sent: &Sent, reply: &Reply, window: Window) {
        match (sent, reply) {
            (Sent::Set { key, number, ttl_ms }, Reply::Simple(_)) => {
                let versions = vec![version(*number, *ttl_ms, window)];
                self.known.insert(*key, Known { versions, may_be_gone: false });
                self.gone.remove(key);
            }
            (Sent::Get { key }, Reply::Nil) => {
                let Some(known) = self.known.remove(key) else { return };
                let may_be_gone = known.may_be_gone
                    || epoch.is_tight
                    || known.versions.iter().any(|version| window.to_ms >= version.earliest_ms);
                assert!(may_be_gone, "{}: {} is gone before its time", epoch.place(), name(*key));
                self.gone.insert(*key);
            }
            (Sent::Get { key }, Reply::Bulk(found)) => {
                let known = self.known.get_mut(key);
                let known =
                    known.unwrap_or_else(|| panic!("{}: {} is back", epoch.place(), name(*key)));
                let is_it = |version: &Version| {
                    value(*key, version.number).as_bytes() == found
                        && window.from_ms < version.latest_ms + SLACK_MS
                };
                known.versions.retain(is_it);
                known.may_be_gone = false;
                let has_one = !known.versions.is_empty();
                let place = epoch.place();
                assert!(
                    has_one,
                    "{place}: {} has a wrong value or is late: {:.40?}",
                    name(*key),
                    found.escape_ascii().to_string()
                );
            }
            (_, other) => panic!("{}: {}", epoch.place(), resp::render(other)),
        }
    }

    /// Sets the limit so that what does not expire has its place beside [`ROOM`].
    fn limit(&mut self, epoch: &Epoch<'_>, line: &mut Line<'_>) -> Run {
        let keys: u64 = line.say("DBSIZE")?.trim_start_matches(':').parse().expect("a number");
        let used = line.info("used_memory")?;
        let limit = used.saturating_sub(keys * KEY_BYTES) + ROOM;
        line.expect(&format!("CONFIG SET maxmemory {limit}"), "+OK")?;
        let evicted = line.info("evicted_keys")?;
        epoch.tally.add("evicted", evicted - self.evicted);
        self.evicted = evicted;
        Ok(())
    }
}

fn version(number: u64, ttl_ms: i64, window: Window) -> Version {
    let (earliest_ms, latest_ms) = (window.from_ms + ttl_ms - SLACK_MS, window.to_ms + ttl_ms);
    Version { number, earliest_ms, latest_ms }
}

fn bytes(sent: &Sent) -> Vec<u8> {
    match sent {
        Sent::Get { key } => resp::encode(&["GET", &name(*key)]),
        Sent::Set { key, number, ttl_ms } => {
            resp::encode(&["SET", &name(*key), &value(*key, *number), "PX", &ttl_ms.to_string()])
        }
    }
}

impl Member for Volatile {
    fn recover(&mut self, epoch: &Epoch<'_>) -> Run {
        if self.was_tight {
            self.known.values_mut().for_each(|known| known.may_be_gone = true);
        }
        let mut line = epoch.connect(Protocol::Resp2)?;
        line.expect(DATABASE, "+OK")?;
        // Those that were found gone may be back; whichever are, go for good.
        for key in std::mem::take(&mut self.gone) {
            line.send(&resp::encode(&["DEL", &name(key)]))?;
            line.receive()?;
        }
        let keys: Vec<usize> = self.known.keys().copied().collect();
        for keys in keys.chunks(5 * BATCH) {
            let batch = keys.iter().map(|key| Sent::Get { key: *key }).collect();
            self.run(epoch, &mut line, batch)?;
        }
        self.was_tight = epoch.is_tight;
        self.evicted = 0;
        if epoch.is_tight {
            self.limit(epoch, &mut line)?;
        }
        Ok(())
    }

    fn work(&mut self, epoch: &Epoch<'_>) -> Run {
        let mut random = Random::seeded(epoch.seed_of(500));
        let mut line = epoch.connect(Protocol::Resp2)?;
        line.expect(DATABASE, "+OK")?;
        // What a short run must not do without: until something was evicted, it only writes.
        while epoch.is_tight && self.evicted == 0 && !epoch.is_over() {
            let batch = (0..5 * BATCH).map(|_| self.draw_set(&mut random, true)).collect();
            self.run(epoch, &mut line, batch)?;
            self.limit(epoch, &mut line)?;
        }
        while !epoch.is_over() {
            let batch = (0..BATCH).map(|_| self.draw(&mut random, epoch.is_tight)).collect();
            self.run(epoch, &mut line, batch)?;
            self.batches += 1;
            if epoch.is_tight && self.batches.is_multiple_of(BATCHES) {
                self.limit(epoch, &mut line)?;
            }
        }
        Ok(())
    }
}
