//! `CLIENT LIST` and `CLIENT INFO`: a connection in a line of `name=value` fields.
//!
//! The fields and their order are Redis's, because tools take such lines apart. Some mean less here than
//! there: a connection has no reply buffer of its own while nothing is to be sent (`rbs`, `rbp`), and
//! arguments are read where they lie in the query buffer (`argv-mem` is what it takes to know where).

use std::fmt::Write;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::DEFAULT_USER;
use super::client_tracking::redirection;
use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context, Outcome, Registry, excerpt};
use crate::session::{CacheFlags, Client, ClientType, Endpoint, SubscriptionKind};

/// `CLIENT INFO`
pub(super) fn client_info<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let mut text = String::new();
    Describer::new(ctx).describe(ctx.client(), &mut text);
    ctx.reply.verbatim("txt", text);
    Ok(())
}

/// `CLIENT LIST [TYPE type] [ID client-id [client-id ...]]`: by type the oldest first, by number in the
/// order of the numbers.
pub(super) fn client_list<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let clients = &ctx.engine.clients;
    let chosen: Vec<_> = if args.is_empty() {
        clients.all()
    } else if args.left() == 2 && args.take_word("TYPE") {
        let wanted = parse_type(args.bytes()?)?;
        let mut all = clients.all();
        all.retain(|client| client.client_type() == wanted);
        all
    } else if args.left() > 1 && args.take_word("ID") {
        let ids: Option<Vec<i64>> = args.rest().iter().map(parse_i64).collect();
        let ids = ids.ok_or(CommandError::text("ERR Invalid client ID"))?;
        ids.into_iter().filter_map(|id| clients.get(u64::try_from(id).ok()?)).collect()
    } else {
        return Err(CommandError::Syntax);
    };
    let mut text = String::new();
    let describer = Describer::new(ctx);
    for client in chosen.iter().filter(|client| !client.is_killed()) {
        describer.describe(client, &mut text);
    }
    ctx.reply.verbatim("txt", text);
    Ok(())
}

/// A type as `CLIENT LIST` and `CLIENT KILL` name it.
pub(super) fn parse_type(arg: &[u8]) -> Result<ClientType, CommandError> {
    let name = arg.to_ascii_lowercase();
    match name.as_slice() {
        b"normal" => Ok(ClientType::Normal),
        b"master" => Ok(ClientType::Master),
        b"replica" | b"slave" => Ok(ClientType::Replica),
        b"pubsub" => Ok(ClientType::Pubsub),
        _ => Err(CommandError::err(format!("Unknown client type '{}'", excerpt(arg, 128)))),
    }
}

/// Writes the lines.
struct Describer<'a> {
    registry: &'a Registry,
    now_ms: i64,
    /// Who asks is not idle.
    own_id: u64,
}

impl<'a> Describer<'a> {
    fn new(ctx: &Context<'a>) -> Describer<'a> {
        Describer { registry: &ctx.engine.registry, now_ms: ctx.now_ms(), own_id: ctx.client().id }
    }

    /// Appends a client's line.
    fn describe(&self, client: &Client, text: &mut String) {
        let mut field = |name: &str, value: &dyn std::fmt::Display| {
            let separator = if text.is_empty() || text.ends_with('\n') { "" } else { " " };
            write!(text, "{separator}{name}={value}").expect("a string takes everything");
        };
        let texts = client.with_texts(|texts| texts.clone());
        field("id", &client.id);
        field("addr", &client.address);
        field("laddr", &client.local_address);
        field("fd", &client.fd);
        field("name", &texts.name);
        field("age", &(self.since_ms(client.created_ms) / 1000));
        field("idle", &(self.idle_ms(client) / 1000));
        field("flags", &flags(client));
        field("db", &client.db.load(Relaxed));
        for (name, kind) in ["sub", "psub", "ssub"].into_iter().zip(SubscriptionKind::ALL) {
            field(name, &client.subscriptions(kind));
        }
        field("multi", &client.multi.load(Relaxed));
        for (name, bytes) in memory(client) {
            field(name, &bytes);
        }
        let has_output = client.output_tail.load(Relaxed) > 0;
        field("events", &if has_output { "rw" } else { "r" });
        field("cmd", &self.last_command(client));
        field("user", &DEFAULT_USER);
        field("redir", &redirection(client));
        field("resp", &client.protocol.load(Relaxed));
        field("lib-name", &texts.lib_name);
        field("lib-ver", &texts.lib_version);
        text.push('\n');
    }

    fn since_ms(&self, then_ms: i64) -> i64 {
        (self.now_ms - then_ms).max(0)
    }

    fn idle_ms(&self, client: &Client) -> i64 {
        let is_self = client.id == self.own_id;
        if is_self { 0 } else { self.since_ms(client.last_active_ms.load(Relaxed)) }
    }

    fn last_command(&self, client: &Client) -> String {
        let command = self.registry.get(client.last_command.load(Relaxed));
        command.map_or_else(|| "NULL".to_owned(), |command| command.spec.full_name())
    }
}

/// One letter for each thing that is special about a client, in Redis's order.
fn flags(client: &Client) -> String {
    let cache = client.cache.flags();
    let letters = [
        ('O', client.monitors.load(Relaxed)),
        ('P', client.is_subscribed()),
        ('x', client.multi.load(Relaxed) >= 0),
        ('b', client.is_waiting.load(Acquire)),
        ('t', cache.has(CacheFlags::ON)),
        ('R', cache.has(CacheFlags::BROKEN)),
        ('B', cache.has(CacheFlags::BROADCAST)),
        ('U', matches!(client.address, Endpoint::Unix(_))),
        ('e', client.no_evict.load(Relaxed)),
        ('T', client.no_touch.load(Relaxed)),
    ];
    let set: String = letters.iter().filter(|(_, is_set)| *is_set).map(|(c, _)| *c).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}

/// The fields that tell where a client's memory goes, in bytes (`oll`: in pieces).
fn memory(client: &Client) -> [(&'static str, usize); 10] {
    let query = client.query_buffer.load(Relaxed);
    let query_capacity = client.query_buffer_capacity.load(Relaxed);
    let (output, inbox) = (client.output_memory.load(Relaxed), client.inbox.bytes());
    [
        ("qbuf", query),
        ("qbuf-free", query_capacity.saturating_sub(query)),
        ("argv-mem", client.args_memory.load(Relaxed)),
        ("multi-mem", client.multi_memory.load(Relaxed)),
        ("rbs", 0),
        ("rbp", 0),
        ("obl", client.output_tail.load(Relaxed)),
        ("oll", client.output_segments.load(Relaxed) + client.inbox.frames()),
        ("omem", output + inbox),
        ("tot-mem", client.footprint().total),
    ]
}
