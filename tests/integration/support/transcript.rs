//! Transcripts: what a client sends and what it must get, readable as a dialogue.
//!
//! A file `tests/transcripts/<group>/<command>.txt` (lower case, `-` for a blank: `client-kill.txt`)
//! holds sections. Each section begins on an empty store with a fresh connection, so it can be read
//! and run by itself; what it changes in the server's configuration it sets back. Each file gets a
//! server of its own.
//!
//! ```text
//! @section SET keeps the old value when NX is not met
//! # Prose: why this matters, where the rule comes from.
//! > SET k "x y" NX
//! < +OK
//! > SET k other NX
//! < nil
//! ```
//!
//! | line             | meaning                                                                   |
//! |------------------|---------------------------------------------------------------------------|
//! | `# …`            | prose                                                                     |
//! | `> SET k "x y"`  | a command, split like an inline command, sent as an array of bulk strings |
//! | `>! *1\r\n$-5`   | bytes sent as they are written, escape sequences resolved                 |
//! | `< +OK`          | the next reply on this connection, rendered as in the module `resp`       |
//! | `<~ "id=*"`      | as `<`, but `*` stands for any text; a literal check is preferred         |
//! | `<% [ "a", … ]`  | as `<`, but arrays, sets and maps are sorted first: the order is open     |
//! | `<? "*:1\r\n*"`  | as `<~`, but the command is repeated until the reply matches              |
//! | `<2 …`, `<3~ …`  | only where that version of the protocol is spoken                         |
//! | `<none`          | the command gets no reply now                                             |
//! | `<waits`         | the client waits for keys; goes on when it does                           |
//! | `<close`         | the server closes the connection                                          |
//! | `    …`          | an indented line continues the expectation above, a blank between         |
//! | `@section name`  | begins a section                                                          |
//! | `@conn B`        | goes on with the connection B, opened on first use; the first one is A    |
//! | `@eof`           | the client sends nothing more on this connection and waits for replies    |
//! | `@bind x`        | names the last reply: `{x}` in later lines stands for its text            |
//! | `@bind x addr=`  | the same for the part of that reply from after `addr=` to the next blank  |
//! | `@advance 150ms` | moves the server's clock; where that is impossible the section ends here  |
//! | `@protocol 3`    | at the head of a section: run only where RESP3 is spoken                  |
//! | `@since 7.2 …`   | behaviour of that Redis version; skipped on older ones                    |
//! | `@sanderling-only …` | with the reason; skipped elsewhere                                    |
//!
//! The last two apply to the whole section when they stand at its head, otherwise to the next
//! command with its replies. What `<%` expects is written in sorted order. In commands and expectations `{x*100}` stands
//! for a hundred `x`. What `@bind` takes from a reply with other than printable characters (a `DUMP`) is a quoted word.
//!
//! Every reply must be expected: one that is left over at the end of a section fails it.

use super::peer::{Need, Protocol};
use std::time::Duration;

/// A parsed file.
#[derive(Debug)]
pub struct Transcript {
    /// The path that failures name.
    pub name: String,
    pub sections: Vec<Section>,
}

/// A part of a file that runs by itself.
#[derive(Debug)]
pub struct Section {
    pub line: usize,
    pub title: String,
    pub needs: Vec<Need>,
    /// The only protocol for which the section is written; `None` when it holds for both.
    pub protocol: Option<Protocol>,
    pub steps: Vec<Step>,
}

/// One line that does something.
#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub action: Action,
}

/// What a line does. Texts are as written: names are resolved when the step runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Command(String),
    Raw(String),
    Expect { protocol: Option<Protocol>, how: Match, text: String },
    ExpectNothing,
    ExpectWait,
    ExpectClose,
    Connection(String),
    Bind { name: String, after: Option<String> },
    Advance(Duration),
    CloseSending,
    Need(Need),
}

/// How a reply is compared with what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Exact,
    Glob,
    Sorted,
    Eventually,
}

impl Action {
    fn sends(&self) -> bool {
        matches!(self, Action::Command(_) | Action::Raw(_))
    }

    fn expects(&self) -> bool {
        use Action::{Expect, ExpectClose, ExpectNothing, ExpectWait};
        matches!(self, Expect { .. } | ExpectClose | ExpectNothing | ExpectWait)
    }
}

/// Parses a file; the error names the line.
pub fn parse(name: &str, text: &str) -> Result<Transcript, String> {
    let mut sections: Vec<Section> = Vec::new();
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        parse_line(line, content, &mut sections)
            .map_err(|problem| format!("{name}:{line}: {problem}"))?;
    }
    let transcript = Transcript { name: name.to_owned(), sections };
    transcript.check()?;
    Ok(transcript)
}

