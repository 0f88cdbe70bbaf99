//! The sections of `INFO`, one function each, which appends lines `name:value`.

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use crate::config::params;
use crate::exec::{Command, CommandTotals, Context};
use crate::session::SubscriptionKind;
use crate::store::Poisoned;

type Written = Result<(), Poisoned>;

fn line(text: &mut String, name: &str, value: impl Display) {
    write!(text, "{name}:{value}\r\n").expect("a string takes whatever is written");
}

/// The lines of a section that only the server as a whole can fill.
fn control_lines(ctx: &Context<'_>, section: &str, text: &mut String) -> Written {
    let lines = ctx.engine.control().info(section);
    lines.into_iter().for_each(|(name, value)| line(text, name, value));
    Ok(())
}

pub(super) fn server(ctx: &mut Context<'_>, text: &mut String) -> Written {
    control_lines(ctx, "server", text)
}

pub(super) fn clients(ctx: &mut Context<'_>, text: &mut String) -> Written {
    let clients = ctx.engine.clients.all();
    let input = clients.iter().map(|c| c.query_buffer_capacity.load(Ordering::Relaxed)).max();
    let output = clients.iter().map(|c| c.output_memory.load(Ordering::Relaxed)).max();
    let waiting = clients.iter().filter(|c| c.is_waiting.load(Ordering::Relaxed)).count();
    line(text, "connected_clients", clients.len());
    line(text, "cluster_connections", 0);
    line(text, "maxclients", ctx.engine.config.int(params::MAXCLIENTS));
    line(text, "client_recent_max_input_buffer", input.unwrap_or(0));
    line(text, "client_recent_max_output_buffer", output.unwrap_or(0));
    line(text, "blocked_clients", waiting);
    line(text, "tracking_clients", ctx.engine.caches.totals().clients);
    line(text, "total_blocking_keys", ctx.engine.waiters.keys());
    Ok(())
}

pub(super) fn memory(ctx: &mut Context<'_>, text: &mut String) -> Written {
    control_lines(ctx, "memory", text)
}

pub(super) fn persistence(ctx: &mut Context<'_>, text: &mut String) -> Written {
    control_lines(ctx, "persistence", text)
}

pub(super) fn stats(ctx: &mut Context<'_>, text: &mut String) -> Written {
    let stats = &ctx.engine.stats;
    let clients = &ctx.engine.clients;
    let [operations, bytes_in, bytes_out] = ctx.engine.control().rates();
    let expired = stats.total(|s| &s.expired);
    let kilobytes = |bytes: f64| format!("{:.2}", bytes / 1024.0);
    line(text, "total_connections_received", clients.accepted.load(Ordering::Relaxed));
    line(text, "total_commands_processed", stats.total(|s| &s.processed));
    line(text, "instantaneous_ops_per_sec", operations.round());
    line(text, "total_net_input_bytes", stats.total(|s| &s.bytes_in));
    line(text, "total_net_output_bytes", stats.total(|s| &s.bytes_out));
    line(text, "instantaneous_input_kbps", kilobytes(bytes_in));
    line(text, "instantaneous_output_kbps", kilobytes(bytes_out));
    line(text, "rejected_connections", clients.rejected.load(Ordering::Relaxed));
    line(text, "expired_keys", expired);
    line(text, "evicted_keys", stats.total(|s| &s.evicted));
    line(text, "evicted_clients", clients.memory.evicted.load(Ordering::Relaxed));
    let engine = &ctx.engine;
    let (exceeded_ms, exceeded_now_ms) = engine.memory.exceeded_ms(engine.clock.monotonic_nanos());
    line(text, "total_eviction_exceeded_time", exceeded_ms);
    line(text, "current_eviction_exceeded_time", exceeded_now_ms);
    line(text, "keyspace_hits", stats.total(|s| &s.hits));
    line(text, "keyspace_misses", stats.total(|s| &s.misses));
    let disconnections = clients.allowance.disconnections.load(Ordering::Relaxed);
    line(text, "client_output_buffer_limit_disconnections", disconnections);
    let pubsub = &ctx.engine.pubsub;
    line(text, "pubsub_channels", pubsub.len(SubscriptionKind::Channel));
    line(text, "pubsub_patterns", pubsub.len(SubscriptionKind::Pattern));
    line(text, "pubsubshard_channels", pubsub.len(SubscriptionKind::Shard));
    let tracking = ctx.engine.caches.totals();
    // This server never forks; monitoring tools ask all the same.
    line(text, "latest_fork_usec", 0);
    line(text, "total_forks", 0);
    line(text, "tracking_total_keys", tracking.keys);
    line(text, "tracking_total_items", tracking.items);
    line(text, "tracking_total_prefixes", tracking.prefixes);
    line(text, "total_error_replies", stats.total(|s| &s.errors));
    line(text, "total_reads_processed", stats.total(|s| &s.reads));
    line(text, "total_writes_processed", stats.total(|s| &s.writes));
    Ok(())
}

