//! `CLIENT TRACKING` and its kin: what a client that keeps a cache wants to be told (see `exec::tracking`).

use crate::config::params::CLIENT_TRACKING_PREFIX_LIMIT;
use crate::exec::{Args, CacheOptions, CommandError, Context, Outcome, excerpt};
use crate::session::{CacheFlags, Client};

/// `CLIENT TRACKING <ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN]
/// [OPTOUT] [NOLOOP]`
pub(super) fn client_tracking<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let switch = args.bytes()?;
    let options = parse_options(ctx, &mut args)?;
    if switch.eq_ignore_ascii_case(b"ON") {
        check_options(&options, ctx.client().cache.flags())?;
        let present = ctx.engine.caches.prefixes_of(ctx.client());
        if !options.prefixes.is_empty() {
            // Before each is compared with each.
            let count = present.len() + options.prefixes.len();
            let what = "the prefixes tracked";
            ctx.engine.check_limit(CLIENT_TRACKING_PREFIX_LIMIT, count, what)?;
        }
        check_prefixes(&options.prefixes, &present)?;
        ctx.engine.caches.begin(ctx.client(), &options, &ctx.engine.keyspace);
        // For later commands of the same transaction.
        ctx.keys.effects.wants.touched = true;
    } else if switch.eq_ignore_ascii_case(b"OFF") {
        ctx.engine.caches.end(ctx.client(), &ctx.engine.keyspace);
    } else {
        return Err(CommandError::Syntax);
    }
    ctx.reply.ok();
    Ok(())
}

fn parse_options<'a>(
    ctx: &Context<'a>,
    args: &mut Args<'a>,
) -> Result<CacheOptions<'a>, CommandError> {
    let mut options = CacheOptions::default();
    while let Some(option) = args.option() {
        let has_value = !args.is_empty();
        match option.as_bytes() {
            b"REDIRECT" if has_value => parse_redirect(ctx, args, &mut options)?,
            b"PREFIX" if has_value => options.prefixes.push(args.bytes()?),
            b"BCAST" => options.flags = options.flags.with(CacheFlags::BROADCAST),
            b"OPTIN" => options.flags = options.flags.with(CacheFlags::OPT_IN),
            b"OPTOUT" => options.flags = options.flags.with(CacheFlags::OPT_OUT),
            b"NOLOOP" => options.flags = options.flags.with(CacheFlags::NO_LOOP),
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(options)
}

/// The other client must be there now, and may go later.
fn parse_redirect<'a>(
    ctx: &Context<'a>,
    args: &mut Args<'a>,
    options: &mut CacheOptions<'a>,
) -> Result<(), CommandError> {
    if options.redirect.is_some() {
        return Err(CommandError::text("ERR A client can only redirect to a single other client"));
    }
    let target = u64::try_from(args.integer()?).ok().and_then(|id| ctx.engine.clients.get(id));
    let missing = CommandError::text("ERR The client ID you want redirect to does not exist");
    options.redirect = Some(target.ok_or(missing)?.id);
    Ok(())
}

/// Whether the options fit together, and what the client tracks already.
fn check_options(options: &CacheOptions<'_>, present: CacheFlags) -> Result<(), CommandError> {
    use CacheFlags as Flag;
    let wanted = options.flags;
    let is_on = present.has(Flag::ON);
    let either = Flag::OPT_IN.with(Flag::OPT_OUT);
    let (opts_in, opts_out) = (wanted.has(Flag::OPT_IN), wanted.has(Flag::OPT_OUT));
    let problems = [
        (
            !wanted.has(Flag::BROADCAST) && !options.prefixes.is_empty(),
            "ERR PREFIX option requires BCAST mode to be enabled",
        ),
        (
            is_on && wanted.has(Flag::BROADCAST) != present.has(Flag::BROADCAST),
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
             re-enabling it with a different mode.",
        ),
        (
            wanted.has(Flag::BROADCAST) && wanted.has(either),
            "ERR OPTIN and OPTOUT are not compatible with BCAST",
        ),
        (opts_in && opts_out, "ERR You can't specify both OPTIN mode and OPTOUT mode"),
        (
            opts_in && present.has(Flag::OPT_OUT) || opts_out && present.has(Flag::OPT_IN),
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
             re-enabling it with a different mode.",
        ),
    ];
    let problem = problems.into_iter().find(|(is_there, _)| *is_there);
    problem.map_or(Ok(()), |(_, text)| Err(CommandError::text(text)))
}

