//! Random commands on all types: few keys, odd values, all options, and now and then a mistake.
//!
//! Commands come from templates, which stand in one file per group. Each capital letter that stands alone
//! is replaced: `K` key, `V` value, `N` integer, `F` float, `I` index, `S` seconds and `M` milliseconds from
//! now, `U` Unix seconds, `X` Unix milliseconds, `D` database, `P` pattern; a group may have letters of its
//! own.

mod bitmaps;
mod fields;
mod generic;
mod geo;
mod hashes;
mod hyperloglogs;
mod lists;
mod payloads;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

use sanderling::base::random::Random;

/// Commands that belong together, and the keys that they usually work on.
pub struct Group {
    keys: &'static [&'static [u8]],
    templates: &'static [&'static str],
    /// What a placeholder of the group's own stands for.
    word: fn(&mut Generator, &str) -> Option<Vec<u8>>,
}

const GROUPS: &[Group] = &[
    strings::GROUP,
    generic::GROUP,
    lists::GROUP,
    sets::GROUP,
    hashes::GROUP,
    sorted_sets::GROUP,
    streams::GROUP,
    bitmaps::GROUP,
    hyperloglogs::GROUP,
    geo::GROUP,
    payloads::GROUP,
];

/// One command in so many works on a key of another group.
const STRAY_ONE_IN: usize = 15;

/// Where there are newer commands, one in so many is one.
const NEWER_ONE_IN: usize = 5;

/// Words in commands that are not spoilt. Redis 7.0 looks at the keys of some before their arguments, 7.2 the
/// other way round, or has an option more. Where a count is missing chance decides, and where a scan does not
/// begin at 0 it finds what depends on the insides. In others any number would mean something: how long ago it
/// was, which is not the same on two servers, when it expires, a counter that is about to overflow, a score
/// where all have to be equal, or a consumer of another name (see `streams`). What is sorted would come in an
/// order that is open, or as numbers (see `generic`).
/// Without the distance one cannot tell which members of the same distance may stand for each other.
const PRECISE: &[&str] = &[
    "bitcount",
    "bitpos",
    "xclaim",
    "xautoclaim",
    "createconsumer",
    "idle",
    "entries",
    "retrycount",
    "xsetid",
    "restore",
    "sort:list1",
    "sort:list2",
    "sort:integers",
    "sort:texts",
    "spop",
    "sscan",
    "hscan",
    "zscan",
    "zrank",
    "zrevrank",
    "znames",
    "withdist",
];

const VALUES: &[&[u8]] = &[
    b"",
    b"x",
    b"hello world",
    b"\x00\xff\r\n\"'",
    b"abcabcabc",
    b"a value that is longer than forty-four bytes, so raw",
    b"10",
    b"1.5",
    b" 1",
    b"0x10",
];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "-300",
    "007",
    "+1",
    "-0",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "12345678901234567",
    "1.0",
    "",
];
const FLOATS: &[&str] = &[
    "0",
    "0.1",
    "-0.1",
    "1.5",
    "3.0",
    "1e3",
    "-2.5e-5",
    "1e17",
    "123456789.125",
    "5e-18",
    "inf",
    "nan",
    "1e5000",
    ".5",
    "abc",
];
const INDEXES: &[&str] =
    &["0", "1", "2", "5", "-1", "-2", "-5", "30", "100", "-100", "536870912", "9999999999", "x"];
const DATABASES: &[&str] = &["0", "0", "1", "1", "2", "16", "-1", "x"];
const PATTERNS: &[&str] = &["*", "?", "[a-c]", "[^a]", "{a}*", "", "a*", "\\a"];
/// Seconds from now. They are never compared with each other (by `gt` or `lt`), only with absolute times
/// far from them, so that nothing depends on when a command runs.
const SECONDS: &[&str] = &["1000", "5000", "100000", "0", "-1", "9223372036854775807", "x"];

/// See the module's description.
pub struct Generator {
    random: Random,
    /// The present in Unix milliseconds, which absolute deadlines are chosen around.
    pub now_ms: i64,
    /// Whether deadlines may be so near that the test sees them pass.
    pub near_deadlines: bool,
    /// One command in so many is spoilt; 0 for none.
    pub spoil_one_in: u64,
    /// What all keys begin with.
    pub key_prefix: Vec<u8>,
    /// Whether there are commands that Redis 7.0 does not have.
    pub newer: bool,
}

