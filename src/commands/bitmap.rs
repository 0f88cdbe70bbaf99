//! Strings as arrays of bits: single bits, counts and searches, combinations of whole strings, and fields of
//! a few bits.
//!
//! A bit that is written makes the string as long as it needs to be, up to `proto-max-bulk-len`. Writing
//! what is there already is no change: it has no event and is not logged, though the string counts as
//! `raw` from then on, as in Redis.

use std::ops::Range;

use crate::base::bytes::Bytes;
use crate::base::number::parse_i64;
use crate::config::params;
use crate::exec::keyspec::{
    ACCESS, KeyFlags, OW_UPDATE, RO_ACCESS, RW, RW_ACCESS_UPDATE, UPDATE, VARIABLE_FLAGS, key,
    key_at, keys_from,
};
use crate::exec::spec::{DENY_OOM, FAST, READ, WRITE};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd, quotable, work};
use crate::resp::ArgList;
use crate::session::Origin;
use crate::store::{Change, Deadline, Key, StringRef, Text, View, event};
use crate::value::bitmap::{self, Action, Field, FieldType, Operation, Overflow, Unit};

const BITFIELD_FLAGS: KeyFlags = RW.and(ACCESS).and(UPDATE).and(VARIABLE_FLAGS);

pub static COMMANDS: &[Spec] = &[
    cmd("BITCOUNT", -2, &[key(RO_ACCESS)], READ, bitcount).work(bitcount_work).doc(
        "2.6.0",
        "O(N) where N is the length of the range",
        "key [start end [BYTE | BIT]]",
        "Counts the bits that are set in a string or a part of it.",
    ),
    cmd("BITFIELD", -2, &[key(BITFIELD_FLAGS)], WRITE | DENY_OOM, bitfield)
        .key_flags(bitfield_key_flags)
        .work(bitfield_work)
        .doc(
            "3.2.0",
            "O(1) for each subcommand",
            "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset \
             value | INCRBY encoding offset increment>> ...]",
            "Reads and changes integers of any width at any bit of a string.",
        ),
    cmd("BITFIELD_RO", -2, &[key(RO_ACCESS)], READ | FAST, bitfield_ro).doc(
        "6.0.0",
        "O(1) for each subcommand",
        "key [GET encoding offset [GET encoding offset ...]]",
        "Reads integers of any width at any bit of a string.",
    ),
    cmd("BITOP", -4, &[key_at(2, OW_UPDATE), keys_from(3, RO_ACCESS)], WRITE | DENY_OOM, bitop)
        .work(bitop_work)
        .doc(
            "2.6.0",
            "O(N) where N is the length of all strings together",
            "<AND | OR | XOR | NOT> destkey key [key ...]",
            "Combines strings bit by bit and stores the result.",
        ),
    cmd("BITPOS", -3, &[key(RO_ACCESS)], READ, bitpos).work(bitpos_work).doc(
        "2.8.7",
        "O(N) where N is the length of the range",
        "key bit [start [end [BYTE | BIT]]]",
        "Finds the first bit that is set, or clear, in a string or a part of it.",
    ),
    cmd("GETBIT", 3, &[key(RO_ACCESS)], READ | FAST, getbit).doc(
        "2.2.0",
        "O(1)",
        "key offset",
        "Returns one bit of a string.",
    ),
    cmd("SETBIT", 4, &[key(RW_ACCESS_UPDATE)], WRITE | DENY_OOM, setbit).work(setbit_work).doc(
        "2.2.0",
        "O(1)",
        "key offset value",
        "Sets or clears one bit of a string and returns the old one.",
    ),
];

const BAD_OFFSET: CommandError =
    CommandError::text("ERR bit offset is not an integer or out of range");
const BAD_BIT: CommandError = CommandError::text("ERR bit is not an integer or out of range");

/// The offset of a bit that a string may have. What is replayed was checked when it first ran.
fn check_offset(ctx: &Context<'_>, offset: i64) -> Result<u64, CommandError> {
    let offset = u64::try_from(offset).map_err(|_| BAD_OFFSET)?;
    let limit = ctx.engine.config.int(params::PROTO_MAX_BULK_LEN) as u64;
    let is_checked = ctx.session.origin == Origin::Replay || offset / 8 < limit;
    if is_checked { Ok(offset) } else { Err(BAD_OFFSET) }
}

fn parse_offset(ctx: &Context<'_>, args: &mut Args<'_>) -> Result<u64, CommandError> {
    let offset = parse_i64(args.bytes()?).ok_or(BAD_OFFSET)?;
    check_offset(ctx, offset)
}

