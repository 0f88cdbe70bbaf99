//! What is sent: requests over keys that were loaded before.
//!
//! Keys are `key:N` and, for `INCR`, `counter:N`, all equally likely: the worst case for caches. Values
//! are random letters, so that a server which compresses its snapshots gains nothing by that.

use crate::Result;
use crate::server::Server;

/// Letters that values are cut from.
const POOL_BYTES: usize = 1 << 20;
/// Commands per pipeline while keys are loaded.
const LOAD_BATCH: usize = 1000;

/// Which commands a load consists of: requests by template, all equally likely. Words are separated by
/// blanks; `{}` stands for a random number below the number of keys (of elements, in a load on
/// collections), `{=}` for the number that `{}` stood for last, `{c}` for a random collection, `{m}` for a
/// random member of one, `{p}` for a random member that is padded to the length of a value, `{n}` for the number of
/// members, `{v}` for a value, `{u}` for one of any length up to that, each power of two equally likely. A request may
/// be several commands, with `;` between, which are sent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    pub name: &'static str,
    pub requests: &'static [&'static str],
}

impl Mix {
    pub const GET: Mix = Mix { name: "GET", requests: &["GET key:{}"] };
    pub const SET: Mix = Mix { name: "SET", requests: &["SET key:{} {v}"] };
    pub const MIXED: Mix = Mix { name: "GET+SET", requests: &["GET key:{}", "SET key:{} {v}"] };
    pub const STRINGS: [Mix; 4] =
        [Mix::GET, Mix::SET, Mix::MIXED, Mix { name: "INCR", requests: &["INCR counter:{}"] }];
}

/// Random numbers that cost next to nothing (Marsaglia's xorshift64*).
#[derive(Clone, Debug)]
pub struct Fast(u64);

