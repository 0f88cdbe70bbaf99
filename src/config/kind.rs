//! What a parameter's value looks like: how it is read, printed, and refused.
//!
//! A value is stored as a number or as a canonical text, nothing else, so that the hot path reads
//! numbers with one atomic load. Refusals are in the words of Redis's `CONFIG SET`.

use std::sync::Arc;

use super::history::HistoryRule;
use super::special::{
    self, EventClasses, OutputLimits, SavePoint, ShutdownOptions, parse_addresses,
    parse_percentiles, print_percentiles,
};
use crate::base::number::{parse_i64, parse_memory, parse_u64};

#[derive(Debug)]
pub enum Kind {
    /// Stored as 0 or 1.
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// Bytes, written with a unit if one likes.
    Memory {
        min: i64,
        max: i64,
    },
    /// Bytes, or a percentage of `maxmemory`, which is stored as a negative number.
    MemoryOrPercent,
    /// Permissions of a file.
    Octal {
        max: i64,
    },
    /// One name of a list; stored as its position.
    Choice(&'static [&'static str]),
    /// Stored as the bits of [`EventClasses`].
    Events,
    /// Stored as the bits of [`ShutdownOptions`].
    ShutdownOptions,
    Text,
    /// A text that is never logged.
    Secret,
    Save,
    /// Changes the classes of client that it names and leaves the others.
    OutputLimits,
    Addresses,
    Percentiles,
    /// Which messages are kept.
    History,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(i64),
    Text(Arc<str>),
}

impl Value {
    pub fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) => unreachable!("the kind of this parameter stores a number"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(_) => unreachable!("the kind of this parameter stores a text"),
        }
    }
}

impl Kind {
    /// Whether several words, or several lines of the file, make up one value.
    pub fn is_list(&self) -> bool {
        use Kind::{Addresses, History, OutputLimits, Percentiles, Save, ShutdownOptions};
        matches!(self, Save | OutputLimits | Addresses | Percentiles | ShutdownOptions | History)
    }

    /// Whether values are stored as numbers.
    pub(super) fn is_number(&self) -> bool {
        use Kind::{Bool, Choice, Events, Int, Memory, MemoryOrPercent, Octal, ShutdownOptions};
        matches!(
            self,
            Bool | Int { .. }
                | Memory { .. }
                | MemoryOrPercent
                | Octal { .. }
                | Choice(_)
                | Events
                | ShutdownOptions
        )
    }

    /// Reads a value, or says why not. `current` is what it would replace, if there is something.
    pub(super) fn parse(&self, text: &str, current: Option<&Value>) -> Result<Value, String> {
        let number = match self {
            Self::Bool => parse_bool(text)?,
            Self::Int { min, max } => {
                let number = parse_i64(text.as_bytes())
                    .ok_or("argument couldn't be parsed into an integer")?;
                in_bounds(number, *min, *max)?
            }
            Self::Memory { min, max } => {
                let bytes =
                    parse_memory(text.as_bytes()).ok_or("argument must be a memory value")?;
                in_bounds(i64::try_from(bytes).unwrap_or(i64::MAX), *min, *max)?
            }
            Self::MemoryOrPercent => parse_memory_or_percent(text)?,
            Self::Octal { max } => parse_octal(text, *max)?,
            Self::Choice(names) => names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(text))
                .ok_or_else(|| special::one_of(names.iter().copied()))?
                as i64,
            Self::Events => EventClasses::parse(text)?.bits(),
            Self::ShutdownOptions => ShutdownOptions::parse(text)?.bits(),
            _ => return self.parse_text(text, current).map(|text| Value::Text(text.into())),
        };
        Ok(Value::Number(number))
    }

    fn parse_text(&self, text: &str, current: Option<&Value>) -> Result<String, String> {
        Ok(match self {
            Self::Save => SavePoint::print_list(&SavePoint::parse_list(text)?),
            Self::OutputLimits => {
                let limits =
                    current.map_or(OutputLimits::UNLIMITED, |value| output_limits(value.text()));
                limits.with(text)?.to_string()
            }
            Self::Addresses => parse_addresses(text)?,
            Self::Percentiles => print_percentiles(&parse_percentiles(text)?),
            Self::History => HistoryRule::print_list(&HistoryRule::parse_list(text)?),
            _ => text.to_owned(),
        })
    }

    /// The canonical text of a value, as `CONFIG GET` shows it.
    pub(super) fn print(&self, value: &Value) -> String {
        match self {
            Self::Bool => if value.number() == 0 { "no" } else { "yes" }.to_owned(),
            Self::MemoryOrPercent if value.number() < 0 => format!("{}%", -value.number()),
            Self::Int { .. } | Self::Memory { .. } | Self::MemoryOrPercent => {
                value.number().to_string()
            }
            Self::Octal { .. } => format!("{:o}", value.number()),
            Self::Choice(names) => names[value.number() as usize].to_owned(),
            Self::Events => EventClasses::from_bits(value.number()).to_string(),
            Self::ShutdownOptions => ShutdownOptions::from_bits(value.number()).to_string(),
            _ => value.text().to_owned(),
        }
    }

    /// The text of a value in the file: as in `CONFIG GET`, but memory with the largest unit that
    /// leaves no rest.
    pub(super) fn print_for_file(&self, value: &Value) -> String {
        match self {
            Self::Memory { .. } => print_memory(value.number()),
            Self::MemoryOrPercent if value.number() > 0 => print_memory(value.number()),
            _ => self.print(value),
        }
    }
}

