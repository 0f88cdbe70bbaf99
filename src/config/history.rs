//! `pubsub-history`: of which channels messages are kept for those who come later, how many and how long.

use crate::base::glob::glob_match;
use crate::base::number::parse_i64;

/// Keep the last `messages` of each channel that matches, none for longer than `seconds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRule {
    pub pattern: String,
    pub messages: u64,
    pub seconds: u64,
}

impl HistoryRule {
    /// Reads `pattern messages seconds` triples. A pattern has no blanks; `?` stands for one.
    pub fn parse_list(text: &str) -> Result<Vec<HistoryRule>, String> {
        let words: Vec<&str> = if text.is_empty() { Vec::new() } else { text.split(' ').collect() };
        if !words.len().is_multiple_of(3) {
            return Err("argument must be triples of pattern, messages and seconds".to_owned());
        }
        let number = |word: &str| {
            let number = parse_i64(word.as_bytes()).filter(|number| *number > 0);
            let refusal = || format!("{word:?} is not a positive number of messages or seconds");
            number.map(|number| number as u64).ok_or_else(refusal)
        };
        let rule = |triple: &[&str]| {
            if triple[0].is_empty() {
                return Err("a pattern is empty".to_owned());
            }
            let (messages, seconds) = (number(triple[1])?, number(triple[2])?);
            Ok(HistoryRule { pattern: triple[0].to_owned(), messages, seconds })
        };
        words.chunks(3).map(rule).collect()
    }

    /// The canonical text.
    pub fn print_list(rules: &[HistoryRule]) -> String {
        let triple =
            |rule: &HistoryRule| format!("{} {} {}", rule.pattern, rule.messages, rule.seconds);
        rules.iter().map(triple).collect::<Vec<_>>().join(" ")
    }

    pub fn pattern(&self) -> &[u8] {
        self.pattern.as_bytes()
    }

    pub fn matches(&self, channel: &[u8]) -> bool {
        glob_match(self.pattern.as_bytes(), channel, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_triples_of_a_pattern_and_two_positive_numbers() {
        let rules = HistoryRule::parse_list("chat:* 100 3600 alerts 5 60").unwrap();
        assert_eq!((rules[1].messages, rules[1].seconds), (5, 60));
        assert!(rules[0].matches(b"chat:1") && !rules[0].matches(b"chat"));
        assert_eq!(HistoryRule::print_list(&rules), "chat:* 100 3600 alerts 5 60");
        assert_eq!(HistoryRule::parse_list(""), Ok(vec![]));
        for text in ["a", "a 1", "a 0 1", "a 1 -1", "a x 1", "a 1 1 b", " 1 1", "a  1 1"] {
            assert!(HistoryRule::parse_list(text).is_err(), "{text:?}");
        }
    }
}
