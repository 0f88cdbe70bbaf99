//! The connection itself: who the client is, which protocol it speaks, which database it works on.

mod client;
mod client_list;
mod client_tracking;

use subtle::ConstantTimeEq;

use crate::base::number::parse_i64;
use crate::base::version::REDIS_VERSION;
use crate::config::params;
use crate::exec::spec::{
    ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, SELECTS, SENTINEL, STALE, SUBSCRIBER, UNQUEUED,
};
use crate::exec::{Args, CommandError, Context, Outcome, Spec, cmd, depart, excerpt};
use crate::resp::Protocol;

const BEFORE_AUTH: u32 = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;

/// The one user there is.
pub(super) const DEFAULT_USER: &str = "default";

pub static COMMANDS: &[Spec] = &[
    cmd("AUTH", -2, &[], BEFORE_AUTH | SENTINEL, auth).doc(
        "1.0.0",
        "O(N) where N is the number of passwords of the user",
        "[username] password",
        "Tells the server who the client is.",
    ),
    client::CLIENT,
    cmd("ECHO", 2, &[], LOADING | STALE | FAST, echo).doc(
        "1.0.0",
        "O(1)",
        "message",
        "Returns the message.",
    ),
    cmd("HELLO", -1, &[], BEFORE_AUTH | SENTINEL, hello).doc(
        "6.0.0",
        "O(1)",
        "[protover [AUTH username password] [SETNAME clientname]]",
        "Chooses the protocol version and tells what server this is.",
    ),
    cmd("PING", -1, &[], FAST | SENTINEL | SUBSCRIBER, ping)
        .doc("1.0.0", "O(1)", "[message]", "Returns PONG, or the message.")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    cmd("QUIT", -1, &[], BEFORE_AUTH | SUBSCRIBER | UNQUEUED, quit)
        .doc("1.0.0", "O(1)", "", "Closes the connection once everything is answered.")
        .deprecated("7.2.0", "just closing the connection"),
    cmd("RESET", 1, &[], BEFORE_AUTH | SUBSCRIBER | UNQUEUED, reset).doc(
        "6.2.0",
        "O(1)",
        "",
        "Brings the connection back to the state in which it began.",
    ),
    cmd("SELECT", 2, &[], LOADING | STALE | FAST | SELECTS, select).doc(
        "1.0.0",
        "O(1)",
        "index",
        "Selects the database of this connection.",
    ),
];

/// `AUTH [username] password`
fn auth<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    ctx.session.hide_args(1..args.all().len());
    let first = args.bytes()?;
    let (user, password) = match args.is_empty() {
        true => (DEFAULT_USER.as_bytes(), first),
        false => (first, args.bytes()?),
    };
    args.finish()?;
    if args.all().len() == 2 && !needs_password(ctx) {
        return Err(CommandError::text(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        ));
    }
    authenticate(ctx, user, password)?;
    ctx.reply.ok();
    Ok(())
}

fn needs_password(ctx: &Context<'_>) -> bool {
    !ctx.engine.config.text(params::REQUIREPASS).is_empty()
}

/// Lets the client in if this is the password; without a configured one, any is. The time that the
/// comparison takes tells nothing but whether the lengths agree. The executor writes failures to the log.
fn authenticate(ctx: &mut Context<'_>, user: &[u8], password: &[u8]) -> Outcome {
    let expected = ctx.engine.config.text(params::REQUIREPASS);
    let is_password = expected.is_empty() || bool::from(expected.as_bytes().ct_eq(password));
    if user != DEFAULT_USER.as_bytes() || !is_password {
        return Err(CommandError::WrongPass);
    }
    ctx.session.set_authenticated(true);
    Ok(())
}

