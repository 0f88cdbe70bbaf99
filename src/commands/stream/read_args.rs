//! The arguments of `XREAD` and `XREADGROUP`.
//!
//! Where their keys begin depends on the options in front: a group may be called `STREAMS`. So the keys
//! are declared by reading the options, as the handlers do.

use crate::commands::shared::blocking_timeout::deadline_of_millis;
use crate::exec::{Args, CommandError, Declared, Word};
use crate::resp::ArgList;
use crate::store::DeclaredKey;

/// Options, and the number of the first key.
pub(super) struct ReadArgs<'a> {
    /// Until when to wait; `Some(None)` waits forever.
    pub(super) deadline_ms: Option<Option<i64>>,
    pub(super) count: usize,
    /// Group and consumer.
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    pub(super) noack: bool,
    pub(super) streams: usize,
}

impl<'a> ReadArgs<'a> {
    /// Reads the options; keys and IDs are left, as many of these as of those.
    pub(super) fn parse(
        args: &mut Args<'a>,
        now_ms: i64,
        is_group: bool,
    ) -> Result<ReadArgs<'a>, CommandError> {
        let mut read = ReadArgs {
            deadline_ms: None,
            count: usize::MAX,
            group: None,
            noack: false,
            streams: 0,
        };
        while let Some(option) = args.option() {
            match option.as_bytes() {
                b"BLOCK" if !args.is_empty() => {
                    read.deadline_ms = Some(deadline_of_millis(args.bytes()?, now_ms)?);
                }
                b"COUNT" if !args.is_empty() => {
                    let count = args.integer()?;
                    read.count = if count > 0 { count as usize } else { usize::MAX };
                }
                b"STREAMS" if !args.is_empty() => {
                    read.streams = streams(args.left(), is_group)?;
                    break;
                }
                b"GROUP" if args.left() >= 2 => {
                    check_option(is_group, "GROUP")?;
                    read.group = Some((args.bytes()?, args.bytes()?));
                }
                b"NOACK" => {
                    check_option(is_group, "NOACK")?;
                    read.noack = true;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        if read.streams == 0 {
            return Err(CommandError::Syntax);
        }
        if is_group && read.group.is_none() {
            return Err(CommandError::err("Missing GROUP option for XREADGROUP"));
        }
        Ok(read)
    }
}

fn check_option(is_group: bool, option: &str) -> Result<(), CommandError> {
    if is_group {
        return Ok(());
    }
    Err(CommandError::err(format!(
        "The {option} option is only supported by XREADGROUP. You called XREAD instead."
    )))
}

/// How many streams so many arguments are, half of which are IDs.
fn streams(left: usize, is_group: bool) -> Result<usize, CommandError> {
    if left.is_multiple_of(2) {
        return Ok(left / 2);
    }
    let (command, symbol) = if is_group { ("xreadgroup", '>') } else { ("xread", '$') };
    Err(CommandError::err(format!(
        "Unbalanced '{command}' list of streams: for each stream key an ID or '{symbol}' must be specified."
    )))
}

/// Declares the keys behind `STREAMS`.
pub(super) fn declare_streams<'a>(
    args: ArgList<'a>,
    db: usize,
    _databases: usize,
    declared: &mut Declared<'a>,
) {
    let Some(first) = first_key(args) else { return };
    let keys = args.len().saturating_sub(first) / 2;
    for arg in first..first + keys {
        let bytes = args.get(arg).expect("it is one of the arguments");
        declared.push(DeclaredKey { bytes, db, arg });
    }
}

fn first_key(args: ArgList<'_>) -> Option<usize> {
    let mut at = 1;
    loop {
        at += match Word::new(args.get(at)?).as_bytes() {
            b"STREAMS" => return Some(at + 1),
            b"BLOCK" | b"COUNT" => 2,
            b"GROUP" => 3,
            b"NOACK" => 1,
            _ => return None,
        };
    }
}
