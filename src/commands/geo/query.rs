//! What the commands that search are asked: where, and what to do with what is found.
//!
//! `GEORADIUS` and `GEORADIUSBYMEMBER` have centre and radius at fixed places, `GEOSEARCH` among its
//! options. A missing key is found out about last: everything that does not need it is checked before.

use super::numbers::{parse_circle, parse_position, parse_rectangle};
use crate::exec::{Args, CommandError};
use crate::value::SortedSet;
use crate::value::geo::{Area, Order, Position, Shape};

/// Where a command has its centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Centre {
    Position,
    Member,
    Options,
}

/// How the commands differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub centre: Centre,
    /// It takes `STORE` and `STOREDIST` with a key.
    pub takes_store: bool,
    /// It stores what it finds anyway, and takes `STOREDIST` alone.
    pub always_stores: bool,
}

/// Where to store what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The argument with this number.
    Argument(usize),
    /// The command's own target.
    Own,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Query {
    centre: Option<Position>,
    has_centre: bool,
    has_position: bool,
    shape: Option<(Shape, f64)>,
    pub with_distance: bool,
    pub with_score: bool,
    pub with_position: bool,
    pub order: Option<Order>,
    count: usize,
    pub any: bool,
    pub target: Option<Target>,
    /// Store distances as scores.
    pub stores_distance: bool,
}

impl Query {
    /// Reads everything behind the key of `set`, which is the one at the key.
    pub(super) fn parse(
        args: &mut Args<'_>,
        form: Form,
        set: Option<&SortedSet>,
    ) -> Result<Query, CommandError> {
        let mut query = Query::default();
        match form.centre {
            Centre::Position => {
                query.centre = Some(parse_position(args)?);
                query.shape = Some(parse_circle(args)?);
            }
            Centre::Member => {
                query.take_member(args.bytes()?, set)?;
                if set.is_some() {
                    query.shape = Some(parse_circle(args)?);
                } else {
                    args.bytes()?;
                    args.bytes()?;
                }
            }
            Centre::Options if form.always_stores => query.target = Some(Target::Own),
            Centre::Options => {}
        }
        while !args.is_empty() {
            query.take_option(args, form, set)?;
        }
        query.check(args, form)?;
        Ok(query)
    }

    fn take_member(&mut self, member: &[u8], set: Option<&SortedSet>) -> Result<(), CommandError> {
        let Some(set) = set else { return Ok(()) };
        let Some(score) = set.score(member) else {
            return Err(CommandError::text("ERR could not decode requested zset member"));
        };
        self.centre = Some(Position::of_score(score));
        Ok(())
    }

    fn take_option(
        &mut self,
        args: &mut Args<'_>,
        form: Form,
        set: Option<&SortedSet>,
    ) -> Result<(), CommandError> {
        let option = args.option().expect("there is one left");
        let is_search = form.centre == Centre::Options;
        match (option.as_bytes(), args.left()) {
            (b"WITHDIST", _) => self.with_distance = true,
            (b"WITHHASH", _) => self.with_score = true,
            (b"WITHCOORD", _) => self.with_position = true,
            (b"ANY", _) => self.any = true,
            (b"ASC", _) => self.order = Some(Order::Nearest),
            (b"DESC", _) => self.order = Some(Order::Farthest),
            (b"COUNT", 1..) => self.count = parse_count(args)?,
            (word @ (b"STORE" | b"STOREDIST"), 1..) if form.takes_store => {
                self.target = Some(Target::Argument(args.position()));
                self.stores_distance = word == b"STOREDIST";
                args.bytes()?;
            }
            (b"STOREDIST", _) if form.always_stores => self.stores_distance = true,
            (b"FROMMEMBER", 1..) if is_search && !self.has_position => {
                self.take_member(args.bytes()?, set)?;
                self.has_centre = true;
            }
            (b"FROMLONLAT", 2..) if is_search && (!self.has_centre || self.has_position) => {
                self.centre = Some(parse_position(args)?);
                self.has_centre = true;
                self.has_position = true;
            }
            (b"BYRADIUS", 2..) if is_search && !self.has_rectangle() => {
                self.shape = Some(parse_circle(args)?);
            }
            (b"BYBOX", 3..) if is_search && (self.shape.is_none() || self.has_rectangle()) => {
                self.shape = Some(parse_rectangle(args)?);
            }
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    }

    fn has_rectangle(&self) -> bool {
        matches!(self.shape, Some((Shape::Rectangle { .. }, _)))
    }

    /// Refuses what does not go together.
    fn check(&self, args: &Args<'_>, form: Form) -> Result<(), CommandError> {
        if self.target.is_some() && (self.with_distance || self.with_score || self.with_position) {
            let name =
                if form.always_stores { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::err(format!(
                "{name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let missing = match form.centre {
            Centre::Options if !self.has_centre => Some("FROMMEMBER or FROMLONLAT"),
            Centre::Options if self.shape.is_none() => Some("BYRADIUS and BYBOX"),
            _ => None,
        };
        if let Some(missing) = missing {
            // The name as the client wrote it.
            let name = args.all().get(0).unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            return Err(CommandError::err(format!(
                "exactly one of {missing} can be specified for {name}"
            )));
        }
        if self.any && self.count == 0 {
            return Err(CommandError::text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// Where to search, if the key is there.
    pub(super) fn area(&self) -> Option<Area> {
        let (shape, unit_m) = self.shape?;
        Some(Area { centre: self.centre?, shape, unit_m })
    }

    /// How many of what is found are wanted.
    pub(super) fn count(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }

    /// How many are to be found before the search ends.
    pub(super) fn limit(&self) -> Option<usize> {
        self.any.then_some(self.count)
    }

    /// Some of them are the nearest ones, unless any will do.
    pub(super) fn effective_order(&self) -> Option<Order> {
        let implied = (self.count > 0 && !self.any).then_some(Order::Nearest);
        self.order.or(implied)
    }
}

fn parse_count(args: &mut Args<'_>) -> Result<usize, CommandError> {
    match args.integer()? {
        count @ 1.. => Ok(count as usize),
        _ => Err(CommandError::text("ERR COUNT must be > 0")),
    }
}