impl Fast {
    pub fn seeded(seed: u64) -> Fast {
        Fast(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `end`; the bias of the multiplication is far below anything that is measured here.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

/// Values of one length.
pub struct Values {
    pool: Vec<u8>,
    bytes: usize,
}

impl Values {
    pub fn new(bytes: usize) -> Values {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut random = Fast::seeded(1);
        let pool = (0..POOL_BYTES + bytes).map(|_| LETTERS[random.below(LETTERS.len())]).collect();
        Values { pool, bytes }
    }

    pub fn any(&self, random: &mut Fast) -> &[u8] {
        let start = random.below(POOL_BYTES);
        &self.pool[start..start + self.bytes]
    }

    /// A number and letters behind it, together as long as a value: no two numbers give the same. A number that is
    /// longer stays as it is.
    pub fn append_padded(&self, number: usize, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        out.extend_from_slice(digits);
        out.extend_from_slice(&self.pool[..self.bytes.saturating_sub(digits.len())]);
    }
}

/// How many keys there are, and collections, and members of each.
#[derive(Clone, Copy, Debug)]
pub struct Ranges {
    pub keys: usize,
    pub collections: usize,
    pub members: usize,
}

impl Ranges {
    /// No collections, only keys.
    pub fn keys(keys: usize) -> Ranges {
        Ranges { keys, collections: 1, members: 1 }
    }
}

/// A part of a word.
enum Piece {
    Text(&'static str),
    Key,
    SameKey,
    Collection,
    Member,
    PaddedMember,
    Members,
    Value,
    UnevenValue,
}

/// A request to be filled in: the pieces of the words of its commands.
struct Template(Vec<Vec<Vec<Piece>>>);

impl Template {
    fn parse(text: &'static str) -> Template {
        let words = |command: &'static str| command.split(' ').map(pieces_of).collect();
        Template(text.split(';').map(words).collect())
    }
}

fn pieces_of(word: &'static str) -> Vec<Piece> {
    let Some((before, rest)) = word.split_once('{') else { return vec![Piece::Text(word)] };
    let (name, behind) = rest.split_once('}').expect("what is opened is closed");
    let piece = match name {
        "" => Piece::Key,
        "=" => Piece::SameKey,
        "c" => Piece::Collection,
        "m" => Piece::Member,
        "p" => Piece::PaddedMember,
        "n" => Piece::Members,
        "v" => Piece::Value,
        "u" => Piece::UnevenValue,
        other => unreachable!("{other} stands for nothing"),
    };
    let mut pieces = vec![Piece::Text(before), piece];
    pieces.extend(pieces_of(behind));
    pieces
}

/// Endless requests of one load.
pub struct Requests {
    templates: Vec<Template>,
    filling: Filling,
    may_be_null: bool,
}

/// What templates are filled with.
struct Filling {
    ranges: Ranges,
    values: Values,
    random: Fast,
    word: Vec<u8>,
    /// The number that `{}` stood for last.
    key: usize,
}

impl Requests {
    pub fn new(mix: Mix, ranges: Ranges, value_bytes: usize, seed: u64) -> Requests {
        let random = Fast::seeded(seed);
        let values = Values::new(value_bytes);
        Requests {
            templates: mix.requests.iter().map(|text| Template::parse(text)).collect(),
            filling: Filling { ranges, values, random, word: Vec::new(), key: 0 },
            may_be_null: ranges.members > 1
                || mix.requests.iter().any(|text| text.starts_with("WATCH")),
        }
    }

    /// Whether some replies are null: elements are removed as well, so that some are not found, or a
    /// transaction is given up because somebody else has changed what it watches.
    pub fn may_be_null(&self) -> bool {
        self.may_be_null
    }

    /// Appends the next request, each command as a RESP array. Returns how many commands it has.
    pub fn append(&mut self, out: &mut Vec<u8>) -> usize {
        let template = match self.templates.len() {
            1 => 0,
            count => self.filling.random.below(count),
        };
        let Template(commands) = &self.templates[template];
        commands.iter().for_each(|words| self.filling.append_command(words, out));
        commands.len()
    }
}

impl Filling {
    fn append_command(&mut self, words: &[Vec<Piece>], out: &mut Vec<u8>) {
        out.push(b'*');
        out.extend_from_slice(itoa::Buffer::new().format(words.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        let Filling { ranges, values, random, word, key } = self;
        for pieces in words {
            word.clear();
            for piece in pieces {
                let number = match piece {
                    Piece::Text(text) => {
                        word.extend_from_slice(text.as_bytes());
                        continue;
                    }
                    Piece::Value => {
                        word.extend_from_slice(values.any(random));
                        continue;
                    }
                    Piece::UnevenValue => {
                        let value = values.any(random);
                        let powers = value.len().ilog2() as usize;
                        let end = value.len() >> random.below(powers + 1);
                        word.extend_from_slice(&value[..1 + random.below(end)]);
                        continue;
                    }
                    Piece::PaddedMember => {
                        values.append_padded(random.below(ranges.members), word);
                        continue;
                    }
                    Piece::Key => {
                        *key = random.below(ranges.keys);
                        *key
                    }
                    Piece::SameKey => *key,
                    Piece::Collection => random.below(ranges.collections),
                    Piece::Member => random.below(ranges.members),
                    Piece::Members => ranges.members,
                };
                word.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
            append_bulk(out, word);
        }
    }
}

/// One bulk string.
pub fn append_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    out.extend_from_slice(itoa::Buffer::new().format(bytes.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Loads `key:0` up to `key:<keys - 1>` with values of this length.
pub fn load_keys(server: &Server, keys: usize, value_bytes: usize) -> Result<()> {
    let (values, mut random) = (Values::new(value_bytes), Fast::seeded(2));
    load(server, keys, |pipeline, number| {
        pipeline.cmd("SET").arg(format!("key:{number}")).arg(values.any(&mut random)).ignore();
    })
}

/// Loads `counter:0` up to `counter:<keys - 1>` with numbers.
pub fn load_counters(server: &Server, keys: usize) -> Result<()> {
    load(server, keys, |pipeline, number| {
        pipeline.cmd("SET").arg(format!("counter:{number}")).arg(number).ignore();
    })
}

/// Sends one command for each number below `keys`, in pipelines. Ends at the first error.
pub fn load(
    server: &Server,
    keys: usize,
    mut command: impl FnMut(&mut redis::Pipeline, usize),
) -> Result<()> {
    let mut control = server.control()?;
    let mut pipeline = redis::pipe();
    for first in (0..keys).step_by(LOAD_BATCH) {
        pipeline.clear();
        (first..keys.min(first + LOAD_BATCH)).for_each(|number| command(&mut pipeline, number));
        pipeline.exec(&mut control)?;
    }
    Ok(())
}