impl Transcript {
    /// A transcript that checks nothing, or a command whose reply is forgotten, is a mistake.
    fn check(&self) -> Result<(), String> {
        if self.sections.is_empty() {
            return Err(format!("{}: no section", self.name));
        }
        for section in &self.sections {
            for (index, step) in section.steps.iter().enumerate() {
                let next = section.steps.get(index + 1);
                if step.action.sends() && !next.is_some_and(|next| next.action.expects()) {
                    return Err(format!("{}:{}: what is the reply?", self.name, step.line));
                }
            }
            if !section.steps.iter().any(|step| step.action.expects()) {
                return Err(format!("{}:{}: nothing is checked", self.name, section.line));
            }
        }
        Ok(())
    }
}

fn parse_line(line: usize, content: &str, sections: &mut Vec<Section>) -> Result<(), String> {
    if content.trim().is_empty() || content.starts_with('#') {
        return Ok(());
    }
    if let Some(title) = content.strip_prefix("@section ") {
        let title = title.trim().to_owned();
        let (needs, steps) = (Vec::new(), Vec::new());
        sections.push(Section { line, title, needs, protocol: None, steps });
        return Ok(());
    }
    let section = sections.last_mut().ok_or("a step before the first @section")?;
    if content.starts_with(' ') {
        return continue_expectation(section, content.trim());
    }
    if let Some(version) = content.strip_prefix("@protocol ") {
        if !section.steps.is_empty() {
            return Err("@protocol belongs at the head of a section".to_owned());
        }
        section.protocol = Some(parse_protocol(version.trim())?);
        return Ok(());
    }
    match parse_action(content)? {
        Action::Need(need) if section.steps.is_empty() => section.needs.push(need),
        action => section.steps.push(Step { line, action }),
    }
    Ok(())
}

fn continue_expectation(section: &mut Section, more: &str) -> Result<(), String> {
    match section.steps.last_mut().map(|step| &mut step.action) {
        Some(Action::Expect { text, .. }) => {
            text.push(' ');
            text.push_str(more);
            Ok(())
        }
        _ => Err("an indented line continues an expectation, and there is none".to_owned()),
    }
}

fn parse_protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "2" => Ok(Protocol::Resp2),
        "3" => Ok(Protocol::Resp3),
        _ => Err(format!("the protocol is 2 or 3, not {text}")),
    }
}

fn parse_action(content: &str) -> Result<Action, String> {
    if let Some(directive) = content.strip_prefix('@') {
        return parse_directive(directive);
    }
    if let Some(raw) = content.strip_prefix(">! ") {
        return Ok(Action::Raw(raw.to_owned()));
    }
    if let Some(command) = content.strip_prefix("> ") {
        return Ok(Action::Command(command.to_owned()));
    }
    match content {
        "<close" => Ok(Action::ExpectClose),
        "<waits" => Ok(Action::ExpectWait),
        "<none" => Ok(Action::ExpectNothing),
        _ => match content.strip_prefix('<') {
            Some(expectation) => parse_expectation(expectation),
            None => Err("a line begins with #, >, >!, < or @".to_owned()),
        },
    }
}

fn parse_expectation(content: &str) -> Result<Action, String> {
    let (mark, text) = content.split_once(' ').ok_or("an expectation needs a text")?;
    let (protocol, mark) = match mark.as_bytes().first() {
        Some(b'2') => (Some(Protocol::Resp2), &mark[1..]),
        Some(b'3') => (Some(Protocol::Resp3), &mark[1..]),
        _ => (None, mark),
    };
    let how = match mark {
        "" => Match::Exact,
        "~" => Match::Glob,
        "%" => Match::Sorted,
        "?" => Match::Eventually,
        _ => return Err(format!("an expectation is marked <, <~, <% or <?, not <{mark}")),
    };
    Ok(Action::Expect { protocol, how, text: text.trim().to_owned() })
}

fn parse_directive(directive: &str) -> Result<Action, String> {
    let (name, argument) = directive.split_once(' ').unwrap_or((directive, ""));
    let argument = argument.trim();
    if argument.is_empty() {
        return match name {
            "eof" => Ok(Action::CloseSending),
            _ => Err(format!("@{name} is not known, or needs an argument")),
        };
    }
    Ok(match name {
        "conn" => Action::Connection(argument.to_owned()),
        "bind" => match argument.split_once(' ') {
            Some((name, after)) => {
                Action::Bind { name: name.to_owned(), after: Some(after.trim().to_owned()) }
            }
            None => Action::Bind { name: argument.to_owned(), after: None },
        },
        "advance" => Action::Advance(parse_duration(argument)?),
        "since" => Action::Need(parse_version(argument)?),
        "sanderling-only" => Action::Need(Need::Sanderling),
        _ => return Err(format!("@{name} is not known")),
    })
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix("ms").and_then(|number| number.parse().ok());
    number.map(Duration::from_millis).ok_or_else(|| format!("a time is like 1500ms, not {text}"))
}