/// What `HELLO` asks for.
#[derive(Default)]
struct HelloOptions<'a> {
    protocol: Option<Protocol>,
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> HelloOptions<'a> {
    fn parse(ctx: &mut Context<'a>, args: &mut Args<'a>) -> Result<Self, CommandError> {
        let mut options = HelloOptions::default();
        if !args.is_empty() {
            options.protocol = Some(parse_version(args.bytes()?)?);
        }
        while let Some(given) = args.peek() {
            if args.left() > 2 && args.take_word("AUTH") {
                ctx.session.hide_args(args.position()..args.position() + 2);
                options.login = Some((args.bytes()?, args.bytes()?));
            } else if args.left() > 1 && args.take_word("SETNAME") {
                let name = args.bytes()?;
                client::check_name(name)?;
                options.name = Some(name);
            } else {
                let given = excerpt(given, 128);
                return Err(CommandError::err(format!("Syntax error in HELLO option '{given}'")));
            }
        }
        Ok(options)
    }
}

fn parse_version(arg: &[u8]) -> Result<Protocol, CommandError> {
    match parse_i64(arg) {
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(CommandError::NoProto),
        None => Err(CommandError::text("ERR Protocol version is not an integer or out of range")),
    }
}

/// `HELLO [protover [AUTH username password] [SETNAME clientname]]`: nothing changes unless all of it
/// is right.
fn hello<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let options = HelloOptions::parse(ctx, &mut args)?;
    if let Some((user, password)) = options.login {
        authenticate(ctx, user, password)?;
    }
    if !ctx.session.authenticated && needs_password(ctx) {
        return Err(CommandError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
             AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
             version at the same time",
        ));
    }
    if let Some(name) = options.name {
        client::set_name(ctx, name);
    }
    if let Some(protocol) = options.protocol.filter(|new| *new != ctx.session.protocol) {
        switch_protocol(ctx, protocol);
    }
    reply_greeting(ctx);
    Ok(())
}

/// What was sent before is encoded in the old protocol, and comes before the reply that begins the new one.
fn switch_protocol(ctx: &mut Context<'_>, protocol: Protocol) {
    let engine = ctx.engine;
    engine.pubsub.while_silent(|| {
        engine.caches.while_silent(|| {
            ctx.take_pushes();
            ctx.set_protocol(protocol);
        });
    });
}

fn reply_greeting(ctx: &mut Context<'_>) {
    let version = ctx.session.protocol.version();
    let id = ctx.client().id as i64;
    let reply = &mut ctx.reply;
    reply.map(7);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(name);
        reply.bulk(value);
    }
    for (name, value) in [("proto", i64::from(version)), ("id", id)] {
        reply.bulk(name);
        reply.integer(value);
    }
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(name);
        reply.bulk(value);
    }
    reply.bulk("modules");
    reply.array(0);
}

/// `PING [message]`: in RESP2 an array for those who listen to channels, like all else that they get.
fn ping<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if args.left() > 1 {
        return Err(CommandError::ArgumentCount);
    }
    let session = &ctx.session;
    if session.protocol == Protocol::Resp2 && !session.subscriptions.is_empty() {
        ctx.reply.bulk_array(&[&b"pong"[..], args.peek().unwrap_or_default()]);
        return Ok(());
    }
    match args.peek() {
        None => ctx.reply.simple("PONG"),
        Some(_) => ctx.reply.bulk(args.bytes()?),
    }
    Ok(())
}

/// `ECHO message`
fn echo<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    ctx.reply.bulk(args.bytes()?);
    Ok(())
}

/// `SELECT index`
fn select<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let db = args.database(ctx.engine.keyspace.databases())?;
    ctx.session.select(db);
    ctx.reply.ok();
    Ok(())
}

/// `QUIT`: whatever arguments come with it.
fn quit<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    ctx.session.closing = true;
    ctx.reply.ok();
    Ok(())
}

/// `RESET`: the reply is in the protocol in which connections begin; what others sent comes before it.
fn reset<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let authenticated = !needs_password(ctx);
    ctx.unwatch();
    depart(ctx.engine, ctx.session);
    switch_protocol(ctx, Protocol::default());
    ctx.session.reset(authenticated);
    ctx.reply.simple("RESET");
    Ok(())
}
