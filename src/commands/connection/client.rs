//! `CLIENT`: what this connection says of itself, and what may be done to others.

use super::DEFAULT_USER;
use super::client_list::{client_info, client_list, parse_type};
use super::client_tracking::{
    client_caching, client_getredir, client_tracking, client_trackinginfo,
};
use crate::base::number::parse_i64;
use crate::commands::shared::blocking_timeout::deadline_of_millis;
use crate::commands::shared::family_help::family_help;
use crate::exec::spec::{ADMIN, KEEPS_CACHING, LOADING, NOSCRIPT, SENTINEL, STALE};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd, excerpt, family};
use crate::session::{Client, ClientType, ReplyMode};

const OWN: u32 = NOSCRIPT | LOADING | STALE | SENTINEL | KEEPS_CACHING;
const OTHERS: u32 = ADMIN | OWN;

pub(super) const CLIENT: Spec = family("CLIENT", -2, SENTINEL, SUBCOMMANDS).doc(
    "2.4.0",
    "Depends on subcommand.",
    "",
    "Shows and changes connections; CLIENT HELP lists the subcommands.",
);

const SUBCOMMANDS: &[Spec] = &[
    cmd("CLIENT CACHING", 3, &[], OWN, client_caching).doc(
        "6.0.0",
        "O(1)",
        "<YES | NO>",
        "Says whether what the next command reads goes into the cache of this connection's client.",
    ),
    cmd("CLIENT GETNAME", 2, &[], OWN, client_getname)
        .doc("2.6.9", "O(1)", "", "Returns the name of this connection."),
    cmd("CLIENT GETREDIR", 2, &[], OWN, client_getredir).doc(
        "6.0.0",
        "O(1)",
        "",
        "Returns which connection is told what this one's cache has to forget.",
    ),
    cmd("CLIENT ID", 2, &[], OWN, client_id)
        .doc("5.0.0", "O(1)", "", "Returns the number of this connection."),
    cmd("CLIENT INFO", 2, &[], OWN, client_info)
        .doc("6.2.0", "O(1)", "", "Describes this connection.")
        .tips(&["nondeterministic_output"]),
    cmd("CLIENT KILL", -3, &[], OTHERS, client_kill).doc(
        "2.4.0",
        "O(N) where N is the number of client connections",
        "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | \
         [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE maxage]> ...>",
        "Closes the connections that pass all filters, or the one with an address.",
    ),
    cmd("CLIENT LIST", -2, &[], OTHERS, client_list)
        .doc(
            "2.4.0",
            "O(N) where N is the number of client connections",
            "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
            "Describes the connections, one line for each.",
        )
        .tips(&["nondeterministic_output"]),
    cmd("CLIENT UNPAUSE", 2, &[], OTHERS, client_unpause).doc(
        "6.2.0",
        "O(N) Where N is the number of paused clients",
        "",
        "Ends a pause.",
    ),
    cmd("CLIENT PAUSE", -3, &[], OTHERS, client_pause).doc(
        "3.0.0",
        "O(1)",
        "timeout [WRITE | ALL]",
        "Lets all commands, or those that write, wait for some milliseconds.",
    ),
    cmd("CLIENT REPLY", 3, &[], OWN, client_reply)
        .doc("3.2.0", "O(1)", "<ON | OFF | SKIP>", "Turns replies to this connection on or off."),
    cmd("CLIENT SETINFO", 4, &[], OWN, client_setinfo)
        .doc(
            "7.2.0",
            "O(1)",
            "<LIB-NAME libname | LIB-VER libver>",
            "Notes which client library uses this connection.",
        )
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    cmd("CLIENT SETNAME", 3, &[], OWN, client_setname)
        .doc("2.6.9", "O(1)", "connection-name", "Names this connection.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    cmd("CLIENT TRACKING", -3, &[], OWN, client_tracking).doc(
        "6.0.0",
        "O(1). Some options may introduce additional complexity.",
        "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] \
         [NOLOOP]",
        "Tells this connection which keys have changed that its client may have in a cache.",
    ),
    cmd("CLIENT TRACKINGINFO", 2, &[], OWN, client_trackinginfo).doc(
        "6.2.0",
        "O(1)",
        "",
        "Describes what this connection is told for its cache.",
    ),
    cmd("CLIENT UNBLOCK", -3, &[], OTHERS, client_unblock).doc(
        "5.0.0",
        "O(log N) where N is the number of client connections",
        "client-id [TIMEOUT | ERROR]",
        "Ends the waiting of another connection.",
    ),
    cmd("CLIENT NO-EVICT", 3, &[], OTHERS, client_no_evict).doc(
        "7.0.0",
        "O(1)",
        "<ON | OFF>",
        "Spares this connection when connections use too much memory.",
    ),
    cmd("CLIENT NO-TOUCH", 3, &[], NOSCRIPT | LOADING | STALE | KEEPS_CACHING, client_no_touch).doc(
        "7.2.0",
        "O(1)",
        "<ON | OFF>",
        "Lets this connection read keys without making them look used.",
    ),
    cmd("CLIENT HELP", 2, &[], LOADING | STALE | SENTINEL | KEEPS_CACHING, client_help)
        .doc("5.0.0", "O(1)", "", "Lists the subcommands."),
];