/// How long a string with so many bits is.
fn bytes_for(bits: u64) -> usize {
    bits.div_ceil(8) as usize
}

/// `GETBIT key offset`
fn getbit<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let offset = parse_offset(ctx, &mut args)?;
    let text = ctx.keys.string(&key)?;
    let bit = text.is_some_and(|text| text.with_bytes(|bytes| bitmap::get_bit(bytes, offset)));
    ctx.reply.integer(i64::from(bit));
    Ok(())
}

/// `SETBIT key offset value`
fn setbit<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let offset = parse_offset(ctx, &mut args)?;
    let bit = match parse_i64(args.bytes()?) {
        Some(bit @ (0 | 1)) => bit == 1,
        _ => return Err(BAD_BIT),
    };
    ctx.check_growth(bytes_for(offset + 1))?;
    let old = ctx.keys.edit_bytes(&key, |bytes, change| {
        let has_grown = bitmap::grow(bytes, offset + 1);
        let old = bitmap::get_bit(bytes, offset);
        if has_grown || old != bit {
            bitmap::set_bit(bytes, offset, bit);
            change.event(event::SETBIT);
        }
        old
    })?;
    ctx.reply.integer(i64::from(old));
    Ok(())
}

/// `BYTE` or `BIT`.
fn parse_unit(args: &mut Args<'_>) -> Result<Unit, CommandError> {
    args.choice(&[("BYTE", Unit::Byte), ("BIT", Unit::Bit)])
}

/// `BITCOUNT key [start end [BYTE | BIT]]`
fn bitcount<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (mut start, mut end, mut unit) = (0, -1, Unit::Byte);
    match args.left() {
        0 => {}
        2 | 3 => {
            (start, end) = (args.integer()?, args.integer()?);
            if !args.is_empty() {
                unit = parse_unit(&mut args)?;
            }
        }
        _ => return Err(CommandError::Syntax),
    }
    // Two places that are both before the first byte count as one that is not empty, unless they are
    // obviously the wrong way round.
    let is_reversed = start < 0 && end < 0 && start > end;
    let text = ctx.keys.string(&key)?.filter(|_| !is_reversed);
    let count = text.map_or(0, |text| {
        text.with_bytes(|bytes| {
            bitmap::count(bytes, bitmap::bit_range(bytes.len(), unit, start, end))
        })
    });
    ctx.reply.integer(count as i64);
    Ok(())
}

/// Where `BITPOS` searches.
struct Search {
    bit: bool,
    start: i64,
    /// Without it zeros are found behind the string.
    end: Option<i64>,
    unit: Unit,
}

impl Search {
    fn parse(args: &mut Args<'_>) -> Result<Search, CommandError> {
        let bit = match args.integer()? {
            bit @ (0 | 1) => bit == 1,
            _ => return Err(CommandError::text("ERR The bit argument must be 1 or 0.")),
        };
        let mut search = Search { bit, start: 0, end: None, unit: Unit::Byte };
        if args.left() > 3 {
            return Err(CommandError::Syntax);
        }
        if !args.is_empty() {
            search.start = args.integer()?;
        }
        if !args.is_empty() {
            // The unit is looked at before the number in front of it.
            let mut after = *args;
            after.bytes()?;
            if !after.is_empty() {
                search.unit = parse_unit(&mut after)?;
            }
            search.end = Some(args.integer()?);
        }
        Ok(search)
    }

