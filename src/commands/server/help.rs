//! `HELP` for a person at a terminal: what there is, and how it is written.
//!
//! Redis leaves this to its command line tool; here it is for whoever comes with `nc` or `telnet`. The
//! reply is an array of simple strings, as the `HELP` of a family of subcommands is: one line of the
//! screen for each, whether the protocol is read raw or printed by a client (which would show a single
//! long string with its line breaks escaped).

use crate::exec::spec::{LOADING, STALE};
use crate::exec::{Args, Command, CommandError, Context, Outcome, Registry, Spec, cmd, excerpt};

/// Names are listed in lines of this width.
const WIDTH: usize = 76;

pub static COMMANDS: &[Spec] = &[cmd("HELP", -1, &[], LOADING | STALE, help).doc(
    "0.1.0",
    "O(N) where N is the number of commands",
    "[@group | command [subcommand]]",
    "Explains a command, lists a group of commands, or all groups.",
)];

/// `HELP [@group | command [subcommand]]`
fn help<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let registry = &ctx.engine.registry;
    let lines = if args.is_empty() {
        overview(registry)
    } else {
        let words: Vec<&[u8]> = args.rest().iter().collect();
        let found = match words.as_slice() {
            [[b'@', group @ ..]] => group_lines(registry, group),
            // `set` is a command and a group; the others may come without their `@`.
            [name] => registry
                .by_full_name(name)
                .map(|it| command_lines(registry, it))
                .or_else(|| group_lines(registry, name)),
            [family, name] => find_subcommand(registry, family, name)
                .map(|subcommand| command_lines(registry, subcommand)),
            _ => return Err(CommandError::Syntax),
        };
        found.ok_or_else(|| unknown(&words))?
    };
    ctx.reply.array(lines.len());
    lines.iter().for_each(|line| ctx.reply.simple(line));
    Ok(())
}

fn find_subcommand(registry: &Registry, family: &[u8], name: &[u8]) -> Option<Command> {
    registry.subcommand(registry.command(family)?, name)
}

fn unknown(words: &[&[u8]]) -> CommandError {
    let given = excerpt(&words.join(&b' '), 128);
    CommandError::err(format!("no help on '{given}'. HELP alone lists what there is."))
}

/// The groups and their commands.
fn overview(registry: &Registry) -> Vec<String> {
    let mut groups: Vec<&str> = registry.top_level().map(|command| command.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut lines = vec!["Commands by group:".to_owned()];
    for group in groups {
        lines.push(format!("@{group}"));
        let members = registry.top_level().filter(|command| command.group == group);
        let mut names: Vec<&str> = members.map(|command| command.spec.name).collect();
        names.sort_unstable();
        lines.extend(wrap(&names));
    }
    lines.push("HELP @string lists a group, HELP SET explains a command,".to_owned());
    lines.push("HELP CLIENT KILL explains a subcommand. QUIT ends the connection.".to_owned());
    lines
}

/// Indented lines of words.
fn wrap(words: &[&str]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let line = lines.last_mut().expect("there is always a last line");
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            lines.push(format!("  {word}"));
        } else {
            line.push_str(if line.is_empty() { "  " } else { " " });
            line.push_str(word);
        }
    }
    lines
}

fn group_lines(registry: &Registry, group: &[u8]) -> Option<Vec<String>> {
    let is_wanted = |command: &Command| command.group.as_bytes().eq_ignore_ascii_case(group);
    let members: Vec<Command> = registry.top_level().filter(is_wanted).collect();
    (!members.is_empty()).then(|| summaries(&members))
}

/// A line for each command, in two columns.
fn summaries(commands: &[Command]) -> Vec<String> {
    let width = commands.iter().map(|command| command.spec.name.len()).max().unwrap_or_default();
    let line =
        |command: &Command| format!("{:width$}  {}", command.spec.name, command.spec.doc.summary);
    commands.iter().map(line).collect()
}

fn command_lines(registry: &Registry, command: Command) -> Vec<String> {
    let Spec { name, doc, deprecation, .. } = command.spec;
    let mut lines = vec![format!("{name} {}", doc.syntax).trim_end().to_owned()];
    lines.push(format!("  {}", doc.summary));
    if let Some(deprecation) = deprecation {
        let replacement = deprecation.replaced_by;
        lines.push(format!("  Deprecated since {}: use {replacement}.", deprecation.since));
    }
    let mut facts = format!("  Group: {}.", command.group);
    if !doc.complexity.is_empty() {
        facts.push_str(&format!(" Time: {}.", doc.complexity.trim_end_matches('.')));
    }
    lines.push(facts);
    let subcommands = registry.subcommands(command);
    lines.extend(summaries(subcommands).into_iter().map(|line| format!("  {line}")));
    lines
}
