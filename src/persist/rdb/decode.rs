//! Reading values of every type.
//!
//! Elements are put into an empty collection one after the other, so that its invariants hold whatever the payload
//! says. Collections without elements and elements that are there already are damage; the order of elements counts
//! only in lists, and scores need not rise.

use super::input::{Damaged, Input, Result};
use super::numbers as rdb;
use super::packed::{read_intset, read_listpack, read_ziplist, read_zipmap};
use super::streams;
use crate::base::number::parse_f64;
use crate::store::{OwnedValue, StringRef, string_ref};
use crate::value::hash::HashLimits;
use crate::value::list::{End, ListLimits};
use crate::value::listpack::{Element, Listpack};
use crate::value::set::SetLimits;
use crate::value::sorted_set::SortedSetLimits;
use crate::value::stream::NodeLimits;
use crate::value::{Collection, Hash, List, Set, SortedSet};

/// Up to where collections take their small forms.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub list: ListLimits,
    pub set: SetLimits,
    pub sorted_set: SortedSetLimits,
    pub hash: HashLimits,
    pub stream: NodeLimits,
}

/// Deadlines of fields are earlier than this, in Unix milliseconds, as in Redis.
const FIELD_DEADLINE_END: i64 = 1 << 46;

/// The value that begins with its type.
pub(super) fn value(input: &mut Input<'_>, limits: &Limits) -> Result<OwnedValue> {
    match input.byte()? {
        rdb::STRING => string(input),
        kind @ (rdb::LIST | rdb::LIST_ZIPLIST | rdb::LIST_QUICKLIST | rdb::LIST_QUICKLIST_2) => {
            elements(list(input, kind, &limits.list)?)
        }
        kind @ (rdb::SET | rdb::SET_INTSET | rdb::SET_LISTPACK) => {
            elements(set(input, kind, &limits.set)?)
        }
        kind @ (rdb::ZSET | rdb::ZSET_2) => elements(sorted_set(input, kind, &limits.sorted_set)?),
        kind @ (rdb::ZSET_ZIPLIST | rdb::ZSET_LISTPACK) => {
            let pack = pack(input, kind)?;
            elements(packed_sorted_set(&pack, &limits.sorted_set)?)
        }
        rdb::HASH => elements(hash(input, &limits.hash)?),
        rdb::HASH_METADATA => elements(hash_with_deadlines(input, &limits.hash)?),
        kind @ (rdb::HASH_ZIPMAP | rdb::HASH_ZIPLIST | rdb::HASH_LISTPACK) => {
            elements(packed_hash(&pack(input, kind)?, &limits.hash)?)
        }
        rdb::HASH_LISTPACK_EX => elements(packed_hash_with_deadlines(input, &limits.hash)?),
        kind @ (rdb::STREAM_LISTPACKS | rdb::STREAM_LISTPACKS_2 | rdb::STREAM_LISTPACKS_3) => {
            elements(streams::read(input, kind, limits.stream)?)
        }
        _ => Err(Damaged),
    }
}