/// A server without replicas. Its replication ID is the one of this run.
pub(super) fn replication(ctx: &mut Context<'_>, text: &mut String) -> Written {
    const NO_ID: &str = "0000000000000000000000000000000000000000";
    line(text, "role", "master");
    line(text, "connected_slaves", 0);
    line(text, "master_failover_state", "no-failover");
    line(text, "master_replid", ctx.engine.control().run_id());
    line(text, "master_replid2", NO_ID);
    line(text, "master_repl_offset", 0);
    line(text, "second_repl_offset", -1);
    line(text, "repl_backlog_active", 0);
    Ok(())
}

pub(super) fn cpu(ctx: &mut Context<'_>, text: &mut String) -> Written {
    control_lines(ctx, "cpu", text)
}

/// There are no modules; the heading is what tools look for.
pub(super) fn modules(_: &mut Context<'_>, _: &mut String) -> Written {
    Ok(())
}

/// Commands with what `totals` has to say of them, in the order of the tables.
fn all_totals(ctx: &Context<'_>) -> Vec<(Command, CommandTotals)> {
    let totals = |command: &Command| (*command, ctx.engine.stats.command(command.number));
    ctx.engine.registry.all().iter().map(totals).collect()
}

pub(super) fn commandstats(ctx: &mut Context<'_>, text: &mut String) -> Written {
    for (command, totals) in all_totals(ctx) {
        let CommandTotals { calls, nanos, rejected, failed, .. } = totals;
        if calls + rejected + failed > 0 {
            let micros = nanos / 1000;
            let each = micros as f64 / calls.max(1) as f64;
            let value = format!(
                "calls={calls},usec={micros},usec_per_call={each:.2},rejected_calls={rejected},\
                 failed_calls={failed}"
            );
            line(text, &format!("cmdstat_{}", command.spec.full_name()), value);
        }
    }
    Ok(())
}

pub(super) fn errorstats(ctx: &mut Context<'_>, text: &mut String) -> Written {
    for (code, count) in ctx.engine.stats.errors_by_code() {
        line(text, &format!("errorstat_{code}"), format_args!("count={count}"));
    }
    Ok(())
}

/// Percentiles in microseconds, those that `latency-tracking-info-percentiles` names.
pub(super) fn latencystats(ctx: &mut Context<'_>, text: &mut String) -> Written {
    let percentiles = ctx.engine.config.percentiles();
    for (command, totals) in all_totals(ctx) {
        let Some(counts) = totals.histogram.filter(|counts| counts.total() > 0) else { continue };
        let values: Vec<String> = percentiles
            .iter()
            .map(|percent| format!("p{percent}={:.3}", counts.percentile(*percent) as f64 / 1000.0))
            .collect();
        let name = format!("latency_percentiles_usec_{}", command.spec.full_name());
        line(text, &name, values.join(","));
    }
    Ok(())
}

pub(super) fn cluster(_: &mut Context<'_>, text: &mut String) -> Written {
    line(text, "cluster_enabled", 0);
    Ok(())
}

/// Databases that hold keys.
pub(super) fn keyspace(ctx: &mut Context<'_>, text: &mut String) -> Written {
    for db in 0..ctx.engine.keyspace.databases() {
        let counts = ctx.engine.keyspace.counts(db);
        if counts.keys > 0 {
            let average = if counts.volatile > 0 { average_ttl_ms(ctx, db)? } else { 0 };
            let (keys, expires) = (counts.keys, counts.volatile);
            let value = format!("keys={keys},expires={expires},avg_ttl={average}");
            line(text, &format!("db{db}"), value);
        }
    }
    Ok(())
}

/// Estimates how long the keys of a database that will expire are still going to live, in
/// milliseconds. Keys lie in the order of their hashes, so the first ones are a sample like any other.
fn average_ttl_ms(ctx: &mut Context<'_>, db: usize) -> Result<i64, Poisoned> {
    const SAMPLE: usize = 1000;
    let now_ms = ctx.now_ms();
    let (mut sum, mut count) = (0i128, 0i128);
    let selected = std::mem::replace(&mut ctx.keys.db, db);
    let scanned = ctx.keys.scan(0, SAMPLE, |entry| {
        if let Some(deadline) = entry.deadline() {
            sum += i128::from(deadline - now_ms);
            count += 1;
        }
    });
    ctx.keys.db = selected;
    scanned?;
    Ok(sum.checked_div(count).unwrap_or(0) as i64)
}