/// `CLIENT GETNAME`: null if it has none.
fn client_getname<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let name = ctx.client().with_texts(|texts| texts.name.clone());
    if name.is_empty() {
        ctx.reply.null();
    } else {
        ctx.reply.bulk(name);
    }
    Ok(())
}

/// `CLIENT ID`
fn client_id<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let id = ctx.client().id;
    ctx.reply.integer(id as i64);
    Ok(())
}

/// `CLIENT SETNAME connection-name`: the empty one takes the name away.
fn client_setname<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let name = args.bytes()?;
    check_name(name)?;
    set_name(ctx, name);
    ctx.reply.ok();
    Ok(())
}

/// Names and the like stand in the lines of `CLIENT LIST`, so they are printable and without blanks.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

pub(super) fn check_name(name: &[u8]) -> Result<(), CommandError> {
    const REFUSED: CommandError = CommandError::text(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    );
    if is_plain(name) { Ok(()) } else { Err(REFUSED) }
}

/// The name passed [`check_name`].
pub(super) fn set_name(ctx: &mut Context<'_>, name: &[u8]) {
    let name = String::from_utf8_lossy(name).into_owned();
    ctx.client().with_texts(|texts| texts.name = name);
}

/// `CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>`
fn client_setinfo<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let attribute = args.bytes()?;
    let value = args.bytes()?;
    let shown = excerpt(attribute, 128);
    let is_name = attribute.eq_ignore_ascii_case(b"LIB-NAME");
    if !is_name && !attribute.eq_ignore_ascii_case(b"LIB-VER") {
        return Err(CommandError::err(format!("Unrecognized option '{shown}'")));
    }
    if !is_plain(value) {
        let problem = "cannot contain spaces, newlines or special characters.";
        return Err(CommandError::err(format!("{shown} {problem}")));
    }
    let value = String::from_utf8_lossy(value).into_owned();
    ctx.client().with_texts(|texts| {
        *(if is_name { &mut texts.lib_name } else { &mut texts.lib_version }) = value;
    });
    ctx.reply.ok();
    Ok(())
}

/// `ON` or `OFF`.
fn parse_switch(args: &mut Args<'_>) -> Result<bool, CommandError> {
    args.choice(&[("ON", true), ("OFF", false)])
}

/// `CLIENT NO-EVICT <ON | OFF>`
fn client_no_evict<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let no_evict = parse_switch(&mut args)?;
    ctx.session.set_no_evict(no_evict);
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT NO-TOUCH <ON | OFF>`
fn client_no_touch<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let no_touch = parse_switch(&mut args)?;
    ctx.session.set_no_touch(no_touch);
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT REPLY <ON | OFF | SKIP>`: only `ON` is answered.
fn client_reply<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    match args.option().as_ref().map(|option| option.as_bytes()) {
        Some(b"ON") => {
            ctx.session.set_reply_mode(ReplyMode::On);
            ctx.reply.ok();
        }
        Some(b"OFF") => ctx.session.set_reply_mode(ReplyMode::Off),
        Some(b"SKIP") if ctx.session.reply_mode == ReplyMode::Off => {}
        Some(b"SKIP") => ctx.session.set_reply_mode(ReplyMode::SkipNext),
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

/// Which connections `CLIENT KILL` closes: those that pass everything here.
struct KillFilter<'a> {
    id: Option<u64>,
    client_type: Option<ClientType>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    /// Connected for at least so many seconds.
    age_min_s: Option<i64>,
    spare_self: bool,
}

