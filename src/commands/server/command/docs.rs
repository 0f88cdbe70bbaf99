//! `COMMAND DOCS`: what people read about commands, and their arguments as a tree.

use crate::exec::syntax::{self, Argument, ArgumentType};
use crate::exec::{Args, Command, Context, Outcome, Registry};
use crate::resp::Reply;

/// `COMMAND DOCS [command-name [command-name ...]]`: names that are not known are left out.
pub(super) fn command_docs<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let registry = &ctx.engine.registry;
    let commands: Vec<Command> = if args.is_empty() {
        registry.top_level().collect()
    } else {
        args.rest().iter().filter_map(|name| registry.by_full_name(name)).collect()
    };
    reply_commands(&mut ctx.reply, registry, &commands);
    Ok(())
}

fn reply_commands(reply: &mut Reply<'_>, registry: &Registry, commands: &[Command]) {
    reply.map(commands.len());
    for command in commands {
        reply.bulk(command.spec.full_name());
        reply_docs(reply, registry, *command);
    }
}

fn reply_docs(reply: &mut Reply<'_>, registry: &Registry, command: Command) {
    let spec = command.spec;
    let texts = [
        ("summary", spec.doc.summary),
        ("since", spec.doc.since),
        ("group", command.group),
        ("complexity", spec.doc.complexity),
    ];
    let texts = texts.iter().filter(|(_, text)| !text.is_empty());
    let arguments = syntax::parse(spec.name, spec.doc.syntax, spec.keys.len());
    let arguments = arguments.expect("a test parses the syntax of every row");
    let subcommands = registry.subcommands(command);
    let optional_fields = [!arguments.is_empty(), !subcommands.is_empty()];
    reply.map(
        texts.clone().count()
            + if spec.deprecation.is_some() { 3 } else { 0 }
            + optional_fields.iter().filter(|is_there| **is_there).count(),
    );
    texts.for_each(|(name, text)| reply_text(reply, name, text));
    if let Some(deprecation) = &spec.deprecation {
        reply.bulk("doc_flags");
        reply.set(1);
        reply.simple("deprecated");
        reply_text(reply, "deprecated_since", deprecation.since);
        reply_text(reply, "replaced_by", deprecation.replaced_by);
    }
    if !arguments.is_empty() {
        reply.bulk("arguments");
        reply_arguments(reply, &arguments);
    }
    if !subcommands.is_empty() {
        reply.bulk("subcommands");
        reply_commands(reply, registry, subcommands);
    }
}

fn reply_text(reply: &mut Reply<'_>, name: &str, text: &str) {
    reply.bulk(name);
    reply.bulk(text);
}

fn reply_arguments(reply: &mut Reply<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    arguments.iter().for_each(|argument| reply_argument(reply, argument));
}

fn reply_argument(reply: &mut Reply<'_>, argument: &Argument) {
    let is_compound = matches!(argument.kind, ArgumentType::OneOf | ArgumentType::Block);
    let flags = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    let flags = flags.iter().filter(|(is_set, _)| *is_set);
    let optional_fields =
        [argument.key_spec.is_some(), argument.token.is_some(), flags.clone().count() > 0];
    // Besides name and type: what is shown, or the parts.
    reply.map(3 + optional_fields.iter().filter(|is_there| **is_there).count());
    reply_text(reply, "name", &argument.name);
    reply_text(reply, "type", argument.kind.name());
    if !is_compound {
        reply_text(reply, "display_text", &argument.name);
    }
    if let Some(number) = argument.key_spec {
        reply.bulk("key_spec_index");
        reply.count(number);
    }
    if let Some(token) = argument.token {
        reply_text(reply, "token", token);
    }
    if flags.clone().count() > 0 {
        reply.bulk("flags");
        reply.set(flags.clone().count());
        flags.for_each(|(_, name)| reply.simple(name));
    }
    if is_compound {
        reply.bulk("arguments");
        reply_arguments(reply, &argument.parts);
    }
}
