//! The ends of ranges as arguments: `1.5`, `(1.5`, `-inf` of scores; `[a`, `(a`, `-`, `+` of members.

use crate::base::number::parse_f64_loose;
use crate::exec::CommandError;
use crate::value::sorted_set::{LexBound, LexRange, ScoreBound, ScoreRange};

fn score_bound(arg: &[u8]) -> Option<ScoreBound> {
    match arg {
        [b'(', score @ ..] => parse_f64_loose(score).map(ScoreBound::Exclusive),
        score => parse_f64_loose(score).map(ScoreBound::Inclusive),
    }
}

pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    let range = || Some(ScoreRange { min: score_bound(min)?, max: score_bound(max)? });
    range().ok_or(CommandError::text("ERR min or max is not a float"))
}

fn lex_bound(arg: &[u8]) -> Option<LexBound<'_>> {
    match arg {
        // Redis looks no further than a zero byte.
        [b'-'] | [b'-', 0, ..] => Some(LexBound::Lowest),
        [b'+'] | [b'+', 0, ..] => Some(LexBound::Highest),
        [b'[', member @ ..] => Some(LexBound::Inclusive(member)),
        [b'(', member @ ..] => Some(LexBound::Exclusive(member)),
        _ => None,
    }
}

pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    let range = || Some(LexRange { min: lex_bound(min)?, max: lex_bound(max)? });
    range().ok_or(CommandError::text("ERR min or max not valid string range item"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_parenthesis_excludes_the_score_behind_it() {
        use ScoreBound::{Exclusive, Inclusive};
        for (arg, bound) in [
            (&b"1.5"[..], Some(Inclusive(1.5))),
            (b"(1.5", Some(Exclusive(1.5))),
            (b"( 1.5", Some(Exclusive(1.5))),
            (b"-inf", Some(Inclusive(f64::NEG_INFINITY))),
            (b"(+inf", Some(Exclusive(f64::INFINITY))),
            (b"", Some(Inclusive(0.0))),
            (b"(", Some(Exclusive(0.0))),
            (b"((1", None),
            (b"nan", None),
            (b"1x", None),
        ] {
            assert_eq!(score_bound(arg), bound, "{}", arg.escape_ascii());
        }
    }

    #[test]
    fn members_begin_with_a_bracket_that_says_whether_they_are_included() {
        use LexBound::{Exclusive, Highest, Inclusive, Lowest};
        for (arg, bound) in [
            (&b"-"[..], Some(Lowest)),
            (b"+", Some(Highest)),
            (b"+\0x", Some(Highest)),
            (b"[a", Some(Inclusive(b"a"))),
            (b"(a", Some(Exclusive(b"a"))),
            (b"[", Some(Inclusive(b""))),
            (b"", None),
            (b"a", None),
            (b"-a", None),
        ] {
            assert_eq!(lex_bound(arg), bound, "{}", arg.escape_ascii());
        }
    }
}
