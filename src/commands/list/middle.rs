//! Elements anywhere in a list: by index, by range, by value.

use std::ops::Range;

use super::limits;
use crate::base::number::parse_i64;
use crate::exec::{Args, CommandError, Context, Outcome, reply_element, work};
use crate::resp::{ArgList, Reply};
use crate::store::{View, event};
use crate::value::List;
use crate::value::list::End;
use crate::value::listpack::element;

/// The place that an index stands for, which counts from the end if negative.
fn place(index: i64, len: usize) -> Option<usize> {
    let place = if index < 0 { index + len as i64 } else { index };
    usize::try_from(place).ok().filter(|place| *place < len)
}

/// The places from index `start` to index `stop`, what is outside cut off.
fn places(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_end = |index: i64| if index < 0 { index + len } else { index };
    let start = from_end(start).max(0);
    let end = from_end(stop).min(len - 1) + 1;
    if start >= end { 0..0 } else { start as usize..end as usize }
}

/// `LINDEX key index`
pub(super) fn lindex<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let index = args.bytes()?;
    let Some(list) = ctx.keys.collection::<List>(&key)? else {
        ctx.reply.null();
        return Ok(());
    };
    let index = parse_i64(index).ok_or(CommandError::NotAnInteger)?;
    match place(index, list.len()).and_then(|place| list.get(place)) {
        Some(element) => reply_element(&mut ctx.reply, element),
        None => ctx.reply.null(),
    }
    Ok(())
}

/// `LRANGE key start stop`
pub(super) fn lrange<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (start, stop) = (args.integer()?, args.integer()?);
    let reply = &mut ctx.reply;
    match ctx.keys.collection::<List>(&key)? {
        None => reply.array(0),
        Some(list) => {
            let range = places(start, stop, list.len());
            reply.array(range.len());
            list.range(range).for_each(|element| reply_element(reply, element));
        }
    }
    Ok(())
}

/// `LSET key index element`: a list must be there before the index is looked at.
pub(super) fn lset<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (index, value) = (args.bytes()?, args.bytes()?);
    ctx.keys.peek_collection::<List>(&key)?.ok_or(CommandError::NoSuchKey)?;
    let index = parse_i64(index).ok_or(CommandError::NotAnInteger)?;
    let limits = limits(ctx);
    let is_set = ctx.keys.edit_existing(&key, |list: &mut List, change| {
        // Redis prepares for the value even if it turns out that the index is wrong.
        list.make_room(value.len(), 1, &limits);
        let place = place(index, list.len());
        if let Some(place) = place {
            list.replace(place, value, &limits);
            list.shrink(&limits);
            change.event(event::LSET);
        }
        place.is_some()
    })?;
    if is_set != Some(true) {
        return Err(CommandError::IndexOutOfRange);
    }
    ctx.reply.ok();
    Ok(())
}

/// `LINSERT key <BEFORE | AFTER> pivot element`: the new length; 0 without a list, -1 without a pivot.
pub(super) fn linsert<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let is_behind = args.choice(&[("BEFORE", false), ("AFTER", true)])?;
    let (pivot, value) = (args.bytes()?, args.bytes()?);
    let limits = limits(ctx);
    let len = ctx.keys.edit_existing(&key, |list: &mut List, change| {
        // Redis prepares for the value even if there turns out to be no pivot.
        list.make_room(value.len(), 1, &limits);
        let Some(index) = list.position(pivot) else { return -1 };
        list.insert(index, is_behind, value, &limits);
        change.event(event::LINSERT);
        list.len() as i64
    })?;
    ctx.reply.integer(len.unwrap_or(0));
    Ok(())
}

/// The negative of the smallest integer does not exist, so ranks and counts exclude it.
fn negatable_integer(arg: &[u8]) -> Result<i64, CommandError> {
    match parse_i64(arg) {
        None => Err(CommandError::NotAnInteger),
        Some(i64::MIN) => Err(CommandError::NotBetween { min: -i64::MAX, max: i64::MAX }),
        Some(number) => Ok(number),
    }
}

/// `LREM key count element`: how many were removed.
pub(super) fn lrem<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let count = negatable_integer(args.bytes()?)?;
    let value = args.bytes()?;
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let from = if count < 0 { End::Right } else { End::Left };
    let limits = limits(ctx);
    let removed = ctx.keys.edit_existing(&key, |list: &mut List, change| {
        let removed = list.remove_equal(value, limit, from, &limits);
        if removed > 0 {
            list.shrink(&limits);
            change.event(event::LREM);
        }
        removed
    })?;
    ctx.reply.count(removed.unwrap_or(0));
    Ok(())
}

/// `LTRIM key start stop`: counts as a change even if nothing goes.
pub(super) fn ltrim<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let (start, stop) = (args.integer()?, args.integer()?);
    let limits = limits(ctx);
    ctx.keys.edit_existing(&key, |list: &mut List, change| {
        let len = list.len();
        let kept = places(start, stop, len);
        list.remove(kept.end..len);
        list.remove(0..kept.start);
        list.shrink(&limits);
        change.event(event::LTRIM);
    })?;
    ctx.reply.ok();
    Ok(())
}

