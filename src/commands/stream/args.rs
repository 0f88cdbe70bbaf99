//! Arguments that several commands have: IDs, ends of ranges, counts, and how to trim.

use crate::base::number::parse_i64;
use crate::config::params;
use crate::exec::{Args, CommandError, Context, quotable};
use crate::resp::ArgList;
use crate::session::Origin;
use crate::store::{Key, View};
use crate::value::Stream;
use crate::value::stream::{Group, IdText, NewId, Seq, StreamId, Trim, TrimTo};

pub(super) const INVALID_ID: CommandError =
    CommandError::text("ERR Invalid stream ID specified as stream command argument");

/// The entries that an approximate trimming removes at most, in nodes, unless it is told.
const NODES_PER_TRIM: i64 = 100;
const TRIM_LIMIT_DEFAULT: i64 = 10_000;
const TRIM_LIMIT_MAX: i64 = 1_000_000;

/// `ms-seq` or `ms`.
pub(super) fn strict_id(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    let id = IdText::parse(text).ok_or(INVALID_ID)?;
    match id.seq {
        Seq::Given(seq) => Ok(StreamId::new(id.ms, seq)),
        Seq::Missing => Ok(StreamId::new(id.ms, missing_seq)),
        Seq::Any => Err(INVALID_ID),
    }
}

/// The same, or `-` or `+` for the smallest and the greatest.
pub(super) fn id(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        text => strict_id(text, missing_seq),
    }
}

pub(super) fn ids(args: &mut Args<'_>) -> Result<Vec<StreamId>, CommandError> {
    args.rest().iter().map(|text| strict_id(text, 0)).collect()
}

/// Where a range begins; `(` excludes the ID.
pub(super) fn range_start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => strict_id(id, 0)?
            .next()
            .ok_or(CommandError::text("ERR invalid start ID for the interval")),
        text => id(text, 0),
    }
}

/// Where a range ends.
pub(super) fn range_end(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => strict_id(id, u64::MAX)?
            .previous()
            .ok_or(CommandError::text("ERR invalid end ID for the interval")),
        text => id(text, u64::MAX),
    }
}

/// An integer with a text of its own for what is none.
pub(super) fn integer_or(args: &mut Args<'_>, error: &'static str) -> Result<i64, CommandError> {
    parse_i64(args.bytes()?).ok_or(CommandError::text(error))
}

/// A count whose negative values stand for 0.
pub(super) fn parse_count(args: &mut Args<'_>) -> Result<usize, CommandError> {
    Ok(usize::try_from(args.integer()?.max(0)).expect("it is not negative"))
}

