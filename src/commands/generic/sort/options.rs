//! The options of `SORT`, and where its keys are among them.

use std::ops::Range;

use super::pattern::Pattern;
use crate::exec::keyspec::{KeyFlags, OW_UPDATE, RO_ACCESS};
use crate::exec::{Args, CommandError, Word};
use crate::resp::ArgList;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) descending: bool,
    /// Compare texts, not numbers.
    pub(super) alpha: bool,
    offset: i64,
    /// Negative: all.
    count: Option<i64>,
    by: Option<Pattern<'a>>,
    /// A pattern without `*` was given for what to sort by: nothing is sorted, whatever was said else.
    is_unsorted: bool,
    pub(super) get: Vec<Pattern<'a>>,
    /// Which argument is the destination.
    pub(super) store: Option<usize>,
}

impl<'a> Options<'a> {
    /// Everything behind the key.
    pub(super) fn parse(args: &mut Args<'a>, may_store: bool) -> Result<Options<'a>, CommandError> {
        let mut options = Options::default();
        while let Some(option) = args.option() {
            match (option.as_bytes(), args.left()) {
                (b"ASC", _) => options.descending = false,
                (b"DESC", _) => options.descending = true,
                (b"ALPHA", _) => options.alpha = true,
                (b"LIMIT", 2..) => {
                    options.offset = args.integer()?;
                    options.count = Some(args.integer()?);
                }
                (b"STORE", 1..) if may_store => {
                    options.store = Some(args.position());
                    args.bytes()?;
                }
                (b"BY", 1..) => options.sort_by(Pattern::parse(args.bytes()?)),
                (b"GET", 1..) => options.get.push(Pattern::parse(args.bytes()?)),
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    fn sort_by(&mut self, pattern: Pattern<'a>) {
        self.is_unsorted |= !pattern.names_keys();
        self.by = Some(pattern);
    }

    /// How a value is sorted. A set has no order of its own, so what is stored of one is sorted in any case.
    pub(super) fn sorting(&self, is_set: bool) -> Sorting<'a> {
        match (self.is_unsorted, self.by) {
            (true, _) if is_set && self.store.is_some() => Sorting::Texts(None),
            (true, _) => Sorting::None,
            (false, by) if self.alpha => Sorting::Texts(by),
            (false, by) => Sorting::Numbers(by),
        }
    }

    /// Which of so many elements are wanted, once they are in order.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        let all = len - start;
        let count = self.count.and_then(|count| usize::try_from(count).ok());
        start..start + count.unwrap_or(all).min(all)
    }
}

/// What elements are sorted by: what the pattern names, or themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sorting<'a> {
    None,
    Numbers(Option<Pattern<'a>>),
    Texts(Option<Pattern<'a>>),
}

impl<'a> Sorting<'a> {
    pub(super) fn pattern(self) -> Option<Pattern<'a>> {
        match self {
            Sorting::None => None,
            Sorting::Numbers(by) | Sorting::Texts(by) => by,
        }
    }
}

/// The key and the last destination, where [`Options::parse`] finds it. What the patterns name is not among
/// the arguments.
pub(in crate::commands::generic) fn find_keys(
    args: ArgList<'_>,
    found: &mut dyn FnMut(usize, KeyFlags),
) {
    found(1, RO_ACCESS);
    let (mut at, mut destination) = (2, None);
    while let Some(arg) = args.get(at) {
        at += match Word::new(arg).as_bytes() {
            b"LIMIT" => 3,
            b"BY" | b"GET" => 2,
            b"STORE" if at + 1 < args.len() => {
                destination = Some(at + 1);
                2
            }
            _ => 1,
        };
    }
    if let Some(at) = destination {
        found(at, OW_UPDATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_options<R>(
        line: &str,
        check: impl FnOnce(Result<Options<'_>, CommandError>) -> R,
    ) -> R {
        let (mut data, mut spans) = (Vec::new(), Vec::new());
        for word in line.split(' ') {
            spans.push(data.len()..data.len() + word.len());
            data.extend_from_slice(word.as_bytes());
        }
        let list = ArgList::new(&data, &spans);
        let mut keys = Vec::new();
        find_keys(list, &mut |at, _| keys.push(at));
        let options = Options::parse(&mut Args::new(list, 2), true);
        if let Ok(options) = &options {
            let expected: Vec<usize> = [1].into_iter().chain(options.store).collect();
            assert_eq!(keys, expected, "{line}: keys are where the options say");
        }
        check(options)
    }

    fn range(line: &str, len: usize) -> Range<usize> {
        with_options(line, |options| options.unwrap().range(len))
    }

    #[test]
    fn a_limit_is_cut_to_what_there_is() {
        assert_eq!(range("SORT k", 3), 0..3);
        assert_eq!(range("SORT k LIMIT 1 1", 3), 1..2);
        assert_eq!(range("SORT k LIMIT -5 2", 3), 0..2);
        assert_eq!(range("SORT k LIMIT 1 -1", 3), 1..3);
        assert_eq!(range("SORT k LIMIT 2 0", 3), 2..2);
        assert_eq!(range("SORT k LIMIT 7 1", 3), 3..3);
        let max = i64::MAX;
        assert_eq!(range(&format!("SORT k LIMIT {max} {max}"), 3), 3..3);
        assert_eq!(range("SORT k LIMIT 0 1 LIMIT 1 2", 3), 1..3);
        assert_eq!(range("SORT k LIMIT 0 0", 0), 0..0);
    }

    #[test]
    fn one_constant_pattern_is_enough_to_sort_nothing() {
        let w = Pattern::parse(b"w_*");
        let cases = [
            ("SORT k", false, Sorting::Numbers(None)),
            ("SORT k ALPHA BY w_*", true, Sorting::Texts(Some(w))),
            ("SORT k BY nosort BY w_*", true, Sorting::None),
            ("SORT k BY w_* BY #", false, Sorting::None),
            ("SORT k BY nosort STORE d", false, Sorting::None),
            ("SORT k BY nosort STORE d", true, Sorting::Texts(None)),
        ];
        for (line, is_set, expected) in cases {
            with_options(line, |options| assert_eq!(options.unwrap().sorting(is_set), expected));
        }
    }

    #[test]
    fn destinations_are_found_behind_any_other_option() {
        for line in [
            "SORT store BY store GET store LIMIT 0 1 STORE store",
            "SORT k STORE limit STORE get ALPHA",
            "SORT k STORE get STORE y DESC",
            "SORT k GET # STORE store",
            "SORT k desc",
        ] {
            with_options(line, |options| assert!(options.is_ok(), "{line}"));
        }
        for line in ["SORT k LIMIT 1", "SORT k STORE", "SORT k BY", "SORT k GET", "SORT k x"] {
            with_options(line, |options| assert_eq!(options.unwrap_err(), CommandError::Syntax));
        }
    }
}
