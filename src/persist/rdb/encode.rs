//! Writing values of every type.

use super::numbers as rdb;
use super::output::Output;
use crate::store::ValueRef;
use crate::value::Value;

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

fn string(out: &mut Output, bytes: &[u8]) {
    out.byte(rdb::STRING);
    out.string(bytes);
}

fn object(out: &mut Output, value: &Value, _now_ms: i64) -> u16 {
    match value {
        Value::String { bytes, .. } => string(out, bytes),
        _ => unimplemented!(),
    }
    rdb::VERSION_COMMON
}
