//! The command line: a flag for every row of the table, and a few that are not parameters.
//!
//! ```text
//! sanderling [FILE] [--config FILE] [--port 6380] [--save 3600 1] [--password [SECRET]] ...
//! ```
//!
//! As with Redis, the file may be the first argument and every parameter is a flag of its name. The first
//! argument may also name a tool that needs no server (see `tools`).

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::error::StartError;
use super::kind::Kind;
use super::params::{PARAMS, Param};
use super::tools::{self, Tool};
use crate::base::version::VERSION;

/// What a command line asks for.
#[derive(Debug)]
pub enum CommandLine {
    Run(Flags),
    Tool(Tool),
    /// Text for standard output (`--help`, `--version`); then exit with success.
    Print(String),
}

/// The flags of a server that is to run.
#[derive(Debug, Default)]
pub struct Flags {
    pub config_file: Option<PathBuf>,
    pub password: PasswordSource,
    /// A snapshot or backup to begin with.
    pub restore: Option<PathBuf>,
    /// Parameters with the words that follow them, each flag on its own.
    pub(super) settings: Vec<(&'static Param, Vec<String>)>,
}

/// Where the password is to come from.
#[derive(Default, PartialEq, Eq)]
pub enum PasswordSource {
    /// No flag: the file's, if it has one.
    #[default]
    None,
    Given(String),
    /// `--password` without a value.
    Ask,
}

impl std::fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Given(_) => "Given(hidden)",
            Self::Ask => "Ask",
        })
    }
}

const CONFIG: &str = "config";
const RESTORE: &str = "restore";
const CONFIG_POSITION: &str = "FILE";

/// Reads a command line, whose first word is the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<CommandLine, StartError> {
    let args: Vec<OsString> = args.into_iter().collect();
    match command().try_get_matches_from(&args) {
        Ok(matches) => Ok(match matches.subcommand() {
            Some((name, matches)) => CommandLine::Tool(tools::collect(name, matches)),
            None => CommandLine::Run(collect(&matches)),
        }),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(CommandLine::Print(error.to_string()))
        }
        Err(error) => {
            let line = first_line(&error.to_string());
            let is_tool = args.get(1).is_some_and(|word| tools::is_tool(word));
            Err(if is_tool { StartError::ToolUsage(line) } else { StartError::Usage(line) })
        }
    }
}

/// clap explains at length; its first paragraph says what is wrong.
fn first_line(message: &str) -> String {
    let lines = message.lines().take_while(|line| !line.is_empty());
    let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    format!("{}; --help lists all flags", line.trim_start_matches("error: "))
}

/// The command line's grammar, from the table.
pub fn command() -> Command {
    Command::new("sanderling")
        .version(VERSION)
        .about("An in-memory data store that speaks the Redis protocol and plain text lines")
        .arg(
            Arg::new(CONFIG_POSITION)
                .value_parser(value_parser!(PathBuf))
                .help("Configuration file, as redis.conf; the same as --config FILE"),
        )
        .arg(
            Arg::new(CONFIG)
                .long(CONFIG)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with(CONFIG_POSITION)
                .help("Configuration file, as redis.conf; flags override it"),
        )
        .arg(
            Arg::new(RESTORE)
                .long(RESTORE)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Backup or snapshot to begin with; the data directory must be empty"),
        )
        .args(PARAMS.iter().map(arg))
        .subcommands(tools::commands())
        // Behind a flag, a word is what it always was.
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
}

pub(super) fn arg(param: &'static Param) -> Arg {
    let arg = Arg::new(param.name)
        .long(param.flag)
        .help_heading(param.group)
        .value_name(value_name(&param.kind))
        .help(help(param));
    let arg = if param.flag == param.name { arg } else { arg.alias(param.name) };
    match param.kind {
        Kind::Secret => arg.num_args(0..=1).action(ArgAction::Set),
        // `--recover-anyway` alone says everything.
        Kind::Bool => arg.num_args(0..=1).default_missing_value("yes").action(ArgAction::Set),
        Kind::Int { .. } => arg.allow_negative_numbers(true).action(ArgAction::Set),
        _ if param.kind.is_list() => arg.num_args(1..).action(ArgAction::Append),
        _ => arg.action(ArgAction::Set),
    }
}

