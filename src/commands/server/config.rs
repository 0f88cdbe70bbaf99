//! `CONFIG`: parameters, read and changed while the server runs.

use std::sync::atomic::Ordering;

use crate::commands::shared::family_help::family_help;
use crate::config::kind::Kind;
use crate::config::{Param, params};
use crate::exec::spec::{ADMIN, EXCLUSIVE, LOADING, NONE, NOSCRIPT, STALE};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, check_pattern, cmd, family};

pub static COMMANDS: &[Spec] = &[family("CONFIG", -2, NONE, CONFIG).doc(
    "2.0.0",
    "Depends on subcommand.",
    "",
    "Reads and changes parameters.",
)];

static CONFIG: &[Spec] = &[
    cmd("CONFIG GET", -3, &[], ADMIN | NOSCRIPT | LOADING | STALE, config_get).doc(
        "2.0.0",
        "O(N) when N is the number of configuration parameters provided",
        "parameter [parameter ...]",
        "Returns parameters with their values; names may be glob patterns.",
    ),
    cmd("CONFIG SET", -4, &[], ADMIN | NOSCRIPT | LOADING | STALE, config_set)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .doc(
            "2.0.0",
            "O(N) when N is the number of configuration parameters provided",
            "parameter value [parameter value ...]",
            "Changes parameters, all of them or none.",
        ),
    cmd(
        "CONFIG RESETSTAT",
        2,
        &[],
        ADMIN | NOSCRIPT | LOADING | STALE | EXCLUSIVE,
        config_resetstat,
    )
    .doc("2.0.0", "O(1)", "", "Sets the counters that INFO shows to zero."),
    cmd("CONFIG REWRITE", 2, &[], ADMIN | NOSCRIPT | LOADING | STALE, config_rewrite).doc(
        "2.8.0",
        "O(1)",
        "",
        "Brings the configuration file up to date.",
    ),
    cmd("CONFIG HELP", 2, &[], LOADING | STALE, config_help).doc(
        "5.0.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
];

/// `CONFIG GET parameter [parameter ...]`
fn config_get<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let patterns = args.rest().iter().map(check_pattern).collect::<Result<Vec<_>, _>>()?;
    let found = ctx.engine.config.get(&patterns);
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    Ok(())
}

/// `CONFIG SET parameter value [parameter value ...]`
fn config_set<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::with_capacity(args.left() / 2);
    while !args.is_empty() {
        let name = args.bytes()?;
        if is_secret(name) {
            ctx.session.hide_args(args.position()..args.position() + 1);
        }
        pairs.push((name, args.bytes()?));
    }
    let config = &ctx.engine.config;
    let is_local = ctx.session.client.address.is_local();
    let may_set_protected = config.allows(params::ENABLE_PROTECTED_CONFIGS, is_local);
    let changed = config
        .set(&pairs, may_set_protected, |changed| apply(ctx, changed))
        .map_err(|error| CommandError::err(error.to_string()))?;
    for param in changed {
        log::info!("client {} changed {}", ctx.session.client.id, param.name);
    }
    ctx.reply.ok();
    Ok(())
}

fn is_secret(name: &[u8]) -> bool {
    params::find(name).is_some_and(|param| matches!(param.kind, Kind::Secret))
}

/// Lets the server act on changed parameters.
fn apply(ctx: &Context<'_>, changed: &[&'static Param]) -> Result<(), (&'static str, String)> {
    let names: Vec<&'static str> = changed.iter().map(|param| param.name).collect();
    ctx.engine.control().apply_config(&names)
}

/// `CONFIG RESETSTAT`
fn config_resetstat<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.engine.stats.reset(ctx.world());
    ctx.engine.clients.accepted.store(0, Ordering::Relaxed);
    ctx.engine.clients.rejected.store(0, Ordering::Relaxed);
    ctx.engine.clients.allowance.disconnections.store(0, Ordering::Relaxed);
    ctx.engine.clients.memory.evicted.store(0, Ordering::Relaxed);
    ctx.engine.memory.reset_exceeded();
    ctx.engine.hooks.garbage_waiting.reset_freed();
    ctx.reply.ok();
    Ok(())
}

/// `CONFIG REWRITE`
fn config_rewrite<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.engine.control().rewrite_config()?;
    ctx.reply.ok();
    Ok(())
}

/// `CONFIG HELP`
fn config_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "CONFIG")
}