/// Reads the canonical text of output limits, in which every class is named.
pub(super) fn output_limits(canonical: &str) -> OutputLimits {
    OutputLimits::UNLIMITED.with(canonical).expect("stored texts are canonical")
}

fn parse_bool(text: &str) -> Result<i64, String> {
    if text.eq_ignore_ascii_case("yes") {
        Ok(1)
    } else if text.eq_ignore_ascii_case("no") {
        Ok(0)
    } else {
        Err("argument must be 'yes' or 'no'".to_owned())
    }
}

fn parse_memory_or_percent(text: &str) -> Result<i64, String> {
    const NEITHER: &str = "argument must be a memory or percent value";
    const TOO_MUCH: &str = "percentage argument must be less or equal to 100";
    if let Some(digits) = text.strip_suffix('%') {
        let percent = parse_u64(digits.as_bytes()).ok_or(NEITHER)?;
        return if percent <= 100 { Ok(-(percent as i64)) } else { Err(TOO_MUCH.to_owned()) };
    }
    let bytes = parse_memory(text.as_bytes()).ok_or(NEITHER)?;
    // Redis takes such an amount for a negative number, which is how it keeps percentages, too.
    Ok(i64::try_from(bytes).map_err(|_| TOO_MUCH)?)
}

fn parse_octal(text: &str, max: i64) -> Result<i64, String> {
    let number = i64::from_str_radix(text, 8)
        .map_err(|_| "argument couldn't be parsed as an octal number")?;
    if (0..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between 0 and {max:o} inclusive"))
    }
}

fn in_bounds(number: i64, min: i64, max: i64) -> Result<i64, String> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

fn print_memory(bytes: i64) -> String {
    let units = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    match units.iter().find(|(factor, _)| bytes > 0 && bytes % factor == 0) {
        Some((factor, unit)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::{Options, Permission};
    use super::*;

    fn reprint(kind: &Kind, text: &str) -> Result<String, String> {
        kind.parse(text, None).map(|value| kind.print(&value))
    }

    #[test]
    fn values_are_printed_in_one_form() {
        let memory = Kind::Memory { min: 0, max: i64::MAX };
        for (kind, text, printed) in [
            (&Kind::Bool, "YES", "yes"),
            (&memory, "1gb", "1073741824"),
            (&Kind::MemoryOrPercent, "1mb", "1048576"),
            (&Kind::MemoryOrPercent, "5%", "5%"),
            (&Kind::MemoryOrPercent, "0%", "0"),
            (&Kind::Octal { max: 0o777 }, "0700", "700"),
            (&Kind::Choice(Permission::NAMES), "Local", "local"),
            (&Kind::Events, "KEA", "AKE"),
            (&Kind::Text, " as it is ", " as it is "),
        ] {
            assert_eq!(reprint(kind, text).as_deref(), Ok(printed));
        }
    }

    #[test]
    fn wrong_values_are_refused_in_the_words_of_redis() {
        let int = Kind::Int { min: 0, max: 65535 };
        for (kind, text, message) in [
            (&Kind::Bool, "maybe", "argument must be 'yes' or 'no'"),
            (&int, "abc", "argument couldn't be parsed into an integer"),
            (&int, "08", "argument couldn't be parsed into an integer"),
            (&int, "70000", "argument must be between 0 and 65535 inclusive"),
            (&Kind::Memory { min: 1, max: 9 }, "1.5g", "argument must be a memory value"),
            (&Kind::Memory { min: 1, max: 9 }, "10", "argument must be between 1 and 9 inclusive"),
            (&Kind::MemoryOrPercent, "101%", "percentage argument must be less or equal to 100"),
            (&Kind::MemoryOrPercent, "-5%", "argument must be a memory or percent value"),
            (&Kind::MemoryOrPercent, "5%%", "argument must be a memory or percent value"),
            (&Kind::MemoryOrPercent, "-1", "argument must be a memory or percent value"),
            (&Kind::Octal { max: 0o777 }, "999", "argument couldn't be parsed as an octal number"),
            (&Kind::Octal { max: 0o777 }, "1000", "argument must be between 0 and 777 inclusive"),
            (
                &Kind::Choice(Permission::NAMES),
                "some",
                "argument(s) must be one of the following: no, yes, local",
            ),
        ] {
            assert_eq!(reprint(kind, text).unwrap_err(), message);
        }
    }

    #[test]
    fn output_limits_keep_what_is_not_named() {
        let kind = Kind::OutputLimits;
        let before = kind.parse("normal 1 2 3", None).unwrap();
        let after = kind.parse("pubsub 4 5 6", Some(&before)).unwrap();
        assert_eq!(after.text(), "normal 1 2 3 slave 0 0 0 pubsub 4 5 6");
    }

    #[test]
    fn the_file_has_memory_with_units() {
        let kind = Kind::Memory { min: 0, max: i64::MAX };
        for (bytes, text) in
            [(0, "0"), (1 << 30, "1gb"), (3 << 20, "3mb"), (1025, "1025"), (1536, "1536")]
        {
            assert_eq!(kind.print_for_file(&Value::Number(bytes)), text);
        }
    }
}