fn help(param: &Param) -> String {
    let doc = param.doc.trim_end_matches('.');
    let choices = match param.kind {
        Kind::Choice(names) => format!(" [{}]", names.join(", ")),
        _ => String::new(),
    };
    if param.default.is_empty() {
        format!("{doc}{choices}")
    } else {
        format!("{doc}{choices} [default: {}]", param.default)
    }
}

fn value_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "yes|no",
        Kind::Int { .. } => "NUMBER",
        Kind::Memory { .. } => "BYTES",
        Kind::MemoryOrPercent => "BYTES|PERCENT",
        Kind::Octal { .. } => "OCTAL",
        Kind::Choice(_) => "NAME",
        Kind::Events => "LETTERS",
        Kind::Secret => "SECRET",
        Kind::Text | Kind::Save | Kind::OutputLimits | Kind::History => "TEXT",
        Kind::Addresses => "ADDRESS",
        Kind::Percentiles => "PERCENT",
        Kind::ShutdownOptions => "OPTION",
    }
}

fn collect(matches: &ArgMatches) -> Flags {
    let mut flags = Flags {
        config_file: matches.get_one(CONFIG).or_else(|| matches.get_one(CONFIG_POSITION)).cloned(),
        restore: matches.get_one(RESTORE).cloned(),
        ..Flags::default()
    };
    collect_params(matches, PARAMS.iter(), &mut flags);
    flags
}

