//! Tools that work on files and need no server: `sanderling check`, `sanderling import`.
//!
//! The first word of the command line names them; a configuration file of such a name is given as
//! `./check`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::flags::{self, Flags};
use super::params::{self, Param};

/// What a tool is to do.
#[derive(Debug)]
pub enum Tool {
    Check {
        directory: PathBuf,
        repair: bool,
    },
    /// The data directory is among the flags.
    Import {
        files: Vec<PathBuf>,
        truncate: bool,
        flags: Flags,
    },
}

const CHECK: &str = "check";
const REPAIR: &str = "repair";
const DIRECTORY: &str = "DATA-DIR";
const IMPORT: &str = "import";
const FILES: &str = "FILE";
const TRUNCATE: &str = "truncate";

pub(super) fn is_tool(word: &OsStr) -> bool {
    commands().iter().any(|command| command.get_name() == word)
}

pub(super) fn commands() -> Vec<Command> {
    vec![check(), import()]
}

fn check() -> Command {
    Command::new(CHECK)
        .about("Check the files of a data directory")
        .long_about(
            "Check the files of a data directory. Exit codes: 0 sound, 1 a torn end (a start would cut it off), \
             2 damage, 3 it could not be checked.",
        )
        .arg(path(DIRECTORY, "The directory that --data-dir names"))
        .arg(switch(REPAIR, "Cut off a torn end, as a start would; nothing else is ever changed"))
}

fn import() -> Command {
    Command::new(IMPORT)
        .about("Make a data directory from an append-only file of Redis")
        .long_about(
            "Make a data directory from an append-only file of Redis, its appendonlydir, or snapshots and log \
             segments of this server, one after the other. Exit codes: 0 imported, 2 a file is damaged or holds \
             what this server does not have, 3 a file cannot be read or the data directory not be used. Unless it \
             is 0, no data was written.",
        )
        .arg(path(FILES, "What to import, in this order").num_args(1..))
        .arg(switch(TRUNCATE, "Leave out what was not completely written at the end of the last file"))
        .args(import_params().map(flags::arg))
}

/// The parameters of the server that an import depends on.
fn import_params() -> impl Iterator<Item = &'static Param> {
    [params::DATABASES.param(), params::DIR.param()].into_iter()
}

fn path(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).required(true).value_parser(value_parser!(PathBuf)).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// What clap found behind the name of a tool.
pub(super) fn collect(name: &str, matches: &ArgMatches) -> Tool {
    match name {
        CHECK => Tool::Check {
            directory: matches.get_one(DIRECTORY).cloned().expect("it is required"),
            repair: matches.get_flag(REPAIR),
        },
        IMPORT => {
            let mut flags = Flags::default();
            flags::collect_params(matches, import_params(), &mut flags);
            Tool::Import {
                files: matches.get_many(FILES).expect("it is required").cloned().collect(),
                truncate: matches.get_flag(TRUNCATE),
                flags,
            }
        }
        other => unreachable!("{other} is no tool"),
    }
}