    fn run(&self, bytes: &[u8]) -> i64 {
        let range = bitmap::bit_range(bytes.len(), self.unit, self.start, self.end.unwrap_or(-1));
        let found = bitmap::find(bytes, self.bit, range.clone());
        match found {
            Some(offset) => offset as i64,
            None if self.bit || self.end.is_some() || range.is_empty() => -1,
            None => range.end as i64,
        }
    }
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`: a missing key is an endless row of zeros.
fn bitpos<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let search = Search::parse(&mut args)?;
    let position = match ctx.keys.string(&key)? {
        None => -i64::from(search.bit),
        Some(text) => text.with_bytes(|bytes| search.run(bytes)),
    };
    ctx.reply.integer(position);
    Ok(())
}

/// `BITOP <AND | OR | XOR | NOT> destkey key [key ...]`: a missing key is an empty string.
fn bitop<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let operation = args.choice(&[
        ("AND", Operation::And),
        ("OR", Operation::Or),
        ("XOR", Operation::Xor),
        ("NOT", Operation::Not),
    ])?;
    let target = args.key(&ctx.keys)?;
    if operation == Operation::Not && args.left() != 1 {
        let text = "ERR BITOP NOT must be called with a single source key.";
        return Err(CommandError::text(text));
    }
    let mut sources = Vec::with_capacity(args.left());
    while !args.is_empty() {
        let source = args.key(&ctx.keys)?;
        sources.push(ctx.keys.string(&source)?.map(shared).unwrap_or_default());
    }
    let slices: Vec<&[u8]> = sources.iter().map(|source| &source[..]).collect();
    ctx.check_growth(slices.iter().map(|slice| slice.len()).max().unwrap_or(0))?;
    let result = bitmap::combine(operation, &slices);
    if result.is_empty() {
        ctx.keys.remove(&target, event::DEL);
    } else {
        let value = StringRef::Bytes { bytes: &result, edited: true };
        ctx.keys.put_string(&target, value, Deadline::Clear, event::SET);
    }
    ctx.reply.count(result.len());
    Ok(())
}

/// The bytes, not copied if they are many.
fn shared(text: Text<'_>) -> Bytes {
    match text {
        Text::Long(bytes) => bytes.clone(),
        short => Bytes::new(short.to_vec()),
    }
}

/// `BITFIELD` writes only if a subcommand does. What cannot be read counts as writing.
fn bitfield_key_flags(args: ArgList<'_>) -> KeyFlags {
    let mut args = Args::new(args.skip(2), 0);
    while let Some(option) = args.option() {
        let (is_read, operands) = match option.as_bytes() {
            b"GET" => (true, 2),
            b"OVERFLOW" => (true, 1),
            _ => (false, 0),
        };
        if !is_read || (0..operands).any(|_| args.bytes().is_err()) {
            return RW_ACCESS_UPDATE;
        }
    }
    RO_ACCESS
}

/// The subcommands of `BITFIELD`.
fn parse_fields(ctx: &Context<'_>, args: &mut Args<'_>) -> Result<Vec<Field>, CommandError> {
    let mut fields = Vec::new();
    let mut overflow = Overflow::default();
    while let Some(option) = args.option() {
        match (option.as_bytes(), args.left()) {
            (b"GET", 2..) => fields.push(parse_field(ctx, args, overflow, |_| Ok(Action::Get))?),
            (b"SET", 3..) => fields
                .push(parse_field(ctx, args, overflow, |args| Ok(Action::Set(args.integer()?)))?),
            (b"INCRBY", 3..) => fields.push(parse_field(ctx, args, overflow, |args| {
                Ok(Action::Increment(args.integer()?))
            })?),
            (b"OVERFLOW", 1..) => overflow = parse_overflow(args)?,
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(fields)
}

fn parse_overflow(args: &mut Args<'_>) -> Result<Overflow, CommandError> {
    if args.is_empty() {
        return Err(CommandError::Syntax);
    }
    args.choice(&[("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)])
        .map_err(|_| CommandError::text("ERR Invalid OVERFLOW type specified"))
}

fn parse_field<'a>(
    ctx: &Context<'_>,
    args: &mut Args<'a>,
    overflow: Overflow,
    action: impl FnOnce(&mut Args<'a>) -> Result<Action, CommandError>,
) -> Result<Field, CommandError> {
    const BAD_TYPE: CommandError = CommandError::text(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    // In Redis the type ends at a zero byte.
    let kind = FieldType::parse(quotable(args.bytes()?, usize::MAX)).ok_or(BAD_TYPE)?;
    let offset = parse_field_offset(ctx, args.bytes()?, kind)?;
    Ok(Field { kind, offset, action: action(args)?, overflow })
}

/// A number of bits, or behind `#` of fields of this type. The product wraps around, as in Redis.
fn parse_field_offset(
    ctx: &Context<'_>,
    text: &[u8],
    kind: FieldType,
) -> Result<u64, CommandError> {
    let (digits, width) = match text {
        [b'#', digits @ ..] => (digits, i64::from(kind.bits)),
        digits => (digits, 1),
    };
    let number = parse_i64(digits).ok_or(BAD_OFFSET)?;
    check_offset(ctx, number.wrapping_mul(width))
}

/// `BITFIELD key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY
/// encoding offset increment> ...]`
fn bitfield<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let fields = parse_fields(ctx, &mut args)?;
    let written = fields.iter().filter(|field| field.writes()).map(Field::end).max();
    let Some(end) = written else {
        reply_fields(ctx, &key, &fields)?;
        return Ok(());
    };
    ctx.check_growth(bytes_for(end))?;
    let replies = ctx.keys.edit_bytes(&key, |bytes, change| apply_all(&fields, end, bytes, change));
    let replies = replies?;
    ctx.reply.array(replies.len());
    for reply in replies {
        match reply {
            Some(number) => ctx.reply.integer(number),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

/// Carries out the subcommands on a string that is made to have `end` bits. As in Redis it keeps that
/// length even if nothing could be written, which then has no event.
fn apply_all(
    fields: &[Field],
    end: u64,
    bytes: &mut Vec<u8>,
    change: &mut Change,
) -> Vec<Option<i64>> {
    let has_grown = bitmap::grow(bytes, end);
    let applied: Vec<_> = fields.iter().map(|field| field.apply(bytes)).collect();
    if applied.iter().any(|it| it.changed || has_grown && it.written) {
        change.event(event::SETBIT);
    } else if has_grown {
        change.silently();
    }
    applied.into_iter().map(|it| it.reply).collect()
}

/// `BITFIELD_RO key [GET encoding offset ...]`
fn bitfield_ro<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let fields = parse_fields(ctx, &mut args)?;
    if fields.iter().any(Field::writes) {
        return Err(CommandError::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    reply_fields(ctx, &key, &fields)
}

fn reply_fields(ctx: &mut Context<'_>, key: &Key<'_>, fields: &[Field]) -> Outcome {
    let text = ctx.keys.string(key)?;
    let reply = &mut ctx.reply;
    reply.array(fields.len());
    let mut read = |bytes: &[u8]| fields.iter().for_each(|field| reply.integer(field.read(bytes)));
    match text {
        None => read(b""),
        Some(text) => text.with_bytes(read),
    }
    Ok(())
}

/// Bits that are looked at in the time of an element.
const BITS_PER_ELEMENT: u64 = 4096;

fn bits_work(range: Range<u64>) -> usize {
    (range.end.saturating_sub(range.start)).div_ceil(BITS_PER_ELEMENT) as usize
}

fn bitcount_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(key) = keys.declared(0) else { return 0 };
    let index = |arg| args.get(arg).and_then(parse_i64);
    let unit = match args.get(4) {
        Some(unit) if unit.eq_ignore_ascii_case(b"BIT") => Unit::Bit,
        _ => Unit::Byte,
    };
    let (start, end) = (index(2).unwrap_or(0), index(3).unwrap_or(-1));
    bits_work(bitmap::bit_range(keys.string_len(&key), unit, start, end))
}

fn bitpos_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(key) = keys.declared(0) else { return 0 };
    let Ok(search) = Search::parse(&mut Args::new(args, 2)) else { return 0 };
    let end = search.end.unwrap_or(-1);
    bits_work(bitmap::bit_range(keys.string_len(&key), search.unit, search.start, end))
}

fn setbit_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let offset = args.get(2).and_then(parse_i64).and_then(|offset| u64::try_from(offset).ok());
    offset.map_or(0, |offset| work::growth(bytes_for(offset.saturating_add(1)), keys))
}

/// For the subcommand that writes farthest.
fn bitfield_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let end_behind = |at: usize| {
        let kind = FieldType::parse(args.get(at + 1)?)?;
        let offset = args.get(at + 2)?;
        let (digits, width) = match offset.strip_prefix(b"#") {
            Some(digits) => (digits, u64::from(kind.bits)),
            None => (offset, 1),
        };
        let offset = u64::try_from(parse_i64(digits)?).ok()?;
        Some(offset.saturating_mul(width))
    };
    let writes =
        |word: &[u8]| word.eq_ignore_ascii_case(b"SET") || word.eq_ignore_ascii_case(b"INCRBY");
    let words = args.iter().enumerate().filter(|(_, word)| writes(word));
    let end = words.filter_map(|(at, _)| end_behind(at)).max();
    end.map_or(0, |end| work::growth(bytes_for(end), keys))
}

/// All bytes of the sources, which are read, and as many written.
fn bitop_work(_: ArgList<'_>, keys: &View<'_>) -> usize {
    const BYTES_PER_ELEMENT: usize = 128;
    let sources = keys.all_declared().skip(1);
    sources.map(|key| keys.string_len(&key)).sum::<usize>().div_ceil(BYTES_PER_ELEMENT)
}
