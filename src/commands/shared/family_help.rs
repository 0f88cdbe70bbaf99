//! `HELP` of a family of subcommands, generated from its rows.
//!
//! The shape is Redis's: a title, then for each subcommand a line with its arguments and an indented
//! sentence, `HELP` at the end. Arguments are written as such texts have them, which is not how the
//! documentation has them: `key [key ...]` becomes `<key> [<key> ...]`, `<ON | OFF>` becomes `(ON|OFF)`.

use crate::exec::{Context, Outcome};

/// What one subcommand's lines are made of.
pub struct HelpEntry {
    /// Without the family, in capitals.
    pub name: &'static str,
    /// The arguments, in the notation of the documentation.
    pub syntax: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// Replies with the help of a family; `family` is its name in capitals.
pub fn family_help(ctx: &mut Context<'_>, family: &str) -> Outcome {
    let command = ctx.engine.registry.command(family.as_bytes());
    let row = command.expect("a family that prints its help has a row").spec;
    let by_itself = row.accepts(1).then_some(HelpEntry {
        name: "(no subcommand)",
        syntax: "",
        summary: row.doc.summary,
    });
    let subcommands = row.subcommands.iter().map(|row| HelpEntry {
        name: &row.name[family.len() + 1..],
        syntax: row.doc.syntax,
        summary: row.doc.summary,
    });
    reply_help(ctx, family, by_itself.into_iter().chain(subcommands));
    Ok(())
}

/// Replies with the help of subcommands that have no rows of their own.
pub fn reply_help(
    ctx: &mut Context<'_>,
    family: &str,
    entries: impl IntoIterator<Item = HelpEntry>,
) {
    let lines = help_lines(family, entries);
    ctx.reply.array(lines.len());
    lines.iter().for_each(|line| ctx.reply.simple(line));
}

fn help_lines(family: &str, entries: impl IntoIterator<Item = HelpEntry>) -> Vec<String> {
    let title = format!("{family} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let mut lines = vec![title];
    for entry in entries.into_iter().filter(|entry| entry.name != "HELP") {
        let arguments = help_notation(entry.syntax);
        lines.push(format!("{} {arguments}", entry.name).trim_end().to_owned());
        lines.push(format!("    {}", entry.summary));
    }
    lines.extend(["HELP".to_owned(), "    Prints this help.".to_owned()]);
    lines
}

/// Rewrites arguments from the notation of the documentation to that of help texts.
fn help_notation(syntax: &str) -> String {
    let syntax = syntax.replace(" | ", "|").replace('<', "(").replace('>', ")");
    let mut text = String::with_capacity(syntax.len() + 16);
    let mut rest = syntax.as_str();
    while let Some(first) = rest.chars().next() {
        let is_in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '/');
        let end = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        let is_placeholder = word.contains(|c: char| c.is_ascii_lowercase());
        if is_placeholder {
            text.extend(["<", word, ">"]);
        } else {
            text.push_str(word);
        }
        rest = behind;
    }
    shorten_optional_lists(&text)
}

/// `[<event> [<event> ...]]` says no more than `[<event> ...]`.
fn shorten_optional_lists(text: &str) -> String {
    const END: &str = " ...]]";
    let Some(end) = text.find(END) else { return text.to_owned() };
    let list = &text[..end];
    let short = list.rfind(" [").and_then(|inner| {
        let item = &list[inner + 2..];
        let before = list[..inner].strip_suffix(item)?.strip_suffix('[')?;
        Some(format!("{before}[{item} ...]{}", &text[end + END.len()..]))
    });
    short.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_marked_and_words_stay() {
        for (documentation, help) in [
            ("", ""),
            ("key [SAMPLES count]", "<key> [SAMPLES <count>]"),
            ("[count]", "[<count>]"),
            ("event", "<event>"),
            ("[event [event ...]]", "[<event> ...]"),
            ("A [event [event ...]] B", "A [<event> ...] B"),
            (
                "parameter value [parameter value ...]",
                "<parameter> <value> [<parameter> <value> ...]",
            ),
            ("<ON | OFF | SKIP>", "(ON|OFF|SKIP)"),
            ("timeout [WRITE | ALL]", "<timeout> [WRITE|ALL]"),
            ("ip:port", "<ip:port>"),
        ] {
            assert_eq!(help_notation(documentation), help);
        }
    }

    #[test]
    fn help_is_told_last_wherever_its_row_stands() {
        let entry = |name, summary| HelpEntry { name, syntax: "", summary };
        let entries =
            [entry("HELP", "Lists the subcommands."), entry("PURGE", "Gives back memory.")];
        let lines = help_lines("MEMORY", entries);
        assert_eq!(lines[0], "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        assert_eq!(
            lines[1..],
            ["PURGE", "    Gives back memory.", "HELP", "    Prints this help."]
        );
    }
}
