//! What the source promises about itself: layers, sizes, what may not occur, and that every command has
//! its transcript and every command of Redis is implemented or accounted for.

use sanderling::commands;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 900;
const FUNCTION_LINES_MAX: usize = 70;

/// Modules with their layers. A module uses only modules of a lower one.
const LAYERS: [(&str, u32); 12] = [
    ("base", 0),
    ("resp", 1),
    ("value", 1),
    ("config", 1),
    ("store", 2),
    ("session", 2),
    ("pubsub", 3),
    ("persist", 3),
    ("exec", 5),
    ("net", 6),
    ("commands", 7),
    ("server", 8),
];

/// A source file, named from the root of the repository.
struct Source {
    name: String,
    text: String,
}

impl Source {
    /// The part before the tests, which may do as they like.
    fn without_tests(&self) -> &str {
        if self.name.ends_with("tests.rs") {
            return "";
        }
        let end = self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        &self.text[..end]
    }

    /// Lines that are code, with their numbers. Comments are not.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.without_tests().lines().zip(1..);
        lines
            .map(|(line, number)| (number, line))
            .filter(|(_, l)| !l.trim_start().starts_with("//"))
    }

    /// The module of the crate that the file belongs to; `None` for its roots.
    fn module(&self) -> Option<&str> {
        let path = self.name.strip_prefix("src/")?;
        let module = path.split('/').next()?.trim_end_matches(".rs");
        (!["lib", "main"].contains(&module)).then_some(module)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() { files_under(&path, found) } else { found.push(path) }
    }
}

/// All Rust files under these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    folders.iter().for_each(|folder| files_under(&root().join(folder), &mut files));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    let source = |file: PathBuf| Source {
        name: file.strip_prefix(root()).expect("it is under the root").display().to_string(),
        text: fs::read_to_string(&file).expect("source is UTF-8"),
    };
    let sources: Vec<_> = files.into_iter().map(source).collect();
    assert!(!sources.is_empty());
    sources
}

fn conclude(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The modules that a line names: `crate::store::View` names `store`.
fn modules_named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
    })
}

#[test]
fn modules_use_only_modules_of_lower_layers() {
    let layers = BTreeMap::from(LAYERS);
    let mut problems = Vec::new();
    for source in sources(&["src"]) {
        let Some(own) = source.module() else { continue };
        let Some(layer) = layers.get(own) else {
            problems.push(format!("{}: {own} has no layer", source.name));
            continue;
        };
        for (number, line) in source.code_lines() {
            for used in modules_named(line).filter(|used| *used != own) {
                if layers.get(used).is_none_or(|other| other >= layer) {
                    problems.push(format!("{}:{number}: {own} uses {used}", source.name));
                }
            }
        }
    }
    conclude(&problems);
}

