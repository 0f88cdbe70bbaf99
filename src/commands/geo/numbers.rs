//! Positions, lengths and units as arguments, positions and distances as replies.

use crate::base::number::parse_f64;
use crate::exec::{Args, CommandError};
use crate::resp::Reply;
use crate::value::geo::{Position, Shape};

/// Longitude and latitude.
pub(super) fn parse_position(args: &mut Args<'_>) -> Result<Position, CommandError> {
    let (longitude, latitude) = (args.float()?, args.float()?);
    Position::new(longitude, latitude).ok_or_else(|| {
        CommandError::err(format!("invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

/// How many meters the unit has.
pub(super) fn parse_unit(args: &mut Args<'_>) -> Result<f64, CommandError> {
    if args.is_empty() {
        return Err(CommandError::Syntax);
    }
    args.choice(&[("M", 1.0), ("KM", 1_000.0), ("FT", 0.3048), ("MI", 1_609.34)])
        .map_err(|_| CommandError::text("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

fn parse_length(args: &mut Args<'_>, error: &'static str) -> Result<f64, CommandError> {
    parse_f64(args.bytes()?).ok_or(CommandError::text(error))
}

/// A radius and its unit.
pub(super) fn parse_circle(args: &mut Args<'_>) -> Result<(Shape, f64), CommandError> {
    let radius = parse_length(args, "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CommandError::text("ERR radius cannot be negative"));
    }
    Ok((Shape::Circle { radius }, parse_unit(args)?))
}

/// Width, height and their unit.
pub(super) fn parse_rectangle(args: &mut Args<'_>) -> Result<(Shape, f64), CommandError> {
    let width = parse_length(args, "ERR need numeric width")?;
    let height = parse_length(args, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::text("ERR height or width cannot be negative"));
    }
    Ok((Shape::Rectangle { width, height }, parse_unit(args)?))
}

/// A distance with four decimals. As in Redis 7.2 the multiple is rounded, to even, not the decimal digits.
pub(super) fn reply_distance(reply: &mut Reply<'_>, distance: f64) {
    let parts = (distance * 10_000.0).round_ties_even() as u64;
    reply.bulk(format!("{}.{:04}", parts / 10_000, parts % 10_000));
}

/// Longitude and latitude with up to 17 decimals.
pub(super) fn reply_position(reply: &mut Reply<'_>, position: Position) {
    reply.array(2);
    for degrees in [position.longitude, position.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        reply.written_double(if text == "-0" { b"0" } else { text.as_bytes() });
    }
}
