//! Reading values of every type.

use super::input::{Damaged, Input, Result};
use super::numbers as rdb;
use crate::store::{OwnedValue, StringRef, string_ref};

/// Up to where collections take their small forms.
pub struct Limits {}

/// The value that begins with its type.
pub(super) fn value(input: &mut Input<'_>, limits: &Limits) -> Result<OwnedValue> {
    let kind = input.byte()?;
    if kind == rdb::STRING {
        return string(input);
    }
    let _ = limits;
    Err(Damaged)
}

fn string(input: &mut Input<'_>) -> Result<OwnedValue> {
    let bytes = input.string()?;
    Ok(match string_ref(&bytes) {
        StringRef::Integer(number) => OwnedValue::Integer(number),
        StringRef::Bytes { edited, .. } => OwnedValue::Short { bytes: bytes.into(), edited },
    })
}
