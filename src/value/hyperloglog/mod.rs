//! HyperLogLogs: estimates of how many different elements were seen, in at most 12 kB whatever their number.
//!
//! Each element is hashed to 64 bits. The lowest 14 choose one of 16384 registers; the register keeps the
//! greatest number of zeros, plus one, that any of its elements had below the lowest one in the remaining
//! bits. From the registers the count is estimated with a standard error of 1.04/√16384 = 0.81 %.
//!
//! The value is a string, byte for byte that of Redis, so that such strings can be exchanged:
//!
//! ```text
//! offset 0   "HYLL"
//!        4   encoding: 0 dense, 1 sparse
//!        5   three bytes of no meaning
//!        8   the last estimate, 64 bits, little-endian; the highest bit says that it is out of date
//!       16   registers
//! ```
//!
//! `dense` packs registers in 6 bits each. `sparse` writes them as runs while they are few, and becomes
//! dense when it would exceed a size or a register a value. `estimate` computes the count, `hash` the hash.
//!
//! The bytes may come from anyone (`SET`, `APPEND`), so nothing about them is taken for granted: [`check`]
//! looks at the header, and whoever reads sparse runs finds out whether they add up to 16384 registers.

mod dense;
mod estimate;
mod hash;
mod registers;
mod self_test;
mod sparse;

pub use registers::Registers;
pub use self_test::self_test;
pub use sparse::describe;

/// Bits of the hash that choose the register.
const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of the hash in which zeros are counted.
const TAIL_BITS: u32 = 64 - INDEX_BITS;
const HEADER: usize = 16;
const MAGIC: &[u8] = b"HYLL";
const ENCODING: usize = 4;
const CACHE: std::ops::Range<usize> = 8..16;
/// The bit of the last byte of the cache that says that it is out of date.
const STALE: u8 = 0x80;

/// How registers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Dense = 0,
    Sparse = 1,
}

/// Why a string cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is no HyperLogLog.
    Foreign,
    /// It begins like one, but its registers cannot be read.
    Corrupted,
}

/// One without elements.
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING] = Encoding::Sparse as u8;
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// Looks at the header, and at the length where it is known.
pub fn check(bytes: &[u8]) -> Result<Encoding, Unusable> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return Err(Unusable::Foreign);
    }
    match bytes[ENCODING] {
        0 if bytes.len() == dense::TOTAL => Ok(Encoding::Dense),
        1 => Ok(Encoding::Sparse),
        _ => Err(Unusable::Foreign),
    }
}

/// The last estimate, if nothing has changed since.
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(bytes[CACHE].try_into().expect("the cache has eight bytes"));
    (bytes[CACHE.end - 1] & STALE == 0).then_some(count)
}

/// Keeps an estimate. One above 2^63, which only a forged value has, is not kept.
pub fn cache_count(bytes: &mut [u8], count: u64) {
    bytes[CACHE].copy_from_slice(&count.to_le_bytes());
}

/// The estimate is out of date.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[CACHE.end - 1] |= STALE;
}

/// Adds an element; tells whether a register changed. A sparse one that would need more than `sparse_max`
/// bytes becomes dense. The header must have been checked.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_max: usize) -> Result<bool, Unusable> {
    let (index, value) = place(hash::murmur64a(element));
    raise(bytes, index, value, sparse_max)
}

/// The register that a hash chooses, and the value that it has for it.
fn place(hash: u64) -> (usize, u8) {
    let index = hash as usize % REGISTERS;
    let tail = hash >> INDEX_BITS | 1 << TAIL_BITS;
    (index, tail.trailing_zeros() as u8 + 1)
}

/// Sets a register to a value if it is less.
fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max: usize,
) -> Result<bool, Unusable> {
    if bytes[ENCODING] == Encoding::Sparse as u8 {
        match sparse::raise(bytes, index, value, sparse_max)? {
            sparse::Raised::Unchanged => return Ok(false),
            sparse::Raised::Changed => {
                invalidate(bytes);
                return Ok(true);
            }
            sparse::Raised::DoesNotFit => {
                make_dense(bytes)?;
            }
        }
    }
    Ok(dense::raise(&mut bytes[HEADER..], index, value))
}

/// Makes a sparse one dense; tells whether it was sparse.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<bool, Unusable> {
    if check(bytes)? == Encoding::Dense {
        return Ok(false);
    }
    let mut registers = Registers::default();
    registers.merge(bytes)?;
    bytes.truncate(HEADER);
    bytes[ENCODING] = Encoding::Dense as u8;
    registers.pack(bytes);
    Ok(true)
}

/// The estimate, computed anew.
pub fn count(bytes: &[u8]) -> Result<u64, Unusable> {
    let histogram = match check(bytes)? {
        Encoding::Dense => dense::histogram(&bytes[HEADER..]),
        Encoding::Sparse => sparse::histogram(&bytes[HEADER..]).ok_or(Unusable::Corrupted)?,
    };
    Ok(estimate::count(&histogram))
}

/// Raises all registers to those of `merged`, which includes this one's, and makes it dense if asked.
pub fn absorb(
    bytes: &mut Vec<u8>,
    merged: &Registers,
    dense: bool,
    sparse_max: usize,
) -> Result<(), Unusable> {
    if dense {
        make_dense(bytes)?;
    }
    for (index, value) in merged.occupied() {
        raise(bytes, index, value, sparse_max)?;
    }
    invalidate(bytes);
    Ok(())
}

#[cfg(test)]
mod tests;
