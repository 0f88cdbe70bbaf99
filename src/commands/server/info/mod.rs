//! `INFO`: what the server knows of itself, in sections of lines `name:value`.
//!
//! A section is a heading and its lines; a blank line stands between sections. Names, formats and order
//! are those of Redis 7.2, as tools read them. A field is there if this server has something to say in
//! it; those that describe machinery which it does not have are left out, unless tools rely on them.

mod sections;

use crate::exec::spec::{LOADING, SENTINEL, STALE, WALKS};
use crate::exec::{Args, Context, Outcome, Spec, cmd};
use crate::store::Poisoned;

pub static COMMANDS: &[Spec] = &[cmd("INFO", -1, &[], LOADING | STALE | SENTINEL | WALKS, info)
    .categories(&["dangerous"])
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
    .doc(
        "1.0.0",
        "O(1)",
        "[section [section ...]]",
        "Returns figures and facts about the server, by section.",
    )];

/// One section.
struct Section {
    /// As it is asked for.
    name: &'static str,
    heading: &'static str,
    /// Whether it is told to those who do not ask for anything in particular.
    is_default: bool,
    write: fn(&mut Context<'_>, &mut String) -> Result<(), Poisoned>,
}

const fn section(
    name: &'static str,
    heading: &'static str,
    is_default: bool,
    write: fn(&mut Context<'_>, &mut String) -> Result<(), Poisoned>,
) -> Section {
    Section { name, heading, is_default, write }
}

/// In the order in which they are told.
static SECTIONS: [Section; 13] = [
    section("server", "Server", true, sections::server),
    section("clients", "Clients", true, sections::clients),
    section("memory", "Memory", true, sections::memory),
    section("persistence", "Persistence", true, sections::persistence),
    section("stats", "Stats", true, sections::stats),
    section("replication", "Replication", true, sections::replication),
    section("cpu", "CPU", true, sections::cpu),
    section("modules", "Modules", true, sections::modules),
    section("commandstats", "Commandstats", false, sections::commandstats),
    section("errorstats", "Errorstats", true, sections::errorstats),
    section("latencystats", "Latencystats", false, sections::latencystats),
    section("cluster", "Cluster", true, sections::cluster),
    section("keyspace", "Keyspace", true, sections::keyspace),
];

/// `INFO [section [section ...]]`: each section once, in a fixed order; unknown names are ignored.
fn info<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let named = args.rest();
    let is_named = |name: &str| named.iter().any(|arg| arg.eq_ignore_ascii_case(name.as_bytes()));
    let wants_all = is_named("all") || is_named("everything");
    let wants_default = named.is_empty() || is_named("default");
    let mut text = String::with_capacity(4096);
    for section in &SECTIONS {
        if wants_all || wants_default && section.is_default || is_named(section.name) {
            let blank_line = if text.is_empty() { "" } else { "\r\n" };
            text.extend([blank_line, "# ", section.heading, "\r\n"]);
            (section.write)(ctx, &mut text)?;
        }
    }
    ctx.reply.verbatim("txt", text);
    Ok(())
}