/// Options of `LPOS`.
struct LposOptions {
    /// The number of the first match that is reported, from 1 on.
    rank: usize,
    is_backwards: bool,
    /// How many matches are reported, 0 for all. `None`: the first, and not as an array.
    count: Option<usize>,
    /// How many elements are compared, 0 for all.
    len_max: usize,
}

impl LposOptions {
    fn parse(args: &mut Args<'_>) -> Result<LposOptions, CommandError> {
        let mut options = LposOptions { rank: 1, is_backwards: false, count: None, len_max: 0 };
        while let Some(option) = args.option() {
            if args.is_empty() {
                return Err(CommandError::Syntax);
            }
            let mut count = |text| args.count_from(0, CommandError::text(text));
            match option.as_bytes() {
                b"COUNT" => options.count = Some(count("ERR COUNT can't be negative")?),
                b"MAXLEN" => options.len_max = count("ERR MAXLEN can't be negative")?,
                b"RANK" => options.set_rank(negatable_integer(args.bytes()?)?)?,
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    fn set_rank(&mut self, rank: i64) -> Result<(), CommandError> {
        if rank == 0 {
            return Err(CommandError::text(
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                 or use negative to start from the end of the list",
            ));
        }
        self.rank = rank.unsigned_abs() as usize;
        self.is_backwards = rank < 0;
        Ok(())
    }

    /// The places of the matches that are reported, in the order in which they are found.
    fn find(&self, list: &List, value: &[u8]) -> Vec<usize> {
        let wanted = element(value);
        let len = list.len();
        let compared = if self.len_max == 0 { len } else { self.len_max.min(len) };
        let reported = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let places: &mut dyn Iterator<Item = usize> = if self.is_backwards {
            let range = list.range(len - compared..len).rev().enumerate();
            &mut range.filter(|(_, it)| *it == wanted).map(|(back, _)| len - 1 - back)
        } else {
            let range = list.range(0..compared).enumerate();
            &mut range.filter(|(_, it)| *it == wanted).map(|(place, _)| place)
        };
        places.skip(self.rank - 1).take(reported).collect()
    }
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(super) fn lpos<'a>(ctx: &mut Context<'a>, mut args: Args<'a>) -> Outcome {
    let key = args.key(&ctx.keys)?;
    let value = args.bytes()?;
    let options = LposOptions::parse(&mut args)?;
    let list = ctx.keys.collection::<List>(&key)?;
    let found = list.map(|list| options.find(list, value)).unwrap_or_default();
    reply_places(&mut ctx.reply, &found, options.count.is_some());
    Ok(())
}

fn reply_places(reply: &mut Reply<'_>, found: &[usize], is_array: bool) {
    if is_array {
        reply.array(found.len());
        found.iter().for_each(|place| reply.count(*place));
    } else {
        match found.first() {
            Some(place) => reply.count(*place),
            None => reply.null(),
        }
    }
}

/// The elements between two indexes of `LRANGE` and `LTRIM`; `None` if these are none.
fn places_of(args: ArgList<'_>, len: usize) -> Option<Range<usize>> {
    let index = |arg| args.get(arg).and_then(parse_i64);
    Some(places(index(2)?, index(3)?, len))
}

/// The elements that `LRANGE` returns.
pub(super) fn lrange_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(key) = keys.declared(0) else { return 0 };
    let places = places_of(args, keys.elements(&key));
    places.map_or(0, |places| keys.work_of_part(&key, places.len()))
}

/// The elements that `LPOS` compares at most.
pub(super) fn lpos_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    let Some(key) = keys.declared(0) else { return 0 };
    let len_max = work::option(args.skip(3), b"MAXLEN").filter(|len_max| *len_max > 0);
    keys.work_of_part(&key, len_max.unwrap_or(usize::MAX))
}

/// The elements that `LTRIM` removes, of which a block goes at a time.
pub(super) fn ltrim_work(args: ArgList<'_>, keys: &View<'_>) -> usize {
    const PER_BLOCK: usize = 8;
    let Some(key) = keys.declared(0) else { return 0 };
    let len = keys.elements(&key);
    let kept = places_of(args, len);
    kept.map_or(0, |kept| keys.work_of_part(&key, (len - kept.len()).div_ceil(PER_BLOCK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_off_at_the_ends() {
        assert_eq!(places(0, -1, 3), 0..3);
        assert_eq!(places(-100, 100, 3), 0..3);
        assert_eq!(places(1, 1, 3), 1..2);
        assert_eq!(places(-2, -1, 3), 1..3);
        assert_eq!(places(2, 1, 3), 0..0);
        assert_eq!(places(3, 5, 3), 0..0);
        assert_eq!(places(-1, -100, 3), 0..0);
        assert_eq!(places(i64::MIN, i64::MAX, 3), 0..3);
        assert_eq!(places(i64::MAX, i64::MIN, 3), 0..0);
    }

    #[test]
    fn negative_indexes_count_from_the_end() {
        assert_eq!(place(0, 2), Some(0));
        assert_eq!(place(-1, 2), Some(1));
        assert_eq!(place(2, 2), None);
        assert_eq!(place(-3, 2), None);
        assert_eq!(place(i64::MIN, 2), None);
    }
}
