//! `MEMORY`: where the memory goes.

use std::borrow::Cow;

use crate::base::allocator;
use crate::base::process_memory::resident_bytes;
use crate::commands::shared::family_help::family_help;
use crate::exec::keyspec::{RO, key_at};
use crate::exec::spec::{LOADING, NONE, READ, STALE, WALKS};
use crate::exec::{Args, CommandError, Context, Outcome, ServerMemory, Spec, cmd, family};
use crate::store::IndexBytes;

pub static COMMANDS: &[Spec] = &[family("MEMORY", -2, NONE, MEMORY).doc(
    "4.0.0",
    "Depends on subcommand.",
    "",
    "Shows where the memory goes.",
)];

static MEMORY: &[Spec] = &[
    cmd("MEMORY DOCTOR", 2, &[], WALKS, memory_doctor)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .doc("4.0.0", "O(1)", "", "Returns a report on the use of memory, in prose."),
    cmd("MEMORY MALLOC-STATS", 2, &[], NONE, memory_malloc_stats)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .doc(
            "4.0.0",
            "Depends on how much memory is allocated, could be slow",
            "",
            "Returns the allocator's own report.",
        ),
    cmd("MEMORY PURGE", 2, &[], NONE, memory_purge)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .doc(
            "4.0.0",
            "Depends on how much memory is allocated, could be slow",
            "",
            "Returns freed pages to the system.",
        ),
    cmd("MEMORY STATS", 2, &[], WALKS, memory_stats)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .doc("4.0.0", "O(1)", "", "Returns figures on the use of memory."),
    cmd("MEMORY USAGE", -3, &[key_at(2, RO)], READ, memory_usage).doc(
        "4.0.0",
        "O(N) where N is the number of samples.",
        "key [SAMPLES count]",
        "Returns how many bytes a key and its value take.",
    ),
    cmd("MEMORY HELP", 2, &[], LOADING | STALE, memory_help).doc(
        "4.0.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
];

/// `MEMORY USAGE key [SAMPLES count]`: values keep count of what they take, so `count` changes nothing.
fn memory_usage<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    while !args.is_empty() {
        if !args.take_word("SAMPLES") || args.integer()? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    match ctx.keys.peek(&key).map(|entry| entry.memory_bytes()) {
        Some(bytes) => ctx.reply.count(bytes),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// What `STATS` and `DOCTOR` look at; bytes.
struct Usage {
    allocator: allocator::Figures,
    server: ServerMemory,
    /// Taken by clients: their state and their buffers.
    clients: u64,
    connected: u64,
    /// The process's memory that is backed by real pages.
    resident: u64,
    keys: u64,
    /// Of databases that hold keys, with their numbers.
    indexes: Vec<(usize, IndexBytes)>,
}

impl Usage {
    fn of(ctx: &Context<'_>) -> Usage {
        let clients = &ctx.engine.clients;
        let keyspace = &ctx.engine.keyspace;
        let keys = |db: &usize| keyspace.counts(*db).keys;
        let used = (0..keyspace.databases()).filter(|db| keys(db) > 0);
        let allocator = allocator::figures();
        Usage {
            allocator,
            server: ctx.engine.control().memory(allocator.allocated),
            clients: clients.memory.own_bytes() as u64,
            connected: clients.len() as u64,
            resident: resident_bytes().unwrap_or(allocator.resident),
            keys: used.clone().map(|db| keys(&db)).sum::<usize>() as u64,
            indexes: used.map(|db| (db, keyspace.index_bytes(db))).collect(),
        }
    }

    /// Allocated for other things than data.
    fn overhead(&self) -> u64 {
        let indexes: usize = self.indexes.iter().map(|(_, bytes)| bytes.total()).sum();
        self.server.startup + self.clients + self.server.log + indexes as u64
    }

    fn dataset(&self) -> u64 {
        self.allocator.allocated.saturating_sub(self.overhead())
    }

    /// Allocated since the start.
    fn net(&self) -> u64 {
        self.allocator.allocated.saturating_sub(self.server.startup)
    }
}

/// A figure of `MEMORY STATS`.
enum Figure {
    Count(u64),
    /// What may be less than nothing.
    Difference(i64),
    Ratio(f64),
    Index(IndexBytes),
}

/// `part / whole`, and 0 where that says nothing.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// `MEMORY STATS`
fn memory_stats<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let figures = stats(&Usage::of(ctx));
    let reply = &mut ctx.reply;
    reply.map(figures.len());
    for (name, figure) in figures {
        reply.bulk(name.as_bytes());
        match figure {
            Figure::Count(count) => reply.integer(count as i64),
            Figure::Difference(difference) => reply.integer(difference),
            Figure::Ratio(ratio) => reply.double(ratio),
            Figure::Index(index) => {
                reply.map(2);
                reply.bulk("overhead.hashtable.main");
                reply.count(index.table);
                reply.bulk("overhead.hashtable.expires");
                reply.count(index.deadlines);
            }
        }
    }
    Ok(())
}

/// Names as Redis has them. What concerns machinery that is not there (replicas, scripts) is left out.
fn stats(usage: &Usage) -> Vec<(Cow<'static, str>, Figure)> {
    use Figure::{Count, Index, Ratio};
    let percentage = |part, whole| Ratio(ratio(part, whole) * 100.0);
    let allocated = usage.allocator.allocated;
    let ServerMemory { peak, startup, log } = usage.server;
    let mut figures: Vec<(Cow<'static, str>, Figure)> = vec![
        ("peak.allocated".into(), Count(peak)),
        ("total.allocated".into(), Count(allocated)),
        ("startup.allocated".into(), Count(startup)),
        ("clients.normal".into(), Count(usage.clients)),
        ("aof.buffer".into(), Count(log)),
    ];
    let indexes = usage.indexes.iter();
    figures.extend(indexes.map(|(db, bytes)| (format!("db.{db}").into(), Index(*bytes))));
    figures.extend([
        ("overhead.total".into(), Count(usage.overhead())),
        ("keys.count".into(), Count(usage.keys)),
        ("keys.bytes-per-key".into(), Count(usage.net().checked_div(usage.keys).unwrap_or(0))),
        ("dataset.bytes".into(), Count(usage.dataset())),
        ("dataset.percentage".into(), percentage(usage.dataset(), usage.net())),
        ("peak.percentage".into(), percentage(allocated, peak)),
    ]);
    figures.extend(fragmentation(usage).map(|(name, figure)| (name.into(), figure)));
    figures
}

/// How much more the allocator's pages take than what it handed out, and the process than those.
fn fragmentation(usage: &Usage) -> [(&'static str, Figure); 11] {
    use Figure::{Count, Difference, Ratio};
    let allocator::Figures { allocated, active, resident: mapped, .. } = usage.allocator;
    let resident = usage.resident;
    // The kernel counts what the allocator does not know of, and not what it has swapped out.
    let difference = |more: u64, less: u64| Difference(more as i64 - less as i64);
    [
        ("allocator.allocated", Count(allocated)),
        ("allocator.active", Count(active)),
        ("allocator.resident", Count(mapped)),
        ("allocator-fragmentation.ratio", Ratio(ratio(active, allocated))),
        ("allocator-fragmentation.bytes", difference(active, allocated)),
        ("allocator-rss.ratio", Ratio(ratio(mapped, active))),
        ("allocator-rss.bytes", difference(mapped, active)),
        ("rss-overhead.ratio", Ratio(ratio(resident, mapped))),
        ("rss-overhead.bytes", difference(resident, mapped)),
        ("fragmentation", Ratio(ratio(resident, allocated))),
        ("fragmentation.bytes", difference(resident, allocated)),
    ]
}

/// `MEMORY DOCTOR`
fn memory_doctor<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.verbatim("txt", diagnosis(&Usage::of(ctx)));
    Ok(())
}

const MIB: u64 = 1024 * 1024;

/// The thresholds are those of Redis.
fn diagnosis(usage: &Usage) -> String {
    /// Below this, everything but the data weighs more than the data.
    const ALLOCATED_MIN: u64 = 5 * MIB;
    const WASTE_MIN: u64 = 10 * MIB;
    const CLIENT_BUFFERS_MAX: u64 = 200 * 1024;
    let allocator::Figures { allocated, active, resident, .. } = usage.allocator;
    if allocated < ALLOCATED_MIN {
        return format!("Only {allocated} bytes are allocated, too few to tell anything from.\n");
    }
    let mut text = String::new();
    let mut finding = |holds: bool, sentence: &str| {
        if holds {
            text.extend(["- ", sentence, "\n"]);
        }
    };
    finding(
        ratio(usage.server.peak, allocated) > 1.5,
        "There was once more than 1.5 times as much allocated as now; pages of that time may still be held.",
    );
    finding(
        ratio(active, allocated) > 1.1 && active - allocated > WASTE_MIN,
        "Many pages are partly filled: values of different sizes have come and gone. They fill up again as \
         values are written.",
    );
    finding(
        ratio(resident, active) > 1.1 && resident - active > WASTE_MIN,
        "The allocator holds many empty pages, as after many values were freed. It returns them within \
         seconds as memory is used, and at once on MEMORY PURGE.",
    );
    finding(
        ratio(usage.clients, usage.connected) > CLIENT_BUFFERS_MAX as f64,
        "The buffers of clients are large: some do not read their replies as fast as they ask for them. \
         CLIENT LIST names them (tot-mem).",
    );
    if text.is_empty() { "Nothing stands out.\n".to_owned() } else { text }
}

/// `MEMORY MALLOC-STATS`
fn memory_malloc_stats<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.reply.verbatim("txt", allocator::report());
    Ok(())
}

/// `MEMORY PURGE`
fn memory_purge<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    allocator::return_pages()
        .map_err(|error| CommandError::err(format!("Error purging dirty pages: {error}")))?;
    ctx.reply.ok();
    Ok(())
}

