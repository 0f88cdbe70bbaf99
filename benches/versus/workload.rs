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

/// Which commands a load consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    Get,
    Set,
    /// `GET` and `SET`, equally likely.
    Mixed,
    Incr,
}

impl Mix {
    pub const ALL: [Mix; 4] = [Mix::Get, Mix::Set, Mix::Mixed, Mix::Incr];

    pub fn name(self) -> &'static str {
        match self {
            Mix::Get => "GET",
            Mix::Set => "SET",
            Mix::Mixed => "GET+SET",
            Mix::Incr => "INCR",
        }
    }
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
}

/// Endless requests of one load.
pub struct Requests {
    mix: Mix,
    keys: usize,
    values: Values,
    random: Fast,
}

impl Requests {
    pub fn new(mix: Mix, keys: usize, value_bytes: usize, seed: u64) -> Requests {
        Requests { mix, keys, values: Values::new(value_bytes), random: Fast::seeded(seed) }
    }

    /// Appends the next request, as a RESP array.
    pub fn append(&mut self, out: &mut Vec<u8>) {
        let random = &mut self.random;
        let is_get = match self.mix {
            Mix::Get => true,
            Mix::Set | Mix::Incr => false,
            Mix::Mixed => random.next() >> 63 == 0,
        };
        let key = random.below(self.keys);
        if self.mix == Mix::Incr {
            out.extend_from_slice(b"*2\r\n$4\r\nINCR\r\n");
            append_key(out, b"counter:", key);
        } else if is_get {
            out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
            append_key(out, b"key:", key);
        } else {
            out.extend_from_slice(b"*3\r\n$3\r\nSET\r\n");
            append_key(out, b"key:", key);
            append_bulk(out, &[self.values.any(random)]);
        }
    }
}

fn append_key(out: &mut Vec<u8>, prefix: &[u8], number: usize) {
    append_bulk(out, &[prefix, itoa::Buffer::new().format(number).as_bytes()]);
}

/// One bulk string, made of these pieces.
fn append_bulk(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    out.push(b'$');
    out.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
    out.extend_from_slice(b"\r\n");
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
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
