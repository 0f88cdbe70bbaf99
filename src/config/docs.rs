//! The page `docs/CONFIGURATION.md`, from the table.

use std::fmt::Write;

use super::kind::Kind;
use super::params::{Mutability, PARAMS, Param};

const INTRODUCTION: &str = "\
# Configuration

Every parameter has a default. A configuration file (`sanderling FILE` or `--config FILE`, in the
syntax of `redis.conf`) overrides defaults, and flags override the file. Each parameter is a flag
under its own name; where the table names another flag, that works too. While the server runs,
`CONFIG GET` shows parameters, `CONFIG SET` changes those marked as changeable, and `CONFIG REWRITE`
brings the file up to date.

Amounts of memory may have a unit: `k`, `m`, `g` for powers of 1000, `kb`, `mb`, `gb` for powers of
1024. `--password` without a value takes the password from `SANDERLING_PASSWORD`, asks for it on a
terminal, or generates one.

This page is generated from the table in `src/config/params.rs`.
";

/// The whole page.
pub fn markdown_table() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut group = "";
    for param in &PARAMS {
        if param.group != group {
            group = param.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| parameter | value | default | changeable | meaning |\n|---|---|---|---|---|\n"
            );
        }
        page.push_str(&row(param));
    }
    page
}

fn row(param: &Param) -> String {
    let flag =
        if param.flag == param.name { String::new() } else { format!("<br>`--{}`", param.flag) };
    let default =
        if param.default.is_empty() { String::new() } else { format!("`{}`", param.default) };
    let changeable = if param.mutability == Mutability::Changeable { "yes" } else { "" };
    let doc = param.doc.replace('|', "\\|");
    let value = value(&param.kind);
    format!("| `{}`{flag} | {value} | {default} | {changeable} | {doc} |\n", param.name)
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "`yes`, `no`".to_owned(),
        Kind::Int { min, max: i64::MAX } => format!("{min} or more"),
        Kind::Int { min, max } => format!("{min} to {max}"),
        Kind::Memory { min: 0, max: i64::MAX } => "memory".to_owned(),
        Kind::Memory { min, max: i64::MAX } => format!("memory, {min} or more"),
        Kind::Memory { min, max } => format!("memory, {min} to {max}"),
        Kind::MemoryOrPercent => "memory, or a percentage of `maxmemory`".to_owned(),
        Kind::Octal { max } => format!("0 to {max:o}, octal"),
        Kind::Choice(names) => format!("`{}`", names.join("`, `")),
        Kind::Events => "letters".to_owned(),
        Kind::ShutdownOptions => "words".to_owned(),
        Kind::Text | Kind::Secret => "text".to_owned(),
        Kind::Save => "`seconds changes` pairs".to_owned(),
        Kind::OutputLimits => "`class hard soft seconds` groups".to_owned(),
        Kind::Addresses => "addresses".to_owned(),
        Kind::Percentiles => "numbers, 0 to 100".to_owned(),
        Kind::History => "`pattern messages seconds` triples".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `UPDATE_DOCS=1` writes the page instead of comparing it.
    #[test]
    fn the_page_on_disk_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, markdown_table()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            page == markdown_table(),
            "docs/CONFIGURATION.md differs from the table; run `UPDATE_DOCS=1 cargo test --lib config::docs`"
        );
    }
}
