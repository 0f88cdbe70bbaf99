//! Tools that work on files and need no server: `sanderling check`, `sanderling import`.
//!
//! The first word of the command line names them; a configuration file of such a name is given as
//! `./check`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// What a tool is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    Check { directory: PathBuf, repair: bool },
}

const CHECK: &str = "check";

pub(super) fn is_tool(word: &OsStr) -> bool {
    commands().iter().any(|command| command.get_name() == word)
}

pub(super) fn commands() -> Vec<Command> {
    let check = Command::new(CHECK)
        .about("Check the files of a data directory")
        .long_about(
            "Check the files of a data directory. Exit codes: 0 sound, 1 a torn end (a start would cut it off), \
             2 damage, 3 it could not be checked.",
        )
        .arg(path("DATA-DIR", "The directory that --data-dir names"))
        .arg(
            Arg::new("repair")
                .long("repair")
                .action(ArgAction::SetTrue)
                .help("Cut off a torn end, as a start would; nothing else is ever changed"),
        );
    vec![check]
}

fn path(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).required(true).value_parser(value_parser!(PathBuf)).help(help)
}

/// What clap found behind the name of a tool.
pub(super) fn collect(name: &str, matches: &ArgMatches) -> Tool {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    match name {
        CHECK => Tool::Check {
            directory: path("DATA-DIR").expect("it is required"),
            repair: matches.get_flag("repair"),
        },
        other => unreachable!("{other} is no tool"),
    }
}
