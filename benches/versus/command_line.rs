//! What the command lines of benchmarks have in common.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// Exits with a message if the command line makes no sense. Without `--bench`, which cargo adds, a benchmark
/// runs among tests, and the arguments (names of tests, say) are meant for these.
pub fn parse(command: Command) -> ArgMatches {
    let args: Vec<OsString> = std::env::args_os().collect();
    let is_bench = args.iter().any(|arg| arg == "--bench");
    let count = if is_bench { args.len() } else { 1 };
    command.get_matches_from(&args[..count])
}

/// Which servers to ask, and how cargo and scripts say that this is a benchmark, or a test of it.
pub fn common() -> [Arg; 5] {
    [
        flag("alone", "Ask only this server"),
        path("ours", "Another binary of this server"),
        path("against", "The server to compare with, with the flags of redis-server"),
        flag("bench", "Passed by cargo bench").hide(true),
        flag("test", "A tiny run of everything, to test this script"),
    ]
}

/// Whether only to see if everything runs.
pub fn is_smoke(matches: &ArgMatches) -> bool {
    matches.get_flag("test") || !matches.get_flag("bench")
}

/// The largest scale, or a smaller one that is asked for.
pub fn scale<'s, S>(matches: &ArgMatches, [full, quick, smoke]: [&'s S; 3]) -> &'s S {
    match () {
        () if is_smoke(matches) => smoke,
        () if matches.get_flag("quick") => quick,
        () => full,
    }
}

/// The binaries of this server and of the one to compare with.
pub fn programs(matches: &ArgMatches) -> (PathBuf, PathBuf) {
    let path = |name: &str, default: &str| -> PathBuf {
        matches.get_one(name).cloned().unwrap_or_else(|| default.into())
    };
    (path("ours", env!("CARGO_BIN_EXE_sanderling")), path("against", "redis-server"))
}

pub fn number(matches: &ArgMatches, name: &str, default: usize) -> usize {
    matches.get_one(name).copied().unwrap_or(default)
}

pub fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

pub fn count(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("N").value_parser(value_parser!(usize)).help(help)
}

pub fn path(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("PATH").value_parser(value_parser!(PathBuf)).help(help)
}
