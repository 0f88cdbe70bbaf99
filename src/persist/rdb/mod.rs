//! Redis's own serialisation of values: what `DUMP` hands out and `RESTORE` takes.
//!
//! ```text
//! payload:  type, 1 · value · version, 2 (little-endian) · CRC64 of everything before, 8 (little-endian)
//! ```
//!
//! A value is made of lengths, strings and numbers (`input`, `output`; `numbers` names the types). Small
//! collections are one string each in which Redis packs elements (`packed`), streams are many of them
//! (`streams`), other collections are a count and their elements (`decode`, `encode`). Long strings may be
//! compressed (`lzf`).
//!
//! **Reading.** Every type is read that Redis 2.6 to 7.4 write, except those of modules and the two forms of hashes
//! that only candidates for 7.4 wrote. A payload comes from outside, so nothing in it is believed: lengths are compared
//! with what is left before memory is asked for, each element is looked at, elements that are there twice, empty
//! collections and bytes that are left over are refused. This is stricter than Redis, also than with
//! `sanitize-dump-payload yes`. Elements go into a fresh collection one by one, so its form is the one that this server's
//! parameters ask for, whatever the form in the payload.
//!
//! **Writing.** Redis 7.0 must be able to read it, so types that came later are left out: a small set is written member
//! by member, and of a stream's consumers the time of the last delivery is not. Only hashes whose fields have deadlines
//! need a newer Redis (7.4).

mod decode;
mod encode;
mod input;
mod lzf;
mod numbers;
mod output;
mod packed;
mod streams;

use crc::{CRC_64_REDIS, Crc, Table};

pub use decode::Limits;
use input::{Damaged, Input};
use output::Output;

use crate::store::{OwnedValue, ValueRef};

static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// Version and checksum.
const FOOTER: usize = VERSION + CHECKSUM;
const VERSION: usize = 2;
const CHECKSUM: usize = 8;

/// Why a payload was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// It is too short, newer than what is known here, or was changed on its way.
    Footer,
    /// What it holds makes no sense.
    Content,
}

impl From<Damaged> for PayloadError {
    fn from(Damaged: Damaged) -> PayloadError {
        PayloadError::Content
    }
}

/// A value as a payload. Of a hash, fields that have expired at `now_ms` are left out.
pub fn dump(value: ValueRef<'_>, now_ms: i64) -> Vec<u8> {
    let mut out = Output::default();
    let version = encode::value(&mut out, value, now_ms);
    seal(out.into_bytes(), version)
}

/// The value in a payload.
pub fn restore(payload: &[u8], limits: &Limits) -> Result<OwnedValue, PayloadError> {
    let content = open(payload).ok_or(PayloadError::Footer)?;
    let mut input = Input::new(content);
    let value = decode::value(&mut input, limits)?;
    if input.is_empty() { Ok(value) } else { Err(PayloadError::Content) }
}

/// Adds the footer.
fn seal(mut bytes: Vec<u8>, version: u16) -> Vec<u8> {
    bytes.extend(version.to_le_bytes());
    let checksum = CRC64.checksum(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// What is before the footer, if that is right.
fn open(payload: &[u8]) -> Option<&[u8]> {
    let (content, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER)?)?;
    let (version, checksum) = footer.split_at(VERSION);
    let version = u16::from_le_bytes(version.try_into().expect("a version has two bytes"));
    let checksum = u64::from_le_bytes(checksum.try_into().expect("a checksum has eight bytes"));
    let is_whole = CRC64.checksum(&payload[..payload.len() - CHECKSUM]) == checksum;
    (version <= numbers::VERSION_MAX && is_whole).then_some(content)
}
