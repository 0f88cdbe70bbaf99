//! `HOTKEYS`: the keys that are asked for most, and those that move most bytes.

use super::key_report::{begin_key, count_option, rounded};
use crate::config::params;
use crate::exec::spec::{ADMIN, LOADING, STALE};
use crate::exec::{Args, CommandError, Context, Heat, HotKey, HotReport, Outcome, Spec, cmd};
use crate::resp::Reply;

pub static COMMANDS: &[Spec] = &[cmd("HOTKEYS", -1, &[], ADMIN | LOADING | STALE, hotkeys)
    .tips(&["request_policy:all_nodes", "nondeterministic_output"])
    .doc(
        "0.1.0",
        "O(N log N) where N is the number of keys that are counted, a few hundred for each \
         thread",
        "[RESET | [COUNT count] [BY <OPS | BYTES>]]",
        "Returns the keys with most operations and those that move most bytes, with rates \
         of the last minutes.",
    )];

/// How many keys are told if nothing is said.
const COUNT_DEFAULT: usize = 10;

/// `HOTKEYS RESET | [COUNT count] [BY OPS|BYTES]`
fn hotkeys<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let now_ns = ctx.now.monotonic_nanos;
    if args.take_word("RESET") {
        args.finish()?;
        ctx.engine.hotkeys.reset(now_ns);
        ctx.reply.ok();
        return Ok(());
    }
    let (mut count, mut heats) = (COUNT_DEFAULT, &[Heat::Ops, Heat::Bytes][..]);
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"COUNT" => count = count_option(&mut args)?,
            b"BY" => {
                heats = args.choice(&[("OPS", &[Heat::Ops][..]), ("BYTES", &[Heat::Bytes])])?;
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    let hot = &ctx.engine.hotkeys;
    let reports = heats.iter().map(|heat| (*heat, hot.report(now_ns, *heat, count)));
    let reports: Vec<(Heat, HotReport)> = reports.collect();
    let sampling = ctx.engine.config.int(params::HOTKEYS_SAMPLING);
    reply_reports(&mut ctx.reply, sampling, &reports);
    Ok(())
}

fn reply_reports(reply: &mut Reply<'_>, sampling: i64, reports: &[(Heat, HotReport)]) {
    let (_, any) = reports.first().expect("there is one for each ranking");
    reply.map(4 + reports.len());
    reply.bulk("sampling");
    reply.integer(sampling);
    for (name, figure) in [
        ("window-seconds", any.window_seconds),
        ("ops-per-second", any.ops_per_second),
        ("bytes-per-second", any.bytes_per_second),
    ] {
        reply.bulk(name);
        reply.double(rounded(figure));
    }
    for (heat, report) in reports {
        reply.bulk(match heat {
            Heat::Ops => "by-ops",
            Heat::Bytes => "by-bytes",
        });
        reply.array(report.keys.len());
        report.keys.iter().for_each(|key| reply_key(reply, key));
    }
}

fn reply_key(reply: &mut Reply<'_>, key: &HotKey) {
    let figures = [
        ("ops-per-second", key.ops_per_second),
        ("bytes-per-second", key.bytes_per_second),
        ("percent", key.share * 100.0),
        ("error", key.error),
    ];
    begin_key(reply, &key.key, key.db, figures.len());
    for (name, figure) in figures {
        reply.bulk(name);
        reply.double(rounded(figure));
    }
}
