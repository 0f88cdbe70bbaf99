//! Random choices of one client: keys, members and values, few enough that commands meet.

use crate::support::data::now_ms;
use sanderling::base::random::Random;

/// Kinds of keys. Each has keys of its own, so that most commands find the type that they want.
pub const KINDS: [&str; 10] =
    ["text", "count", "bits", "list", "set", "hash", "rank", "log", "sketch", "place"];

/// Keys of each kind.
const KEYS: usize = 4;
const LARGE_VALUE_ONE_IN: usize = 60;
const LARGE_VALUE: usize = 100 << 10;

/// See the module's description.
pub struct Choices {
    random: Random,
    prefix: String,
    /// Whether keys may get deadlines.
    pub may_expire: bool,
    /// Rises with each entry of a stream.
    counter: i64,
}

impl Choices {
    pub fn new(seed: u64, prefix: &str) -> Choices {
        Choices {
            random: Random::seeded(seed),
            prefix: prefix.to_owned(),
            may_expire: true,
            counter: 0,
        }
    }

    /// Begins anew from another seed.
    pub fn reseed(&mut self, seed: u64) {
        self.random = Random::seeded(seed);
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.random.below(end)
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn key(&mut self, kind: &str) -> String {
        let number = self.below(KEYS);
        format!("{}{kind}:{number}", self.prefix)
    }

    /// Another key than this of the same kind.
    pub fn other_key(&mut self, kind: &str, than: &str) -> String {
        loop {
            let key = self.key(kind);
            if key != than {
                return key;
            }
        }
    }

    /// A kind other than this.
    pub fn kind(&mut self) -> &'static str {
        self.pick(&KINDS)
    }

    /// Every key of every kind.
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        let of_kind =
            |kind| (0..KEYS).map(move |number| (kind, format!("{}{kind}:{number}", self.prefix)));
        KINDS.into_iter().flat_map(of_kind).collect()
    }

    /// A member of a collection: mostly one of few, else one of thousands.
    pub fn member(&mut self) -> String {
        let number = if self.one_in(3) { self.below(5_000) } else { self.below(30) };
        member(number)
    }

    /// Several members: a few, or now and then hundreds in a row.
    pub fn members(&mut self) -> Vec<String> {
        if self.one_in(10) {
            let from = self.below(5_000);
            return (from..from + 1 + self.below(600)).map(member).collect();
        }
        let mut members: Vec<String> = (0..1 + self.below(4)).map(|_| self.member()).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    pub fn value(&mut self) -> Vec<u8> {
        let len = match self.below(LARGE_VALUE_ONE_IN) {
            0 => self.below(LARGE_VALUE),
            1..5 => self.below(3_000),
            _ => self.below(80),
        };
        let first = self.below(256) as u8;
        (0..len.max(1)).map(|at| first.wrapping_add(at as u8).wrapping_mul(31)).collect()
    }

    /// A value of less than 100 bytes, of elements of which there are many.
    pub fn short_value(&mut self) -> Vec<u8> {
        let len = 1 + self.below(90);
        let first = self.below(26) as u8;
        (0..len).map(|at| b'a' + (first + at as u8) % 26).collect()
    }

    pub fn number(&mut self) -> i64 {
        self.below(2_001) as i64 - 1_000
    }

    pub fn index(&mut self) -> String {
        (self.below(40) as i64 - 20).to_string()
    }

    /// A moment that comes soon, or much later.
    pub fn deadline_ms(&mut self) -> i64 {
        let ahead = if self.one_in(4) { 3_600_000 } else { 20 + self.below(3_000) };
        now_ms() + ahead as i64
    }

    pub fn next_id(&mut self) -> String {
        self.counter += 1;
        let seq = self.below(3);
        format!("{}-{seq}", self.counter)
    }

    /// An ID that may be among the last.
    pub fn some_id(&mut self) -> String {
        let back = self.below(200) as i64;
        format!("{}-{}", (self.counter - back).max(1), self.below(3))
    }
}

/// Some members are too long for the smallest encodings.
fn member(number: usize) -> String {
    if number % 37 == 36 { format!("m{number}{}", "-".repeat(90)) } else { format!("m{number}") }
}
