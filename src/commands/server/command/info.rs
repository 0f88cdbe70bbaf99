//! `COMMAND` and `COMMAND INFO`: a command in ten fields, as Redis lays them out.
//!
//! ```text
//! name · arity · flags · first key · last key · step · ACL categories · hints · key specifications ·
//! subcommands
//! ```

use crate::exec::keyspec::{Begin, Find, KeySpec, is_movable, legacy_range};
use crate::exec::spec::FLAG_NAMES;
use crate::exec::{Args, Command, Context, Outcome, Registry, Spec};
use crate::resp::Reply;

/// `COMMAND`: all commands.
pub(super) fn command<'a>(ctx: &mut Context<'a>, _: Args<'a>) -> Outcome {
    let registry = &ctx.engine.registry;
    ctx.reply.array(registry.top_level().count());
    registry.top_level().for_each(|command| reply_command(&mut ctx.reply, registry, command));
    Ok(())
}

/// `COMMAND INFO [command-name [command-name ...]]`: null for a name that is not known.
pub(super) fn command_info<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    if args.is_empty() {
        return command(ctx, args);
    }
    let registry = &ctx.engine.registry;
    ctx.reply.array(args.left());
    for name in args.rest().iter() {
        match registry.by_full_name(name) {
            Some(command) => reply_command(&mut ctx.reply, registry, command),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn reply_command(reply: &mut Reply<'_>, registry: &Registry, command: Command) {
    let spec = command.spec;
    reply.array(10);
    reply.bulk(spec.full_name());
    reply.integer(i64::from(spec.arity));
    reply_names(reply, &flag_names(spec));
    legacy_range(spec.keys).into_iter().for_each(|number| reply.integer(number));
    let categories: Vec<String> = command.categories().map(|name| format!("@{name}")).collect();
    reply_names(reply, &categories);
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|key_spec| reply_key_spec(reply, key_spec));
    let subcommands = registry.subcommands(command);
    match subcommands.len() {
        0 => reply.set(0),
        len => reply.array(len),
    }
    subcommands.iter().for_each(|subcommand| reply_command(reply, registry, *subcommand));
}

fn reply_names<T: AsRef<str>>(reply: &mut Reply<'_>, names: &[T]) {
    reply.set(names.len());
    names.iter().for_each(|name| reply.simple(name.as_ref()));
}

fn flag_names(spec: &Spec) -> Vec<&'static str> {
    let flags = FLAG_NAMES.iter().filter(|(flag, name)| spec.has(*flag) && !name.is_empty());
    let mut names: Vec<&'static str> = flags.map(|(_, name)| *name).collect();
    if is_movable(spec.keys) {
        // Redis has this flag between those of the row.
        let behind = |name: &&str| matches!(*name, "no_async_loading" | "no_multi" | "allow_busy");
        let at = names.iter().position(behind).unwrap_or(names.len());
        names.insert(at, "movablekeys");
    }
    names
}

fn reply_key_spec(reply: &mut Reply<'_>, key_spec: &KeySpec) {
    reply.map(3);
    reply.bulk("flags");
    let flags: Vec<&str> = key_spec.flags.names().collect();
    reply_names(reply, &flags);
    reply.bulk("begin_search");
    match key_spec.begin {
        Begin::Unknown => reply_search(reply, "unknown", 0),
        Begin::Index(index) => {
            reply_search(reply, "index", 1);
            reply_number(reply, "index", index as i64);
        }
        Begin::Keyword(word, from) => {
            reply_search(reply, "keyword", 2);
            reply.bulk("keyword");
            reply.bulk(word);
            reply_number(reply, "startfrom", i64::from(from));
        }
    }
    reply.bulk("find_keys");
    match key_spec.find {
        Find::Unknown => reply_search(reply, "unknown", 0),
        Find::Range { last, step, limit } => {
            reply_search(reply, "range", 3);
            reply_number(reply, "lastkey", i64::from(last));
            reply_number(reply, "keystep", step as i64);
            reply_number(reply, "limit", limit as i64);
        }
        Find::KeyNum { count, first, step } => {
            reply_search(reply, "keynum", 3);
            reply_number(reply, "keynumidx", count as i64);
            reply_number(reply, "firstkey", first as i64);
            reply_number(reply, "keystep", step as i64);
        }
    }
}

/// How keys are searched; `details` names and numbers follow.
fn reply_search(reply: &mut Reply<'_>, kind: &str, details: usize) {
    reply.map(2);
    reply.bulk("type");
    reply.bulk(kind);
    reply.bulk("spec");
    reply.map(details);
}

fn reply_number(reply: &mut Reply<'_>, name: &str, number: i64) {
    reply.bulk(name);
    reply.integer(number);
}