impl<'a> KillFilter<'a> {
    const ALL: KillFilter<'static> = KillFilter {
        id: None,
        client_type: None,
        address: None,
        local_address: None,
        age_min_s: None,
        spare_self: true,
    };

    fn parse(args: &mut Args<'a>) -> Result<KillFilter<'a>, CommandError> {
        let mut filter = KillFilter::ALL;
        while let Some(option) = args.option() {
            let value = args.bytes()?;
            match option.as_bytes() {
                b"ID" => filter.id = Some(parse_id(value)?),
                b"TYPE" => filter.client_type = Some(parse_type(value)?),
                b"USER" => check_user(value)?,
                b"ADDR" => filter.address = Some(value),
                b"LADDR" => filter.local_address = Some(value),
                b"MAXAGE" => filter.age_min_s = Some(parse_age(value)?),
                b"SKIPME" if value.eq_ignore_ascii_case(b"yes") => filter.spare_self = true,
                b"SKIPME" if value.eq_ignore_ascii_case(b"no") => filter.spare_self = false,
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(filter)
    }

    fn passes(&self, client: &Client, own_id: u64, now_ms: i64) -> bool {
        let age_s = now_ms / 1000 - client.created_ms / 1000;
        let is_spared = self.spare_self && client.id == own_id;
        let has_address = |wanted: Option<&[u8]>, address: &crate::session::Endpoint| {
            wanted.is_none_or(|wanted| address.to_string().as_bytes() == wanted)
        };
        !is_spared
            && self.id.is_none_or(|id| id == client.id)
            && self.client_type.is_none_or(|wanted| wanted == client.client_type())
            && self.age_min_s.is_none_or(|min| age_s >= min)
            && has_address(self.address, &client.address)
            && has_address(self.local_address, &client.local_address)
    }
}

fn parse_id(arg: &[u8]) -> Result<u64, CommandError> {
    let id = parse_i64(arg).filter(|id| *id > 0);
    id.map(|id| id as u64).ok_or(CommandError::text("ERR client-id should be greater than 0"))
}

fn parse_age(arg: &[u8]) -> Result<i64, CommandError> {
    let problem = CommandError::text("ERR maxage is not an integer or out of range");
    let age_s = parse_i64(arg).ok_or(problem)?;
    if age_s > 0 {
        Ok(age_s)
    } else {
        Err(CommandError::text("ERR maxage should be greater than 0"))
    }
}

/// Every client is the one user there is, so the filter by user needs nothing but a look at its name.
fn check_user(name: &[u8]) -> Result<(), CommandError> {
    if name == DEFAULT_USER.as_bytes() {
        return Ok(());
    }
    Err(CommandError::err(format!("No such user '{}'", excerpt(name, 128))))
}

/// `CLIENT KILL ip:port`, or with filters: `CLIENT KILL option value [option value ...]`
fn client_kill<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if args.left() == 1 {
        let address = Some(args.bytes()?);
        let filter = KillFilter { address, spare_self: false, ..KillFilter::ALL };
        if kill(ctx, &filter) == 0 {
            return Err(CommandError::text("ERR No such client"));
        }
        ctx.reply.ok();
    } else {
        let killed = kill(ctx, &KillFilter::parse(&mut args)?);
        ctx.reply.count(killed);
    }
    Ok(())
}

/// Closes connections and tells how many. One's own closes behind the reply.
fn kill(ctx: &mut Context<'_>, filter: &KillFilter<'_>) -> usize {
    let (own_id, now_ms) = (ctx.client().id, ctx.now_ms());
    let mut killed = 0;
    for client in ctx.engine.clients.all() {
        if !filter.passes(&client, own_id, now_ms) {
            continue;
        }
        if client.id == own_id {
            ctx.session.closing = true;
            killed += 1;
        } else if client.kill() {
            killed += 1;
        }
    }
    killed
}

/// `CLIENT PAUSE timeout [WRITE | ALL]`
fn client_pause<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if args.left() > 2 {
        return Err(CommandError::ArgumentCount);
    }
    let timeout = args.bytes()?;
    let all = args.is_empty()
        || args
            .choice(&[("ALL", true), ("WRITE", false)])
            .map_err(|_| CommandError::text("ERR CLIENT PAUSE mode must be WRITE or ALL"))?;
    let now_ms = ctx.now_ms();
    let until_ms = deadline_of_millis(timeout, now_ms)?.unwrap_or(now_ms);
    ctx.engine.pause.begin(until_ms, all, now_ms);
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT UNPAUSE`
fn client_unpause<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.engine.pause.end();
    ctx.engine.clients.resume_all();
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT UNBLOCK client-id [TIMEOUT | ERROR]`: 1 if the client waited.
fn client_unblock<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if args.left() > 2 {
        return Err(CommandError::ArgumentCount);
    }
    let id = args.bytes()?;
    let with_error = !args.is_empty()
        && args.choice(&[("TIMEOUT", false), ("ERROR", true)]).map_err(|_| {
            CommandError::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        })?;
    let id = parse_i64(id).ok_or(CommandError::NotAnInteger)?;
    let client = u64::try_from(id).ok().and_then(|id| ctx.engine.clients.get(id));
    let unblocked = client.is_some_and(|client| client.unblock(with_error));
    ctx.reply.integer(i64::from(unblocked));
    Ok(())
}

/// `CLIENT HELP`
fn client_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "CLIENT")
}
