//! Where a command's keys are among its arguments, in the terms of Redis's key specifications.
//!
//! A specification first finds where keys begin (a fixed argument, or behind a keyword), then which of
//! the following arguments are keys (a range with a step, or a count given by an argument). It also says
//! what the command does to them, which `COMMAND GETKEYSANDFLAGS` reports.

use crate::base::number::parse_i64;
use crate::resp::ArgList;

/// What a command does to a key; flags as Redis names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFlags(u16);

impl KeyFlags {
    pub const fn and(self, other: KeyFlags) -> KeyFlags {
        KeyFlags(self.0 | other.0)
    }

    pub fn contains(self, other: KeyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Names of the flags, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & 1 << bit != 0)
            .map(|(_, name)| *name)
    }
}

const NAMES: [&str; 11] = [
    "RO",
    "RW",
    "OW",
    "RM",
    "access",
    "update",
    "insert",
    "delete",
    "not_key",
    "incomplete",
    "variable_flags",
];

/// Reads the value.
pub const RO: KeyFlags = KeyFlags(1);
/// Changes the value, its content or its metadata.
pub const RW: KeyFlags = KeyFlags(1 << 1);
/// Overwrites the value.
pub const OW: KeyFlags = KeyFlags(1 << 2);
/// Deletes the key.
pub const RM: KeyFlags = KeyFlags(1 << 3);
/// Returns or copies content.
pub const ACCESS: KeyFlags = KeyFlags(1 << 4);
pub const UPDATE: KeyFlags = KeyFlags(1 << 5);
pub const INSERT: KeyFlags = KeyFlags(1 << 6);
pub const DELETE: KeyFlags = KeyFlags(1 << 7);
pub const NOT_KEY: KeyFlags = KeyFlags(1 << 8);
pub const INCOMPLETE: KeyFlags = KeyFlags(1 << 9);
pub const VARIABLE_FLAGS: KeyFlags = KeyFlags(1 << 10);

pub const RO_ACCESS: KeyFlags = RO.and(ACCESS);
pub const RW_ACCESS_UPDATE: KeyFlags = RW.and(ACCESS).and(UPDATE);
pub const RW_UPDATE: KeyFlags = RW.and(UPDATE);
pub const OW_UPDATE: KeyFlags = OW.and(UPDATE);

/// Where keys begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Index(usize),
    /// Behind this word, searched from the argument with this number (from the end if negative).
    Keyword(&'static str, i32),
    /// Where no specification can say, as for [`Find::Unknown`].
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to `last` (relative to the begin; from the end if negative), every `step`th, and only
    /// `1/limit` of the arguments if `limit` is above 1.
    Range { last: i32, step: usize, limit: usize },
    /// The argument at `count` (relative to the begin) says how many; the first is at `first`.
    KeyNum { count: usize, first: usize, step: usize },
    /// Keys stand where only the command can tell, or their names depend on data (`SORT`).
    Unknown,
}

/// See the module's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    pub begin: Begin,
    pub find: Find,
    pub flags: KeyFlags,
}

/// One key, the argument with this number.
pub const fn key_at(index: usize, flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 }, flags }
}

/// Keys that no specification can find.
pub const fn unknown(flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Unknown, find: Find::Unknown, flags }
}

/// One key, the first argument.
pub const fn key(flags: KeyFlags) -> KeySpec {
    key_at(1, flags)
}

/// All arguments are keys, or every `step`th.
pub const fn keys_to_end(step: usize, flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Index(1), find: Find::Range { last: -1, step, limit: 0 }, flags }
}

/// All arguments from this one on.
pub const fn keys_from(index: usize, flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Index(index), find: Find::Range { last: -1, step: 1, limit: 0 }, flags }
}

/// All arguments but the last.
pub const fn keys_before_timeout(flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Index(1), find: Find::Range { last: -2, step: 1, limit: 0 }, flags }
}

/// Keys behind their number, which is this argument.
pub const fn keys_numbered(index: usize, flags: KeyFlags) -> KeySpec {
    let find = Find::KeyNum { count: 0, first: 1, step: 1 };
    KeySpec { begin: Begin::Index(index), find, flags }
}

/// What `COMMAND INFO` tells as first key, last key and step: the one range that the specifications give
/// together, for clients that do not read these. Zeros if they give none.
pub fn legacy_range(specs: &[KeySpec]) -> [i64; 3] {
    let mut range: Option<[i64; 3]> = None;
    for spec in specs {
        let (Begin::Index(index), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            continue;
        };
        let first = index as i64;
        let last = if last < 0 { i64::from(last) } else { first + i64::from(last) };
        range = match range {
            None => Some([first, last, step as i64]),
            // Specifications that do not follow each other are not one range.
            Some([_, before, _]) if before + 1 != first => break,
            Some([begin, _, step]) => Some([begin, last, step]),
        };
    }
    range.unwrap_or_default()
}

/// Whether that range may miss keys.
pub fn is_movable(specs: &[KeySpec]) -> bool {
    specs.iter().any(|spec| {
        !matches!((spec.begin, spec.find), (Begin::Index(_), Find::Range { .. }))
            || spec.flags.contains(INCOMPLETE)
    })
}

impl KeySpec {
    pub fn is_unknown(&self) -> bool {
        self.begin == Begin::Unknown
    }

    /// Whether it tells nothing of these arguments: nothing of any, or they do without the word that its keys stand behind.
    pub fn is_silent(&self, args: ArgList<'_>) -> bool {
        match self.begin {
            Begin::Index(_) => false,
            Begin::Keyword(..) => self.begin_at(args).is_none(),
            Begin::Unknown => true,
        }
    }

    /// Calls `found` with the number of each argument that is a key. False if the arguments do not
    /// agree with the specification.
    #[inline]
    pub fn positions(&self, args: ArgList<'_>, mut found: impl FnMut(usize)) -> bool {
        let Some(begin) = self.begin_at(args) else { return false };
        match self.find {
            Find::Range { last: 0, .. } => found(begin),
            Find::Range { last, step, limit } => {
                let end = range_end(begin, last, limit, args.len());
                (begin..=end).step_by(step).for_each(found);
            }
            Find::Unknown => return false,
            Find::KeyNum { count, first, step } => {
                let number = args.get(begin + count).and_then(parse_i64);
                let Some(number) = number.and_then(|n| usize::try_from(n).ok()) else {
                    return false;
                };
                let start = begin + first;
                let fits =
                    number.checked_mul(step).is_some_and(|span| start + span < args.len() + step);
                if number == 0 || !fits {
                    return false;
                }
                (0..number).for_each(|n| found(start + n * step));
            }
        }
        true
    }

    fn begin_at(&self, args: ArgList<'_>) -> Option<usize> {
        match self.begin {
            Begin::Unknown => None,
            Begin::Index(index) => (index < args.len()).then_some(index),
            Begin::Keyword(word, from) => {
                let is_word = |index: &usize| {
                    args.get(*index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
                };
                let found = if from >= 0 {
                    (from as usize..args.len()).find(is_word)
                } else {
                    (1..=args.len().checked_sub(from.unsigned_abs() as usize)?).rev().find(is_word)
                };
                found.map(|index| index + 1)
            }
        }
    }
}

fn range_end(begin: usize, last: i32, limit: usize, args: usize) -> usize {
    if last >= 0 {
        return (begin + last as usize).min(args - 1);
    }
    let end = args.saturating_sub(last.unsigned_abs() as usize);
    if limit > 1 { begin + (end + 1 - begin) / limit - 1 } else { end }
}
