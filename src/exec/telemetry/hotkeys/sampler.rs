//! One thread's part: which commands are looked at, and what is noted of them.

use std::sync::Arc;

use super::sketch::Identity;
use super::{HotKeys, ThreadNotes};
use crate::base::random::Random;
use crate::store::Keyspace;

/// So many keys of one command are noted at most.
const KEYS_MAX: usize = 16;

/// See the module's description.
pub(in crate::exec) struct Sampler {
    notes: Arc<ThreadNotes>,
    random: Random,
    /// One command in so many is looked at; 0 looks at none.
    interval: u32,
    /// Commands until the next one that is.
    left: u32,
}

impl Sampler {
    pub(in crate::exec) fn new(hot: &HotKeys, random: Random) -> Sampler {
        Sampler { notes: hot.register(), random, interval: 0, left: u32::MAX }
    }

    /// Takes over the interval that is wanted; called once per turn.
    #[inline]
    pub(in crate::exec) fn follow(&mut self, interval: u32) {
        if self.interval != interval {
            self.interval = interval;
            self.draw();
        }
    }

    /// Counts a command; tells whether it is to be looked at.
    #[inline]
    pub(in crate::exec) fn is_due(&mut self) -> bool {
        self.left -= 1;
        self.left == 0 && self.draw()
    }

    /// Chooses the next command: each distance up to twice the interval is equally likely, so that no rhythm of commands
    /// escapes. False if none is looked at.
    #[cold]
    fn draw(&mut self) -> bool {
        self.left = match self.interval {
            0 => u32::MAX,
            interval => 1 + self.random.below(2 * interval as usize - 1) as u32,
        };
        self.interval > 0
    }

    /// Notes the keys of a command that moved so many bytes.
    pub(in crate::exec) fn note(
        &mut self,
        hot: &HotKeys,
        keyspace: &Keyspace,
        keys: &[(usize, &[u8])],
        bytes: u64,
        now_ns: i64,
    ) {
        if keys.is_empty() {
            return;
        }
        let weight = f64::from(self.interval.max(1));
        let noted = keys.len().min(KEYS_MAX);
        // Each noted key stands for this many.
        let ops = weight * keys.len() as f64 / noted as f64;
        let bytes = weight * bytes as f64 / noted as f64;
        let first = if noted < keys.len() { self.random.below(keys.len()) } else { 0 };
        let halvings = hot.halvings(now_ns);
        let mut notes = self.notes.0.lock();
        notes.age(halvings);
        for number in 0..noted {
            let (db, key) = keys[(first + number * keys.len() / noted) % keys.len()];
            let id = Identity { hash: keyspace.hash(key).number(), db: db as u32 };
            notes.add(id, key, ops, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::telemetry::hotkeys::Heat;

    #[test]
    fn one_command_in_so_many_is_looked_at_on_average() {
        let mut sampler = Sampler::new(&HotKeys::new(0), Random::seeded(3));
        sampler.follow(64);
        let due = (0..640_000).filter(|_| sampler.is_due()).count();
        assert!((9_500..10_500).contains(&due), "{due}");
        sampler.follow(1);
        assert!((0..100).all(|_| sampler.is_due()));
        sampler.follow(0);
        assert!((0..100_000).all(|_| !sampler.is_due()));
    }

    #[test]
    fn some_keys_of_a_command_with_very_many_count_for_all() {
        let (hot, keyspace) = (HotKeys::new(0), Keyspace::new(1, 16, 1, [7; 16]));
        let mut sampler = Sampler::new(&hot, Random::seeded(3));
        sampler.follow(1);
        let names: Vec<Vec<u8>> = (0..1000).map(|n| format!("key:{n}").into_bytes()).collect();
        let keys: Vec<(usize, &[u8])> = names.iter().map(|name| (0, &**name)).collect();
        sampler.note(&hot, &keyspace, &keys, 64_000, 0);
        let report = hot.report(0, Heat::Ops, 100);
        assert_eq!(report.keys.len(), KEYS_MAX);
        assert_eq!((report.ops_per_second, report.bytes_per_second), (1000.0, 64_000.0));
    }
}
