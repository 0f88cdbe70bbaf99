//! Commands on the keyspace as a whole: list, scan, pick at random.

use crate::base::glob::glob_match;
use crate::exec::{Args, CommandError, Context, Outcome};
use crate::store::EntryRef;

/// Entries visited per call of `SCAN` if the client does not say.
const COUNT_DEFAULT: usize = 10;

/// `KEYS pattern`
pub(super) fn keys<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let pattern = args.bytes()?;
    let mut found: Vec<Box<[u8]>> = Vec::new();
    ctx.keys.for_each(|entry| {
        if matches(pattern, entry.key()) {
            found.push(entry.key().into());
        }
    })?;
    ctx.reply.bulk_array(&found);
    Ok(())
}

/// `*` matches everything, the empty key included, which the glob itself would not.
fn matches(pattern: &[u8], key: &[u8]) -> bool {
    pattern == b"*" || glob_match(pattern, key, false)
}

/// Options of `SCAN`.
struct ScanOptions<'a> {
    pattern: &'a [u8],
    count: usize,
    type_name: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    fn parse(args: &mut Args<'a>) -> Result<ScanOptions<'a>, CommandError> {
        let mut options = ScanOptions { pattern: b"*", count: COUNT_DEFAULT, type_name: None };
        while let Some(option) = args.option() {
            if args.is_empty() {
                return Err(CommandError::Syntax);
            }
            match option.as_bytes() {
                b"MATCH" => options.pattern = args.bytes()?,
                b"TYPE" => options.type_name = Some(args.bytes()?),
                b"COUNT" => {
                    let count = usize::try_from(args.integer()?).unwrap_or(0);
                    options.count =
                        Some(count).filter(|count| *count > 0).ok_or(CommandError::Syntax)?;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    fn accept(&self, entry: &EntryRef<'_>) -> bool {
        let is_type = |name: &[u8]| name.eq_ignore_ascii_case(entry.value().type_name().as_bytes());
        matches(self.pattern, entry.key()) && self.type_name.is_none_or(is_type)
    }
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let cursor = std::str::from_utf8(args.bytes()?).ok().and_then(|text| text.parse().ok());
    let cursor = cursor.ok_or(CommandError::InvalidCursor)?;
    let options = ScanOptions::parse(&mut args)?;
    let mut found: Vec<Box<[u8]>> = Vec::new();
    let next = ctx.keys.scan(cursor, options.count, |entry| {
        if options.accept(&entry) {
            found.push(entry.key().into());
        }
    })?;
    ctx.reply.array(2);
    ctx.reply.bulk(next.to_string());
    ctx.reply.bulk_array(&found);
    Ok(())
}

/// `RANDOMKEY`
pub(super) fn randomkey<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let random = &mut *ctx.random;
    match ctx.keys.random_key(|| random.next_u64())? {
        Some(key) => ctx.reply.bulk(key),
        None => ctx.reply.null(),
    }
    Ok(())
}