/// `MEMORY HELP`
fn memory_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "MEMORY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(allocated: u64, active: u64, resident: u64) -> Usage {
        let allocator = allocator::Figures { allocated, active, resident };
        Usage {
            allocator,
            server: ServerMemory { peak: allocated, startup: MIB, log: 0 },
            clients: MIB,
            connected: 1,
            resident,
            keys: 10,
            indexes: vec![(0, IndexBytes { table: 1000, deadlines: 24 })],
        }
    }

    #[test]
    fn the_parts_add_up() {
        let usage = usage(12 * MIB, 12 * MIB, 12 * MIB);
        assert_eq!(usage.dataset() + usage.overhead(), 12 * MIB);
        assert_eq!(usage.net(), 11 * MIB);
    }

    #[test]
    fn each_finding_needs_its_cause() {
        let calm = Usage { clients: 0, ..usage(100 * MIB, 101 * MIB, 102 * MIB) };
        assert_eq!(diagnosis(&calm), "Nothing stands out.\n");
        assert!(diagnosis(&usage(MIB, 2 * MIB, 3 * MIB)).contains("too few"));
        assert!(diagnosis(&usage(100 * MIB, 150 * MIB, 151 * MIB)).contains("partly filled"));
        assert!(diagnosis(&usage(100 * MIB, 101 * MIB, 151 * MIB)).contains("MEMORY PURGE"));
        assert!(diagnosis(&usage(100 * MIB, 101 * MIB, 102 * MIB)).contains("buffers of clients"));
        let server = ServerMemory { peak: 200 * MIB, ..calm.server };
        let shrunk = Usage { server, ..calm };
        assert!(diagnosis(&shrunk).contains("1.5 times"));
    }
}
