//! How much a command is going to do: the estimates that several commands share.
//!
//! The unit is an element of a collection; see `Spec::work`. What cannot be read counts as nothing: the handler is going
//! to refuse it.

use crate::base::number::parse_i64;
use crate::resp::ArgList;
use crate::store::{Key, View};

/// However little there is: the command takes long whatever is stored.
pub fn always(_: ArgList<'_>, _: &View<'_>) -> usize {
    usize::MAX
}

/// What it takes to lengthen the string of the only declared key to so many bytes. The key is looked up only if that may be much.
pub fn growth(len: usize, keys: &View<'_>) -> usize {
    const BYTES_PER_ELEMENT: usize = 512;
    const LOOKED_UP_FROM: usize = 1 << 20;
    if len < LOOKED_UP_FROM {
        return 0;
    }
    let grown = keys.declared(0).map_or(0, |key| len.saturating_sub(keys.string_len(&key)));
    grown / BYTES_PER_ELEMENT
}

/// Everything that the declared keys hold.
pub fn all(_: ArgList<'_>, keys: &View<'_>) -> usize {
    sum(keys, keys.all_declared())
}

/// Everything that the declared keys behind the first one hold, which is only written to.
pub fn sources(_: ArgList<'_>, keys: &View<'_>) -> usize {
    sum(keys, keys.all_declared().skip(1))
}

fn sum<'a>(keys: &View<'_>, wanted: impl Iterator<Item = Key<'a>>) -> usize {
    wanted.map(|key| keys.work(&key)).sum()
}

/// The smallest of the declared keys' values, looked up in each of them.
pub fn smallest(_: ArgList<'_>, keys: &View<'_>) -> usize {
    intersection(keys, keys.all_declared())
}

/// The same behind a destination.
pub fn smallest_source(_: ArgList<'_>, keys: &View<'_>) -> usize {
    intersection(keys, keys.all_declared().skip(1))
}

fn intersection<'a>(keys: &View<'_>, wanted: impl Iterator<Item = Key<'a>>) -> usize {
    let (mut smallest, mut count) = (usize::MAX, 0);
    for key in wanted {
        smallest = smallest.min(keys.work(&key));
        count += 1;
    }
    if count == 0 { 0 } else { smallest.saturating_mul(count) }
}

/// So many elements of the key as the argument behind it says; nothing worth mentioning without it. A negative count is one with
/// repetition.
pub fn counted(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(key) = keys.declared(0) else { return 0 };
    match args.get(2).and_then(parse_i64) {
        Some(count @ ..=-1) if keys.exists(&key) => count.unsigned_abs() as usize,
        Some(count) => keys.work_of_part(&key, usize::try_from(count).unwrap_or(0)),
        None => 0,
    }
}

/// As many elements of one of the keys as the option `COUNT` says; nothing worth mentioning without it.
pub fn count_option(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(count) = option(args, b"COUNT") else { return 0 };
    let counts = keys.all_declared().map(|key| keys.work_of_part(&key, count));
    counts.max().unwrap_or(0)
}

/// The count behind a word.
pub fn option(args: ArgList<'_>, word: &[u8]) -> Option<usize> {
    let at = args.iter().rposition(|arg| arg.eq_ignore_ascii_case(word))?;
    usize::try_from(parse_i64(args.get(at + 1)?)?).ok()
}
