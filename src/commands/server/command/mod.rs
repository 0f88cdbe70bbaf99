//! `COMMAND`: what the server knows of its own commands, told from their rows.

mod docs;
mod info;

use crate::base::glob::glob_match;
use crate::commands::shared::family_help::family_help;
use crate::exec::keyspec::{KeyFlags, KeySpec, NOT_KEY, VARIABLE_FLAGS};
use crate::exec::spec::{LOADING, NO_MANDATORY_KEYS, SENTINEL, STALE};
use crate::exec::{
    Args, Command, CommandError, Context, Lookup, Outcome, Spec, check_pattern, cmd,
};
use crate::resp::ArgList;
use docs::command_docs;
use info::{command, command_info};

const ABOUT: u32 = LOADING | STALE | SENTINEL;
const CONNECTION: &[&str] = &["connection"];
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

pub static COMMANDS: &[Spec] = &[cmd("COMMAND", -1, &[], ABOUT, command)
    .categories(CONNECTION)
    .tips(UNORDERED)
    .subcommands(SUBCOMMANDS)
    .doc(
        "2.8.13",
        "O(N) where N is the total number of commands",
        "",
        "Describes all commands to a client.",
    )];

const SUBCOMMANDS: &[Spec] = &[
    cmd("COMMAND COUNT", 2, &[], ABOUT, command_count).categories(CONNECTION).doc(
        "2.8.13",
        "O(1)",
        "",
        "Counts the commands.",
    ),
    cmd("COMMAND LIST", -2, &[], ABOUT, command_list).categories(CONNECTION).tips(UNORDERED).doc(
        "7.0.0",
        "O(N) where N is the total number of commands",
        "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        "Lists the names of all commands, or of those that pass a filter.",
    ),
    cmd("COMMAND INFO", -2, &[], ABOUT, command_info).categories(CONNECTION).tips(UNORDERED).doc(
        "2.8.13",
        "O(N) where N is the number of commands to look up",
        "[command-name [command-name ...]]",
        "Describes some commands, or all.",
    ),
    cmd("COMMAND DOCS", -2, &[], ABOUT, command_docs).categories(CONNECTION).tips(UNORDERED).doc(
        "7.0.0",
        "O(N) where N is the number of commands to look up",
        "[command-name [command-name ...]]",
        "Documents some commands, or all.",
    ),
    cmd("COMMAND GETKEYS", -3, &[], ABOUT, command_getkeys).categories(CONNECTION).doc(
        "2.8.13",
        "O(N) where N is the number of arguments to the command",
        "command [arg [arg ...]]",
        "Finds the keys among the arguments of a command.",
    ),
    cmd("COMMAND GETKEYSANDFLAGS", -3, &[], ABOUT, command_getkeysandflags)
        .categories(CONNECTION)
        .doc(
            "7.0.0",
            "O(N) where N is the number of arguments to the command",
            "command [arg [arg ...]]",
            "Finds the keys among the arguments of a command, and what it does to them.",
        ),
    cmd("COMMAND HELP", 2, &[], ABOUT, command_help).categories(CONNECTION).doc(
        "5.0.0",
        "O(1)",
        "",
        "Lists the subcommands.",
    ),
];

/// `COMMAND COUNT`: families count once.
fn command_count<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let count = ctx.engine.registry.top_level().count();
    ctx.reply.count(count);
    Ok(())
}

/// Which names `COMMAND LIST` lists.
enum Filter<'a> {
    All,
    /// There are no modules.
    Module,
    Category(String),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Filter<'a>, CommandError> {
        if args.is_empty() {
            return Ok(Filter::All);
        }
        if args.left() != 3 || !args.take_word("FILTERBY") {
            return Err(CommandError::Syntax);
        }
        let kind = args.option().ok_or(CommandError::Syntax)?;
        let wanted = args.bytes()?;
        match kind.as_bytes() {
            b"MODULE" => Ok(Filter::Module),
            b"ACLCAT" => Ok(Filter::Category(String::from_utf8_lossy(wanted).to_ascii_lowercase())),
            b"PATTERN" => Ok(Filter::Pattern(check_pattern(wanted)?)),
            _ => Err(CommandError::Syntax),
        }
    }

    fn passes(&self, command: &Command) -> bool {
        match self {
            Filter::All => true,
            Filter::Module => false,
            Filter::Category(category) => command.is_in(category),
            Filter::Pattern(pattern) => {
                glob_match(pattern, command.spec.full_name().as_bytes(), true)
            }
        }
    }
}

/// `COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]`: subcommands
/// included.
fn command_list<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let filter = Filter::parse(&mut args)?;
    let all = ctx.engine.registry.all().iter();
    let chosen = all.filter(|command| filter.passes(command));
    let names: Vec<String> = chosen.map(|command| command.spec.full_name()).collect();
    ctx.reply.bulk_array(&names);
    Ok(())
}

/// `COMMAND GETKEYS command [arg [arg ...]]`
fn command_getkeys<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let request = args.rest();
    let keys = find_keys(ctx, request)?;
    let keys: Vec<&[u8]> = keys.into_iter().map(|(key, _)| key).collect();
    ctx.reply.bulk_array(&keys);
    Ok(())
}

/// `COMMAND GETKEYSANDFLAGS command [arg [arg ...]]`
fn command_getkeysandflags<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let request = args.rest();
    let keys = find_keys(ctx, request)?;
    ctx.reply.array(keys.len());
    for (key, flags) in keys {
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        ctx.reply.set(flags.names().count());
        flags.names().for_each(|name| ctx.reply.simple(name));
    }
    Ok(())
}

/// The keys of a request and what is done to them.
fn find_keys<'a>(
    ctx: &Context<'a>,
    request: ArgList<'a>,
) -> Result<Vec<(&'a [u8], KeyFlags)>, CommandError> {
    let Lookup::Found(Command { spec, .. }) = ctx.engine.registry.lookup(request) else {
        return Err(CommandError::text("ERR Invalid command specified"));
    };
    let are_keys = |key_spec: &&KeySpec| !key_spec.flags.contains(NOT_KEY);
    if !spec.keys.iter().any(|key_spec| are_keys(&key_spec)) {
        return Err(CommandError::text("ERR The command has no key arguments"));
    }
    if !spec.accepts(request.len()) {
        return Err(CommandError::text("ERR Invalid number of arguments specified for command"));
    }
    let mut keys = Vec::new();
    if let Some(find) = spec.find_keys {
        let found = &mut |position, flags| {
            keys.extend(request.get(position).map(|key| (key, flags)));
        };
        find(request, found);
        return Ok(keys);
    }
    for key_spec in spec.keys.iter().filter(are_keys) {
        let flags = match spec.variable_flags {
            Some(flags_of) if key_spec.flags.contains(VARIABLE_FLAGS) => flags_of(request),
            _ => key_spec.flags,
        };
        let found = |position| {
            keys.extend(request.get(position).map(|key| (key, flags)));
        };
        if !key_spec.positions(request, found) && !key_spec.is_silent(request) {
            keys.clear();
            break;
        }
    }
    if keys.is_empty() && !spec.has(NO_MANDATORY_KEYS) {
        return Err(CommandError::text("ERR Invalid arguments specified for command"));
    }
    Ok(keys)
}

/// `COMMAND HELP`
fn command_help<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    family_help(ctx, "COMMAND")
}