/// No prefix may begin with another one of the same client: it would be told twice. (Redis answers an overlap
/// of any but the first of the given ones with this error, and then `OK`, and accepts them all.)
fn check_prefixes(given: &[&[u8]], present: &[Vec<u8>]) -> Result<(), CommandError> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refusal = |prefix: &[u8], which: &str, other: &[u8]| {
        let (prefix, other) = (excerpt(prefix, usize::MAX), excerpt(other, usize::MAX));
        Err(CommandError::err(format!(
            "Prefix '{prefix}' overlaps with {which} prefix '{other}'. Prefixes for a single client must not \
             overlap."
        )))
    };
    for (position, prefix) in given.iter().enumerate() {
        if let Some(other) = present.iter().find(|other| overlap(prefix, other)) {
            return refusal(prefix, "an existing", other);
        }
        if let Some(other) = given[position + 1..].iter().find(|other| overlap(prefix, other)) {
            return refusal(prefix, "another provided", other);
        }
    }
    Ok(())
}

/// `CLIENT CACHING <YES | NO>`: what is read by the next command or transaction is remembered, or is not.
pub(super) fn client_caching<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let cache = &ctx.session.client.cache;
    if !cache.flags().has(CacheFlags::ON) {
        return Err(CommandError::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT \
             mode enabled",
        ));
    }
    let (mode, problem) = match args.option().as_ref().map(|option| option.as_bytes()) {
        Some(b"YES") => (
            CacheFlags::OPT_IN,
            "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        ),
        Some(b"NO") => (
            CacheFlags::OPT_OUT,
            "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        ),
        _ => return Err(CommandError::Syntax),
    };
    if !cache.flags().has(mode) {
        return Err(CommandError::text(problem));
    }
    cache.set(CacheFlags::CACHING);
    ctx.reply.ok();
    Ok(())
}

/// As `CLIENT LIST` shows it, too: -1 if the client does not track, 0 if it is told itself.
pub(super) fn redirection(client: &Client) -> i64 {
    match client.cache.flags().has(CacheFlags::ON) {
        true => client.cache.redirect().unwrap_or(0) as i64,
        false => -1,
    }
}

/// `CLIENT GETREDIR`
pub(super) fn client_getredir<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let redirection = redirection(ctx.client());
    ctx.reply.integer(redirection);
    Ok(())
}

/// `CLIENT TRACKINGINFO`
pub(super) fn client_trackinginfo<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let flags = flag_names(ctx.client().cache.flags());
    let redirection = redirection(ctx.client());
    let prefixes = ctx.engine.caches.prefixes_of(ctx.client());
    let reply = &mut ctx.reply;
    reply.map(3);
    reply.bulk("flags");
    reply.set(flags.len());
    flags.iter().for_each(|name| reply.bulk(name));
    reply.bulk("redirect");
    reply.integer(redirection);
    reply.bulk("prefixes");
    reply.bulk_array(&prefixes);
    Ok(())
}

fn flag_names(flags: CacheFlags) -> Vec<&'static str> {
    use CacheFlags as Flag;
    let is_caching_said = flags.has(Flag::CACHING);
    let (opts_in, opts_out) = (flags.has(Flag::OPT_IN), flags.has(Flag::OPT_OUT));
    let names = [
        (flags.has(Flag::ON), "on"),
        (!flags.has(Flag::ON), "off"),
        (flags.has(Flag::BROADCAST), "bcast"),
        (opts_in, "optin"),
        (opts_in && is_caching_said, "caching-yes"),
        (opts_out, "optout"),
        (opts_out && is_caching_said, "caching-no"),
        (flags.has(Flag::NO_LOOP), "noloop"),
        (flags.has(Flag::BROKEN), "broken_redirect"),
    ];
    names.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect()
}
