//! Writing values of every type.

use super::numbers as rdb;
use super::output::Output;
use super::packed::write_listpack;
use crate::store::ValueRef;
use crate::value::listpack::Element;
use crate::value::{Hash, SortedSet, Value};

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
        Value::SortedSet(set) => sorted_set(out, set),
        Value::Hash(fields) => return hash(out, fields, now_ms),
        _ => unimplemented!("to be written"),
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
