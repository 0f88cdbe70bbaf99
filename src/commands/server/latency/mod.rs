//! `LATENCY`: spikes by kind of event, and how long each command takes.

mod report;

use crate::base::histogram::Counts;
use crate::commands::shared::family_help::family_help;
use crate::config::params;
use crate::exec::spec::{ADMIN, LOADING, NONE, NOSCRIPT, STALE};
use crate::exec::{
    Args, Command, CommandError, Context, Outcome, Series, Spec, cmd, excerpt, family,
};
use report::{advice, graph};

pub static COMMANDS: &[Spec] = &[family("LATENCY", -2, NONE, LATENCY).doc(
    "2.8.13",
    "Depends on subcommand.",
    "",
    "Shows what took long, by kind of event or by command.",
)];

static LATENCY: &[Spec] = &[
    cmd("LATENCY DOCTOR", 2, &[], ADMIN | NOSCRIPT | LOADING | STALE, latency_doctor)
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .doc("2.8.13", "O(1)", "", "Returns a report on the spikes, in prose."),
    cmd("LATENCY GRAPH", 3, &[], ADMIN | NOSCRIPT | LOADING | STALE, latency_graph)
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .doc("2.8.13", "O(1)", "event", "Draws the samples of one kind of event."),
    cmd("LATENCY HISTORY", 3, &[], ADMIN | NOSCRIPT | LOADING | STALE, latency_history)
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .doc("2.8.13", "O(1)", "event", "Returns the samples of one kind of event."),
    cmd("LATENCY LATEST", 2, &[], ADMIN | NOSCRIPT | LOADING | STALE, latency_latest)
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .doc(
            "2.8.13",
            "O(1)",
            "",
            "Returns the newest and the worst sample of every kind of event.",
        ),
    cmd("LATENCY RESET", -2, &[], ADMIN | NOSCRIPT | LOADING | STALE, latency_reset)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .doc(
            "2.8.13",
            "O(1)",
            "[event [event ...]]",
            "Forgets the samples of some kinds of events, of all if none is named.",
        ),
    cmd("LATENCY HISTOGRAM", -2, &[], ADMIN | NOSCRIPT | LOADING | STALE, latency_histogram)
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .doc(
            "7.0.0",
            "O(N) where N is the number of commands with latency information being retrieved.",
            "[command [command ...]]",
            "Returns, for some commands or all, how many calls took at most how long.",
        ),
    cmd("LATENCY HELP", 2, &[], LOADING | STALE, latency_help).doc(
        "2.8.13",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
];

fn series_of(ctx: &Context<'_>, kind: &[u8]) -> Option<(&'static str, Series)> {
    ctx.engine.latency.all().into_iter().find(|(name, _)| name.as_bytes() == kind)
}

/// `LATENCY LATEST`
fn latency_latest<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let all = ctx.engine.latency.all();
    ctx.reply.array(all.len());
    for (kind, series) in all {
        let newest = series.samples.back().expect("a series begins with a sample");
        ctx.reply.array(4);
        ctx.reply.bulk(kind);
        ctx.reply.integer(newest.unix_s);
        ctx.reply.integer(newest.millis as i64);
        ctx.reply.integer(series.max_millis as i64);
    }
    Ok(())
}

/// `LATENCY HISTORY event`
fn latency_history<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let samples = series_of(ctx, args.bytes()?).map(|(_, series)| series.samples);
    let samples = samples.unwrap_or_default();
    ctx.reply.array(samples.len());
    for sample in samples {
        ctx.reply.array(2);
        ctx.reply.integer(sample.unix_s);
        ctx.reply.integer(sample.millis as i64);
    }
    Ok(())
}

/// `LATENCY RESET [event [event ...]]`
fn latency_reset<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let kinds: Vec<&[u8]> = args.rest().iter().collect();
    ctx.reply.count(ctx.engine.latency.reset(&kinds));
    Ok(())
}

/// `LATENCY GRAPH event`
fn latency_graph<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let kind = args.bytes()?;
    let (name, series) = series_of(ctx, kind).ok_or_else(|| {
        CommandError::err(format!("No samples available for event '{}'", excerpt(kind, 128)))
    })?;
    ctx.reply.verbatim("txt", graph(name, &series, ctx.now_ms() / 1000));
    Ok(())
}

/// `LATENCY DOCTOR`
fn latency_doctor<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let config = &ctx.engine.config;
    let threshold_millis = config.int(params::LATENCY_MONITOR_THRESHOLD);
    let slowlog_micros = config.int(params::SLOWLOG_LOG_SLOWER_THAN);
    let text = advice(&ctx.engine.latency.all(), threshold_millis, slowlog_micros);
    ctx.reply.verbatim("txt", text);
    Ok(())
}

/// `LATENCY HISTOGRAM [command [command ...]]`: commands that were never called are left out, and so
/// are names of no command. The name of a family stands for its subcommands.
fn latency_histogram<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let registry = &ctx.engine.registry;
    let commands: Vec<Command> = if args.is_empty() {
        registry.all().to_vec()
    } else {
        let named = args.rest().iter().filter_map(|name| registry.by_full_name(name));
        named.flat_map(|command| with_subcommands(ctx, command)).collect()
    };
    let histograms: Vec<(Command, Box<Counts>)> = commands
        .into_iter()
        .filter_map(|command| Some((command, ctx.engine.stats.command(command.number).histogram?)))
        .filter(|(_, counts)| counts.total() > 0)
        .collect();
    ctx.reply.map(histograms.len());
    for (command, counts) in histograms {
        ctx.reply.bulk(command.spec.full_name());
        reply_histogram(ctx, &counts);
    }
    Ok(())
}

/// The command, followed by its subcommands.
fn with_subcommands(ctx: &Context<'_>, command: Command) -> Vec<Command> {
    let first = usize::from(command.number);
    ctx.engine.registry.all()[first..=first + command.spec.subcommands.len()].to_vec()
}

fn reply_histogram(ctx: &mut Context<'_>, counts: &Counts) {
    ctx.reply.map(2);
    ctx.reply.bulk("calls");
    ctx.reply.integer(counts.total() as i64);
    ctx.reply.bulk("histogram_usec");
    let lines = counts.cumulative_by_power();
    ctx.reply.map(lines.len());
    for (micros, calls) in lines {
        ctx.reply.integer(micros as i64);
        ctx.reply.integer(calls as i64);
    }
}

/// `LATENCY HELP`
fn latency_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "LATENCY")
}
