//! Random commands on strings and keys: few keys, odd values, all options, and now and then a mistake.

use sanderling::base::random::Random;

/// Each capital letter that stands alone is replaced: `K` key, `V` value, `N` integer, `F` float, `I`
/// index, `S` seconds and `M` milliseconds from now, `U` Unix seconds, `X` Unix milliseconds, `D`
/// database, `P` pattern.
const TEMPLATES: &[&str] = &[
    "append K V",
    "append K V",
    "copy K K",
    "copy K K replace",
    "copy K K db D",
    "copy K K db D replace",
    "dbsize",
    "decr K",
    "decrby K N",
    "del K",
    "del K K K",
    "exists K K",
    "expire K S",
    "expire K S nx",
    "expire K S xx",
    "expireat K U gt",
    "expireat K U xx gt",
    "expireat K U",
    "expireat K U lt",
    "expiretime K",
    "flushdb",
    "get K",
    "getdel K",
    "getex K",
    "getex K ex S",
    "getex K px M",
    "getex K exat U",
    "getex K pxat X",
    "getex K persist",
    "getrange K I I",
    "getset K V",
    "incr K",
    "incr K",
    "incrby K N",
    "incrbyfloat K F",
    "incrbyfloat K F",
    "keys P",
    "lcs K K",
    "lcs K K len",
    "lcs K K idx withmatchlen",
    "lcs K K idx minmatchlen 2",
    "mget K K K",
    "move K D",
    "mset K V",
    "mset K V K V",
    "msetnx K V K V",
    "object encoding K",
    "persist K",
    "pexpire K M",
    "pexpireat K X gt",
    "pexpireat K X",
    "pexpireat K X nx",
    "pexpiretime K",
    "psetex K M V",
    "pttl K",
    "rename K K",
    "rename K K",
    "renamenx K K",
    "select D",
    "select D",
    "set K V",
    "set K V",
    "set K V",
    "set K N",
    "set K F",
    "set K V nx",
    "set K V xx",
    "set K V get",
    "set K V nx get",
    "set K V ex S",
    "set K V px M",
    "set K V exat U",
    "set K V pxat X",
    "set K V keepttl",
    "set K V xx keepttl get",
    "setex K S V",
    "setnx K V",
    "setrange K I V",
    "strlen K",
    "substr K I I",
    "swapdb D D",
    "touch K K",
    "ttl K",
    "type K",
    "unlink K K",
];

const KEYS: &[&[u8]] = &[b"a", b"b", b"c", b"d", b"e", b"{a}:f", b"", b"bin\x00\xff\r\n"];
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
}

impl Generator {
    pub fn new(seed: u64, now_ms: i64) -> Generator {
        let random = Random::seeded(seed);
        let key_prefix = Vec::new();
        Generator { random, now_ms, near_deadlines: false, spoil_one_in: 12, key_prefix }
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

    fn word(&mut self, placeholder: &str) -> Vec<u8> {
        let seconds = [self.millis() / 1000, self.pick(&[2_000, 9_000, 300_000, -1, -100])];
        let ahead = if self.near_deadlines { seconds[0] } else { seconds[1] };
        match placeholder {
            "K" => {
                let key = self.pick(KEYS);
                [&self.key_prefix[..], key].concat()
            }
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
        let template = self.pick(TEMPLATES);
        let mut words: Vec<_> = template.split(' ').map(|word| self.word(word)).collect();
        if self.spoil_one_in > 0 && self.random.next_u64().is_multiple_of(self.spoil_one_in) {
            self.spoil(&mut words);
        }
        words
    }

    /// Removes, repeats or exchanges a word behind the name.
    fn spoil(&mut self, words: &mut Vec<Vec<u8>>) {
        let at = 1 + self.below(words.len());
        let placeholder =
            self.pick(&["V", "N", "I", "nx", "xx", "ex", "get", "keepttl", "replace"]);
        let other = self.word(placeholder);
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
