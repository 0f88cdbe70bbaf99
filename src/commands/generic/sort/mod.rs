//! `SORT` and `SORT_RO`: elements of a list, a set or a sorted set in an order, or what other keys hold
//! for them.
//!
//! The work goes in five steps: *reach* the keys that the patterns name, take the *candidates* from the
//! value, *weigh* them, put those that are wanted in *order*, and *reply or store* them or what the `GET`
//! patterns name.
//!
//! **Locks.** The names of keys that `BY` and `GET` look at depend on the elements, so the row cannot
//! declare them. With the declared keys locked the names are made up, all shards are locked again together
//! with those of the names, and the names are made up once more to see that they are still covered (see
//! `store::reach`). Many names would cover most shards anyhow: then the whole database is held at once.
//! Nobody outside of it has to wait, and its readers do not either.
//!
//! **Log.** What is stored is logged as the list that came out (`DEL`, `RPUSH`), not as the command: the
//! log is repeated by shard, where other keys may not be what they were. Both lines concern one key.
//!
//! Unlike Redis, which changes a sorted set to its large encoding in order to sort it, this leaves the
//! value as it is.

mod options;
mod order;
mod pattern;

pub(super) use options::find_keys;

use std::ops::Range;

use options::{Options, Sorting};
use order::{Item, Order, Weight};
use pattern::Pattern;

use crate::base::limits::LOGGED_ELEMENTS_MAX;
use crate::commands::shared::encodings::list_limits;
use crate::exec::{Args, CommandError, Context, Outcome, reply_text};
use crate::resp::ArgList;
use crate::store::{Key, Poisoned, Text, ValueRef, View, event};
use crate::value::list::End;
use crate::value::listpack::Element;
use crate::value::{Hash, List, Value};