/// Rows `| layer | modules | ...` of a table.
fn layers_drawn<'t>(text: &'t str, begin: &str) -> BTreeMap<&'t str, u32> {
    let row = |line: &'t str| {
        let (layer, behind) = line.strip_prefix(begin)?.split_once(" | ")?;
        Some((layer.parse::<u32>().ok()?, behind.split_once(" | ")?.0))
    };
    let names = |modules: &'t str| modules.split('`').skip(1).step_by(2);
    let rows = text.lines().filter_map(row);
    rows.flat_map(|(layer, modules)| names(modules).map(move |name| (name, layer))).collect()
}

#[test]
fn layers_are_drawn_as_they_are() {
    for (file, begin) in [("src/lib.rs", "//! | "), ("docs/ARCHITECTURE.md", "| ")] {
        let text = fs::read_to_string(root().join(file)).expect("the file is there");
        let mut drawn = layers_drawn(&text, begin);
        drawn.remove("main");
        assert_eq!(drawn, BTreeMap::from(LAYERS), "{file}");
    }
}

/// Handlers that may ask the engine for its clock, its hooks (and so the log) or the whole keyspace: they are *about* the
/// server, or walk through all of it. All others have their locked view, their arguments and their reply.
const ABOUT_THE_SERVER: [&str; 9] = [
    "connection/client_tracking",
    "connection/mod",
    "generic/keys",
    "generic/waitaof",
    "server/config",
    "server/debug/mod",
    "server/info/sections",
    "server/memory",
    "server/mod",
];

#[test]
fn handlers_of_data_know_no_clock_log_or_keyspace() {
    const PARTS: [&str; 3] = ["engine.clock", "engine.hooks", "engine.keyspace"];
    let mut met = BTreeSet::new();
    for source in sources(&["src/commands"]) {
        if source.code_lines().any(|(_, line)| PARTS.iter().any(|part| line.contains(part))) {
            let name = source.name.trim_start_matches("src/commands/");
            met.insert(name.trim_end_matches(".rs").to_owned());
        }
    }
    assert_eq!(met, BTreeSet::from(ABOUT_THE_SERVER.map(str::to_owned)));
}

#[test]
fn what_the_architecture_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the page is there");
    let is_word_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let sources = sources(&["src", "tests"]);
    let mut words: BTreeSet<&str> =
        sources.iter().flat_map(|source| source.text.split(|c| !is_word_char(c))).collect();
    words.extend(sources.iter().flat_map(|source| source.name.split(['/', '.'])));
    let quoted = page.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|text| text.contains("::") && !text.contains('\n'));
    let is_missing = |path: &&str| {
        let path = path.split('(').next().expect("a text has a beginning");
        path.split("::").any(|segment| !words.contains(segment))
    };
    conclude(
        &paths.filter(is_missing).map(|path| format!("{path} does not exist")).collect::<Vec<_>>(),
    );
}

#[test]
fn every_dependency_has_its_reason_in_the_readme() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("the file is there");
    let (manifest, readme) = (read("Cargo.toml"), read("README.md"));
    let mut section = "";
    let mut problems = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once(" = ")
            && !readme.contains(&format!("`{name}`"))
        {
            problems.push(format!("{name} is not in the README"));
        }
    }
    conclude(&problems);
}

#[test]
fn files_are_short() {
    let long = sources(&["src", "tests", "benches"]).into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.name))
    });
    conclude(&long.collect::<Vec<_>>());
}

/// The functions of a file that rustfmt has formatted: name or first line, line number, length.
fn functions(text: &str) -> Vec<(&str, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let is_function = code
            .split("fn ")
            .next()
            .is_some_and(|front| code.len() > front.len() && front.split(' ').all(is_qualifier));
        if !is_function || code.ends_with('}') || code.ends_with(';') {
            continue;
        }
        let ends = |line: &&str| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest == "}" || !rest.starts_with(' ') && rest.ends_with(';'))
        };
        let body = lines[start + 1..].iter().position(ends);
        found.push((code, start + 1, body.map_or(1, |length| length + 2)));
    }
    found
}

fn is_qualifier(word: &str) -> bool {
    word.is_empty() || word.starts_with("pub") || word.ends_with(')') || word == "const"
}

#[test]
fn functions_are_short() {
    let mut problems = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        for (code, line, length) in functions(&source.text) {
            if length > FUNCTION_LINES_MAX {
                problems.push(format!("{}:{line}: {length} lines: {code}", source.name));
            }
        }
    }
    conclude(&problems);
}

#[test]
fn the_lengths_of_functions_are_found() {
    let text = "impl A {\n    pub fn a(\n        x: u8,\n    ) -> u8 {\n        x\n    }\n\n    fn b() {}\n}\n\
                trait T {\n    fn c(\n        x: u8,\n    );\n}\npub(crate) const fn d() {\n    e();\n}\n";
    let lengths: Vec<_> = functions(text).into_iter().map(|(_, at, length)| (at, length)).collect();
    assert_eq!(lengths, [(2, 5), (11, 3), (15, 3)]);
}

/// What may not occur outside of tests, and why.
const FORBIDDEN: [(&str, &str); 7] = [
    (".unwrap()", "say with expect what must hold"),
    ("todo!", "nothing is left half done"),
    ("unimplemented!", "nothing is left half done"),
    ("dbg!", "left over from debugging"),
    ("/home/", "a path of one machine"),
    ("/root/", "a path of one machine"),
    ("/work/", "a path of one machine"),
];

#[test]
fn what_is_forbidden_does_not_occur() {
    let mut problems = Vec::new();
    for source in sources(&["src"]) {
        for (number, line) in source.code_lines() {
            for (text, why) in FORBIDDEN.iter().filter(|(text, _)| line.contains(text)) {
                problems.push(format!("{}:{number}: {text}: {why}", source.name));
            }
        }
    }
    conclude(&problems);
}

#[test]
fn locks_come_through_their_one_door() {
    let sources = sources(&["src"]);
    let others = sources.iter().filter(|source| source.name != "src/base/sync.rs");
    let take = ["parking_lot::", "std::sync::Mutex", "std::sync::RwLock", "std::sync::{Mutex"];
    let problems: Vec<String> = others
        .flat_map(|source| source.code_lines().map(|(number, line)| (&source.name, number, line)))
        .filter(|(.., line)| take.iter().any(|text| line.contains(text)))
        .map(|(name, number, line)| format!("{name}:{number}: {line}"))
        .collect();
    conclude(&problems);
}

#[test]
fn nothing_sleeps_or_is_left_to_do_in_tests_either() {
    /// In two parts, because this file is looked at as well.
    const TEXTS: [&str; 3] =
        [concat!("thread::", "sleep"), concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut problems = Vec::new();
    // Benchmarks may sleep: they measure time.
    for source in sources(&["src", "tests"]) {
        for (number, line) in (1..).zip(source.text.lines()) {
            for text in TEXTS.iter().filter(|text| line.contains(**text)) {
                problems.push(format!("{}:{number}: {text}", source.name));
            }
        }
    }
    conclude(&problems);
}

#[test]
fn every_module_opens_with_what_it_is() {
    let silent = sources(&["src", "tests", "benches"]).into_iter();
    let silent = silent.filter(|source| !source.text.starts_with("//!"));
    conclude(
        &silent.map(|source| format!("{}: begins without //!", source.name)).collect::<Vec<_>>(),
    );
}

/// Commands of this server in the notation of `tests/data/commands.csv`.
fn implemented() -> BTreeSet<String> {
    let registry = commands::registry();
    registry.all().iter().map(|command| command.spec.name.to_owned()).collect()
}

#[test]
fn every_command_has_a_transcript() {
    let mut problems = Vec::new();
    for command in commands::registry().all() {
        let folder = root().join("tests/transcripts").join(command.group);
        let name = command.spec.name.to_ascii_lowercase();
        if !folder.join(format!("{}.txt", name.replace(' ', "-"))).is_file() {
            problems.push(format!("{} has no transcript in {}", command.spec.name, command.group));
        }
    }
    conclude(&problems);
}

#[test]
fn every_transcript_is_of_a_command_or_of_the_protocol() {
    let registry = commands::registry();
    let mut files = Vec::new();
    files_under(&root().join("tests/transcripts"), &mut files);
    let mut problems = Vec::new();
    for file in files {
        let stem = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let group = file.parent().and_then(Path::file_name).expect("it is in a folder");
        let is_of = |command: &sanderling::exec::Command| {
            let name = command.spec.name.to_ascii_lowercase().replace(' ', "-");
            command.group == group && name == stem
        };
        if group != "protocol" && !registry.all().iter().any(is_of) {
            problems.push(format!("{} is of no command", file.display()));
        }
    }
    conclude(&problems);
}

/// A table of values without quotes around those that are needed here.
fn csv(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("tests/data").join(name)).expect("the table exists");
    let row = |line: &str| line.splitn(3, ',').map(str::to_owned).collect();
    text.lines().skip(1).map(row).collect()
}

#[test]
fn every_command_of_redis_is_implemented_or_listed_with_a_reason() {
    let implemented = implemented();
    let later = csv("not-yet.csv");
    let lists = |kind: &str, name: &str| later.iter().any(|row| row[0] == kind && row[1] == name);
    let known: BTreeMap<String, String> = csv("commands.csv")
        .into_iter()
        .map(|row| (row[0].replace('|', " "), row[1].clone()))
        .collect();
    let mut problems = Vec::new();
    for (name, group) in &known {
        let listed = lists("group", group) || lists("command", name);
        match (implemented.contains(name), listed) {
            (false, false) => problems.push(format!("{name} is neither implemented nor listed")),
            (true, true) => problems.push(format!("{name} is implemented, and listed as missing")),
            _ => {}
        }
    }
    for row in &later {
        let exists = match row[0].as_str() {
            "group" => known.values().any(|group| *group == row[1]),
            _ => known.contains_key(&row[1]),
        };
        if !exists || row.get(2).is_none_or(|reason| reason.is_empty()) {
            problems.push(format!("not-yet.csv: {} is unknown or has no reason", row[1]));
        }
    }
    conclude(&problems);
}
