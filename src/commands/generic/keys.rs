//! Commands on keys as a whole: delete, count, rename, copy, move.

use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context, Declared, Outcome};
use crate::resp::ArgList;
use crate::store::{DeclaredKey, Key, event};

/// `DEL key [key ...]`, and `UNLINK`: large values are always freed in the background.
pub(super) fn del<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let mut deleted = 0;
    while !args.is_empty() {
        let key = args.key(&ctx.keys)?;
        deleted += usize::from(ctx.keys.remove(&key, event::DEL));
    }
    ctx.reply.count(deleted);
    Ok(())
}

/// `EXISTS key [key ...]`
pub(super) fn exists<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let mut found = 0;
    while !args.is_empty() {
        let key = args.key(&ctx.keys)?;
        found += usize::from(ctx.keys.look_up(&key).is_some());
    }
    ctx.reply.count(found);
    Ok(())
}

/// `TOUCH key [key ...]`
pub(super) fn touch<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let mut found = 0;
    while !args.is_empty() {
        let key = args.key(&ctx.keys)?;
        found += usize::from(ctx.keys.touch(&key));
    }
    ctx.reply.count(found);
    Ok(())
}

/// `TYPE key`
pub(super) fn type_<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let name = ctx.keys.look_up(&key).map_or("none", |entry| entry.value().type_name());
    ctx.reply.simple(name);
    Ok(())
}

/// `RENAME key newkey`
pub(super) fn rename<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    if !ctx.keys.exists(&source) {
        return Err(CommandError::NoSuchKey);
    }
    move_entry(ctx, &source, &target);
    ctx.reply.ok();
    Ok(())
}

/// `RENAMENX key newkey`
pub(super) fn renamenx<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    if !ctx.keys.exists(&source) {
        return Err(CommandError::NoSuchKey);
    }
    let is_free = !ctx.keys.exists(&target);
    if is_free {
        move_entry(ctx, &source, &target);
    }
    ctx.reply.integer(i64::from(is_free));
    Ok(())
}

/// Gives an entry another name. Renaming a key to itself changes nothing.
fn move_entry(ctx: &mut Context<'_>, source: &Key<'_>, target: &Key<'_>) {
    if source.bytes == target.bytes {
        return;
    }
    if let Some(entry) = ctx.keys.take(source) {
        ctx.keys.put_entry(target, entry);
        ctx.keys.also(source, event::RENAME_FROM);
        ctx.keys.also(target, event::RENAME_TO);
    }
}

/// Options of `COPY`.
struct CopyOptions {
    db: usize,
    replace: bool,
}

fn parse_copy(
    args: &mut Args<'_>,
    db: usize,
    databases: usize,
) -> Result<CopyOptions, CommandError> {
    let mut options = CopyOptions { db, replace: false };
    while let Some(option) = args.option() {
        match option.as_bytes() {
            b"REPLACE" => options.replace = true,
            b"DB" if !args.is_empty() => options.db = args.database(databases)?,
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(options)
}

/// The target of `COPY` is in the database that its options name. If they are wrong, the handler says so
/// before it looks at any key.
pub(super) fn declare_copy<'a>(
    args: ArgList<'a>,
    db: usize,
    databases: usize,
    keys: &mut Declared<'a>,
) {
    let target_db =
        parse_copy(&mut Args::new(args, 3), db, databases).map_or(db, |options| options.db);
    for (arg, db) in [(1, db), (2, target_db)] {
        keys.extend(args.get(arg).map(|bytes| DeclaredKey { bytes, db, arg }));
    }
}

/// `COPY source destination [DB destination-db] [REPLACE]`
pub(super) fn copy<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let (source, target) = (args.key(&ctx.keys)?, args.key(&ctx.keys)?);
    let options = parse_copy(&mut args, source.db, ctx.engine.keyspace.databases())?;
    if source.db == target.db && source.bytes == target.bytes {
        return Err(CommandError::SameObject);
    }
    ctx.keys.read(&source);
    let copied = match ctx.keys.copy(&source) {
        Some(entry) if options.replace || !ctx.keys.exists(&target) => {
            ctx.keys.put_entry(&target, entry);
            ctx.keys.also(&target, event::COPY_TO);
            true
        }
        _ => false,
    };
    ctx.reply.integer(i64::from(copied));
    Ok(())
}

/// `MOVE` declares its key twice: here and in the other database.
pub(super) fn declare_move<'a>(
    args: ArgList<'a>,
    db: usize,
    databases: usize,
    keys: &mut Declared<'a>,
) {
    let Some(bytes) = args.get(1) else { return };
    keys.push(DeclaredKey { bytes, db, arg: 1 });
    let target = args.get(2).and_then(parse_i64).and_then(|db| usize::try_from(db).ok());
    if let Some(db) = target.filter(|db| *db < databases) {
        keys.push(DeclaredKey { bytes, db, arg: 1 });
    }
}

/// `MOVE key db`
pub(super) fn move_<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let source = args.key(&ctx.keys)?;
    let db = args.database(ctx.engine.keyspace.databases())?;
    if db == source.db {
        return Err(CommandError::SameObject);
    }
    let target = ctx.keys.declared(1).expect("the key is declared in the database it moves to");
    let moves = ctx.keys.exists(&source) && !ctx.keys.exists(&target);
    if moves && let Some(entry) = ctx.keys.take(&source) {
        ctx.keys.put_entry(&target, entry);
        ctx.keys.also(&source, event::MOVE_FROM);
        ctx.keys.also(&target, event::MOVE_TO);
    }
    ctx.reply.integer(i64::from(moves));
    Ok(())
}