const NOT_NUMBERS: CommandError =
    CommandError::text("ERR One or more scores can't be converted into double");

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]
/// [STORE destination]`
pub(super) fn sort<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    run(ctx, args, true)
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]`
pub(super) fn sort_ro<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    run(ctx, args, false)
}

fn run<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, may_store: bool) -> Outcome {
    let at = args.position();
    args.bytes()?;
    let options = Options::parse(&mut args, may_store)?;
    reach(&mut ctx.keys, at, &options)?;
    let key = declared(&ctx.keys, at);
    let value = match ctx.keys.read(&key).map(|entry| entry.value()) {
        None => Value::List(List::default()),
        // A copy shares what is large, and other keys can be read while its elements are looked at.
        Some(ValueRef::Object(value)) if is_sortable(value) => value.clone(),
        Some(_) => return Err(CommandError::WrongType),
    };
    let (elements, range) = candidates(&value, &options);
    let sorting = options.sorting(matches!(value, Value::Set(_)));
    let elements = match sorting {
        Sorting::None => elements,
        _ => {
            let mut items = weigh(&mut ctx.keys, elements, sorting)?;
            let c_strings = options.store.is_none();
            let order = Order { descending: options.descending, c_strings };
            order.sort(&mut items, range.clone());
            items.into_iter().map(|item| item.element).collect()
        }
    };
    match options.store {
        None => reply(ctx, &elements[range], &options.get),
        Some(at) => store(ctx, at, &elements[range], &options.get),
    }
}

/// The key that is this argument. Widening the locks makes keys void, so that it is asked for again.
fn declared<'a>(keys: &View<'a>, at: usize) -> Key<'a> {
    keys.key_at(at).expect("the row finds the key and the destination")
}

fn is_sortable(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Set(_) | Value::SortedSet(_))
}

/// Holds the shards of all keys that the patterns name.
fn reach(keys: &mut View<'_>, at: usize, options: &Options<'_>) -> Outcome {
    if keys.reaches_all() {
        return Ok(());
    }
    for is_retry in [false, true] {
        let Some(value) = sortable(keys, at) else { return Ok(()) };
        let sorting = options.sorting(matches!(value, Value::Set(_)));
        let patterns = sorting.pattern().into_iter().chain(options.get.iter().copied());
        let patterns: Vec<Pattern<'_>> = patterns.filter(Pattern::names_keys).collect();
        if patterns.is_empty() {
            return Ok(());
        }
        let (elements, _) = candidates(value, options);
        let mut reach = keys.reach();
        if elements.len().saturating_mul(patterns.len()) >= reach.shards() {
            reach.add_all();
        } else {
            let mut name = Vec::new();
            for element in elements {
                for pattern in &patterns {
                    pattern.write_name(element, &mut name);
                    reach.add(&name);
                }
            }
        }
        if keys.covers(&reach) {
            return Ok(());
        }
        if is_retry {
            // The value was changed between the two looks. Whatever it is by now, this covers it.
            reach.add_all();
        }
        keys.widen(&reach)?;
    }
    Ok(())
}

/// The value, not counted as an access; `None` if there is nothing to sort.
fn sortable<'v>(keys: &'v View<'_>, at: usize) -> Option<&'v Value> {
    match keys.peek(&declared(keys, at))?.value() {
        ValueRef::Object(value) => Some(value).filter(|value| is_sortable(value)),
        _ => None,
    }
}

/// The elements to choose from, and which of them are wanted once they are sorted. What has an order of its
/// own and keeps it is cut to the wanted elements at once.
fn candidates<'v>(value: &'v Value, options: &Options<'_>) -> (Vec<Element<'v>>, Range<usize>) {
    let is_set = matches!(value, Value::Set(_));
    let keeps_order = options.sorting(is_set) == Sorting::None;
    let elements: Vec<Element<'v>> = match value {
        Value::List(list) if keeps_order => {
            let part = list.range(in_place(options, list.len()));
            if options.descending { part.rev().collect() } else { part.collect() }
        }
        Value::SortedSet(set) if keeps_order => {
            let part = set.range(in_place(options, set.len())).map(|(member, _)| member);
            if options.descending { part.rev().collect() } else { part.collect() }
        }
        Value::List(list) => list.iter().collect(),
        Value::Set(set) => set.iter().collect(),
        Value::SortedSet(set) => set.iter().map(|(member, _)| member).collect(),
        _ => Vec::new(),
    };
    let range =
        if keeps_order && !is_set { 0..elements.len() } else { options.range(elements.len()) };
    (elements, range)
}

/// Where the wanted elements are in a value that keeps its order, or is read from its end.
fn in_place(options: &Options<'_>, len: usize) -> Range<usize> {
    let range = options.range(len);
    if options.descending { len - range.end..len - range.start } else { range }
}

/// Finds out what the elements are sorted by.
fn weigh<'v>(
    keys: &mut View<'_>,
    elements: Vec<Element<'v>>,
    sorting: Sorting<'_>,
) -> Result<Vec<Item<'v>>, CommandError> {
    let mut name = Vec::new();
    let mut weigh_one = |element| -> Result<_, Poisoned> {
        Ok(match sorting {
            Sorting::None | Sorting::Texts(None) => Some(Weight::Own),
            Sorting::Texts(Some(by)) => {
                Some(Weight::of_text(look_up(keys, by, element, &mut name)?))
            }
            Sorting::Numbers(by) => {
                let by = by.unwrap_or(Pattern::Element);
                Weight::of_number(look_up(keys, by, element, &mut name)?)
            }
        })
    };
    let mut items = Vec::with_capacity(elements.len());
    let mut are_numbers = true;
    // All are looked up, even if one is no number: each look counts.
    for (position, element) in elements.into_iter().enumerate() {
        match weigh_one(element)? {
            Some(weight) => items.push(Item::new(element, weight, position)),
            None => are_numbers = false,
        }
    }
    if are_numbers { Ok(items) } else { Err(NOT_NUMBERS) }
}

/// What a pattern has for an element. A key of another type than the pattern calls for has nothing.
fn look_up<'v>(
    keys: &'v mut View<'_>,
    pattern: Pattern<'_>,
    element: Element<'v>,
    name: &mut Vec<u8>,
) -> Result<Option<Text<'v>>, Poisoned> {
    let Pattern::Key { field, .. } = pattern else {
        return Ok((pattern == Pattern::Element).then(|| text_of(element)));
    };
    pattern.write_name(element, name);
    let key = keys.reached(name)?;
    let now_ms = keys.now_ms();
    Ok(match field {
        None => keys.string(&key).ok().flatten(),
        Some(field) => {
            let hash = keys.collection::<Hash>(&key).ok().flatten();
            hash.and_then(|hash| hash.get(field, now_ms)).map(text_of)
        }
    })
}

fn text_of(element: Element<'_>) -> Text<'_> {
    match element {
        Element::Integer(number) => Text::Integer(number),
        Element::Bytes(bytes) => Text::Short(bytes),
    }
}

/// Calls `take` with everything that the elements are to be replaced by, in order.
fn for_each_result(
    keys: &mut View<'_>,
    elements: &[Element<'_>],
    get: &[Pattern<'_>],
    mut take: impl FnMut(Option<Text<'_>>),
) -> Result<(), Poisoned> {
    let get = if get.is_empty() { &[Pattern::Element] } else { get };
    let mut name = Vec::new();
    for element in elements {
        for pattern in get {
            take(look_up(keys, *pattern, *element, &mut name)?);
        }
    }
    Ok(())
}

fn reply(ctx: &mut Context<'_>, elements: &[Element<'_>], get: &[Pattern<'_>]) -> Outcome {
    ctx.reply.array(elements.len() * get.len().max(1));
    let reply = &mut ctx.reply;
    Ok(for_each_result(&mut ctx.keys, elements, get, |text| reply_text(reply, text))?)
}

/// Stores a list, whatever was there; what is missing is an empty element. No elements make no list.
fn store(
    ctx: &mut Context<'_>,
    at: usize,
    elements: &[Element<'_>],
    get: &[Pattern<'_>],
) -> Outcome {
    let limits = list_limits(&ctx.engine.config);
    let mut list = List::default();
    let mut push = |bytes: &[u8]| list.push_all(End::Right, std::iter::once(bytes), &limits);
    for_each_result(&mut ctx.keys, elements, get, |text| match text {
        Some(text) => text.with_bytes(&mut push),
        None => push(b""),
    })?;
    ctx.reply.count(list.len());
    let key = declared(&ctx.keys, at);
    if !list.is_empty() {
        log(&mut ctx.keys, &key, &list);
        ctx.keys.put_collection(&key, list, event::SORTSTORE);
    } else if ctx.keys.remove(&key, event::DEL) {
        ctx.keys.log_instead(|log| log.words([b"DEL", key.bytes]));
    }
    Ok(())
}

/// The list that is about to be stored.
fn log(keys: &mut View<'_>, key: &Key<'_>, list: &List) {
    if keys.exists(key) {
        keys.log_instead(|log| log.words([b"DEL", key.bytes]));
    }
    for start in (0..list.len()).step_by(LOGGED_ELEMENTS_MAX) {
        let end = list.len().min(start + LOGGED_ELEMENTS_MAX);
        keys.log_instead(|log| {
            log.words([b"RPUSH", key.bytes]);
            list.range(start..end).for_each(|element| element.with_bytes(|it| log.words([it])));
        });
    }
}

/// Elements that are sorted count several times, and once more for each key that is looked at for them.
pub(super) fn work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    const TO_SORT: usize = 4;
    let Some(key) = keys.declared(0) else { return 0 };
    let Ok(options) = Options::parse(&mut Args::new(args, 2), true) else { return 0 };
    let len = keys.elements(&key);
    let taken = options.range(len).len();
    let by = match options.sorting(false) {
        Sorting::None => keys.work_of_part(&key, taken),
        sorting => keys.work(&key) * (TO_SORT + usize::from(sorting.pattern().is_some())),
    };
    by.saturating_add(taken.saturating_mul(options.get.len()))
}
