//! Writing values of every type.

use super::numbers as rdb;
use super::output::Output;
use super::packed::{write_intset, write_listpack};
use super::streams;
use crate::store::ValueRef;
use crate::value::listpack::Element;
use crate::value::set::SetForm;
use crate::value::{Hash, List, Set, SortedSet, Value};

/// Writes type and value; returns the version of the format that this is.
pub(super) fn value(out: &mut Output, value: ValueRef<'_>, now_ms: i64) -> u16 {
    match value {
        ValueRef::Integer(number) => {
            out.byte(rdb::STRING);
            out.integer(number);
        }
        ValueRef::Short { bytes, .. } => string(out, bytes),
        ValueRef::Object(value) => return object(out, value, now_ms),
    }
    rdb::VERSION_COMMON
}

fn object(out: &mut Output, value: &Value, now_ms: i64) -> u16 {
    match value {
        Value::String { bytes, .. } => string(out, bytes),
        Value::List(elements) => list(out, elements),
        Value::Set(members) => set(out, members),
        Value::SortedSet(members) => sorted_set(out, members),
        Value::Hash(fields) => return hash(out, fields, now_ms),
        Value::Stream(stream) => streams::write(out, stream),
    }
    rdb::VERSION_COMMON
}

fn string(out: &mut Output, bytes: &[u8]) {
    out.byte(rdb::STRING);
    out.string(bytes);
}

fn element(out: &mut Output, element: Element<'_>) {
    element.with_bytes(|bytes| out.string(bytes));
}

fn list(out: &mut Output, list: &List) {
    out.byte(rdb::LIST_QUICKLIST_2);
    out.count(list.packs().count());
    for pack in list.packs() {
        out.number(rdb::NODE_PACKED);
        out.string(&write_listpack(pack));
    }
}

/// Not as a listpack, which Redis 7.0 does not know of sets.
fn set(out: &mut Output, set: &Set) {
    if let SetForm::Integers(integers) = set.form() {
        out.byte(rdb::SET_INTSET);
        out.string(&write_intset(integers));
        return;
    }
    out.byte(rdb::SET);
    out.count(set.len());
    set.iter().for_each(|member| element(out, member));
}

/// Large sets from the highest score on, as Redis does: whoever inserts them one by one always does it in front.
fn sorted_set(out: &mut Output, set: &SortedSet) {
    if let Some(pack) = set.listpack() {
        out.byte(rdb::ZSET_LISTPACK);
        out.string(&write_listpack(pack));
        return;
    }
    out.byte(rdb::ZSET_2);
    out.count(set.len());
    for (member, score) in set.iter().rev() {
        element(out, member);
        out.binary_score(score);
    }
}

fn hash(out: &mut Output, hash: &Hash, now_ms: i64) -> u16 {
    if let Some(earliest) = hash.deadlines().map(|(unix_ms, _)| unix_ms).find(|it| *it > now_ms) {
        hash_with_deadlines(out, hash, earliest, now_ms);
        return rdb::VERSION_FIELD_DEADLINES;
    }
    if let (Some(pack), None) = (hash.listpack(), hash.next_deadline()) {
        out.byte(rdb::HASH_LISTPACK);
        out.string(&write_listpack(pack));
        return rdb::VERSION_COMMON;
    }
    out.byte(rdb::HASH);
    out.count(hash.len(now_ms));
    for (field, value) in hash.iter(now_ms) {
        element(out, field);
        element(out, value);
    }
    rdb::VERSION_COMMON
}

fn hash_with_deadlines(out: &mut Output, hash: &Hash, earliest: i64, now_ms: i64) {
    out.byte(rdb::HASH_METADATA);
    out.millis(earliest);
    out.count(hash.len(now_ms));
    for (field, value) in hash.iter(now_ms) {
        let deadline = field.with_bytes(|field| hash.deadline(field));
        out.number(deadline.map_or(0, |unix_ms| (unix_ms - earliest) as u64 + 1));
        element(out, field);
        element(out, value);
    }
}
