//! Reading values of every type.
//!
//! Elements are put into an empty collection one after the other, so that its invariants hold whatever the payload
//! says. Collections without elements and elements that are there already are damage; the order of elements counts
//! only in lists, and scores need not rise.

use super::input::{Damaged, Input, Result};
use super::numbers as rdb;
use super::packed::{read_listpack, read_zipmap, read_ziplist};
use crate::base::number::parse_f64;
use crate::store::{OwnedValue, StringRef, string_ref};
use crate::value::listpack::{Element, Listpack};
use crate::value::{Collection, Hash, SortedSet, hash, sorted_set};

/// Up to where collections take their small forms.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub hash: hash::Limits,
    pub sorted_set: sorted_set::Thresholds,
}

/// Deadlines of fields are earlier than this, in Unix milliseconds, as in Redis.
const FIELD_DEADLINE_END: i64 = 1 << 46;

/// The value that begins with its type.
pub(super) fn value(input: &mut Input<'_>, limits: &Limits) -> Result<OwnedValue> {
    match input.byte()? {
        rdb::STRING => string(input),
        kind @ (rdb::ZSET | rdb::ZSET_2) => elements(sorted_set(input, kind, &limits.sorted_set)?),
        rdb::ZSET_ZIPLIST => {
            let pack = read_ziplist(&input.string()?)?;
            elements(packed_sorted_set(&pack, &limits.sorted_set)?)
        }
        rdb::ZSET_LISTPACK => {
            let pack = read_listpack(&input.string()?)?;
            elements(packed_sorted_set(&pack, &limits.sorted_set)?)
        }
        rdb::HASH => elements(hash(input, &limits.hash)?),
        rdb::HASH_METADATA => elements(hash_with_deadlines(input, &limits.hash)?),
        rdb::HASH_ZIPMAP => elements(packed_hash(&read_zipmap(&input.string()?)?, &limits.hash)?),
        rdb::HASH_ZIPLIST => elements(packed_hash(&read_ziplist(&input.string()?)?, &limits.hash)?),
        rdb::HASH_LISTPACK => {
            elements(packed_hash(&read_listpack(&input.string()?)?, &limits.hash)?)
        }
        rdb::HASH_LISTPACK_EX => elements(packed_hash_with_deadlines(input, &limits.hash)?),
        _ => Err(Damaged),
    }
}

/// A collection that is not empty.
fn elements<T: Collection>(collection: T) -> Result<OwnedValue> {
    if !T::STAYS_EMPTY && collection.is_empty() {
        return Err(Damaged);
    }
    Ok(OwnedValue::Object(collection.into_value()))
}

fn string(input: &mut Input<'_>) -> Result<OwnedValue> {
    let bytes = input.string()?;
    Ok(match string_ref(&bytes) {
        StringRef::Integer(number) => OwnedValue::Integer(number),
        StringRef::Bytes { edited, .. } => OwnedValue::Short { bytes: bytes.into(), edited },
    })
}

/// Elements that belong together, `N` each.
fn tuples<const N: usize>(pack: &Listpack) -> Result<impl Iterator<Item = [Element<'_>; N]>> {
    if !pack.len().is_multiple_of(N) {
        return Err(Damaged);
    }
    let mut elements = pack.iter();
    let next = move || elements.next().expect("the number of elements was looked at");
    let mut next = next;
    Ok((0..pack.len() / N).map(move |_| std::array::from_fn(|_| next())))
}

fn add_member(
    set: &mut SortedSet,
    member: &[u8],
    score: f64,
    thresholds: &sorted_set::Thresholds,
) -> Result<()> {
    match set.insert(member, score, thresholds) {
        None => Ok(()),
        Some(_) => Err(Damaged),
    }
}

fn sorted_set(
    input: &mut Input<'_>,
    kind: u8,
    thresholds: &sorted_set::Thresholds,
) -> Result<SortedSet> {
    let count = input.count()?;
    let mut set = SortedSet::for_members(count, 0, thresholds);
    for _ in 0..count {
        let member = input.string()?;
        let score =
            if kind == rdb::ZSET { input.text_score()? } else { input.binary_score()? };
        add_member(&mut set, &member, score, thresholds)?;
    }
    Ok(set)
}

/// Members, each followed by its score.
fn packed_sorted_set(pack: &Listpack, thresholds: &sorted_set::Thresholds) -> Result<SortedSet> {
    let mut set = SortedSet::for_members(pack.len() / 2, 0, thresholds);
    for [member, score] in tuples(pack)? {
        let score = match score {
            Element::Integer(number) => number as f64,
            Element::Bytes(text) => parse_f64(text).ok_or(Damaged)?,
        };
        member.with_bytes(|member| add_member(&mut set, member, score, thresholds))?;
    }
    Ok(set)
}

fn add_field(hash: &mut Hash, field: &[u8], value: &[u8], limits: &hash::Limits) -> Result<()> {
    if hash.insert(field, value, limits) { Ok(()) } else { Err(Damaged) }
}

fn set_field_deadline(hash: &mut Hash, field: &[u8], unix_ms: i64) -> Result<()> {
    if !(0..FIELD_DEADLINE_END).contains(&unix_ms) {
        return Err(Damaged);
    }
    hash.set_deadline(field, unix_ms);
    Ok(())
}

fn hash(input: &mut Input<'_>, limits: &hash::Limits) -> Result<Hash> {
    let count = input.count()?;
    let mut hash = Hash::new();
    hash.expect(count, limits);
    for _ in 0..count {
        let (field, value) = (input.string()?, input.string()?);
        add_field(&mut hash, &field, &value, limits)?;
    }
    Ok(hash)
}

/// Each field has its deadline in front: 0 for none, otherwise 1 more than it is behind the earliest one.
fn hash_with_deadlines(input: &mut Input<'_>, limits: &hash::Limits) -> Result<Hash> {
    let earliest = input.millis()?;
    let count = input.count()?;
    let mut hash = Hash::new();
    hash.expect(count, limits);
    for _ in 0..count {
        let behind = input.number()?;
        let (field, value) = (input.string()?, input.string()?);
        add_field(&mut hash, &field, &value, limits)?;
        if let Some(behind) = behind.checked_sub(1) {
            let deadline = i64::try_from(behind).ok().and_then(|ms| earliest.checked_add(ms));
            set_field_deadline(&mut hash, &field, deadline.ok_or(Damaged)?)?;
        }
    }
    Ok(hash)
}

/// Fields, each followed by its value.
fn packed_hash(pack: &Listpack, limits: &hash::Limits) -> Result<Hash> {
    let mut hash = Hash::new();
    hash.expect(pack.len() / 2, limits);
    for [field, value] in tuples(pack)? {
        let (field, value) = (field.to_vec(), value.to_vec());
        add_field(&mut hash, &field, &value, limits)?;
    }
    Ok(hash)
}

/// Fields, each followed by its value and its deadline, 0 for none. The earliest deadline is in front of them all.
fn packed_hash_with_deadlines(input: &mut Input<'_>, limits: &hash::Limits) -> Result<Hash> {
    input.millis()?;
    let pack = read_listpack(&input.string()?)?;
    let mut hash = Hash::new();
    hash.expect(pack.len() / 3, limits);
    for [field, value, deadline] in tuples(&pack)? {
        let (field, value) = (field.to_vec(), value.to_vec());
        add_field(&mut hash, &field, &value, limits)?;
        match deadline.as_integer().ok_or(Damaged)? {
            0 => {}
            unix_ms => set_field_deadline(&mut hash, &field, unix_ms)?,
        }
    }
    Ok(hash)
}