fn parse_version(text: &str) -> Result<Need, String> {
    let version = text.split(' ').next().and_then(|version| version.split_once('.'));
    let numbers = version.and_then(|(major, minor)| major.parse().ok().zip(minor.parse().ok()));
    let (major, minor) = numbers.ok_or_else(|| format!("a version is like 7.2, not {text}"))?;
    Ok(Need::Since { major, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(text: &str) -> Vec<Action> {
        let mut transcript =
            parse("t", &format!("@section s\n{text}")).expect("a valid transcript");
        transcript.sections.remove(0).steps.into_iter().map(|step| step.action).collect()
    }

    fn problem(text: &str) -> String {
        parse("t", text).expect_err("an invalid transcript")
    }

    #[test]
    fn commands_and_replies_alternate() {
        let expected = [
            Action::Command("SET k v".to_owned()),
            Action::Expect { protocol: None, how: Match::Exact, text: "+OK".to_owned() },
            Action::Raw(r" *1\r\n".to_owned()),
            Action::ExpectNothing,
            Action::ExpectWait,
            Action::ExpectClose,
        ];
        assert_eq!(
            actions("# prose\n> SET k v\n< +OK\n\n>!  *1\\r\\n\n<none\n<waits\n<close\n"),
            expected
        );
    }

    #[test]
    fn an_expectation_says_for_which_protocol_and_how_it_is_compared() {
        let expect =
            |protocol, how, text: &str| Action::Expect { protocol, how, text: text.to_owned() };
        let expected = [
            Action::Command("X".to_owned()),
            expect(Some(Protocol::Resp2), Match::Glob, "a*"),
            expect(Some(Protocol::Resp3), Match::Sorted, "[ 1, 2 ]"),
            expect(None, Match::Eventually, "b"),
        ];
        assert_eq!(actions("> X\n<2~ a*\n<3% [ 1,\n    2 ]\n<? b\n"), expected);
    }

    #[test]
    fn conditions_at_the_head_of_a_section_are_the_sections() {
        let text =
            "@section s\n@since 7.2 new\n@protocol 3\n> X\n< +OK\n@sanderling-only r\n> Y\n< +OK";
        let transcript = parse("t", text).expect("valid");
        let section = &transcript.sections[0];
        assert_eq!(section.needs, [Need::Since { major: 7, minor: 2 }]);
        assert_eq!(section.protocol, Some(Protocol::Resp3));
        assert_eq!(section.steps[2].action, Action::Need(Need::Sanderling));
        assert_eq!(section.steps[2].line, 6);
    }

    #[test]
    fn directives_carry_their_arguments() {
        let expected = [
            Action::Command("X".to_owned()),
            Action::ExpectNothing,
            Action::Connection("B".to_owned()),
            Action::Bind { name: "id".to_owned(), after: None },
            Action::Bind { name: "a".to_owned(), after: Some("addr=".to_owned()) },
            Action::Advance(Duration::from_millis(1500)),
            Action::CloseSending,
        ];
        let text = "> X\n<none\n@conn B\n@bind id\n@bind a addr=\n@advance 1500ms\n@eof\n";
        assert_eq!(actions(text), expected);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        assert_eq!(problem("# only prose"), "t: no section");
        assert_eq!(problem("> X"), "t:1: a step before the first @section");
        assert_eq!(problem("@section s\n> X\n> Y\n< +OK"), "t:2: what is the reply?");
        assert_eq!(problem("@section s\n@conn B"), "t:1: nothing is checked");
        assert!(problem("@section s\n@advance 1s").starts_with("t:2: a time is like"));
        assert!(problem("@section s\n@since seven").starts_with("t:2: a version is like"));
        assert!(problem("@section s\n@nope x").starts_with("t:2: @nope is not known"));
        assert!(problem("@section s\n@bind").starts_with("t:2: @bind is not known, or needs"));
        assert!(problem("@section s\n  more").starts_with("t:2: an indented line"));
        assert!(problem("@section s\n> X\n<9 y").starts_with("t:3: an expectation is marked"));
        assert!(problem("@section s\nX").starts_with("t:2: a line begins with"));
    }
}