/// The elements of a string in which a collection of this type is packed.
fn pack(input: &mut Input<'_>, kind: u8) -> Result<Listpack> {
    let string = input.string()?;
    match kind {
        rdb::HASH_ZIPMAP => read_zipmap(&string),
        rdb::LIST_ZIPLIST | rdb::LIST_QUICKLIST | rdb::ZSET_ZIPLIST | rdb::HASH_ZIPLIST => {
            read_ziplist(&string)
        }
        _ => read_listpack(&string),
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
    let mut next = move || elements.next().expect("the number of elements was looked at");
    Ok((0..pack.len() / N).map(move |_| std::array::from_fn(|_| next())))
}

fn push(list: &mut List, value: &[u8], limits: &ListLimits) {
    list.push_all(End::Right, std::iter::once(value), limits);
}

fn push_pack(list: &mut List, pack: &Listpack, limits: &ListLimits) {
    pack.iter().for_each(|element| element.with_bytes(|value| push(list, value, limits)));
}

fn list(input: &mut Input<'_>, kind: u8, limits: &ListLimits) -> Result<List> {
    let mut list = List::default();
    if kind == rdb::LIST_ZIPLIST {
        push_pack(&mut list, &pack(input, kind)?, limits);
        return Ok(list);
    }
    for _ in 0..input.count()? {
        let is_pack = match kind {
            rdb::LIST => false,
            rdb::LIST_QUICKLIST => true,
            _ => match input.number()? {
                rdb::NODE_PLAIN => false,
                rdb::NODE_PACKED => true,
                _ => return Err(Damaged),
            },
        };
        if is_pack {
            push_pack(&mut list, &pack(input, kind)?, limits);
        } else {
            push(&mut list, &input.string()?, limits);
        }
    }
    Ok(list)
}

fn set(input: &mut Input<'_>, kind: u8, limits: &SetLimits) -> Result<Set> {
    let mut set = Set::default();
    match kind {
        rdb::SET => {
            let count = input.count()?;
            for left in (1..=count).rev() {
                add_to_set(&mut set, &input.string()?, left, limits)?;
            }
        }
        rdb::SET_INTSET => {
            let members = read_intset(&input.string()?)?;
            for (index, member) in members.iter().enumerate() {
                let text = itoa::Buffer::new().format(*member).to_owned();
                add_to_set(&mut set, text.as_bytes(), members.len() - index, limits)?;
            }
        }
        _ => {
            let pack = pack(input, kind)?;
            for (index, member) in pack.iter().enumerate() {
                let left = pack.len() - index;
                member.with_bytes(|member| add_to_set(&mut set, member, left, limits))?;
            }
        }
    }
    Ok(set)
}

/// `left`: so many members are still to come, with this one.
fn add_to_set(set: &mut Set, member: &[u8], left: usize, limits: &SetLimits) -> Result<()> {
    if set.is_empty() {
        set.make_room(member, left, limits);
    }
    if set.insert(member, limits) { Ok(()) } else { Err(Damaged) }
}

fn add_member(
    set: &mut SortedSet,
    member: &[u8],
    score: f64,
    limits: &SortedSetLimits,
) -> Result<()> {
    match set.insert(member, score, limits) {
        None => Ok(()),
        Some(_) => Err(Damaged),
    }
}

fn sorted_set(input: &mut Input<'_>, kind: u8, limits: &SortedSetLimits) -> Result<SortedSet> {
    let count = input.count()?;
    let mut set = SortedSet::for_members(count, 0, limits);
    for _ in 0..count {
        let member = input.string()?;
        let score = if kind == rdb::ZSET { input.text_score()? } else { input.binary_score()? };
        add_member(&mut set, &member, score, limits)?;
    }
    Ok(set)
}

/// Members, each followed by its score.
fn packed_sorted_set(pack: &Listpack, limits: &SortedSetLimits) -> Result<SortedSet> {
    let mut set = SortedSet::for_members(pack.len() / 2, 0, limits);
    for [member, score] in tuples(pack)? {
        let score = match score {
            Element::Integer(number) => number as f64,
            Element::Bytes(text) => parse_f64(text).ok_or(Damaged)?,
        };
        member.with_bytes(|member| add_member(&mut set, member, score, limits))?;
    }
    Ok(set)
}

fn add_field(hash: &mut Hash, field: &[u8], value: &[u8], limits: &HashLimits) -> Result<()> {
    if hash.insert(field, value, limits) { Ok(()) } else { Err(Damaged) }
}

fn set_field_deadline(hash: &mut Hash, field: &[u8], unix_ms: i64) -> Result<()> {
    if !(0..FIELD_DEADLINE_END).contains(&unix_ms) {
        return Err(Damaged);
    }
    hash.set_deadline(field, unix_ms);
    Ok(())
}

fn hash(input: &mut Input<'_>, limits: &HashLimits) -> Result<Hash> {
    let count = input.count()?;
    let mut hash = Hash::new();
    hash.make_room(count, limits);
    for _ in 0..count {
        let (field, value) = (input.string()?, input.string()?);
        add_field(&mut hash, &field, &value, limits)?;
    }
    Ok(hash)
}

/// Each field has its deadline in front: 0 for none, otherwise 1 more than it is behind the earliest one.
fn hash_with_deadlines(input: &mut Input<'_>, limits: &HashLimits) -> Result<Hash> {
    let earliest = input.millis()?;
    let count = input.count()?;
    let mut hash = Hash::new();
    hash.make_room(count, limits);
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
fn packed_hash(pack: &Listpack, limits: &HashLimits) -> Result<Hash> {
    let mut hash = Hash::new();
    hash.make_room(pack.len() / 2, limits);
    for [field, value] in tuples(pack)? {
        let (field, value) = (field.to_vec(), value.to_vec());
        add_field(&mut hash, &field, &value, limits)?;
    }
    Ok(hash)
}

/// Fields, each followed by its value and its deadline, 0 for none. The earliest deadline is in front of them all.
fn packed_hash_with_deadlines(input: &mut Input<'_>, limits: &HashLimits) -> Result<Hash> {
    input.millis()?;
    let pack = read_listpack(&input.string()?)?;
    let mut hash = Hash::new();
    hash.make_room(pack.len() / 3, limits);
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