impl Generator {
    pub fn new(seed: u64, now_ms: i64) -> Generator {
        let random = Random::seeded(seed);
        let key_prefix = Vec::new();
        let (near_deadlines, newer) = (false, false);
        Generator { random, now_ms, near_deadlines, spoil_one_in: 12, key_prefix, newer }
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.random.next_u64() % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn millis(&mut self) -> i64 {
        if self.near_deadlines { self.below(5_000) as i64 } else { 0 }
    }

    /// A key of the group, or of any.
    fn key(&mut self, group: &Group) -> Vec<u8> {
        let mut keys = group.keys;
        while keys.is_empty() || self.below(STRAY_ONE_IN) == 0 {
            keys = GROUPS[self.below(GROUPS.len())].keys;
        }
        let key = self.pick(keys);
        self.prefixed(key)
    }

    fn prefixed(&self, key: &[u8]) -> Vec<u8> {
        [&self.key_prefix[..], key].concat()
    }

    fn word(&mut self, placeholder: &str, group: &Group) -> Vec<u8> {
        if let Some(word) = (group.word)(self, placeholder) {
            return word;
        }
        let seconds = [self.millis() / 1000, self.pick(&[2_000, 9_000, 300_000, -1, -100])];
        let ahead = if self.near_deadlines { seconds[0] } else { seconds[1] };
        match placeholder {
            "K" => self.key(group),
            "V" => self.pick(VALUES).to_vec(),
            "N" => self.pick(INTEGERS).into(),
            "F" => self.pick(FLOATS).into(),
            "I" => self.pick(INDEXES).into(),
            "D" => self.pick(DATABASES).into(),
            "P" => self.pick(PATTERNS).into(),
            "S" | "M" if !self.near_deadlines => {
                let text = self.pick(SECONDS);
                let is_usual = placeholder == "M" && text.len() > 3 && text.len() < 10;
                if is_usual { format!("{text}000").into() } else { text.into() }
            }
            "S" => ahead.to_string().into(),
            "M" => self.millis().to_string().into(),
            "U" => (self.now_ms / 1000 + ahead).to_string().into(),
            "X" => (self.now_ms + ahead * 1000 + self.millis() % 1000).to_string().into(),
            word => word.into(),
        }
    }

    /// The next command.
    pub fn command(&mut self) -> Vec<Vec<u8>> {
        let mut group = &GROUPS[self.below(GROUPS.len())];
        if self.newer && self.below(NEWER_ONE_IN) == 0 {
            group = &fields::GROUP;
        }
        let template = self.pick(group.templates);
        let mut words: Vec<_> = template.split(' ').map(|word| self.word(word, group)).collect();
        let is_spared = words.iter().any(|word| PRECISE.iter().any(|name| name.as_bytes() == word));
        if !is_spared
            && self.spoil_one_in > 0
            && self.random.next_u64().is_multiple_of(self.spoil_one_in)
        {
            self.spoil(&mut words, group);
        }
        words
    }

    /// The next commands: one, or now and then a transaction, whose end may be a `discard`.
    pub fn commands(&mut self) -> Vec<Vec<Vec<u8>>> {
        const TRANSACTION_ONE_IN: usize = 20;
        const LEN_MAX: usize = 6;
        if self.below(TRANSACTION_ONE_IN) > 0 {
            return vec![self.command()];
        }
        let word = |text: &str| vec![text.as_bytes().to_vec()];
        let mut commands = Vec::new();
        if self.below(2) == 0 {
            let group = &GROUPS[self.below(GROUPS.len())];
            commands.push(vec![b"watch".to_vec(), self.key(group)]);
        }
        if self.below(4) == 0 {
            commands.push(self.command());
        }
        commands.push(word("multi"));
        commands.extend((0..self.below(LEN_MAX)).map(|_| self.command()));
        commands.push(word(if self.below(10) == 0 { "discard" } else { "exec" }));
        commands
    }

    /// Removes, repeats or exchanges a word behind the name.
    fn spoil(&mut self, words: &mut Vec<Vec<u8>>, group: &Group) {
        let at = 1 + self.below(words.len());
        let placeholder =
            self.pick(&["V", "N", "I", "nx", "xx", "ex", "get", "keepttl", "replace"]);
        let other = self.word(placeholder, group);
        match self.below(3) {
            0 if at < words.len() => drop(words.remove(at)),
            1 if at < words.len() => words[at] = other,
            _ => words.insert(at.min(words.len()), other),
        }
    }
}

/// Commands as one can type them, for messages.
pub fn shown(words: &[Vec<u8>]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect();
    words.join(" ")
}

/// Seeds to run: those of the variable `SEEDS` (`7` or `0-1000`), or `count` that are always the same.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SEEDS") else { return 0..count };
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let number = |text: &str| text.parse::<u64>().expect("SEEDS is a number or a range, 0-1000");
    number(first)..number(last) + 1
}