/// The error of a group that is missing, or whose stream is.
pub(super) fn no_group(key: &[u8], group: &[u8], suffix: &str) -> CommandError {
    let (key, group) = (quotable(key, usize::MAX), quotable(group, usize::MAX));
    let parts: [&[u8]; 6] =
        [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", suffix.as_bytes()];
    CommandError::Quoting(parts.concat())
}

/// The error of a group that a stream does not have.
pub(super) fn no_such_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (quotable(key, usize::MAX), quotable(group, usize::MAX));
    let parts: [&[u8]; 5] =
        [b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"];
    CommandError::Quoting(parts.concat())
}

/// Reads the stream, which counts as an access, and checks that it has the group.
pub(super) fn check_group(
    ctx: &mut Context<'_>,
    key: &Key<'_>,
    group: &[u8],
) -> Result<(), CommandError> {
    let stream = ctx.keys.collection::<Stream>(key)?;
    match stream.and_then(|stream| stream.group(group)) {
        Some(_) => Ok(()),
        None => Err(no_group(key.bytes, group, "")),
    }
}

/// What `XADD` and `XTRIM` are told before the entry.
#[derive(Default)]
pub(super) struct AddOptions {
    pub(super) must_exist: bool,
    pub(super) trim: Option<Trim>,
    /// Always there for `XADD`, whose ID ends the options.
    pub(super) id: Option<NewId>,
}

impl AddOptions {
    /// Reads the options; `adds`: up to the ID of a new entry.
    pub(super) fn parse(
        args: &mut Args<'_>,
        ctx: &Context<'_>,
        adds: bool,
    ) -> Result<AddOptions, CommandError> {
        let mut options = AddOptions::default();
        let mut limit = None;
        while let Some(word) = args.peek() {
            let option = args.option().expect("there is a next argument");
            match option.as_bytes() {
                b"*" if adds => {
                    options.id = Some(NewId::At { now_ms: ctx.now_ms() as u64 });
                    break;
                }
                b"MAXLEN" | b"MINID" if !args.is_empty() => {
                    options.trim = Some(options.parse_trim(option.as_bytes(), args)?);
                }
                b"LIMIT" if !args.is_empty() => {
                    let number = args.integer()?;
                    if number < 0 {
                        return Err(CommandError::err("The LIMIT argument must be >= 0."));
                    }
                    limit = Some(number);
                }
                b"NOMKSTREAM" if adds => options.must_exist = true,
                _ if adds => {
                    options.id = Some(new_id(word)?);
                    break;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        options.set_limit(limit, ctx, adds)?;
        Ok(options)
    }

    fn parse_trim(&self, option: &[u8], args: &mut Args<'_>) -> Result<Trim, CommandError> {
        if self.trim.is_some() {
            return Err(CommandError::err(
                "syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let has_mark = args.left() >= 2 && matches!(args.peek(), Some(b"~" | b"="));
        let is_approximate = has_mark && args.bytes()? == b"~";
        let to = if option == b"MINID" {
            TrimTo::Id(strict_id(args.bytes()?, 0)?)
        } else {
            let len = u64::try_from(args.integer()?);
            TrimTo::Len(len.map_err(|_| CommandError::err("The MAXLEN argument must be >= 0."))?)
        };
        Ok(Trim { to, is_approximate, limit: 0 })
    }

    fn set_limit(
        &mut self,
        limit: Option<i64>,
        ctx: &Context<'_>,
        adds: bool,
    ) -> Result<(), CommandError> {
        let is_limited = limit.is_some_and(|limit| limit > 0);
        let Some(trim) = &mut self.trim else {
            return match limit {
                Some(_) if is_limited => Err(CommandError::err(
                    "syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
                _ if !adds => Err(CommandError::err(
                    "syntax error, XTRIM must be called with a trimming strategy",
                )),
                Some(_) => Err(LIMIT_WITHOUT_MARK),
                None => Ok(()),
            };
        };
        // Redis logs that exactly so many stay, and leaves the limit in place.
        let is_replayed = ctx.session.origin == Origin::Replay;
        if limit.is_some() && !trim.is_approximate && !is_replayed {
            return Err(LIMIT_WITHOUT_MARK);
        }
        if trim.is_approximate {
            let per_node = ctx.engine.config.int(params::STREAM_NODE_MAX_ENTRIES);
            let usual = match per_node.saturating_mul(NODES_PER_TRIM) {
                ..=0 => TRIM_LIMIT_DEFAULT,
                entries => entries.min(TRIM_LIMIT_MAX),
            };
            trim.limit = limit.unwrap_or(usual) as u64;
        }
        Ok(())
    }
}

const LIMIT_WITHOUT_MARK: CommandError =
    CommandError::text("ERR syntax error, LIMIT cannot be used without the special ~ option");

fn new_id(text: &[u8]) -> Result<NewId, CommandError> {
    let id = IdText::parse(text).ok_or(INVALID_ID)?;
    Ok(match id.seq {
        Seq::Any => NewId::In { ms: id.ms },
        Seq::Given(seq) => NewId::Exactly(StreamId::new(id.ms, seq)),
        Seq::Missing => NewId::Exactly(StreamId::new(id.ms, 0)),
    })
}

/// The stream that an estimate is about.
pub(super) fn stream_at<'v>(keys: &'v View<'_>) -> Option<&'v Stream> {
    keys.peek_collection(&keys.declared(0)?).ok().flatten()
}

/// The group that an estimate is about, named by the argument with this number.
pub(super) fn group_at<'v>(args: ArgList<'_>, keys: &'v View<'_>, at: usize) -> Option<&'v Group> {
    stream_at(keys)?.group(args.get(at)?)
}