/// Adds the parameters that are given, of those that the command has.
pub(super) fn collect_params(
    matches: &ArgMatches,
    params: impl Iterator<Item = &'static Param>,
    flags: &mut Flags,
) {
    for param in params.filter(|param| matches.contains_id(param.name)) {
        let occurrences = matches.get_occurrences::<String>(param.name).into_iter().flatten();
        let occurrences = occurrences.map(|words| words.cloned().collect::<Vec<_>>());
        if matches!(param.kind, Kind::Secret) {
            flags.password = match occurrences.flatten().next() {
                Some(secret) => PasswordSource::Given(secret),
                None => PasswordSource::Ask,
            };
        } else {
            flags.settings.extend(occurrences.map(|words| (param, words)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, params};
    use super::*;

    fn parse_words(words: &[&str]) -> Result<CommandLine, StartError> {
        parse(["sanderling"].iter().chain(words).map(|word| OsString::from(*word)))
    }

    fn run(words: &[&str]) -> Flags {
        match parse_words(words) {
            Ok(CommandLine::Run(flags)) => flags,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn load(words: &[&str]) -> Result<Config, String> {
        Config::load(&run(words), None).map(|(config, _)| config).map_err(|error| error.to_string())
    }

    #[test]
    fn the_grammar_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_parameter_is_a_flag_with_its_sentence_in_help() {
        let Ok(CommandLine::Print(help)) = parse_words(&["--help"]) else {
            panic!("--help prints");
        };
        for param in &PARAMS {
            assert!(help.contains(&format!("--{}", param.flag)), "{}", param.name);
        }
        assert!(help.contains("[default: 6380]"));
        let Ok(CommandLine::Print(version)) = parse_words(&["--version"]) else {
            panic!("--version prints");
        };
        assert_eq!(version.trim(), concat!("sanderling ", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn flags_set_parameters_under_both_names() {
        let config =
            load(&["--port", "7000", "--data-dir", "x", "--slowlog-log-slower-than", "-1"])
                .unwrap();
        assert_eq!(config.int(params::PORT), 7000);
        assert_eq!(&*config.text(params::DIR), "x");
        assert_eq!(config.int(params::SLOWLOG_LOG_SLOWER_THAN), -1);
        assert_eq!(&*load(&["--dir", "y"]).unwrap().text(params::DIR), "y");
    }

    #[test]
    fn lists_take_several_words_and_several_flags() {
        let config =
            load(&["--bind", "127.0.0.1", "::1", "--save", "60", "1", "--save", "5 5"]).unwrap();
        assert_eq!(config.bind_addresses(), ["127.0.0.1", "::1"]);
        assert_eq!(&*config.text(params::SAVE), "60 1 5 5");
        assert_eq!(&*load(&["--save", ""]).unwrap().text(params::SAVE), "");
    }

    #[test]
    fn a_flag_that_says_yes_needs_no_value() {
        let value = |words: &[&str]| load(words).unwrap().flag(params::RECOVER_ANYWAY);
        assert!(!value(&[]) && !value(&["--recover-anyway", "no"]));
        assert!(value(&["--recover-anyway"]) && value(&["--recover-anyway", "--port", "1"]));
        assert!(value(&["--recover-anyway", "yes"]));
        assert!(load(&["--recover-anyway", "perhaps"]).is_err());
    }

    #[test]
    fn a_password_is_given_or_asked_for() {
        assert_eq!(run(&[]).password, PasswordSource::None);
        assert_eq!(run(&["--port", "1", "--password"]).password, PasswordSource::Ask);
        let flags = run(&["--password", "--port", "6380"]);
        assert_eq!((flags.password, flags.settings.len()), (PasswordSource::Ask, 1));
        assert_eq!(run(&["--requirepass", "x"]).password, PasswordSource::Given("x".to_owned()));
        assert!(!format!("{:?}", run(&["--password", "hunter2"])).contains("hunter2"));
    }

    #[test]
    fn the_file_may_come_first_and_flags_override_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        std::fs::write(&path, "timeout 5\nmaxclients 7\nsave 1 1\n").unwrap();
        let path = path.to_str().unwrap();
        for words in [
            [path, "--timeout", "9", "--save", "2 2"].as_slice(),
            &["--timeout", "9", "--save", "2 2", "--config", path],
        ] {
            let config = load(words).unwrap();
            assert_eq!((config.int(params::TIMEOUT), config.int(params::MAXCLIENTS)), (9, 7));
            assert_eq!(&*config.text(params::SAVE), "2 2");
            assert_eq!(config.file().unwrap().to_str(), Some(path));
        }
    }

    #[test]
    fn a_tool_is_the_first_word_and_a_file_of_that_name_needs_its_folder() {
        let tool = |words: &[&str]| match parse_words(words) {
            Ok(CommandLine::Tool(tool)) => tool,
            other => panic!("{words:?}: {other:?}"),
        };
        for (words, expected) in
            [(&["check", "dir"][..], false), (&["check", "--repair", "dir"], true)]
        {
            let Tool::Check { directory, repair } = tool(words) else { panic!("{words:?}") };
            assert_eq!((directory, repair), (PathBuf::from("dir"), expected));
        }
        let words = ["import", "--truncate", "a", "b", "--data-dir", "x", "--databases", "3"];
        let Tool::Import { files, truncate, flags } = tool(&words) else { panic!("{words:?}") };
        assert_eq!((files, truncate), (vec![PathBuf::from("a"), PathBuf::from("b")], true));
        let (config, _) = Config::load(&flags, None).unwrap();
        assert_eq!(&*config.text(params::DIR), "x");
        assert_eq!(config.int(params::DATABASES), 3);
        assert_eq!(run(&["./check"]).config_file, Some(PathBuf::from("./check")));
        assert_eq!(run(&["--config", "check"]).config_file, Some(PathBuf::from("check")));
        assert_eq!(run(&["--port", "1", "check"]).config_file, Some(PathBuf::from("check")));
        for words in [
            &["check"][..],
            &["check", "a", "b"],
            &["check", "a", "--port", "1"],
            &["import"],
            &["import", "a", "--port", "1"],
        ] {
            let error = parse_words(words).unwrap_err();
            assert!(matches!(error, StartError::ToolUsage(_)), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn errors_are_one_line() {
        for words in
            [&["--nope", "1"][..], &["--port"], &["--timeout", "1", "--timeout", "2"], &["a", "b"]]
        {
            let error = parse_words(words).unwrap_err().to_string();
            assert!(!error.contains('\n') && error.contains("--help"), "{error}");
        }
        assert_eq!(
            load(&["--port", "abc"]).unwrap_err(),
            "--port: 'abc': argument couldn't be parsed into an integer (the default is '6380')"
        );
        assert!(
            load(&["/no/such/file"]).unwrap_err().starts_with("cannot read the configuration file")
        );
    }
}
