//! The ends of ranges by score and by member.

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    Inclusive(f64),
    Exclusive(f64),
}

impl ScoreBound {
    /// Whether a score lies at or above this lower end.
    pub fn is_met_from_above(&self, score: f64) -> bool {
        match *self {
            ScoreBound::Inclusive(bound) => score >= bound,
            ScoreBound::Exclusive(bound) => score > bound,
        }
    }

    /// Whether a score lies at or below this upper end.
    pub fn is_met_from_below(&self, score: f64) -> bool {
        match *self {
            ScoreBound::Inclusive(bound) => score <= bound,
            ScoreBound::Exclusive(bound) => score < bound,
        }
    }
}

/// Scores between two ends. If these are the wrong way round the range is empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub min: ScoreBound,
    pub max: ScoreBound,
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member.
    Lowest,
    /// Behind every member.
    Highest,
    Inclusive(&'a [u8]),
    Exclusive(&'a [u8]),
}

/// Members between two ends. If these are the wrong way round the range is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    /// Whether no member can be inside.
    pub fn is_empty(&self) -> bool {
        use LexBound::{Exclusive, Highest, Inclusive, Lowest};
        match (self.min, self.max) {
            (Highest, _) | (_, Lowest) => true,
            (Lowest, _) | (_, Highest) => false,
            (Inclusive(min), Inclusive(max)) => min > max,
            (Inclusive(min) | Exclusive(min), Inclusive(max) | Exclusive(max)) => min >= max,
        }
    }

    pub fn reaches_min(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Inclusive(bound) => member >= bound,
            LexBound::Exclusive(bound) => member > bound,
        }
    }

    pub fn reaches_max(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Inclusive(bound) => member <= bound,
            LexBound::Exclusive(bound) => member < bound,
        }
    }

    /// What lies before the first member of a range that is not empty, as a member and whether that one
    /// lies before too. `None`: nothing does.
    pub(super) fn start(&self) -> Option<(&'a [u8], bool)> {
        match self.min {
            LexBound::Lowest | LexBound::Highest => None,
            LexBound::Inclusive(bound) => Some((bound, false)),
            LexBound::Exclusive(bound) => Some((bound, true)),
        }
    }

    /// The same for what lies at or before the last member. `None`: everything does.
    pub(super) fn end(&self) -> Option<(&'a [u8], bool)> {
        match self.max {
            LexBound::Lowest | LexBound::Highest => None,
            LexBound::Inclusive(bound) => Some((bound, true)),
            LexBound::Exclusive(bound) => Some((bound, false)),
        }
    }
}
