//! Going through the fields of a hash in several calls.

use crate::commands::shared::scan_options::{ScanOptions, Scanned, parse_cursor, reply_scan};
use crate::exec::{Args, Context, Outcome};
use crate::value::Hash;

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`: of a missing key, the options are not read.
pub(super) fn hscan<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let cursor = parse_cursor(&mut args)?;
    let now_ms = ctx.now_ms();
    let mut found: Vec<Vec<u8>> = Vec::new();
    let Some(hash) = ctx.keys.collection::<Hash>(&key)? else {
        reply_scan(&mut ctx.reply, 0, &found);
        return Ok(());
    };
    let options = ScanOptions::parse(&mut args, Scanned::Fields)?;
    let next = hash.scan(cursor, options.count, now_ms, |field, value| {
        if field.with_bytes(|name| options.matches(name)) {
            found.push(field.to_vec());
            if !options.no_values {
                found.push(value.to_vec());
            }
        }
    });
    reply_scan(&mut ctx.reply, next, &found);
    Ok(())
}
