//! Finding members near a position, to tell or to store them.

use super::numbers::{reply_distance, reply_position};
use super::query::{Centre, Form, Query, Target};
use crate::base::limits::LOGGED_ELEMENTS_MAX;
use crate::base::number::write_f64;
use crate::commands::sorted_set::store;
use crate::exec::{Args, Context, Declared, Outcome, reply_element};
use crate::resp::{ArgList, Reply};
use crate::store::{DeclaredKey, EventKind, Key, View, event};
use crate::value::SortedSet;
use crate::value::geo::{self, Area, Found};
use crate::value::sorted_set::Scored;

const RADIUS: Form = Form { centre: Centre::Position, takes_store: true, always_stores: false };
const BY_MEMBER: Form = Form { centre: Centre::Member, ..RADIUS };
const SEARCH: Form = Form { centre: Centre::Options, takes_store: false, always_stores: false };

/// `GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius unit | BYBOX width
/// height unit> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`
pub(super) fn geosearch<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    search(ctx, args, SEARCH)
}

/// `GEOSEARCHSTORE destination source`, then as `GEOSEARCH`, and `[STOREDIST]`
pub(super) fn geosearchstore<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    args.key(&ctx.keys)?;
    search(ctx, args, Form { always_stores: true, ..SEARCH })
}

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]
/// [ASC | DESC] [STORE key | STOREDIST key]`
pub(super) fn georadius<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    search(ctx, args, RADIUS)
}

/// `GEORADIUS_RO`: the same without storing.
pub(super) fn georadius_ro<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    search(ctx, args, Form { takes_store: false, ..RADIUS })
}

/// `GEORADIUSBYMEMBER key member radius unit`, then as `GEORADIUS`
pub(super) fn georadiusbymember<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    search(ctx, args, BY_MEMBER)
}

/// `GEORADIUSBYMEMBER_RO`: the same without storing.
pub(super) fn georadiusbymember_ro<'a>(ctx: &mut Context<'a>, args: Args<'a>) -> Outcome {
    search(ctx, args, Form { takes_store: false, ..BY_MEMBER })
}

/// The keys of `GEORADIUS`.
pub(super) fn declare_radius<'a>(
    args: ArgList<'a>,
    db: usize,
    _databases: usize,
    keys: &mut Declared<'a>,
) {
    declare(args, 6, db, keys);
}

/// The keys of `GEORADIUSBYMEMBER`.
pub(super) fn declare_radius_by_member<'a>(
    args: ArgList<'a>,
    db: usize,
    _databases: usize,
    keys: &mut Declared<'a>,
) {
    declare(args, 5, db, keys);
}

/// The source, and the last of the keys behind `STORE` and `STOREDIST` among the options, which is the
/// one that counts.
fn declare<'a>(args: ArgList<'a>, options: usize, db: usize, keys: &mut Declared<'a>) {
    let mut target = None;
    let mut rest = Args::new(args, options.min(args.len()));
    while let Some(option) = rest.option() {
        if matches!(option.as_bytes(), b"STORE" | b"STOREDIST") && !rest.is_empty() {
            target = Some(rest.position());
            rest.option();
        }
    }
    for arg in [Some(1), target].into_iter().flatten() {
        keys.extend(args.get(arg).map(|bytes| DeclaredKey { bytes, db, arg }));
    }
}

fn search<'a>(ctx: &mut Context<'a>, mut args: Args<'a>, form: Form) -> Outcome {
    let source = args.key(&ctx.keys)?;
    ctx.keys.collection::<SortedSet>(&source)?;
    let set = ctx.keys.peek_collection::<SortedSet>(&source)?;
    let query = Query::parse(&mut args, form, set)?;
    let area = query.area();
    let mut found = match (set, &area) {
        (Some(set), Some(area)) => geo::search(set, area, query.limit()),
        _ => Vec::new(),
    };
    geo::select(&mut found, query.effective_order(), query.count());
    let unit_m = area.as_ref().map_or(1.0, |area: &Area| area.unit_m);
    let Some(target) = query.target else {
        ctx.reply.array(found.len());
        found.iter().for_each(|found| reply_found(&mut ctx.reply, found, &query, unit_m));
        return Ok(());
    };
    let score = |found: &Found<'_>| {
        if query.stores_distance { found.distance_m / unit_m } else { found.score }
    };
    let members: Scored = found.iter().map(|it| (it.member.to_vec(), score(it))).collect();
    let (position, kind) = match target {
        Target::Own => (1, event::GEOSEARCHSTORE),
        Target::Argument(position) => (position, event::GEORADIUSSTORE),
    };
    let target = ctx.keys.key_at(position).expect("the target is declared");
    store_and_log(ctx, &target, &members, kind);
    Ok(())
}

fn reply_found(reply: &mut Reply<'_>, found: &Found<'_>, query: &Query, unit_m: f64) {
    let parts = [query.with_distance, query.with_score, query.with_position];
    let parts = parts.into_iter().filter(|part| *part).count();
    if parts > 0 {
        reply.array(parts + 1);
    }
    reply_element(reply, found.member);
    if query.with_distance {
        reply_distance(reply, found.distance_m / unit_m);
    }
    if query.with_score {
        reply.integer(found.score as i64);
    }
    if query.with_position {
        reply_position(reply, found.position);
    }
}

/// Puts the members in the place of the target, and replies how many there are. The log gets them, because
/// which ones are found depends on functions that machines compute differently.
fn store_and_log(ctx: &mut Context<'_>, target: &Key<'_>, members: &Scored, kind: EventKind) {
    if !store(ctx, target, members, kind) {
        return;
    }
    ctx.keys.log_instead(|log| log.words([b"DEL", target.bytes]));
    for part in members.chunks(LOGGED_ELEMENTS_MAX) {
        ctx.keys.log_instead(|log| {
            log.words([b"ZADD", target.bytes]);
            for (member, score) in part {
                log.print(|word| write_f64(word, *score));
                log.words([member]);
            }
        });
    }
}

/// The members that have to be looked at.
fn work(args: ArgList<'_>, keys: &View<'_>, (source, form): (usize, Form)) -> usize {
    let Some(key) = keys.key_at(source) else { return 0 };
    let Ok(Some(set)) = keys.peek_collection::<SortedSet>(&key) else { return 0 };
    let query = Query::parse(&mut Args::new(args, source + 1), form, Some(set));
    let area = query.ok().and_then(|query| query.area());
    area.map_or(0, |area| geo::candidate_count(set, &area))
}

pub(super) fn search_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    work(args, keys, (1, SEARCH))
}

pub(super) fn store_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    work(args, keys, (2, Form { always_stores: true, ..SEARCH }))
}

pub(super) fn radius_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    work(args, keys, (1, RADIUS))
}

pub(super) fn by_member_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    work(args, keys, (1, BY_MEMBER))
}
