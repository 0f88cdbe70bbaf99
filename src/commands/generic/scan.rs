//! Commands on the keyspace as a whole: list, scan, pick at random.

use crate::commands::shared::scan_options::{
    ScanOptions, Scanned, matches, parse_cursor, reply_scan,
};
use crate::exec::{Args, Context, Outcome, work};
use crate::resp::ArgList;
use crate::store::{EntryRef, View};

/// `KEYS pattern`
pub(super) fn keys<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let pattern = args.pattern()?;
    let mut found: Vec<Box<[u8]>> = Vec::new();
    ctx.keys.for_each(|entry| {
        if matches(pattern, entry.key()) {
            found.push(entry.key().into());
        }
    })?;
    ctx.reply.bulk_array(&found);
    Ok(())
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let cursor = parse_cursor(&mut args)?;
    let options = ScanOptions::parse(&mut args, Scanned::Keys)?;
    let mut found: Vec<Box<[u8]>> = Vec::new();
    let next = ctx.keys.scan(cursor, options.count, |entry| {
        if is_wanted(&options, &entry) {
            found.push(entry.key().into());
        }
    })?;
    reply_scan(&mut ctx.reply, next, &found);
    Ok(())
}

fn is_wanted(options: &ScanOptions<'_>, entry: &EntryRef<'_>) -> bool {
    let is_type = |name: &[u8]| name.eq_ignore_ascii_case(entry.value().type_name().as_bytes());
    options.matches(entry.key()) && options.type_name.is_none_or(is_type)
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

/// All keys.
pub(super) fn keys_work(_: ArgList<'_>, keys: &View<'_>) -> usize {
    keys.count()
}

/// As many keys as are asked for, or as there are.
pub(super) fn scan_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    /// Up to here it is not worth finding out how many there are.
    const FEW: usize = 1000;
    match work::option(args, b"COUNT") {
        Some(count) if count > FEW => count.min(keys.count()),
        count => count.unwrap_or(0),
    }
}
